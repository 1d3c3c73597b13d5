"""Learning rates by the size of the encoder, and warnings where a training did not fit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from pipeline.progress import Progress
from stages.tagger.modeling import LayerFusedForTokenClassification
from stages.train.config import TrainConfig
from stages.train.data import TrainingSentence
from stages.train.optimisation import freeze_layers
from stages.train.presets import (
    PRESETS,
    doubts,
    for_the_rest,
    layer_parameters,
    preset_for,
    resolved,
)
from stages.train.trainer import TrainingResult
from stages.train.training import train_tagger
from tests.tiny.encoders import FAMILIES
from tests.tiny.text import toy_rows

Family = Callable[[str], Path]
LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


def test_presets_are_in_order() -> None:
    for small, large in pairwise(PRESETS):
        assert small.up_to < large.up_to
        assert small.learning_rate > large.learning_rate
        assert small.layer_decay <= large.layer_decay


@pytest.mark.parametrize(
    ("parameters", "rate"),
    [(4_700_000, 1e-3), (21_300_000, 2e-4), (85_100_000, 5e-5), (303_000_000, 2e-5)],
)
def test_the_rate_goes_by_the_layers(parameters: int, rate: float) -> None:
    assert preset_for(parameters).learning_rate == rate


def test_fewer_layers_learn_more_quickly() -> None:
    whole = preset_for(21_300_000)
    half = for_the_rest(whole, 0.5)
    assert half.learning_rate == pytest.approx(2 * whole.learning_rate)
    assert half.layer_decay == whole.layer_decay
    assert for_the_rest(whole, 1.0) == whole  # nothing of the encoder learns


@pytest.mark.parametrize("name", FAMILIES)
def test_embeddings_do_not_count(name: str, family: Family) -> None:
    model = LayerFusedForTokenClassification.from_encoder(family(name), LABELS)
    size = sum(p.numel() for p in model.encoder.parameters())
    embedded = model.encoder.get_input_embeddings().weight.numel()
    assert 0 < layer_parameters(model) <= size - embedded


def test_what_is_given_stays() -> None:
    preset = PRESETS[1]
    assert resolved(TrainConfig(), preset).learning_rate == preset.learning_rate
    assert resolved(TrainConfig(), preset).layer_decay == preset.layer_decay
    given = resolved(TrainConfig(learning_rate=1e-5, layer_decay=1), preset)
    assert (given.learning_rate, given.layer_decay) == (1e-5, 1)


@pytest.mark.parametrize("name", FAMILIES)
def test_embeddings_freeze_alone(name: str, family: Family) -> None:
    model = LayerFusedForTokenClassification.from_encoder(family(name), LABELS)
    freeze_layers(model, 0, embeddings=True)
    assert not model.encoder.get_input_embeddings().weight.requires_grad
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert frozen and all("embeddings" in n.split(".") for n in frozen)


def train(folder: Path, encoder: Path, **options: object) -> TrainingResult:
    rows = toy_rows(40)
    chosen = TrainConfig(max_steps=8, batch_size=8, evaluations=2, **options)  # type: ignore[arg-type]
    return train_tagger(
        chosen,
        (TrainingSentence(w, s) for w, s in rows),
        rows[:10],
        folder / "model",
        folder / "work",
        encoder=encoder,
        labels=LABELS,
        seed=1,
        progress=Progress(),
    )


def test_frozen_embeddings_stay_as_they_are(family: Family, tmp_path: Path) -> None:
    result = train(tmp_path, family("bert"), freeze_embeddings=True, learning_rate=1e-2)
    assert result.learning_rate == 1e-2
    before = LayerFusedForTokenClassification.from_encoder(family("bert"), LABELS)
    after = LayerFusedForTokenClassification.from_pretrained(tmp_path / "model")
    changed = {
        n
        for n, p in before.encoder.named_parameters()
        if not torch.equal(p, after.encoder.get_parameter(n))
    }
    assert changed and not any("embeddings" in n for n in changed)


def test_the_rate_goes_by_what_learns(family: Family, tmp_path: Path) -> None:
    result = train(tmp_path, family("bert"), freeze_layers=1)  # of three
    assert result.learning_rate == pytest.approx(1.5 * PRESETS[0].learning_rate)


def test_a_training_says_what_it_took(
    family: Family, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        result = train(tmp_path, family("bert"), learning_rate=1e-6)
    assert (result.learning_rate, result.layer_decay) == (1e-6, PRESETS[0].layer_decay)
    assert "not fitted" in caplog.text
    assert "learning_rate 1e-06 is low: 0.001 is what fits" in caplog.text
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "| learning rate | 1e-06 |" in card and "| layer decay | 0.8" in card


def result_of(*scores: float, steps: int = 100, planned: int = 100) -> TrainingResult:
    history = [{"step": 10 * k, "eval_f1": f} for k, f in enumerate(scores, 1)]
    return TrainingResult(steps, planned, steps, max(scores, default=None), history)


def test_signs_of_a_training_that_did_not_fit() -> None:
    preset = PRESETS[1]
    rate = preset.learning_rate
    assert doubts(result_of(0.6, 0.9, 0.91), rate, preset) is None
    assert doubts(result_of(), rate, preset) is None
    poor = doubts(result_of(0.3, 0.31, 0.31), 1e-3, preset)
    assert poor is not None and "reached 31.0 only" in poor and "0.001 is high" in poor
    rising = doubts(result_of(0.5, 0.6, 0.7), rate, preset)
    assert rising is not None and "60.0 after 20 updates, 70.0 after 30" in rising
    assert "more updates" in rising
    assert doubts(result_of(0.5, 0.6, 0.7, steps=30), rate, preset) is None  # stopped early
