"""Alignments against a gold standard with sure and possible links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.errors import DataError
from pipeline.formats.pharaoh import PharaohLine
from pipeline.listed import listed
from pipeline.schema import Link


@dataclass(frozen=True, slots=True)
class AlignmentScore:
    """Och and Ney's (2003) scores; sure links are possible ones, too.

    Attributes:
        precision: Share of the links that are possible.
        recall: Share of the sure links that were found.
        aer: Alignment error rate, 1 - (found sure + found possible) / (links + sure).
        links: Number of links.
        sure: Number of sure gold links.
    """

    precision: float
    recall: float
    aer: float
    links: int
    sure: int


def score(links: Iterable[Iterable[Link]], gold: Iterable[PharaohLine]) -> AlignmentScore:
    """Score the alignments of a corpus.

    Raises:
        DataError: If the numbers of pairs differ.
    """
    links, gold = listed(links, "score: the links"), listed(gold, "score: the gold links")
    if len(links) != len(gold):
        raise DataError(f"{len(links)} aligned pairs but {len(gold)} lines of gold alignments")
    total = sure_total = in_sure = in_possible = 0
    for found, reference in zip(links, gold, strict=True):
        given = {(k.source, k.target) for k in found}
        sure = {(k.source, k.target) for k in reference.sure}
        possible = sure | {(k.source, k.target) for k in reference.possible}
        total += len(given)
        sure_total += len(sure)
        in_sure += len(given & sure)
        in_possible += len(given & possible)
    either = total + sure_total
    return AlignmentScore(
        precision=in_possible / total if total else 0.0,
        recall=in_sure / sure_total if sure_total else 0.0,
        aer=1 - (in_sure + in_possible) / either if either else 0.0,
        links=total,
        sure=sure_total,
    )
