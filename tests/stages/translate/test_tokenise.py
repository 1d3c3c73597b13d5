from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from stages.tokenise import detokenise, tokenise
from tests.shared_data import shared_data

CASES = [
    (
        "en",
        "The U.S. President, Mr. Smith's AT&T isn't \"well-known\" (really)...",
        "The U.S. President , Mr. Smith 's AT&T is n't \" well-known \" ( really ) ...",
    ),
    (
        "en",
        "It cost $5.50, i.e. 77% at 20:00; see http://a.b/c?d=1.",
        "It cost $ 5.50 , i.e. 77 % at 20:00 ; see http://a.b/c?d=1 .",
    ),
    (
        "de",
        "Am 23. August sagte Dr. Müller-Lüdenscheid: „Ost- und Westdeutschland“.",
        "Am 23. August sagte Dr. Müller-Lüdenscheid : „ Ost- und Westdeutschland “ .",
    ),
    (
        "fr",
        "L'homme d'Ivoire qu'il a vu aujourd'hui : « Non ! »",
        "L' homme d' Ivoire qu' il a vu aujourd'hui : « Non ! »",
    ),
    ("it", "Dell'Olmo e l'Aquila, c'è D'Alema.", "Dell' Olmo e l' Aquila , c' è D'Alema ."),
    ("es", "¿Qué dice EE.UU.? ¡Nada!", "¿ Qué dice EE.UU. ? ¡ Nada !"),
    ("pt", "O Sr. Silva está em São Paulo.", "O Sr. Silva está em São Paulo ."),
    ("nl", "'s Avonds in '98 zo'n foto's.", "'s Avonds in '98 zo'n foto's ."),
    ("sv", "S:t Eriks i kl. 12.30, bl.a. EU:s.", "S:t Eriks i kl. 12.30 , bl.a. EU:s ."),
    (
        "ru",
        "Президент В.В. Путин: «Да», т.е. из-за.",
        "Президент В.В. Путин : « Да » , т.е. из-за .",
    ),
    ("sw", "Ng'ombe wa O'Brien, kinyang'anyiro.", "Ng'ombe wa O'Brien , kinyang'anyiro ."),
    ("ha", "‘yan sanda sun ce ma'aikatar.", "‘yan sanda sun ce ma'aikatar ."),
    ("yo", "Ọ̀túnba Táíwò wà l'Ékòó, ń.", "Ọ̀túnba Táíwò wà l' Ékòó , ń ."),
    ("zh", "我爱北京天安门，他叫Bruce Lee。", "我 爱 北京 天安门 ， 他 叫 Bruce Lee 。"),
    ("ja", "東京都に住んでいます。", "東京 都 に 住 んで い ます 。"),
    ("th", "ฉันรักประเทศไทย", "ฉัน รัก ประเทศไทย"),
    ("ar", "قال محمد، إنه في القاهرة؟", "قال محمد ، إنه في القاهرة ؟"),
    ("hi", "राम ने कहा।", "राम ने कहा ।"),
    ("he", "מר ג'ורג' כהן, בת\u05beים, פרופ׳ לוי.", "מר ג'ורג' כהן , בת\u05beים , פרופ׳ לוי ."),
    ("he", "אמר 'שלום' ב\u05be1948.", "אמר ' שלום ' ב\u05be1948 ."),
    ("am", "አበበ፣ ኢትዮጵያ፤ አዲስ አበባ። ነው፡፡", "አበበ ፣ ኢትዮጵያ ፤ አዲስ አበባ ። ነው ፡፡"),
    ("hy", "Հայաստանի Հանրապետություն։", "Հայաստանի Հանրապետություն ։"),
    ("sat", "ᱥᱟᱱᱛᱟᱲᱤ᱾", "ᱥᱟᱱᱛᱟᱲᱤ ᱾"),
    ("mt", "Ir-Repubblika ta' Malta ma' l-UE.", "Ir-Repubblika ta' Malta ma' l-UE ."),
    ("it", "Un po' d'Italia.", "Un po' d' Italia ."),
    ("uz", "Ulug' bog' O'zbekiston G'afur.", "Ulug' bog' O'zbekiston G'afur ."),
    ("haw", "'O 'Iolani ka O'ahu.", "'O 'Iolani ka O'ahu ."),
    ("tr", "Ankara %5 arttı.", "Ankara % 5 arttı ."),
    ("de", "Um 5% 1999.", "Um 5 % 1999 ."),
    (
        "en",
        "I \u2764\ufe0f New York \U0001f1fa\U0001f1f8! \U0001f44d\U0001f3fd "
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "I \u2764\ufe0f New York \U0001f1fa\U0001f1f8 ! \U0001f44d\U0001f3fd "
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    ),
]


