"""Scores of a tagger: correct, predicted and gold spans of every sentence."""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sets import CLS, LABELS, PAD, SEP, TextSet

Counts = NDArray[np.uint8]


def logits_of(model: torch.nn.Module, text: TextSet, tokens: int) -> torch.Tensor:
    """Return (words, labels) probabilities in float32; words without subwords stay neutral."""
    device = next(model.parameters()).device
    probs = torch.from_numpy(np.tile(LABELS.neutral, (len(text.words) - 1, 1))).to(device)
    order = np.argsort(-text.lengths, kind="stable")
    starts, lengths = text.starts, text.lengths
    at = 0
    while at < len(order):
        size = max(1, tokens // int(lengths[order[at]]))
        chosen = order[at : at + size]
        at += size
        longest = -(-int(lengths[chosen].max()) // 8) * 8
        place = np.arange(longest)
        inner = (lengths[chosen] - 2)[:, None]
        index = np.clip(starts[chosen][:, None] + place - 1, 0, len(text.ids) - 1)
        ids = np.where(place <= inner, text.ids[index], PAD)
        ids = np.where(place == inner + 1, SEP, ids)
        ids[:, 0] = CLS
        first, own, end = (text.windows[chosen, k] for k in (0, 2, 3))
        words = np.concatenate([np.arange(a, b) for a, b in zip(own, end, strict=True)])
        rows = np.repeat(np.arange(len(chosen)), end - own)
        seen = text.words[words + 1] > text.words[words]
        words, rows = words[seen], rows[seen]
        columns = text.words[words] - text.words[first[rows]] + 1
        with torch.inference_mode():
            logits = model(
                input_ids=torch.from_numpy(ids).to(device),
                attention_mask=torch.from_numpy(
                    (place < lengths[chosen][:, None]).astype(np.int64)
                ).to(device),
            ).logits
            wanted = logits[torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device)]
            probs[torch.from_numpy(words).to(device)] = torch.softmax(wanted.float(), -1)
    return probs


def count(probs: NDArray[np.float32], sentences: NDArray[np.int64], gold: NDArray[np.int64]) -> Any:
    """Return (sentences, 3): correct, predicted and gold spans, by exact match and type.

    Labels are decoded into the most probable valid IOB2 sequence, as ``Tagger`` does.
    """
    found = LABELS.decode(probs, sentences)
    wanted = LABELS.spans(gold, sentences)
    out = np.zeros((len(found), 3), np.int64)
    for row, (have, want) in enumerate(zip(found, wanted, strict=True)):
        mine = {(s.start, s.end, s.type) for s in have}
        theirs = {(s.start, s.end, s.type) for s in want}
        out[row] = len(mine & theirs), len(mine), len(theirs)
    return np.minimum(out, 255).astype(np.uint8)


class Scorer:
    """Scores sets; the decoding goes on in other processes while the next tagger trains.

    Args:
        sets: What can be scored.
        processes: How many decode; 0: this one does.
        tokens: Most subwords in a batch.
    """

    def __init__(self, sets: dict[str, TextSet], processes: int, tokens: int) -> None:
        self._sets = sets
        self._tokens = tokens
        self._pool = None
        if processes:  # forked before CUDA is touched, so all at once now
            self._pool = ProcessPoolExecutor(processes, mp_context=get_context("fork"))
            self._pool.submit(int).result()

    def score(
        self, model: torch.nn.Module, names: list[str], limit: int | None = None
    ) -> dict[str, Future[Any]]:
        """Return the counts of each set, ready now or later."""
        training = model.training
        model.eval()
        out: dict[str, Future[Any]] = {}
        for name in names:
            text = self._sets[name].head(limit)
            probs = logits_of(model, text, self._tokens).cpu().numpy()
            arguments = (probs, text.sentences, text.labels)
            if self._pool:
                out[name] = self._pool.submit(count, *arguments)
            else:
                out[name] = Future()
                out[name].set_result(count(*arguments))
        model.train(training)
        return out

    def close(self) -> None:
        """End the other processes."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


def f1(counts: Any) -> float:
    """Return F1 in percent of counts of any shape (…, 3)."""
    correct, found, wanted = counts.reshape(-1, 3).astype(np.int64).sum(0).tolist()
    return 200 * correct / max(1, found + wanted)


def fusion_facts(model: Any, text: TextSet, sentences: int = 200) -> dict[str, float]:
    """Return what AIF does on the first sentences of a set.

    ``w`` is the share of the last layer. ``share``: its mean; ``by_word`` its deviation over
    subwords (mean over dimensions); ``by_dimension`` the deviation of the dimensions' means;
    ``norm_last``, ``norm_lower`` and ``cosine`` compare the two layers.
    """
    seen: list[Any] = []

    def look(module: Any, args: Any) -> None:
        layers, mask = args
        last, lower = layers[-1].float(), layers[module.layer].float()
        from stages.tagger.fusion import masked_mean

        both = last + lower
        w = torch.sigmoid(module.local_branch(both) + module.global_branch(masked_mean(both, mask)))
        real = mask.bool()
        seen.append((w[real], last[real], lower[real]))

    handle = model.fusion.register_forward_pre_hook(look)
    training = model.training
    model.eval()
    try:
        logits_of(model, text.head(sentences), 8192)
    finally:
        handle.remove()
        model.train(training)
    w, last, lower = (torch.cat(parts) for parts in zip(*seen, strict=True))
    facts = {
        "share": w.mean(),
        "by_word": w.std(0).mean(),
        "by_dimension": w.mean(0).std(),
        "norm_last": last.norm(dim=-1).mean(),
        "norm_lower": lower.norm(dim=-1).mean(),
        "cosine": torch.nn.functional.cosine_similarity(last, lower, dim=-1).mean(),
    }
    return {name: round(float(value), 4) for name, value in facts.items()}
