"""Saving trained models: small on disk, ordinary when loaded."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from model_recipes.shared.config import PretrainingConfig
from model_recipes.shared.corpus import TrainingText
from model_recipes.shared.loop import TrainingState
from stages.machine import hardware


def save_half(model: PreTrainedModel, folder: Path) -> None:
    """Saves the weights in fp16 safetensors, in a folder that loads in fp32.

    fp16 is for size on disk alone: Transformers would otherwise load, and fine-tune, in fp16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).cpu().half().save_pretrained(str(folder))
    path = folder / "config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    for key in ("torch_dtype", "_attn_implementation", "attn_implementation"):
        settings.pop(key, None)
    settings["dtype"] = "float32"
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def training_report(
    state: TrainingState, corpus: TrainingText, model: torch.nn.Module, config: PretrainingConfig
) -> dict[str, Any]:
    """What a manifest or model card says about a training."""
    return {
        "steps": state.step,
        "started_from": None if config.start_from is None else config.start_from.name,
        "training_seconds": round(state.seconds, 1),
        "target_positions": state.targets,
        "losses": state.losses,
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "pairs": len(corpus.pairs),
        "sentences": len(corpus.sentences),
        "held_out_pairs": len(corpus.held_out),
        "hardware": hardware(),
        "dropped": {name: dict(reasons) for name, reasons in corpus.dropped.items()},
    }
