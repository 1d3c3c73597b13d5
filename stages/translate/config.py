"""The options of the stage ``translate``; each translator has its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from pipeline.config import StageConfig
from pipeline.kinded import KindedConfig
from pipeline.kinds import Kinds
from stages.translate.decoding import DecodingConfig
from stages.translate.kinds import TRANSLATORS


class TranslateConfig(KindedConfig, StageConfig):
    """Options of ``translate``: its own, and those of the translator that is named."""

    kinds: ClassVar[Mapping[str, Kinds[Any]]] = {"translator": TRANSLATORS}
    # Which tasks there are, sources decides; it changes none of them.
    neutral: ClassVar[frozenset[str]] = frozenset({"threads", "sources"})

    translator: str = Field(
        "auto",
        description="what drives the models of models.translator; auto: found from each folder",
    )
    directions: list[Literal["to_target", "to_source"]] = Field(
        ["to_target"],
        description="to_target: training data to each language; to_source: test data to the "
        "source language (arms that need it bring it along)",
    )
    sources: list[str] | None = Field(
        None,
        min_length=1,
        description="the source languages, the first among them, whose training data is "
        "translated; gold data of the others is trained on as it is; default: all",
    )
    markers: Literal["none", "brackets", "insert", "replace", "xml"] = Field(
        "none",
        description="brackets: wrap entities in [ ] before translation (EasyProject); CROP's "
        "numbered slots: insert puts __SLOT0__ before and after each entity, replace translates "
        "each sentence twice, as it is and with __SLOT0__ in the place of each entity; xml: tags "
        "<a>…</a> around each entity, for translators that have learnt to carry them (as the one "
        "that ships)",
    )
    mend: bool = Field(
        True,
        description="make translations again that stutter, or lack a name or a tag: with more "
        "beams, against repetition, with slots for names; tags, slots and repeats that are still "
        "wrong then are put in order where they stand; with markers none and xml",
    )
    keep_names: list[str] = Field(
        ["PER", "PERSON"],
        description="mend: types of entities whose names must stand in the translation, as they "
        "are or, places and languages, as CLDR says that they are called there; of translators "
        "that have learnt slots (the one that ships)",
    )

    @property
    def decoding(self) -> DecodingConfig | None:
        """How the translator searches or samples; ``None`` for one that has no such options."""
        found = self.chosen("translator")
        return found if isinstance(found, DecodingConfig) else None

    @property
    def sampling(self) -> bool:
        """Whether hypotheses are drawn at random."""
        return self.decoding is not None and self.decoding.sampling

    def to_one(self) -> Self:
        """Return the options with one translation a sentence."""
        if self.decoding is None:
            return self
        one = self.decoding.model_copy(update={"num_hypotheses": 1})
        return self.with_chosen("translator", one)

    def identity(self) -> dict[str, Any]:
        """Return the options that decide the result; which kind ``auto`` is, its model decides."""
        found = super().identity()
        if self.translator == "auto":
            del found["translator"]
        return found
