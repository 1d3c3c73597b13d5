"""An encoder cut after the layer whose output is wanted.

Nothing above that layer is kept or computed: no further layers, no pooler, no decoder.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np

from pipeline.errors import ConfigError, ModelError
from pipeline.models import refuse_pickled_weights
from stages.encoder_facts import OFFSET_POSITIONS, alignment_layer
from stages.tagger.layers import layer_count

if TYPE_CHECKING:
    import torch

Dtype = Literal["float32", "bfloat16", "int8"]

_LENGTH_KEYS: Final = ("max_position_embeddings", "n_positions", "max_source_positions")
# Families whose positions are computed, or relative: no limit but memory.
_ANY_LENGTH: Final = 512


def layer_problem(layer: int | None, config: Mapping[str, Any], name: str) -> str | None:
    """Return why ``layer`` cannot be taken from a model, or ``None``; reads no weights."""
    layers = layer_count(config)
    if layer is None or layers is None or 0 <= layer <= layers:
        return None
    return (
        f"layer {layer} does not exist: {name} has {layers} layers; "
        f"allowed: 0 (the embeddings) to {layers}"
    )


def layer_to_read(
    named: int | None, config: Mapping[str, Any], name: str, *, translator: bool = False
) -> int:
    """Return the layer to link words by: the one that options name, or that of the family.

    Raises:
        ConfigError: If there is no such layer, or the configuration does not tell which there are.
    """
    problem = layer_problem(named, config, name)
    if problem:
        raise ConfigError(f"align.layer: {problem}")
    if named is not None:
        return named
    layers = layer_count(config)
    if layers is None:
        raise ConfigError(f"align.layer: name one; {name}/config.json does not tell their number")
    return alignment_layer(config, layers, translator=translator)


def max_subwords(config: Mapping[str, Any], tokenizer_limit: int | None, specials: int) -> int:
    """Return how many subwords of a sentence fit beside the special tokens."""
    limits = [config[k] for k in _LENGTH_KEYS if isinstance(config.get(k), int) and config[k] > 0]
    limit = min(limits) if limits else _ANY_LENGTH
    if config.get("model_type") in OFFSET_POSITIONS:
        limit -= int(config.get("pad_token_id") or 0) + 1
    if tokenizer_limit and tokenizer_limit < limit:
        limit = tokenizer_limit
    if limit <= specials:
        raise ModelError(f"a model that takes {limit} tokens has no room for subwords")
    return limit - specials


class Layers(Protocol):
    """Computes the output of one layer.

    Attributes:
        device: A torch device.
        padded: Whether sentences of one batch are computed as if all had the longest one's length.
        rows: The most tokens that it wants at once, if it has a wish.
    """

    device: str
    padded: bool
    rows: int | None

    def __call__(self, batch: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the hidden states ``(tokens of all sentences, width)`` in float32.

        Args:
            batch: Token ids with special tokens; need not be of one length.
        """


