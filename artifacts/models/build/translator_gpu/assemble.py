"""Makes a model folder of the weights that `run.py` wrote.

    python artifacts/models/build/translator_gpu/assemble.py KIT OUT MODEL

The folder is what `train_translator` writes, without the card: `MarianMTModel` in float16, a
`MarianTokenizer`, generation defaults.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from safetensors.torch import load_file

from model_recipes.translator.config import TrainTranslatorConfig
from model_recipes.translator.sentencepieces import marian_vocabulary
from model_recipes.translator.training import build_model, save_translator

MADE_ANEW = ("embed_tokens", "embed_positions", "lm_head", "final_logits_bias")


def main() -> None:
    """Read, check, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    noted = json.loads((arguments.kit / "settings.json").read_text(encoding="utf-8"))
    sentencepiece = arguments.kit / "pieces.model"
    vocabulary = marian_vocabulary(sentencepiece, [noted["pivot"], *noted["languages"]])
    # Kits that were packed before 0.2 say max_pieces.
    most = noted["max_subwords"] if "max_subwords" in noted else noted["max_pieces"]
    config = TrainTranslatorConfig.model_validate({"shape": noted["shape"], "max_subwords": most})
    model = build_model(config, vocabulary, seed=1)
    state = {}
    for number in (1, 2):
        state |= load_file(arguments.weights / f"weights-{number}.safetensors")
    found = model.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    absent = [k for k in found.missing_keys if not any(part in k for part in MADE_ANEW)]
    if absent or found.unexpected_keys:
        raise SystemExit(f"missing: {absent}; not known: {found.unexpected_keys}")
    model.tie_weights()
    save_translator(model, sentencepiece, vocabulary, arguments.model)


if __name__ == "__main__":
    main()
