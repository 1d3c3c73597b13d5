"""A sentence of a run as it is shown, and what speaks against its labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.schema import Link, Span


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that speaks against a label.

    Attributes:
        kind: A key of :data:`DOUBTS`.
        span: Index of the target span that is meant; ``None`` where a label is missing.
        text: The words that show it, to be put after the description; may be empty.
    """

    kind: str
    span: int | None
    text: str = ""


DOUBTS: Final = {
    "not_gold": "wrong: gold has another label here",
    "gold_missed": "wrong: gold has an entity that was not labelled",
    "translation": "the translation looks wrong",
    "stands_elsewhere": "the source name stands word for word elsewhere in the target sentence",
    "other_word": "these words are linked to another source word, and to none of the name",
    "repeated": "the name stands in the target sentence again, without a label",
    "usually_other": "the same source name is usually rendered otherwise",
    "not_a_name": "the source name has a capital letter, the target words have none",
    "other_length": "far more or far fewer words than the source name",
    "unlike_others": "labels of other sentences speak against it (their classifier gives it)",
    "unsure": "the projector was unsure (low score)",
    "unlabelled": "this source entity has no label, and training uses the sentence",
}
"""Kinds of doubt, in words, the most telling ones first."""


@dataclass(frozen=True, slots=True)
class ViewedSpan:
    """A span on the target side, with what is known about it.

    Attributes:
        source: Index of the source span it came from, if any.
        reason: Why it was dropped; ``None`` when kept.
    """

    span: Span
    kept: bool = True
    reason: str | None = None
    source: int | None = None
    method: str | None = None


@dataclass(slots=True)
class View:
    """One sentence as it is shown: source above, target below, links between.

    Attributes:
        lost: Source spans (by index) without any target span, with the reason.
        scores: Of the sentence pair, by name (:mod:`stages.project.pairs`).
        kept: Whether training uses the sentence; ``None`` where nothing was decided.
        gold: Gold labels of the target side; ``None`` where there are none.
        doubts: What speaks against the kept labels (:func:`stages.inspect.doubts.judged`).
        unlikely: By the index of a kept span, how little a classifier thinks of it that learnt from
            other sentences, in [0, 1] (:mod:`stages.inspect.out_of_sample`), if one was asked.
    """

    id: str
    lang: str
    words: list[str]
    spans: list[ViewedSpan] = field(default_factory=list)
    source_id: str | None = None
    source_lang: str | None = None
    source_words: list[str] = field(default_factory=list)
    source_spans: list[Span] = field(default_factory=list)
    lost: list[tuple[int, str]] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    kept: bool | None = None
    reason: str | None = None
    gold: list[Span] | None = None
    doubts: list[Doubt] = field(default_factory=list)
    unlikely: dict[int, float] = field(default_factory=dict)

    def kept_spans(self) -> list[Span]:
        """Return the spans that were not dropped."""
        return [s.span for s in self.spans if s.kept]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "id": self.id,
            "lang": self.lang,
            "kept": self.kept,
            "reason": self.reason,
            "source_id": self.source_id,
            "source_lang": self.source_lang,
            "source_words": self.source_words,
            "source_spans": [_span_json(s) for s in self.source_spans],
            "words": self.words,
            "spans": [
                _span_json(s.span)
                | {"kept": s.kept, "reason": s.reason, "source": s.source, "method": s.method}
                for s in self.spans
            ],
            "scores": {name: _rounded(value) for name, value in self.scores.items()},
            "lost": [{"source": index, "reason": reason} for index, reason in self.lost],
            "links": [[link.source, link.target, _rounded(link.prob)] for link in self.links],
            "gold": None if self.gold is None else [_span_json(s) for s in self.gold],
            "doubts": [
                {"kind": d.kind, "span": d.span, "text": d.text, "about": DOUBTS[d.kind]}
                for d in self.doubts
            ],
        }


def _span_json(span: Span) -> dict[str, Any]:
    score = None if span.score is None else _rounded(span.score)
    return {"start": span.start, "end": span.end, "type": span.type, "score": score}


def _rounded(value: float) -> float:
    return round(value, 4)
