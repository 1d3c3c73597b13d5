"""Averages the weights of a translator with those of a model that was trained on from it.

    python artifacts/models/build/average_translators.py BEFORE AFTER OUT --share 0.5

What went on with other text learns that and forgets some of the old; the mean of both often is
better than either (WiSE-FT, Wortsman et al. 2022). BEFORE may lack subwords that AFTER has learnt
(tags, slots): their embeddings are AFTER's.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

EMBEDDINGS = "model.shared.weight"
BIAS = "final_logits_bias"


def main() -> None:
    """Read both, average, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of BEFORE")
    arguments = parser.parse_args()
    old, new = (load_file(f / "model.safetensors") for f in (arguments.before, arguments.after))
    if old.keys() != new.keys():
        raise SystemExit(f"weights of one alone: {', '.join(sorted(old.keys() ^ new.keys()))}")
    made = {}
    for name, tensor in new.items():
        if name == BIAS:  # zero, as in every model of this shape
            made[name] = tensor
            continue
        before, after = old[name].float(), tensor.float()
        if before.shape != after.shape and name == EMBEDDINGS:
            # The padding is the last subword and stays so; the new ones stand before it.
            known = len(before) - 1
            before = torch.cat([before[:-1], after[known:-1], before[-1:]])
        if before.shape != after.shape:
            raise SystemExit(
                f"{name} is {tuple(before.shape)} in one, {tuple(after.shape)} in the other"
            )
        made[name] = torch.lerp(after, before, arguments.share).to(tensor.dtype).contiguous()
    shutil.copytree(arguments.after, arguments.out)
    save_file(made, str(arguments.out / "model.safetensors"), metadata={"format": "pt"})


if __name__ == "__main__":
    main()
