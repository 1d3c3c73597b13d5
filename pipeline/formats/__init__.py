"""Foreign formats: reading corpora of any kind into sentences, and writing sentences out.

:func:`read_labelled` is the one entry for reading; it detects the format, the tag scheme and the
encoding, and attaches a :class:`ReadReport`. Tags and files exist only here: inside, sentences are
words with half-open spans (:mod:`pipeline.schema`).

=====================  ===========================================================================
module                 what it knows
=====================  ===========================================================================
``format``, ``kinds``  what a format is; the table of formats, and which of them a file is in
``splits``/``packed``  which files a path stands for; packed files
``resolving``          positions (``offsets``) and documents (``sentences``), made out over a source
``foreign``            what is not read, told by what it is
``conll``              CoNLL-like columns
``brat`` …             one module per format: brat, doccano, inline, label_studio, prodigy,
                       spacy_docbin, spacy_json, table
``jsonl``              JSON Lines
``parquet``            Parquet, with HF ``ClassLabel`` features
``hub``                HF data sets, from the hub or from ``save_to_disk``
``text``               plain text
``pharaoh``            word alignments
``schemes``            IOB1, IOB2, BIOES, BILOU and IO tags to and from spans
``encoding``           text encoded in UTF-8 twice
``labels``             renaming, dropping and comparing labels
=====================  ===========================================================================
"""

from pipeline.formats.conll import write_conll
from pipeline.formats.encoding import repair
from pipeline.formats.format import Format, Request, Sample
from pipeline.formats.jsonl import write_jsonl
from pipeline.formats.kinds import FORMATS, detect_format
from pipeline.formats.labels import map_spans, require_known_types
from pipeline.formats.layout import DOCSTART
from pipeline.formats.parquet import write_parquet
from pipeline.formats.pharaoh import PharaohLine, read_pharaoh, write_pharaoh
from pipeline.formats.reading import SentenceStream, read_labelled
from pipeline.formats.report import ReadReport
from pipeline.formats.schemes import SCHEMES, spans_from_tags, tags_from_spans
from pipeline.formats.words import Tokenizer, offsets_by, whitespace_offsets

__all__ = [
    "DOCSTART",
    "FORMATS",
    "SCHEMES",
    "Format",
    "PharaohLine",
    "ReadReport",
    "Request",
    "Sample",
    "SentenceStream",
    "Tokenizer",
    "detect_format",
    "map_spans",
    "offsets_by",
    "read_labelled",
    "read_pharaoh",
    "repair",
    "require_known_types",
    "spans_from_tags",
    "tags_from_spans",
    "whitespace_offsets",
    "write_conll",
    "write_jsonl",
    "write_parquet",
    "write_pharaoh",
]
