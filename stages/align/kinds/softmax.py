"""``softmax``: probabilities in both directions from an encoder's states (Dou and Neubig 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.align.kinds.encoder import EncoderKind
from stages.align.setting import EncoderOptions, Setting

if TYPE_CHECKING:
    from stages.align.embedding_aligner import Extraction


class SoftmaxOptions(EncoderOptions):
    """Options of ``softmax``."""

    threshold: float = Field(0.001, gt=0, lt=1, description="least probability in both directions")
    temperature: float | None = Field(
        None,
        gt=0,
        description="divide cosines by it and link from a mean probability of 0.5 on; default: dot "
        "products as they are, and threshold, as awesome-align",
    )


class Softmax(EncoderKind[SoftmaxOptions]):
    """Softmax over the states of the run's encoder."""

    about: ClassVar[str] = "softmax in both directions over an encoder's states, as awesome-align"
    judged: ClassVar[bool] = True

    def named(self) -> str:
        """Return ``softmax``."""
        return "softmax"

    def extraction(self, setting: Setting) -> Extraction:
        """Return how links come from the states."""
        from stages.align.embedding_aligner import Extraction

        temperature = self.options.temperature
        return Extraction(
            method="softmax" if temperature is None else "posterior",
            token_type=self.options.token_type,
            threshold=self.options.threshold,
            marks=self.options.space_marks,
            temperature=temperature or 1.0,
            floor=setting.floor,
        )
