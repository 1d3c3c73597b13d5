"""Which language a text is in: py3langid (Lui and Baldwin 2012), asked for one language."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from pipeline.languages import base

# py3langid's names where they are not ours.
_NAMES: Final = {"nb": "no", "fil": "tl", "ff": "fuv", "gn": "gug", "ki": "kik"}


def language_scorer(lang: str) -> Callable[[str], float] | None:
    """Return a function from a text to the probability of ``lang``; ``None`` if it is unknown."""
    identifier = _identifier()
    lang = base(lang)
    name = lang if lang in identifier.labels else _NAMES.get(lang, lang)
    if name not in identifier.labels:
        return None

    def score(text: str) -> float:
        best, probability = identifier.classify(text)
        # The whole ranking costs as much again; mostly the first place is all that is asked.
        return float(probability) if best == name else dict(identifier.rank(text))[name]

    return score


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
