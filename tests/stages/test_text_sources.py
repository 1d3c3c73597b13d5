"""Reading text in the layouts in which it is published."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pipeline.errors import DataError
from stages.text_sources import TextSource, read_entities, read_rows
from tests.shared_data import shared_data


def source(path: Path, **options: object) -> TextSource:
    return TextSource.model_validate({"path": path, "languages": ("en", "de"), **options})


def test_tsv_takes_the_named_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("1\tHallo\tHello\r\n\n2\tTschüs\tBye\n", encoding="utf-8")
    rows = list(read_rows(source(path, format="tsv", columns=(2, 1))))
    assert rows == [("Hello", "Hallo"), ("Bye", "Tschüs")]


def test_a_short_line_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("Hello\tHallo\nBye\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.tsv:2: 1 column\(s\), but column 1"):
        list(read_rows(source(path, format="tsv")))


def test_another_separator(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a b ||| c d\n", encoding="utf-8")
    assert list(read_rows(source(path, format="tsv", separator="|||"))) == [("a b", "c d")]


def test_zip_skips_what_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/deu.txt", "Hi.\tHallo!\tcredits\n")
        archive.writestr("x/_about.txt", "about")
        archive.writestr("__MACOSX/x/._deu.txt", b"\xff\x00")
    assert list(read_rows(source(path, format="zip"))) == [("Hi.", "Hallo!")]
    with pytest.raises(DataError, match="member 'spa.txt' must name one file"):
        list(read_rows(source(path, format="zip", member="spa.txt")))


def test_not_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_text("no", encoding="utf-8")
    with pytest.raises(DataError, match="not a zip archive"):
        list(read_rows(source(path, format="zip")))


def test_line_aligned_files_must_match(tmp_path: Path) -> None:
    first, second = tmp_path / "a.en", tmp_path / "a.de"
    first.write_text("One\nTwo\n", encoding="utf-8")
    second.write_text("Eins\nZwei\n", encoding="utf-8")
    text = source(first, format="lines", second_path=second)
    assert list(read_rows(text)) == [("One", "Eins"), ("Two", "Zwei")]
    second.write_text("Eins\n", encoding="utf-8")
    with pytest.raises(DataError, match="has 2 lines and .* 1;"):
        list(read_rows(text))


def test_labelled_gives_words_and_entities(tmp_path: Path) -> None:
    path = tmp_path / "train"
    path.write_text(
        "de:Bonn\tB-LOC\nde:und\tO\nde:Karl\tB-PER\nde:Marx\tI-PER\n\nde:Ja\tO\n",
        encoding="utf-8",
    )
    text = source(path, format="labelled", languages=("de",))
    assert list(read_rows(text)) == [("Bonn und Karl Marx",), ("Ja",)]
    assert list(read_entities(text)) == [("LOC", "Bonn"), ("PER", "Karl Marx")]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.tsv: file not found"):
        list(read_rows(source(tmp_path / "gone.tsv", format="tsv")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "lines"}, "needs two languages and second_path"),
        ({"format": "text"}, "holds one language"),
        ({"format": "tsv", "columns": (0,)}, "one column for each language"),
    ],
)
def test_sides_must_match_the_format(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        source(Path("x"), **options)


@pytest.mark.parametrize(
    ("code", "member", "lines"),
    [("deu", "deu.txt", 169813), ("nld", "nld.txt", 52652)],
)
def test_the_real_archives(code: str, member: str, lines: int) -> None:
    path = shared_data("parallel", "tatoeba", f"eng-{code}.zip")
    assert sum(1 for _ in read_rows(source(path, format="zip", member=member))) == lines
