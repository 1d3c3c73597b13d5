"""Word links for the alignment objective, from the project's statistical aligner.

Hidden Markov models of both directions on three granularities (`stages.word_alignment.statistical`)
need no model and no gold links, and are a far better aligner than an encoder that has seen a few
million words: a good teacher for it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import BertTokenizer

from model_recipes.encoder.config import ObjectiveConfig
from model_recipes.shared.corpus import TrainingText
from stages.word_alignment.statistical.aligner import StatisticalAligner

Links = NDArray[np.int16]

_MAX_CHARACTERS = 500
"""Of both sides together; longer pairs would not fit into a row anyway."""


def link_corpus(
    corpus: TrainingText, tokenizer: BertTokenizer, objective: ObjectiveConfig, kept: Path
) -> dict[int, Links]:
    """Word links for up to `linked_pairs` pairs of each language, evenly spread over its pairs.

    Words are those of the tokenizer's pre-tokenisation, so that their numbers are the
    `word_ids` of its encodings. Pairs without links are left out.

    Args:
        corpus: The pairs.
        tokenizer: Of the encoder.
        objective: How many pairs, and how probable a link must be.
        kept: An `.npz` file: read if it is there, else written.

    Returns:
        By index of the pair an array of shape (links, 2): source word, target word.
    """
    if kept.exists():
        with np.load(kept) as arrays:
            numbers, starts = np.unique(arrays["pair"], return_index=True)
            parts = np.split(arrays["link"], starts[1:])
            return dict(zip(numbers.tolist(), parts, strict=True))
    backend = tokenizer.backend_tokenizer

    def words(text: str) -> list[str]:
        normal = backend.normalizer.normalize_str(text)
        return [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal)]

    by_language: dict[str, list[int]] = {}
    for index, pair in enumerate(corpus.pairs):
        if len(pair.source) + len(pair.target) < _MAX_CHARACTERS:
            by_language.setdefault(pair.language, []).append(index)
    links: dict[int, Links] = {}
    for language in sorted(by_language):
        indices = _spread(by_language[language], objective.linked_pairs)
        pairs = [(words(corpus.pairs[i].source), words(corpus.pairs[i].target)) for i in indices]
        links |= dict(zip(indices, _align(pairs, objective.link_probability), strict=True))
    links = {index: links[index] for index in sorted(links) if len(links[index])}
    if links:
        numbers = np.repeat(list(links), [len(link) for link in links.values()])
        unfinished = kept.with_suffix(".unfinished.npz")
        np.savez(unfinished, pair=numbers, link=np.concatenate(list(links.values())))
        unfinished.rename(kept)
    return links


def _align(pairs: list[tuple[list[str], list[str]]], least: float) -> list[Links]:
    aligner = StatisticalAligner.fit(lambda: iter(pairs), lambda: iter(()))
    return [
        np.array([(k.source, k.target) for k in found if k.prob >= least], np.int16).reshape(-1, 2)
        for found in aligner.align(pairs)
    ]


def _spread(indices: list[int], most: int) -> list[int]:
    """At most so many, at even distances: corpora are often sorted by length."""
    if len(indices) <= most:
        return indices
    return [indices[position * len(indices) // most] for position in range(most)]
