"""Any file, read as any format: sentences that hold together, or an error that says where."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import DataSource
from pipeline.errors import XlnerError
from pipeline.formats import (
    read_labelled,
    read_pharaoh,
    write_jsonl,
    write_parquet,
    write_pharaoh,
)
from pipeline.formats.hub import is_saved_dataset
from pipeline.schema import Link, Sentence, Span, overlapping, table
from stages.inspect.corrections import Changes, export, import_corrected
from tests.fuzz.junk import CASES, files, fuzzed, json_values, odd_text

SENTENCES = [
    Sentence(
        "a-0",
        "de",
        ["Anna", "Meier", "wohnt", "in", "Bonn", "."],
        [Span(0, 2, "PER"), Span(4, 5, "LOC")],
    ),
    Sentence(
        "a-1", "de", ["e\u0301te\u0301", "東京", "\U0001f469\u200d\U0001f680"], [Span(1, 2, "LOC")]
    ),
    Sentence("a-2", "de", ["Nichts", "."], []),
]

CONLL = [
    b"# global.columns = FORM NER\n# id = a-0\nAnna\tB-PER\nMeier\tI-PER\nin\tO\nBonn\tB-LOC\n\n"
    b"# id = a-1\nNichts\tO\n\n",
    b"-DOCSTART- -X- O O\n\nAnna NNP I-NP I-PER\nwohnt VB I-VP O\n\nBonn NNP I-NP I-LOC\n",
    b"de:Anna\tB-PER\nde:wohnt\tO\n\nde:Bonn\tB-LOC\n",
    b"# sent_id = 1\n1\tAnna\tB-PER\t-\t-\n2\twohnt\tO\t-\t-\n\n# sent_id = 2\n1-2\tam\tO\t-\t-\n"
    b"1\tan\tO\t-\t-\n2\tdem\tO\t-\t-\n3\tRhein\tB-LOC\t-\t-\n",
    "Zürich S-LOC\nsubrayÃ³ O\nKöln U-LOC\n\nA B-ORG\nB E-ORG\n".encode(),
]
JSONL = [
    b'{"id": "a", "tokens": ["Anna", "wohnt"], "ner_tags": ["B-PER", "O"]}\n'
    b'{"id": "b", "tokens": ["Bonn"], "ner_tags": ["B-LOC"]}\n',
    b'{"words": ["Anna", "in", "Bonn"], "spans": [{"start": 0, "end": 1, "type": "PER"}]}\n',
    b'{"text": "Anna in Bonn.", "entities": [[0, 4, "PER"], [8, 12, "LOC"]]}\n',
]
TEXT = [b"Anna wohnt in Bonn.\n\nNichts.\n"]
RECORD = [
    "id",
    "tokens",
    "words",
    "ner_tags",
    "labels",
    "text",
    "spans",
    "entities",
    "start",
    "end",
]
RECORD += ["type", "label"]


def check(source: DataSource, path: Path, labelled: bool, *, all_counted: bool = True) -> None:
    """Read a file; what comes out must be whole, and what does not must be said and counted."""
    try:
        stream = read_labelled(source, "de", path=path, labelled=labelled, repair_encoding=True)
        sentences = list(stream)
    except XlnerError as error:
        assert path.name in str(error), f"does not name the file: {error}"
        return
    report = stream.report
    assert report.sentences == len(sentences)
    if all_counted:
        assert report.total == report.sentences + report.empty_sentences
    for sentence in sentences:
        assert sentence.words
        assert all(word.strip() for word in sentence.words)
        assert all(0 <= s.start < s.end <= len(sentence.words) for s in sentence.spans)
        assert overlapping(sentence.spans) is None
        assert labelled or not sentence.spans
    assert sum(report.spans.values()) == sum(len(s.spans) for s in sentences)
    # It can be stored: no lone surrogate, no number that Arrow cannot hold.
    table("labelled", [s.to_row() for s in sentences])


def in_a_folder(name: str, data: bytes, body: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        body(path)


@pytest.mark.parametrize("format_", ["auto", "conll"])
@fuzzed
@given(data=files(CONLL), labelled=st.booleans())
def test_conll(format_: str, data: bytes, labelled: bool) -> None:
    source = DataSource(path="x", format=format_)
    in_a_folder("x.conll", data, lambda path: check(source, path, labelled))


@fuzzed
@given(
    data=files(CONLL),
    word=st.none() | st.integers(-3, 4) | st.sampled_from(["FORM", "word"]),
    tag=st.none() | st.integers(-3, 4) | st.sampled_from(["NER", "tag"]),
    columns=st.none() | st.lists(st.sampled_from(["FORM", "NER", "x"]), max_size=3),
    scheme=st.sampled_from(["auto", "iob1", "iob2", "bioes", "bilou", "io"]),
    encoding=st.sampled_from(["utf-8", "latin-1", "utf-16", "no-such"]),
)
def test_conll_with_options(
    data: bytes, word: Any, tag: Any, columns: Any, scheme: Any, encoding: str
) -> None:
    source = DataSource(
        path="x", format="conll", word_column=word, tag_column=tag, columns=columns,
        scheme=scheme, encoding=encoding,
    )  # fmt: skip

    def body(path: Path) -> None:
        try:
            check(source, path, True)
        except AssertionError as error:
            if "does not name the file" in str(error) and "encoding" in str(error):
                return  # an encoding that does not exist is the option's fault, not the file's
            raise

    in_a_folder("x.txt", data, body)


@fuzzed
@given(data=files(JSONL), labelled=st.booleans())
def test_jsonl(data: bytes, labelled: bool) -> None:
    source = DataSource(path="x", format="jsonl")
    in_a_folder("x.jsonl", data, lambda path: check(source, path, labelled))


@fuzzed
@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from(RECORD), json_values(RECORD), max_size=6), max_size=4
    ),
    labelled=st.booleans(),
    names=st.none() | st.just(["O", "B-PER", "I-PER"]),
)
def test_jsonl_of_any_shape(rows: list[Any], labelled: bool, names: list[str] | None) -> None:
    data = "\n".join(json.dumps(row) for row in rows).encode()
    source = DataSource(path="x", format="jsonl", label_names=names)
    in_a_folder("x.jsonl", data, lambda path: check(source, path, labelled))


@fuzzed
@given(data=files(TEXT + CONLL + JSONL), labelled=st.booleans())
def test_a_file_of_no_known_kind(data: bytes, labelled: bool) -> None:
    source = DataSource(path="x")
    in_a_folder("x", data, lambda path: check(source, path, labelled))


@fuzzed
@given(data=files(TEXT))
def test_text(data: bytes) -> None:
    source = DataSource(path="x", format="text")
    in_a_folder("x.txt", data, lambda path: check(source, path, False))


def _parquet(rows: list[Sentence]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        write_parquet(rows, path)
        return path.read_bytes()


@fuzzed
@given(data=files([_parquet(SENTENCES)]), labelled=st.booleans())
def test_parquet(data: bytes, labelled: bool) -> None:
    source = DataSource(path="x", format="parquet")
    in_a_folder("x.parquet", data, lambda path: check(source, path, labelled))


@fuzzed
@given(
    tokens=st.lists(st.none() | st.lists(odd_text | st.none(), max_size=3), max_size=3),
    tags=st.lists(st.none() | st.lists(st.integers(-2, 6) | st.none(), max_size=3), max_size=3),
    metadata=st.none() | json_values(["info", "features", "ner_tags", "_type", "names", "feature"]),
)
def test_parquet_of_any_shape(tokens: list[Any], tags: list[Any], metadata: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    size = min(len(tokens), len(tags))
    try:
        words = pa.array(tokens[:size], pa.list_(pa.string()))
        known = None if metadata is None else {"huggingface": json.dumps(metadata)}
    except UnicodeEncodeError:
        return  # Arrow itself cannot hold it
    schema = pa.schema([("tokens", words.type), ("ner_tags", pa.list_(pa.int64()))], metadata=known)
    data = pa.Table.from_arrays([words, pa.array(tags[:size], pa.list_(pa.int64()))], schema=schema)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        pq.write_table(data, path)
        check(DataSource(path="x", format="parquet"), path, True)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from datasets import Dataset

    folder = tmp_path_factory.mktemp("saved") / "data"
    rows = {
        "tokens": [s.words for s in SENTENCES],
        "ner_tags": [["O"] * len(s.words) for s in SENTENCES],
    }
    Dataset.from_dict(rows).save_to_disk(str(folder))
    assert is_saved_dataset(folder)
    return folder


@settings(fuzzed, max_examples=max(10, CASES // 6))  # datasets takes long to open a folder
@given(st.data())
def test_a_damaged_folder_of_save_to_disk(saved: Path, data: st.DataObject) -> None:
    import shutil

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "copy"
        shutil.copytree(saved, folder)
        victim = data.draw(st.sampled_from(sorted(p.name for p in folder.iterdir())))
        content = (folder / victim).read_bytes()
        (folder / victim).write_bytes(data.draw(files([content])))
        check(DataSource(path="x"), folder, True)


@fuzzed
@given(data=files([b"0-0 1-2:0.5 3-1\n\n2-2\n", b"1-1 2p3\n"]), base=st.sampled_from([0, 1]))
def test_pharaoh(data: bytes, base: int) -> None:
    def body(path: Path) -> None:
        try:
            lines = list(read_pharaoh(path, base=base))
        except XlnerError as error:
            assert path.name in str(error)
            return
        for line in lines:
            for link in (*line.sure, *line.possible):
                assert min(link.source, link.target) >= 0
                assert 0 <= link.prob <= 1

    in_a_folder("x.links", data, body)


def test_spacy() -> None:
    """DocBin: compressed, so most damage is one of zlib; what lies inside is damaged as well."""
    pytest.importorskip("spacy", reason="spaCy is an optional extra")
    import zlib

    from pipeline.formats.spacy_docbin import write_docbin

    with tempfile.TemporaryDirectory() as folder:
        write_docbin(SENTENCES, Path(folder) / "x.spacy")
        packed = (Path(folder) / "x.spacy").read_bytes()
    plain = zlib.decompress(packed)

    @fuzzed
    @given(data=st.one_of(files([packed]), files([plain]).map(zlib.compress)))
    def damaged(data: bytes) -> None:
        in_a_folder("x.spacy", data, lambda path: check(DataSource(path="x"), path, True))

    damaged()


def _exported(format_: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        export(((s, "a source") for s in SENTENCES), format_, path)
        return path.read_bytes()


EXPORTED = {name: _exported(name) for name in ("label-studio", "doccano", "conll", "jsonl")}
KNOWN = {s.id: s for s in SENTENCES}


def check_import(path: Path, format_: str | None) -> None:
    changes = Changes()
    try:
        found = list(import_corrected(path, KNOWN, changes, DataSource(format=format_ or "auto")))
    except XlnerError as error:
        assert path.name in str(error), f"does not name the file: {error}"
        return
    assert changes.sentences == len(found)
    assert changes.missing + changes.skipped + len(found) >= len(KNOWN)
    for sentence in found:
        before = KNOWN[sentence.id]
        assert sentence.words == before.words
        assert all(0 <= s.start < s.end <= len(before.words) for s in sentence.spans)
        assert overlapping(sentence.spans) is None
    table("labelled", [s.to_row() for s in found])


@pytest.mark.parametrize("format_", EXPORTED)
@fuzzed
@given(st.data())
def test_import_of_a_damaged_correction(format_: str, data: st.DataObject) -> None:
    content = data.draw(files([EXPORTED[format_]]))
    detected = data.draw(st.booleans())
    in_a_folder("out.x", content, lambda path: check_import(path, None if detected else format_))


STUDIO = ["data", "text", "words", "sentence_id", "annotations", "completions", "predictions"]
STUDIO += ["result", "value", "start", "end", "labels", "type", "was_cancelled"]


@pytest.mark.parametrize("format_", ["label-studio", "doccano", "jsonl"])
@fuzzed
@given(st.data())
def test_import_of_any_json(format_: str, data: st.DataObject) -> None:
    """The exported objects, with one value, wherever it is, replaced by another."""
    content = EXPORTED[format_].decode()
    rows = (
        json.loads(content)
        if format_ == "label-studio"
        else list(map(json.loads, content.splitlines()))
    )
    keys = STUDIO if format_ == "label-studio" else [*RECORD, "label"]
    place: Any = rows
    while True:
        index = data.draw(
            st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
        )
        inner = place[index]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 3)) == 0:
            place[index] = data.draw(json_values(keys))
            break
        place = inner
    text = json.dumps(rows) if format_ == "label-studio" else "\n".join(map(json.dumps, rows))
    in_a_folder("out.x", text.encode(), lambda path: check_import(path, format_))


@fuzzed
@given(st.data())
def test_import_of_a_damaged_brat_collection(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "brat"
        export(((s, None) for s in SENTENCES), "brat", folder)
        victim = data.draw(st.sampled_from(sorted(p for p in folder.rglob("*") if p.is_file())))
        victim.write_bytes(data.draw(files([victim.read_bytes()])))
        check_import(folder, None)


letters = st.characters(exclude_categories=["Cs", "Cc"])
words = st.lists(st.text(letters, min_size=1, max_size=5), min_size=1, max_size=5)


@fuzzed
@given(sentences=st.lists(words, max_size=4), parquet=st.booleans())
def test_what_is_written_is_read_again(sentences: list[list[str]], parquet: bool) -> None:
    given_ = [
        Sentence(f"s{n}", "de", w, [Span(0, 1, "PER")] if n % 2 else [])
        for n, w in enumerate(sentences)
        if all(any(c.isprintable() and not c.isspace() for c in word) for word in w)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("x.parquet" if parquet else "x.jsonl")
        (write_parquet if parquet else write_jsonl)(given_, path)
        read = list(read_labelled(DataSource(path="x"), "de", path=path))
    assert [(s.id, s.words, s.spans) for s in read] == [
        (s.id, s.words, s.spans) for s in given_ if s.words
    ]


@fuzzed
@given(sentences=st.lists(words, min_size=1, max_size=4), data=st.data())
@pytest.mark.parametrize("format_", ["label-studio", "doccano", "brat", "conll", "jsonl"])
def test_what_is_exported_comes_back(
    format_: str, sentences: list[list[str]], data: st.DataObject
) -> None:
    given_ = []
    for n, row in enumerate(sentences):
        if not all(any(c.isprintable() and not c.isspace() for c in word) for word in row):
            continue
        cuts = sorted(data.draw(st.sets(st.integers(0, len(row)), max_size=4)))
        spans = [
            Span(a, b, data.draw(st.sampled_from(["PER", "LOC", "Ort-1"])))
            for a, b in zip(cuts[::2], cuts[1::2], strict=False)
        ]
        given_.append(Sentence(f"s{n}", "de", row, spans))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        try:
            export(((s, None) for s in given_), format_, path)
        except XlnerError as error:
            assert format_ == "conll" and "cannot be written" in str(error)
            return
        if not given_:
            return
        changes = Changes()
        read = list(
            import_corrected(
                path, {s.id: s for s in given_}, changes, DataSource(format=format_ or "auto")
            )
        )
    assert [(s.id, s.words, [(x.start, x.end, x.type) for x in s.spans]) for s in read] == [
        (s.id, s.words, [(x.start, x.end, x.type) for x in s.spans]) for s in given_
    ]


probabilities = st.floats(0, 1).map(lambda p: float(f"{p:.6g}"))


@fuzzed
@given(
    rows=st.lists(
        st.dictionaries(
            st.tuples(st.integers(0, 300), st.integers(0, 300)), probabilities, max_size=6
        ),
        max_size=5,
    ),
    base=st.sampled_from([0, 1]),
)
def test_links_are_read_as_they_were_written(
    rows: list[dict[tuple[int, int], float]], base: int
) -> None:
    given_ = [[Link(i, j, p) for (i, j), p in sorted(row.items())] for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.links"
        assert write_pharaoh(given_, path, base=base, probabilities=True) == len(rows)
        read = [line.sure for line in read_pharaoh(path, base=base)]
    assert read == given_


@pytest.mark.parametrize("place", ["900 905", "38 39"])
def test_a_brat_entity_that_lies_in_no_sentence_is_not_lost(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "brat"
    export(((s, None) for s in SENTENCES), "brat", folder)
    text = (folder / "00000.txt").read_text(encoding="utf-8")
    if place == "38 39":  # the line break between two sentences
        at = text.index("\n")
        place = f"{at} {at + 1}"
    with (folder / "00000.ann").open("a", encoding="utf-8") as file:
        file.write(f"T99\tPER {place}\tx\n")
    with pytest.raises(XlnerError, match=r"00000\.ann:\d+: an entity that lies in no sentence"):
        list(import_corrected(folder, KNOWN, Changes(), None))


def test_what_a_correction_leaves_out_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    tasks = json.loads(EXPORTED["label-studio"])
    tasks[0]["predictions"][0]["result"] += [{"type": "choices", "value": {"choices": ["x"]}}]
    tasks[1]["annotations"] = [{"was_cancelled": True, "result": []}]
    del tasks[2]
    path.write_text(json.dumps(tasks), encoding="utf-8")
    changes = Changes()
    assert [s.id for s in import_corrected(path, KNOWN, changes)] == ["a-0"]
    assert (changes.other_regions, changes.skipped, changes.missing) == (1, 1, 1)
