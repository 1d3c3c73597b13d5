"""``endpoint``: a language model behind an OpenAI-compatible server.

What marks names has to stand in its answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, Final

from pipeline.kinded import NoOptions
from pipeline.languages import english_name
from pipeline.listed import texts_of
from pipeline.models import ModelSource
from stages.endpoint.client import Endpoint, Question
from stages.endpoint.settings import is_endpoint, problem_of, read_settings
from stages.translate.base import BaseTranslator, Hypothesis
from stages.translate.kinds.base import TranslatorKind

_SYSTEM: Final = (
    "You translate from {source} to {target}. Answer with the translation alone: no quotation "
    "marks around it, no notes. Names are translated as {target} newspapers write them. Marks such "
    "as <a> and </a>, [ and ], or __SLOT0__ stay as they are, around the translation of the words "
    "that they are around."
)
_STRICTER: Final = " Your answer must contain each of these marks exactly as often: {marks}."
_MARKS: Final = re.compile(r"</?[a-z]>|\[|\]|__SLOT\d+__")


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
        return AskedTranslator(Endpoint(read_settings(model)), source, target)


class AskedTranslator(BaseTranslator):
    """Asks an endpoint for translations, one hypothesis each.

    Args:
        endpoint: Who is asked.
        source: ISO code of the language to read.
        target: ISO code of the language to write.
    """

    def __init__(self, endpoint: Endpoint, source: str, target: str) -> None:
        self.source = source
        self.target = target
        self._endpoint = endpoint
        self._system = _SYSTEM.format(source=english_name(source), target=english_name(target))

    @property
    def seen(self) -> Counter[str]:
        """What was asked and what it cost."""
        return self._endpoint.seen

    def stream(self, texts: Iterable[str], seed: int = 0) -> Iterator[tuple[int, list[Hypothesis]]]:
        """Yield the number of each text with its translation."""
        given = texts_of(texts, "translate: the texts")
        readable = [i for i, text in enumerate(given) if any(map(str.isalnum, text))]
        for index in sorted(set(range(len(given))) - set(readable)):
            yield index, [Hypothesis("", reason="empty_source")]
        # Lazily in pairs: what lost its marks is asked for once more, told which.
        answers = self._endpoint.ask([Question(self._system, given[i]) for i in readable])
        lost: list[int] = []
        for index, answer in zip(readable, answers, strict=True):
            text = " ".join(answer.split())
            if marks(text) != marks(given[index]):
                lost.append(index)
                continue
            yield index, [_hypothesis(text)]
        again = [
            Question(self._system + _STRICTER.format(marks=_told(given[i])), given[i]) for i in lost
        ]
        for index, answer in zip(lost, self._endpoint.ask(again), strict=True):
            text = " ".join(answer.split())
            if marks(text) != marks(given[index]):
                self.seen["marks_lost"] += 1
            yield index, [_hypothesis(text)]


def marks(text: str) -> Counter[str]:
    """Return the marks in a text, and how often each stands there."""
    return Counter(_MARKS.findall(text))


def _told(text: str) -> str:
    return ", ".join(f"{mark} ({n})" for mark, n in marks(text).items()) or "none"


def _hypothesis(text: str) -> Hypothesis:
    reason = None if any(map(str.isalnum, text)) else "empty_translation"
    return Hypothesis(text, reason=reason)
