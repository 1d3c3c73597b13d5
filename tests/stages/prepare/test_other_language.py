"""A file in the place of one of another language is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import DataSource
from pipeline.formats import read_labelled
from stages.prepare.other_language import OtherLanguage
from tests.stages.prepare.test_prepare import run

SAMPLE = Path(__file__).resolve().parents[3] / "artifacts" / "sample"
LANGUAGES = ["en", "de", "es", "fr", "nl", "sw"]


def told(lang: str, said: str, *others: str, least: int = 0) -> str | None:
    path = SAMPLE / lang / "test.conll"
    language = OtherLanguage(said, others)
    for sentence in list(read_labelled(DataSource(path=str(path)), lang, path=path))[-least:]:
        language.feed(sentence.words)
    return language.told()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_file_is_told_where_it_is_said_to_be_another_language(lang: str) -> None:
    assert told(lang, lang, *LANGUAGES) is None
    said = "de" if lang != "de" else "sw"
    found = told(lang, said, *LANGUAGES)
    assert found and found.endswith("is it the file of another language?")


def test_only_languages_of_the_run_are_suspects() -> None:
    assert told("nl", "de", "en", "fr") is None
    assert told("nl", "de", "en", "nl")


def test_little_text_and_unknown_languages_say_nothing() -> None:
    assert told("en", "de", "en", least=10) is None
    assert told("en", "bm", "en") is None  # py3langid knows no Bambara


def test_a_run_warns_of_it(tmp_path: Path) -> None:
    data = {
        "train": {"path": str(SAMPLE / "en" / "train.conll")},
        "test": {"path": str(SAMPLE / "en" / "test.conll")},
    }
    made = {a.manifest.unit: a.manifest.notes for a in run(None, data, home=tmp_path).done}
    assert "warnings" not in made["train/en"]
    (warning,) = made["test/de"]["warnings"]
    assert "data.test" in warning
    assert "test.conll is English as far as letters tell, not German" in warning