class TorchLayers:
    """The lower layers of a Transformers encoder, run by torch.

    Args:
        folder: The checkpoint; of an encoder-decoder model the encoder is taken.
        layer: 0 for the embeddings, else the number of layers to compute; one that it has.
        dtype: ``float32``, ``bfloat16``, or ``int8`` (weights quantised, activations dynamically;
            CPU only).
        device: A torch device.
        encoder: The encoder, if it is loaded already; it is changed.

    Raises:
        ConfigError: If int8 is asked for on a GPU.
        ModelError: If the folder does not hold a model that can be loaded.
    """

    padded = True
    rows: int | None = None

    def __init__(
        self,
        folder: Path,
        layer: int,
        dtype: Dtype = "float32",
        device: str = "cpu",
        encoder: Any = None,
    ) -> None:
        import torch

        if dtype == "int8" and torch.device(device).type != "cpu":
            raise ConfigError(f"dtype int8 runs on the CPU only, not on {device!r}")
        self.device = device
        self.layer = layer
        encoder = encoder or load_encoder(folder)
        self.pad: int = encoder.config.pad_token_id or 0
        self._caught: Any = None
        self._from_states = False
        self._cut(encoder)
        if dtype == "bfloat16":
            encoder = encoder.to(torch.bfloat16)
        elif dtype == "int8":
            encoder = _quantised(encoder)
        self.encoder = encoder.to(device)

    def _cut(self, encoder: Any) -> None:
        from stages.encoder_layers import layer_stack

        if hasattr(encoder, "pooler"):
            encoder.pooler = None
        if self.layer == encoder.config.num_hidden_layers:
            return
        found = layer_stack(encoder)
        if found is None:
            self._from_states = True
            return
        name, layers = found
        kept = layers[: max(1, self.layer)]
        owner, _, attribute = name.rpartition(".")
        setattr(encoder.get_submodule(owner), attribute, kept)
        if self.layer == 0:
            kept[0].register_forward_pre_hook(self._catch_input, with_kwargs=True)
        else:
            # Not the encoder's own output: some families normalise once more at the end, and a
            # lower layer's hidden state is the one before that.
            kept[-1].register_forward_hook(self._catch_output)

    def _catch_input(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._caught = args[0] if args else kwargs["hidden_states"]

    def _catch_output(self, module: Any, args: tuple[Any, ...], output: Any) -> None:
        self._caught = output[0] if isinstance(output, tuple) else output

    def __call__(self, batch: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the hidden states ``(tokens of all sentences, width)`` in float32."""
        import torch

        ids, mask = padded(batch, self.pad)
        inputs: dict[str, torch.Tensor] = {"input_ids": torch.from_numpy(ids).to(self.device)}
        real = torch.from_numpy(mask).to(self.device)
        if not mask.all():
            inputs["attention_mask"] = real
        with torch.inference_mode():
            return self.states(**inputs)[real.bool()].float()

    def states(self, **inputs: Any) -> torch.Tensor:
        """Return the hidden states ``(sentences, tokens, width)`` for inputs of the encoder."""
        output = self.encoder(**inputs, output_hidden_states=self._from_states)
        if self._from_states:
            hidden: torch.Tensor = output.hidden_states[self.layer]
            return hidden
        hidden = output.last_hidden_state if self._caught is None else self._caught
        self._caught = None
        return hidden


def padded(
    batch: Sequence[Sequence[int]], pad: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return ids ``(sentences, longest)``, padded on the right, and the attention mask."""
    lengths = np.array([len(s) for s in batch])
    mask = np.arange(lengths.max())[None, :] < lengths[:, None]
    ids = np.full(mask.shape, pad, dtype=np.int64)
    ids[mask] = np.concatenate([np.asarray(s, dtype=np.int64) for s in batch])
    return ids, mask.astype(np.int64)


def load_encoder(folder: Path, learnt: Path | None = None) -> Any:
    """Load a checkpoint with ``AutoModel``; of an encoder-decoder model, the encoder.

    Args:
        folder: The checkpoint.
        learnt: Weights that take the place of its own (:mod:`stages.align.fine_tuning`).

    Raises:
        ModelError: If that fails.
    """
    from transformers import AutoModel

    from stages.quiet import quiet

    refuse_pickled_weights(folder)
    try:
        # The load report would name the heads that are left out, and the pooler that is not needed.
        with quiet():
            model: Any = AutoModel.from_pretrained(folder, dtype="float32", trust_remote_code=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder}: cannot be loaded as an encoder: {error}") from error
    if model.config.is_encoder_decoder:
        model = model.get_encoder()
    if learnt is not None:
        from safetensors.torch import load_file

        weights, own = load_file(learnt), model.state_dict()
        strange = [n for n, w in weights.items() if n not in own or own[n].shape != w.shape]
        if strange:
            raise ModelError(f"{learnt}: weights of another model than {folder}: {strange[0]}, …")
        model.load_state_dict(weights, strict=False)
    return model.eval()


def _quantised(encoder: Any) -> Any:

    import torch

    # oneDNN was half as fast again as the default on processors with AMX or VNNI, same links
    # (docs/alignment.md); weights are packed for the engine that is set at this moment.
    quantized = torch.backends.quantized
    default = quantized.engine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that this will move to torchao
        if "onednn" in quantized.supported_engines:
            quantized.engine = "onednn"
        try:
            # In place: in a copy, the hooks would be those of a copy of us.
            return torch.ao.quantization.quantize_dynamic(
                encoder, {torch.nn.Linear}, dtype=torch.qint8, inplace=True
            )
        finally:
            quantized.engine = default
