"""``rank_sources`` as users call it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.tiny.encoders import encoder_folder
from xlner.commands.rank_sources import main

TRAIN = {
    "en": "Anna B-PER\nlives O\nin O\nUlm B-LOC\n\nMay B-DATE\n\n",
    "el": "ο O\nσκύλος O\nτης O\nΡόδου B-LOC\n\n",
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for lang, text in TRAIN.items():
        (tmp_path / f"{lang}.conll").write_text(text, encoding="utf-8")
    (tmp_path / "de.conll").write_text("Anna B-PER\n\n", encoding="utf-8")
    (tmp_path / "de.txt").write_text("Anna wohnt in Ulm\n", encoding="utf-8")
    model = encoder_folder("WordPiece", tmp_path / "encoder")
    path = tmp_path / "my.yaml"
    path.write_text(
        f"""
name: my
source: [el, en]
languages: [de]
data:
  train: {{path: "{{lang}}.conll"}}
  test: {{path: "{{lang}}.conll"}}
labels: {{map: {{DATE: O}}}}
models: {{encoder: {model}}}
arms: [zero_shot]
train: {{select: last}}
""",
        encoding="utf-8",
    )
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["rank_sources", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def test_the_nearer_source_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"de={config.parent / 'de.txt'}"
    assert run(monkeypatch, config, "--text", text) == 0
    shown = capsys.readouterr()
    assert "--set train.sources=[en]" in shown.err
    lines = shown.out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["en", "el"]
    assert run(monkeypatch, config, "--set", "data.unlabelled.path=de.txt", "--json") == 0
    (first, second) = json.loads(capsys.readouterr().out)["de"]
    assert (first["source"], first["entities"], first["names"]) == ("en", 2, 0.5)  # no DATE
    assert second["source"] == "el"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "there is no text of de: give data.unlabelled, or --text de=FILE"),
        (["--text", "de.txt"], "say LANG=FILE"),
        (["--text", "fr=de.txt"], "'fr' is no target language of this config; they are: de"),
        (["--set", "source=en"], "there is one source language"),
    ],
)
def test_what_is_missing_is_told(
    config: Path,
    arguments: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, config, *arguments) == 2
    assert told in capsys.readouterr().err
