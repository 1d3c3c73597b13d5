"""What is undone before a model reads the words; what is stored stays as it came."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.schema import Span, span_row, table
from pipeline.stage import Part
from stages.tokenise import detokenise
from stages.translate import STAGE
from stages.translate.base import BaseTranslator, Hypothesis
from stages.translate.cleaning import QUOTES, clean, clean_words, in_words, plain_quotes
from stages.translate.config import TranslateConfig
from stages.translate.worker import TranslateWorker

NFD = unicodedata.normalize("NFD", "Córdoba")


@pytest.mark.parametrize(
    ("words", "expected", "repairs"),
    [
        (["Córdoba", "U.S.", "AT&T", "'s", "--"], None, {}),
        ([NFD, "ist"], ["Córdoba", "ist"], {"composed": 1}),
        (["-LRB-", "AP", "-RRB-"], ["(", "AP", ")"], {"treebank": 2}),
        (["``", "So", "''", "and\\/or", "/."], ['"', "So", '"', "and/or", "."], {"treebank": 4}),
        (["AT&amp;T", "&#39;s", "&quot;"], ["AT&T", "'s", '"'], {"xml": 3}),
        (["&amp;amp;", "&#x27;"], ["&", "'"], {"xml": 2}),
        (["Johnson", "&", "amp", ";", "Co"], ["Johnson", "&", "", "", "Co"], {"xml": 2}),
        (["&", "#", "39", ";", "s"], ["'", "", "", "", "s"], {"xml": 4}),
        (["&", "Co", ";", "&nosuch;", "R&D", "&"], None, {}),
        (["Ber\u00adlin", "\u200bAnna", "\ufeff"], ["Berlin", "Anna", ""], {"invisible": 3}),
        (["don\x92t", "a\x00b", "New\u00a0York"], ["don’t", "ab", "New York"], {"invisible": 3}),
        (["\u202bx\u202c"], ["x"], {"invisible": 1}),
        # A joiner that shapes a word stays: Persian, Hindi, a family of four.
        (["می\u200cخواهم", "क्\u200dष", "👩\u200d👧"], None, {}),
        (["An\u200cna"], ["Anna"], {"invisible": 1}),
        ([NFD + "&amp;"], ["Córdoba&"], {"composed": 1, "xml": 1}),
        ([], None, {}),
    ],
)
def test_words_are_cleaned_one_for_one(
    words: list[str], expected: list[str] | None, repairs: dict[str, int]
) -> None:
    before = list(words)
    found, counted = clean(words)
    assert found == (before if expected is None else expected)
    assert dict(counted) == repairs
    assert words == before, "the words that came are left alone"


@given(st.lists(st.text(max_size=8), max_size=8))
def test_positions_stay_and_cleaning_twice_changes_nothing_more(words: list[str]) -> None:
    once = clean_words(words)
    assert len(once) == len(words)
    assert all(unicodedata.is_normalized("NFC", w) for w in once)
    assert isinstance(detokenise(once, "en"), str)


def test_quotes_that_the_translator_knows_stay() -> None:
    text = "“So”, sagte er – ‘ja’ «nein»"
    assert plain_quotes(text, frozenset()) == text
    assert plain_quotes(text, frozenset("“”")) == '"So", sagte er – ‘ja’ «nein»'
    assert plain_quotes(text, frozenset(QUOTES)) == '"So", sagte er – \'ja\' "nein"'


def test_what_was_cleaned_is_said_in_one_line() -> None:
    told = in_words({"composed": 1200, "xml": 1, "sentences": 7})
    assert told.startswith("1,200 words put together") and "1 word with XML escapes" in told
    remark = STAGE.remark({"cleaned_xml": 2, "cleaned_sentences": 2})
    assert remark is not None and "in 2 sentences: 2 words with XML escapes" in remark
    assert STAGE.remark({}) is None


class Echo(BaseTranslator):
    """A translator that remembers what it was given."""

    unknown_quotes = frozenset("”“")

    def __init__(self) -> None:
        self.texts: list[str] = []

    def stream(self, texts: Iterable[str], seed: int = 0) -> Iterator[tuple[int, list[Hypothesis]]]:
        for index, text in enumerate(texts):
            self.texts.append(text)
            yield index, [Hypothesis(text, -0.1)]


@pytest.mark.parametrize("markers", ["none", "brackets", "insert"])
def test_the_translator_reads_clean_words_and_the_row_keeps_its_own(markers: str) -> None:
    words = ["``", "AT", "&", "amp", ";", "T", NFD, "“", "-LRB-"]
    rows = [
        {"id": "s", "lang": "en", "words": words, "spans": [span_row(Span(1, 6, "ORG"))]}
        | {"origin": None, "line": None}
    ]
    echo = Echo()
    config = TranslateConfig.model_validate({"markers": markers, "mend": False})
    part = Part(0, 1)
    worker = TranslateWorker(echo, "en", "de", config)
    (found,) = worker({"source": table("labelled", rows)}, part).to_pylist()
    assert found["source_words"] == words and found["source_spans"][0]["end"] == 6
    read = echo.texts[0]
    assert "Córdoba" in read and "amp" not in read and "LRB" not in read
    assert read.replace("[", "").startswith(('"AT & T', '" AT & T', '"__SLOT0__')), read
    assert part.notes == {
        "cleaned_treebank": 2,
        "cleaned_xml": 2,
        "cleaned_composed": 1,
        "cleaned_quotes": 1,
        "cleaned_sentences": 1,
    }


def test_composed_and_decomposed_text_are_translated_and_aligned_alike(tmp_path: Path) -> None:
    """With the models that ship; the case ``nfd-source``."""
    import xlner
    from pipeline.artifacts import RunFolder
    from pipeline.plan import Selection
    from pipeline.stage import Ref

    text = "Téa B-PER\nMüller I-PER\nvisited O\nCórdoba B-LOC\n. O\n\nRené B-PER\nslept O\n. O\n\n"
    results = []
    for form in ("NFC", "NFD"):
        (tmp_path / f"{form}.conll").write_text(unicodedata.normalize(form, text))
        config = tmp_path / f"{form}.yaml"
        config.write_text(
            f"name: {form}\nsource: en\nlanguages: [de]\narms: []\n"
            f"data: {{train: {{path: {form}.conll}}}}\nalign: {{aligner: simalign}}\n"
        )
        xlner.Runner(xlner.load_config(config), tmp_path / "runs").run(Selection(last="project"))
        run = RunFolder(tmp_path / "runs" / form)
        results.append(
            SimpleNamespace(
                **{
                    stage: list(run.artifact(Ref(stage, "de")).rows())  # type: ignore[union-attr]
                    for stage in ("translate", "align", "project")
                },
                notes=run.artifact(Ref("translate", "de")).manifest.notes,  # type: ignore[union-attr]
            )
        )
    nfc, nfd = results
    assert [r["words"] for r in nfc.translate] == [r["words"] for r in nfd.translate]
    assert [r["links"] for r in nfc.align] == [r["links"] for r in nfd.align]
    assert [r["spans"] for r in nfc.project] == [r["spans"] for r in nfd.project]
    assert nfd.translate[0]["source_words"][3] == NFD, "what is stored is the user's"
    assert not any(name.startswith("cleaned") for name in nfc.notes)
    assert nfd.notes["cleaned_composed"] == 4