@pytest.mark.parametrize(
    ("lang", "text", "words"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_text_to_words_and_back(lang: str, text: str, words: str) -> None:
    assert tokenise(text, lang) == words.split(" ")
    assert detokenise(words.split(" "), lang) == text


@pytest.mark.parametrize(
    "sign",
    ["\u2764\ufe0f", "\U0001f1fa\U0001f1f8", "\U0001f44d\U0001f3fd", "\U0001f468\u200d\U0001f469"],
)
def test_no_picture_is_cut(sign: str) -> None:
    words = ["York", sign, sign, "Bonn", sign, "!"]
    assert tokenise("".join(words), "en") == words


@pytest.mark.parametrize("code", ["fr", "fra", "fre", "FR", "fr_CA"])
def test_a_language_is_known_by_any_of_its_codes(code: str) -> None:
    assert tokenise("L'homme dit : « Non ! »", code) == [
        "L'",
        "homme",
        "dit",
        ":",
        "«",
        "Non",
        "!",
        "»",
    ]
    assert detokenise(["L'", "homme", "dit", ":"], code) == "L'homme dit :"


@pytest.mark.parametrize("code", ["French", "xx", "", None])
def test_what_is_no_language_is_an_error(code: str) -> None:
    with pytest.raises(ConfigError, match="is not a"):
        tokenise("L'homme", code)
    with pytest.raises(ConfigError, match="is not a"):
        detokenise(["L'", "homme"], code)


def test_invisible_characters_are_no_words() -> None:
    assert tokenise("\ufeff a \u200b b\u200e", "en") == ["a", "b\u200e"]
    assert tokenise(" \t\n", "en") == []
    assert detokenise([], "en") == ""


def test_english_possessive_and_single_quotes() -> None:
    assert detokenise(["the", "boys", "'", "room"], "en") == "the boys' room"
    assert detokenise(["he", "said", "'", "no", "'", "."], "en") == "he said 'no'."


@given(st.text(max_size=60), st.sampled_from(["en", "de", "fr", "it", "yo", "zh", "th", "ha"]))
def test_no_visible_character_is_lost(text: str, lang: str) -> None:
    words = tokenise(text, lang)
    assert all(w and not any(c.isspace() for c in w) for w in words)
    kept = "".join(c for c in "".join(words) if c.isalnum())
    assert kept == "".join(c for c in text if c.isalnum())


@given(st.lists(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)))
def test_detokenising_only_adds_spaces(words: list[str]) -> None:
    assert detokenise(words, "en").replace(" ", "") == "".join(words)


@pytest.mark.parametrize(
    ("lang", "path", "at_least"),
    [
        ("de", "conll/de/test.txt", 0.975),
        ("es", "conll/es/test.txt", 0.915),
        ("nl", "conll/nl/test.txt", 0.985),
        ("sw", "masakhaner2/swa/test.txt", 0.98),
        ("ha", "masakhaner2/hau/test.txt", 0.975),
        ("yo", "masakhaner2/yor/test.txt", 0.98),
    ],
)
def test_gold_words_survive_the_round_trip(lang: str, path: str, at_least: float) -> None:
    text = shared_data("ner", *path.split("/")).read_text(encoding="utf-8")
    sentences = [
        [line.rpartition(" ")[0] for line in block.split("\n") if line]
        for block in text.split("\n\n")
        if block.strip()
    ][:1000]
    same = sum(tokenise(detokenise(s, lang), lang) == s for s in sentences)
    assert same / len(sentences) >= at_least


@pytest.mark.parametrize("lang", ["en", "de", "zh", "th"])
def test_half_a_surrogate_pair_is_a_word_of_its_own(lang: str) -> None:
    # As JSON can hold; ICU takes UTF-8, which cannot.
    assert tokenise("0\ud8000", lang) == ["0", "\ud800", "0"]
    assert "".join(tokenise("Anna\udc00 東京\ud83d", lang)) == "Anna\udc00東京\ud83d"
