from __future__ import annotations

import random

import pytest

from stages.synthesize.config import GateConfig
from stages.synthesize.gate import Gate, median_ratios, repetition
from stages.synthesize.makers.base import Made
from stages.synthesize.overlap import EvaluationIndex, shingles

GERMAN = [
    "Die Regierung hat am Montag neue Regeln für den Verkehr in der Stadt beschlossen .",
    "Der Sprecher sagte , dass das Unternehmen im nächsten Jahr ein neues Werk bauen werde .",
    "Nach dem Spiel waren die Fans mit der Leistung ihrer Mannschaft sehr zufrieden .",
]
EVALUATION = [
    "Im",
    "Landkreis",
    "Ulm",
    "stieg",
    "die",
    "Zahl",
    "der",
    "Unfälle",
    "auf",
    "den",
    "Straßen",
    "deutlich",
    "an",
    ".",
]


def _gate(**options: object) -> Gate:
    return Gate("de", GateConfig(**options), EvaluationIndex([EVALUATION, ["Ja", "!"]]))  # type: ignore[arg-type]


def _judge(gate: Gate, text: str, **made: object) -> tuple[dict[str, float], str | None]:
    return gate.judge_all([Made(text.split(), "x", **made)], "translation")[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        " ".join(EVALUATION),
        "IM LANDKREIS ULM STIEG DIE ZAHL DER UNFÄLLE AUF DEN STRASSEN DEUTLICH AN",
        "im Landkreis Ulm stieg die Zahl der Unfälle , auf den Straßen , deutlich an",
        # hidden in something longer
        "Gestern : " + " ".join(EVALUATION) + " Das sagte der Sprecher der Polizei am Abend .",
        # one word changed
        " ".join(EVALUATION).replace("deutlich", "stark"),
        "ja",
    ],
)
def test_planted_evaluation_sentences_are_found(text: str) -> None:
    scores, reason = _judge(_gate(), text)
    assert reason == "test_overlap"
    assert scores["test_overlap"] >= 0.7


def test_other_sentences_do_not_count_as_overlap() -> None:
    gate = _gate()
    for text in GERMAN:
        scores, reason = _judge(gate, text)
        assert reason is None and scores["test_overlap"] == 0.0
    # Short evaluation sentences are only found alone, anything may contain them.
    assert _judge(gate, "Ja ! Das ist ein schöner Tag für uns alle in Berlin .")[1] is None


def test_language() -> None:
    gate = _gate()
    english = "The government decided on Monday to change the rules for traffic in the city ."
    scores, reason = _judge(gate, english)
    assert reason == "wrong_language" and scores["language"] < 0.5
    # Too short to tell: not judged.
    scores, reason = _judge(gate, "Anna Lee , London")
    assert reason is None and "language" not in scores
    unknown = Gate("bm", GateConfig(), EvaluationIndex([]))
    assert not unknown.judges_language
    assert _judge(unknown, english)[1] is None
    assert _judge(Gate("nb", GateConfig(), EvaluationIndex([])), english)[1] == "wrong_language"


def test_duplicates_and_near_duplicates() -> None:
    gate = _gate()
    assert _judge(gate, GERMAN[0])[1] is None
    assert _judge(gate, GERMAN[0].upper())[1] == "duplicate"
    longer = GERMAN[0].replace(" .", " und im Umland .")
    scores, reason = _judge(gate, longer)
    assert reason == "near_duplicate" and scores["near_duplicate"] == pytest.approx(12 / 15)
    assert _judge(gate, GERMAN[1])[1] is None
    # What was dropped is no reason to drop another.
    once = "zu zu zu zu zu zu zu zu"
    assert [_judge(gate, once)[1] for _ in range(2)] == ["repetition", "repetition"]
    assert _judge(_gate(near_duplicate=None), GERMAN[0])[1] is None


def test_length_and_repetition() -> None:
    gate = _gate(max_words=20)
    assert _judge(gate, "Zwei Wörter")[1] == "sentence_length"
    assert _judge(gate, " ".join(f"w{i}" for i in range(21)))[1] == "sentence_length"
    assert repetition(["a", "b", "a", "b", "a", "b"]) == pytest.approx(3 / 5)
    assert repetition(["a"]) == 0.0


def test_length_ratio_is_relative_to_the_makers_median() -> None:
    gate = Gate("de", GateConfig(), EvaluationIndex([]), {"translation": 0.5})
    assert _judge(gate, GERMAN[0], scores={"length_ratio": 0.5})[1] is None
    assert _judge(gate, GERMAN[1], scores={"length_ratio": 1.3})[1] == "length_ratio"
    assert _judge(gate, GERMAN[2], scores={"length_ratio": 0.19})[1] == "length_ratio"
    assert median_ratios({"a": [1.0] * 19, "b": [2.0] * 20}) == {"b": 2.0}


def test_failed_sentences_keep_their_reason() -> None:
    assert _judge(_gate(), "", reason="empty_translation") == ({}, "empty_translation")


def test_models_are_asked_about_every_sentence_that_was_made() -> None:
    asked: list[list[str]] = []

    def perplexity(words: list[str]) -> float:
        asked.append(list(words))
        return 900.0

    config = GateConfig(perplexity=500)
    gate = Gate("de", config, EvaluationIndex([]), perplexity=perplexity)  # type: ignore[arg-type]
    scores, reason = _judge(gate, "zu zu zu zu zu zu")
    assert reason == "repetition" and scores["perplexity"] == 900.0
    assert _judge(gate, "", reason="too_long") == ({}, "too_long")
    assert len(asked) == 1
    assert _judge(gate, GERMAN[0])[1] == "perplexity"


def test_near_duplicates_among_many_match_a_full_search() -> None:
    """MinHash finds the pairs that comparing everything with everything finds."""
    draw = random.Random(1)
    vocabulary = [f"wort{i}" for i in range(400)]
    base = [[draw.choice(vocabulary) for _ in range(14)] for _ in range(150)]
    near = [[*s[:13], "anders"] for s in base[:60]]
    sentences = base + near
    gate = Gate("bm", GateConfig(), EvaluationIndex([]))
    dropped = {i for i, s in enumerate(sentences) if gate.judge_all([Made(s, None)], "x")[0][1]}
    kept: list[set[str]] = []
    expected = set()
    for i, words in enumerate(sentences):
        mine = shingles(words)
        if any(len(mine & o) / len(mine | o) >= 0.8 for o in kept):
            expected.add(i)
        else:
            kept.append(mine)
    assert len(expected) == 60
    assert len(expected - dropped) <= 2 and not dropped - expected
