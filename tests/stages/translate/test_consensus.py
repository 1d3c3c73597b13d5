"""Minimum Bayes risk by chrF."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from stages.translate.consensus import by_agreement, chrf
from stages.translate.decoding import DecodingConfig
from stages.translate.translator import Translator
from tests.tiny.text import sentences

TEXTS = sentences(6, seed=4)


@given(st.lists(st.text("ab ż", min_size=1, max_size=9).filter(str.strip), min_size=1, max_size=4))
def test_chrf_is_that_of_sacrebleu(texts: list[str]) -> None:
    theirs = CHRF()
    for ours, text in zip(chrf(texts), texts, strict=True):
        for mine, reference in zip(ours, texts, strict=True):
            assert 100 * mine == pytest.approx(theirs.sentence_score(text, [reference]).score)


def test_what_most_agree_with_comes_first() -> None:
    texts = ["Der Hund bellt", "Das Haus ist rot", "Das Haus ist rot", "Das Haus ist rosa", "Hm"]
    assert by_agreement(texts) == [1, 2, 3, 0, 4]
    assert by_agreement(["a", "b"]) == [0, 1]  # of equals the likelier one
    assert by_agreement([]) == []


@pytest.mark.parametrize("sampled", [False, True])
def test_the_translator_puts_these_first(models: Path, cache: Path, sampled: bool) -> None:
    how = {"beam_size": 1, "sampling_topk": 0} if sampled else {"beam_size": 6}
    config = DecodingConfig(compute_type="float32", num_hypotheses=6, max_output_tokens=12, **how)  # type: ignore[arg-type]

    def translated(config: DecodingConfig) -> list[list[str]]:
        translator = Translator(models / "bart", "en", "de", config, cache=cache)
        assert translator.hypotheses == config.num_hypotheses
        found = translator.translate(TEXTS, seed=3)
        assert all(h.score is not None for hypotheses in found for h in hypotheses)
        return [[h.text for h in hypotheses if h.reason is None] for hypotheses in found]

    plain = translated(config)
    agreed = translated(config.model_copy(update={"consensus": 6}))
    assert [[texts[k] for k in by_agreement(texts)] for texts in plain] == agreed
    # Two of six: the first two.
    few = config.model_copy(update={"consensus": 6, "num_hypotheses": 2})
    assert translated(few) == [texts[:2] for texts in agreed]
    assert any(len(texts) == 2 for texts in translated(few))


def test_other_searches_leave_it_out(models: Path, cache: Path) -> None:
    config = DecodingConfig(consensus=3, beam_size=4)
    translator = Translator(models / "bart", "en", "de", config, cache=cache)
    best = translator.n_best(4)
    assert best is not None
    assert best.config == DecodingConfig(beam_size=4, num_hypotheses=4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"consensus": 2, "num_hypotheses": 3}, "num_hypotheses 3 is more than consensus 2"),
        ({"consensus": 1}, "greater than or equal to 2"),
    ],
)
def test_options_that_contradict_it(given: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DecodingConfig(**given)  # type: ignore[arg-type]
    assert DecodingConfig(consensus=8, num_hypotheses=8).beams == 8
    assert DecodingConfig(consensus=8, beam_size=1, sampling_topk=0).beams == 1
