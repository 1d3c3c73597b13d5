"""Context words around entities are replaced by those of a masked language model."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import Field

from pipeline.config import ConfigModel, RunConfig
from pipeline.errors import ModelError
from pipeline.listed import batched
from pipeline.models import LOCAL, refuse_pickled_weights
from pipeline.schema import Sentence
from pipeline.task import Advance, no_advance
from stages.machine import torch_device
from stages.synthesize.makers.base import Made, Maker, MakerKind, MakerSetting, TextRequest
from stages.tagger.encoding import load_tokenizer

_BYTES: Final = "\u0120"
"""The space before a word, in the subwords of a byte-level tokenizer."""
_PLACES: Final = 32
"""Copies of a sentence, each with another subword masked, that the model gets at once."""


class InfillingConfig(ConfigModel):
    """How ``infilling`` replaces context words by a masked language model's."""

    model: str | None = Field(None, description="folder or hub id; default: models.encoder")
    share: float = Field(0.2, gt=0, le=1, description="share of the context words to replace")
    topk: int = Field(20, ge=1, description="sample from the k likeliest words")
    temperature: float = Field(1.0, gt=0, description="above 1 is more varied")
    batch_size: int = Field(16, ge=1, description="sentences per batch")


class MaskedModel:
    """A masked language model over words.

    Args:
        folder: A checkpoint with a masked-LM head.

    Raises:
        ModelError: If it cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForMaskedLM

        refuse_pickled_weights(folder)
        try:
            self.tokenizer: Any = load_tokenizer(folder)
            self.model: Any = AutoModelForMaskedLM.from_pretrained(folder, **LOCAL)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder}: not a masked language model: {error}") from error
        if self.tokenizer.mask_token_id is None:
            raise ModelError(f"{folder}: the tokeniser has no mask token")
        self.device = torch_device("auto")
        self.model.eval().to(self.device)
        limits = [self.tokenizer.model_max_length]
        limits.append(getattr(self.model.config, "max_position_embeddings", 512))
        self.limit = min(x for x in limits if x and x < 1_000_000)
        size = min(len(self.tokenizer), self.model.config.vocab_size)
        subwords = self.tokenizer.convert_ids_to_tokens(list(range(size)))
        special = set(self.tokenizer.all_special_tokens)
        read = [("", "") if s is None or s in special else self._read(s) for s in subwords]
        self._kinds = [kind for kind, _ in read]
        self.words = [word for _, word in read]

    def _read(self, subword: str) -> tuple[str, str]:
        """Return a subword's kind (how it joins others, its case) and its word; ``""`` if none."""
        mark = next((m for m in ("##", "\u2581", _BYTES) if subword.startswith(m)), "")
        word = subword[len(mark) :]
        if mark == _BYTES:  # the characters of such a subword are the bytes of its word
            word = self.tokenizer.convert_tokens_to_string([subword]).strip()
        if len(word) < 2 or not word.isalpha():
            return "", ""
        return mark + ("upper" if word[0].isupper() else "lower"), word

    def encode(self, words: Sequence[str]) -> tuple[list[int], list[int | None]] | None:
        """Return the ids of a sentence and the word of each; ``None`` if it is too long."""
        encoded = self.tokenizer(list(words), is_split_into_words=True, truncation=False)
        if len(encoded["input_ids"]) > self.limit:
            return None
        return list(encoded["input_ids"]), list(encoded.word_ids())

    def logits(self, batch: Sequence[Sequence[int]]) -> Any:
        """Return scores of shape (sentences, subwords, vocabulary); padding behind the subwords."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        rows, pad = [torch.tensor(x) for x in batch], self.tokenizer.pad_token_id or 0
        ids = pad_sequence(rows, batch_first=True, padding_value=pad)
        mask = pad_sequence([torch.ones_like(x) for x in rows], batch_first=True)
        with torch.inference_mode():
            output = self.model(
                input_ids=ids.to(self.device), attention_mask=mask.to(self.device)
            ).logits
        return output.float().cpu()

    def alike(self, subword: int) -> Any:
        """Return a mask over the vocabulary: subwords that may stand where ``subword`` stands."""
        import torch

        kind = self._kinds[subword]
        mask = torch.tensor([bool(kind) and k == kind for k in self._kinds])
        mask[subword] = False
        return mask

    def replaceable(self, subword: int) -> bool:
        """Return whether ``subword`` is a word of which there are others."""
        return bool(self._kinds[subword])

    def pseudo_perplexity(self, words: Sequence[str]) -> float:
        """Return exp of the mean negative log-likelihood of each subword, masked in turn.

        Salazar et al. (2020). A sentence that is too long for the model is judged by its beginning.
        """
        import torch

        kept = list(words)
        encoded = self.encode(kept)
        while encoded is None:
            kept = kept[: len(kept) * 3 // 4]
            encoded = self.encode(kept)
        ids, word_ids = encoded
        places = [i for i, w in enumerate(word_ids) if w is not None]
        total = 0.0
        for chosen in batched(places, _PLACES):
            batch = []
            for place in chosen:
                masked = list(ids)
                masked[place] = self.tokenizer.mask_token_id
                batch.append(masked)
            logits = self.logits(batch)
            for row, place in enumerate(chosen):
                total += float(torch.log_softmax(logits[row, place], -1)[ids[place]])
        return math.exp(-total / max(len(places), 1))


class InfillingMaker(Maker):
    """Masks some of the context words and samples others for them.

    Entities stay as they are, so spans stay true. Words of one subword are replaced only: of a word
    of several subwords a model fills in one subword at a time, and what comes out is often no word.
    A sentence's masked words are filled in together. Sentences too long for the model are passed
    over.

    Args:
        model: The masked language model.
        config: Options.
    """

    def __init__(self, model: MaskedModel, config: InfillingConfig | None = None) -> None:
        self._model = model
        self._config = config or InfillingConfig()

    def make(self, request: TextRequest, chunk: int, advance: Advance = no_advance) -> list[Made]:
        """See :meth:`Maker.make`."""
        import torch

        usable = [s for s in request.projected if s.spans]
        draw = random.Random(request.chunk_seed(chunk))
        generator = torch.Generator().manual_seed(request.chunk_seed(chunk))
        first, count = chunk * self.chunk_size, self.size(request, chunk)
        made: list[Made] = []
        for batch in batched(request.taken(usable, first, count), self._config.batch_size):
            made.extend(self._fill(batch, draw, generator))
            advance(len(batch))
        return made

    def _fill(
        self, sentences: Sequence[Sentence], draw: random.Random, generator: Any
    ) -> list[Made]:
        import torch

        model, config = self._model, self._config
        prepared = []
        for sentence in sentences:
            encoded = model.encode(sentence.words)
            places = self._places(sentence, *encoded) if encoded else []
            if encoded is None or not places:
                continue
            count = max(1, round(config.share * len(places)))
            masked = list(encoded[0])
            picked = sorted(draw.sample(places, min(count, len(places))))
            for place in picked:
                masked[place] = model.tokenizer.mask_token_id
            prepared.append((sentence, encoded, masked, picked))
        if not prepared:
            return []
        logits = model.logits([p[2] for p in prepared])
        made = []
        for row, (sentence, (ids, word_ids), _, picked) in enumerate(prepared):
            words = list(sentence.words)
            logs = []
            for place in picked:
                allowed = model.alike(ids[place])
                scores = logits[row, place, : len(allowed)].masked_fill(~allowed, -math.inf)
                best = scores.topk(min(config.topk, int(allowed.sum())))
                chances = torch.softmax(best.values / config.temperature, -1)
                index = int(torch.multinomial(chances, 1, generator=generator))
                subword = int(best.indices[index])
                logs.append(float(torch.log_softmax(logits[row, place], -1)[subword]))
                word = word_ids[place]
                assert word is not None  # only words are picked
                words[word] = model.words[subword]
            scores_made = {"infilling": sum(logs) / len(logs), "replaced": float(len(picked))}
            made.append(Made(words, sentence.id, list(sentence.spans), scores_made))
        return made

    def _places(
        self, sentence: Sentence, ids: Sequence[int], word_ids: Sequence[int | None]
    ) -> list[int]:
        """Return the subwords that are whole words outside entities, and of a kind with others."""
        inside = {i for s in sentence.spans for i in range(s.start, s.end)}
        counts = Counter(word_ids)
        return [
            place
            for place, word in enumerate(word_ids)
            if word is not None
            and counts[word] == 1
            and word not in inside
            and self._model.replaceable(ids[place])
            and bool(self._model.alike(ids[place]).any())
        ]


class Infilling(MakerKind[InfillingConfig]):
    """Other words around the entities."""

    about: ClassVar[str] = "context words are masked and sampled from the encoder; entities stay"

    def models(self, config: RunConfig, lang: str) -> dict[str, str]:
        """Return the masked language model."""
        return {"infilling": self.options.model or config.models.encoder}

    def build(self, setting: MakerSetting) -> Maker:
        """Load the masked language model."""
        return InfillingMaker(MaskedModel(setting.model("infilling")[0]), self.options)
