"""First embeddings for a small model, from the counts of what occurs together.

A model that sees a few million words learns the embeddings of rare subwords last. Counting sees all
of the text in seconds: the positive pointwise mutual information of subwords that occur in the same
sentence pair, on the same or on opposite sides, cut down to the model's width by a truncated
singular value decomposition (Levy and Goldberg 2014; sentence identity as the bridge between
languages: Levy, Søgaard and Goldberg 2017, arXiv:1608.05426). Translations start out alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import svds

from pipeline.errors import ConfigError, DataError

_SMOOTHING = 0.75
"""Power that evens out the frequency of contexts (Levy et al. 2015)."""

START = {"cooccurrence": "counts of what occurs together, cut down by SVD", "random": "random"}
"""For the model card: where embeddings start, by the option `embeddings`."""


def cooccurrence_embeddings(
    bags: Sequence[Sequence[int]], *, size: int, width: int, seed: int
) -> NDArray[np.float32]:
    """Embeddings of subwords from their co-occurrence.

    Args:
        bags: Subword ids that occur together: those of both sides of a pair, or of a sentence.
        size: Number of subwords of the vocabulary.
        width: Width of the embeddings; below `size`.
        seed: Starts the decomposition.

    Returns:
        Shape (size, width), each row of mean square 1; the rows of subwords that never occur are
        zero.

    Raises:
        ConfigError: If `width` is not below `size`.
        DataError: If there is nothing to count.
    """
    if width >= size:
        raise ConfigError(f"shape.width: {width} must be below the number of subwords, {size}")
    counts = _together(bags, size)
    if not counts.nnz:
        raise DataError("there is no text to count co-occurrence in")
    information = _positive_information(counts)
    start = np.random.default_rng(seed).standard_normal(size)
    left, strength, _ = svds(information, k=width, v0=start, return_singular_vectors="u")
    # Strongest first, and each with a sign of its own: the decomposition leaves both open.
    order = np.argsort(-strength)
    left, strength = left[:, order], np.maximum(strength[order], 0)
    left = left * np.where(left[np.abs(left).argmax(0), np.arange(width)] < 0, -1, 1)
    vectors = left * np.sqrt(strength)
    vectors[counts.diagonal() == 0] = 0
    # Frequent and rare subwords have vectors of very different length; a layer should see both.
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    result: NDArray[np.float32] = (vectors * np.sqrt(width)).astype(np.float32)
    return result


def start_embeddings(weight: torch.Tensor, vectors: NDArray[np.float32], scale: float) -> None:
    """Writes the embeddings of all subwords that occur into `weight`, times `scale`, in place."""
    with torch.no_grad():
        made = torch.from_numpy(vectors).to(weight)
        there = made.abs().sum(1) > 0
        weight[there] = made[there] * scale


def _together(bags: Sequence[Sequence[int]], size: int) -> csr_array:
    """How often two subwords share a bag; each subword of a bag spreads one count over the bag."""
    lengths = np.array([len(bag) for bag in bags], np.int64)
    if not lengths.sum():
        return csr_array((size, size))
    subwords = np.concatenate([np.asarray(bag, np.int32) for bag in bags])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    share = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths).astype(np.float32)
    members = csr_array((share, subwords, starts), shape=(len(bags), size))
    return (members.T @ members).tocsr()


def _positive_information(counts: csr_array) -> csr_array:
    totals = np.asarray(counts.sum(1)).ravel()
    contexts = totals**_SMOOTHING
    contexts = contexts / contexts.sum()
    cells = counts.tocoo()
    row, column = cells.coords
    value = np.log(cells.data / (totals[row] * contexts[column]))
    kept = value > 0
    return coo_array((value[kept], (row[kept], column[kept])), shape=counts.shape).tocsr()
