"""Low-rank adapters of a tagger's encoder (LoRA, Hu et al. 2022), through ``peft``.

What is trained is two thin matrices beside each linear layer of the encoder, and all of what is
above it. Saved merged, a tagger is like any other; saved as an adapter, it is a few megabytes that
need the encoder they were made for: its folder has the adapter in ``peft``'s own format, and the
weights of fusion and classifier in ``head.safetensors``.
"""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file

from pipeline.errors import ModelError
from stages.tagger.modeling import LayerFusedConfig
from stages.tagger.modeling import LayerFusedForTokenClassification as Model

HEAD: Final = "head.safetensors"
CONFIG: Final = "adapter_config.json"


def is_adapter(folder: str | Path) -> bool:
    """Return whether a folder holds the adapter of a tagger, and needs its encoder."""
    return (Path(folder) / CONFIG).is_file() and (Path(folder) / HEAD).is_file()


def attach(model: Model, *, rank: int, alpha: int, dropout: float, targets: Any) -> Any:
    """Put adapters into the encoder of a tagger; its own weights stay as they are from now on.

    Args:
        model: The tagger, changed in place.
        rank: Width of the adapters.
        alpha: Their outputs are scaled by ``alpha / rank``.
        dropout: In front of them.
        targets: Names of the linear layers; ``all-linear``: every one.

    Returns:
        The adapted encoder, as ``peft`` wraps it; :func:`merge` and :func:`save` want it.

    Raises:
        ModelError: If the encoder has no such layers.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets)
    try:
        return get_peft_model(model.encoder, config)
    except ValueError as error:
        raise ModelError(f"train.lora.targets: {error}") from error


def merge(model: Model, adapted: Any) -> None:
    """Add the adapters to the weights of the encoder; the tagger is a plain one again."""
    model.encoder = adapted.merge_and_unload()


def save(model: Model, adapted: Any, folder: Path, encoder: str) -> None:
    """Save adapters, what is above the encoder, and the configuration.

    Args:
        model: The tagger, adapters not merged.
        adapted: What :func:`attach` returned.
        folder: Where to.
        encoder: Folder or hub id of the encoder, which loading wants again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    adapted.peft_config["default"].base_model_name_or_path = encoder
    adapted.save_pretrained(str(folder))
    above = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if not name.startswith("encoder.")
    }
    save_file(above, str(folder / HEAD))
    model.config.save_pretrained(folder)


def load(folder: str | Path) -> Model:
    """Load a tagger that was saved as an adapter, merged into its encoder.

    Raises:
        ModelError: If ``peft`` is missing, the encoder is not there, or is another one.
    """
    try:
        from peft import PeftConfig, PeftModel
    except ImportError:
        raise ModelError(
            f"{folder}: the adapter of a tagger; pip install 'xlner[lora]' to load it"
        ) from None
    config: Any = LayerFusedConfig.from_pretrained(folder)
    encoder = str(PeftConfig.from_pretrained(str(folder)).base_model_name_or_path)
    labels = [config.id2label[i] for i in range(config.num_labels)]
    given = signature(LayerFusedConfig.__init__).parameters.keys() - {"self", "encoder", "kwargs"}
    fields = {key: getattr(config, key) for key in given}
    try:
        model = Model.from_encoder(encoder, labels, **fields)
        adapted: Any = PeftModel.from_pretrained(
            model.encoder, str(folder), torch_dtype=torch.float32
        )
        merge(model, adapted)
        missing, unexpected = model.load_state_dict(
            load_file(str(Path(folder) / HEAD)), strict=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder}: cannot be put on its encoder {encoder} ({error})") from error
    lacking = [name for name in missing if not name.startswith("encoder.")]
    if lacking or unexpected:
        raise ModelError(f"{folder}: {HEAD} is not of this tagger ({(lacking or unexpected)[0]} …)")
    return model
