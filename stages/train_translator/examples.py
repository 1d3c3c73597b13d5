"""Training examples: pairs drawn by language, given a direction, varied, cut into pieces."""

from __future__ import annotations

import bisect
import itertools
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from stages._pretraining.batching import token_bounded_batches
from stages._pretraining.corpus import share_by_language
from stages._pretraining.sources import Pair
from stages.train_translator.config import TrainTranslatorConfig
from stages.train_translator.names import Gazetteer, NameFinder, substitute
from stages.train_translator.sentencepieces import tag

_END = re.compile(r"[\s.!?…]+$")
_PUNCTUATION = re.compile(r"\s*([.,;:!?\"()])\s*")


class Example(NamedTuple):
    """Piece ids; the source starts with the language tag, both sides end with `</s>`."""

    source: list[int]
    target: list[int]


class ExampleMaker:
    """Makes the shards of training examples; shard `n` depends on seed and `n` alone."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        config: TrainTranslatorConfig,
        spm_model: Path,
        vocabulary: dict[str, int],
        entities: Sequence[tuple[str, str]],
        seed: int,
    ) -> None:
        """Groups the pairs by language and finds the names in them."""
        import sentencepiece

        self._config = config
        self._seed = seed
        self._processor = sentencepiece.SentencePieceProcessor(model_file=str(spm_model))
        unknown = vocabulary["<unk>"]
        self._ids = [
            vocabulary.get(self._processor.id_to_piece(i), unknown)
            for i in range(self._processor.get_piece_size())
        ]
        self._vocabulary = vocabulary
        self._by_language: dict[str, list[Pair]] = {}
        for pair in pairs:
            self._by_language.setdefault(pair.language, []).append(pair)
        shares = share_by_language(pairs, config.sampling_exponent)
        self._languages = list(shares)
        self._cumulated = list(itertools.accumulate(shares.values()))
        self._finder = NameFinder(pairs)
        self._gazetteer = Gazetteer(entities, self._finder.translated) if entities else None
        self.too_long = 0
        """How many examples were left out for their length since this object was made."""

    def shard(self, number: int) -> list[list[Example]]:
        """The batches of one shard."""
        rng = random.Random(f"{self._seed}/{number}")
        examples: list[Example] = []
        while len(examples) < self._config.shard_examples:
            language, source, target = self._vary(self._draw(rng), rng)
            if rng.random() < self._config.into_pivot_share:
                source, target = target, source
                language = self._config.corpus.pivot_language
            if rng.random() < self._config.augmentation.spaced_punctuation:
                source = " ".join(_PUNCTUATION.sub(r" \1 ", source).split())
            example = Example(
                [self._vocabulary[tag(language)], *self.encode(source)], self.encode(target)
            )
            if max(map(len, example)) > self._config.max_pieces:
                self.too_long += 1
                continue
            examples.append(example)
        lengths = [(len(example.source), len(example.target)) for example in examples]
        batches = token_bounded_batches(lengths, self._config.batch_tokens, rng)
        return [[examples[i] for i in batch] for batch in batches]

    def encode(self, text: str) -> list[int]:
        """Ids of the pieces, with `</s>`."""
        ids = [self._ids[i] for i in self._processor.encode(text)]
        return [*ids, self._vocabulary["</s>"]]

    def _draw(self, rng: random.Random, language: str | None = None) -> Pair:
        if language is None:
            position = bisect.bisect(self._cumulated, rng.random())
            language = self._languages[min(position, len(self._languages) - 1)]
        return rng.choice(self._by_language[language])

    def _vary(self, pair: Pair, rng: random.Random) -> Pair:
        options = self._config.augmentation
        if self._gazetteer and rng.random() < options.name_lists:
            line = self._name_list(self._gazetteer, rng)
            return Pair(pair.language, line, line)
        pair = self._rename(pair, rng)
        if len(pair.source.split()) <= 15 and rng.random() < options.concatenate:
            pair = self._chain(pair, rng)
        if rng.random() < options.upper_case:
            pair = Pair(pair.language, pair.source.upper(), pair.target.upper())
        return pair

    def _chain(self, pair: Pair, rng: random.Random) -> Pair:
        """Further pairs behind this one, as sentences or as the clauses of a long one.

        Corpora of short sentences teach nothing about long ones; a model that never saw them
        stutters. The length that is aimed at is drawn evenly, so that all lengths occur.
        """
        goal = rng.randint(12, self._config.augmentation.chain_words)
        parts = [pair]
        while sum(len(part.source.split()) for part in parts) < goal:
            parts.append(self._rename(self._draw(rng, pair.language), rng))
        if rng.random() < 0.5:
            return Pair(
                pair.language,
                " ".join(part.source for part in parts),
                " ".join(part.target for part in parts),
            )
        sides = [self._clauses([part[side] for part in parts]) for side in (1, 2)]
        return Pair(pair.language, *sides)

    def _clauses(self, sentences: Sequence[str]) -> str:
        """One sentence of several: commas between them, lower case where a word has it."""
        clauses = [_END.sub("", sentence) for sentence in sentences[:-1]] + [sentences[-1]]
        return ", ".join(clauses[:1] + [self._finder.inside(clause) for clause in clauses[1:]])

    def _rename(self, pair: Pair, rng: random.Random) -> Pair:
        options = self._config.augmentation
        if self._gazetteer is None or rng.random() >= options.substitute_names:
            return pair
        names = self._finder.shared_names(pair)
        if not names:
            return pair
        new = [self._gazetteer.draw(rng, options.invented_names) for _ in names]
        return substitute(pair, names, new)

    def _name_list(self, gazetteer: Gazetteer, rng: random.Random) -> str:
        share = self._config.augmentation.invented_names
        most = rng.choice((4, 12))
        names = [gazetteer.draw(rng, share) for _ in range(rng.randint(1, most))]
        kind = rng.random()
        if kind < 0.3:
            return " ".join(
                f"{name} {rng.choice((rng.randint(0, 9), rng.randint(0, 2100)))}" for name in names
            )
        if kind < 0.5:
            return " - ".join(names)
        return ", ".join(names)
