"""Our labels for real translations of CoNLL beside those of others: how many, how alike, where not.

    python -m benchmarks.tagger.zero_shot.agreement --labels FOLDER [--examples 5]

FOLDER is what :mod:`project_labels` wrote. No gold labels are there, so this says who differs from
whom and how, not who is right. A rival's sentence with other words than ours is left out.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from itertools import combinations
from pathlib import Path

from benchmarks.tagger.zero_shot import project_labels
from benchmarks.tagger.zero_shot.corpora import DEEPL, NLLB, Translated, translated

Spans = set[tuple[int, int, str]]


def labels(data: Translated, file: Path) -> dict[str, list[Spans | None]]:
    """Return the spans of every sentence by who made them; ``None`` where words differ."""
    every = {"ours": project_labels.read(file, data, dropped=True), **data.rivals}
    return {
        name: [
            {(s.start, s.end, s.type) for s in spans} if words == mine else None
            for (words, spans), mine in zip(rows, data.words, strict=True)
        ]
        for name, rows in every.items()
    }


def agreement(ours: list[Spans | None], theirs: list[Spans | None]) -> float:
    """Return F1 of one labelling against the other, in percent."""
    both = found = 0
    for x, y in zip(ours, theirs, strict=True):
        if x is not None and y is not None:
            both += len(x & y)
            found += len(x) + len(y)
    return 200 * both / max(1, found)


def differences(
    data: Translated, ours: list[Spans | None], theirs: list[Spans | None]
) -> tuple[Counter[str], Counter[str], list[str]]:
    """Return kinds of difference, words that ours have in addition, and examples."""
    kinds: Counter[str] = Counter()
    words: Counter[str] = Counter()
    examples: list[str] = []
    for row, (x, y) in enumerate(zip(ours, theirs, strict=True)):
        if x is None or y is None:
            continue
        text = data.words[row]
        for start, end, _ in sorted(x - y):
            other = next((t for t in sorted(y - x) if t[0] < end and start < t[1]), None)
            if other is None:
                kinds["ours only"] += 1
                continue
            size = (end - start) - (other[1] - other[0])
            kinds["longer" if size > 0 else "shorter" if size < 0 else "same length"] += 1
            if size > 0:
                words[" ".join([*text[start : other[0]], "…", *text[other[1] : end]])] += 1
                examples.append(
                    f"{' '.join(text[start:end])} | {' '.join(text[other[0] : other[1]])} | "
                    f"{' '.join(data.source[row][0])[:90]}"
                )
        kinds["theirs only"] += sum(not any(s[0] < t[1] and t[0] < s[1] for s in x) for t in y - x)
    return kinds, words, examples


def main() -> None:
    """Print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=0)
    options = parser.parse_args()
    for lang in (*DEEPL, *NLLB):
        file = options.labels / f"{lang}.jsonl"
        if not file.exists():
            continue
        data = translated(lang)
        every = labels(data, file)
        print(f"{lang}: {len(data.words)} pairs, {sum(len(s) for _, s in data.source)} names")
        for name, rows in every.items():
            spans = sum(len(r) for r in rows if r is not None)
            print(f"  {name}: {spans} spans, {rows.count(None)} sentences with other words")
        for a, b in combinations(every, 2):
            print(f"  F1 of {a} and {b}: {agreement(every[a], every[b]):.1f}")
        rival = next(iter(data.rivals))
        kinds, words, examples = differences(data, every["ours"], every[rival])
        print(
            f"  ours against {rival}: {dict(kinds)}; ours have in addition {words.most_common(8)}"
        )
        for example in random.Random(0).sample(examples, min(options.examples, len(examples))):
            print(f"    {example}")


if __name__ == "__main__":
    main()
