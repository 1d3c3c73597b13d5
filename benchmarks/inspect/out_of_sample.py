"""Do cross-validated predictions or neighbours know which projected labels are wrong?

    python -m benchmarks.inspect.out_of_sample LINKS_DIR [--corpora europarl-de …]

The kept spans of a corpus with gold labels on both sides (links as for the benchmarks of
projection) are ranked by what speaks against them: the projector's score, the signs of
``inspect_labels``, and two doubts that learn from the projected labels themselves, in the states of
the encoder as it ships:

- ``classifier``: confident learning, as ``inspect_labels --encoder`` has it
  (:mod:`stages.inspect.out_of_sample`)
- ``neighbours``: GLoDe's and CoLaDa's idea. The same of the labels that the 20 nearest words of
  other sentences have

and by sums of these with the score. A neighbour's doubt is 1 − the least probability of the span's
labels, its end included. Prints the share of wrong spans among the first 50 and 200, and
the area under the ROC curve.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.project.corpora import CORPORA, DATA, corpus_links, languages, load_corpus
from pipeline.schema import Span
from stages.inspect.doubts import _WEIGHTS, UNLIKE, UNSURE, Renderings, doubts_of
from stages.inspect.out_of_sample import OutOfSample, WordStates
from stages.inspect.view import View, ViewedSpan
from stages.project.batch import Batch
from stages.project.build import project_batches
from stages.project.config import FilterConfig, ProjectConfig
from stages.tagger.labels import LabelSet

ENCODER = Path(__file__).resolve().parents[2] / "artifacts" / "models" / "encoder"
NEIGHBOURS = 20
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def projected_views(name: str, links_dir: Path, kind: str, data: Path) -> list[View]:
    """Return the sentences of a corpus with projected labels, and the gold ones beside them."""
    corpus = load_corpus(name, data)
    links = corpus_links(links_dir, name, kind)
    if links is None:
        raise SystemExit(f"{links_dir}: no {kind} links of {name}")
    found = list(project_batches([Batch.from_pairs(corpus.pairs(links))], ProjectConfig()))
    least = FilterConfig().value("min_score")
    rows = zip(corpus.source, corpus.target, links, found, strict=True)
    return [
        View(
            str(number),
            languages(name)[1],
            target.words,
            [
                ViewedSpan(
                    Span(s["start"], s["end"], s["type"], s["score"]),
                    kept=s["score"] >= least,
                    source=s["source"],
                )
                for s in spans
            ],
            source_words=source.words,
            source_spans=source.spans,
            links=links,
            kept=True,
            gold=target.spans,
        )
        for number, (source, target, links, (spans, _)) in enumerate(rows)
    ]


def of_neighbours(states: Floats, labels: Ints, sentence: Ints, size: int, words: Ints) -> Floats:
    """Return the labels of the nearest words of other sentences, by similarity, for some words."""
    centred = states - states.mean(0)
    unit = centred / (np.linalg.norm(centred, axis=1, keepdims=True) + 1e-6)
    out = np.zeros((len(labels), size), np.float32)
    for start in range(0, len(words), 256):
        part = words[start : start + 256]
        near = unit[part] @ unit.T
        near[sentence[part][:, None] == sentence[None, :]] = -2.0
        top = np.argpartition(-near, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        likeness = np.take_along_axis(near, top, 1)
        weight = np.exp(10 * (likeness - likeness.max(1, keepdims=True)))
        weight /= weight.sum(1, keepdims=True)
        np.add.at(out, (part[:, None], labels[top]), weight)
    return out


def doubt(labels: LabelSet, probs: Floats, first: int, words: int, span: Span) -> float:
    """Return how little a distribution over the words' labels thinks of a span."""
    ids = labels.encode([span], words)[span.start : span.end]
    inside = probs[np.arange(first + span.start, first + span.end), ids].min()
    goes_on = 0.0
    if span.end < words:
        goes_on = float(probs[first + span.end, labels.names.index(f"I-{span.type}")])
    return 1.0 - float(min(inside, 1.0 - goes_on))


