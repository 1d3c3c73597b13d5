"""``simalign``: cosine similarity of an encoder's states (Jalili Sabet et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pipeline.config import ConfigModel
from stages.align.kinds.encoder import EncoderKind
from stages.align.setting import EncoderOptions, Setting

if TYPE_CHECKING:
    from stages.align.embedding_aligner import Extraction

SimAlignMethod = Literal["inter", "itermax", "match", "forward", "reverse"]


class MethodOptions(ConfigModel):
    """How links are extracted, in simalign's terms."""

    method: SimAlignMethod = Field(
        "inter", description="how links are chosen from the similarities"
    )
    distortion: float = Field(0.0, ge=0, le=1, description="damping of links far from the diagonal")


class SimAlignOptions(MethodOptions, EncoderOptions):
    """Options of ``simalign``."""


class SimAlign(EncoderKind[SimAlignOptions]):
    """The links of the package simalign, batched."""

    about: ClassVar[str] = "cosine similarity of an encoder's states, as SimAlign"
    judged: ClassVar[bool] = True

    def named(self) -> str:
        """Return ``simalign-<method>``."""
        return f"simalign-{self.options.method}"

    def extraction(self, setting: Setting) -> Extraction:
        """Return how links come from the states."""
        from stages.align.embedding_aligner import Extraction

        return Extraction(
            method=self.options.method,
            token_type=self.options.token_type,
            distortion=self.options.distortion,
            marks=self.options.space_marks,
            floor=setting.floor,
        )
