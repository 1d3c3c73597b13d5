"""Text that is encoded in UTF-8 twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.formats.encoding import repair, repair_text
from tests.pipeline.formats.helpers import brief, read, save, stream


def twice(text: str, codec: str = "latin-1") -> str:
    return text.encode().decode(codec)


@given(text=st.text())
def test_repair_undoes_a_second_encoding(text: str) -> None:
    assert repair(twice(text)) == (None if text.isascii() else text)


@pytest.mark.parametrize("text", ["Straße", "„Zürich“ – 10 €", "Škoda", "œuvre", "šŽ™"])
def test_windows_1252_is_undone_too(text: str) -> None:
    assert repair(twice(text, "cp1252")) == text


@pytest.mark.parametrize("text", ["Straße", "über", "ẹ̀kọ́", "中文", "España", "Ã", "plain"])
def test_proper_text_is_left_alone(text: str) -> None:
    assert repair(text) is None


@given(text=st.text(max_size=20), data=st.data())
def test_offsets_move_with_the_text(text: str, data: st.DataObject) -> None:
    found = repair_text(twice(text))
    at = data.draw(st.integers(0, len(text)))
    assert found.text == text
    assert found.positions[len(twice(text[:at]))] == at
    assert len(found.positions) == len(twice(text)) + 1
    assert found.unrepaired == 0


def test_words_that_do_not_decode_stay() -> None:
    found = repair_text(twice("über ") + "Größe a")
    assert (found.text, found.repaired, found.unrepaired) == ("über Größe a", 1, 1)
    assert found.positions == [0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]


ROWS = "España B-LOC\nes O\ngrande O\n\nAño O\nMünchen B-LOC\n"


def test_recognised_and_warned_about(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", twice(ROWS))
    found = stream(path)
    assert next(found).words[0] == twice("España")
    assert found.report.double_encoded
    assert found.report.warnings == [
        f"{path}: the text looks encoded in UTF-8 twice (3 of 3 words with non-ASCII "
        "characters); set repair_encoding: true to repair it"
    ]


def test_repaired_and_counted(tmp_path: Path) -> None:
    # The last line was added by hand later, in proper UTF-8.
    path = save(tmp_path / "a.txt", twice(ROWS) + "Größe O\n")
    found = stream(path, repair_encoding=True)
    assert [s.words for s in found] == [["España", "es", "grande"], ["Año", "München", "Größe"]]
    assert found.report.double_encoded and not found.report.warnings
    assert (found.report.repaired["repaired_words"], found.report.repaired["unrepaired_words"]) == (
        3,
        1,
    )


def test_proper_files_are_not_touched(tmp_path: Path) -> None:
    # This word alone would decode: ß and “ are 0xDF 0x93 in Windows-1252.
    path = save(tmp_path / "a.txt", "Fleiß“ O\n\nüber O\n\nStraße O\n")
    found = stream(path, repair_encoding=True)
    assert [s.words for s in found] == [["Fleiß“"], ["über"], ["Straße"]]
    assert not found.report.double_encoded


def test_character_spans_are_moved(tmp_path: Path) -> None:
    text = twice("Fußball in À Coruña.")
    start = text.index("Ã\x80")
    end = text.index(".")
    record = {"text": text, "spans": [[start, end, "LOC"]]}
    path = save(tmp_path / "a.jsonl", json.dumps(record))
    found = read(path, repair_encoding=True)
    # Split at spaces: the full stop is part of the last word until the span cuts it off.
    assert brief(found) == [(["Fußball", "in", "À", "Coruña", "."], [(2, 4, "LOC")])]


@pytest.mark.parametrize(("encoding", "windows"), [("latin-1", "cp1252"), ("ISO-8859-2", "cp1250")])
def test_text_of_windows_read_as_that_of_iso_is_warned_of(
    encoding: str, windows: str, tmp_path: Path
) -> None:
    text = "„ O\nBonn B-LOC\n“ O\nsei O\nschön… O\n"
    path = save(tmp_path / "a.txt", text.encode(windows))
    found = stream(path, encoding=encoding)
    assert found.report.warnings == [
        f"{path}: 3 words have control characters, read as {encoding}: quotation marks, dashes or "
        f"letters, if it is {windows}; then set encoding: {windows}"
    ]
    found = stream(path, encoding=windows)
    assert not found.report.warnings
    assert next(found).words == ["„", "Bonn", "“", "sei", "schön…"]
    assert not stream(
        save(path, "schön O\nBonn B-LOC\n".encode(encoding)), encoding=encoding
    ).report.warnings
