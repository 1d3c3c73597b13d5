"""The options of the stage ``align``; each aligner has its own in :mod:`stages.align.kinds`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipeline.config import StageConfig
from pipeline.kinded import KindedConfig
from pipeline.kinds import Kinds
from stages.align.kinds import ALIGNERS
from stages.text_sources import TextSource


class AlignConfig(KindedConfig, StageConfig):
    """Options of ``align``: those of every aligner, and those of the one that is named."""

    kinds: ClassVar[Mapping[str, Kinds[Any]]] = {"aligner": ALIGNERS}

    aligner: str = Field(
        "auto", description="who aligns; auto: the best of what is there, as measured"
    )
    soft: bool = Field(
        True,
        description="also store links that were considered but not chosen, with a probability "
        "below 0.5; simalign_reference has none",
    )
    floor: float = Field(
        0.05, gt=0, lt=0.5, description="least probability of a link that is stored"
    )
    parallel: list[TextSource] = Field(
        default_factory=list,
        description="statistical, eflomal, back_translation: more sentence pairs to learn from; "
        "those in the languages at hand are used",
    )
    batch_tokens: int = Field(
        2048, ge=1, description="tokens that the encoder gets at once, padding included"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the encoder runs")

    # Batch size and device round differently in the last bits, so they are no neutral options.
    neutral: ClassVar[frozenset[str]] = frozenset()
