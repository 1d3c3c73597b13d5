"""The arms of the comparison: what each one trains on, and with which head.

An arm is a named recipe for a tagger. ``train`` makes the arms of kind ``train``; ``self_train``
those of kind ``self_train``; the others are computed from predictions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm.

    Attributes:
        kind: The stage that makes it.
        data: What its tagger trains on: ``source`` (gold source data), ``projected`` (silver),
            ``synthetic`` (pseudo-labelled), ``gold`` (gold target training data).
        fused: Whether the tagger fuses layers (``train.fusion``) or uses the last layer only.
        teachers: The arms that label the synthetic text (``self_train`` only).
        about: One line for the report.
    """

    kind: Literal["train", "self_train"]
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
