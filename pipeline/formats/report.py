"""What a reader found, repaired and left out, and the records that foreign formats hand over."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.schema import Span

MAX_EXAMPLES = 5
"""How many places of a repair are named in a report."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CharSpan:
    """An entity given by characters ``[start, end)`` of a text."""

    start: int
    end: int
    type: str


@dataclass(slots=True)
class RawSentence:
    """One sentence as a foreign format holds it, before tags are decoded and words are cleaned.

    Either ``words`` (with ``tags``, or with ``spans`` in words, or without labels) or ``text``
    (with ``char_spans``, or without labels).

    Attributes:
        words: The words as found; some may be empty.
        tags: One tag per word, in the scheme of the file.
        spans: Entities as word ranges, where the format has them.
        text: The sentence as one string.
        char_spans: Entities as character ranges of ``text``.
        id: The sentence's own id, if it has one.
        line: 1-based line (or row) in the file.
        lines: Line of every word, where words have lines of their own.
        file: The file, where the source is several.
    """

    words: list[str] | None = None
    tags: list[str] | None = None
    spans: list[Span] | None = None
    text: str | None = None
    char_spans: list[CharSpan] | None = None
    id: str | None = None
    line: int | None = None
    lines: Sequence[int] | None = None
    file: Path | None = None


@dataclass(slots=True)
class ReadReport:
    """Facts about one source, complete once all its sentences have been read.

    Attributes:
        origin: The file or hub data set.
        format: The format that was read.
        total: Sentences in the whole source, empty ones included, whatever the limit.
        scheme: The tag scheme; ``None`` where the format has spans instead of tags.
        notation: How its tags are spelled, where that is not as usual.
        scheme_detected: Whether the scheme was detected rather than given.
        encoding: The encoding the file was decoded with.
        double_encoded: Whether the text is encoded in UTF-8 twice.
        commit: The commit of a hub data set, if it is known.
        own_ids: Whether every sentence has an id of its own.
        layout: For CoNLL: separator, columns and prefix, as one line.
        sentences: Sentences read (within the limit, without empty ones).
        tokens: Words of these sentences.
        spans: Spans of these sentences by type, under the types' names in the file.
        repaired_tags: Tags outside the scheme's rules that were repaired, by kind.
        repaired_words: Words that were decoded once more.
        unrepaired_words: Non-ASCII words of a double-encoded source that do not decode.
        invisible_words: Words with no visible character, which were left out.
        lost_spans: Spans that consisted of such words only.
        split_words: Words that were split at the border of a character span.
        empty_sentences: Sentences without words, which were left out.
        docstarts: ``-DOCSTART-`` lines that were skipped.
        comments: Comment lines that were skipped.
        examples: The first few places of each repair.
        warnings: Sentences for the user.
    """

    origin: str
    format: str
    total: int = 0
    scheme: str | None = None
    notation: str | None = None
    scheme_detected: bool = False
    encoding: str | None = None
    double_encoded: bool = False
    commit: str | None = None
    own_ids: bool = False
    layout: str | None = None
    sentences: int = 0
    tokens: int = 0
    spans: Counter[str] = field(default_factory=Counter)
    repaired_tags: Counter[str] = field(default_factory=Counter)
    repaired_words: int = 0
    unrepaired_words: int = 0
    invisible_words: int = 0
    lost_spans: int = 0
    split_words: int = 0
    empty_sentences: int = 0
    docstarts: int = 0
    comments: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def warn(self, message: str) -> None:
        """Keep a warning, and log it."""
        self.warnings.append(message)
        _log.warning("%s", message)

    def example(self, kind: str, where: str) -> None:
        """Keep a place where something was repaired, up to :data:`MAX_EXAMPLES` of each kind."""
        places = self.examples.setdefault(kind, [])
        if len(places) < MAX_EXAMPLES:
            places.append(where)

    def to_notes(self) -> dict[str, Any]:
        """Return the report as JSON values for a manifest, without the counters that are zero."""
        always = {"origin", "format", "total", "sentences", "tokens", "spans"}
        notes: dict[str, Any] = {}
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, Counter):
                value = dict(sorted(value.items()))
            if value or name in always:
                notes[name] = value
        return notes
