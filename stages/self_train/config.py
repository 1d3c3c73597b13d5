"""Options of the stage ``self_train``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.config import StageConfig


class SelfTrainConfig(StageConfig):
    """How teachers label, and what students learn from it.

    Head, data weights and hyper-parameters are those of the section ``train``, so that a student
    differs from the arm it is compared with in its data alone; the options here override a few.
    """

    labelling: Literal["teachers", "crop"] = Field(
        "teachers",
        description="teachers: the teachers label the synthetic (and real) text itself; crop: they "
        "label the translations of the real text of data.unlabelled, and the labels are projected "
        "back (CROP; the arm crop always does it so)",
    )
    crop_projection: Literal["alignment", "markers"] = Field(
        "alignment",
        description="crop: labels follow the word alignment, through the section project, or are "
        "marked in the translation, translated back and looked for in the sentence",
    )
    labels: Literal["soft", "hard"] = Field(
        "soft", description="learn from the teachers' distributions, or from their decisions"
    )
    temperature: float = Field(
        1.0, gt=0, description="soft labels: above 1 softens teacher and student alike"
    )
    confidence: float | dict[str, float] = Field(
        0.0,
        description="least score of a pseudo-labelled entity, or one for each type; the words of "
        "the others teach nothing",
    )
    balance_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="class balance: keep this share of each type's entities, the surest ones",
    )
    min_confidence: float = Field(
        0.0, ge=0, le=1, description="least mean confidence over the words of a sentence"
    )
    empty_share: float = Field(
        1.0, ge=0, le=1, description="share of the sentences without any entity that is used"
    )
    max_sentences: int | None = Field(
        None, ge=1, description="use the first N synthetic sentences of each language"
    )
    pseudo_weight: float = Field(1.0, ge=0, description="loss weight of pseudo-labelled sentences")
    disagreement: Literal["ignore", "weight", "drop"] = Field(
        "ignore",
        description="projected sentences that the teachers disagree with: keep as they are, weight "
        "by the agreement, or drop those below disagreement_threshold",
    )
    disagreement_threshold: float = Field(
        0.5, ge=0, le=1, description="least agreement of a projected sentence"
    )
    teacher_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the teachers' distribution in the labels of projected sentences",
    )
    rounds: int = Field(1, ge=1, description="most rounds; each student teaches the next round")
    min_gain: float = Field(
        0.0,
        ge=0,
        description="stop after a round whose selection F1 has not risen by more than this",
    )
    initialise: Literal["encoder", "teacher"] = Field(
        "encoder", description="what a student starts from"
    )
    max_steps: int | None = Field(None, ge=1, description="updates; default: train.max_steps")
    epochs: float | None = Field(None, gt=0, description="passes; default: train.epochs")
    learning_rate: float | None = Field(
        None, gt=0, description="peak learning rate; default: train.learning_rate"
    )
