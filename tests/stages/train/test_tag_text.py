"""The command tag_text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stages.tagger.encoding import load_tokenizer
from stages.tagger.modeling import LayerFusedForTokenClassification
from stages.tagger.tagger import Tagger
from tests.calling import result_of
from tests.tiny.text import LABELS
from xlner.commands.tag_text import tag_text

TEXT = "Anna Meier lives in New York.\n\nTom met Juan!\n"


@pytest.fixture(scope="module")
def model(family: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(8)
    tagger = LayerFusedForTokenClassification.from_encoder(family("bert"), LABELS)
    with torch.no_grad():
        tagger.classifier.weight.mul_(40)
    folder = tmp_path_factory.mktemp("tagger")
    tagger.save_pretrained(folder)
    load_tokenizer(family("bert")).save_pretrained(folder)
    return folder


def call(*arguments: object, text: str | None = None) -> tuple[int, str, str]:
    done = result_of(tag_text, *arguments, text=text)
    return done.exit_code, done.stdout, done.stderr


def test_plain_text_gives_entities_with_their_characters(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "in.txt"
    file.write_text(TEXT)
    code, out, err = call(model, file)
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert [r["text"] for r in rows] == TEXT.splitlines()
    assert rows[1]["entities"] == []
    expected = Tagger.from_pretrained(model).predict(TEXT.splitlines())
    found = [[(e["start"], e["end"], e["type"]) for e in r["entities"]] for r in rows]
    assert found == [[(e.start, e.end, e.type) for e in p] for p in expected]
    assert any(found)
    for row in rows:
        for entity in row["entities"]:
            assert row["text"][entity["start_char"] : entity["end_char"]] == entity["text"]
    assert err.startswith("3 sentences, ")


def test_text_in_records_is_tagged_as_lines_of_text_are(model: Path, tmp_path: Path) -> None:
    plain, records, mixed = (tmp_path / n for n in ("in.txt", "in.jsonl", "mixed.jsonl"))
    lines = [*TEXT.splitlines(), "東京でアンナがベルリンを訪問した。"]
    plain.write_text("\n".join(lines) + "\n")
    records.write_text(
        "".join(json.dumps({"id": i + 1, "text": t}) + "\n" for i, t in enumerate(lines))
    )
    for options in (["--lang", "en"], ["--lang", "ja"], ["--words"]):
        code, out, err = call(model, records, *options)
        assert code == 0, err
        for row, other in zip(
            *(r.splitlines() for r in (out, call(model, plain, *options)[1])), strict=True
        ):
            assert json.loads(row) | {"id": 0} == json.loads(other) | {"id": 0}
    assert len(json.loads(call(model, records, "--lang", "ja")[1].splitlines()[-1])["tokens"]) > 5
    mixed.write_text(f'{json.dumps({"text": lines[0]})}\n{{"tokens": ["Tom", "met", "Juan!"]}}\n')
    rows = [json.loads(line) for line in call(model, mixed)[1].splitlines()]
    assert [r.get("text") for r in rows] == [lines[0], None]
    assert rows[1]["tokens"] == ["Tom", "met", "Juan!"]


def test_other_formats_in_and_out(model: Path, tmp_path: Path) -> None:
    file, tagged, again = (tmp_path / n for n in ("in.txt", "out.conll", "again.conll"))
    file.write_text(TEXT)
    assert call(model, file, "--format", "conll", "-o", tagged)[0] == 0
    lines = tagged.read_text().splitlines()
    assert [li.split("\t")[0] for li in lines if li][1:4] == ["Anna", "Meier", "lives"]
    # Tagging its own words again gives the same tags and ids; a FILE.conll needs no --format.
    assert call(model, tagged, "-o", again)[0] == 0
    assert "# id = 2\n\n" in tagged.read_text() and again.read_text() == tagged.read_text()
    code, out, _ = call(model, "-", "--words", "--format", "text", text="Tom met Juan !\n")
    assert code == 0
    plain = out
    for name in ("LOC", "PER"):
        plain = plain.replace(f"[{name} ", "")
    assert plain.replace("]", "") == "Tom met Juan !\n"


def test_text_that_the_encoder_cannot_read_is_warned_of(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "in.txt"
    file.write_text("Tom met Juan in Rio .\n" * 3)
    assert "warning" not in call(model, file)[2]
    file.write_text("Tọ̀m met 木 .\n木 met 木 .\n")
    code, out, err = call(model, file, "--words")
    assert code == 0 and json.loads(out.splitlines()[0])["tokens"][0] == "Tọ̀m"
    assert "warning: 3 of 8 words are unknown to the encoder's vocabulary" in err


def test_mistakes_are_explained(model: Path, tmp_path: Path) -> None:
    code, _, err = call(model, tmp_path / "no.txt")
    assert code == 1 and "no.txt: file not found" in err
    file = tmp_path / "in.txt"
    file.write_text(TEXT)
    code, _, err = call(model, file, "--format", "jsnl")
    assert code == 2 and "'jsnl' is not allowed (did you mean 'jsonl'?)" in err
    code, _, err = call(tmp_path / "no-model", file)
    assert code == 1 and "model folder not found" in err
    code, _, err = call(model, file, "--lang", "english")
    assert code == 2 and "not an ISO 639 language code" in err


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_text_in_another_encoding_is_read_with_the_option_that_the_message_names(
    model: Path, tmp_path: Path, encoding: str
) -> None:
    file = tmp_path / "in.txt"
    file.write_text("Zürich and Anna.\n", encoding=encoding)
    code, _, err = call(model, file)
    assert code == 1 and f"(--encoding {encoding} on the command line)" in " ".join(err.split())
    code, out, err = call(model, file, "--encoding", encoding)
    assert code == 0 and json.loads(out)["text"] == "Zürich and Anna.", err
    records = tmp_path / "in.jsonl"
    records.write_text('{"text": "Zürich and Anna."}\n', encoding=encoding)
    code, out, err = call(model, records, "--encoding", encoding)
    assert code == 0 and json.loads(out)["text"] == "Zürich and Anna.", err
