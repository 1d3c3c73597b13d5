"""Pseudo-labels: thresholds, balance, disagreement, ensembles."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.schema import Span
from stages.self_train.config import SelfTrainConfig
from stages.self_train.pseudo import (
    agreement,
    projected_with_teachers,
    pseudo_examples,
    score_thresholds,
    teach,
)
from stages.self_train.rounds import student_options
from stages.self_train.teachers import DistributionStore, Teachers
from stages.tagger.calibration import tempered
from stages.tagger.labels import LabelSet
from stages.train.config import TrainConfig
from stages.train.data import TrainingSentence

LABELS = LabelSet.of_types(["LOC", "PER"])


def sure(labels: list[str], score: float = 0.9) -> np.ndarray:
    """Distributions whose most probable labels are these."""
    probs = np.full((len(labels), 5), (1 - score) / 4, np.float32)
    for word, label in enumerate(labels):
        probs[word, LABELS.names.index(label)] = score
    return probs


def taught(*sentences: tuple[list[str], float]) -> list[TrainingSentence]:
    rows = [(f"s{i}", ["w"] * len(labels)) for i, (labels, _) in enumerate(sentences)]
    return list(teach(rows, [sure(*s) for s in sentences], LABELS))


def make(
    data: list[TrainingSentence], **options: Any
) -> tuple[list[TrainingSentence], Counter[str], Counter[str]]:
    config = SelfTrainConfig(**options)
    drops: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    thresholds = score_thresholds(data, config, LABELS.types)
    made = pseudo_examples(data, config, thresholds, 1, counts, lambda r: drops.update([r]))
    return list(made), drops, counts


DATA = [
    (["B-PER", "I-PER", "O"], 0.9),
    (["O", "B-LOC"], 0.6),
    (["O", "O", "O"], 0.8),
    (["B-LOC"], 0.5),
]


def test_soft_labels_keep_the_distribution() -> None:
    data = taught(*DATA)
    made, drops, counts = make(data, pseudo_weight=0.5)
    assert [e.id for e in made] == ["s0", "s1", "s2", "s3"]
    assert all((e.probs == t.probs).all() for e, t in zip(made, data, strict=True))
    assert {e.weight for e in made} == {0.5}
    assert not drops and counts["entities_pseudo_labelled"] == 3


def test_hard_labels_below_the_confidence_teach_nothing() -> None:
    made, drops, counts = make(taught(*DATA), labels="hard", confidence={"LOC": 0.7})
    assert [e.id for e in made] == ["s0", "s1", "s2"]
    assert made[0].spans == [Span(0, 2, "PER", pytest.approx(0.9))] and made[0].mask is None
    assert made[1].spans == []
    assert made[1].mask is not None and made[1].mask.tolist() == [True, False]
    assert drops == {"low_confidence": 1}  # nothing was left of s3
    assert counts["entities_masked"] == 1


def test_class_balance_keeps_the_same_share_of_each_type() -> None:
    data = taught(
        *[(["B-PER"], 0.95 + 0.001 * i) for i in range(10)],
        *[(["B-LOC"], 0.40 + 0.01 * i) for i in range(10)],
    )
    made, _, _ = make(data, labels="hard", balance_share=0.5)
    kept = Counter(s.type for e in made for s in e.spans)
    assert kept == {"PER": 5, "LOC": 5}
    flat, _, _ = make(data, labels="hard", confidence=0.9)
    assert Counter(s.type for e in flat for s in e.spans) == {"PER": 10}


def test_unsure_sentences_are_dropped_and_empty_ones_thinned_out() -> None:
    made, drops, _ = make(taught(*DATA), min_confidence=0.7)
    assert [e.id for e in made] == ["s0", "s2"] and drops == {"low_confidence": 2}
    made, _, counts = make(taught(*DATA), empty_share=0.0)
    assert [e.id for e in made] == ["s0", "s1", "s3"]
    assert counts["without_entities_left_out"] == 1


def test_agreement_looks_at_the_words_in_question() -> None:
    (sentence,) = taught((["B-PER", "O", "O", "O"], 0.8))
    right = LABELS.encode([Span(0, 1, "PER")], 4)
    wrong = LABELS.encode([Span(1, 2, "LOC")], 4)
    assert agreement(right, sentence, 0) == pytest.approx(0.8)
    assert agreement(wrong, sentence, 0) == pytest.approx(0.05)  # both words are wrong
    for mask, expected in (([1, 0, 1, 1], 0.05), ([0, 0, 1, 1], 1.0)):
        said = agreement(wrong, sentence, 0, np.array(mask, dtype=bool))
        assert said == pytest.approx(expected)
    (empty,) = taught((["O", "O"], 0.4))
    assert agreement(LABELS.encode([], 2), empty, 0) == 1.0


def test_projected_labels_are_weighed_mixed_or_dropped() -> None:
    data = taught((["B-PER", "O"], 0.8), (["B-PER", "O"], 0.8))
    given = [
        TrainingSentence(["w", "w"], [Span(0, 1, "PER")], 2.0, id="right"),
        TrainingSentence(["w", "w"], [Span(1, 2, "LOC")], 2.0, id="wrong"),
    ]

    def reconsider(**options: Any) -> tuple[list[TrainingSentence], Counter[str]]:
        drops: Counter[str] = Counter()
        config = SelfTrainConfig(**options)
        made = projected_with_teachers(
            given, data, config, LABELS, Counter(), lambda r: drops.update([r])
        )
        return list(made), drops

    kept, drops = reconsider(disagreement="drop")
    assert [e.id for e in kept] == ["right"] and drops == {"disagreement": 1}
    weighed, _ = reconsider(disagreement="weight")
    assert [e.weight for e in weighed] == [pytest.approx(1.6), pytest.approx(0.1)]
    mixed, _ = reconsider(teacher_share=0.25)
    assert mixed[1].probs is not None
    assert mixed[1].probs[1, LABELS.names.index("B-LOC")] == pytest.approx(0.75 + 0.25 * 0.05)
    assert mixed[1].probs.sum(1) == pytest.approx(1)


class FakeTagger:
    """Answers with a fixed distribution, in its own order of labels."""

    def __init__(self, labels: list[str], probs: list[float]) -> None:
        self.labels = labels
        self.label_set = LabelSet(labels)
        self._probs = np.array(probs, np.float32)

    def distributions(self, sentences: list[list[str]]) -> list[np.ndarray]:
        return [np.tile(self._probs, (len(s), 1)) for s in sentences]

    def as_teacher(self) -> float:
        return 1.0


def test_thresholds_are_of_calibrated_scores_and_labels_are_as_the_teacher_gave_them() -> None:
    def masked(softening: float) -> tuple[int, int]:
        rows, found = [("s0", ["w", "w"])], [sure(["O", "B-PER"], 0.9)]
        data = list(teach(rows, found, LABELS, softening))
        expected = tempered(found[0], softening)[1, LABELS.names.index("B-PER")]
        assert data[0].spans[0].score == pytest.approx(expected)
        counts: Counter[str] = Counter()
        drops: Counter[str] = Counter()
        config = SelfTrainConfig(confidence=0.85)
        (made,) = pseudo_examples(
            data, config, {"PER": 0.85}, 1, counts, lambda r: None, None, softening
        )
        np.testing.assert_array_equal(made.probs, found[0])
        config = SelfTrainConfig(min_confidence=0.85)
        list(
            pseudo_examples(
                data, config, {}, 1, Counter(), lambda r: drops.update([r]), None, softening
            )
        )
        return counts["entities_masked"], drops["low_confidence"]

    assert masked(1.0) == (0, 0)
    assert masked(2.0) == (1, 1)


def test_an_ensemble_averages_by_label_not_by_column() -> None:
    first: Any = FakeTagger(["O", "B-X", "I-X"], [0.6, 0.3, 0.1])
    second: Any = FakeTagger(["I-X", "O", "B-X"], [0.2, 0.0, 0.8])
    found = list(Teachers([first, second]).distributions([["a", "b"], []]))
    np.testing.assert_allclose(found[0], [[0.3, 0.55, 0.15]] * 2, atol=1e-6)
    assert found[1].shape == (0, 3)
    third: Any = FakeTagger(["O", "B-Y", "I-Y"], [1, 0, 0])
    with pytest.raises(ModelError, match="the teachers have different labels"):
        Teachers([first, third])


def test_stored_distributions_come_back_in_order(tmp_path: Path) -> None:
    store = DistributionStore(tmp_path / "a" / "x.npy")
    parts = [sure(["O", "O"]), sure([]).reshape(0, 5), sure(["B-PER"])]
    store.fill(parts, 5)
    store.fill([sure(["O"])], 5)  # complete already
    back = list(store.read([2, 0, 1]))
    assert all((a == b).all() for a, b in zip(back, parts, strict=True))


def test_overrides_apply_to_the_students_training() -> None:
    train = TrainConfig(max_steps=100)
    assert student_options(SelfTrainConfig(), train) == train
    assert student_options(SelfTrainConfig(max_steps=7), train).max_steps == 7
    longer = student_options(SelfTrainConfig(epochs=2.0), train)
    assert (longer.max_steps, longer.epochs) == (None, 2.0)
