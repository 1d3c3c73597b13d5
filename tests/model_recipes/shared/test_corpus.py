"""Keeping evaluation text out, holding a share out, counting what is dropped."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_recipes.shared.corpus import CorpusConfig, held_out, load_corpus, share_by_language
from pipeline.errors import DataError
from stages.synthesize.overlap import sentence_key
from stages.text_sources import TextPair, TextSource


def tsv(path: Path, rows: list[tuple[str, str]], other: str, **options: object) -> TextSource:
    path.write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    return TextSource.model_validate(
        {"path": path, "format": "tsv", "languages": ("en", other), **options}
    )


def text(path: Path, lines: list[str], language: str) -> TextSource:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return TextSource(path=path, format="text", languages=(language,))


def test_key_ignores_tokenisation_case_and_marks() -> None:
    assert sentence_key("Don't stop , Peter !") == sentence_key("don’t stop, PETER!")
    assert sentence_key("Don't stop") != sentence_key("Do stop")
    assert sentence_key("?!") == ""


@given(st.lists(st.from_regex(r"[a-zäß0-9]{1,8}", fullmatch=True), min_size=1, max_size=8))
def test_key_is_the_same_for_every_spacing(words: list[str]) -> None:
    assert (
        sentence_key(" ".join(words))
        == sentence_key("".join(words))
        == sentence_key(" , ".join(words) + " .")
    )


def test_the_held_out_share_is_what_was_asked_for() -> None:
    chosen = [held_out(f"Sentence number {n} .", 50) for n in range(4000)]
    assert 140 < sum(chosen) < 260
    assert chosen == [held_out(f"sentence NUMBER {n}.", 50) for n in range(4000)]
    assert not any(held_out(f"Sentence {n}", 0) for n in range(100))


def test_held_out_sentences_are_the_same_for_all_languages(tmp_path: Path) -> None:
    english = [f"This is sentence number {n}." for n in range(400)]
    german = tsv(tmp_path / "de.tsv", [(e, f"Satz {e}") for e in english], "de", hold_out=True)
    french = tsv(tmp_path / "fr.tsv", [(e, f"Phrase {e}") for e in english], "fr", hold_out=True)
    corpus = load_corpus(CorpusConfig(parallel=(german, french), held_out_per_mille=100))
    by_language = {
        code: {pair.source for pair in corpus.held_out if pair.language == code}
        for code in ("de", "fr")
    }
    assert by_language["de"] == by_language["fr"]
    assert len(by_language["de"]) > 10
    trained_on = {pair.source for pair in corpus.pairs}
    assert not trained_on & by_language["de"]


def test_evaluation_sentences_are_removed_on_either_side_and_counted(tmp_path: Path) -> None:
    rows = [
        ("The cat sat.", "Die Katze sass."),
        ("A dog barked.", "Ein Hund bellte."),
        ("Two birds flew.", "Zwei Vögel flogen."),
        ("Two birds flew.", "Zwei Vögel flogen."),
        ("...", "?"),
    ]
    parallel = tsv(tmp_path / "pairs.tsv", rows, "de")
    evaluation = (
        text(tmp_path / "test.en", ["the cat sat ."], "en"),
        text(tmp_path / "test.de", ["EIN HUND BELLTE !"], "de"),
    )
    mono = text(tmp_path / "mono.de", ["Ein Hund bellte .", "Drei Fische ."], "de")
    corpus = load_corpus(
        CorpusConfig(parallel=(parallel,), monolingual=(mono,), evaluation=evaluation)
    )
    assert corpus.pairs == [TextPair("de", "Two birds flew.", "Zwei Vögel flogen.")]
    assert corpus.sentences == [("de", "Drei Fische .")]
    drops = list(corpus.dropped.values())
    assert drops[0] == {"evaluation_overlap": 2, "duplicate": 1, "no_words": 1}
    assert drops[1] == {"evaluation_overlap": 1}
    assert "evaluation_overlap 2" in corpus.report()


def test_a_pair_is_turned_so_that_the_pivot_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("Hallo Welt\tHello world\n", encoding="utf-8")
    source = TextSource(path=path, format="tsv", languages=("de", "en"))
    corpus = load_corpus(CorpusConfig(parallel=(source,)))
    assert corpus.pairs == [TextPair("de", "Hello world", "Hallo Welt")]


def test_untranslated_and_lopsided_pairs_are_dropped(tmp_path: Path) -> None:
    rows = [
        ("This was never translated at all", "This was never translated at all"),
        ("A very long sentence about nothing much at all, really.", "Kurz."),
        ("Tom", "Tom"),
        ("word " * 130, "Wort " * 130),
    ]
    corpus = load_corpus(CorpusConfig(parallel=(tsv(tmp_path / "x.tsv", rows, "de"),)))
    assert [pair.source for pair in corpus.pairs] == ["Tom"]
    (drops,) = corpus.dropped.values()
    assert drops == {"untranslated": 1, "length_ratio": 1, "too_long": 1}


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing is left to train on"):
        load_corpus(CorpusConfig(parallel=(tsv(tmp_path / "x.tsv", [("?", "!")], "de"),)))


def test_parallel_text_must_have_the_pivot(tmp_path: Path) -> None:
    source = TextSource(path=tmp_path / "x", format="tsv", languages=("de", "fr"))
    with pytest.raises(ValueError, match="one of two must be 'en'"):
        CorpusConfig(parallel=(source,))


def test_the_digest_follows_the_text(tmp_path: Path) -> None:
    first = load_corpus(CorpusConfig(parallel=(tsv(tmp_path / "x.tsv", [("a", "b")], "de"),)))
    second = load_corpus(CorpusConfig(parallel=(tsv(tmp_path / "x.tsv", [("a", "c")], "de"),)))
    assert first.digest() != second.digest()


def test_shares_flatten_with_the_exponent() -> None:
    pairs = [TextPair("de", "a", "b")] * 16 + [TextPair("sw", "a", "b")] * 4
    assert share_by_language(pairs, 1.0) == {"de": 0.8, "sw": 0.2}
    assert share_by_language(pairs, 0.0) == {"de": 0.5, "sw": 0.5}
    assert share_by_language(pairs, 0.5)["de"] == pytest.approx(2 / 3)
