"""Projection in languages without gold entities: names in English text, carried over gold links.

    python -m benchmarks.project.gold_links --examples FOLDER [--aligner statistical]

FOLDER is ``examples/`` of the repository neulab/awesome-align: gold links of Romanian, Japanese and
Chinese with English (mostly in lower case). Names are what CoNLL-2003's English training set has at
least twice as an entity and never has as plain words. Where the gold links of a name fill a range
that no other word is surely linked to, that range is its right projection; it is compared with what
each method makes of links that the aligner learns from the pairs alone. The measure favours methods
that follow links, as the right answers are links themselves. Nothing is fitted on it. F1 of the
first half, the second half and all; the least link of the peers' methods is chosen on the first.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.align.languages import ROOT, align, corpora
from benchmarks.project.corpora import DATA
from benchmarks.project.gold_projection import LEAST, OURS, PEERS
from benchmarks.project.scoring import f1, halves
from pipeline.commands.shared import quiet_libraries
from pipeline.config import DataSource
from pipeline.formats import PharaohLine, read_labelled
from pipeline.schema import Link, Span
from stages.align.aligner import WordPair
from stages.project.batch import Batch, Pair
from stages.project.build import project_pairs
from stages.project.config import ProjectConfig

Name = tuple[str, ...]
LONGEST = 5


def known_names(data: Path) -> dict[Name, str]:
    """Return the lower-cased names of the English training set that are nothing else there."""
    seen: Counter[tuple[Name, str]] = Counter()
    plain: set[str] = set()
    for sentence in read_labelled(DataSource(), "en", path=data / "ner/conll/en/train.txt"):
        inside = {k for s in sentence.spans for k in range(s.start, s.end)}
        plain |= {w for k, w in enumerate(sentence.words) if k not in inside and w.islower()}
        for s in sentence.spans:
            seen[tuple(w.lower() for w in sentence.words[s.start : s.end]), s.type] += 1
    return {
        name: kind
        for (name, kind), times in reversed(seen.most_common())  # the most frequent type is last
        if times >= 2
        and len(name) <= LONGEST
        and not plain.issuperset(name)
        and (len(name) > 1 or (name[0].isalpha() and len(name[0]) > 2))
    }


def find_names(words: Sequence[str], names: dict[Name, str]) -> list[Span]:
    """Return the names in a sentence, the longest first where they begin alike."""
    lower, found, at = [w.lower() for w in words], list[Span](), 0
    while at < len(lower):
        ends = range(min(len(lower), at + LONGEST), at, -1)
        end = next((e for e in ends if tuple(lower[at:e]) in names), at)
        if end > at:
            found.append(Span(at, end, names[tuple(lower[at:end])]))
        at = max(end, at + 1)
    return found


def carried(span: Span, gold: PharaohLine) -> Span | None:
    """Return the target range that the gold links of a source span fill, if they fill one."""
    mine = {k.target for k in (*gold.sure, *gold.possible) if span.start <= k.source < span.end}
    others = {k.target for k in gold.sure if not span.start <= k.source < span.end}
    if not mine or mine & others or max(mine) - min(mine) + 1 != len(mine):
        return None
    return Span(min(mine), max(mine) + 1, span.type)


def report(
    title: str, pairs: Sequence[Pair], gold: Sequence[Sequence[Span]], options: dict[str, Any]
) -> None:
    """Print the line of a method."""
    parts = (*halves(len(pairs)), range(len(pairs)))
    peer = options.get("method") in ("span", "merged_runs", "published")
    results = []
    for least in LEAST if peer else (0.5,):
        extra = {"filters": {"min_score": 0.0}} if peer else {}
        config = ProjectConfig.model_validate({**options, "min_link": least, **extra})
        found = [
            [
                (s["start"], s["end"], s["type"])
                for s in spans
                if s["score"] >= config.filters.min_score
            ]
            for spans, _ in project_pairs(Batch.from_pairs(pairs), config)
        ]
        results.append(tuple(f1(gold, found, part) for part in parts))
    print(f"  {title:30}" + "".join(f"{x:7.1f}" for x in max(results)), flush=True)


def prepare(
    words: Sequence[WordPair],
    gold: Sequence[PharaohLine],
    links: Sequence[Sequence[Link]],
    names: dict[Name, str],
) -> tuple[list[Pair], list[list[Span]]]:
    """Return the pairs with the names to project, and where these belong."""
    pairs, right = [], []
    for (source, target), line, linked in zip(words, gold, links, strict=True):
        found = [(s, carried(s, line)) for s in find_names(source, names)]
        pairs.append(Pair(source, [s for s, t in found if t], target, linked))
        right.append([t for _, t in found if t])
    return pairs, right


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--examples", type=Path, help="awesome-align's folder examples/")
    parser.add_argument("--aligner", default="statistical")
    parser.add_argument("--encoder", default=str(ROOT / "artifacts" / "models" / "encoder"))
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    quiet_libraries()
    names = known_names(options.data)
    for corpus, words, gold, _ in corpora(options.examples):
        links = align(options.aligner, words, len(words), options.encoder)
        pairs, right = prepare(words, gold, links, names)
        print(f"{corpus}: {sum(map(len, right))} names in {len(pairs)} pairs")
        for title, method in (PEERS | OURS).items():
            report(title, pairs, right, method)


if __name__ == "__main__":
    main()
