"""Temperatures make scores mean what they say, and change no decision of a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.schema import Span
from stages.tagger.calibration import (
    calibration_error,
    fit_temperature,
    reliability,
    scored_entities,
    tempered,
)
from stages.tagger.labels import LabelSet

Family = Callable[[str], Path]
LABELS = LabelSet.of_types(["LOC", "PER"])


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float32]:
    e = np.exp(logits - logits.max(1, keepdims=True))
    return (e / e.sum(1, keepdims=True)).astype(np.float32)


@given(st.integers(0, 10_000), st.floats(0.3, 5.0))
def test_it_is_a_softmax_with_that_temperature(seed: int, temperature: float) -> None:
    logits = np.random.default_rng(seed).normal(size=(7, 5)) * 3
    found = tempered(softmax(logits), temperature)
    np.testing.assert_allclose(found, softmax(logits / temperature), atol=1e-4)
    np.testing.assert_array_equal(found.argmax(1), logits.argmax(1))


def sure_of_too_much(count: int, factor: float) -> tuple[NDArray[np.float32], list[list[Span]]]:
    """One-word sentences whose gold labels are drawn from distributions, and these sharpened."""
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(count, 5)) * 2
    logits[:, [2, 4]] = -30.0  # no I- at the beginning of a sentence
    true = softmax(logits)
    gold = []
    for row in true:
        label = generator.choice(5, p=row.astype(np.float64) / row.astype(np.float64).sum())
        gold.append([Span(0, 1, LABELS.names[label][2:])] if label else [])
    return softmax(logits * factor), gold


def test_a_tagger_that_is_too_sure_is_cooled() -> None:
    probs, gold = sure_of_too_much(4000, 3.0)
    starts = np.arange(4001)
    temperature = fit_temperature(probs, starts, gold, LABELS)
    assert temperature == pytest.approx(3.0, rel=0.08)
    errors = []
    for t in (1.0, temperature):
        found = LABELS.decode(tempered(probs, t), starts)
        errors.append(calibration_error(reliability(*scored_entities(found, gold))))
    assert errors[0] > 0.15 and errors[1] < 0.03


def test_too_few_entities_fit_nothing() -> None:
    probs, gold = sure_of_too_much(10, 3.0)
    assert fit_temperature(probs, np.arange(11), gold, LABELS) == 1.0


def test_the_error_is_the_gap_by_count() -> None:
    scores = np.array([0.95, 0.95, 0.95, 0.95, 0.15, 1.0])
    right = np.array([True, True, False, False, False, True])
    bins = reliability(scores, right)
    assert [b.count for b in bins] == [0, 1, 0, 0, 0, 0, 0, 0, 0, 5]
    expected = (1 * 0.15 + 5 * abs(0.96 - 0.6)) / 6
    assert calibration_error(bins) == pytest.approx(expected)
    assert calibration_error([]) == 0.0


@pytest.mark.parametrize(
    ("select", "least"), [("source_dev", 1.35), ("source_dev", 0.01), ("target_dev", 50.0)]
)
def test_a_trained_tagger_has_its_temperature_and_uses_it(
    family: Family, tmp_path: Path, select: Literal["source_dev", "target_dev"], least: float
) -> None:
    from stages.tagger.tagger import Tagger
    from stages.train.config import TrainConfig
    from stages.train.data import TrainingSentence
    from stages.train.training import train_tagger
    from tests.tiny.text import toy_rows

    rows = toy_rows(60)
    options = TrainConfig(
        max_steps=90,
        batch_size=16,
        layer_decay=1.0,
        evaluations=1,
        learning_rate=3e-3,
        select=select,
        least_temperature=least,
    )
    result = train_tagger(
        options,
        (TrainingSentence(w, s) for w, s in rows),
        rows[:40],
        tmp_path / "tagger",
        tmp_path / "work",
        encoder=family("bert"),
        labels=LABELS.names,
        seed=1,
        head={"fusion": "none"},
    )
    config = json.loads((tmp_path / "tagger" / "config.json").read_text())
    fitted = config["fitted_temperature"]
    assert fitted not in (1.0, 50.0)
    # Other languages are not what source dev shows; target dev shows what they are.
    expected = fitted if select == "target_dev" else max(fitted, least)
    assert config["score_temperature"] == result.temperature == expected
    tagger = Tagger.from_pretrained(tmp_path / "tagger")
    words = [w for w, _ in rows[:5]]
    calibrated = np.concatenate(tagger.distributions(words))
    assert tagger.as_teacher() == pytest.approx(expected / fitted)
    taught = np.concatenate(tagger.distributions(words))
    tagger.temperature = 1.0
    plain = np.concatenate(tagger.distributions(words))
    np.testing.assert_allclose(calibrated, tempered(plain, expected), atol=1e-4)
    np.testing.assert_allclose(taught, tempered(plain, fitted), atol=1e-4)
    assert np.abs(calibrated - plain).max() > 1e-3
