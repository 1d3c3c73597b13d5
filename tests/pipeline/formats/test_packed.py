"""Packed files read like what they hold; bombs, damaged and crowded ones are refused by name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.formats import detect_format, packed, write_parquet
from pipeline.schema import Sentence, Span
from tests.pipeline.formats.helpers import brief, read, save

CONLL = "Anna B-PER\nschläft O\n\nBonn B-LOC\n"
JSONL = '{"text": "Anna schläft", "spans": [[0, 4, "PER"]]}\n'


def zipped(data: bytes, name: str = "in.txt", **others: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
        for other, content in others.items():
            archive.writestr(other, content)
    return out.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("inner", ["train.conll", "train.jsonl", "train.tsv", "train"])
def test_it_reads_as_what_it_holds(suffix: str, inner: str, tmp_path: Path) -> None:
    text = JSONL if "jsonl" in inner else CONLL
    plain = save(tmp_path / inner, text)
    small = save(tmp_path / f"{inner}.{suffix}", PACKERS[suffix](text.encode()))
    assert detect_format(small) == detect_format(plain)
    assert brief(read(small)) == brief(read(plain))
    renamed = save(tmp_path / f"x-{suffix}", PACKERS[suffix](text.encode()))
    assert brief(read(renamed)) == brief(read(plain))


def test_packed_parquet(tmp_path: Path) -> None:
    plain = tmp_path / "a.parquet"
    write_parquet([Sentence("a", "de", ["Anna"], [Span(0, 1, "PER")])], plain)
    for suffix, pack in PACKERS.items():
        small = save(tmp_path / f"a.parquet.{suffix}", pack(plain.read_bytes()))
        assert brief(read(small)) == brief(read(plain))


def failure(path: Path) -> str:
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    return str(error.value)


def test_errors_name_the_line_within(tmp_path: Path) -> None:
    path = save(tmp_path / "a.conll.gz", gzip.compress(b"a b O\nc d O\ne O\n"))
    assert f"{path}:3: 2 columns where 3 were expected" in failure(path)


def test_what_is_refused(tmp_path: Path) -> None:
    several = save(tmp_path / "a.zip", zipped(b"x O\n", "train.txt", **{"test.txt": b"y O\n"}))
    assert "a zip archive that holds train.txt, test.txt, where one file was" in failure(several)
    ours = save(tmp_path / "b.zip", zipped(b"x O\n", **{"__MACOSX/._in.txt": b"?", "d/": b""}))
    assert read(ours)[0].words == ["x"]
    empty = save(tmp_path / "c.zip", zipped(b"", "d/"))
    assert "holds nothing" in failure(empty)
    word = save(tmp_path / "d.docx", zipped(b"<w/>", "word/document.xml"))
    assert "a Word document: save its data as text" in failure(word)
    excel = save(tmp_path / "e.xlsx", zipped(b"<w/>", "xl/workbook.xml", x=b""))
    assert "an Excel workbook" in failure(excel)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        archive.add(several, "a.txt")
    assert "a tar archive: unpack it" in failure(save(tmp_path / "f.tar.gz", tar.getvalue()))
    assert "a PDF" in failure(save(tmp_path / "g.pdf", b"%PDF-1.7\n%\xe2\xe3"))
    assert "a damaged gzip file" in failure(
        save(tmp_path / "h.gz", gzip.compress(CONLL.encode() * 9000)[:-20])
    )
    assert "a damaged xz file" in failure(
        save(tmp_path / "i.xz", lzma.compress(CONLL.encode() * 9000)[:-60])
    )


def test_bombs_do_not_go_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "LARGE", 1 << 16)
    monkeypatch.setattr(packed, "DENSEST", 20)
    for suffix, pack in PACKERS.items():
        path = save(tmp_path / f"a.{suffix}", pack(b"x O\n" * (1 << 17)))
        assert "bomb" in failure(path)
