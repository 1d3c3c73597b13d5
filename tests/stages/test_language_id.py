"""Language identification of many texts at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import language_id
from stages.language_id import language_scorer

TEXTS = [
    "Der Ausschuss empfiehlt dem Vertragsstaat, alle Maßnahmen zu ergreifen.",
    "The minister spoke about the new treaty in Oslo yesterday.",
    "LES DEUX DIRIGEANTS SE SONT RENCONTRÉS À PARIS.",
    "",
    "12 . 5",
    "東京は日本の首都です。",
    "Ìgbìmọ̀ náà sọ pé kò sí owó",
]


@pytest.mark.parametrize("lang", ["de", "en", "fr", "sr", "nb"])
def test_many_texts_get_what_py3langid_says_of_each(lang: str) -> None:
    scorer = language_scorer(lang)
    assert scorer is not None and language_id._automaton() is not None
    assert scorer.many(TEXTS) == pytest.approx([scorer.one(t) for t in TEXTS], rel=1e-4, abs=1e-6)


@settings(max_examples=40)
@given(st.lists(st.text(max_size=60), max_size=6), st.integers(1, 99))
def test_what_a_text_gets_depends_on_no_other(texts: list[str], at_once: int) -> None:
    scorer = language_scorer("de")
    assert scorer is not None
    alone = [scorer.many([text])[0] for text in texts]
    assert scorer.many(texts) == alone
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(language_id, "_AT_ONCE", at_once)
        assert scorer.many(texts) == alone
    assert alone == pytest.approx([scorer.one(t) for t in texts], rel=1e-3, abs=1e-6)


def test_another_py3langid_is_asked_text_by_text(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = language_scorer("de")
    assert scorer is not None
    monkeypatch.setattr(language_id, "_automaton", lambda: None)
    assert scorer.many(TEXTS) == [scorer.one(t) for t in TEXTS]


def test_a_language_that_it_lacks() -> None:
    assert language_scorer("zzz") is None
