"""An encoder cut after the wanted layer, run by CTranslate2.

The cut encoder is converted once and kept beside the converted translators (see
:mod:`stages.translate.conversion`), named by the content of the checkpoint, the layer and the
quantisation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.errors import ModelError
from stages.align.bert import take_apart
from stages.align.parts import Encoder, Linear, Norm

if TYPE_CHECKING:
    import torch

QUANTISATIONS: Final = {"float32": "float32", "int8": "int8"}
"""What CTranslate2 has on the CPU, by our name for the precision."""

_FORMAT: Final = 1
_ACTIVATIONS: Final = {"gelu": "GELU", "gelu_new": "GELUTanh", "relu": "RELU", "silu": "SWISH"}


class CTranslateLayers:
    """The lower layers of an encoder, run by CTranslate2 on the CPU.

    Args:
        converted: What :func:`converted_encoder` made.
        dtype: ``float32`` or ``int8``.
        threads: Threads to use.
    """

    device = "cpu"
    padded = True
    rows: int | None = None

    def __init__(self, converted: Path, dtype: str, threads: int) -> None:
        import ctranslate2

        self._encoder = ctranslate2.Encoder(
            str(converted), device="cpu", compute_type=QUANTISATIONS[dtype], intra_threads=threads
        )

    def __call__(self, batch: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the hidden states ``(tokens of all sentences, width)`` in float32."""
        import torch

        output = self._encoder.forward_batch([list(s) for s in batch])
        states = torch.from_numpy(np.array(output.last_hidden_state))
        lengths = torch.tensor([len(s) for s in batch])
        return states[torch.arange(states.shape[1]) < lengths[:, None]]


def converted_encoder(
    folder: Path, encoder: Any, layer: int, dtype: str, cache: Path | None = None
) -> Path | None:
    """Return the converted lower layers of a checkpoint, converting them on first use.

    Args:
        folder: A Transformers checkpoint.
        encoder: The encoder that was loaded from it.
        layer: How many layers are wanted, at least 1.
        dtype: A key of :data:`QUANTISATIONS`.
        cache: Where converted models are kept; default as for translators.

    Returns:
        A folder that CTranslate2 loads, or ``None`` if it does not know the family.

    Raises:
        ModelError: If it cannot be converted.
    """
    from stages.translate.codes import NOTE
    from stages.translate.conversion import fingerprint_of, kept

    bert = take_apart(encoder, layer)
    if bert is None or bert.activation not in _ACTIVATIONS:
        return None

    def make(output: Path) -> None:
        output.mkdir()
        try:
            _write(bert, output, QUANTISATIONS[dtype])
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{folder}: cannot be converted for CTranslate2: {error}") from error
        (output / NOTE).write_text(json.dumps({"layer": layer, "dtype": dtype}), encoding="utf-8")

    return kept(["encoder", _FORMAT, fingerprint_of(folder, cache), layer, dtype], cache, make)


def _write(bert: Encoder, output: Path, quantization: str) -> None:
    assert bert.types is not None and bert.embedding_norm is not None
    from ctranslate2.specs import common_spec, transformer_spec

    encoder = transformer_spec.TransformerEncoderSpec(
        len(bert.blocks),
        bert.heads,
        pre_norm=False,
        activation=getattr(common_spec.Activation, _ACTIVATIONS[bert.activation]),
        layernorm_embedding=True,
        num_source_embeddings=2,
        embeddings_merge=common_spec.EmbeddingsMerge.ADD,
    )
    spec = transformer_spec.TransformerEncoderModelSpec(encoder, pooling_layer=False)
    encoder.scale_embeddings = False
    encoder.embeddings[0].weight = _array(bert.words)
    encoder.embeddings[1].weight = _array(bert.types)
    encoder.position_encodings.encodings = _array(bert.positions)
    _norm(encoder.layernorm_embedding, bert.embedding_norm)
    for into, block in zip(encoder.layer, bert.blocks, strict=True):
        attention = into.self_attention
        _linear(attention.linear[0], block.qkv)
        _linear(attention.linear[1], block.out)
        _norm(attention.layer_norm, block.attention_norm)
        _linear(into.ffn.linear_0, block.up)
        _linear(into.ffn.linear_1, block.down)
        _norm(into.ffn.layer_norm, block.norm)
    spec.config.layer_norm_epsilon = bert.embedding_norm.eps
    # Sentences come as ids; the words of the vocabulary are never looked up.
    names = [str(i) for i in range(len(bert.words))]
    names[0] = spec.config.unk_token = "<unk>"
    spec.register_vocabulary(names)
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(output))


def _array(tensor: torch.Tensor) -> Any:
    # A copy: quantising changes it in place, and the encoder is used afterwards.
    return tensor.float().contiguous().numpy().copy()


def _linear(spec: Any, linear: Linear) -> None:
    spec.weight, spec.bias = _array(linear.weight), _array(linear.bias)


def _norm(spec: Any, norm: Norm) -> None:
    spec.gamma, spec.beta = _array(norm.weight), _array(norm.bias)
