"""The variants of CoNLL-like files, and what is wrong with bad ones."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.formats.conll import write_conll
from pipeline.schema import Sentence, Span, overlapping
from tests.pipeline.formats.helpers import brief, read, save, stream, triples

ANN = [(["Ann", "Lee", "."], [(0, 2, "PER")]), (["In", "Bonn"], [(1, 2, "LOC")])]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Ann B-PER\nLee I-PER\n. O\n\nIn O\nBonn B-LOC\n", id="space"),
        pytest.param("Ann\tB-PER\nLee\tI-PER\n.\tO\n\nIn\tO\nBonn\tB-LOC", id="tab, no last end"),
        pytest.param("Ann  B-PER\nLee   I-PER \n. \tO\n\nIn O\nBonn B-LOC\n", id="ragged spaces"),
        pytest.param("\n\nAnn B-PER\nLee I-PER\n. O\n\n\n\nIn O\nBonn B-LOC\n\n\n", id="blanks"),
        pytest.param("Ann B-PER\nLee I-PER\n. O\n  \nIn O\nBonn B-LOC\n", id="space separator"),
        pytest.param("Ann\tB-PER\nLee\tI-PER\n.\tO\n\t\nIn\tO\nBonn\tB-LOC\n", id="tab separator"),
        pytest.param("Ann B-PER\nLee I-PER\n. O\n\u00a0\nIn O\nBonn B-LOC\n", id="nbsp separator"),
        pytest.param("Ann B-PER\r\nLee I-PER\r\n. O\r\n\r\nIn O\r\nBonn B-LOC\r\n", id="CRLF"),
        pytest.param("Ann B-PER\rLee I-PER\r. O\r\rIn O\rBonn B-LOC\r", id="CR"),
        pytest.param("\ufeffAnn B-PER\nLee I-PER\n. O\n\nIn O\nBonn B-LOC\n", id="BOM"),
        pytest.param(
            "-DOCSTART- -X- O O\n\nAnn NNP I-NP B-PER\nLee NNP I-NP I-PER\n. . O O\n\n"
            "-DOCSTART- -X- O O\n\nIn IN I-PP O\nBonn NNP I-NP B-LOC\n",
            id="CoNLL 2003 with DOCSTART",
        ),
        pytest.param(
            "-DOCSTART- O\nAnn B-PER\nLee I-PER\n. O\n-DOCSTART- O\nIn O\nBonn B-LOC\n",
            id="DOCSTART without blank lines",
        ),
        pytest.param(
            "de:Ann\tB-PER\nde:Lee\tI-PER\nde:.\tO\n\nde:In\tO\nde:Bonn\tB-LOC\n", id="prefix"
        ),
        pytest.param(
            "# newdoc id = d\n# sent_id = a\n# text = x\n1\tAnn\tB-PER\t-\tme\n"
            "2\tLee\tI-PER\t-\tme\n3\t.\tO\t-\tme\n\n# sent_id = b\n1-2\tInBonn\tO\t-\tme\n"
            "1\tIn\tO\t-\tme\n2\tBonn\tB-LOC\t-\tme\n2.1\tx\tO\t-\tme\n",
            id="CoNLL-U rows",
        ),
        pytest.param(
            "# global.columns = NER FORM\nB-PER\tAnn\nI-PER\tLee\nO\t.\n\nO\tIn\nB-LOC\tBonn\n",
            id="CoNLL-U Plus columns",
        ),
        pytest.param(
            "# id 12-ab\tdomain=en\nAnn _ _ B-PER\nLee _ _ I-PER\n. _ _ O\n\n"
            "# id 12-ac\tdomain=en\nIn _ _ O\nBonn _ _ B-LOC\n",
            id="MultiCoNER",
        ),
        pytest.param("Ann S-X B-PER\nLee S-X E-PER\n. S-X O\n\nIn S-X O\nBonn S-X S-LOC", id="3"),
    ],
)
def test_variants(text: str, tmp_path: Path) -> None:
    assert brief(read(save(tmp_path / "a.txt", text))) == ANN


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("iob1", "I-PER I-PER B-PER O I-LOC"),
        ("iob2", "B-PER I-PER B-PER O B-LOC"),
        ("bioes", "B-PER E-PER S-PER O S-LOC"),
        ("bilou", "B-PER L-PER U-PER O U-LOC"),
    ],
)
def test_scheme_is_detected(scheme: str, tags: str, tmp_path: Path) -> None:
    rows = "".join(f"w{i} {t}\n" for i, t in enumerate(tags.split()))
    found = stream(save(tmp_path / "a.txt", rows))
    assert [triples(s.spans) for s in found] == [[(0, 2, "PER"), (2, 3, "PER"), (4, 5, "LOC")]]
    assert (found.report.scheme, found.report.scheme_detected) == (scheme, True)
    assert not found.report.repaired_tags


def test_io_has_no_borders_between_neighbours(tmp_path: Path) -> None:
    found = stream(save(tmp_path / "a.txt", "w PER\nw PER\nw O\nw LOC\nw O\n"))
    assert [triples(s.spans) for s in found] == [[(0, 2, "PER"), (3, 4, "LOC")]]
    assert found.report.scheme == "io"


def test_given_scheme_wins(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "w I-PER\nw O\n")
    found = stream(path, scheme="iob2")
    assert len(list(found)) == 1
    assert (found.report.scheme, found.report.scheme_detected) == ("iob2", False)
    assert found.report.repaired_tags == {"inside_without_begin": 1}


def test_stray_inside_begins_an_entity_and_is_counted(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "x B-PER\nx O\nBonn I-LOC\nx B-ORG\nx I-PER\n\nx B-PER\n")
    found = stream(path)
    assert [triples(s.spans) for s in found] == [
        [(0, 1, "PER"), (2, 3, "LOC"), (3, 4, "ORG"), (4, 5, "PER")],
        [(0, 1, "PER")],
    ]
    assert found.report.scheme == "iob2"
    assert found.report.repaired_tags == {"inside_without_begin": 2}
    assert found.report.examples == {"inside_without_begin": [f"{path}:3", f"{path}:5"]}


def test_named_and_numbered_columns(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "1 Ann B-PER x B-NP\n1 x O x O\n")
    assert triples(read(path, tag_column=2, word_column=1)[0].spans) == [(0, 1, "PER")]
    assert triples(read(path, tag_column=-3, word_column=-4)[0].spans) == [(0, 1, "PER")]
    columns = ["n", "form", "ner", "x", "chunk"]
    named = read(path, columns=columns, tag_column="ner")
    assert brief(named) == [(["Ann", "x"], [(0, 1, "PER")])]
    headed = save(tmp_path / "b.txt", "n form ner x chunk\n1 Ann B-PER x B-NP\n1 x O x O\n")
    assert brief(read(headed, tag_column="ner", word_column="form")) == brief(named)
    with pytest.raises(DataError) as error:
        read(headed, tag_column="nerr")
    assert str(error.value) == (
        f"{headed}: tag_column: there is no column 'nerr' (did you mean 'ner'?); "
        "the columns are n, form, ner, x, chunk"
    )
    with pytest.raises(DataError) as error:
        read(path, tag_column=5)
    assert str(error.value) == f"{path}: tag_column: there is no column 5; rows have 5 columns"


def test_names_of_columns_that_the_values_contradict(tmp_path: Path) -> None:
    rows = "Ann\tNNP\tB-PER\nis\tVBZ\tO\nin\tIN\tO\nBonn\tNNP\tB-LOC\n"
    path = save(tmp_path / "a.txt", rows)
    right = read(path, columns=["form", "pos", "ner"])
    assert triples(right[0].spans) == [(0, 1, "PER"), (3, 4, "LOC")]
    with pytest.raises(DataError) as error:
        read(path, columns=["form", "ner", "pos"])
    assert str(error.value) == (
        f"{path}: columns does not fit the file: column 2, called 'pos', holds the tags; column 1, "
        "called 'ner', has 'NNP', 'VBZ', 'IN'; correct columns, or set tag_column: 2"
    )
    for names in (["form", "pos", "chunk"], ["ner", "pos", "form"]):
        with pytest.raises(DataError, match="columns does not fit the file: column 2"):
            read(path, columns=names)
    assert brief(read(path, columns=["form", "ner", "pos"], tag_column=2)) == brief(right)
    assert brief(read(path, columns=["a", "b", "c"])) == brief(right)
    headed = save(tmp_path / "b.txt", f"token\tx\ttag\n{rows}")
    assert brief(read(headed, columns=["form", "pos", "ner"])) == brief(right)


def test_hash_rows_are_words_and_comments_are_comments(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "# O\n# O\n\n# id = s7\nwin O\n# O\n#tag B-ORG\n\n#1 O\n")
    found = read(path)
    assert [s.words for s in found] == [["#", "#"], ["win", "#", "#tag"], ["#1"]]
    assert [s.id for s in found] == ["s-0", "s7", "s-2"]
    tabbed = save(tmp_path / "b.txt", "#\tO\nx\tB-ORG\n\n# id = s8\n# a remark\n# = #\tO\n")
    assert [(s.id, s.words) for s in read(tabbed)] == [("s-0", ["#", "x"]), ("s8", ["# = #"])]


def test_prefix_only_if_every_word_has_it(tmp_path: Path) -> None:
    text = "de:Ann\tB-PER\nde::\tO\nde:a:b\tO\n"
    found = stream(save(tmp_path / "a.txt", text), lang="deu")
    assert [s.words for s in found] == [["Ann", ":", "a:b"]]
    assert not found.report.warnings
    mixed = save(tmp_path / "b.txt", text + "\n10:30\tO\n")
    assert [s.words for s in read(mixed)] == [["de:Ann", "de::", "de:a:b"], ["10:30"]]


def test_prefix_of_another_language_is_warned_about(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "fr:Ann\tB-PER\nfr:.\tO\n")
    assert stream(path).report.warnings == [
        f"{path}: every word has the prefix 'fr:', but the language is 'de'; check the path"
    ]


@pytest.mark.parametrize("odd", ["\u0085", "\u2028", "\u2029", "\u00a0", "\x0b", "\x0c", "\x1c"])
@pytest.mark.parametrize("separator", ["\t", " "])
def test_odd_characters_inside_words_do_not_split(odd: str, separator: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", f"a{odd}b{separator}B-PER\nc{separator}O\n")
    assert brief(read(path)) == [([f"a{odd}b", "c"], [(0, 1, "PER")])]


def test_byte_order_marks_of_files_that_were_appended(tmp_path: Path) -> None:
    parts = [
        "-DOCSTART- O\n\nAnn B-PER\nfell O\n",
        "-DOCSTART- O\n\nBonn B-LOC\n\n",
        "\nIt O\n\n",
        "Ulm B-LOC\n",
    ]
    found = stream(save(tmp_path / "a.txt", "".join(f"\ufeff{part}" for part in parts)))
    assert brief(found) == [
        (["Ann", "fell"], [(0, 1, "PER")]),
        (["Bonn"], [(0, 1, "LOC")]),
        (["It"], []),
        (["Ulm"], [(0, 1, "LOC")]),
    ]
    assert found.report.docstarts == 2
    assert "3 byte order marks within the file left out" in found.report.summary()
    commented = "\ufeff# id = {}\nAnn\tB-PER\n\ufeff\u200bfell\tO\n"  # the second is a word's
    found = stream(save(tmp_path / "b.txt", "\n".join(commented.format(n) for n in range(2))))
    assert [(s.id, s.words) for s in found] == [
        ("0", ["Ann", "\ufeff\u200bfell"]),
        ("1", ["Ann", "\ufeff\u200bfell"]),
    ]
    record = '\ufeff{"tokens": ["Bonn"], "ner_tags": ["B-LOC"]}\n'
    assert len(read(save(tmp_path / "c.jsonl", record * 2))) == 2


def test_zero_width_and_right_to_left_text_is_kept(tmp_path: Path) -> None:
    words = ["\u200bHassan", "Josée\u200f", "שלום", "مرحبا", "می\u200cخواهم", "👩\u200d🔬"]
    path = save(tmp_path / "a.txt", "".join(f"{w} B-PER\n" for w in words))
    found = stream(path)
    assert [s.words for s in found] == [words]
    assert found.report.repaired["invisible_words"] == 0


def test_words_without_a_visible_character_are_left_out_and_counted(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.txt",
        "Ann\tB-PER\n\u200b\tI-PER\nLee\tI-PER\n\u00a0\tB-LOC\nx\tO\n\tO\nBonn\tB-LOC\n\n\u200b\tO\n",
    )
    found = stream(path)
    assert brief(found) == [(["Ann", "Lee", "x", "Bonn"], [(0, 2, "PER"), (3, 4, "LOC")])]
    report = found.report
    assert (
        report.repaired["invisible_words"],
        report.repaired["lost_spans"],
        report.empty_sentences,
    ) == (4, 1, 1)
    assert report.examples["invisible_words"] == [f"{path}:1", f"{path}:9"]


def test_a_very_long_sentence_is_kept_whole(tmp_path: Path) -> None:
    rows = "".join(f"w{i} {'B-PER' if i % 10 == 0 else 'O'}\n" for i in range(5000))
    (sentence,) = read(save(tmp_path / "a.txt", rows))
    assert len(sentence.words) == 5000 and len(sentence.spans) == 500


def test_an_id_without_words_is_an_empty_sentence(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "# id = a\nx\tO\n\n# id = b\n\n# id = c\ny\tO\n")
    found = stream(path)
    assert [s.id for s in found] == ["a", "c"]
    assert (found.report.total, found.report.empty_sentences) == (3, 1)
    assert [s.id for s in stream(path, keep_empty=True)] == ["a", "b", "c"]


def test_generated_ids_count_all_sentences_and_limit_does_not_change_them(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "x\tO\n\n\u200b\tO\n\ny\tO\n\nz\tB-PER\n")
    assert [(s.id, s.line) for s in read(path)] == [("s-0", 1), ("s-2", 5), ("s-3", 7)]
    limited = stream(path, limit=3)
    assert [s.id for s in limited] == ["s-0", "s-2"]
    assert limited.report.total == 4


def test_unlabelled_reading_ignores_the_tags(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "Ann B-PER\nx ???\n" + "y O\n" * 40)
    (sentence,) = read(path, labelled=False)
    assert sentence.words[:2] == ["Ann", "x"] and sentence.spans == []


# -- bad input ---------------------------------------------------------------------------------


def message(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as error:
        read(path, **options)
    return str(error.value)


def test_missing_file(tmp_path: Path) -> None:
    save(tmp_path / "train.txt", "x O\n")
    path = tmp_path / "trian.txt"
    assert message(path) == f"{path}: file not found (did you mean 'train.txt'?)"


def test_folder(tmp_path: Path) -> None:
    save(tmp_path / "train.dat", "x O\n")
    assert message(tmp_path) == (
        f"{tmp_path}: is a folder, not a file; name one of its files (train.dat)"
    )


def test_binary_file(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", b"x O\n\x00\x01\x02")
    assert message(path) == f"{path}:2: a binary file, not text (it has a NUL byte)"
    late = save(tmp_path / "b.txt", b"x O\n" * 20000 + b"\0 O\n")
    assert message(late) == f"{late}:20001: a binary file, not text (it has a NUL byte)"
    zipped = save(tmp_path / "c.txt", b"PK\x03\x04....")
    assert message(zipped) == f"{zipped}: a damaged zip archive (File is not a zip file)"


def test_wrong_encoding(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "x O\ny O\nEspaña B-LOC\n".encode("latin-1"))
    assert message(path) == (
        f"{path}:3: byte 0xf1 (byte 5 of the line) is not valid utf-8; set the encoding of this "
        "data source, for example encoding: latin-1 (--encoding latin-1 on the command line)"
    )
    assert read(path, encoding="latin-1")[0].words[2] == "España"
    quoted = save(tmp_path / "c.txt", "“España” B-LOC\n".encode("cp1252"))
    assert "for example encoding: cp1252" in message(quoted)
    for code, word in (("cp1251", "Москва"), ("cp1256", "القاهرة"), ("big5", "台北")):
        foreign = save(tmp_path / f"{code}.txt", f"x O\n{word} B-LOC\n".encode(code))
        assert "latin-1" not in message(foreign) and code in message(foreign)
        assert read(foreign, encoding=code)[0].words[1] == word
    assert message(path, encoding="latin-11") == (
        "encoding: 'latin-11' is not an encoding that Python knows"
    )
    wide = save(tmp_path / "b.txt", "x B-PER\n\ny O\n".encode("utf-16"))
    assert message(wide) == (
        f"{wide}: looks like UTF-16 text: set encoding: utf-16 (--encoding utf-16 on the command "
        "line)"
    )
    assert [s.words for s in read(wide, encoding="utf-16")] == [["x"], ["y"]]


def test_tag_outside_the_scheme(tmp_path: Path) -> None:
    rows = "x B-PER\ny I-PER\n" * 20
    path = save(tmp_path / "a.txt", rows + "z U-PER\n")
    allowed = "is not in the scheme iob2 (allowed: O, B-TYPE, I-TYPE); correct the tag, or set "
    allowed += "the scheme or the tag_column of this data source"
    assert message(path) == f"{path}:41: tag 'U-PER' {allowed}"
    for bad in ("PER", "B-", "b-PER", "B_PER", "B-I-PER"):
        path = save(tmp_path / "b.txt", f"{rows}\nz {bad}\n")
        assert message(path) == f"{path}:42: tag {bad!r} {allowed}"


def test_ragged_columns(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "x O\ny O\nNew York B-LOC\nz O\n")
    assert message(path) == (
        f"{path}:3: 3 columns where 2 were expected (space-separated, word in column 0, tag in "
        "column 1 of 2): 'New York B-LOC'; correct the row"
    )
    path = save(tmp_path / "b.txt", "x\tO\ny\tO\n\nz\n")
    assert message(path) == (
        f"{path}:4: 1 columns where 2 were expected (tab-separated, word in column 0, tag in "
        "column 1 of 2): 'z'; correct the row"
    )


def test_one_column_and_no_rows(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "x\ny\n")
    assert message(path) == (
        f"{path}:1: 1 column where a word and its tag were expected; set format, columns, "
        "word_column or tag_column of this data source"
    )
    path = save(tmp_path / "b.txt", "\n\n")
    assert message(path) == (
        f"{path}: no rows: the file is empty or has only blank lines and comments"
    )


def test_duplicate_ids(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "# id = a\nx\tO\n\n# id = a\ny\tO\n")
    assert message(path) == (
        f"{path}:5: the id 'a' is there twice; ids must be unique within a source"
    )


@pytest.mark.parametrize("bad", ["a\tb", "a\nb", "a\rb", "a\0b", "", "-DOCSTART-"])
def test_what_cannot_be_written(bad: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        write_conll([Sentence("s1", "de", ["x", bad], [Span(0, 1, "PER")])], tmp_path / "a.conll")
    assert str(error.value) == (
        f"sentence 's1': {bad!r} cannot be written to a CoNLL file; write JSONL or Parquet instead"
    )


PIECES = ["\n", "\n\n", "\r\n", "\t", " ", "O", "B-PER", "I-PER", "S-X", "#", "# id = a", "1", "2"]
PIECES += [
    "-DOCSTART-",
    "de:",
    "Ann",
    "\u200b",
    "\u00a0",
    "\ufeff",
    "é",
    "Ã©",
    "\0",
    "=",
    "{",
    "PER",
]


@settings(max_examples=150)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=40), labelled=st.booleans())
def test_any_text_is_read_or_refused_with_its_place(pieces: list[str], labelled: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "a.txt", "".join(pieces))
        try:
            found = read(path, labelled=labelled, repair_encoding=True)
        except DataError as error:
            assert str(error).startswith(str(path))
            return
    for sentence in found:
        assert sentence.words and all(w for w in sentence.words)
        assert overlapping(sentence.spans) is None
        assert all(0 <= s.start < s.end <= len(sentence.words) for s in sentence.spans)


def test_spaces_around_tabs_are_no_part_of_tags(tmp_path: Path) -> None:
    path = save(tmp_path / "a.conll", b"Anna \t B-PER \nlives \t O\nin \t O\nBonn \t B-LOC\n")
    [sentence] = read(path)
    assert sentence.words[0] == "Anna "  # as written: words may have spaces
    assert [(s.start, s.end, s.type) for s in sentence.spans] == [(0, 1, "PER"), (3, 4, "LOC")]


@pytest.mark.parametrize("end", ["\u2028", "\x85"])
def test_lines_that_end_otherwise_are_refused(tmp_path: Path, end: str) -> None:
    path = save(tmp_path / "a.conll", end.join(["Anna\tB-PER", "came\tO", ".\tO"]).encode())
    assert f"a.conll:1: one line, with U+{ord(end):04X} where lines may end" in message(path)
