"""Sentences written by a language model that is shown entities and projected sentences."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pipeline.schema import Sentence, Span
from stages.synthesize.config import GenerationConfig
from stages.synthesize.makers.base import Made, Maker, Request
from stages.translate.tokenise import detokenise, tokenise


class GenerationMaker(Maker):
    """Prompts a language model with entities, a few projected sentences as examples before them.

    Every line of the prompt is ``PER: Anna Lee | LOC: London => Anna Lee lives in London.``; the
    model writes what follows the last arrow, up to the end of the line. Spans are where the asked
    entities are found again, word for word.

    Args:
        folder: A causal or encoder-decoder checkpoint.
        config: Options.
        device: ``cpu``, ``cuda`` …; default: a GPU if there is one.

    Raises:
        ModelError: If it cannot be loaded.
    """

    name: ClassVar[str] = "generation"

    def __init__(
        self, folder: Path, config: GenerationConfig | None = None, device: str | None = None
    ) -> None:
        import torch
        from transformers import (
            AutoConfig,
            AutoModelForCausalLM,
            AutoModelForSeq2SeqLM,
            AutoTokenizer,
        )

        from pipeline.errors import ModelError

        self._config = config or GenerationConfig()
        self.chunk_size = 200
        try:
            kind = AutoConfig.from_pretrained(folder, local_files_only=True)
            self._encoder_decoder = bool(kind.is_encoder_decoder)
            loader = AutoModelForSeq2SeqLM if self._encoder_decoder else AutoModelForCausalLM
            self._model: Any = loader.from_pretrained(folder, local_files_only=True)
            # Generation continues on the right, so padding goes to the left.
            side = "right" if self._encoder_decoder else "left"
            self._tokenizer: Any = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, padding_side=side
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder}: not a generative language model: {error}") from error
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._model.eval().to(self._device)
        limits = [self._tokenizer.model_max_length]
        limits.append(getattr(kind, "max_position_embeddings", None))
        known = [x for x in limits if x and x < 1_000_000]
        self._limit = min(known) if known else 1024

    def make(
        self, request: Request, chunk: int, advance: Callable[[int], None] = lambda n: None
    ) -> list[Made]:
        """See :meth:`Maker.make`."""
        import torch

        usable = [s for s in request.projected if s.spans]
        if not usable:
            return []
        draw = random.Random(request.chunk_seed(chunk))
        made: list[Made] = []
        size = self.size(request, chunk)
        for start in range(0, size, self._config.batch_size):
            asked, prompts = [], []
            for _ in range(min(self._config.batch_size, size - start)):
                sentence = draw.choice(usable)
                shots = [draw.choice(usable) for _ in range(self._config.shots)]
                asked.append(sentence)
                prompts.append(self._prompt(shots, sentence, request.lang))
            torch.manual_seed(request.chunk_seed(chunk) + start)
            for sentence, text in zip(asked, self._generate(prompts), strict=True):
                made.append(_read(sentence, text, request.lang))
            advance(len(asked))
        return made

    def _prompt(self, shots: Sequence[Sentence], asked: Sentence, lang: str) -> str:
        """Return a prompt that leaves room for the answer; examples that do not fit are left."""
        room = self._limit - (0 if self._encoder_decoder else self._config.max_new_tokens)
        ending = f"{describe(asked, lang)} =>"
        lines = [f"{describe(s, lang)} => {detokenise(s.words, lang)}" for s in shots]
        prompt = "\n".join([*lines, ending])
        while lines and len(self._tokenizer(prompt).input_ids) > room:
            lines.pop()
            prompt = "\n".join([*lines, ending])
        return prompt

    def _generate(self, prompts: Sequence[str]) -> list[str]:
        import torch

        batch = self._tokenizer(list(prompts), return_tensors="pt", padding=True).to(self._device)
        batch.pop("token_type_ids", None)
        with torch.inference_mode():
            out = self._model.generate(
                **batch,
                do_sample=True,
                top_k=self._config.topk,
                temperature=self._config.temperature,
                max_new_tokens=self._config.max_new_tokens,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        if not self._encoder_decoder:
            out = out[:, batch["input_ids"].shape[1] :]
        texts: list[str] = self._tokenizer.batch_decode(out, skip_special_tokens=True)
        return texts


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
