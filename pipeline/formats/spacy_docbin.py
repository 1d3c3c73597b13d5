"""spaCy: ``DocBin`` files, for ``spacy train``. Needs the optional extra ``spacy``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, XlnerError
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
        DataError: If the file is damaged, or a document in it is not one of ours.
    """
    spacy = _spacy()
    from spacy.tokens import DocBin

    try:
        docs = [
            (doc.user_data, [t.text for t in doc], [(e.start, e.end, e.label_) for e in doc.ents])
            for doc in DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab)
        ]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    except Exception as error:
        # zlib, msgpack, numpy and spaCy each have errors of their own for what they cannot parse.
        raise DataError(
            f"{path}: not a DocBin of spaCy, or a damaged one ({type(error).__name__}: {error})"
        ) from error
    for number, (facts, words, entities) in enumerate(docs, 1):
        names = [facts.get(key) for key in ("id", "lang")]
        if not all(isinstance(name, str) for name in names) or not words or not all(words):
            raise DataError(
                f"{path}: document {number} has no id and language in its user_data, or no words; "
                "only what inspect_labels exported can be read back"
            )
        yield Sentence(names[0], names[1], words, [Span(*e) for e in entities], str(path))
