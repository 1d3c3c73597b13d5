"""Labels, decoding, scoring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

from pipeline.errors import DataError, ModelError
from pipeline.schema import Span
from stages.tagger.labels import LabelSet, span_f1

LABELS = LabelSet.of_types(["LOC", "PER"])


@st.composite
def spans(draw: st.DrawFn, length: int) -> list[Span]:
    found, at = [], 0
    while at < length:
        at += draw(st.integers(0, 3))
        size = draw(st.integers(1, 3))
        if at + size > length:
            break
        found.append(Span(at, at + size, draw(st.sampled_from(LABELS.types))))
        at += size
    return found


@st.composite
def sentences(draw: st.DrawFn) -> list[tuple[int, list[Span]]]:
    lengths = draw(st.lists(st.integers(0, 12), max_size=5))
    return [(n, draw(spans(n))) for n in lengths]


def probabilities(seed: int, length: int, labels: LabelSet = LABELS) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(size=(length, len(labels))) * 2
    return (np.exp(scores) / np.exp(scores).sum(1, keepdims=True)).astype(np.float32)


def one_hot(ids: np.ndarray) -> np.ndarray:
    return np.eye(len(LABELS), dtype=np.float32)[ids]


@given(sentences())
def test_spans_survive_labels_and_back(data: list[tuple[int, list[Span]]]) -> None:
    ids = [LABELS.encode(wanted, n) for n, wanted in data]
    starts = np.cumsum([0, *(n for n, _ in data)])
    flat = np.concatenate([np.zeros(0, np.int64), *ids])
    for constrained in (True, False):
        found = LABELS.decode(one_hot(flat), starts, constrained=constrained)
        assert [[(s.start, s.end, s.type) for s in f] for f in found] == [
            [(s.start, s.end, s.type) for s in wanted] for _, wanted in data
        ]
        assert all(s.score == pytest.approx(1.0) for f in found for s in f)


def valid(names: list[str]) -> bool:
    before = "O"
    for name in names:
        if name.startswith("I-") and before[2:] != name[2:]:
            return False
        before = name
    return True


@given(st.integers(0, 10_000), st.integers(0, 6))
@settings(max_examples=60)
def test_viterbi_finds_the_best_valid_sequence(seed: int, length: int) -> None:
    probs = probabilities(seed, length)
    found = LABELS.viterbi(probs)
    assert valid([LABELS.names[i] for i in found])
    best, at = -np.inf, np.arange(length)
    for index in np.ndindex(*[len(LABELS)] * min(length, 5)):
        if length > 5:
            return
        if valid([LABELS.names[i] for i in index]):
            best = max(best, np.log(probs[at, list(index)].astype(float)).sum())
    assert np.log(probs[at, found].astype(float)).sum() == pytest.approx(best)


def test_constrained_decoding_never_lets_a_stray_i_through() -> None:
    # Most probable labels: I-LOC, I-PER, O, I-LOC (nothing before any of them).
    probs = np.full((4, 5), 0.05, np.float32)
    for word, label in enumerate(["I-LOC", "I-PER", "O", "I-LOC"]):
        probs[word, LABELS.names.index(label)] = 0.8
    starts = np.array([0, 3, 4])
    free = LABELS.decode(probs, starts, constrained=False)
    assert [[(s.start, s.end, s.type) for s in f] for f in free] == [
        [(0, 1, "LOC"), (1, 2, "PER")],
        [(0, 1, "LOC")],
    ]
    ids = [LABELS.viterbi(probs[a:b]) for a, b in ((0, 3), (3, 4))]
    decoded = LABELS.decode(probs, starts)
    again = [LABELS.spans(i, np.array([0, len(i)]))[0] for i in ids]
    assert [[(s.start, s.end, s.type) for s in f] for f in decoded] == [
        [(s.start, s.end, s.type) for s in f] for f in again
    ]
    assert all(valid([LABELS.names[i] for i in i_]) for i_ in ids)


def test_a_word_without_subwords_continues_an_entity_but_starts_none() -> None:
    probs = np.full((3, 5), 0.02, np.float32)
    probs[0, LABELS.names.index("B-PER")] = 0.92
    probs[1] = LABELS.neutral
    probs[2, LABELS.names.index("I-PER")] = 0.92
    found = LABELS.decode(probs, np.array([0, 3]))[0]
    assert [(s.start, s.end, s.type) for s in found] == [(0, 3, "PER")]
    alone = LABELS.decode(LABELS.neutral[None], np.array([0, 1]))
    assert alone == [[]]
    assert LABELS.neutral.sum() == pytest.approx(1)


@given(st.integers(0, 10_000))
@settings(max_examples=50)
def test_span_f1_is_seqevals_strict_score(seed: int) -> None:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 15, size=6)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    gold = LABELS.decode(probabilities(seed, int(starts[-1])), starts)
    guess = LABELS.decode(probabilities(seed + 1, int(starts[-1])), starts)
    mixed = [g if generator.random() < 0.5 else w for g, w in zip(guess, gold, strict=True)]

    def tags(found: list[list[Span]]) -> list[list[str]]:
        pairs = zip(found, lengths, strict=True)
        return [[LABELS.names[i] for i in LABELS.encode(f, int(n))] for f, n in pairs]

    ours = span_f1(mixed, gold)
    strict = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
    assert ours["f1"] == pytest.approx(f1_score(tags(gold), tags(mixed), **strict))
    assert ours["precision"] == pytest.approx(precision_score(tags(gold), tags(mixed), **strict))
    assert ours["recall"] == pytest.approx(recall_score(tags(gold), tags(mixed), **strict))


def test_labels_of_another_kind_are_refused() -> None:
    with pytest.raises(ModelError, match="are not IOB2 labels"):
        LabelSet(["LABEL_0", "LABEL_1"])
    io = LabelSet(["I-LOC", "O", "I-PER"])
    assert io.types == ["LOC", "PER"]
    assert io.allowed.all()


def test_errors_name_the_sentence_and_what_is_allowed() -> None:
    with pytest.raises(DataError, match=r"s-7: entity type 'ORG' is not one .*\(LOC, PER\)"):
        LABELS.encode([Span(0, 1, "ORG")], 3, "s-7")
    with pytest.raises(DataError, match=r"s-8: span \[2, 4\) does not fit its 3 words"):
        LABELS.encode([Span(2, 4, "LOC")], 3, "s-8")
