"""From teachers' distributions to training sentences.

Scores are stored; everything decided here (thresholds, balance, weights) can be decided again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.schema import Span
from stages.self_train.config import SelfTrainConfig
from stages.tagger.labels import LabelSet
from stages.train.data import TrainingSentence

Drop = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TeacherLabels:
    """A sentence with what its teachers think.

    Attributes:
        id: Its id.
        words: Its words.
        probs: (words, labels).
        spans: The decoded entities, with scores.
        reason: Why the teachers could not label it, if they could not.
    """

    id: str
    words: Sequence[str]
    probs: NDArray[np.float32]
    spans: list[Span] = field(default_factory=list)
    reason: str | None = None


def teach(
    rows: Iterable[tuple[str, Sequence[str]]],
    distributions: Iterable[NDArray[np.float32]],
    label_set: LabelSet,
    reasons: Mapping[str, str] | None = None,
) -> Iterator[TeacherLabels]:
    """Join sentences with their distributions and decode these (constrained).

    Args:
        rows: Ids and words.
        distributions: (words, labels) of each.
        label_set: The labels.
        reasons: Why sentences could not be labelled, by id.
    """
    unlabelled = reasons or {}
    for (name, words), probs in zip(rows, distributions, strict=True):
        starts = np.array([0, len(words)], dtype=np.int64)
        spans = label_set.decode(probs, starts)[0]
        yield TeacherLabels(name, words, probs, spans, unlabelled.get(name))


def score_thresholds(
    taught: Iterable[TeacherLabels], options: SelfTrainConfig, types: Sequence[str]
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
    taught: Iterable[TeacherLabels],
    options: SelfTrainConfig,
    thresholds: Mapping[str, float],
    seed: int,
    counts: dict[str, int],
    drop: Drop,
) -> Iterator[TrainingSentence]:
    """Turn pseudo-labelled sentences into training sentences.

    Args:
        taught: The sentences.
        options: What is decided how.
        thresholds: Least score of an entity by type; the words of an entity below it are masked.
        seed: For the draw among sentences without entities.
        counts: Gets ``entities_masked``, ``without_entities_left_out`` and the like.
        drop: Called with the reason for every dropped sentence.
    """
    generator = np.random.default_rng(seed)
    for sentence in taught:
        if not len(sentence.words):
            continue
        draw = generator.random()
        if sentence.reason is not None:
            drop(sentence.reason)
            continue
        if float(sentence.probs.max(1).mean()) < options.min_confidence:
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
            _add(counts, "without_entities_left_out")
            continue
        _add(counts, "pseudo_labelled")
        _add(counts, "entities_masked", len(unsure))
        _add(counts, "entities_pseudo_labelled", len(sentence.spans) - len(unsure))
        soft = options.labels == "soft"
        yield TrainingSentence(
            sentence.words,
            () if soft else [s for s in sentence.spans if s not in unsure],
            options.pseudo_weight,
            sentence.probs if soft else None,
            None if mask.all() else mask,
            sentence.id,
        )


def agreement(labels: NDArray[np.int64], sentence: TeacherLabels, outside: int) -> float:
    """Return how far the teachers agree with given labels, in [0, 1].

    It is the mean probability that they give to the label, over the words that either side thinks
    belong to an entity; 1 where there are none.

    Args:
        labels: (words) label ids.
        sentence: The same sentence with the teachers' distributions.
        outside: The id of ``O``.
    """
    asked = labels != outside
    for span in sentence.spans:
        asked[span.start : span.end] = True
    if not asked.any():
        return 1.0
    return float(sentence.probs[np.arange(len(labels)), labels][asked].mean())


def projected_with_teachers(
    examples: Iterable[TrainingSentence],
    taught: Iterable[TeacherLabels],
    options: SelfTrainConfig,
    label_set: LabelSet,
    counts: dict[str, int],
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
        agreed = agreement(labels, sentence, label_set.outside)
        if options.disagreement == "drop" and agreed < options.disagreement_threshold:
            drop("disagreement")
            continue
        if options.disagreement == "weight" and agreed < 1.0:
            weight *= agreed
            _add(counts, "projected_down_weighted")
        probs = None
        if options.teacher_share:
            given = np.eye(len(label_set), dtype=np.float32)[labels]
            share = np.float32(options.teacher_share)
            probs = share * sentence.probs + (1 - share) * given
        yield TrainingSentence(
            example.words, example.spans, weight, probs, example.mask, example.id
        )


def _add(counts: dict[str, int], name: str, n: int = 1) -> None:
    counts[name] = counts.get(name, 0) + n
