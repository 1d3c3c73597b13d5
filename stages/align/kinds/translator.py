"""``translator``: softmax over the states of a translator's encoder (TransAlign)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pipeline.models import ModelSource
from stages.align.context import AlignmentContext, reading_problem
from stages.align.kinds.softmax import Softmax


class TranslatorStates(Softmax):
    """Softmax over the states of the encoder of the run's translator."""

    about: ClassVar[str] = "softmax over the states of the translator's encoder, as TransAlign"
    needs: ClassVar[Literal["encoder", "translator"]] = "translator"
    of_translator: ClassVar[bool] = True
    judged: ClassVar[bool] = False

    def named(self) -> str:
        """Return ``translator``."""
        return "translator"

    def problems(
        self, model: ModelSource | None, context: AlignmentContext, device: str
    ) -> Iterator[tuple[str, str]]:
        """Yield languages that the translator does not read, too."""
        if model is not None:
            model.require_weights()
        yield from super().problems(model, context, device)
        problem = reading_problem(model, context) if model is not None else None
        if problem:
            known = context.source is not None and context.target is not None
            yield "model" if known else "target_lang", problem
