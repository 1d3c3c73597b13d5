"""The arms of the comparison: what each one trains on, and with which head.

An arm is a named recipe for a tagger. ``train`` makes the arms of kind ``train``; ``self_train``
those of kind ``self_train``; the others need no tagger of their own: ``predict`` makes them of what
other arms' taggers say of the test sentences or of their translations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from pipeline.config import RunConfig

Kind = Literal["train", "self_train", "translate_test", "ensemble"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm.

    Attributes:
        kind: The stage that makes it; or, made by ``predict``: ``translate_test`` (the teacher
            labels the test sentences' translations, the labels are projected back) or ``ensemble``
            (the teachers' distributions are averaged).
        data: What its tagger trains on: ``source`` (gold source data), ``projected`` (silver),
            ``synthetic`` (pseudo-labelled), ``unlabelled`` (real target text, pseudo-labelled),
            ``gold`` (gold target training data).
        fused: Whether the tagger fuses layers (``train.fusion``) or uses the last layer only.
        teachers: The arms that it is made from: they label its text, or are averaged.
        about: One line for the report.
    """

    kind: Kind
    data: tuple[str, ...]
    fused: bool
    about: str
    teachers: tuple[str, ...] = ()


ARMS: Final[Mapping[str, Arm]] = {
    "zero_shot": Arm("train", ("source",), False, "multilingual pre-training alone, last layer"),
    "fused": Arm("train", ("source",), True, "multilingual pre-training alone, layer-fused"),
    "projected": Arm("train", ("source", "projected"), False, "plus projected labels, last layer"),
    "projected_fused": Arm(
        "train", ("source", "projected"), True, "plus projected labels, layer-fused"
    ),
    "synthetic": Arm(
        "self_train",
        ("source", "synthetic"),
        False,
        "self-training on synthetic text only, zero-shot teacher",
        ("zero_shot",),
    ),
    "self_trained_last": Arm(
        "self_train",
        ("source", "projected", "synthetic"),
        False,
        "projected labels and synthetic text, last layer",
        ("projected",),
    ),
    "self_trained": Arm(
        "self_train",
        ("source", "projected", "synthetic"),
        True,
        "the full system: projected labels and synthetic text, layer-fused",
        ("projected_fused",),
    ),
    "translate_test": Arm(
        "translate_test",
        (),
        True,
        "test sentences translated to the source language, labelled, and projected back",
        ("fused",),
    ),
    "ensemble_train_test": Arm(
        "ensemble",
        (),
        True,
        "word-level distributions of translate_test and projected_fused, averaged (ETT)",
        ("translate_test", "projected_fused"),
    ),
    "crop": Arm(
        "self_train",
        ("source", "unlabelled"),
        True,
        "real target text, pseudo-labelled through its translation (CROP)",
        ("fused",),
    ),
    "supervised": Arm("train", ("gold",), True, "gold target training data: the upper bound"),
}
"""Every arm that a configuration may name."""


def with_teachers(arms: list[str]) -> list[str]:
    """Return ``arms`` and the arms that teach them, teachers first, without repetition.

    A teacher that the comparison does not name is trained all the same, but not evaluated.
    """
    ordered: list[str] = []

    def add(name: str) -> None:
        for teacher in ARMS[name].teachers:
            add(teacher)
        if name not in ordered:
            ordered.append(name)

    for name in arms:
        add(name)
    return ordered


def labels_by_crop(config: RunConfig, arm: str) -> bool:
    """Return whether the pseudo-labels of an arm are made by CROP's recipe.

    Those of the arm ``crop`` always are, those of the other arms of ``self_train`` where the
    section asks for it.
    """
    if ARMS[arm].kind != "self_train":
        return False
    asked = getattr(getattr(config, "self_train", None), "labelling", "teachers")
    return "unlabelled" in ARMS[arm].data or asked == "crop"


def translated_to_source(config: RunConfig) -> list[Literal["test", "unlabelled"]]:
    """Return the target-language data that the arms of a run want in the source language."""
    arms = with_teachers(config.arms)
    found: list[Literal["test", "unlabelled"]] = []
    if any(ARMS[arm].kind == "translate_test" for arm in arms):
        found.append("test")
    if any(labels_by_crop(config, arm) for arm in arms):
        found.append("unlabelled")
    return found


def predicted_on(arm: str, key: str) -> bool:
    """Return whether an arm has predictions for a kind of data (``test`` or ``source_test``).

    What goes by way of a translation has nothing to say of source-language sentences.
    """
    return key == "test" or ARMS[arm].kind in ("train", "self_train")


def zero_resource(arm: str) -> bool:
    """Return whether an arm does without labels of the target language.

    The others are upper bounds, not competitors.
    """
    return arm not in ARMS or "gold" not in ARMS[arm].data
