"""``ctranslate2``: Marian, M2M100, NLLB, mBART-50, T5 (MADLAD-400), BART by CTranslate2."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from pipeline.models import ModelSource
from stages.translate.base import BaseTranslator
from stages.translate.decoding import DecodingConfig
from stages.translate.kinds.base import TranslatorKind
from stages.translate.precision import warn_of_inexact_int8


class CTranslate2(TranslatorKind[DecodingConfig]):
    """Checkpoints of Transformers, converted on first use, and converted models."""

    about: ClassVar[str] = "Marian, M2M100, NLLB, mBART-50, MADLAD-400, T5 and BART, by CTranslate2"
    samples: ClassVar[bool] = True

    def to_one(self) -> Self:
        """Return itself, with one translation of each text, found by search."""
        changes: dict[str, int] = {"num_hypotheses": 1}
        if self.options.sampling:
            changes |= {"sampling_topk": 1, "beam_size": 4}
        return type(self)(self.options.model_copy(update=changes))

    def problem(self, model: ModelSource, source: str, target: str) -> str | None:
        """See :meth:`TranslatorKind.problem`."""
        from stages.translate.codes import direction_problem

        model.require_weights()
        return direction_problem(model.name, model.path, source, target)

    def load(
        self, model: Path, source: str, target: str, *, name: str, workers: int = 1
    ) -> BaseTranslator:
        """See :meth:`TranslatorKind.load`."""
        from stages.translate.translator import Translator

        warn_of_inexact_int8(self.options.compute_type, self.options.device)
        return Translator(model, source, target, self.options, name=name, workers=workers)
