"""The files that align_words is given."""

from __future__ import annotations

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
