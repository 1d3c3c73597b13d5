"""Every aligner takes every pair: empty sides, one word, two thousand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.schema import Link
from pipeline.task import Advance
from stages.align.build import build, learn
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.kinds.base import PairsToLearn
from stages.align.planning import plan
from stages.word_alignment.aligner import WordPair
from stages.word_alignment.pair_source import MAX_WORDS
from tests.stages.align.fixed import Fixed
from tests.stages.align.test_command import run, write
from tests.tiny.translators import build_marian

Pairs = list[tuple[list[str], list[str]]]

ENSEMBLE = {
    "aligner": "ensemble",
    "members": [{"aligner": "statistical"}, {"aligner": "simalign", "weight": 0.5}],
}
KINDS: dict[str, dict[str, Any]] = {
    name: {"aligner": name}
    for name in ("statistical", "softmax", "simalign_reference", "translator", "back_translation")
} | {f"simalign-{m}": {"aligner": "simalign", "method": m} for m in ("inter", "itermax", "match")}
KINDS |= {"words": {"aligner": "simalign", "token_type": "word"}, "ensemble": ENSEMBLE}

LENGTHS = st.one_of(st.integers(0, 5), st.sampled_from([60, 70, 151]))


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory, bert: Path) -> AlignmentContext:
    translator = build_marian(
        tmp_path_factory.mktemp("models") / "marian", (">>de<<", ">>en<<"), None
    )
    return AlignmentContext("en", "de", str(bert), str(translator))


def made_of(lengths: list[tuple[int, int]], seed: int = 0) -> Pairs:
    draw = random.Random(seed)
    words = ["kaba", "da", "Nairobi", "1963", ".", "\u200b", "é", "東京", *"abcdefgh"]
    return [(draw.choices(words, k=a), draw.choices(words, k=b)) for a, b in lengths]


def linked(kind: dict[str, Any], around: AlignmentContext, pairs: Pairs, folder: Path) -> Any:
    planned = plan(AlignConfig.model_validate({**kind, "soft": True}), around)
    learn(planned, PairsToLearn(lambda: iter(pairs), lambda: iter(())), folder)
    return build(planned, folder).align(pairs)


def assert_whole(found: list[list[Link]], pairs: Pairs) -> None:
    assert len(found) == len(pairs)
    for links, (source, target) in zip(found, pairs, strict=True):
        places = [(k.source, k.target) for k in links]
        assert places == sorted(set(places))
        assert all(0 <= i < len(source) and 0 <= j < len(target) for i, j in places)
        assert all(0 <= k.prob <= 1 for k in links)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(lengths=st.lists(st.tuples(LENGTHS, LENGTHS), max_size=5), seed=st.integers(0, 99))
def test_pairs_of_any_length(
    tmp_path_factory: pytest.TempPathFactory,
    around: AlignmentContext,
    kind: str,
    lengths: list[tuple[int, int]],
    seed: int,
) -> None:
    pairs = made_of(lengths, seed)
    assert_whole(linked(KINDS[kind], around, pairs, tmp_path_factory.mktemp("learnt")), pairs)


def test_pairs_of_any_length_by_eflomal(tmp_path: Path, around: AlignmentContext) -> None:
    """Once, not as often as the others: it starts processes, and takes seconds."""
    pytest.importorskip("eflomal", reason='pip install "xlner[eflomal]"')
    lengths = [(0, 3), (2, 0), (0, 0), (1, 1), (5, 3), (151, 2), (1, 60), (70, 151), (60, 60)]
    pairs = made_of(lengths)
    assert_whole(linked({"aligner": "eflomal"}, around, pairs, tmp_path), pairs)


@pytest.mark.parametrize("kind", ["statistical", "simalign-inter", "translator", "ensemble"])
def test_two_thousand_words(tmp_path: Path, around: AlignmentContext, kind: str) -> None:
    pairs = made_of([(2000, 1), (1, 2000), (600, 500), (0, 2000), (3, 3)])
    found = linked(KINDS[kind], around, pairs, tmp_path)
    assert_whole(found, pairs)
    assert found[3] == [] and (found[2] or kind == "statistical")


@pytest.mark.parametrize("aligner", ["statistical", "simalign", "auto"])
def test_a_blank_line_gives_a_blank_line(
    tmp_path: Path, around: AlignmentContext, aligner: str
) -> None:
    source = write(tmp_path / "s", ["Anna visited Lisbon .", "", "Oslo is cold .", ""])
    target = write(tmp_path / "t", ["Anna besuchte Lissabon .", "", "Oslo ist kalt .", "x"])
    options = ("--aligner", aligner, "--model", around.encoder)
    code, shown, error = run(source, target, *(options if aligner == "simalign" else options[:2]))
    assert code == 0, error
    lines = shown.split("\n")
    assert len(lines) == 5 and lines[1] == lines[3] == "" and lines[0] and lines[2]
    assert "(2 with an empty side)" in error


@pytest.mark.parametrize(("words", "lines"), [(150, 1), (151, 1), (2000, 1), (0, 3), (0, 0)])
def test_a_corpus_of_long_or_of_blank_lines(
    tmp_path: Path, words: int, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    sides = [" ".join(f"{x}{k % 40}" for k in range(words)) for x in "wv"]
    files = [tmp_path / name for name in "st"]
    for path, line in zip(files, sides, strict=True):
        path.write_text(f"{line}\n" * lines)
    code, shown, error = run(*files, "--aligner", "statistical")
    assert code == 0, error
    assert len(shown.splitlines()) == lines and bool(shown.strip()) == (0 < words <= MAX_WORDS)
    told = "every sentence pair has a side of more than 150 words" in caplog.text
    assert told == (words > MAX_WORDS), "no link, but a message"


def test_pairs_that_no_memory_holds_get_no_links_and_are_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Lengths(Fixed):
        """Notes how long the pairs are that it is given."""

        def _align(self, pairs: Sequence[WordPair], advance: Advance) -> list[list[Link]]:
            self.lengths = [(len(a), len(b)) for a, b in pairs]
            return [[Link(0, 0, 1.0)] if a and b else [] for a, b in pairs]

    aligner = Lengths("lengths")
    pairs = [(["a"], ["b"]), (["Anna", "x"] * 10_000, ["y"] * 20_000), (["c"] * 9_000, ["d"])]
    links = aligner.align(pairs)
    assert aligner.lengths == [(1, 1), (0, 0), (9_000, 1)]
    assert [len(found) for found in links] == [1, 0, 1]
    [told] = caplog.messages
    assert "1 sentence pairs are too long" in told and "20000 and 20000 words" in told
    assert "'Anna x Anna x Anna'" in told
