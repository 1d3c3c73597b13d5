"""Entities of projected sentences are swapped for others of the same type."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from pipeline.config import ConfigModel, RunConfig
from pipeline.errors import DataError
from pipeline.schema import Sentence, Span
from pipeline.task import Advance, no_advance
from stages.synthesize.makers.base import Made, Maker, MakerKind, MakerSetting, TextRequest
from stages.tokenise import tokenise

Entity = tuple[str, ...]
_TRIES = 8


class SubstitutionConfig(ConfigModel):
    """How ``substitution`` swaps entities."""

    share: float = Field(
        0.7, gt=0, le=1, description="chance that an entity is replaced (at least one always is)"
    )
    gazetteers: dict[str, str] = Field(
        default_factory=dict,
        description="text file per entity type, one entity a line; {lang} may stand in the path",
    )
    min_score: float = Field(
        0.0, ge=0, le=1, description="use projected spans with at least this score"
    )


class SubstitutionMaker(Maker):
    """Swaps entities; spans follow.

    A replacement has the same type and script, and takes over full capitals where the entity that
    it replaces has them and the rest of the sentence too. The sentences are taken in a random
    order, each once before any is taken again.

    Args:
        config: Options.
        gazetteers: More entities by type, as words.
    """

    def __init__(
        self,
        config: SubstitutionConfig | None = None,
        gazetteers: Mapping[str, Iterable[Entity]] | None = None,
    ) -> None:
        self._config = config or SubstitutionConfig()
        self._gazetteers = {k: list(v) for k, v in (gazetteers or {}).items()}

    def make(self, request: TextRequest, chunk: int, advance: Advance = no_advance) -> list[Made]:
        """See :meth:`Maker.make`."""
        usable = [s for s in request.projected if self._spans(s)]
        lexicon = self._lexicon(request.projected)
        draw = random.Random(request.chunk_seed(chunk))
        made = []
        first, count = chunk * self.chunk_size, self.size(request, chunk)
        for sentence in request.taken(usable, first, count):
            result = self._substitute(sentence, lexicon, draw)
            if result is not None:
                made.append(result)
            advance(1)
        return made

    def _spans(self, sentence: Sentence) -> list[Span]:
        least = self._config.min_score
        return [s for s in sentence.spans if s.score is None or s.score >= least]

    def _lexicon(self, sentences: Sequence[Sentence]) -> dict[tuple[str, str], list[Entity]]:
        """Return all distinct entities by type and script, in a fixed order."""
        found: dict[tuple[str, str], dict[Entity, None]] = {}
        for kind, entities in sorted(self._gazetteers.items()):
            for entity in entities:
                found.setdefault((kind, _script(entity)), {})[entity] = None
        for sentence in sentences:
            for span in self._spans(sentence):
                entity = tuple(sentence.words[span.start : span.end])
                found.setdefault((span.type, _script(entity)), {})[entity] = None
        return {key: list(entities) for key, entities in found.items()}

    def _substitute(
        self,
        sentence: Sentence,
        lexicon: Mapping[tuple[str, str], Sequence[Entity]],
        draw: random.Random,
    ) -> Made | None:
        """Return the sentence with other entities, or ``None`` where there are no others."""
        spans = sorted(self._spans(sentence), key=lambda s: s.start)
        sure = draw.randrange(len(spans))
        words: list[str] = []
        new_spans: list[Span] = []
        position = changed = 0
        for index, span in enumerate(spans):
            old = tuple(sentence.words[span.start : span.end])
            new = old
            if index == sure or draw.random() < self._config.share:
                new = _other(old, lexicon[span.type, _script(old)], draw)
            words += sentence.words[position : span.start]
            start = len(words)
            words += _cased(new, old, sentence.words)
            new_spans.append(Span(start, len(words), span.type, span.score))
            position = span.end
            changed += new != old
        words += sentence.words[position:]
        if not changed:
            return None
        return Made(words, sentence.id, new_spans, {"substituted": float(changed)})


def _other(old: Entity, entities: Sequence[Entity], draw: random.Random) -> Entity:
    folded = [w.casefold() for w in old]
    for _ in range(_TRIES):
        new = entities[draw.randrange(len(entities))]
        if [w.casefold() for w in new] != folded:
            return new
    return old


def _cased(new: Entity, old: Entity, sentence: Sequence[str]) -> list[str]:
    """Write an entity as the sentence writes: headlines in capitals stay in capitals."""
    if new == old:
        return list(new)
    text = " ".join(sentence)
    if text.upper() == text and text.lower() != text:
        return [w.upper() for w in new]
    if all(w.isupper() and len(w) > 4 for w in old):
        return [w.upper() for w in new]
    if all(w.isupper() and len(w) > 4 for w in new):
        # An entity from a headline, put into running text.
        return [w.capitalize() for w in new]
    return list(new)


def _script(entity: Entity) -> str:
    """Return the script of the first letter, as Unicode names it (``LATIN``, ``CJK``)."""
    letter = next((c for w in entity for c in w if c.isalpha()), "")
    return _letter_script(letter)


@lru_cache(maxsize=4096)
def _letter_script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ", 1)[0].split("-", 1)[0] if letter else ""


class Substitution(MakerKind[SubstitutionConfig]):
    """Other entities in the same sentences."""

    about: ClassVar[str] = "entities of projected sentences, swapped for others of their type"

    def _gazetteers(self, config: RunConfig, lang: str) -> dict[str, Path]:
        named = self.options.gazetteers
        return {kind: config.path(text.replace("{lang}", lang)) for kind, text in named.items()}

    def files(self, config: RunConfig, lang: str) -> dict[str, Path]:
        """Return the gazetteers."""
        return {f"gazetteers.{k}": path for k, path in self._gazetteers(config, lang).items()}

    def build(self, setting: MakerSetting) -> Maker:
        """Read the gazetteers."""
        found = self._gazetteers(setting.config, setting.lang)
        gazetteers = {kind: read_gazetteer(path, setting.lang) for kind, path in found.items()}
        return SubstitutionMaker(self.options, gazetteers)


def read_gazetteer(path: Path, lang: str) -> list[Entity]:
    """Read a gazetteer: one entity a line, empty lines and lines with ``#`` in front left out.

    Raises:
        DataError: If it is not a text file in UTF-8, or holds nothing.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable gazetteer in UTF-8: {error}") from error
    found = [tuple(tokenise(x, lang)) for x in lines if x.strip() and not x.startswith("#")]
    entities: Sequence[Entity] = [e for e in found if e]
    if not entities:
        raise DataError(f"{path}: a gazetteer without entities")
    return list(dict.fromkeys(entities))
