"""Does a tagger that has not seen the projected labels know which of them are wrong?

    python benchmarks/inspect/signs_by_tagger.py RUN LANG fused=RUN/train/fused/seed-13 …

Kept spans of a run with parallel gold labels are ranked by what speaks against them: the signs of
``inspect_labels``, the projector's score, a tagger's doubt (1 − the least probability that it gives
to the span's labels, its end included), and sums of these. Prints the share of wrong ones among
the first 50 and 200.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from pipeline.artifacts import Artifact, RunFolder
from stages.external.loading import load_tagger
from stages.inspect.doubts import _WEIGHTS, Renderings, doubts_of
from stages.inspect.reading import views
from stages.inspect.view import View
from stages.tagger.labels import LabelSet


def doubt(labels: LabelSet, probs: np.ndarray, view: View, index: int) -> float:
    """Return how little a tagger thinks of a span."""
    span = view.spans[index].span
    if span.type not in labels.types:
        return 0.0
    ids = labels.encode([span], len(view.words))[span.start : span.end]
    inside = probs[np.arange(span.start, span.end), ids].min()
    goes_on = 0.0
    if span.end < len(view.words):
        goes_on = probs[span.end, labels.names.index(f"I-{span.type}")]
    return 1.0 - float(min(inside, 1.0 - goes_on))


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("lang")
    parser.add_argument("taggers", nargs="*", help="NAME=FOLDER")
    given = parser.parse_args()
    run = RunFolder(given.run)
    renderings = Renderings.of(Artifact(run.path / "project" / given.lang))
    kept = [v for v in views(run, "project", given.lang) if v.kept]
    loaded = {n: load_tagger(f) for n, _, f in (t.partition("=") for t in given.taggers)}
    probs = {n: t.distributions([v.words for v in kept]) for n, t in loaded.items()}
    rows: list[dict[str, float]] = []
    for number, view in enumerate(kept):
        gold = {(g.start, g.end, g.type) for g in view.gold or []}
        view.gold = None  # the signs alone
        signs = list(doubts_of(view, renderings))
        for index, item in enumerate(view.spans):
            if not item.kept:
                continue
            span, unsure = item.span, 1.0 - (item.span.score or 0.0)
            worst = max([_WEIGHTS[d.kind] for d in signs if d.span == index], default=0)
            row = {"wrong": float((span.start, span.end, span.type) not in gold)}
            row |= {"signs": worst + 0.99 * unsure, "score": unsure}
            for name, tagger in loaded.items():
                found = doubt(tagger.label_set, probs[name][number], view, index)
                row |= {name: found, f"signs + {name}": worst / 9 + found}
                row[f"score + {name}"] = unsure + found
            rows.append(row)
    wrong = np.mean([r["wrong"] for r in rows])
    print(f"{given.lang}: {len(rows)} kept spans, {100 * wrong:.1f} % wrong")
    for key in [k for k in rows[0] if k != "wrong"]:
        ranked = sorted(rows, key=lambda r: -r[key])
        shares = [f"{100 * np.mean([r['wrong'] for r in ranked[:n]]):.0f}" for n in (50, 200)]
        print(f"  {key}: {' / '.join(shares)}")


if __name__ == "__main__":
    main()
