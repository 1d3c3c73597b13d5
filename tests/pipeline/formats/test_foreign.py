"""Every format of other tools: a random data set written in it reads as the same spans."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.formats import FORMATS, detect_format
from pipeline.formats.words import joined
from pipeline.schema import Sentence, Span
from stages.inspect.corrections import FORMATS as EXPORTS
from stages.inspect.corrections import export
from tests.pipeline.formats.helpers import brief, dump, lines, read, save, stream

Row = tuple[list[str], list[tuple[int, int, str]]]

WORD = st.sampled_from(
    [
        "Anna",
        "Zoë",
        "e\u0301te\u0301",
        "🚀",
        "👩\u200d🚀",
        "東京",
        "שלום",
        "O'Neil",
        '"x"',
        "(",
        "3.5",
    ]
) | st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1, max_size=6)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    found: list[Row] = []
    for _ in range(draw(st.integers(1, 4))):
        words = draw(st.lists(WORD, min_size=1, max_size=7))
        spans, start = [], 0
        while start < len(words):
            size = draw(st.integers(0, 3))
            if size and start + size <= len(words):
                spans.append((start, start + size, draw(st.sampled_from(["PER", "LOC", "X-Y_Z"]))))
            start += max(size, 1)
        found.append((words, spans))
    return found


def chars(row: Row) -> tuple[str, list[tuple[int, int, str]]]:
    words, spans = row
    at = joined(words)[1]
    return " ".join(words), [(at[a][0], at[b - 1][1], kind) for a, b, kind in spans]


def units(text: str, position: int) -> int:
    return len(text[:position].encode("utf-16-le")) // 2


def label_studio(folder: Path, given: list[Row]) -> Path:
    tasks = []
    for number, row in enumerate(given):
        text, spans = chars(row)
        result = [
            {"type": "labels", "value": {"start": a, "end": b, "text": text[a:b], "labels": [k]}}
            for a, b, k in spans
        ]
        tasks.append({"id": number, "data": {"text": text}, "annotations": [{"result": result}]})
    return dump(folder / "a.json", tasks)


def label_studio_min(folder: Path, given: list[Row]) -> Path:
    tasks = []
    for number, row in enumerate(given):
        text, spans = chars(row)
        label = [{"start": a, "end": b, "text": text[a:b], "labels": [k]} for a, b, k in spans]
        task = {"id": number, "headline": text, "annotator": 1, "annotation_id": number}
        tasks.append(task | ({"label": label} if label else {}))
    return dump(folder / "a.json", tasks)


def doccano(folder: Path, given: list[Row], key: str = "label") -> Path:
    records = []
    for number, row in enumerate(given):
        text, spans = chars(row)
        label = [[units(text, a), units(text, b), k] for a, b, k in spans]
        words = {"words": row[0]}
        records.append({"id": number, "text": text, key: label, "Comments": [], **words})
    return lines(folder / "a.jsonl", records)


def doccano_entities(folder: Path, given: list[Row]) -> Path:
    records = []
    for number, row in enumerate(given):
        text, spans = chars(row)
        entities = [{"id": 7, "label": k, "start_offset": a, "end_offset": b} for a, b, k in spans]
        records.append({"id": number, "text": text, "entities": entities, "Comments": []})
    return lines(folder / "a.jsonl", records)


def prodigy(folder: Path, given: list[Row]) -> Path:
    records = []
    for words, spans in given:
        at = joined(words)[1]
        tokens = [
            {"text": w, "start": a, "end": b, "id": i}
            for i, (w, (a, b)) in enumerate(zip(words, at, strict=True))
        ]
        records.append(
            {
                "text": " ".join(words),
                "tokens": tokens,
                "spans": [
                    {
                        "start": at[a][0],
                        "end": at[b - 1][1],
                        "token_start": a,
                        "token_end": b - 1,
                        "label": k,
                    }
                    for a, b, k in spans
                ],
                "answer": "accept",
            }
        )
    return lines(folder / "a.jsonl", records)


def prodigy_tokens(folder: Path, given: list[Row]) -> Path:
    path = prodigy(folder, given)
    records = [json.loads(line) for line in path.read_text().split("\n") if line]
    for record in records:
        for span in record["spans"]:
            del span["start"], span["end"]
    return lines(path, records)


def tuples(row: Row) -> list[Any]:
    text, spans = chars(row)
    return [text, {"entities": [list(s) for s in spans]}]


def spacy_tuples(folder: Path, given: list[Row]) -> Path:
    return dump(folder / "a.json", [tuples(r) for r in given])


def spacy_lines(folder: Path, given: list[Row]) -> Path:
    return lines(folder / "a.jsonl", [tuples(r) for r in given])


def spacy_python(folder: Path, given: list[Row]) -> Path:
    made = [(t, {"entities": [tuple(e) for e in d["entities"]]}) for t, d in map(tuples, given)]
    return save(folder / "a.py", f"# data\nTRAIN_DATA = {made!r}\n")


def spacy_annotator(folder: Path, given: list[Row]) -> Path:
    made = [*map(tuples, given), None]
    return dump(folder / "a.json", {"classes": ["PER"], "annotations": made})


def spacy_v2(folder: Path, given: list[Row]) -> Path:
    from pipeline.formats import tags_from_spans

    made = []
    for words, spans in given:
        tags = tags_from_spans([Span(*s) for s in spans], len(words), "bilou")
        tokens = [{"orth": w, "ner": t} for w, t in zip(words, tags, strict=True)]
        made.append({"id": 0, "paragraphs": [{"raw": "", "sentences": [{"tokens": tokens}]}]})
    return dump(folder / "a.json", made)


def brat(folder: Path, given: list[Row], end: str = "\n") -> Path:
    for number, row in enumerate(given):
        text, spans = chars(row)
        notes = [f"T{i}\t{k} {a} {b}\t{text[a:b]}{end}" for i, (a, b, k) in enumerate(spans, 1)]
        save(folder / "set" / f"doc{number}.txt", text + end)
        save(folder / "set" / f"doc{number}.ann", "".join([*notes, f"#1\tNote T1\tsure?{end}"]))
    return folder / "set"


def brat_crlf(folder: Path, given: list[Row]) -> Path:
    return brat(folder, given, "\r\n")


def docbin(folder: Path, given: list[Row]) -> Path:
    spacy = pytest.importorskip("spacy", reason="spaCy is an optional extra")
    docs = spacy.tokens.DocBin()
    for words, spans in given:
        doc = spacy.tokens.Doc(spacy.blank("xx").vocab, words=words)
        doc.ents = [spacy.tokens.Span(doc, a, b, label=k) for a, b, k in spans]
        docs.add(doc)
    docs.to_disk(folder / "a.spacy")
    return folder / "a.spacy"


def table(folder: Path, given: list[Row], separator: str = ",") -> Path:
    from pipeline.formats import tags_from_spans

    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(["id", "tokens", "ner_tags"])
    for number, (words, spans) in enumerate(given):
        tags = tags_from_spans([Span(*s) for s in spans], len(words))
        writer.writerow([number, repr(words), repr(tags)])
    return save(folder / f"a.{'csv' if separator == ',' else 'tsv'}", out.getvalue())


def json_array(folder: Path, given: list[Row]) -> Path:
    made = [{"text": t, "spans": s} for t, s in map(chars, given)]
    return dump(folder / "a.json", {"version": 1, "data": made})


WRITERS: dict[str, tuple[str, Callable[[Path, list[Row]], Path]]] = {
    "label-studio": ("label-studio", label_studio),
    "label-studio-min": ("label-studio", label_studio_min),
    "doccano": ("doccano", doccano),
    "doccano-labels": ("doccano", lambda f, g: doccano(f, g, "labels")),
    "doccano-entities": ("doccano", doccano_entities),
    "prodigy": ("prodigy", prodigy),
    "prodigy-tokens": ("prodigy", prodigy_tokens),
    "spacy-tuples": ("spacy-json", spacy_tuples),
    "spacy-lines": ("spacy-json", spacy_lines),
    "spacy-python": ("spacy-json", spacy_python),
    "spacy-annotator": ("spacy-json", spacy_annotator),
    "spacy-v2": ("spacy-json", spacy_v2),
    "brat": ("brat", brat),
    "brat-crlf": ("brat", brat_crlf),
    "docbin": ("spacy", docbin),
    "table": ("table", table),
    "table-tsv": ("table", lambda f, g: table(f, g, "\t")),
    "json-array": ("jsonl", json_array),
}
TAGGED = ("spacy-v2", "table", "table-tsv")


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=25)
@given(given=rows())
def test_any_data_set_reads_as_the_same_spans(name: str, given: list[Row]) -> None:
    kind, write = WRITERS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), given)
        if name not in ("table", "table-tsv") or len(given[0][0]) > 1:
            assert detect_format(path) == kind
        try:
            keep = {} if name in TAGGED else {"documents": "keep"}
            found = brief(read(path, format=kind, **keep))
        except DataError as error:
            # So few spans may fit in two ways; then it is the user who knows.
            assert name.startswith("doccano") and "set offsets and span_end" in str(error)
            found = []
        if name in ("doccano", "doccano-labels"):  # or fit in two ways, of which it is the other
            told = brief(read(path, format=kind, documents="keep", offsets="utf-16"))
            found = told
    assert found == given


def test_doccano_counts_utf16(tmp_path: Path) -> None:
    words = ["🚀🚀", "Anna", "in", "👩", "Bonn", "and", "Oslo"]
    row: Row = (words, [(1, 2, "PER"), (4, 5, "LOC"), (6, 7, "LOC")])
    found = stream(doccano(tmp_path, [row]))
    assert brief(found) == [row]
    assert found.report.offsets == "UTF-16 units, end exclusive"


@pytest.mark.parametrize("format_", EXPORTS)
@settings(max_examples=25)
@given(given=rows())
def test_what_is_exported_is_good_input(format_: str, given: list[Row]) -> None:
    sentences = [
        Sentence(f"train-{n}", "de", words, [Span(*s) for s in spans])
        for n, (words, spans) in enumerate(given)
    ]
    names = {"label-studio": "a.json", "parquet": "a.parquet", "spacy": "a.spacy", "brat": "a"}
    if format_ == "spacy":
        pytest.importorskip("spacy", reason="spaCy is an optional extra")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / names.get(format_, "hf" if format_ == "hf" else f"a.{format_}")
        export(((s, "source") for s in sentences), format_, path)
        found = stream(path)
        back = list(found)
    assert [s.id for s in back] == [s.id for s in sentences]
    assert brief(back) == given
    assert not found.report.repaired["split_words"]


GOOD = "Anna slept in Bonn ."
DAMAGED: dict[str, tuple[str, str, int]] = {
    # A file name, its text, and the line of the damage.
    "label-studio": (
        "a.json",
        '[{"data": {"text": "a"}, "annotations": [{"result": []}]},\n'
        '{"data": {"text": "a"}, "annotations": [{"result": [{"value": {"labels": ["X"]}}]}]}]',
        2,
    ),
    "doccano": (
        "a.jsonl",
        '{"text": "ab", "label": [[0, 2, "X"]]}\n{"text": "ab", "label": [[0, "X"]]}\n',
        2,
    ),
    "doccano-text": ("a.jsonl", '{"text": "ab", "label": [[0, 2, "X"]]}\n{"label": []}\n', 2),
    "prodigy": (
        "a.jsonl",
        '{"text": "ab", "spans": [], "answer": "accept"}\n'
        '{"text": "ab", "spans": [{"token_start": 0, "label": "X"}], "answer": "accept"}\n',
        2,
    ),
    "spacy-json": ("a.json", '[["ab", {"entities": []}],\n["ab", {"ents": []}]]', 2),
    "spacy-json-entity": ("a.json", '[["a", {"entities": []}],\n["a", {"entities": [[0, 1]]}]]', 2),
    "spacy-python": ("a.py", 'DATA = [("a", {"entities": []}),\n("b", {"entities": f(1)})]', 2),
    "table": ("a.csv", 'text,tags\n"a b","O O"\n"a b"\n', 3),
    "table-count": ("a.csv", 'text,tags\n"a b","O O"\n"a b","O"\n', 3),
    "brat": ("a.ann", "T1\tX 0 2\tab\nT2\tX 0\tab\n", 2),
    "brat-text": ("a.ann", "T1\tX 0 2\tab\nT2\tX 3 5\tab\n", 2),
    "jsonl-array": ("a.json", '[{"text": "a", "spans": []},\n\n{"text": "a" "spans": []}]', 3),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_row_is_named(name: str, tmp_path: Path) -> None:
    file, text, line = DAMAGED[name]
    path = save(tmp_path / file, text)
    if file.endswith(".ann"):
        save(path.with_suffix(".txt"), "ab cd ef\n")
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}:{line}: ")


def test_a_damaged_docbin(tmp_path: Path) -> None:
    pytest.importorskip("spacy", reason="spaCy is an optional extra")
    path = docbin(tmp_path, [(["a"], [])])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="not a DocBin of spaCy, or a damaged one"):
        read(path)


def test_tags_in_one_string(tmp_path: Path) -> None:
    expected = [(["Anna", "Kovac", "slept"], [(0, 2, "PER")])]
    for record in (
        {"sentence": "Anna Kovac slept", "word_labels": "B-PER,I-PER,O"},
        {"text": "Anna Kovac slept", "labels": "B-PER I-PER O"},
        {"tokens": "Anna Kovac slept", "ner_tags": "B-PER I-PER O"},
        {"tokens": "['Anna', 'Kovac', 'slept']", "tags": "['B-PER' 'I-PER' 'O']"},
        {"text": "Anna Kovac slept", "tags": ["B-PER", "I-PER", "O"]},
    ):
        assert brief(read(lines(tmp_path / "a.jsonl", [record]))) == expected
    path = lines(tmp_path / "b.jsonl", [{"text": "Anna Kovac slept", "tags": "B-PER O"}])
    with pytest.raises(DataError, match="tags holds 2 tags, but its text has 3 words"):
        read(path)
    path = lines(tmp_path / "c.jsonl", [{"text": "Anna slept", "mine": "B-PER O"}])
    with pytest.raises(DataError, match="the record has text, mine; if one of them holds the lab"):
        read(path)


def test_every_format_is_written_by_a_test() -> None:
    written = {kind for kind, _ in WRITERS.values()} | {"hub", "parquet", "conll", "text", "inline"}
    assert written == set(FORMATS)
