"""The corpus statistics: what they count, and that no sentence votes for itself."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from stages.project.batch import Batch, LabelledPair
from stages.project.build import gather
from stages.project.candidate import CandidateProjector
from stages.project.features import Column
from stages.project.hashing import CountTable
from stages.project.matching import Evidence, default_weights, second_pass
from stages.project.statistics import (
    FIRST,
    IN,
    Chosen,
    Contribution,
    Habits,
    N,
    Statistics,
    habits,
)
from stages.project.words import Vocabulary, fold, hash_stem, hash_word
from tests.stages.project.examples import VISIT, pair

OTHER = pair("Merkel left Bonn .", "0-1:PER 2-3:LOC", "Merkel verließ Bonn .", "0-0 1-1 2-2 3-3")


def gathered(*batches: list[LabelledPair]) -> Statistics:
    statistics = Statistics()
    projector = CandidateProjector()
    for listed in batches:
        projector.gather(Batch.from_pairs(listed), statistics)
    return statistics


def same(left: Statistics, right: Statistics) -> bool:
    names = [f.name for f in fields(Statistics) if isinstance(getattr(left, f.name), CountTable)]
    assert "neighbours" in names
    tables = [(getattr(left, n), getattr(right, n)) for n in names]
    return all(
        len(a) == len(b) and np.array_equal(a.keys, b.keys) and np.allclose(a.values, b.values)
        for a, b in tables
    ) and np.allclose(left.shapes, right.shapes)


def test_counts_do_not_depend_on_the_parts() -> None:
    assert same(gathered([VISIT, OTHER]), gathered([VISIT], [OTHER]))
    assert not same(gathered([VISIT, OTHER]), gathered([VISIT]))


def test_saved_statistics_are_the_same(tmp_path: Path) -> None:
    statistics = gathered([VISIT, OTHER])
    statistics.save(tmp_path / "s")
    loaded = Statistics.load(tmp_path / "s")
    assert same(statistics, loaded)
    assert np.array_equal(statistics.lengths, loaded.lengths)


def test_habits_count_expected_spans() -> None:
    statistics = gathered([VISIT, OTHER])
    merkel, in_word = (np.array([hash_word(w)], np.uint64) for w in ("Merkel", "in"))
    assert 1.5 < statistics.habits.get(merkel)[0, IN] <= 2
    assert 0.5 < statistics.habits.get(merkel)[0, FIRST] <= 1, "first in one of two sentences"
    assert statistics.habits.get(in_word)[0, IN] < 0.2


@pytest.mark.parametrize("listed", [[VISIT], [VISIT, OTHER]])
def test_a_sentence_does_not_vote_for_itself(listed: list[LabelledPair]) -> None:
    statistics = gathered(listed)
    batch = Batch.from_pairs([VISIT])
    evidence = Evidence.of(batch, np.arange(batch.n_entities))
    kept: list[Column] = []
    second_pass(batch, evidence, default_weights(), statistics, kept=kept)
    columns = {name: values for name, _, values in kept}
    for name in ("rendering", "rendering_log", "name"):
        if len(listed) == 1:
            assert not columns[name].any(), name
    elsewhere = columns["dictionary_share"]
    assert elsewhere.any() == (len(listed) > 1), "only the other sentence speaks for Merkel"


def test_the_dictionary_knows_inflected_forms() -> None:
    elsewhere = pair("a Dutch dike", "1-2:MISC", "ein niederländischer Deich", "1-1")
    here = pair("the Dutch dikes", "1-2:MISC", "die niederländischen Deiche", "")
    batch = Batch.from_pairs([here])
    evidence = Evidence.of(batch, np.arange(batch.n_entities))
    for listed, known in (([here], False), ([here, elsewhere], True)):
        kept: list[Column] = []
        scored = second_pass(batch, evidence, default_weights(), gathered(listed), kept=kept)
        columns = {name: values for name, _, values in kept}
        assert (len(scored.candidates) > 0) is known, "without a link the dictionary makes the seed"
        assert not known or columns["dictionary_cover"].max() > 0.3


def looked_up(sentences: list[str]) -> tuple[list[str], Habits]:
    """Return the last sentence's words and habits; all sentences are counted, without entities."""
    batches = [Batch.from_pairs([LabelledPair(["x"], [], s.split())]) for s in sentences]
    statistics = Statistics()
    for batch in batches:
        statistics.add(batch, Chosen.join([]))
    own = Contribution.of(batches[-1], Chosen.join([]))
    return sentences[-1].split(), habits(batches[-1], statistics, own)


def test_neighbours_tell_what_stands_together() -> None:
    words, found = looked_up(["to San Jose", "San Jose and San Jose", "Jose came", "of San Jose"])
    expected = dict(zip(words, found.expected, strict=True))
    expecting = dict(zip(words, found.expecting, strict=True))
    assert expected["Jose"] == 3 / (3 + 5), "after three of three San elsewhere, damped by five"
    assert expecting["Jose"] == 3 / (4 + 5), "but Jose stands alone once"
    assert expected["San"] == expecting["San"] == 0, "the sentence itself does not count"
    assert expected["of"] == expecting["of"] == 0, "nothing stands before it"


@pytest.mark.parametrize("joiner", ["'", "\u2019", "-", "\u2013"])
def test_a_lone_hyphen_or_apostrophe_does_not_part_neighbours(joiner: str) -> None:
    sentences = [f"{w} Isra {joiner} ila" for w in ("daga", "zuwa", "kan", "a")]
    words, found = looked_up([*sentences, f"{joiner} Isra {joiner} {joiner} ila {joiner}"])
    for share in (found.expected, found.expecting):
        assert share.tolist() == [0, 0, *[4 / (4 + 5)] * 3, 0], "wherever the word is cut"
    assert words[4] == "ila"


def test_vocabulary_can_be_shared_between_batches() -> None:
    vocabulary = Vocabulary()
    Batch.from_pairs([OTHER], vocabulary)
    shared = CandidateProjector().project(Batch.from_pairs([VISIT], vocabulary))
    alone = CandidateProjector().project(Batch.from_pairs([VISIT]))
    assert np.array_equal(shared.start, alone.start)
    assert np.allclose(shared.score, alone.score)


def test_rows_beyond_the_head_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [VISIT, OTHER, OTHER, VISIT, OTHER]

    def batches() -> list[Batch]:
        return [Batch.from_pairs([p]) for p in listed]

    whole = gather(batches())
    monkeypatch.setattr("stages.project.build.HEAD", 2)
    split = gather(batches())
    n_words = sum(len(p.words) for p in listed)
    for statistics in (whole, split):
        statistics.dictionary.compact()
        assert statistics.shapes[:, N].sum() == n_words
        # Links are counted whatever was chosen.
        merkel = np.array([hash_stem("Merkel", fold("Merkel"))], np.uint64)
        assert statistics.sources.get(merkel)[0, 0] == len(listed)
    assert np.array_equal(whole.dictionary.keys, split.dictionary.keys)


def test_a_copy_is_counted_apart() -> None:
    statistics = gathered([VISIT])
    copy = statistics.copy()
    CandidateProjector().gather(Batch.from_pairs([OTHER]), copy)
    assert same(statistics, gathered([VISIT]))
    assert same(copy, gathered([VISIT, OTHER]))
