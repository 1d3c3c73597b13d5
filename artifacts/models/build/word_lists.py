"""Writes the word lists of a translator that was made of a kit: `words.<language>.txt`.

    python artifacts/models/build/word_lists.py artifacts/models/translator

They have every word of the pairs that `configs/build_models.yaml` names, which is what the kit was
packed of; sentences that the project measures on are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from model_recipes.shared.corpus import load_corpus
from model_recipes.translator.config import TrainTranslatorConfig
from model_recipes.translator.training import write_word_lists
from pipeline.resources import located
from xlner.api import load_config


def main() -> None:
    """Read the text, write the lists."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    config = load_config("build_models")
    options = located(config.section("train_translator", TrainTranslatorConfig), config.config_dir)
    corpus = load_corpus(options.corpus)
    written = write_word_lists(corpus, options.corpus.pivot_language, arguments.model)
    for language, size in written.items():
        print(f"{language}: {size:,} words")


if __name__ == "__main__":
    main()
