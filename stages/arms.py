"""The arms of the comparison: what each one trains on, and with which head.

An arm is a named recipe for a tagger. ``train`` makes the arms of kind ``train``; ``self_train``
those of kind ``self_train``; ``external`` takes in taggers from elsewhere; the others need no
tagger of their own: ``predict`` makes them of what other arms' taggers say of the test sentences or
of their translations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

ArmKind = Literal["train", "self_train", "external", "translate_test", "ensemble"]


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
        settings: Options that it alone has another value of, by dotted key
            (``train.fusion_layer``).
        seeds: Its training seeds; default: those of the run.
        rival: Whose labels stand in the place of the projected ones (``data.rivals``), if others'.
    """

    kind: ArmKind
    data: tuple[str, ...]
    fused: bool
    about: str
    teachers: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] | None = None
    rival: str | None = None

    @property
    def zero_resource(self) -> bool:
        """Whether it does without labels of the target language; others are no competitors.

        What a tagger from elsewhere has seen is not known.
        """
        return "gold" not in self.data and self.kind != "external"


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
        "the full system: projected labels and synthetic text, last layer",
        ("projected",),
    ),
    "self_trained": Arm(
        "self_train",
        ("source", "projected", "synthetic"),
        True,
        "projected labels and synthetic text, layer-fused",
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
    "few_shot": Arm(
        "train",
        ("source", "gold"),
        True,
        "source data and a few gold target sentences (train.gold_sentences), layer-fused",
        settings={"train.gold_repeat": 10.0},
    ),
    "few_shot_projected": Arm(
        "train",
        ("source", "projected", "gold"),
        True,
        "source and projected data and a few gold target sentences, layer-fused",
        settings={"train.gold_repeat": 10.0},
    ),
    "external": Arm("external", (), False, "a tagger from elsewhere, as it is"),
    "supervised": Arm("train", ("gold",), True, "gold target training data: the upper bound"),
}
"""The arms that ship; a configuration adds its own (:mod:`stages.experiment`)."""

DECIDING: Final = (
    ("self_trained_last", "zero_shot"),
    ("self_trained", "fused"),
    ("projected", "zero_shot"),
    ("projected_fused", "fused"),
)
"""The pairs that bear on the question of a run, the most telling one first.

Plain zero-shot transfer is the last layer's, so what is held against it stands before what is held
against ``fused``.
"""

LIKE_AGAINST_LIKE: Final[tuple[tuple[str, str], ...]] = (
    *DECIDING,
    ("self_trained_last", "projected"),
    ("self_trained", "projected_fused"),
    ("synthetic", "zero_shot"),
    ("crop", "fused"),
    ("translate_test", "fused"),
    ("ensemble_train_test", "projected_fused"),
    ("fused", "zero_shot"),
    ("few_shot", "fused"),
    ("few_shot_projected", "projected_fused"),
)
"""Pairs that differ in one thing only: the data with the same head, or the head alone."""

BEST_FIRST: Final[tuple[str, ...]] = (
    "self_trained_last",
    "self_trained",
    "projected",
    "projected_fused",
    "zero_shot",
    "fused",
)
"""The arms of which the first that a run has is what taggers from elsewhere are compared with."""


def sections_of(arm: Arm) -> tuple[str, ...]:
    """Return the stages whose options an arm may set for itself: those that it has a part in."""
    found = []
    projects = "projected" in arm.data or "synthetic" in arm.data or arm.kind == "translate_test"
    if projects and arm.rival is None:
        found.append("project")
    if "synthetic" in arm.data:
        found.append("synthesize")
    if arm.kind in ("train", "self_train"):
        found += ["adapt", "train"]
    if arm.kind in ("self_train", "external"):
        found.append(arm.kind)
    return (*found, "predict")


def touches(arm: Arm, *sections: str) -> bool:
    """Return whether an arm has settings of its own for one of these stages, or others' labels."""
    if arm.rival is not None and "project" in sections:
        return True
    return any(key.partition(".")[0] in sections for key in arm.settings)


def predicted_on(arm: Arm, key: str) -> bool:
    """Return whether an arm has predictions for a kind of data: ``test``, ``source_test``, ``dev``.

    What goes by way of a translation has nothing to say of source-language sentences; a tagger
    from elsewhere is asked about the target languages alone.
    """
    return key == "test" or arm.kind in ("train", "self_train")
