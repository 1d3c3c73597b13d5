"""Sentences written by a language model that is shown entities and projected sentences."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pipeline.config import RunConfig
from pipeline.schema import Sentence, Span
from pipeline.task import Advance, no_advance
from stages.synthesize.makers.base import Made, Maker, MakerKind, MakerSetting, TextRequest
from stages.synthesize.makers.generation_options import GenerationConfig
from stages.tokenise import detokenise, tokenise


class GenerationMaker(Maker):
    """Prompts a language model with entities, a few projected sentences as examples before them.

    Every line of the prompt is ``PER: Anna Lee | LOC: London => Anna Lee lives in London.``; the
    model writes what follows the last arrow, up to the end of the line. Spans are where the asked
    entities are found again, word for word.

    Args:
        folder: A causal or encoder-decoder checkpoint, or one converted for CTranslate2.
        config: Options.

    Raises:
        ModelError: If it cannot be loaded.
    """

    def __init__(self, folder: Path, config: GenerationConfig) -> None:
        from stages.synthesize.makers.language_models import load_language_model

        self._config = config
        self.chunk_size = 200
        self._model = load_language_model(folder, self._config)

    def make(self, request: TextRequest, chunk: int, advance: Advance = no_advance) -> list[Made]:
        """See :meth:`Maker.make`."""
        usable = [s for s in request.projected if s.spans]
        if not usable:
            return []
        of_type: dict[str, list[Sentence]] = {}
        for sentence in usable if self._config.balance else ():
            for kind in sorted({span.type for span in sentence.spans}):
                of_type.setdefault(kind, []).append(sentence)
        types = sorted(of_type)
        seed = request.chunk_seed(chunk)
        draw = random.Random(seed)
        asked, prompts = [], []
        for _ in range(self.size(request, chunk)):
            sentence = draw.choice(of_type[draw.choice(types)] if types else usable)
            shots = [draw.choice(usable) for _ in range(self._config.shots)]
            asked.append(sentence)
            prompts.append(self._prompt(shots, sentence, request.lang))
        texts = self._model.generate(prompts, seed, advance)
        return [_read(s, text, request.lang) for s, text in zip(asked, texts, strict=True)]

    @property
    def seen(self) -> Counter[str]:
        """What the model counted so far."""
        return self._model.seen()

    def _prompt(self, shots: Sequence[Sentence], asked: Sentence, lang: str) -> str:
        """Return a prompt that leaves room for the answer; examples that do not fit are left."""
        taken = 0 if self._model.encoder_decoder else self._config.max_new_tokens
        ending = f"{describe(asked, lang)} =>"
        lines = [f"{describe(s, lang)} => {detokenise(s.words, lang)}" for s in shots]
        prompt = "\n".join([*lines, ending])
        while lines and self._model.size(prompt) > self._model.limit - taken:
            lines.pop()
            prompt = "\n".join([*lines, ending])
        return prompt


def describe(sentence: Sentence, lang: str) -> str:
    """Return the entities of a sentence as a prompt writes them."""
    return " | ".join(
        f"{s.type}: {detokenise(sentence.words[s.start : s.end], lang)}" for s in sentence.spans
    )


def _read(asked: Sentence, text: str, lang: str) -> Made:
    line = next((x.strip() for x in text.split("\n") if x.strip()), "")
    words = tokenise(line.split("=>")[0], lang)
    if not words:
        return Made([], asked.id, reason="empty_translation")
    spans: list[Span] = []
    for span in asked.spans:
        entity = asked.words[span.start : span.end]
        taken = {i for s in spans for i in range(s.start, s.end)}
        for start in range(len(words) - len(entity) + 1):
            stop = start + len(entity)
            if words[start:stop] == entity and not taken & set(range(start, stop)):
                spans.append(Span(start, stop, span.type))
                break
    found = len(spans) / len(asked.spans)
    return Made(words, asked.id, sorted(spans, key=lambda s: s.start), {"entities_found": found})


class Generation(MakerKind[GenerationConfig]):
    """Sentences that a language model writes."""

    about: ClassVar[str] = "a language model, prompted with entities and projected sentences"

    def incomplete(self) -> str | None:
        """It has no model of its own."""
        return None if self.options.model else "the maker generation needs generation.model"

    def models(self, config: RunConfig, lang: str) -> dict[str, str]:
        """Return the language model."""
        return {"generation": self.options.model} if self.options.model else {}

    def build(self, setting: MakerSetting) -> Maker:
        """Load the language model."""
        return GenerationMaker(setting.model("generation")[0], self.options)
