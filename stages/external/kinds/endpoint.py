"""``endpoint``: a language model that is asked for the entities of a sentence."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.languages import english_name
from pipeline.models import ModelSource, locate
from stages.endpoint.client import Endpoint, Question
from stages.endpoint.settings import problem_of, read_settings
from stages.external.kinds.base import LocatedTagger, Opened
from stages.external.spans import FoundSpan, SpanTagger

_SYSTEM: Final = (
    "You find named entities in {language} text. The types are:\n{types}\nAnswer with JSON alone, "
    'a list of the entities in the order of the text: [{{"text": "…", "type": "…"}}]. "text" is '
    "copied from the text letter by letter. Without entities: []."
)
_LIST: Final = re.compile(r"\[.*\]", re.DOTALL)


class AskedOptions(ConfigModel):
    """How the model is asked."""

    names: dict[str, str] = Field(
        default_factory=dict,
        description="what each type of the run is, in words: {PER: names of people, ORG: companies "
        "and institutions}; default: the type itself",
    )


class AskedTaggers(LocatedTagger[AskedOptions]):
    """A language model behind an OpenAI-compatible server, as an annotator."""

    about: ClassVar[str] = "a language model at an endpoint: a folder with endpoint.json"

    def source_problems(self, model: str, source: ModelSource) -> Iterator[str]:
        """Yield what is wrong with ``endpoint.json``, and a key that is missing."""
        if source.path is None:
            yield f"{model} is no folder: give one with an endpoint.json"
        elif (problem := problem_of(source.path)) is not None:
            yield problem

    def open(
        self, model: str, config_dir: Path | None, lang: str, types: Sequence[str], **how: Any
    ) -> Opened:
        """Return the tagger; nothing is asked yet."""
        endpoint = Endpoint(read_settings(locate(model, config_dir).download()))
        names = self.options.names
        told = "\n".join(f"- {t}: {names[t]}" if t in names else f"- {t}" for t in types)
        system = _SYSTEM.format(language=english_name(lang), types=told)
        tagger = SpanTagger(partial(_find, endpoint, system, list(types)), types, lang)
        tagger.seen = endpoint.seen  # one count of words, spans and questions
        return tagger


def _find(
    endpoint: Endpoint, system: str, types: list[str], texts: Sequence[str]
) -> Iterator[list[FoundSpan]]:
    """Return what an endpoint finds in each text; what does not stand in it is counted."""
    answers = endpoint.ask([Question(system, text) for text in texts])
    return map(partial(_read, types, endpoint.seen), answers, texts)


def _read(types: list[str], seen: Counter[str], answer: str, text: str) -> list[FoundSpan]:
    inside = _LIST.search(answer)
    try:
        entities = json.loads(inside[0]) if inside else None
    except ValueError:
        entities = None
    if not isinstance(entities, list):
        seen["answers_unreadable"] += 1
        return []
    found: list[FoundSpan] = []
    at: dict[str, int] = {}
    for entity in entities:
        if not isinstance(entity, dict) or not isinstance(entity.get("text"), str):
            seen["answers_unreadable"] += 1
            continue
        name, kind = entity["text"].strip(), entity.get("type")
        if kind not in types:
            seen["entities_of_other_types"] += 1
            continue
        start = text.find(name, at.get(name, 0)) if name else -1
        if start < 0:
            seen["entities_not_in_text"] += 1
            continue
        at[name] = start + len(name)
        found.append(FoundSpan(start, start + len(name), kind))
    return found
