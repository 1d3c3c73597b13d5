"""What projection gets wrong on the gold corpora, by kind.

    python -m benchmarks.project.errors LINKS_DIR [--kind auto] [--second] [--examples 3]

LINKS_DIR is what ``make_links`` wrote. The default projection is run over each corpus, and every
gold span of the target that it missed and every span that it made up is counted under one kind (a
span of ours and the gold span that it stands for are one error). Only the first half is looked
at, as all that is chosen is chosen there; ``--second`` prints the counts of the other half.

Kinds that no projection could mend carry a star, as the two sides are labelled differently:

- ``other type *``: the right words; the source has another type.
- ``no label there *``, ``no label here *``: a span of the source, or of the target alone.
- ``longer``, ``shorter``, ``moved``: ours has other edges than the gold span; with the first word
  that differs. With a star where the links of 0.5 and more speak for ours: every word that ours
  lacks is linked to words outside the entity alone, every word that ours has more into it.
- ``lost``: an entity of that type has no span; ``elsewhere``: it has one that touches no gold span.
"""

from __future__ import annotations

import argparse
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.project.corpora import CORPORA, DATA, languages, load_corpus, load_links
from benchmarks.project.gold_projection import project
from benchmarks.project.scoring import f1, halves
from pipeline.schema import Link, Sentence, Span
from stages.project.config import ProjectConfig

ASSERTED: Final = 0.5
ARTICLES: Final = {
    "de": "der die das den dem des ein eine einen einem einer eines",
    "es": "el la los las un una unos unas lo",
}
PREPOSITIONS: Final = {
    "de": "von vom in im zu zum zur für bei beim aus an am auf mit über und",
    "es": "de del a al en por para con sobre y e",
}
"""Function words of the target languages, conjunctions among them: for the counts alone."""


class Pair(NamedTuple):
    """A pair with gold labels on both sides and its links."""

    source: Sentence
    target: Sentence
    links: Sequence[Link]
    lang: str


class Error(NamedTuple):
    """One thing that is wrong: its kind, the gold span and ours, if it is about one."""

    kind: str
    gold: Span | None
    ours: Span | None


def find_errors(pair: Pair, found: Sequence[Span]) -> Iterator[Error]:
    """Compare the spans of one pair with its gold spans; see the module for the kinds."""
    ours = [s for s in found if s not in pair.target.spans]
    gold = [s for s in pair.target.spans if s not in found]
    # Where several touch, those that share most words belong together.
    touching = sorted(
        ((_shared(a, b), a, b) for a in gold for b in ours if _shared(a, b)),
        key=lambda x: (-x[0], x[1].start, x[2].start),
    )
    for _, a, b in touching:
        if a in gold and b in ours:
            gold.remove(a)
            ours.remove(b)
            same = (a.start, a.end) == (b.start, b.end)
            yield Error("other type *" if same else _edges(pair, a, b), a, b)
    for b in ours:
        meant = next((a for a in gold if a.type == b.type), None)
        if meant is not None:
            gold.remove(meant)
        yield Error("elsewhere" if meant else "no label there *", meant, b)
    lost = Counter(s.type for s in pair.source.spans) - Counter(s.type for s in found)
    for a in gold:
        yield Error("lost" if lost[a.type] > 0 else "no label here *", a, None)
        lost[a.type] -= 1


def _shared(a: Span, b: Span) -> int:
    return max(0, min(a.end, b.end) - max(a.start, b.start))


def _edges(pair: Pair, gold: Span, ours: Span) -> str:
    missing = sorted(set(range(gold.start, gold.end)) - set(range(ours.start, ours.end)))
    more = sorted(set(range(ours.start, ours.end)) - set(range(gold.start, gold.end)))
    kind = "moved" if missing and more else "longer" if more else "shorter"
    inside = {w for s in pair.source.spans if s.type == ours.type for w in range(s.start, s.end)}

    def linked(word: int) -> set[int]:
        return {k.source for k in pair.links if k.target == word and k.prob >= ASSERTED}

    spoken_for = all(linked(w) & inside for w in more) and all(
        linked(w) and not linked(w) & inside for w in missing
    )
    return f"{kind}: {word_class(pair, (missing + more)[0])}" + " *" * spoken_for


def word_class(pair: Pair, position: int) -> str:
    """Return what kind of word a target word is."""
    word = pair.target.words[position]
    if not {unicodedata.category(c)[0] for c in word} & {"L", "N"}:
        return "punctuation"
    if word.lower() in ARTICLES[pair.lang].split():
        return "article"
    if word.lower() in PREPOSITIONS[pair.lang].split():
        return "preposition or conjunction"
    return "lower-case word" if word.islower() else "capitalised word"


def show(pair: Pair, error: Error) -> None:
    """Print an example."""
    entities = " | ".join(f"{_text(pair.source, s)} {s.type}" for s in pair.source.spans)
    gold, ours = (f"{_text(pair.target, s)} {s.type}" if s else "–" for s in error[1:])
    print(f"      {entities}\n        gold: {gold}   ours: {ours}")


def _text(sentence: Sentence, span: Span) -> str:
    return " ".join(sentence.words[span.start : span.end])


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("links", type=Path)
    parser.add_argument("--kind", default="auto", help="links: <corpus>.<kind>.links")
    parser.add_argument("--second", action="store_true", help="counts of the second half")
    parser.add_argument("--examples", type=int, default=0, help="of each kind, first half only")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    for name in CORPORA:
        corpus = load_corpus(name, options.data)
        links = load_links(options.links / f"{name}.{options.kind}.links")
        rows = halves(len(links))[options.second]
        found = [[Span(*s) for s in row] for row in project(corpus, links, ProjectConfig())]
        errors: dict[str, list[tuple[Pair, Error]]] = {}
        for r in rows:
            pair = Pair(corpus.source[r], corpus.target[r], links[r], languages(name)[1])
            for error in find_errors(pair, found[r]):
                errors.setdefault(error.kind, []).append((pair, error))
        total = sum(map(len, errors.values()))
        beyond = sum(len(x) for kind, x in errors.items() if kind.endswith("*"))
        spans = [[(s.start, s.end, s.type) for s in row] for row in found]
        print(
            f"{name}, half {1 + options.second}: F1 {f1(corpus.gold, spans, rows):.1f}, "
            f"{sum(len(corpus.gold[r]) for r in rows)} gold spans, {total} errors, "
            f"{beyond} of them labels that differ (*)"
        )
        for kind, examples in sorted(errors.items(), key=lambda x: (-len(x[1]), x[0])):
            print(f"  {len(examples):4d}  {kind}")
            for pair, error in [] if options.second else examples[: options.examples]:
                show(pair, error)


if __name__ == "__main__":
    main()
