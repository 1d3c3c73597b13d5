"""spaCy: ``DocBin`` files, for ``spacy train``. Needs the optional extra ``spacy``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import XlnerError
from pipeline.schema import Sentence, Span


def _spacy() -> Any:
    try:
        import spacy
    except ImportError as error:
        raise XlnerError(
            'spaCy is not installed; pip install "xlner[spacy]", or export to another format'
        ) from error
    return spacy


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
    docs.to_disk(path)
    return count


def read_docbin(path: Path) -> Iterator[Sentence]:
    """Yield the sentences of a ``DocBin`` that :func:`write_docbin` wrote.

    Raises:
        XlnerError: If spaCy is not installed.
    """
    spacy = _spacy()
    from spacy.tokens import DocBin

    for doc in DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab):
        yield Sentence(
            doc.user_data["id"],
            doc.user_data["lang"],
            [t.text for t in doc],
            [Span(e.start, e.end, e.label_) for e in doc.ents],
            str(path),
        )
