"""spaCy: ``DocBin`` files, as ``spacy train`` reads them. Needs the optional extra ``spacy``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from pipeline.disk import written_whole
from pipeline.errors import DataError, XlnerError
from pipeline.formats.format import Format, Sample
from pipeline.formats.packed import open_bytes
from pipeline.formats.report import CharSpan, RawSentence, ReadReport
from pipeline.formats.sentences import keep_whole, parts_of
from pipeline.schema import Sentence, Span


def _spacy() -> Any:
    try:
        import spacy
    except ImportError as error:
        raise XlnerError(
            'spaCy is not installed; pip install "xlner[spacy]", or export to another format'
        ) from error
    return spacy


class DocBinFile(Format):
    """A ``DocBin``: entities of ``doc.ents``, sentences of ``doc.sents`` where they are set."""

    about: ClassVar[str] = "spaCy DocBin (.spacy): the entities of doc.ents"
    suffixes: ClassVar[frozenset[str]] = frozenset({".spacy"})
    options: ClassVar[frozenset[str]] = frozenset({"documents"})

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether its name says so."""
        return sample.suffix in cls.suffixes

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield one sentence per sentence of a document, or the document where it has none."""
        path, labelled = self.request.file, self.request.labelled
        annotated = number = 0
        for number, doc in enumerate(_docs(path), 1):
            if labelled and not doc.has_annotation("ENT_IOB"):
                report.leave_out("documents without entity annotation")
                continue
            if labelled and not doc.has_annotation("ENT_IOB", require_complete=True):
                # A word without annotation is not one outside all entities.
                report.leave_out("documents with words without entity annotation")
                continue
            annotated += 1
            report.leave_out("spans of doc.spans", sum(len(g) for g in doc.spans.values()))
            for raw in _sentences(doc, number):
                if not labelled:
                    raw.spans, raw.char_spans = None, None if raw.char_spans is None else []
                yield raw
        if number and not annotated:
            raise DataError(
                f"{path}: none of the {number} documents has entities annotated (doc.ents) for all "
                "its words; is it training data for another component? If words without annotation "
                'are in no entity, say so: doc.set_ents(doc.ents, default="outside")'
            )


def _docs(path: Path) -> Iterator[Any]:
    _spacy()
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    with open_bytes(path) as file:
        data = file.read()
    try:
        yield from DocBin().from_bytes(data).get_docs(Vocab())
    except Exception as error:
        # zlib, msgpack, numpy and spaCy each have errors of their own for what they cannot parse.
        raise DataError(
            f"{path}: not a DocBin of spaCy, or a damaged one ({type(error).__name__}: {error})"
        ) from error


def _sentences(doc: Any, number: int) -> Iterator[RawSentence]:
    words = [t.text for t in doc]
    spans = [Span(e.start, e.end, e.label_) for e in doc.ents]
    own = doc.user_data.get("id") if isinstance(doc.user_data, dict) else None
    own = own if isinstance(own, str) else None
    if own is not None and "lang" in doc.user_data:  # a sentence that we wrote
        yield RawSentence(words=words, spans=spans, id=own, line=number)
        return
    if not doc.has_annotation("SENT_START"):
        yield RawSentence(
            words=words,
            text=doc.text,
            char_spans=[CharSpan(e.start_char, e.end_char, e.label_) for e in doc.ents],
            unit="characters",
            id=own,
            line=number,
            may_be_document=True,
        )
        return
    raw = RawSentence(words=words, spans=spans, id=own, line=number)
    yield from parts_of(raw, keep_whole([(s.start, s.end) for s in doc.sents], spans)[0])


def write_docbin(sentences: Iterable[Sentence], path: Path) -> int:
    """Write one ``Doc`` per sentence, its entities in ``doc.ents`` and its id in ``user_data``.

    Returns:
        The number of sentences written.

    Raises:
        XlnerError: If spaCy is not installed.
    """
    spacy = _spacy()
    from spacy.tokens import Doc, DocBin
    from spacy.tokens import Span as SpacySpan

    vocabulary = spacy.blank("xx").vocab
    docs = DocBin(store_user_data=True)
    count = 0
    for sentence in sentences:
        doc = Doc(vocabulary, words=sentence.words)
        doc.ents = [SpacySpan(doc, s.start, s.end, label=s.type) for s in sentence.spans]
        doc.user_data["id"], doc.user_data["lang"] = sentence.id, sentence.lang
        docs.add(doc)
        count += 1
    with written_whole(path) as new:
        docs.to_disk(new)
    return count
