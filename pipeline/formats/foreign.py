"""What is not read, told by what it is and with what to do, rather than by a row that does not fit.

Each entry knows files of one kind that circulate as data for entity recognition. None of the ways
out that it names loses a label.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from pipeline.errors import DataError
from pipeline.formats.evidence import SENTENCE_NAMES, TAG_NAMES, WORD_NAMES, plain_name
from pipeline.formats.format import Sample
from pipeline.formats.notation import NEARLY_ALL
from pipeline.yaml_text import scalar

# The last two in files that are called .csv alone.
_PARTED: Final = (("\t", "tabs"), ("|||", "'|||'"), (",", "commas"), (";", "semicolons"))
_MARKED: Final = re.compile(
    r"<([A-Za-z][\w.-]*)(?: [^<>]*)?>[^<>\n]+</\1>"  # <PER>Anna</PER>
    r"|\[[^\[\]\n]+\]\([\w. :{}\"-]+\)"  # [Anna](PER)
    r"|\[[A-Z][\w-]* [^\[\]\n]+\]"  # [PER Anna]
)
_XML: Final = re.compile(
    r"<(html|!DOCTYPE html|TEI|xmi:|GateDocument|collection|corpus|tmx|xliff|!DOCTYPE tmx)\b"
)
_TRANSLATIONS: Final = re.compile(r"<(tmx|xliff)\b", re.IGNORECASE)
_PUBTATOR: Final = re.compile(r"[^|\s]+\|t\|")
# Of lines; many sentences have no entity, and a row of a word is hardly ever marked.
_SHARE: Final = 0.1
ROW_OF_A_WORD: Final = "; a word per row? Save it as CSV, which is read by the column of sentences"


def refuse_xml(sample: Sample) -> None:
    """Refuse XML, which would be read as lines of plain text.

    Raises:
        DataError: If it is XML, with what it is and what to do.
    """
    first, path = sample.first_line.lstrip("\ufeff "), sample.path
    if not (first.startswith("<?xml") or _XML.match(first)):
        return
    found = _TRANSLATIONS.search("\n".join(line for _, line in sample.lines[:20]))
    if found:
        raise DataError(
            f"{path}: {found[1].upper()}, translations as XML; write each language to a file of "
            "plain text, a line per unit (docs/your-own-data.md has a script for it, under "
            "'Given translations'), and name these"
        )
    kind = "an HTML" if "html" in first[:15].lower() else "an XML"
    raise DataError(
        f"{path}: {kind} file; export it from its tool as CoNLL, brat or JSON, or turn its "
        "elements into {text, spans} records (JSON Lines); text without labels as plain text, a "
        "sentence per line"
    )


def refuse_foreign(sample: Sample) -> None:
    """Refuse a text that is known, and not read as labelled.

    Raises:
        DataError: If it is one, with what it is and what to do.
    """
    first, path = sample.first_line.lstrip("\ufeff "), sample.path
    if first.startswith("#FORMAT=WebAnno"):
        raise DataError(
            f"{path}: a WebAnno/INCEpTION TSV; export the project as CoNLL 2002 or CoNLL 2003 "
            "instead, which has the same entities"
        )
    if first.startswith("File,Line,Begin Offset,End Offset,Type"):
        raise DataError(
            f"{path}: annotations for AWS Comprehend, whose texts are in files of their own; write "
            "JSON Lines of {text, spans: [[start, end, type]]}, a record per document or line"
        )
    if _PUBTATOR.match(first):
        raise DataError(
            f"{path}: a PubTator file; its positions count characters of title and abstract joined "
            "by one space: write JSON Lines of {text, spans: [[start, end, type]]}"
        )
    rows = [line for _, line in sample.lines if line.strip()]
    marked = sum(_MARKED.search(line) is not None for line in rows)
    if rows and marked and marked >= _SHARE * len(rows):
        found = next(m[0] for line in rows if (m := _MARKED.search(line)))
        raise DataError(
            f"{path}: plain text with entities marked inside it ({found[:60]!r}); write it as JSON "
            "Lines of {text, spans: [[start, end, type]]}, with positions in the text without the "
            "marks, or as CoNLL"
        )


def _is_dygie(record: Mapping[str, Any]) -> bool:
    sentences = record.get("sentences")
    return (
        "ner" in record
        and isinstance(sentences, list)
        and all(isinstance(s, list) for s in sentences)
    )


def is_row_of_a_word(record: Mapping[str, Any]) -> bool:
    """Whether a record has fields for a word, its tag, and the sentence that it belongs to."""
    names = {plain_name(name) for name in record}
    return all(names & known for known in (SENTENCE_NAMES, WORD_NAMES, TAG_NAMES))


def hint(record: Mapping[str, Any]) -> str:
    """Return what a JSON record without words and text is, and what to do; empty if unknown."""
    if "documents" in record or "passages" in record:
        return (
            "; a BioC or Azure collection? Write a record per passage: {text, spans: [[start, end, "
            "type]]}, positions counted from the passage's own beginning"
        )
    if _is_dygie(record):
        return (
            "; a document of DyGIE? Write a record per sentence: {tokens, spans: [[start, end, "
            "type]]}, start less the words of the sentences before, end (its last word) less them "
            "and plus 1"
        )
    if "source" in record and any(
        isinstance(v, Mapping) and "annotations" in v for v in record.values()
    ):
        return (
            "; a manifest of SageMaker Ground Truth or AWS Comprehend? Write a line {text, spans: "
            "[[start, end, type]]} of each: its source, startOffset, endOffset and label"
        )
    if {"_referenced_fss", "%TYPES", "%FEATURE_STRUCTURES"} & record.keys():
        return "; a UIMA CAS? Export the project as CoNLL 2002 or CoNLL 2003"
    if "rasa_nlu_data" in record:
        return "; Rasa's training data? Name the list in it: common_examples, as JSON Lines"
    if "assets" in record and "projectFileVersion" in record:
        return (
            "; an Azure project? Its texts are in files of their own: write {text, spans: [[start, "
            "end, type]]} per document (start is the offset, end is offset + length; set offsets: "
            "utf-16 where stringIndexType is Utf16CodeUnit)"
        )
    sides = record.get("translation")
    if isinstance(sides, Mapping) and sides and all(isinstance(t, str) for t in sides.values()):
        return f"; pairs of sentences? Write each side ({', '.join(sides)}) to a file of its own"
    if is_row_of_a_word(record):
        return ROW_OF_A_WORD
    splits = [k for k, v in record.items() if isinstance(v, list) and v and isinstance(v[0], dict)]
    if len(splits) > 1:
        return f"; write the lists {', '.join(splits)} to files of their own"
    return ""


def refuse_rows_of_words(sample: Sample) -> None:
    """Refuse a table with a word per row and no tags, which would be read as lines of plain text.

    Raises:
        DataError: If its name and its header say that it is one, with what to do.
    """
    if sample.suffix not in (".csv", ".tsv"):
        return
    cells = [cell.strip(' "') for cell in re.split(r"[,;\t]", sample.first_line.strip())]
    word = next((cell for cell in cells if plain_name(cell) in WORD_NAMES), None)
    if word is not None:
        raise DataError(
            f"{sample.path}: a table with a word per row and no tags; set format: conll and "
            f"word_column: {scalar(word)} (blank lines part sentences), or, if its lines are the "
            "sentences, header and all, set format: text"
        )


def refuse_columns(sample: Sample) -> None:
    """Refuse lines of several columns, which would be read as one text each, numbers and all.

    Pairs of sentences are such (with their scores, perhaps), and sentences with their numbers.

    Raises:
        DataError: If there are such lines, with what is in them and what to do.
    """
    lines = [line for _, line in sample.lines if line.strip()]
    signs = _PARTED if sample.suffix == ".csv" else _PARTED[:2]
    for sign, what in signs:
        rows = [line.split(sign) for line in lines]
        if sign in ",;":
            try:
                rows = list(csv.reader(lines, delimiter=sign))
            except csv.Error:  # a carriage return in the middle of a line
                continue
        width = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
        fitting = [row for row in rows if len(row) == width > 1 and all(c.strip() for c in row)]
        if len(rows) < 2 or len(fitting) < NEARLY_ALL * len(rows):
            continue
        shown = "; ".join(f"{i}: {cell.strip()[:40]!r}" for i, cell in enumerate(fitting[0], 1))
        cut = " (cut -f1, -f2 …)" if sign == "\t" else ""
        raise DataError(
            f"{sample.path}: {width} columns parted by {what} ({shown}), not a sentence per line; "
            f"write the column of the sentences to a file of its own{cut}; or set format: table "
            "and word_column, if the first line names the columns, format: conll, if each line is "
            "about a word, format: text, if each line is a sentence as it stands"
        )
