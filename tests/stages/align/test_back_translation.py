"""Links by way of a back-translation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.schema import Link
from stages.align.build import build, learn
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.kinds.back_translation import BackTranslationAligner, back_translator, compose
from stages.align.kinds.base import PairsToLearn
from stages.align.planning import plan, problems
from tests.stages.align.test_statistical import ciphered
from tests.tiny.text import sentences
from tests.tiny.translators import build_marian

Pairs = list[tuple[list[str], list[str]]]


def test_a_path_is_as_probable_as_its_weakest_step_and_a_link_as_its_best_path() -> None:
    first = [Link(0, 0, 0.9), Link(0, 1, 0.6), Link(1, 1, 0.4), Link(2, 3, 0.9)]
    second = [Link(0, 5, 0.5), Link(1, 5, 0.8), Link(1, 2, 0.7), Link(2, 0, 1.0)]
    assert compose(first, second, 0.5) == [Link(0, 2, 0.6), Link(0, 5, 0.6)]
    assert compose(first, second, 0.1)[2:] == [Link(1, 2, 0.4), Link(1, 5, 0.4)]
    assert compose([], second, 0.1) == compose(first, [], 0.1) == []


def test_links_are_followed_through_a_paraphrase(tmp_path: Path) -> None:
    """The back-translation has the source's words in another order; every target is found."""
    pairs, gold = ciphered(300, seed=4)
    back = {
        tuple(target): [source[i] for i in sorted(range(len(source)), key=lambda i: -i)]
        for source, target in pairs
    }
    asked: list[int] = []
    told: list[int] = []

    def back_translate(targets: Sequence[list[str]]) -> list[list[str]]:
        asked.append(len(targets))
        return [back[tuple(t)] for t in targets]

    twice = [*pairs, pairs[0]]
    BackTranslationAligner.fit(
        lambda: iter(twice), lambda: iter(()), back_translate, tmp_path, told.append
    )
    assert sum(asked) == len(pairs) and sum(told) == len(twice)
    aligner = BackTranslationAligner.load(tmp_path)
    found = [{(k.source, k.target) for k in links} for links in aligner.align(pairs)]
    right = sum(len(a & b) for a, b in zip(found, gold, strict=True))
    assert right / sum(map(len, found)) > 0.95
    assert right / sum(map(len, gold)) > 0.9
    soft = BackTranslationAligner.load(tmp_path, floor=0.05).align(pairs)
    for links, hard in zip(soft, found, strict=True):
        assert {(k.source, k.target) for k in links if k.prob >= 0.5} == hard
    # A floor below what is kept by default is honoured from the beginning.
    BackTranslationAligner.fit(
        lambda: iter(pairs), lambda: iter(()), back_translate, tmp_path, kept=1e-4
    )
    weak = BackTranslationAligner.load(tmp_path, floor=1e-4).align(pairs)
    assert 1e-4 <= min(k.prob for links in weak for k in links) < 0.01


def test_what_has_no_back_translation_is_unaligned(tmp_path: Path) -> None:
    same = ["Nairobi", "1963"]
    pairs: Pairs = [(same, same), (["a"], ["z"]), ([], ["x"]), (["a"], [])]

    def back_translate(targets: Sequence[list[str]]) -> list[list[str]]:
        return [t if t == same else [] for t in targets]

    BackTranslationAligner.fit(lambda: iter(pairs), lambda: iter(()), back_translate, tmp_path)
    aligner = BackTranslationAligner.load(tmp_path)
    told: list[int] = []
    links = aligner.align([*pairs, (["c"], ["never", "seen"])], told.append)
    assert [bool(found) for found in links] == [True, False, False, False, False]
    assert sum(told) == 5


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("marian") / "m"
    return build_marian(folder, tags=(">>de<<", ">>en<<"), pair=None)


def test_targets_are_translated_into_the_sources_language(
    marian: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLNER_CACHE", str(tmp_path / "cache"))
    pairs = [(a.split(), b.split()) for a, b in zip(sentences(6, 1), sentences(6, 2), strict=True)]
    translate = back_translator(marian, "en", "de", "cpu")
    words = translate([target for _, target in pairs])
    assert len(words) == 6 and all(w and not c.isspace() for s in words for w in s for c in w)
    config = AlignConfig(aligner="back_translation", model=str(marian))
    around = AlignmentContext("en", "de", None, str(marian))
    assert not list(problems(config, around))
    planned = plan(config, around)
    learn(planned, PairsToLearn(lambda: iter(pairs), lambda: iter(())), tmp_path)
    links = build(planned, tmp_path).align(pairs)
    for (source, target), found in zip(pairs, links, strict=True):
        assert all(k.source < len(source) and k.target < len(target) for k in found)


def test_a_translator_of_the_other_direction_only_is_found_before_anything_runs(
    marian: Path,
) -> None:
    config = AlignConfig(aligner="back_translation")
    (problem,) = problems(config, AlignmentContext("sw", "en", None, str(marian)))
    assert problem.key == "models.translator" and "'sw'" in problem.message
    (problem,) = problems(config, AlignmentContext("en", None, None, str(marian)))
    assert "both languages" in problem.message
    (problem,) = problems(config, AlignmentContext("en", "de"))
    assert "needs a model" in problem.message
