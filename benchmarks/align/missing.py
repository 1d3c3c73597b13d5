"""Which gold links an aligner misses: those of words with one link, or those of phrases.

    python -m benchmarks.align.missing deen.gold ours.txt deen.cross-align.out --half 1

GOLD is in Pharaoh format with sure and possible links (``--gold-base`` says what it counts from),
the others are what aligners made of the same pairs, counted from 0; links of a probability below
0.5 do not count. A sure link is *one-to-one* if neither of its words has another sure link.
Annotators link phrases word by word to a degree that differs from one gold set to the next; how
much of an error rate hangs on that is what the last column tells.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.formats import PharaohLine, read_pharaoh
from stages.align.scoring import score
from stages.word_alignment.aligner import asserted

Pair = tuple[int, int]


class Share(NamedTuple):
    """How many sure links there are of a kind, and how many of them were found."""

    links: int
    found: int

    def __str__(self) -> str:
        """Return it as percent, with the number of links."""
        return f"{100 * self.found / max(1, self.links):6.1f} of {self.links}"


def recall_by_kind(found: Sequence[set[Pair]], gold: Sequence[PharaohLine]) -> tuple[Share, Share]:
    """Return the recall of one-to-one sure links, and that of the others."""
    links, right = [0, 0], [0, 0]
    for mine, line in zip(found, gold, strict=True):
        sure = {(k.source, k.target) for k in line.sure}
        sources, targets = Counter(i for i, _ in sure), Counter(j for _, j in sure)
        for i, j in sure:
            kind = int(sources[i] > 1 or targets[j] > 1)
            links[kind] += 1
            right[kind] += (i, j) in mine
    return Share(links[0], right[0]), Share(links[1], right[1])


def main() -> None:
    """Print a line per file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("gold", type=Path)
    parser.add_argument("links", type=Path, nargs="+")
    parser.add_argument("--gold-base", type=int, default=1, choices=(0, 1))
    parser.add_argument("--half", type=int, choices=(1, 2), help="default: all pairs")
    options = parser.parse_args()
    gold = list(read_pharaoh(options.gold, base=options.gold_base))
    middle = len(gold) // 2
    rows = {None: slice(None), 1: slice(middle), 2: slice(middle, None)}[options.half]
    print(f"{'':28}    AER  precision  recall   one-to-one       others")
    for path in options.links:
        links = [asserted(line.sure) for line in read_pharaoh(path)]
        if len(links) != len(gold):
            raise SystemExit(f"{path}: {len(links)} lines, but {options.gold} has {len(gold)}")
        figures = score(links[rows], gold[rows])
        pairs = [{(k.source, k.target) for k in line} for line in links[rows]]
        single, others = recall_by_kind(pairs, gold[rows])
        print(
            f"{path.name:28} {100 * figures.aer:6.2f} {100 * figures.precision:8.1f} "
            f"{100 * figures.recall:9.1f}   {single}  {others}"
        )


if __name__ == "__main__":
    main()
