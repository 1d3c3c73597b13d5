"""Means taken off, subwords that stand for a space, probabilities from cosines."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stages.align import matching
from stages.align.build import build, learn
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.embedding_aligner import _word_means, read_means
from stages.align.kinds.base import PairsToLearn
from stages.align.planning import plan
from stages.align.subwords import SubwordCutter
from tests.tiny.encoders import SENTENCES, encoder_folder

PAIRS = [(a.split(), b.split()) for a, b in pairwise(SENTENCES)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encoder_folder("Unigram", tmp_path_factory.mktemp("unigram"))


def aligned(encoder: Path, folder: Path, pairs: list = PAIRS, **options: object) -> list:
    config = AlignConfig.model_validate({"model": str(encoder), "aligner": "softmax"} | options)
    planned = plan(config, AlignmentContext("en", "de"))
    learn(planned, PairsToLearn(lambda: iter(PAIRS), lambda: iter(())), folder)
    return build(planned, folder).align(pairs)


def test_means_do_not_hang_on_what_is_aligned_together(encoder: Path, tmp_path: Path) -> None:
    options = {"center": True, "temperature": 0.05, "token_type": "word"}
    together = aligned(encoder, tmp_path / "a", **options)
    alone = [aligned(encoder, tmp_path / "a", [pair], **options)[0] for pair in PAIRS[:5]]
    for one, other in zip(alone, together, strict=False):
        assert [(k.source, k.target) for k in one] == [(k.source, k.target) for k in other]
    means = read_means(tmp_path / "a" / "0")
    assert all(mean.shape == (16,) and np.abs(mean).max() > 0 for mean in means)
    assert together != aligned(encoder, tmp_path / "b", **(options | {"center": False}))


def test_probabilities_from_cosines_are_linked_from_a_half_on(
    encoder: Path, tmp_path: Path
) -> None:
    hard = aligned(encoder, tmp_path / "a", temperature=0.001, soft=False)
    soft = aligned(encoder, tmp_path / "a", temperature=0.001, soft=True, floor=0.01)
    assert any(hard)
    for few, many in zip(hard, soft, strict=True):
        assert few == [k for k in many if k.prob >= 0.5]
    assert any(k.prob < 0.5 for links in soft for k in links)


def test_a_space_alone_is_a_mark_only_beside_other_subwords() -> None:
    vocabulary = {"▁": 7, ",": 8, "▁a": 9}
    cut = SubwordCutter(
        lambda words: [{",": [7, 8], "a": [9], "_": [7]}[word] for word in words],
        [vocabulary["▁"]],
    )
    subwords = cut([["a", ",", "_"]])[0]
    assert subwords.ids == [9, 7, 8, 7]
    assert subwords.marks.tolist() == [False, True, False, False]


def test_marks_are_left_out_of_words_and_links(encoder: Path, tmp_path: Path) -> None:
    with_marks = aligned(encoder, tmp_path / "a", aligner="simalign", space_marks=True)
    without = aligned(encoder, tmp_path / "a", aligner="simalign", space_marks=False)
    assert with_marks != without


def test_word_means() -> None:
    states = np.array([[1, 0], [3, 0], [5, 1]], dtype=np.float32)
    means = _word_means(states, np.array([0, 0, 2]))
    assert means.tolist() == [[2, 0], [5, 1]]


def test_at_least() -> None:
    index = matching.where(np.array([[[0.4, 0.6], [0.5, 0.1]]]) >= 0.5)
    assert [part.tolist() for part in index] == [[0, 0], [0, 1], [1, 0]]
