"""Generative language models behind one call: through transformers, or through CTranslate2."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from pipeline.errors import ModelError
from pipeline.models import LOCAL, refuse_pickled_weights
from pipeline.task import Advance
from stages.endpoint.client import Endpoint, Question
from stages.endpoint.settings import is_endpoint, read_settings
from stages.machine import torch_device
from stages.synthesize.makers.generation_options import GenerationConfig
from stages.translate.codes import NOTE
from stages.translate.conversion import convert_by, converted, is_converted
from stages.translate.precision import resolve_device

_UNLIMITED = 1_000_000  # a tokeniser without a limit says so with an astronomic number


class LanguageModel(ABC):
    """Continues prompts.

    Attributes:
        encoder_decoder: Whether the prompt is read by an encoder, and takes no room of the answer.
        limit: Most tokens of the prompt, and of prompt and answer together where there is no
            encoder.
    """

    encoder_decoder: bool
    limit: int
    _tokenizer: Any

    def size(self, prompt: str) -> int:
        """Return the number of tokens of a prompt."""
        return len(self._tokenizer(prompt).input_ids)

    def seen(self) -> Counter[str]:
        """Return what it counted so far, for the manifest."""
        return Counter()

    @abstractmethod
    def generate(self, prompts: Sequence[str], seed: int, advance: Advance) -> list[str]:
        """Return what the model writes after each prompt, sampled; the same for the same seed."""


class TransformersModel(LanguageModel):
    """A checkpoint run by transformers.

    Args:
        folder: A causal or encoder-decoder checkpoint.
        config: How to sample.

    Raises:
        ModelError: If it cannot be loaded.
    """

    def __init__(self, folder: Path, config: GenerationConfig) -> None:
        self._config = config
        refuse_pickled_weights(folder)
        try:
            kind = AutoConfig.from_pretrained(folder, **LOCAL)
            self.encoder_decoder = bool(kind.is_encoder_decoder)
            loader = AutoModelForSeq2SeqLM if self.encoder_decoder else AutoModelForCausalLM
            self._model: Any = loader.from_pretrained(folder, **LOCAL)
            # Generation continues on the right, so padding goes to the left.
            side = "right" if self.encoder_decoder else "left"
            self._tokenizer = AutoTokenizer.from_pretrained(folder, padding_side=side, **LOCAL)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder}: not a generative language model: {error}") from error
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._device = torch_device("auto")
        self._model.eval().to(self._device)
        positions = getattr(kind, "max_position_embeddings", None)
        self.limit = _limit(self._tokenizer.model_max_length, positions)

    def generate(self, prompts: Sequence[str], seed: int, advance: Advance) -> list[str]:
        """See :meth:`LanguageModel.generate`."""
        texts: list[str] = []
        for start in range(0, len(prompts), self._config.batch_size):
            batch = prompts[start : start + self._config.batch_size]
            torch.manual_seed(seed + start)
            texts += self._batch(batch)
            advance(len(batch))
        return texts

    def _batch(self, prompts: Sequence[str]) -> list[str]:
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
        if not self.encoder_decoder:
            out = out[:, batch["input_ids"].shape[1] :]
        texts: list[str] = self._tokenizer.batch_decode(out, skip_special_tokens=True)
        return texts


class CTranslate2Model(LanguageModel):
    """A model run by CTranslate2: a converted folder, or a checkpoint converted on first use.

    CTranslate2 seeds its generators when its threads start, so the model is loaded for every call
    of :meth:`generate`, as a translator that samples is.

    Args:
        folder: A converted model with its tokeniser's files, or a checkpoint of a kind that
            CTranslate2 knows.
        config: How to sample, and the precision of a conversion.

    Raises:
        ModelError: If it cannot be converted or loaded.
    """

    def __init__(self, folder: Path, config: GenerationConfig) -> None:
        self._config = config
        self._folder = converted(folder, config.compute_type, make=convert_language_model)
        self.encoder_decoder = not (self._folder / "vocabulary.json").is_file()
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(self._folder, **LOCAL)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"{folder}: a converted language model without its tokeniser's files (copy "
                f"tokenizer.json and tokenizer_config.json of the checkpoint there): {error}"
            ) from error
        self._device = resolve_device("auto")
        note = self._folder / NOTE
        noted = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
        self.limit = _limit(self._tokenizer.model_max_length, noted.get("max_positions"))

    def generate(self, prompts: Sequence[str], seed: int, advance: Advance) -> list[str]:
        """See :meth:`LanguageModel.generate`."""
        import ctranslate2

        ctranslate2.set_random_seed(seed % 2**32)
        kind = ctranslate2.Translator if self.encoder_decoder else ctranslate2.Generator
        try:
            model: Any = kind(
                str(self._folder),
                device=self._device,
                compute_type=self._config.compute_type,
                inter_threads=1,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"{self._folder}: CTranslate2 cannot load it: {error}") from error
        tokens = [self._tokens(p) for p in prompts]
        # Prompts of one length together: CTranslate2 reads what they have in length in common at
        # once, and the rest token by token.
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
        texts = [""] * len(prompts)
        for start in range(0, len(order), self._config.batch_size):
            chosen = order[start : start + self._config.batch_size]
            answers = self._batch(model, [tokens[i] for i in chosen])
            for index, answer in zip(chosen, answers, strict=True):
                texts[index] = self._text(answer)
            advance(len(chosen))
        return texts

    def _batch(self, model: Any, prompts: list[list[str]]) -> list[list[str]]:
        how = {
            "beam_size": 1,
            "sampling_topk": self._config.topk,
            "sampling_temperature": self._config.temperature,
        }
        most = self._config.max_new_tokens
        if self.encoder_decoder:
            results = model.translate_batch(prompts, max_decoding_length=most, **how)
            return [r.hypotheses[0] for r in results]
        # What a prompt is longer than the shortest one comes back as part of the answer.
        shortest = min(map(len, prompts))
        longest = max(map(len, prompts))
        results = model.generate_batch(
            prompts, max_length=most + longest - shortest, include_prompt_in_result=False, **how
        )
        answers = []
        for prompt, result in zip(prompts, results, strict=True):
            answer, repeated = result.sequences[0], prompt[shortest:]
            if answer[: len(repeated)] == repeated:
                answer = answer[len(repeated) :]
            answers.append(answer[:most])
        return answers

    def _tokens(self, prompt: str) -> list[str]:
        ids = self._tokenizer(prompt).input_ids
        tokens: list[str] = self._tokenizer.convert_ids_to_tokens(ids)
        return tokens

    def _text(self, tokens: Sequence[str]) -> str:
        ids = self._tokenizer.convert_tokens_to_ids(list(tokens))
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text


_TASK: Final = (
    "The user shows lines: entities, an arrow, a sentence that holds them. Write the sentence for "
    "the last line, in the language of the others, with its entities letter by letter. Answer with "
    "that one sentence."
)


class AskedModel(LanguageModel):
    """A language model at an endpoint.

    Args:
        endpoint: Who is asked.
        config: How to sample.
    """

    encoder_decoder = True  # the server knows what room a prompt leaves
    limit = _UNLIMITED

    def __init__(self, endpoint: Endpoint, config: GenerationConfig) -> None:
        self._endpoint = endpoint
        self._config = config

    def size(self, prompt: str) -> int:
        """Return the number of tokens of a prompt, roughly."""
        return len(prompt) // 3

    def generate(self, prompts: Sequence[str], seed: int, advance: Advance) -> list[str]:
        """See :meth:`LanguageModel.generate`."""
        config = self._config
        # Servers take seeds of 31 bits; each question its own, or one prompt has one answer.
        questions = [
            Question(
                _TASK, p, config.temperature, (seed + i) % 2**31, max_tokens=config.max_new_tokens
            )
            for i, p in enumerate(prompts)
        ]
        texts = []
        for answer in self._endpoint.ask(questions):
            texts.append(answer.rsplit("=>", 1)[-1])
            advance(1)
        return texts

    def seen(self) -> Counter[str]:
        """Return what was asked and what it cost."""
        return self._endpoint.seen


def load_language_model(folder: Path, config: GenerationConfig) -> LanguageModel:
    """Load a generative model with the library that ``config.backend`` names.

    ``auto`` takes CTranslate2 for a converted folder and transformers for a checkpoint. A folder
    with ``endpoint.json`` is asked over HTTP.

    Raises:
        ModelError: If it cannot be loaded.
    """
    if is_endpoint(folder):
        return AskedModel(Endpoint(read_settings(folder)), config)
    backend = config.backend
    if backend == "auto":
        backend = "ctranslate2" if is_converted(folder) else "transformers"
    elif backend == "transformers" and is_converted(folder):
        raise ModelError(
            f"{folder}: a model converted for CTranslate2 does not run in transformers; set "
            "synthesize.generation.backend: ctranslate2"
        )
    kind = CTranslate2Model if backend == "ctranslate2" else TransformersModel
    return kind(folder, config)


def convert_language_model(folder: Path, output: Path, quantization: str) -> None:
    """Convert a causal or encoder-decoder checkpoint; ``output`` must not exist.

    Raises:
        ModelError: If it is of a kind that cannot be converted.
    """
    from ctranslate2.converters import TransformersConverter

    convert_by(TransformersConverter, folder, output, quantization)
    _name_special_tokens(output / "config.json")
    kind = AutoConfig.from_pretrained(folder, **LOCAL)
    note = {"max_positions": getattr(kind, "max_position_embeddings", None)}
    (output / NOTE).write_text(json.dumps(note), encoding="utf-8")


def _name_special_tokens(file: Path) -> None:
    # CTranslate2 insists on names for tokens that a tokeniser need not have; where it has none,
    # none is ever met, so that the name of the end token does.
    facts = json.loads(file.read_text(encoding="utf-8"))
    for key in ("bos_token", "unk_token"):
        if key in facts and facts[key] is None:
            facts[key] = facts.get("eos_token")
    file.write_text(json.dumps(facts, indent=2), encoding="utf-8")


def _limit(*numbers: float | None) -> int:
    known = [int(x) for x in numbers if x and x < _UNLIMITED]
    return min(known) if known else 1024
