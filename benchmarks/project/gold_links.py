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

from benchmarks.align.languages import ROOT, align, corpora
from benchmarks.project.corpora import DATA, GoldBitext
from benchmarks.project.gold_projection import OURS, PEERS, scores
from pipeline.config import DataSource
from pipeline.formats import PharaohLine, read_labelled
from pipeline.schema import Sentence, Span
from stages.word_alignment.aligner import WordPair
from xlner.commands.shared import quiet_libraries

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


def prepare(
    name: str, words: Sequence[WordPair], gold: Sequence[PharaohLine], names: dict[Name, str]
) -> GoldBitext:
    """Return the pairs as a corpus: the names to project, and where these belong."""
    corpus = GoldBitext(name, [], [])
    for k, ((source, target), line) in enumerate(zip(words, gold, strict=True)):
        found = [(s, carried(s, line)) for s in find_names(source, names)]
        mine, theirs = [s for s, t in found if t], [t for _, t in found if t]
        corpus.source.append(Sentence(str(k), "en", list(source), mine))
        corpus.target.append(Sentence(str(k), "", list(target), theirs))
    return corpus


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
    for name, words, gold, _ in corpora(options.examples):
        links = align(options.aligner, words, len(words), options.encoder)
        corpus = prepare(name, words, gold, names)
        print(f"{name}: {sum(map(len, corpus.gold))} names in {len(words)} pairs")
        for title, method in (PEERS | OURS).items():
            figures = "".join(f"{x:7.1f}" for x in scores(corpus, links, method))
            print(f"  {title:30}{figures}", flush=True)


if __name__ == "__main__":
    main()
