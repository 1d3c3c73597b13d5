"""Training examples: pairs drawn by language, given a direction, varied, cut into subwords."""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import sentencepiece

from model_recipes.shared.batching import token_bounded_batches
from model_recipes.shared.corpus import share_by_language
from model_recipes.translator.bilingual import Bilingual, Templates
from model_recipes.translator.bitext import Bitext, Phrase
from model_recipes.translator.config import TrainTranslatorConfig
from model_recipes.translator.names import Gazetteer, NameFinder
from model_recipes.translator.sentencepieces import tag
from model_recipes.translator.variation import Variation
from stages.text_sources import TextPair


class TranslationExample(NamedTuple):
    """Subword ids; the source starts with the language tag, both sides end with `</s>`."""

    source: list[int]
    target: list[int]


class Texts(NamedTuple):
    """What pairs are varied with.

    Attributes:
        entities: `(type, name)`, the same in every language.
        places: `(language, kind, name in the pivot language, name in the language)`.
        phrases: For each pair its phrase pairs; none for all means that nothing is tagged.
        weights: How often each pair is drawn; none for all means alike.
    """

    entities: Sequence[tuple[str, str]] = ()
    places: Sequence[tuple[str, str, str, str]] = ()
    phrases: Sequence[Sequence[Phrase]] = ()
    weights: Sequence[float] = ()


class ExampleMaker:
    """Makes the shards of training examples; shard `n` depends on seed and `n` alone."""

    def __init__(
        self,
        pairs: Sequence[TextPair],
        config: TrainTranslatorConfig,
        spm_model: Path,
        vocabulary: dict[str, int],
        texts: Texts,
        seed: int,
    ) -> None:
        """Groups the pairs by language and finds the names in them."""
        self._config = config
        self._seed = seed
        self._processor = sentencepiece.SentencePieceProcessor(model_file=str(spm_model))
        unknown = vocabulary["<unk>"]
        self._ids = [
            vocabulary.get(self._processor.id_to_piece(i), unknown)
            for i in range(self._processor.get_piece_size())
        ]
        self._vocabulary = vocabulary
        self._pairs = pairs
        self._phrases = texts.phrases
        weights = texts.weights or [1.0] * len(pairs)
        groups: dict[str, dict[float, list[int]]] = {}
        for index, (pair, weight) in enumerate(zip(pairs, weights, strict=True)):
            groups.setdefault(pair.language, {}).setdefault(weight, []).append(index)
        # Of a language, first the group of pairs of one weight, then one of them.
        self._groups = {code: list(of.values()) for code, of in groups.items()}
        self._group_weights = {
            code: list(itertools.accumulate(w * len(rows) for w, rows in of.items()))
            for code, of in groups.items()
        }
        shares = share_by_language(pairs, config.sampling_exponent, weights)
        self._languages = list(shares)
        self._cumulated = list(itertools.accumulate(shares.values()))
        finder = NameFinder(pairs)
        changing = {english for _, _, english, other in texts.places if english != other}
        barred = finder.translated | changing
        self._variation = Variation(
            finder,
            Gazetteer(texts.entities, barred) if texts.entities else None,
            Bilingual(texts.places) if texts.places else None,
            Templates.shipped(config.corpus.pivot_language),
            config.augmentation,
        )
        self.too_long = 0
        """How many examples were left out for their length since this object was made."""

    def shard(self, number: int) -> list[list[TranslationExample]]:
        """The batches of one shard."""
        rng = random.Random(f"{self._seed}/{number}")
        examples: list[TranslationExample] = []
        while len(examples) < self._config.shard_examples:
            language = self._language(rng)
            source, target = self._variation.vary(
                self._draw(language, rng),
                lambda language=language: self._draw(language, rng),  # type: ignore[misc]
                rng,
            )
            if rng.random() < self._config.into_pivot_share:
                source, target = target, source
                language = self._config.corpus.pivot_language
            example = TranslationExample(
                [self._vocabulary[tag(language)], *self.encode(source)], self.encode(target)
            )
            if max(map(len, example)) > self._config.max_subwords:
                self.too_long += 1
                continue
            examples.append(example)
        lengths = [(len(example.source), len(example.target)) for example in examples]
        batches = token_bounded_batches(lengths, self._config.batch_tokens, rng)
        return [[examples[i] for i in batch] for batch in batches]

    def encode(self, text: str) -> list[int]:
        """Ids of the subwords, with `</s>`."""
        ids = [self._ids[i] for i in self._processor.encode(text)]
        return [*ids, self._vocabulary["</s>"]]

    def _language(self, rng: random.Random) -> str:
        position = bisect.bisect(self._cumulated, rng.random())
        return self._languages[min(position, len(self._languages) - 1)]

    def _draw(self, language: str, rng: random.Random) -> Bitext:
        weights = self._group_weights[language]
        index = rng.choice(rng.choices(self._groups[language], cum_weights=weights)[0])
        pair = self._pairs[index]
        phrases = self._phrases[index] if self._phrases else ()
        return Bitext.of(language, pair.source, pair.target, phrases)
