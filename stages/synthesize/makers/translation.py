"""Sampled translation of source-language text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from pipeline.config import RunConfig
from pipeline.task import Advance, Problem, no_advance
from stages.synthesize.makers.base import Made, Maker, MakerKind, MakerSetting, TextRequest
from stages.tokenise import detokenise, tokenise
from stages.translate.base import BaseTranslator, Hypothesis
from stages.translate.checks import cannot_sample, translator_kind, translator_problem
from stages.translate.cleaning import clean_words
from stages.translate.decoding import DecodingConfig


class SamplingConfig(DecodingConfig):
    """How ``translation`` samples: top-k by default."""

    beam_size: int = Field(1, ge=1, description="beams; 1 with sampling")
    sampling_topk: int = Field(10, ge=0, description="sample from the k best; 0: from all")
    num_hypotheses: int = Field(2, ge=1, description="samples per source sentence")


class TranslationMaker(Maker):
    """Samples translations; every source sentence is used once before any is used again.

    Args:
        translator: A translator that samples (or gives n-best lists).
        chunk_size: Sentences per chunk.
        measure: Returns the scores of a sentence that the gate wants to know of it; so they are
            taken while the translator works on the next sentences.
    """

    def __init__(
        self,
        translator: BaseTranslator,
        chunk_size: int = 4000,
        measure: Callable[[Sequence[str]], Mapping[str, float]] | None = None,
    ) -> None:
        self._translator = translator
        self.chunk_size = chunk_size
        self._measure = measure

    def make(self, request: TextRequest, chunk: int, advance: Advance = no_advance) -> list[Made]:
        """See :meth:`Maker.make`."""
        each = self._translator.hypotheses
        first = -(-chunk * self.chunk_size // each)
        wanted = self.size(request, chunk)
        # Past the last source sentence it begins again, with other samples: the seed has changed.
        chosen = request.taken(request.source, first, -(-wanted // each))
        if not chosen:
            return []
        texts = [detokenise(clean_words(s.words), request.source_lang) for s in chosen]
        made: list[list[Made]] = [[] for _ in chosen]
        for index, hypotheses in self._translator.stream(texts, request.chunk_seed(chunk)):
            made[index] = [
                self._made(hypothesis, chosen[index].id, texts[index], request.lang)
                for hypothesis in hypotheses
            ]
            advance(each)
        return [sentence for several in made for sentence in several][:wanted]

    def _made(self, hypothesis: Hypothesis, source_id: str, text: str, lang: str) -> Made:
        words = tokenise(hypothesis.text, lang) if hypothesis.reason is None else []
        scores = {}
        if hypothesis.score is not None:
            scores["translation"] = hypothesis.score
        if words:
            scores["length_ratio"] = letters(hypothesis.text) / max(letters(text), 1)
            if self._measure is not None:
                scores.update(self._measure(words))
        reason = hypothesis.reason or (None if words else "empty_translation")
        return Made(words, source_id, scores=scores, reason=reason)


def letters(text: str) -> int:
    """Return the number of letters and digits of a text."""
    return sum(map(str.isalnum, text))


class Translation(MakerKind[SamplingConfig]):
    """Sampled translations."""

    about: ClassVar[str] = "sampled translations of source-language text"
    from_source: ClassVar[bool] = True

    def models(self, config: RunConfig, lang: str) -> dict[str, str]:
        """Return the translator."""
        name = config.models.translator_for(config.source, lang, config.source)
        return {"translator": name or ""}

    def problems(self, config: RunConfig, lang: str) -> Iterator[Problem]:
        """Yield a language that the translator lacks."""
        problem = translator_problem(config, config.source, lang)
        if problem and config.data.translations("parallel", lang):
            problem = replace(
                problem,
                message=f"{problem.message}. data.parallel has the training data's translations, "
                "but synthesize would sample more with it: name one that can, or leave the maker "
                "out, as with synthesize.weights: {substitution: 1}",
            )
        if problem:
            yield problem
            return
        kind = cannot_sample(config, config.source, lang)
        if kind:
            yield Problem(
                "synthesize.weights",
                f"translation samples, which {kind}, the translator to {lang}, cannot: it would "
                "make the translations of the training data again. Leave the maker out, as with "
                "weights: {substitution: 1}",
            )

    def build(self, setting: MakerSetting) -> Maker:
        """Load the translator."""
        folder, name = setting.model("translator")
        kind = translator_kind(setting.config, self.options)
        translator = kind.load(folder, setting.config.source, setting.lang, name=name)
        return TranslationMaker(translator, measure=setting.measure)
