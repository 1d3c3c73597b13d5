"""Word-level label distributions from a model: batching by length, subwords back to words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.task import Advance, no_advance
from stages.tagger.calibration import tempered
from stages.tagger.encoding import EncodedSentences, Windows, WordEncoder


def batches_by_length(
    lengths: NDArray[np.int64], batch_tokens: int, batch_size: int
) -> Iterator[NDArray[np.int64]]:
    """Yield batches of similar length, longest first.

    Args:
        lengths: Length of every input.
        batch_tokens: Most subwords in a batch, padding included (a longer input is a batch alone).
        batch_size: Most inputs in a batch.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        size = max(1, min(batch_size, batch_tokens // max(1, longest)))
        yield order[start : start + size]
        start += size


def tokens_per_batch(device: torch.device) -> int:
    """Return how many subwords make a good batch on a device.

    On a CPU, states that stay in its caches count more than large batches.
    """
    return 1024 if device.type == "cpu" else 32768


def word_distributions(
    model: torch.nn.Module,
    encoder: WordEncoder,
    subwords: EncodedSentences,
    windows: Windows,
    *,
    neutral: NDArray[np.float32],
    all_subwords: bool = False,
    batch_tokens: int,
    batch_size: int,
    autocast: torch.dtype | None = None,
    temperature: float = 1.0,
    advance: Advance = no_advance,
) -> NDArray[np.float32]:
    """Return the label distribution of every word.

    Args:
        model: A token classifier; used as it is (its mode is the caller's business).
        encoder: What made ``subwords``.
        subwords: The sentences.
        windows: Windows over them.
        neutral: (labels) distribution of words without subwords.
        all_subwords: Average over the subwords of a word instead of taking its first.
        batch_tokens: Most subwords in a batch.
        batch_size: Most windows in a batch.
        autocast: Precision to compute in, if not the weights' own.
        temperature: See :mod:`stages.tagger.calibration`.
        advance: Called with the number of windows done.

    Returns:
        (words, labels), float32.
    """
    device = next(model.parameters()).device
    result = np.tile(neutral, (len(subwords.words) - 1, 1))
    context: Any = torch.autocast(device.type, autocast) if autocast else nullcontext()
    with torch.inference_mode(), context:
        for chosen in batches_by_length(
            encoder.lengths(subwords, windows), batch_tokens, batch_size
        ):
            ids, mask = encoder.pad_batch(subwords, windows, chosen)
            words, counts, rows, columns = encoder.places(subwords, windows, chosen, all_subwords)
            if len(words):
                logits = model(
                    input_ids=torch.from_numpy(ids).to(device),
                    attention_mask=torch.from_numpy(mask).to(device),
                ).logits
                wanted = logits[torch.from_numpy(rows), torch.from_numpy(columns)]
                probs = torch.softmax(wanted.float(), -1).cpu().numpy()
                if all_subwords:
                    starts = np.cumsum(counts) - counts
                    probs = np.add.reduceat(probs, starts, axis=0) / counts[:, None]
                result[words] = tempered(probs, temperature)
            advance(len(chosen))
    return result
