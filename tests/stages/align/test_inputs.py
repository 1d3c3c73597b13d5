"""The files that align_words is given."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import DataError
from stages.align.inputs import read_word_pairs

PAIRS = [
    (["The", "S-Bahn", "leaves", "."], ["Die", "S-Bahn", "fährt", "."]),
    (["Ann", "O", "waits", "."], ["Ann", "O", "wartet", "."]),
]


def side(index: int, form: str) -> str:
    """One side of the pairs: a sentence a line, a word a line, or CoNLL."""
    sentences = [pair[index] for pair in PAIRS]
    if form == "lines":
        return "".join(" ".join(s) + "\n" for s in sentences)
    rest = "" if form == "words" else " O"
    return "\n".join("".join(f"{w}{rest}\n" for w in s) for s in sentences)


@pytest.mark.parametrize("source", ["lines", "words", "conll"])
@pytest.mark.parametrize("target", ["lines", "words", "conll"])
def test_sides_in_any_form_are_read_alike(source: str, target: str, tmp_path: Path) -> None:
    first, second = tmp_path / "en.txt", tmp_path / "de.txt"
    first.write_text(side(0, source))
    second.write_text(side(1, target))
    assert [tuple(p) for p in read_word_pairs(first, second)] == PAIRS


@pytest.mark.parametrize(
    ("lines", "hinted"), [(16, True), (8, True), (5, False), (3, False), (0, False)]
)
def test_words_in_lines_are_thought_of_where_there_are_many(
    lines: int, hinted: bool, tmp_path: Path
) -> None:
    source, target = tmp_path / "s.conll", tmp_path / "t.txt"
    source.write_text("Anna O\nkam O\n\n" * 4)
    target.write_text("Anna x\n" * lines)
    for sides in ((source, target), (target, source)):
        with pytest.raises(DataError, match=r"t\.txt \(read as text\) has") as error:
            read_word_pairs(*sides)
        assert (f"if {target} has a word per line" in str(error.value)) == hinted
    # A file of text beside another one has a sentence per line.
    source = source.rename(tmp_path / "s.txt")
    source.write_text("Anna kam\n")
    with pytest.raises(DataError, match="line by line$"):
        read_word_pairs(source, target)


UNCUT = [
    "玛丽亚星期一访问了北京。",
    "ナイロビの事務所で働いている。",
    "ธนาคารโลกเปิดสำนักงานในเบอร์ลิน",
]


@pytest.mark.parametrize("text", UNCUT)
@pytest.mark.parametrize("together", [False, True])
def test_text_without_spaces_is_refused_with_a_way_to_cut_it(
    text: str, together: bool, tmp_path: Path
) -> None:
    english, other = tmp_path / "en.txt", tmp_path / "it's other.txt"
    english.write_text("Some words .\nMore of them .\n")
    other.write_text("".join(f"{'Some words ||| ' * together}{text}\n" for _ in range(2)))
    files = (other,) if together else (english, other)
    with pytest.raises(
        DataError, match=r"other\.txt: is not cut into words: .* stands there for"
    ) as e:
        read_word_pairs(*files)
    found = re.search(r"python (-c .* > )NEW; CoNLL", str(e.value))
    assert found
    new = tmp_path / "new.txt"
    subprocess.run(f"{sys.executable} {found[1]} {new}", shell=True, check=True)
    pairs = read_word_pairs(*((new,) if together else (english, new)))
    assert ["".join(words) for _, words in pairs] == [text, text]
    assert all(len(words) > 4 for _, words in pairs)


def test_a_name_in_another_script_is_a_word(tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text("He is called 玛丽亚星期一访问了北京 there , as all know ||| 毛泽东\n")
    assert len(read_word_pairs(file)) == 1
    conll = tmp_path / "zh.conll"
    conll.write_text(f"{UNCUT[0]} O\n\n{UNCUT[0]} O\n")
    assert read_word_pairs(conll, conll) == [([UNCUT[0]], [UNCUT[0]])] * 2


@pytest.mark.parametrize("separator", [" ||| ", "\t"])
def test_a_file_of_pairs(separator: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    rows = [" ".join(a) + separator + " ".join(b) for a, b in PAIRS]
    path.write_text("\n".join(rows))
    assert [tuple(p) for p in read_word_pairs(path)] == PAIRS
    path.write_text("\n".join(f"{row}{separator}0.9" for row in rows))
    with pytest.raises(DataError, match=r"pairs\.txt:1: 2 times .*, and no more columns"):
        read_word_pairs(path)


def test_a_translation_memory_is_no_file_of_pairs(tmp_path: Path) -> None:
    path = tmp_path / "memory.tmx"
    path.write_text('<?xml version="1.0"?>\n<tmx version="1.4"><body></body></tmx>\n')
    with pytest.raises(DataError, match="TMX, translations as XML"):
        read_word_pairs(path)
