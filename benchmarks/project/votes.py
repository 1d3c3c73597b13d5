"""Two sources that are projected on to the same sentences: each alone, and their votes.

    python -m benchmarks.project.votes LINKS_DIR [--kind statistical]

Europarl has English, German and Spanish sentence by sentence, with gold labels; each of them is the
target once. Strict span F1 of the half that weights were fitted on / of the other half. Nothing is
chosen here: the vote is the mean of the scores, kept from the usual threshold on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.project.corpora import DATA, GoldBitext, corpus_links, load_corpus
from benchmarks.project.scoring import f1, halves
from stages.project.batch import Batch
from stages.project.build import project_batches
from stages.project.config import FilterConfig, ProjectConfig
from stages.project.voting import vote

TARGETS = {
    "es": ("europarl-es", "europarl-de-es"),
    "de": ("europarl-de", "europarl-es-de"),
    "en": ("europarl-de-en", "europarl-es-en"),
}


def rows(corpus: GoldBitext, folder: Path, kind: str) -> list[dict[str, Any]]:
    """Return the projected rows of a corpus, undecided."""
    links = corpus_links(folder, corpus.name, kind)
    if links is None:
        raise SystemExit(f"{folder}: no {kind} links of {corpus.name}")
    found = list(project_batches([Batch.from_pairs(corpus.pairs(links))], ProjectConfig()))
    return [
        {
            "id": str(number),
            "source_lang": corpus.name,
            "source_words": source.words,
            "source_spans": [
                {"start": s.start, "end": s.end, "type": s.type} for s in source.spans
            ],
            "words": target.words,
            "spans": spans,
            "lost": lost,
            "scores": [],
            "reason": None,
        }
        for number, (source, target, (spans, lost)) in enumerate(
            zip(corpus.source, corpus.target, found, strict=True)
        )
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("links", type=Path)
    parser.add_argument("--kind", default="statistical", help="links: <corpus>.<kind>.links")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    filters = FilterConfig()
    for target, names in TARGETS.items():
        corpora = [load_corpus(name, options.data) for name in names]
        projected = [rows(corpus, options.links, options.kind) for corpus in corpora]
        gold = corpora[0].gold
        line = f"{target}:"
        for title, found in (
            *zip(names, ([[row] for row in side] for side in projected), strict=True),
            ("votes", [list(pair) for pair in zip(*projected, strict=True)]),
        ):
            kept = [
                [
                    (s["start"], s["end"], s["type"])
                    for s in vote(together, filters)["spans"]
                    if s["kept"]
                ]
                for together in found
            ]
            one, two = (f1(gold, kept, half) for half in halves(len(gold)))
            line += f"  {title} {one:.1f} / {two:.1f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
