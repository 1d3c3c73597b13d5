"""``auto``: the kind that a model folder is of; CTranslate2 where no other one claims it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

from pipeline.models import ModelSource
from stages.translate.base import BaseTranslator
from stages.translate.decoding import DecodingConfig
from stages.translate.kinds import TRANSLATORS
from stages.translate.kinds.base import TranslatorKind
from stages.translate.kinds.ctranslate import CTranslate2


class AutoTranslator(TranslatorKind[DecodingConfig]):
    """Whatever kind recognises the folder; its options are those of ``ctranslate2``."""

    about: ClassVar[str] = "the kind that the folder of the model is of, with its options"
    samples: ClassVar[bool] = True

    def of(self, model: ModelSource) -> TranslatorKind[Any]:
        """Return the kind that drives a model."""
        if model.path is not None:
            for name in TRANSLATORS:
                kind = TRANSLATORS[name]
                if name not in ("auto", "ctranslate2") and kind.recognises(model.path):
                    shared = self.options.model_fields_set & kind.Options.model_fields.keys()
                    return kind(kind.Options(**self.options.model_dump(include=shared)))
        return CTranslate2(self.options)

    def to_one(self) -> Self:
        """Return itself, with one translation of each text, found by search."""
        return type(self)(CTranslate2(self.options).to_one().options)

    def problem(self, model: ModelSource, source: str, target: str) -> str | None:
        """See :meth:`TranslatorKind.problem`."""
        return self.of(model).problem(model, source, target)

    def load(
        self, model: Path, source: str, target: str, *, name: str, workers: int = 1
    ) -> BaseTranslator:
        """See :meth:`TranslatorKind.load`."""
        found = self.of(ModelSource(name, model))
        return found.load(model, source, target, name=name, workers=workers)
