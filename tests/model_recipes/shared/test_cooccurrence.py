"""Embeddings from counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model_recipes.shared.cooccurrence import cooccurrence_embeddings, start_embeddings
from pipeline.errors import ConfigError, DataError


def bags_of_two_languages(rows: int, seed: int) -> list[list[int]]:
    """Sentences of words 0-19 beside their translation, word n being word n + 20; 40 is rare."""
    rng = np.random.default_rng(seed)
    bags = []
    for _ in range(rows):
        words = rng.choice(20, size=5, replace=False)
        bags.append([*words, *(words + 20)])
    return bags


def test_translations_start_out_alike() -> None:
    vectors = cooccurrence_embeddings(bags_of_two_languages(400, 1), size=45, width=16, seed=1)
    assert vectors.shape == (45, 16)
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -np.inf)
    assert alike[:20].argmax(1).tolist() == list(range(20, 40))


def test_rows_have_mean_square_one_and_unseen_subwords_none() -> None:
    vectors = cooccurrence_embeddings(bags_of_two_languages(50, 1), size=45, width=8, seed=1)
    squares = (vectors**2).mean(1)
    assert np.allclose(squares[:40], 1, atol=1e-4)
    assert not squares[40:].any()


def test_the_same_text_gives_the_same_embeddings() -> None:
    bags = bags_of_two_languages(50, 2)
    first, second = (cooccurrence_embeddings(bags, size=45, width=8, seed=3) for _ in range(2))
    assert np.array_equal(first, second)


def test_subwords_that_never_occur_keep_their_first_embedding() -> None:
    vectors = cooccurrence_embeddings([[0, 1], [1, 2]], size=5, width=2, seed=1)
    weight = torch.full((5, 2), 7.0)
    start_embeddings(weight, vectors, 0.5)
    assert torch.equal(weight[3:], torch.full((2, 2), 7.0))
    assert torch.allclose(weight[:3], torch.from_numpy(vectors[:3]) * 0.5)


def test_nothing_to_count_and_too_wide_are_errors() -> None:
    with pytest.raises(DataError, match="no text to count"):
        cooccurrence_embeddings([[]], size=5, width=2, seed=1)
    with pytest.raises(ConfigError, match="width: 5 must be below the number of subwords, 5"):
        cooccurrence_embeddings([[0, 1]], size=5, width=5, seed=1)
