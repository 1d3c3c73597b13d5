"""What the pair filters drop of translations by four systems: CoNLL, Easy-Label-Projection's files.

The measure of a translation is DeepL's translation of the same sentence: one that shares hardly a
character n-gram with it (chrF below 25, letter case aside) and one that is the source itself while
DeepL's is not is *bad*, one of chrF 40 and above *good*. The thresholds were chosen on en2es.

    python benchmarks/project/pair_filters.py en2es en2de en2nl es2en de2en nl2en
"""

from __future__ import annotations

import argparse
import lzma
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.formats import spans_from_tags
from pipeline.schema import span_row
from stages.project.config import PairFilters
from stages.project.decide import pair_reason
from stages.project.filters.length_ratio import length_ratios
from stages.project.filters.sentence_pairs import SentencePairs
from stages.project.pairs import pair_scores, usual_ratio

SYSTEMS = ("DeepL", "MarianMT", "m2m100", "Mbart_many2many")
BAD, GOOD = 0.25, 0.4


@dataclass(slots=True)
class Labelled:
    """A sentence of either side."""

    words: list[str]
    spans: list[dict[str, Any]]


def read(path: Path) -> list[Labelled]:
    found: list[Labelled] = []
    words: list[str] = []
    tags: list[str] = []
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in [*lines, "\n"]:
            if line.strip():
                word, _, tag = line.rstrip("\n").replace("\t", " ").rpartition(" ")
                words.append(word)
                tags.append(tag)
            elif words:
                found.append(Labelled(words, [span_row(s) for s in spans_from_tags(tags)]))
                words, tags = [], []
    return found


def chrf(hypothesis: Sequence[str], reference: Sequence[str], longest: int = 4) -> float:
    """chrF2 of one sentence, letter case and spaces aside."""
    left, right = ("".join(side).casefold() for side in (hypothesis, reference))
    precision, recall = [], []
    for n in range(1, longest + 1):
        one, other = (
            Counter(text[i : i + n] for i in range(len(text) - n + 1)) for text in (left, right)
        )
        if one and other:
            same = (one & other).total()
            precision.append(same / one.total())
            recall.append(same / other.total())
    if not sum(precision) or not sum(recall):
        return 0.0
    p, r = sum(precision) / len(precision), sum(recall) / len(recall)
    return 5 * p * r / (4 * p + r)


def projected(source: Labelled, target: Labelled) -> set[int]:
    """The source spans that awesome-align's labels have a counterpart for, by type and order."""
    left = Counter(s["type"] for s in target.spans)
    found = set()
    for index, span in enumerate(source.spans):
        if left[span["type"]] > 0:
            left[span["type"]] -= 1
            found.add(index)
    return found


def judged(
    pairs: Sequence[tuple[Labelled, Labelled]], lang: str, filters: PairFilters
) -> Iterator[str | None]:
    rows = [{"source_words": s.words, "source_spans": s.spans, "words": t.words} for s, t in pairs]
    found = [projected(source, target) for source, target in pairs]
    made = SentencePairs.of_rows(rows, found)
    made.usual_ratio = usual_ratio(length_ratios(made).tolist())
    for scores in pair_scores(made).to_pylist():
        yield pair_reason(scores, filters)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("directions", nargs="+")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/projected/conll-elp"))
    parser.add_argument("--split", default="train")
    options = parser.parse_args()
    filters = PairFilters()
    print(
        f"{'':8}{'':16}{'pairs':>7}{'good':>7}{'bad':>6}{'good dropped':>14}{'bad dropped':>13}"
        f"{'all dropped':>13}  reasons"
    )
    for direction in options.directions:
        here, there = direction.split("2")
        name = f"{here}.conll.{options.split}.tsv.xz"
        source = read(options.data / "original" / here / name)
        taken = [i for i, s in enumerate(source) if not s.words[0].startswith("-DOCSTART")]
        reference: list[Labelled] = []
        for system in SYSTEMS:
            path = options.data / direction / f"{system}.awesome.{options.split}.tsv.xz"
            if not path.exists():
                continue
            target = read(path)
            if len(target) != len(source):
                raise SystemExit(f"{path}: {len(target)} sentences, not {len(source)}")
            reference = reference or target
            pairs = [(source[i], target[i]) for i in taken]
            quality = [chrf(target[i].words, reference[i].words) for i in taken]
            copies = [
                [w.casefold() for w in s.words] == [w.casefold() for w in t.words]
                and q < 1
                and len(s.words) > 3
                for (s, t), q in zip(pairs, quality, strict=True)
            ]
            reasons = list(judged(pairs, there, filters))
            bad = [q < BAD or c for q, c in zip(quality, copies, strict=True)]
            good = [q >= GOOD and not c for q, c in zip(quality, copies, strict=True)]
            counts = Counter(r for r in reasons if r)
            print(
                f"{direction:8}{system:16}{len(pairs):7}{sum(good):7}{sum(bad):6}"
                f"{share(good, reasons):>14}{share(bad, reasons):>13}"
                f"{100 * counts.total() / len(pairs):12.2f}%  "
                + ", ".join(f"{r} {n}" for r, n in counts.most_common()),
                flush=True,
            )


def share(which: Sequence[bool], reasons: Sequence[str | None]) -> str:
    dropped = sum(1 for w, r in zip(which, reasons, strict=True) if w and r)
    return f"{100 * dropped / sum(which):.2f}%" if sum(which) else "–"


if __name__ == "__main__":
    main()
