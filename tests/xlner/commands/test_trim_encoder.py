"""``trim_encoder`` as users call it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.tiny.encoders import SENTENCES, encoder_folder
from xlner.commands.trim_encoder import main
from xlner.trimming.words import listed_languages


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["trim_encoder", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def test_an_encoder_is_cut_to_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = encoder_folder("WordPiece", tmp_path / "full")
    text = tmp_path / "de.txt"
    text.write_text("\n".join(s for s in SENTENCES if "Hund" in s), encoding="utf-8")
    labelled = tmp_path / "de.conll"
    labelled.write_text("Haus O\nam O\nFluss B-LOC\n\n", encoding="utf-8")
    code = run(
        monkeypatch, model, "--text", text, "--text", labelled, "-o", tmp_path / "cut", "--json"
    )
    shown = capsys.readouterr()
    assert code == 0, shown.err
    report = json.loads(shown.out)
    assert report["subwords_after"] < report["subwords_before"]
    assert report["texts"][str(labelled)] == {
        "words": 3,
        "as_before": 1.0,
        "subwords_before": report["texts"][str(labelled)]["subwords_before"],
        "subwords_after": report["texts"][str(labelled)]["subwords_before"],
    }
    assert "% of words tokenised as before" in shown.err


def test_text_in_another_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = encoder_folder("WordPiece", tmp_path / "full")
    text = tmp_path / "de.txt"
    text.write_text("\n".join(SENTENCES), encoding="utf-16")
    command = (model, "--text", text, "-o", tmp_path / "cut")
    assert run(monkeypatch, *command) == 1
    assert "(--encoding utf-16 on the command line)" in " ".join(capsys.readouterr().err.split())
    assert run(monkeypatch, *command, "--encoding", "utf-16") == 0
    assert "100.0 % of words tokenised as before" in capsys.readouterr().err


def test_words_of_a_column_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = encoder_folder("WordPiece", tmp_path / "full")
    text = tmp_path / "de.csv"
    text.write_text("body,mark\nDas Haus,O O\nam Fluss,O B-LOC\n", encoding="utf-8")
    given = [model, "--text", text, "-o", tmp_path / "cut", "--data", "format=table"]
    assert run(monkeypatch, *given) == 1
    assert "(on the command line: --data word_column=…)" in capsys.readouterr().err
    assert run(monkeypatch, *given, "--data", "word_column=body", "--json") == 0
    assert json.loads(capsys.readouterr().out)["texts"][str(text)]["words"] == 4
    assert run(monkeypatch, *given, "--data", "scheme=io") == 1
    assert "--data scheme: does nothing for" in capsys.readouterr().err


def test_languages_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = encoder_folder("BPE", tmp_path / "full")
    assert run(monkeypatch, model, "-o", tmp_path / "cut") == 2
    assert "say for which languages" in capsys.readouterr().err


def test_frequency_lists_stand_for_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wordfreq", reason="the extra 'trim' is not installed")
    model = encoder_folder("Unigram", tmp_path / "full")
    assert run(monkeypatch, model, "--languages", "de,sw", "-o", tmp_path / "cut") == 2
    assert "no frequency list for sw" in capsys.readouterr().err
    assert listed_languages(["no", "tl", "pt-PT", "sr-Latn", "sr"]) == [
        "no",
        "tl",
        "pt-PT",
        "sr-Latn",
    ]
    code = run(monkeypatch, model, "--languages", "de", "--subwords", 130, "-o", tmp_path / "cut")
    assert code == 0, capsys.readouterr().err
    assert "de (list): " in capsys.readouterr().err
