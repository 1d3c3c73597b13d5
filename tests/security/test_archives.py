"""Zip archives: read as a stream, never unpacked; bombs, locked and damaged ones are refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pipeline.errors import DataError
from stages.text_sources import TextSource, read_rows


def rows(path: Path) -> list[tuple[str, ...]]:
    return list(read_rows(TextSource(path=path, languages=("en", "de"), format="zip")))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.txt", "w") as member,
    ):
        for _ in range(70):
            member.write(bytes(1 << 20))
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match=r"bomb\.zip: x\.txt would grow .* zip bomb"):
        rows(path)


def test_repetitive_text_is_no_bomb(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.txt", "yes\tja\n" * 5000)
    assert rows(path) == [("yes", "ja")] * 5000


def test_a_member_that_leads_out_writes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../escaped.txt", "yes\tja\n")
    assert rows(path) == [("yes", "ja")]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["in", "x.zip"]


def test_a_header_that_understates_the_size_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.txt", "yes\tja\n" * 1000)
    data = path.read_bytes()
    path.write_bytes(data.replace((7000).to_bytes(4, "little"), (70).to_bytes(4, "little")))
    with pytest.raises(DataError, match=r"x\.zip"):
        rows(path)


def test_a_locked_archive_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.txt", "yes\tja\n")
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"x\.zip: x\.txt is encrypted"):
        rows(path)
