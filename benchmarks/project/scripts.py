"""Default projection when the target is written in another script, with the same links.

    python -m benchmarks.project.scripts LINKS_DIR [--kind own]

The target words are respelt letter by letter: in Cyrillic (with case) and in Georgian (without), to
see that nothing hangs on Latin letters or on case. F1 of the half fitted on / of the other half.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.project.corpora import CORPORA, DATA, load_corpus, load_links
from benchmarks.project.gold_projection import project
from benchmarks.project.rewriting import in_cyrillic, without_case
from benchmarks.project.scoring import f1, halves
from stages.project.config import ProjectConfig

SCRIPTS = {"Latin": str, "Cyrillic": in_cyrillic, "Georgian": without_case}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("links", type=Path)
    parser.add_argument("--kind", default="own")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    for name in CORPORA:
        links = load_links(options.links / f"{name}.{options.kind}.links")
        cells = []
        for title, write in SCRIPTS.items():
            corpus = load_corpus(name, options.data)
            for sentence in corpus.target:
                sentence.words = [write(w) for w in sentence.words]
            found = project(corpus, links, ProjectConfig())
            both = (f1(corpus.gold, found, half) for half in halves(len(links)))
            cells.append(f"{title} " + " / ".join(f"{x:.1f}" for x in both))
        print(f"{name:<14}" + "   ".join(cells), flush=True)


if __name__ == "__main__":
    main()
