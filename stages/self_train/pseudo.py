"""From teachers' distributions to training sentences.

Scores are stored; everything decided here (thresholds, balance, weights) can be decided again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stages.self_train.config import SelfTrainConfig
from stages.tagger.calibration import tempered
from stages.tagger.labels import LabelSet
from stages.train.data import TrainingSentence

Drop = Callable[[str], None]


def teach(
    rows: Iterable[tuple[str, Sequence[str]]],
    distributions: Iterable[NDArray[np.float32]],
    label_set: LabelSet,
    softening: float = 1.0,
) -> Iterator[TrainingSentence]:
    """Join sentences with what their teachers think: distributions, and the entities in them.

    Args:
        rows: Ids and words.
        distributions: (words, labels) of each; entities are decoded from them (constrained).
        label_set: The labels.
        softening: The temperature that makes the entities' scores calibrated.
    """
    for (name, words), probs in zip(rows, distributions, strict=True):
        (spans,) = label_set.decode_each([tempered(probs, softening)])
        yield TrainingSentence(words, spans, probs=probs, id=name)


def score_thresholds(
    taught: Iterable[TrainingSentence], options: SelfTrainConfig, types: Sequence[str]
) -> dict[str, float]:
    """Return the least score of a pseudo-labelled entity, for each type.

    With ``balance_share`` it is raised, type by type, to the score that this share of the type's
    entities reaches (class-balanced self-training, Zou et al. 2018): a type on which the teachers
    are less sure is not crowded out by those on which they are sure.
    """
    given = options.confidence
    least = {t: given.get(t, 0.0) if isinstance(given, Mapping) else given for t in types}
    if options.balance_share is None:
        return least
    scores: dict[str, list[float]] = defaultdict(list)
    for sentence in taught:
        for span in sentence.spans:
            scores[span.type].append(span.score or 0.0)
    for name, found in scores.items():
        quantile = float(np.quantile(found, 1 - options.balance_share, method="higher"))
        least[name] = max(least.get(name, 0.0), quantile)
    return least


def pseudo_examples(
    taught: Iterable[TrainingSentence],
    options: SelfTrainConfig,
    thresholds: Mapping[str, float],
    seed: int,
    counts: Counter[str],
    drop: Drop,
    reasons: Mapping[str, str] | None = None,
    softening: float = 1.0,
) -> Iterator[TrainingSentence]:
    """Decide which pseudo-labelled sentences are trained on, and which of their words and labels.

    Args:
        taught: The sentences (:func:`teach`).
        options: What is decided how.
        thresholds: Least score of an entity by type; the words of an entity below it are masked.
        seed: For the draw among sentences without entities.
        counts: Gets ``entities_masked``, ``without_entities_left_out`` and the like.
        drop: Called with the reason for every dropped sentence.
        reasons: Why the teachers could not label sentences, by id.
        softening: The temperature that makes the teachers' confidence calibrated.
    """
    generator = np.random.default_rng(seed)
    unlabelled = reasons or {}
    for sentence in taught:
        if not len(sentence.words):
            continue
        draw = generator.random()
        if sentence.id in unlabelled:
            drop(unlabelled[sentence.id])
            continue
        sure = tempered(_probs(sentence), softening).max(1)
        if float(sure.mean()) < options.min_confidence:
            drop("low_confidence")
            continue
        unsure = [s for s in sentence.spans if (s.score or 0.0) < thresholds.get(s.type, 0.0)]
        mask = np.ones(len(sentence.words), dtype=bool)
        for span in unsure:
            mask[span.start : span.end] = False
        if not mask.any():
            drop("low_confidence")
            continue
        if not sentence.spans and draw >= options.empty_share:
            counts["without_entities_left_out"] += 1
            continue
        counts["pseudo_labelled"] += 1
        counts["entities_masked"] += len(unsure)
        counts["entities_pseudo_labelled"] += len(sentence.spans) - len(unsure)
        soft = options.labels == "soft"
        yield replace(
            sentence,
            spans=() if soft else [s for s in sentence.spans if s not in unsure],
            weight=options.pseudo_weight,
            probs=sentence.probs if soft else None,
            mask=None if mask.all() else mask,
        )


def agreement(
    labels: NDArray[np.int64],
    sentence: TrainingSentence,
    outside: int,
    mask: NDArray[np.bool_] | None = None,
) -> float:
    """Return how far the teachers agree with given labels, in [0, 1].

    It is the mean probability that they give to the label, over the words that either side thinks
    belong to an entity; 1 where there are none.

    Args:
        labels: (words) label ids.
        sentence: The same sentence with the teachers' distributions.
        outside: The id of ``O``.
        mask: (words) ``False`` for words whose given label says nothing.
    """
    asked = labels != outside
    for span in sentence.spans:
        asked[span.start : span.end] = True
    if mask is not None:
        asked &= mask
    if not asked.any():
        return 1.0
    return float(_probs(sentence)[np.arange(len(labels)), labels][asked].mean())


def projected_with_teachers(
    examples: Iterable[TrainingSentence],
    taught: Iterable[TrainingSentence],
    options: SelfTrainConfig,
    label_set: LabelSet,
    counts: Counter[str],
    drop: Drop,
) -> Iterator[TrainingSentence]:
    """Reconsider projected sentences in the light of the teachers.

    Args:
        examples: The projected sentences.
        taught: The same sentences with the teachers' distributions.
        options: ``disagreement``, ``disagreement_threshold``, ``teacher_share``.
        label_set: The labels.
        counts: Gets ``projected_down_weighted``.
        drop: Called with the reason for every dropped sentence.
    """
    for example, sentence in zip(examples, taught, strict=True):
        labels = label_set.encode(example.spans, len(example.words), example.id)
        weight = example.weight
        agreed = agreement(labels, sentence, label_set.outside, example.mask)
        if options.disagreement == "drop" and agreed < options.disagreement_threshold:
            drop("disagreement")
            continue
        if options.disagreement == "weight" and agreed < 1.0:
            weight *= agreed
            counts["projected_down_weighted"] += 1
        probs = None
        if options.teacher_share:
            given = np.eye(len(label_set), dtype=np.float32)[labels]
            share = np.float32(options.teacher_share)
            probs = share * _probs(sentence) + (1 - share) * given
        yield replace(example, weight=weight, probs=probs)


def _probs(sentence: TrainingSentence) -> NDArray[np.float32]:
    assert sentence.probs is not None
    return sentence.probs
