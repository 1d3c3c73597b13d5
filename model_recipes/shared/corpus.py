"""Sentence pairs and sentences, cleaned, with the evaluation text taken out and counted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field, model_validator

from pipeline.config import ConfigModel
from pipeline.errors import DataError
from stages.synthesize.overlap import sentence_key
from stages.text_sources import TextPair, TextSource, read_rows

DropReason = Literal[
    "no_words", "too_long", "length_ratio", "untranslated", "duplicate", "evaluation_overlap"
]


class CorpusConfig(ConfigModel):
    """Which text a model is made from, and which text it must not see."""

    pivot_language: str = Field(
        "en",
        description="the language that every pair shares; pairs are turned so that it comes first",
    )
    parallel: tuple[TextSource, ...] = Field((), description="sentence pairs")
    monolingual: tuple[TextSource, ...] = Field((), description="text in one language")
    evaluation: tuple[TextSource, ...] = Field(
        (),
        description="text that is measured on; a sentence that occurs here, on any "
        "side, is not trained on",
    )
    held_out_per_mille: int = Field(
        15,
        ge=0,
        lt=1000,
        description="sentences of a thousand that are kept out, to measure on while training",
    )
    max_words: int = Field(120, gt=0, description="longer sentences are left out")
    max_length_ratio: float = Field(
        3.0,
        gt=1,
        description="between the numbers of characters, for sides of 20 characters and more",
    )

    @model_validator(mode="after")
    def _sides(self) -> CorpusConfig:
        for source in self.parallel:
            if len(source.languages) != 2 or self.pivot_language not in source.languages:
                raise ValueError(
                    f"parallel: {source.path} has languages {source.languages}; "
                    f"one of two must be {self.pivot_language!r}"
                )
        for source in self.monolingual:
            if len(source.languages) != 1:
                raise ValueError(f"monolingual: {source.path} must have one language")
        return self

    @property
    def sources(self) -> tuple[TextSource, ...]:
        """Everything that is read: what is trained on, and what must not be."""
        return (*self.parallel, *self.monolingual, *self.evaluation)

    @property
    def languages(self) -> list[str]:
        """Every language but the pivot, sorted."""
        codes = {code for s in (*self.parallel, *self.monolingual) for code in s.languages}
        return sorted(codes - {self.pivot_language})


@dataclass
class TrainingText:
    """What is left to train on, what was put aside, and what was dropped, by source file."""

    pairs: list[TextPair] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    """Of the pairs, as their sources have them."""
    sentences: list[tuple[str, str]] = field(default_factory=list)
    """`(language, sentence)` of the monolingual sources."""
    held_out: list[TextPair] = field(default_factory=list)
    dropped: dict[str, Counter[DropReason]] = field(default_factory=dict)
    read: Counter[str] = field(default_factory=Counter)
    evaluation_keys: int = 0

    def report(self) -> str:
        """Lines that say how much was read, kept, put aside and dropped."""
        lines = [f"{self.evaluation_keys} different evaluation sentences are kept out"]
        for name, count in self.read.items():
            drops = ", ".join(f"{reason} {n}" for reason, n in sorted(self.dropped[name].items()))
            lines.append(f"{name}: {count} read; dropped: {drops or 'none'}")
        lines.append(
            f"{len(self.pairs)} pairs and {len(self.sentences)} sentences to train on, "
            f"{len(self.held_out)} pairs held out"
        )
        return "\n".join(lines)

    def digest(self) -> str:
        """A hash of the training text, for the fingerprint of a checkpoint."""
        digest = hashlib.blake2b(digest_size=16)
        for row in (*self.pairs, *self.sentences):
            digest.update("\t".join(row).encode())
        return digest.hexdigest()


def load_corpus(config: CorpusConfig) -> TrainingText:
    """Reads, cleans and divides the text of the configuration; drops are counted by reason.

    Raises:
        FileNotFoundError: If a file is missing.
        DataError: If a file cannot be read as configured, or nothing is left to train on.
    """
    keys = keys_of(config.evaluation)
    corpus = TrainingText(evaluation_keys=len(keys))
    seen: set[tuple[str, str, str]] = set()
    origins: list[str] = []
    for source in config.parallel:
        name = _name(source)
        drops: Counter[DropReason] = corpus.dropped.setdefault(name, Counter())
        swapped = source.languages[0] != config.pivot_language
        for row in read_rows(source):
            corpus.read[name] += 1
            first, second = (" ".join(cell.split()) for cell in row)
            if swapped:
                first, second = second, first
            pair = TextPair(source.languages[0 if swapped else 1], first, second)
            reason = _fault(pair, keys, config)
            if reason is None and pair in seen:
                reason = "duplicate"
            if reason is not None:
                drops[reason] += 1
                continue
            seen.add(pair)
            if source.hold_out and held_out(first, config.held_out_per_mille):
                corpus.held_out.append(pair)
            else:
                corpus.pairs.append(pair)
                corpus.weights.append(source.weight)
                origins.append(name)
    held_keys = {sentence_key(side) for pair in corpus.held_out for side in pair[1:]}
    _drop_held_out(corpus, held_keys - {""}, origins)
    seen_sentences: set[str] = set()
    for source in config.monolingual:
        name = _name(source)
        drops = corpus.dropped.setdefault(name, Counter())
        for (text,) in read_rows(source):
            corpus.read[name] += 1
            sentence = " ".join(text.split())
            key = sentence_key(sentence)
            fault: DropReason | None = None
            if not key:
                fault = "no_words"
            elif len(sentence.split()) > config.max_words:
                fault = "too_long"
            elif key in keys or key in held_keys:
                fault = "evaluation_overlap"
            elif key in seen_sentences:
                fault = "duplicate"
            if fault is not None:
                drops[fault] += 1
                continue
            seen_sentences.add(key)
            corpus.sentences.append((source.languages[0], sentence))
    if not corpus.pairs and not corpus.sentences:
        raise DataError("nothing is left to train on:\n" + corpus.report())
    return corpus


def _drop_held_out(corpus: TrainingText, held_keys: set[str], origins: Sequence[str]) -> None:
    """Drop pairs with a sentence, on either side, that was put aside from another source."""
    kept = []
    for index, (pair, name) in enumerate(zip(corpus.pairs, origins, strict=True)):
        if any_key(held_keys, pair[1:]):
            corpus.dropped[name]["evaluation_overlap"] += 1
        else:
            kept.append(index)
    corpus.pairs = [corpus.pairs[k] for k in kept]
    corpus.weights = [corpus.weights[k] for k in kept]


def _name(source: TextSource) -> str:
    return f"{source.path.parent.name}/{source.path.name} ({'-'.join(source.languages)})"


def _fault(pair: TextPair, keys: set[str], config: CorpusConfig) -> DropReason | None:
    _, first, second = pair
    if not any(c.isalnum() for c in first) or not any(c.isalnum() for c in second):
        return "no_words"
    if max(len(first.split()), len(second.split())) > config.max_words:
        return "too_long"
    if any_key(keys, (first, second)):
        return "evaluation_overlap"
    longer, shorter = max(len(first), len(second)), min(len(first), len(second))
    if longer >= 20 and longer > config.max_length_ratio * shorter:
        return "length_ratio"
    if first == second and len(first.split()) > 3:
        return "untranslated"
    return None


def share_by_language(
    pairs: Sequence[TextPair], exponent: float, weights: Sequence[float] | None = None
) -> dict[str, float]:
    """Sampling weights of the languages, proportional to their size to the power of `exponent`.

    A pair counts as much as its weight; 1 without `weights`.
    """
    sizes: dict[str, float] = {}
    for pair, weight in zip(pairs, weights or [1.0] * len(pairs), strict=True):
        sizes[pair.language] = sizes.get(pair.language, 0.0) + weight
    raised = {code: size**exponent for code, size in sorted(sizes.items())}
    total = sum(raised.values())
    return {code: share / total for code, share in raised.items()}


def held_out(text: str, per_mille: int) -> bool:
    """Whether the sentence belongs to the held-out part, by a hash of its key.

    Corpora of several languages share their English sides, so the English sentence decides: then
    no held-out sentence is seen in training through another language.
    """
    digest = hashlib.blake2b(sentence_key(text).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 1000 < per_mille


def keys_of(sources: Sequence[TextSource]) -> set[str]:
    """The keys of every sentence, on every side, of the evaluation sources."""
    keys: set[str] = set()
    for source in sources:
        for row in read_rows(source):
            keys.update(sentence_key(cell) for cell in row)
    keys.discard("")
    return keys


def any_key(keys: set[str], sentences: Iterable[str]) -> bool:
    """Whether one of the sentences has one of the keys."""
    return any(sentence_key(sentence) in keys for sentence in sentences)
