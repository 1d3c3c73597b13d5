"""What it adds to look at how a translator renders each entity alone (``translate_entities``).

    python -m benchmarks.project.entities_alone LINKS_DIR [--translator FOLDER]

Strict span F1 of the half fitted on / of the other half, without and with the translations, for the
corpora from English and each kind of links in the folder. The weights are those that ship; nothing
is chosen here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.project.corpora import CORPORA, DATA, languages, load_corpus, load_links
from benchmarks.project.gold_projection import kept_spans
from benchmarks.project.scoring import f1, halves
from stages.project.batch import Batch
from stages.project.config import ProjectConfig
from stages.project.entity_translations import EntityTranslations, entities_of, translator

TRANSLATOR = Path(__file__).resolve().parents[2] / "artifacts" / "models" / "translator"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("links", type=Path)
    parser.add_argument("--translator", type=Path, default=TRANSLATOR)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    config = ProjectConfig()
    print(f"{'':<28}{'without':>16}{'with':>16}")
    for name in CORPORA:
        corpus = load_corpus(name, options.data)
        first, second = halves(len(corpus.source))
        alone = None
        for path in sorted(options.links.glob(f"{name}.*.links")):
            batch = Batch.from_pairs(corpus.pairs(load_links(path)))
            cells = [kept_spans(batch, config)]
            if alone is None:
                translate = translator(
                    options.translator, str(options.translator), *languages(name)
                )
                alone = EntityTranslations.of_entities(entities_of(batch), translate)
            cells.append(kept_spans(alone.attach(batch), config))
            shown = (
                f"{f1(corpus.gold, found, first):.1f} / {f1(corpus.gold, found, second):.1f}"
                for found in cells
            )
            title = path.name.removesuffix(".links")
            print(f"{title:<28}" + "".join(f"{x:>16}" for x in shown), flush=True)


if __name__ == "__main__":
    main()
