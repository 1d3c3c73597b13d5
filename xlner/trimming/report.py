"""What a cut has done: sizes before and after, and how words are tokenised now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from xlner.trimming.selection import Segmenter


@dataclass(frozen=True, slots=True)
class Tokenisation:
    """How the words of one text or list fare; shares are of running words."""

    words: float
    as_before: float
    """Share of words with the same subwords as before."""
    subwords_before: float
    """Subwords per word."""
    subwords_after: float


@dataclass(frozen=True, slots=True)
class TrimReport:
    """Subwords, parameters and bytes (of weights and tokenizer) before and after."""

    subwords_before: int
    subwords_after: int
    parameters_before: int
    parameters_after: int
    bytes_before: int
    bytes_after: int
    texts: dict[str, Tokenisation] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON would have it."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the report for people."""
        found = [
            f"subwords: {self.subwords_before:,} -> {self.subwords_after:,}",
            f"parameters: {self.parameters_before:,} -> {self.parameters_after:,}",
            f"size: {self.bytes_before / 1e6:.1f} MB -> {self.bytes_after / 1e6:.1f} MB",
        ]
        for name, text in self.texts.items():
            found.append(
                f"{name}: {100 * text.as_before:.1f} % of words tokenised as before; subwords per "
                f"word {text.subwords_before:.2f} -> {text.subwords_after:.2f}"
            )
        return found


def compare(
    words: Mapping[str, float], before: dict[str, Any], after: dict[str, Any]
) -> Tokenisation:
    """Compare two model sections of a ``tokenizer.json`` on weighted words."""
    old, new = Segmenter(before), Segmenter(after)
    total = same = first = second = 0.0
    for word, weight in words.items():
        was, now = old(word), new(word)
        total += weight
        same += weight * (was == now)
        first += weight * len(was)
        second += weight * len(now)
    return Tokenisation(total, same / total, first / total, second / total)
