"""Rows for the encoder: single sentences, joined pairs, and pairs side by side with word links."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from tokenizers import Encoding
from transformers import BertTokenizer

from model_recipes.encoder.config import PretrainEncoderConfig
from model_recipes.encoder.links import Links
from model_recipes.shared.batching import token_bounded_batches
from model_recipes.shared.corpus import share_by_language
from pipeline.errors import ConfigError
from stages.text_sources import TextPair

IGNORED = -100
T = TypeVar("T")


@dataclass
class Row:
    """One row of input.

    `labels` holds the original subword where it was masked, else -100. `words` is the number of the
    word that each subword belongs to, -1 for special tokens; only rows of aligned pairs have it.
    """

    subwords: list[int]
    positions: list[int]
    labels: list[int]
    words: list[int]


@dataclass
class Item:
    """One row (masked and translation LM), or two rows whose words are linked."""

    rows: tuple[Row, ...]
    links: Links | None = None


@dataclass(frozen=True)
class _Text:
    """Subwords of a text, and the number of the word of each, -1 for none."""

    ids: list[int]
    words: list[int]

    @classmethod
    def of(cls, encoding: Encoding) -> _Text:
        return cls(encoding.ids, [-1 if word is None else word for word in encoding.word_ids])

    @property
    def word_count(self) -> int:
        return max(self.words, default=-1) + 1

    @classmethod
    def chain(cls, texts: Sequence[_Text]) -> _Text:
        """The texts one after the other, their words numbered on."""
        if len(texts) == 1:
            return texts[0]
        ids: list[int] = []
        words: list[int] = []
        offset = 0
        for text in texts:
            ids += text.ids
            words += [-1 if word < 0 else word + offset for word in text.words]
            offset += text.word_count
        return cls(ids, words)

    @classmethod
    def chain_sides(cls, pairs: Sequence[tuple[_Text, _Text]]) -> tuple[_Text, _Text]:
        """Both sides of pairs that stand one after the other."""
        return cls.chain([a for a, _ in pairs]), cls.chain([b for _, b in pairs])


class ItemMaker:
    """Makes the shards of training items; shard `n` depends on seed and `n` alone."""

    def __init__(
        self,
        pairs: Sequence[TextPair],
        sentences: Sequence[tuple[str, str]],
        links: dict[int, Links],
        config: PretrainEncoderConfig,
        tokenizer: BertTokenizer,
        seed: int,
    ) -> None:
        """Groups the text by language.

        Args:
            pairs: Sentence pairs.
            sentences: `(language, sentence)`.
            links: Word links by index into `pairs`; words are those of BERT's pre-tokenizer.
            config: Objectives, shares, bounds.
            tokenizer: Of the encoder.
            seed: Of the training.
        """
        self._config = config
        self._seed = seed
        self._pairs = pairs
        self._links = links
        self._backend = tokenizer.backend_tokenizer
        self._size = len(tokenizer)
        self._cls, self._sep = tokenizer.cls_token_id, tokenizer.sep_token_id
        self._mask = tokenizer.mask_token_id
        by_language: dict[str, list[int]] = {}
        for index, pair in enumerate(pairs):
            by_language.setdefault(pair.language, []).append(index)
        self._pair_pools = _Pools(by_language, share_by_language(pairs, config.sampling_exponent))
        linked = {
            code: [index for index in indices if index in links]
            for code, indices in by_language.items()
        }
        linked = {code: indices for code, indices in linked.items() if indices}
        shares = share_by_language(
            [pairs[i] for indices in linked.values() for i in indices], config.sampling_exponent
        )
        self._linked_pools = _Pools(linked, shares)
        text: dict[str, list[str]] = {}
        for language, sentence in sentences:
            text.setdefault(language, []).append(sentence)
        for pair in pairs:
            text.setdefault(pair.language, []).append(pair.target)
            text.setdefault(config.corpus.pivot_language, []).append(pair.source)
        weights = {code: len(lines) ** config.sampling_exponent for code, lines in text.items()}
        total = sum(weights.values())
        self._text_pools = _Pools(text, {code: w / total for code, w in weights.items()})
        self._too_long = 0

    @property
    def too_long(self) -> int:
        """How many items were left out for their length since this object was made."""
        return self._too_long

    def shard(self, number: int) -> list[list[Item]]:
        """The batches of one shard; every batch is of one kind."""
        rng = random.Random(f"{self._seed}/{number}")
        objective = self._config.objective
        shares = {
            "monolingual": objective.monolingual,
            "translation": objective.translation if self._pairs else 0.0,
            "alignment": objective.alignment if self._linked_pools else 0.0,
        }
        total = sum(shares.values())
        if not total:
            raise ConfigError("no objective has both a share above 0 and text to learn from")
        batches: list[list[Item]] = []
        for kind, share in shares.items():
            count = round(self._config.shard_examples * share / total)
            items = self._items(kind, count, rng)
            lengths = [(len(item.rows[0].subwords), len(item.rows[-1].subwords)) for item in items]
            # Two rows an item: half as many items fill the batch.
            bound = self._config.batch_tokens // (2 if kind == "alignment" else 1)
            batches += [
                [items[i] for i in batch] for batch in token_bounded_batches(lengths, bound, rng)
            ]
        rng.shuffle(batches)
        return batches

    def _items(self, kind: str, count: int, rng: random.Random) -> list[Item]:
        if kind == "monolingual":
            texts = [self._text_pools.draw(rng) for _ in range(count)]
            singles = [t for e in self._encode(texts) if self._fits(t := _Text.of(e))]
            self._too_long += count - len(singles)
            return [Item((self._single(text, rng),)) for text in singles]
        pools = self._linked_pools if kind == "alignment" else self._pair_pools
        groups = [self._group(kind, pools, rng) for _ in range(count)]
        numbers = [number for group in groups for number in group]
        first = iter(self._encode([self._pairs[n].source for n in numbers]))
        second = iter(self._encode([self._pairs[n].target for n in numbers]))
        items: list[Item] = []
        for group in groups:
            parts = [(_Text.of(next(first)), _Text.of(next(second))) for _ in group]
            if kind == "alignment":
                # As many of the further pairs as there is room for.
                while parts and not all(map(self._fits, _Text.chain_sides(parts))):
                    parts.pop()
                fitting = bool(parts)
            else:
                fitting = self._fits(*parts[0])
            if not fitting:
                self._too_long += 1
            elif kind == "translation":
                items.append(Item((self._joined(*rng.sample(parts[0], 2), rng=rng),)))
            else:
                rows = tuple(self._single(text, rng) for text in _Text.chain_sides(parts))
                items.append(Item(rows, self._chained_links(group, parts)))
        return items

    def _group(self, kind: str, pools: _Pools[int], rng: random.Random) -> list[int]:
        """A pair, and those of its language that stand after it in the same rows."""
        first = pools.draw(rng)
        group = [first]
        if kind == "alignment" and rng.random() < self._config.objective.concatenate:
            language = self._pairs[first].language
            group += [pools.draw(rng, language) for _ in range(rng.randint(1, 3))]
        return group

    def _chained_links(self, group: Sequence[int], parts: Sequence[tuple[_Text, _Text]]) -> Links:
        """Links of the pairs that stand one after the other; words are numbered on."""
        chained, offset = [], np.zeros(2, np.int16)
        for index, (source, target) in zip(group, parts, strict=False):
            chained.append(self._links[index] + offset)
            offset = offset + np.array([source.word_count, target.word_count], np.int16)
        return np.concatenate(chained)

    def _fits(self, *texts: _Text) -> bool:
        length = 1 + sum(len(text.ids) + 1 for text in texts)
        return length <= self._config.max_subwords

    def _encode(self, texts: list[str]) -> list[Encoding]:
        return self._backend.encode_batch(texts, add_special_tokens=False)

    def _single(self, text: _Text, rng: random.Random) -> Row:
        ids = [self._cls, *text.ids, self._sep]
        start = 0
        if rng.random() < self._config.objective.shift_positions:
            start = rng.randint(0, self._config.shape.max_positions - len(ids))
        subwords, labels = self._masked(ids, self._config.objective.mask, rng)
        words = [-1, *text.words, -1]
        return Row(subwords, list(range(start, start + len(ids))), labels, words)

    def _joined(self, first: _Text, second: _Text, *, rng: random.Random) -> Row:
        ids = [self._cls, *first.ids, self._sep, *second.ids, self._sep]
        positions = [*range(len(first.ids) + 2), *range(1, len(second.ids) + 2)]
        subwords, labels = self._masked(ids, self._config.objective.translation_mask, rng)
        return Row(subwords, positions, labels, [])

    def _masked(
        self, ids: list[int], share: float, rng: random.Random
    ) -> tuple[list[int], list[int]]:
        """BERT's masking: of the chosen subwords 80 % become [MASK], 10 % another subword."""
        subwords, labels = list(ids), [IGNORED] * len(ids)
        for index, subword in enumerate(ids):
            if subword in (self._cls, self._sep) or rng.random() >= share:
                continue
            labels[index] = subword
            kind = rng.random()
            if kind < 0.8:
                subwords[index] = self._mask
            elif kind < 0.9:
                subwords[index] = rng.randrange(5, self._size)
        return subwords, labels


class _Pools(Generic[T]):
    """Things by language, drawn by the languages' shares."""

    def __init__(self, pools: dict[str, list[T]], shares: dict[str, float]) -> None:
        self._codes = [code for code in shares if pools[code]]
        self._pools = pools
        self._cumulated = list(itertools.accumulate(shares[code] for code in self._codes))

    def __bool__(self) -> bool:
        return bool(self._codes)

    def draw(self, rng: random.Random, code: str | None = None) -> T:
        """Of the language, or of one drawn by its share."""
        if code is None:
            code = rng.choices(self._codes, cum_weights=self._cumulated)[0]
        return rng.choice(self._pools[code])
