"""``endpoint``: a language model behind an OpenAI-compatible server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pipeline.kinded import NoOptions
from stages.endpoint.settings import is_endpoint, problem_of, read_settings
from stages.translate.kinds.base import TranslatorKind

if TYPE_CHECKING:
    from pipeline.models import ModelSource
    from stages.translate.base import BaseTranslator


class EndpointTranslators(TranslatorKind[NoOptions]):
    """A language model that is asked to translate, labels kept."""

    about: ClassVar[str] = "a language model at an endpoint: a folder with endpoint.json"

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        """Return whether the folder has ``endpoint.json``."""
        return is_endpoint(folder)

    def problem(self, model: ModelSource, source: str, target: str) -> str | None:
        """See :meth:`TranslatorKind.problem`."""
        if model.path is None:
            return f"{model.name} is no folder: give one with an endpoint.json"
        return problem_of(model.path)

    def load(
        self, model: Path, source: str, target: str, *, name: str, workers: int = 1
    ) -> BaseTranslator:
        """See :meth:`TranslatorKind.load`."""
        from stages.translate.asked import AskedTranslator

        return AskedTranslator(read_settings(model), source, target)
