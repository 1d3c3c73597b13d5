"""Every projector on the gold corpora, from the same links, side by side.

    python -m benchmarks.project.gold_projection LINKS_DIR [--kind big]

Strict span F1 (seqeval's), on the half that weights may be fitted on, on the other half, and on all
rows. The peers' methods are options of ours: ``span`` (smallest to largest link), ``merged_runs``
and ``published`` (the heuristic and the candidate matching of 2501.18750); the least probability of
a link that counts for them is chosen per corpus on the first half, out of a small grid.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.project.corpora import CORPORA, DATA, GoldBitext, load_corpus, load_links
from benchmarks.project.scoring import f1, halves
from pipeline.schema import Link
from stages.project.batch import Batch
from stages.project.build import project_batches
from stages.project.config import ProjectConfig
from stages.project.matching import Weights

PEERS: dict[str, dict[str, Any]] = {
    "smallest to largest link": {"method": "span"},
    "merged runs (2501.18750)": {"method": "merged_runs"},
    "published candidates, greedy": {"method": "published", "solver": "greedy"},
    "published candidates, exact": {"method": "published", "solver": "exact"},
}
OURS: dict[str, dict[str, Any]] = {
    "candidates, first pass only": {"corpus_statistics": False},
    "candidates, greedy": {"solver": "greedy"},
    "candidates (default)": {},
    "ensemble": {"method": "ensemble"},
}
LEAST = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


def project(
    corpus: GoldBitext,
    links: Sequence[Sequence[Link]],
    config: ProjectConfig,
    weights: Weights | None = None,
) -> list[list[tuple[int, int, str]]]:
    """Return the spans that are kept, per row."""
    return kept_spans(Batch.from_pairs(corpus.pairs(links)), config, weights)


def kept_spans(
    batch: Batch, config: ProjectConfig, weights: Weights | None = None
) -> list[list[tuple[int, int, str]]]:
    """Project a batch that is a whole corpus; return the spans that are kept, per row."""
    least = config.filters.value("min_score")
    return [
        [(s["start"], s["end"], s["type"]) for s in spans if s["score"] >= least]
        for spans, _ in project_batches([batch], config, weights=weights)
    ]


def scores(
    corpus: GoldBitext, links: Sequence[Sequence[Link]], options: dict[str, Any]
) -> tuple[float, float, float]:
    """Return F1 of the first half, the second half and all rows."""
    n = len(corpus.source)
    first, second = halves(n)
    peer = options.get("method") in ("span", "merged_runs", "published")
    best = (-1.0, -1.0, -1.0)
    for least in LEAST if peer else (0.5,):
        filters = {"min_score": 0.0} if peer else {}
        config = ProjectConfig.model_validate({**options, "min_link": least, "filters": filters})
        found = project(corpus, links, config)
        result = (
            f1(corpus.gold, found, first),
            f1(corpus.gold, found, second),
            f1(corpus.gold, found, range(n)),
        )
        best = max(best, result)  # the first number decides: the half that may be tuned on
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("links", type=Path)
    parser.add_argument("--kind", default="big", help="links: <corpus>.<kind>.links")
    parser.add_argument(
        "--tagger", help="also with the spans of this tagger of the target languages (a folder)"
    )
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    names = list(CORPORA)
    offered: dict[str, dict[str, Any]] = {}
    if options.tagger:
        for use in ("prefer", "only"):
            tagger = {"candidate_tagger": options.tagger, "candidate_use": use}
            offered[f"candidates, {use} the tagger's"] = tagger
    print(f"links: {options.kind}; per corpus: first half / second half / all")
    print(f"{'':<30}" + "".join(f"{n:>22}" for n in names))
    loaded = {
        n: (load_corpus(n, options.data), load_links(options.links / f"{n}.{options.kind}.links"))
        for n in names
    }
    best_peer = dict.fromkeys(names, 0.0)
    for title, method in (PEERS | OURS | offered).items():
        line = f"{title:<30}"
        for name, (corpus, links) in loaded.items():
            a, b, c = scores(corpus, links, method)
            line += f"{f'{a:.1f} / {b:.1f} / {c:.1f}':>22}"
            if title in PEERS:
                best_peer[name] = max(best_peer[name], c)
            elif title.endswith("(default)"):
                best_peer[name] = c - best_peer[name]
        print(line, flush=True)
    print(f"{'default ahead of best peer':<30}" + "".join(f"{best_peer[n]:>+22.1f}" for n in names))


if __name__ == "__main__":
    main()