def ranked(views: Sequence[View], states: WordStates) -> dict[str, NDArray[np.float64]]:
    """Return what speaks against each kept span, by name, and whether it is wrong."""
    labels = LabelSet.of_types(sorted({s.type for v in views for s in v.kept_spans()}))
    sizes = [len(v.words) for v in views]
    first, sentence = np.cumsum([0, *sizes]), np.repeat(np.arange(len(views)), sizes)
    given = np.concatenate([labels.encode(v.kept_spans(), len(v.words)) for v in views])
    learnt = OutOfSample.learn(views, states)
    assert learnt is not None, "too few sentences"
    asked = sorted(
        {
            int(first[n]) + place
            for n, v in enumerate(views)
            for s in v.kept_spans()
            for place in range(s.start, min(s.end + 1, len(v.words)))
        }
    )
    near = of_neighbours(
        states([v.words for v in views]), given, sentence, len(labels), np.array(asked)
    )
    renderings = Renderings()
    for view in views:
        for item in view.spans:
            if item.kept and item.source is not None:
                source = view.source_spans[item.source]
                renderings.add(
                    " ".join(view.source_words[source.start : source.end]),
                    " ".join(view.words[item.span.start : item.span.end]),
                )
    rows: list[dict[str, float]] = []
    for n, view in enumerate(learnt.judged(views)):
        gold = {(g.start, g.end, g.type) for g in view.gold or []}
        view.gold = None  # the signs alone
        signs = [d for d in doubts_of(view, renderings) if d.kind != "unlike_others"]
        new = [d.span for d in doubts_of(view, renderings) if d.kind == "unlike_others"]
        for index, unlikely in view.unlikely.items():
            item = view.spans[index]
            span, unsure = item.span, 1.0 - (item.span.score or 0.0)
            worst = max([_WEIGHTS[d.kind] for d in signs if d.span == index], default=0)
            row = {"wrong": float((span.start, span.end, span.type) not in gold)}
            row |= {"score": unsure, "signs, then score": worst + 0.99 * unsure}
            also = max(worst, _WEIGHTS["unlike_others"]) if index in new else worst
            row["signs and the new one"] = also + 0.99 * unsure
            row["classifier"] = unlikely
            row["neighbours"] = doubt(labels, near, int(first[n]), len(view.words), span)
            for name in ("classifier", "neighbours"):
                for share in (0.3, 1.0):
                    row[f"score + {share} {name}"] = unsure + share * row[name]
            rows.append(row)
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def under_curve(values: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve."""
    from scipy.stats import rankdata

    ranks, hits = rankdata(values), int(wrong.sum())
    return float((ranks[wrong].sum() - hits * (hits + 1) / 2) / (hits * (len(wrong) - hits)))


def main() -> None:
    """Print a table per corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("links", type=Path)
    parser.add_argument("--kind", default="statistical", help="links: <corpus>.<kind>.links")
    parser.add_argument("--corpora", nargs="+", default=list(CORPORA), choices=list(CORPORA))
    parser.add_argument("--encoder", type=Path, default=ENCODER)
    parser.add_argument("--layer", type=int, help="default: three quarters up the encoder")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    for name in options.corpora:
        views = projected_views(name, options.links, options.kind, options.data)
        found = ranked(views, WordStates(options.encoder, options.layer))
        wrong = found.pop("wrong") > 0
        print(f"{name}: {len(wrong)} kept spans, {100 * wrong.mean():.1f} % wrong")
        for key, values in found.items():
            order = np.argsort(-values, kind="stable")
            shares = " / ".join(f"{100 * wrong[order[:n]].mean():.0f}" for n in (50, 200))
            print(f"  {key:<24}{shares:>10}   {under_curve(values, wrong):.3f}", flush=True)
        told_by = {f"score below {UNSURE}": found["score"] > 1 - UNSURE}
        for least in (0.9, 0.97, 0.99):
            mark = " (the doubt)" if least == UNLIKE else ""
            told_by[f"classifier gives less than {1 - least:.2f}{mark}"] = (
                found["classifier"] >= least
            )
        for title, told in told_by.items():
            print(f"  {title}: {told.sum()} spans, {100 * wrong[told].mean():.0f} % wrong")


if __name__ == "__main__":
    main()
