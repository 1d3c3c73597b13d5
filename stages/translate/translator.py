"""Translates texts with CTranslate2: any length, in batches of similar length, in order."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2

from pipeline.capacity import fair_threads
from pipeline.errors import ModelError
from pipeline.languages import base
from pipeline.listed import texts_of
from pipeline.loaded import loaded
from stages.tokenise import UNSPACED_LANGUAGES
from stages.translate.base import BaseTranslator, Hypothesis
from stages.translate.cleaning import plain_quotes
from stages.translate.codes import Languages
from stages.translate.consensus import by_agreement
from stages.translate.conversion import converted, max_positions
from stages.translate.decoding import DecodingConfig
from stages.translate.precision import resolve_device
from stages.translate.splitting import split_text
from stages.translate.subwords import Subwords
from stages.translate.tags import remove_tags
from stages.translate.word_list import WordList

_IN_FLIGHT = 3  # batches that CTranslate2 works on while Python prepares and finishes others
_SPARE = 20  # output tokens that short inputs may use beyond max_output_ratio
_NO_WORD = 0.2
"""What a word that is none costs a hypothesis, of its mean log-probability. On 200 pairs of German
and of Dutch that nothing is measured on, any cost from 0.2 on chooses the same."""


@dataclass(frozen=True, slots=True)
class _Section:
    text: int  # index of the text
    part: int  # its place within the text
    source: str
    tokens: list[str]


class Translator(BaseTranslator):
    """A translation model for one direction.

    Batches are formed from all texts of a call, sorted by length, so a call with the same texts
    always forms the same batches. With sampling, every call starts from its seed: CTranslate2 seeds
    its generators when its threads start, so the model is reloaded for each call.

    Args:
        model: A Transformers checkpoint of a family of :mod:`.codes`, which is converted on first
            use, or a converted CTranslate2 folder with tokeniser files.
        source: ISO code of the source language.
        target: ISO code of the target language.
        config: How to decode.
        name: The model's name in the configuration, for messages.
        workers: Processes that share the machine.
        cache: Where converted models are kept.

    Raises:
        ConfigError: If the model does not translate in this direction.
        ModelError: If the model cannot be loaded.
    """

    def __init__(
        self,
        model: str | Path,
        source: str,
        target: str,
        config: DecodingConfig | None = None,
        *,
        name: str | None = None,
        workers: int = 1,
        cache: Path | None = None,
    ) -> None:
        self.config = config or DecodingConfig()
        self.source = source
        self.target = target
        folder = Path(model)
        direction = Languages(folder, name).direction(source, target)
        # What is drawn at random is taken as it comes.
        chooses = self.config.word_list and not self.config.sampling
        self._words = WordList.beside(folder, target) if chooses else None
        self.folder = converted(folder, self.config.compute_type, cache)
        self.subwords = Subwords(self.folder, direction)
        limit = max_positions(self.folder)
        overhead = self.subwords.overhead
        self.max_input = min(self.config.max_input_tokens or limit, limit) - overhead
        if self.max_input < 1:
            raise ModelError(f"{folder}: max_input_tokens leaves no room for text")
        # One position for the start token, as many as there are for the prefix.
        taken = 1 + len(self.subwords.prefix or ())
        self.max_output = min(self.config.max_output_tokens, limit - taken)
        self.threads = self.config.threads or fair_threads(workers)
        device = resolve_device(self.config.device)
        how = "CTranslate2", device, self.config.compute_type, self.threads
        self._model: Any = None if self.config.sampling else loaded(self.folder, how, self._load)

    def _load(self) -> Any:
        try:
            return ctranslate2.Translator(
                str(self.folder),
                device=resolve_device(self.config.device),
                compute_type=self.config.compute_type,
                inter_threads=1,
                intra_threads=self.threads,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"{self.folder}: CTranslate2 cannot load it: {error}") from error

    @property
    def hypotheses(self) -> int:  # type: ignore[override]
        """How many translations it gives of a text."""
        return self.config.num_hypotheses

    @property
    def knows_slots(self) -> bool:
        """Whether it has learnt to carry numbered slots."""
        return self.subwords.knows_slots

    def unknown(self, text: str) -> list[str]:
        """Return the subwords of a text that the model does not know."""
        return self.subwords.unknown(text)

    def unknown_words(self, text: str, source: str) -> int:
        """Return how many words of a translation are none, by the list beside the model."""
        return 0 if self._words is None else self._words.unknown(text, source)

    def n_best(self, size: int, repetition_penalty: float | None = None) -> Translator | None:
        """Return the same model, searching for the best translations; ``None`` if it samples."""
        if self.config.sampling:
            return None
        other = copy.copy(self)
        changes: dict[str, Any] = {
            "beam_size": max(size, self.config.beam_size),
            "num_hypotheses": size,
            "consensus": None,
            "repetition_penalty": repetition_penalty or self.config.repetition_penalty,
        }
        other.config = self.config.model_copy(update=changes)
        return other

    def stream(self, texts: Iterable[str], seed: int = 0) -> Iterator[tuple[int, list[Hypothesis]]]:
        """Yield the number of each text with its hypotheses, as they come.

        What is done with them is done while CTranslate2 works on the next batches. The order is
        that of the lengths, and the same every time. See :meth:`translate`.
        """
        given = texts_of(texts, "translate: the texts")
        texts = [plain_quotes(text, self.unknown_quotes) for text in given]
        sections: list[_Section] = []
        parts: dict[int, list[list[Hypothesis]]] = {}
        for index, cut in enumerate(self._prepare(texts)):
            if isinstance(cut, str):
                yield index, [Hypothesis("", reason=cut)]
                continue
            parts[index] = [[] for _ in cut]
            sections.extend(_Section(index, place, *section) for place, section in enumerate(cut))
        for section, hypotheses in self._decode(sections, seed):
            parts[section.text][section.part] = hypotheses
            if all(parts[section.text]):
                yield section.text, self._join(parts.pop(section.text))

    def _prepare(self, texts: Sequence[str]) -> list[list[tuple[str, list[str]]] | str]:
        """Return for each text its sections with their tokens, or why there are none."""
        encoded = self.subwords.cut(texts)
        prepared: list[list[tuple[str, list[str]]] | str] = []
        for text, tokens in zip(texts, encoded, strict=True):
            if not any(c.isalnum() for c in text):
                prepared.append("empty_source")
            elif len(tokens) <= self.max_input:
                prepared.append([(text, tokens)])
            elif self.config.on_long == "report":
                prepared.append("too_long")
            else:
                cut = split_text(text, self.max_input, self._length)
                kept = [c for c in cut if any(x.isalnum() for x in c)]
                prepared.append(list(zip(kept, self.subwords.cut(kept), strict=True)))
        return prepared

    def _length(self, text: str) -> int:
        return len(self.subwords.cut([text])[0])

    def _batches(self, sections: Sequence[_Section]) -> list[list[_Section]]:
        """Group sections of similar length, longest first, into batches of bounded size."""
        overhead = self.subwords.overhead
        batches: list[list[_Section]] = []
        width = 0
        # The order of equally long sections is that of the input: sorting is stable.
        for section in sorted(sections, key=lambda p: -len(p.tokens)):
            if not batches or (len(batches[-1]) + 1) * width > self.config.max_batch_tokens:
                batches.append([])
                width = len(section.tokens) + overhead
            batches[-1].append(section)
        return batches

    def _decode(
        self, sections: Sequence[_Section], seed: int
    ) -> Iterator[tuple[_Section, list[Hypothesis]]]:
        """Yield every section with its hypotheses, batch by batch."""
        model = self._model
        if model is None:
            ctranslate2.set_random_seed(seed % 2**32)
            model = self._load()
        waiting: deque[tuple[list[_Section], list[Any]]] = deque()
        for batch in self._batches(sections):
            waiting.append((batch, self._submit(model, batch)))
            if len(waiting) >= _IN_FLIGHT:
                yield from self._collect(*waiting.popleft())
        while waiting:
            yield from self._collect(*waiting.popleft())

    def _submit(self, model: Any, batch: Sequence[_Section]) -> list[Any]:
        config = self.config
        longest = max(len(p.tokens) for p in batch)
        prefix = self.subwords.prefix
        pending: list[Any] = model.translate_batch(
            [self.subwords.source(p.tokens) for p in batch],
            target_prefix=[prefix] * len(batch) if prefix else None,
            max_batch_size=0,
            max_input_length=0,
            asynchronous=True,
            beam_size=config.beams,
            num_hypotheses=config.beams if self._choosing else config.found,
            length_penalty=config.length_penalty,
            repetition_penalty=config.repetition_penalty,
            no_repeat_ngram_size=config.no_repeat_ngram_size,
            sampling_topk=config.sampling_topk,
            sampling_topp=config.sampling_topp,
            sampling_temperature=config.sampling_temperature,
            # CTranslate2 counts the prefix as part of the output.
            max_decoding_length=min(
                self.max_output, int(config.max_output_ratio * longest) + _SPARE
            )
            + len(prefix or ()),
            disable_unk=True,
            return_scores=True,
            return_end_token=True,
        )
        return pending

    def _collect(
        self, batch: Sequence[_Section], pending: Sequence[Any]
    ) -> Iterator[tuple[_Section, list[Hypothesis]]]:
        for section, item in zip(batch, pending, strict=True):
            result = item.result()
            found = [
                self._hypothesis(tokens, score)
                for tokens, score in zip(result.hypotheses, result.scores, strict=True)
            ]
            if self.config.consensus is not None:
                found = self._agreed(found)
            elif self._choosing:
                found = self._in_words(found, section.source)
            yield section, found[: self.config.num_hypotheses]

    @property
    def _choosing(self) -> bool:
        """Whether all that a search finds is looked at for words that are none."""
        return self._words is not None and self.config.consensus is None

    def _in_words(self, found: list[Hypothesis], source: str) -> list[Hypothesis]:
        """Return the hypotheses of a search, those later that have words that are none."""
        unknown = [self.unknown_words(remove_tags(h.text), source) for h in found]
        if len(set(unknown)) == 1:
            return found

        def value(number: int) -> tuple[bool, float]:
            hypothesis = found[number]
            return hypothesis.reason is None, (hypothesis.score or 0) - _NO_WORD * unknown[number]

        return [found[k] for k in sorted(range(len(found)), key=value, reverse=True)]

    def _agreed(self, found: list[Hypothesis]) -> list[Hypothesis]:
        """Return them with those first that the others agree with."""
        # What is of no use says nothing about the others.
        useful = [h for h in found if h.reason is None]
        ranked = [useful[k] for k in by_agreement([h.text for h in useful])]
        return [*ranked, *(h for h in found if h.reason)]

    def _hypothesis(self, tokens: Sequence[str], score: float) -> Hypothesis:
        text = self.subwords.decode(tokens)
        reason = None
        if not self.subwords.ended(tokens):
            reason = "too_long"
        elif not any(c.isalnum() for c in text):
            reason = "empty_translation"
        # CTranslate2 divides by length ** length_penalty, and counts the prefix in the length.
        size = max(len(tokens) - len(self.subwords.prefix or ()), 1)
        mean = score * len(tokens) ** self.config.length_penalty / size
        return Hypothesis(text, mean, reason, size)

    def _join(self, parts: Sequence[Sequence[Hypothesis]]) -> list[Hypothesis]:
        """Join the hypotheses of the sections of one text, rank by rank."""
        if len(parts) == 1:
            return list(parts[0])
        glue = "" if base(self.target) in UNSPACED_LANGUAGES else " "
        joined = []
        for rank in range(min(len(p) for p in parts)):
            ranked = [p[rank] for p in parts]
            tokens = sum(h.tokens for h in ranked)
            total = sum((h.score or 0.0) * h.tokens for h in ranked)
            text = glue.join(h.text for h in ranked if h.text)
            reason = "too_long" if any(h.reason == "too_long" for h in ranked) else None
            if reason is None and not any(c.isalnum() for c in text):
                reason = "empty_translation"
            joined.append(Hypothesis(text, total / max(tokens, 1), reason, tokens))
        return joined
