"""Runs the makers, keeps what each has finished, and passes everything through the gate."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from pipeline.disk import write_atomic
from pipeline.listed import batched
from pipeline.schema import Sentence, Span, kept_spans, span_row, spans_of
from pipeline.task import Advance
from stages.synthesize.gate import REASONS, Gate
from stages.synthesize.makers.base import Made, Maker, TextRequest

_BLOCK = 1000  # sentences judged together: the batches of the round trip

REAL = "unlabelled"
"""The maker's name in rows of real text."""


class Chunks:
    """Finished chunks of the makers, kept as files so that an interrupted run goes on.

    Args:
        folder: Where to keep them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts: dict[str, int] = {}

    def produce(
        self,
        maker: Callable[[], Maker],
        name: str,
        request: TextRequest,
        advance: Advance,
    ) -> Counter[str]:
        """Make all chunks that are not there yet; the maker is only built if one is missing.

        Returns:
            What the maker counted.
        """
        built: Maker | None = None
        # Chunks of one size are the contract of each maker; it is asked only when it is there.
        plan = self._folder / f"{name}.json"
        if plan.is_file():
            self._counts[name] = int(json.loads(plan.read_text(encoding="utf-8")))
        else:
            built = maker()
            self._counts[name] = built.chunks(request)
            write_atomic(plan, json.dumps(self._counts[name]).encode())
        for chunk in range(self._counts[name]):
            path = self._path(name, chunk)
            if path.is_file():
                continue
            built = built or maker()
            rows = [_dump(m) for m in built.make(request, chunk, advance)]
            write_atomic(path, json.dumps(rows, ensure_ascii=False).encode())
        return Counter() if built is None else built.seen

    def read(self, name: str) -> Iterator[Made]:
        """Yield what a maker has made, chunk by chunk."""
        for chunk in range(self._counts[name]):
            for row in json.loads(self._path(name, chunk).read_text(encoding="utf-8")):
                yield _load(row)

    def _path(self, name: str, chunk: int) -> Path:
        return self._folder / f"{name}-{chunk:05d}.json"


def _dump(made: Made) -> dict[str, Any]:
    return {
        "words": made.words,
        "source_id": made.source_id,
        "spans": [[s.start, s.end, s.type, s.score] for s in made.spans],
        "scores": made.scores,
        "reason": made.reason,
    }


def _load(row: Mapping[str, Any]) -> Made:
    spans = [Span(*s) for s in row["spans"]]
    return Made(row["words"], row["source_id"], spans, row["scores"], row["reason"])


def gated_rows(made: Iterable[Made], maker: str, lang: str, gate: Gate) -> Iterator[dict[str, Any]]:
    """Yield rows of ``synthetic`` with their scores and the gate's decision.

    Args:
        made: Sentences of one maker, in order.
        maker: Its name.
        lang: The target language.
        gate: The gate; it remembers what it has kept.
    """
    judged = (
        (item, *judgement)
        for block in batched(made, _BLOCK)
        for item, judgement in zip(block, gate.judge_all(block, maker), strict=True)
    )
    for number, (item, scores, reason) in enumerate(judged):
        yield {
            "id": f"{maker}-{number:07d}",
            "lang": lang,
            "words": item.words,
            "spans": [span_row(s) for s in item.spans],
            "maker": maker,
            "source_id": item.source_id,
            "scores": [{"name": k, "value": v} for k, v in sorted(scores.items())],
            "kept": reason is None,
            "reason": reason,
        }


def decided_rows(
    rows: Iterable[Mapping[str, Any]], lang: str, gate: Gate
) -> Iterator[dict[str, Any]]:
    """Pass stored ``synthetic`` rows through a gate again, in their order.

    Args:
        rows: The rows, those of one maker together.
        lang: The target language.
        gate: A gate that has kept nothing yet.
    """
    for maker, mine in groupby(rows, key=lambda row: str(row["maker"])):
        yield from gated_rows(map(_undecided, mine), maker, lang, gate)


def _undecided(row: Mapping[str, Any]) -> Made:
    # How near the sentences kept before it are depends on the thresholds; the rest does not.
    scores = {s["name"]: s["value"] for s in row["scores"] if s["name"] != "near_duplicate"}
    reason = None if row["reason"] in REASONS else row["reason"]
    return Made(list(row["words"]), row["source_id"], spans_of(row), scores, reason)


def real_sentences(rows: Iterable[Mapping[str, Any]]) -> Iterator[Made]:
    """Yield unlabelled rows as if a maker had made them, for the gate."""
    for row in rows:
        yield Made(list(row["words"]), row["id"])


def projected_sentences(rows: Iterable[Mapping[str, Any]]) -> Iterator[Sentence]:
    """Yield the kept sentences of ``projected`` rows, with their kept spans."""
    for row in rows:
        if row["kept"] and row["words"]:
            yield Sentence(row["id"], row["lang"], list(row["words"]), kept_spans(row))
