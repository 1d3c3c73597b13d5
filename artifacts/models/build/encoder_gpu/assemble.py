"""Makes a Transformers folder of the weights that `run.py` wrote.

    python artifacts/models/build/encoder_gpu/assemble.py KIT OUT MODEL

A `BertForMaskedLM` in float16 with config and tokenizer of the encoder that was packed; no card.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from blocks import read_blocks
from transformers import BertConfig, BertForMaskedLM

COPIED = ("tokenizer.json", "tokenizer_config.json", "LICENSE")


def main() -> None:
    """Read, check, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    config = json.loads((arguments.kit / "config.json").read_text(encoding="utf-8"))
    model = BertForMaskedLM(BertConfig(**config))
    state = {k: torch.from_numpy(v) for k, v in read_blocks(arguments.weights).items()}
    found = model.load_state_dict(state, strict=False)
    absent = [name for name in found.missing_keys if not name.startswith("cls.predictions.decoder")]
    if absent or found.unexpected_keys:
        raise SystemExit(f"missing: {absent}; not known: {found.unexpected_keys}")
    model.tie_weights()
    model.half().save_pretrained(arguments.model)
    # Stored in half precision, loaded in single precision where nothing else is asked for.
    file = arguments.model / "config.json"
    written = json.loads(file.read_text(encoding="utf-8")) | {"dtype": "float32"}
    file.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for name in COPIED:
        if (arguments.kit / name).exists():
            shutil.copyfile(arguments.kit / name, arguments.model / name)


if __name__ == "__main__":
    main()
