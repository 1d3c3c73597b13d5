"""Exports a tagger to ONNX, with int8 weights as an option, and checks what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import TokenClassifierOutput

from pipeline.disk import folder_whole
from pipeline.errors import ModelError
from stages.tagger.tagger import Tagger

MODEL = "model.onnx"
INT8 = "model_int8.onnx"
LEAST_AGREEMENT = {False: 1.0, True: 0.95}
"""Least share of words with the label of PyTorch, by whether weights are in eight bits."""


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """How an exported model compares with PyTorch on the same sentences.

    Attributes:
        file: The exported model.
        words: Words compared.
        same_labels: Words whose most probable label is the same.
        largest_difference: Largest difference of a probability.
    """

    file: Path
    words: int
    same_labels: int
    largest_difference: float

    @property
    def agreement(self) -> float:
        """Share of the words with the same most probable label."""
        return self.same_labels / self.words if self.words else 1.0


class _Logits(nn.Module):
    """The model with two inputs and one output."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def export_onnx(
    tagger: Tagger, folder: Path, sentences: Sequence[Sequence[str]], *, int8: bool = False
) -> ExportCheck:
    """Export a tagger and compare it with PyTorch.

    Writes ``model.onnx`` (or ``model_int8.onnx``, weights quantised dynamically), the configuration
    and the tokenizer. Inputs are ``input_ids`` and ``attention_mask`` (batch, subwords), the output
    is ``logits`` (batch, subwords, labels); batch and length are free.

    Args:
        tagger: The tagger, on the CPU.
        folder: Where to write; new or empty.
        sentences: Lists of words to compare on.
        int8: Quantise the weights of the linear layers.

    Returns:
        The comparison.

    Raises:
        ModelError: If onnx or onnxruntime is not installed, or the predictions differ too much.
        ConfigError: If the folder holds something.
    """
    try:
        import onnx  # noqa: F401 - torch.onnx needs it
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            f"exporting needs another package: pip install 'xlner[onnx]' ({error})"
        ) from None
    with folder_whole(folder) as new:
        path = new / MODEL
        model = _Logits(tagger.model).eval()
        subwords = tagger.encoder.encode([["a", "b"], ["a"]])
        windows = tagger.encoder.windows(subwords)
        ids, mask = tagger.encoder.pad_batch(subwords, windows, np.arange(2))
        batch, length = torch.export.Dim("batch", min=1), torch.export.Dim("subwords", min=2)
        shape = {0: batch, 1: length}
        torch.onnx.export(
            model,
            (torch.from_numpy(ids), torch.from_numpy(mask)),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes=(shape, shape),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        if int8:
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantize_dynamic(str(path), str(new / INT8), weight_type=QuantType.QInt8)
            path.unlink()
            path = new / INT8
        tagger.model.config.save_pretrained(new)
        tagger.encoder.tokenizer.save_pretrained(new)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        check = compare(tagger, session, path, sentences)
        least = LEAST_AGREEMENT[int8]
        if check.agreement < least:
            raise ModelError(
                f"{check.same_labels} of {check.words} words get the same label as in PyTorch, "
                f"fewer than {least:.0%}; {folder} is not written"
            )
        return replace(check, file=folder / path.name)


class _Session(nn.Module):
    """An ONNX session that looks like a token classifier."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._session = session
        self._device = nn.Parameter(torch.zeros(0))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        feeds = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        (logits,) = self._session.run(["logits"], feeds)
        return TokenClassifierOutput(logits=torch.from_numpy(logits))


def compare(
    tagger: Tagger, session: Any, path: Path, sentences: Sequence[Sequence[str]]
) -> ExportCheck:
    """Compare an ONNX session of a tagger with the tagger itself."""
    theirs = tagger.distributions(sentences)
    model: Any = tagger.model
    tagger.model = _Session(session)
    try:
        ours = tagger.distributions(sentences)
    finally:
        tagger.model = model
    a, b = np.concatenate(ours), np.concatenate(theirs)
    return ExportCheck(
        path, len(a), int((a.argmax(1) == b.argmax(1)).sum()), float(np.abs(a - b).max(initial=0))
    )
