"""Round-trip similarity: as a score, and as a decision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.synthesize import STAGE
from stages.synthesize.config import GateConfig
from stages.synthesize.gate import Gate, decide
from stages.synthesize.makers.base import Made
from stages.synthesize.overlap import EvaluationIndex
from stages.synthesize.round_trip import RoundTrip, similarity
from stages.translate.base import Hypothesis
from tests.stages.synthesize.test_stage import _config, _run
from tests.tiny import translators


class Dictionary:
    """Translates whole texts by looking them up."""

    def __init__(self, entries: dict[str, str]) -> None:
        self.entries = entries
        self.asked: list[str] = []

    def translate(self, texts: Sequence[str]) -> list[list[Hypothesis]]:
        self.asked += texts
        found = [self.entries.get(t) for t in texts]
        return [[Hypothesis(t) if t else Hypothesis("", reason="empty_translation")] for t in found]


def _trip(back: dict[str, str], forth: dict[str, str]) -> tuple[RoundTrip, Dictionary, Dictionary]:
    there: Any = Dictionary(forth)
    here: Any = Dictionary(back)
    sources = {"s1": "Anna lives in Rome.", "s2": "It rained all day."}
    return RoundTrip("de", lambda: here, lambda: there, sources), here, there


def test_translations_are_compared_with_their_sources() -> None:
    trip, back, forth = _trip(
        {"Anna wohnt in Rom.": "Anna lives in Rome.", "Der Hund bellt.": "The dog barks."}, {}
    )
    made = [
        Made(["Anna", "wohnt", "in", "Rom", "."], "s1"),
        Made(["Der", "Hund", "bellt", "."], "s2"),
        Made(["Unsinn"], "s1"),
    ]
    first, second, third = trip.similarities(made, "translation")
    assert first == 1.0 and second < 0.6 and third == 0.0
    assert len(back.asked) == 3 and not forth.asked
    assert trip.similarities([], "translation") == []


def test_other_text_goes_there_and_back() -> None:
    trip, _, forth = _trip(
        {"Anna wohnt in Rom.": "Anna lives in Rome.", "Der Hund bellt.": "The dog barks."},
        {"Anna lives in Rome.": "In Rom wohnt Anna.", "The dog barks.": "Ein Kater schläft."},
    )
    made = [
        Made(["Anna", "wohnt", "in", "Rom", "."], "p1"),
        Made(["Der", "Hund", "bellt", "."], "p2"),
    ]
    first, second = trip.similarities(made, "substitution")
    assert first == 1.0  # the order of the words does not matter
    assert second < 0.5
    assert forth.asked == ["Anna lives in Rome.", "The dog barks."]


def test_similarity() -> None:
    assert similarity("Anna lives in Rome.", "anna LIVES in Rome") == 1.0
    assert similarity("", "x") == similarity("x", "") == 0.0
    assert 0 < similarity("Anna lives in Rome", "Anna lived in Bonn") < 1


def test_the_gate_asks_about_everything_and_stores_the_score() -> None:
    asked: list[str] = []

    def round_trip(sentences: Sequence[Made], maker: str) -> list[float]:
        asked.extend(" ".join(s.words) for s in sentences)
        return [0.9 if "Rom" in s.words else 0.2 for s in sentences]

    config = GateConfig(round_trip=0.5)
    gate = Gate("bm", config, EvaluationIndex([]), round_trip=round_trip)
    texts = ["Anna wohnt in Rom", "zu zu zu zu zu zu", "Der Hund bellt laut", "Anna wohnt in Rom"]
    judged = gate.judge_all([Made(t.split(), None) for t in texts], "translation")
    assert [r for _, r in judged] == [None, "repetition", "round_trip", "duplicate"]
    assert asked == texts, "a sentence dropped for something else may be kept one day"
    assert judged[2][0]["round_trip"] == judged[1][0]["round_trip"] == 0.2
    # The decision can be made again from the stored score, with another threshold.
    assert decide(4, judged[2][0], GateConfig(round_trip=0.1)) is None
    assert decide(4, judged[2][0], config) == "round_trip"
    assert decide(4, judged[2][0], GateConfig()) is None


def test_one_after_another_is_the_same_as_all_together() -> None:
    def round_trip(sentences: Sequence[Made], maker: str) -> list[float]:
        return [len(s.words) / 10 for s in sentences]

    texts = ["a b c d e f", "a b c", "g h i j k l m", "a b c d e f", "n n n n n n n", "o p q r s"]
    made = [Made(t.split(), None) for t in texts]
    config = GateConfig(round_trip=0.5)
    gates = [Gate("bm", config, EvaluationIndex([]), round_trip=round_trip) for _ in range(2)]
    assert gates[0].judge_all(made, "x") == [gates[1].judge_all([m], "x")[0] for m in made]


@pytest.fixture(scope="module")
def both_ways(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("both")
    return translators.build_marian(folder / "m", tags=(">>de<<", ">>eng<<"), pair=None)


def test_in_the_stage(both_ways: Path, translator: Path, tmp_path: Path) -> None:
    config = _config(both_ways, sentences=20, gate={"round_trip": 0.99, "language": None})
    (task,) = STAGE.tasks(config)
    assert set(task.options["models"]) == {"translator", "back", "forth"}
    rows, context = _run(config, tmp_path / "w")
    assert context.notes["round_trip"] is True
    reasons = {r["reason"] for r in rows}
    assert "round_trip" in reasons  # random weights say nothing sensible
    for row in rows:
        scores = {s["name"]: s["value"] for s in row["scores"]}
        assert "round_trip" in scores or row["reason"] in ("too_long", "empty_translation")
    # A translator that does not know the way back: nothing is judged by it, and that is noted.
    one_way = _config(translator, sentences=20, gate={"round_trip": 0.99})
    rows, context = _run(one_way, tmp_path / "v")
    assert context.notes["round_trip"] is False
    assert not any(r["reason"] == "round_trip" for r in rows)
