"""Spans are held against their text: in what they count is found out over the whole file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icu4py.breakers import CharacterBreaker

from pipeline.errors import DataError
from tests.pipeline.formats.helpers import brief, lines, read, stream

TEXT = "We love 🚀🚀 re\u0301mi in Lisbon today."
START = TEXT.index("Lisbon")
UNITS = {
    "characters": len,
    "utf-16": lambda t: len(t.encode("utf-16-le")) // 2,
    "utf-8": lambda t: len(t.encode()),
    "graphemes": lambda t: len(list(CharacterBreaker(t, "root"))),
}
NAMES = {
    "characters": "characters",
    "words": "words",
    "utf-16": "UTF-16 units",
    "utf-8": "bytes of UTF-8",
    "graphemes": "grapheme clusters",
}


def counted(text: str, start: int, end: int, unit: str, inclusive: bool) -> list[int]:
    length = UNITS[unit]
    return [length(text[:start]), length(text[:end]) - inclusive]


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("unit", UNITS)
def test_the_surface_decides(unit: str, inclusive: bool, tmp_path: Path) -> None:
    start, end = counted(TEXT, START, START + 6, unit, inclusive)
    span = {"start": start, "end": end, "label": "LOC", "text": "Lisbon"}
    found = stream(lines(tmp_path / "a.jsonl", [{"text": TEXT, "spans": [span]}]))
    words, spans = brief(found)[0]
    assert words[spans[0][0] : spans[0][1]] == ["Lisbon"]
    end_is = "inclusive" if inclusive else "exclusive"
    assert found.report.offsets == f"{NAMES[unit]}, end {end_is}"


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("unit", UNITS)
def test_words_beside_the_text_decide(unit: str, inclusive: bool, tmp_path: Path) -> None:
    words = TEXT.replace(".", " .").split()
    label = [
        [*counted(TEXT, a, a + len(w), unit, inclusive), "X"]
        for w in ("Lisbon", "today", "in")
        for a in [TEXT.index(w)]
    ]
    record = {"text": TEXT, "words": words, "label": label}
    found = brief(read(lines(tmp_path / "a.jsonl", [record])))
    assert found == [(words, [(4, 5, "X"), (5, 6, "X"), (6, 7, "X")])]


def test_words_of_a_record_are_counted_where_its_characters_do_not_fit(tmp_path: Path) -> None:
    record = {"text": "Ann Lee in Bonn", "words": ["Ann", "Lee", "in", "Bonn"]}
    path = lines(tmp_path / "a.jsonl", [record | {"spans": [[0, 2, "PER"], [3, 4, "LOC"]]}])
    found = stream(path)
    assert brief(found) == [(["Ann", "Lee", "in", "Bonn"], [(0, 2, "PER"), (3, 4, "LOC")])]
    assert found.report.offsets == "words, end exclusive"


def test_the_users_word_counts_more(tmp_path: Path) -> None:
    record = {"text": "Anna in her old house", "words": ["Anna", "in", "her", "old", "house"]}
    path = lines(tmp_path / "a.jsonl", [record | {"spans": [[0, 4, "X"]]}])
    found = stream(path)
    assert [s.spans[0].end for s in found] == [1]
    assert "every span would fit as words, too; set offsets: words" in found.report.warnings[0]
    assert brief(read(path, offsets="words"))[0][1] == [(0, 4, "X")]
    assert brief(read(path, offsets="words", span_end="inclusive"))[0][1] == [(0, 5, "X")]


@pytest.mark.parametrize("stated", ["by the user", "by the record"])
def test_words_of_a_text_alone_cannot_be_counted(stated: str, tmp_path: Path) -> None:
    record: dict[str, object] = {"text": "Ann Lee slept", "spans": [[0, 2, "PER"]]}
    options = {"offsets": "words"} if stated == "by the user" else {}
    record |= {} if options else {"offsets": "words"}
    words = {"tokens": ["Ann", "Lee", "slept"]}
    path = lines(tmp_path / "a.jsonl", [record | words, {"text": "It rained", "spans": []}])
    assert brief(read(path, **options)) == [
        (words["tokens"], [(0, 2, "PER")]),
        (["It", "rained"], []),
    ]
    path = lines(tmp_path / "a.jsonl", [record | words, record])
    with pytest.raises(DataError, match=r"a\.jsonl:2: positions .* words, .* without a list"):
        read(path, **options)


def test_gliners_spans_end_with_their_last_word(tmp_path: Path) -> None:
    record = {"tokenized_text": ["Anna", "Kovac", "slept", "."], "ner": [[0, 1, "PER"]]}
    path = lines(tmp_path / "a.json", [record])
    assert brief(read(path)) == [(record["tokenized_text"], [(0, 2, "PER")])]
    assert brief(read(path, span_end="exclusive"))[0][1] == [(0, 1, "PER")]
    record["ner"] = [[0, 2, "PER"], [2, 4, "X"]]  # which cannot be
    assert brief(read(lines(path, [record])))[0][1] == [(0, 2, "PER"), (2, 4, "X")]


def test_few_words_that_may_end_either_way_are_warned_of(tmp_path: Path) -> None:
    words = ["Anna", "Kovac", "slept", "."]
    record = {"tokens": words, "ner": [[0, 2, "PER"]]}
    found = stream(lines(tmp_path / "a.json", [record]))
    assert brief(found) == [(words, [(0, 2, "PER")])]
    (warning,) = found.report.warnings
    assert "every span would fit with its end inclusive, too; set span_end: inclusive" in warning
    assert not stream(tmp_path / "a.json", span_end="exclusive").report.warnings
    assert not stream(lines(tmp_path / "b.json", [record] * 10)).report.warnings
    at_the_end = {"tokens": words[:2], "ner": [[0, 2, "PER"]]}
    assert not stream(lines(tmp_path / "c.json", [record, at_the_end])).report.warnings
    elsewhere = {"tokens": words, "spans": [[0, 2, "PER"]]}
    assert not stream(lines(tmp_path / "d.json", [elsewhere])).report.warnings


def test_inclusive_words_without_a_text(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"tokens": ["Ann", "slept"], "spans": [[0, 0, "PER"]]}])
    found = stream(path)
    assert brief(found) == [(["Ann", "slept"], [(0, 1, "PER")])]
    assert found.report.offsets == "words, end inclusive"
    assert "positions are read as words, end inclusive" in found.report.warnings[0]


def test_one_odd_span_does_not_turn_the_others(tmp_path: Path) -> None:
    good = [{"text": "We saw Lisbon.", "spans": [[7, 13, "LOC"]]}] * 9
    odd = {"text": "We saw Lisbon.", "spans": [[7, 12, "LOC"]]}
    found = stream(lines(tmp_path / "a.jsonl", [*good, odd]))
    assert [s.words[s.spans[0].start] for s in found] == ["Lisbon"] * 9 + ["Lisbo"]
    assert found.report.offsets == "characters, end exclusive"
    # The last record cut no word that others have, and one empty span of words is an error.
    rows = [{"tokens": ["a", "b"], "spans": [[0, 1, "X"]]}] * 9
    path = lines(tmp_path / "b.jsonl", [*rows, {"tokens": ["a", "b"], "spans": [[1, 1, "X"]]}])
    with pytest.raises(DataError, match=r"b\.jsonl:10: entity \[1, 1\) X does not fit"):
        read(path)


def test_a_surface_that_fits_nowhere_is_an_error(tmp_path: Path) -> None:
    good = {"text": "Bonn", "spans": [{"start": 0, "end": 4, "label": "LOC", "text": "Bonn"}]}
    bad = {"text": "Köln", "spans": [{"start": 0, "end": 4, "label": "LOC", "text": "Bonn"}]}
    path = lines(tmp_path / "a.jsonl", [good, bad])
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value).startswith(
        f"{path}:2: span [0, 4) LOC is 'Köln' in the text, but its own text is 'Bonn'"
    )
    found = stream(path, offsets="characters")
    assert len(list(found)) == 2 and found.report.repaired["other_surfaces"] == 1


def test_case_composition_and_spaces_do_not_matter(tmp_path: Path) -> None:
    record = {
        "text": "Die Re\u0301mi  Bar",
        "spans": [{"start": 4, "end": 14, "label": "ORG", "text": "r\u00e9mi bar"}],
    }
    found = stream(lines(tmp_path / "a.jsonl", [record]))
    assert [s.spans[0].end for s in found] == [3]
    assert found.report.repaired["other_surfaces"] == 1


def test_line_ends_that_count_as_one(tmp_path: Path) -> None:
    text = "Ann\r\nLee\r\nin Bonn"
    start = text.replace("\r\n", "\n").index("Bonn")
    span = {"start": start, "end": start + 4, "label": "LOC", "text": "Bonn"}
    found = stream(lines(tmp_path / "a.jsonl", [{"text": text, "spans": [span]}]))
    assert [s.words[x.start] for s in found for x in s.spans] == ["Bonn"]


def test_scripts_without_spaces_are_read_as_they_were(tmp_path: Path) -> None:
    record = {"text": "東京でアンナが訪問した", "spans": [[0, 2, "LOC"], [3, 6, "PER"]]}
    found = stream(lines(tmp_path / "a.jsonl", [record]))
    assert [(x.start, x.end) for s in found for x in s.spans] == [(0, 1), (2, 3)]
    assert not found.report.warnings


WORD = st.text("abcÄé\u0301🚀👩\u200d日", min_size=1, max_size=5).filter(
    lambda w: w[0] not in "\u0301\u200d" and any(c.isalnum() for c in w)
)


@settings(max_examples=60)
@given(
    sentences=st.lists(st.lists(WORD, min_size=1, max_size=6), min_size=1, max_size=4),
    unit=st.sampled_from(sorted(UNITS)),
    inclusive=st.booleans(),
    data=st.data(),
)
def test_any_file_with_surfaces_is_read_right(
    sentences: list[list[str]], unit: str, inclusive: bool, data: st.DataObject
) -> None:
    records, expected = [], []
    for words in sentences:
        text = " ".join(words)
        at = data.draw(st.integers(0, len(words) - 1))
        start = len(" ".join(words[:at])) + (at > 0)
        first, last = counted(text, start, start + len(words[at]), unit, inclusive)
        span = {"start": first, "end": last, "label": "X", "text": words[at]}
        records.append({"text": text, "spans": [span]})
        expected.append(words[at])
    with tempfile.TemporaryDirectory() as folder:
        found = read(lines(Path(folder) / "a.jsonl", records), documents="keep")
        surfaces = [" ".join(s.words[x.start : x.end]) for s in found for x in s.spans]
    assert surfaces == expected


def test_documents_are_split_and_spans_kept(tmp_path: Path) -> None:
    text = "Dr. Ann Lee left Oslo. She went to St. Gallen! Bob? No."
    spans = [
        [a, a + len(w), "X"] for w in ("Ann Lee", "St. Gallen", "Bob") for a in [text.index(w)]
    ]
    path = lines(tmp_path / "a.jsonl", [{"id": 7, "text": text, "spans": spans}])
    found = stream(path, lang="en")
    assert [(s.id, s.words) for s in found] == [
        ("7-1", ["Dr.", "Ann", "Lee", "left", "Oslo."]),
        ("7-2", ["She", "went", "to", "St.", "Gallen", "!"]),
        ("7-3", ["Bob", "?"]),
        ("7-4", ["No."]),
    ]
    assert (
        found.report.repaired["documents"],
        found.report.total,
        found.report.repaired["crossing_spans"],
    ) == (1, 4, 0)
    assert [s.id for s in stream(path, lang="en", documents="keep")] == ["7"]
    across = [[text.index("Oslo"), text.index("went"), "X"]]
    found = stream(lines(tmp_path / "b.jsonl", [{"text": text, "spans": across}]), lang="en")
    assert len(list(found)) == 3 and found.report.repaired["crossing_spans"] == 1


def test_sentences_are_not_split(tmp_path: Path) -> None:
    rows = [{"text": "Ann left. She ran.", "spans": []}, *[{"text": "Bob ran.", "spans": []}] * 2]
    assert len(read(lines(tmp_path / "a.jsonl", rows))) == 3
    long = {"text": "Ann left. " * 101, "spans": []}
    assert len(read(lines(tmp_path / "b.jsonl", [*rows, long]))) == 2 + 2 + 101
