from __future__ import annotations

import json
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import DataSource
from pipeline.errors import ConfigError, DataError
from pipeline.formats import ReadReport, Request, detect_format
from pipeline.formats.words import invisible, joined
from pipeline.schema import Sentence, Span
from stages.inspect.corrections import (
    FOLDERS,
    READABLE,
    Changes,
    export,
    import_corrected,
)

ODD = [
    "e\u0301te\u0301",  # combining marks
    "\U0001f469\u200d\U0001f680",  # emoji with a zero-width joiner
    "\U0001f1e9\U0001f1ea",  # a flag: two astral characters
    "ירושלים",
    "القاهرة",
    "ab\u200bcd",  # zero-width space within a word
    "\u200f",  # nothing but a direction mark
    "東京",
    "นิวยอร์ก",
    "a\u00a0b",  # a no-break space is part of its word
    "New\u2009York",  # a thin space is part of its word
    "San José",  # and so is a plain one
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family of three
    "\U00010400\U00010428",  # letters beyond U+FFFF
    "\u200eab\u200f",  # direction marks around a word
    "\u2067שלום\u2069",  # within an isolate
    "क्षि",
    "<script>",
    '"quoted"',
    "back\\slash",
    "#",
    "O",
    "-DOCSTART",
    "T1",
    "é",
]
words = st.lists(
    st.sampled_from(ODD)
    | st.text(
        st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=6
    )
    | st.text(st.sampled_from("a\u0301\u200b\u200d\ufe0f\U0001f3fd\U0001f469ש\u00a0x"), min_size=1)
    .map(str.strip)
    .filter(bool),
    min_size=1,
    max_size=8,
)


def seen(word: str) -> bool:
    """Return whether there is anything to see of a word."""
    return not invisible(word)


@st.composite
def sentences(draw: st.DrawFn, types: tuple[str, ...] = ("PER", "LOC", "X-Y_Z")) -> list[Sentence]:
    found = []
    for number in range(draw(st.integers(1, 4))):
        tokens = draw(words)
        spans, start = [], 0
        while start < len(tokens):
            size = draw(st.integers(0, 3))
            if size and start + size <= len(tokens):
                spans.append(Span(start, start + size, draw(st.sampled_from(types))))
            start += max(size, 1)
        name = draw(st.sampled_from(["train-", "A b ", "# Ä=", "שלום\u200f", "\U0001f600/"]))
        found.append(Sentence(f"{name}{number}#1", "de", tokens, spans))
    return found


def test_positions_that_are_stated_count_so(tmp_path: Path) -> None:
    path, known = tmp_path / "a.json", Sentence("a", "de", ["😀", "Anna", "Abt"])
    region = {"type": "labels", "value": {"start": 3, "end": 8, "labels": ["PER"]}}
    data = {"text": "😀 Anna Abt", "sentence_id": "a"}
    task = {"data": data, "annotations": [{"result": [region]}]}
    path.write_text(json.dumps([task]), encoding="utf-8")
    for unit, words in (("utf-16", (1, 2)), ("characters", (1, 3))):
        how = DataSource(format="label-studio", offsets=unit)
        (back,) = import_corrected(path, {"a": known}, Changes(), how)
        assert [(s.start, s.end) for s in back.spans] == [words], unit


@pytest.mark.parametrize(("ours", "theirs"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_accents_that_a_tool_has_composed_or_not(ours: str, theirs: str, tmp_path: Path) -> None:
    names = [unicodedata.normalize(ours, w) for w in ("Thế", "ở", "Hà", "Nội", "Huế")]
    known = Sentence("a", "vi", names, [Span(2, 4, "LOC"), Span(4, 5, "LOC")])
    text = unicodedata.normalize(theirs, " ".join(names))
    assert text != " ".join(names)
    for start, end in ((2, 4), (4, 5)):
        label = unicodedata.normalize(theirs, " ".join(names[start:end]))
        first = text.index(label)
        region = {"start": first, "end": first + len(label), "text": label, "labels": ["LOC"]}
        task = {
            "data": {"text": text, "sentence_id": "a"},
            "annotations": [{"result": [{"type": "labels", "value": region}]}],
        }
        (tmp_path / "a.json").write_text(json.dumps([task]), encoding="utf-8")
        record = {"text": text, "sentence_id": "a", "label": [[first, first + len(label), "LOC"]]}
        for path in (tmp_path / "a.json", write_records(tmp_path / "a.jsonl", record)):
            (back,) = import_corrected(path, {"a": known}, Changes())
            assert (back.words, back.spans) == (names, [Span(start, end, "LOC")]), path


def round_trip(given: list[Sentence], format_: str, folder: Path) -> tuple[list[Sentence], Changes]:
    path = folder / {"brat": "brat", "label-studio": "out.json", "conll": "out.conll"}.get(
        format_, "out.jsonl"
    )
    assert export(((s, "source <b>") for s in given), format_, path) == len(given)
    assert detect_format(path) == format_
    changes = Changes()
    return list(import_corrected(path, {s.id: s for s in given}, changes)), changes


@pytest.mark.parametrize("format_", READABLE)
@settings(max_examples=60)
@given(given=sentences())
def test_what_goes_out_comes_back(format_: str, given: list[Sentence]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            back, changes = round_trip(given, format_, Path(folder))
        except DataError as error:
            # CoNLL says so where a word cannot be written; it never writes something else.
            assert format_ == "conll" and "cannot be written to a CoNLL file" in str(error)
            return
    assert [(s.id, s.lang, s.words) for s in back] == [(s.id, s.lang, s.words) for s in given]
    plain = [[(x.start, x.end, x.type) for x in s.spans] for s in back]
    assert plain == [[(x.start, x.end, x.type) for x in s.spans] for s in given]
    assert (changes.sentences, changes.changed, changes.snapped) == (len(given), 0, 0)


@pytest.mark.parametrize("format_", ["parquet", "hf", "spacy"])
@settings(max_examples=25)
@given(given=sentences())
def test_what_is_for_training_only_comes_back_too(format_: str, given: list[Sentence]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / {"parquet": "a.parquet", "hf": "set", "spacy": "a.spacy"}[format_]
        if format_ == "spacy":
            pytest.importorskip("spacy", reason="spaCy is an optional extra")
        assert export(((s, None) for s in given), format_, path) == len(given)
        if format_ == "spacy":
            back = docbin(path)
        else:
            from pipeline.formats import read_labelled

            file = path / "train.parquet" if format_ == "hf" else path
            back = list(read_labelled(DataSource(path=str(file)), "de", path=file))
    # Readers of data leave out words of nothing visible, and say so; so does this test.
    # A DocBin is read as it was written.
    assert [s.id for s in back] == [
        s.id for s in given if format_ == "spacy" or any(map(seen, s.words))
    ]
    kept = {s.id: s for s in given}
    for sentence in back:
        before = kept[sentence.id]
        if all(map(seen, before.words)) or format_ == "spacy":
            assert sentence.words == before.words
            assert [(x.start, x.end, x.type) for x in sentence.spans] == [
                (x.start, x.end, x.type) for x in before.spans
            ]


def docbin(path: Path) -> list[Sentence]:
    """Return what a DocBin holds, words without anything visible among it."""
    from pipeline.formats.spacy_docbin import DocBinFile

    report = ReadReport(str(path), "spacy")
    raws = DocBinFile(Request(path, DataSource(path=str(path)), "de", True), report).read(report)
    return [Sentence(str(r.id), "de", r.words or [], r.spans or []) for r in raws]


def test_a_data_set_opens_in_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    tokens = [w for w in ODD if seen(w)]
    given = [Sentence("a#1", "de", tokens, [Span(0, 2, "PER"), Span(3, 4, "X-Y_Z")])]
    export(((s, None) for s in given), "hf", tmp_path / "set")
    (row,) = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "set" / "*.parquet"), cache_dir=str(tmp_path / "c")
    )["train"]
    assert row["id"] == "a#1" and row["tokens"] == tokens


def test_doccano_counts_as_javascript_does(one: Sentence, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    export([(one, None)], "doccano", path)
    record = json.loads(path.read_text(encoding="utf-8"))
    units = record["text"].encode("utf-16-le")
    said = [units[2 * a : 2 * b].decode("utf-16-le") for a, b, _ in record["label"]]
    assert said == ["Angela Merkel", "Siemens", "Berlin"]
    # A border within the emoji takes in the emoji; a file from before this field is understood.
    record["label"] = [[1, 3, "X"]]
    path.write_text(json.dumps(record), encoding="utf-8")
    (back,) = import_corrected(path, {one.id: one}, Changes())
    assert back.spans == [Span(0, 1, "X")]
    del record["offsets"]
    record["label"] = [[2, 15, "PER"]]
    path.write_text(json.dumps(record), encoding="utf-8")
    (back,) = import_corrected(path, {one.id: one}, Changes())
    assert back.spans == [Span(1, 3, "PER")]


@pytest.fixture
def one() -> Sentence:
    return Sentence(
        "a-1",
        "de",
        ["\U0001f600", "Angela", "Merkel", "traf", "Siemens", "in", "Berlin"],
        [Span(1, 3, "PER"), Span(4, 5, "ORG"), Span(6, 7, "LOC")],
    )


def test_changes_are_counted_by_kind(one: Sentence, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    export([(one, None)], "doccano", path)
    record = json.loads(path.read_text(encoding="utf-8"))
    # The emoji in front of the words counts as two.
    ranges = [(start + 1, end + 1) for start, end in joined(one.words)[1]]
    record["label"] = [
        [ranges[2][0], ranges[2][1], "PER"],  # moved
        [ranges[4][0], ranges[4][1], "LOC"],  # retyped
        [ranges[3][0], ranges[3][1], "MISC"],  # added; LOC at 6 removed
    ]
    path.write_text(json.dumps(record), encoding="utf-8")
    changes = Changes()
    (back,) = import_corrected(path, {one.id: one}, changes)
    assert back.spans == [Span(2, 3, "PER"), Span(3, 4, "MISC"), Span(4, 5, "LOC")]
    assert (changes.moved, changes.retyped, changes.added, changes.removed) == (1, 1, 1, 1)
    assert changes.changed == 1
    assert "a-1: [Siemens]ORG → [Siemens]LOC" in changes.examples
    assert "a-1: − [Berlin]LOC" in changes.examples


def test_half_a_word_becomes_the_word_and_overlaps_are_counted(
    one: Sentence, tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl"
    export([(one, None)], "doccano", path)
    record = json.loads(path.read_text(encoding="utf-8"))
    text = " " + record["text"]  # the emoji in front of the words counts as two
    start = text.index("gela")
    record["label"] = [
        [start, start + 4, "PER"],  # snapped to Angela
        [text.index("Angela"), text.index("traf") - 1, "PER"],  # longer, and overlapping
        [text.index("in "), text.index("in ") + 3, "LOC"],  # a space too many is no snapping
    ]
    path.write_text(json.dumps(record), encoding="utf-8")
    changes = Changes()
    (back,) = import_corrected(path, {one.id: one}, changes)
    assert back.spans == [Span(1, 3, "PER"), Span(5, 6, "LOC")]
    assert (changes.snapped, changes.overlapping) == (1, 1)


def studio_task(one: Sentence, regions: list[dict[str, object]], **more: object) -> str:
    data = {"text": " ".join(one.words), "sentence_id": one.id, "words": one.words}
    return json.dumps([{"data": data, "annotations": [{"result": regions}], **more}])


def test_label_studio_positions_in_utf16_are_understood(one: Sentence, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    value = {"start": 3, "end": 16, "text": "Angela Merkel", "labels": ["PER"]}
    path.write_text(studio_task(one, [{"type": "labels", "value": value}]), encoding="utf-8")
    changes = Changes()
    (back,) = import_corrected(path, {one.id: one}, changes)
    assert back.spans == [Span(1, 3, "PER")]
    assert (changes.snapped, changes.other_text) == (0, 0)


def test_label_studio_tasks_that_nobody_labelled_keep_what_the_run_has(
    one: Sentence, tmp_path: Path
) -> None:
    path = tmp_path / "out.json"
    path.write_text(studio_task(one, [], annotations=[], predictions=[]), encoding="utf-8")
    changes = Changes()
    assert list(import_corrected(path, {one.id: one}, changes)) == []
    assert (changes.skipped, changes.removed) == (1, 0)


def test_label_studio_takes_the_last_annotation_that_was_not_cancelled(
    one: Sentence, tmp_path: Path
) -> None:
    def region(word: int, kind: str) -> dict[str, object]:
        start, end = joined(one.words)[1][word]
        return {"type": "labels", "value": {"start": start, "end": end, "labels": [kind]}}

    annotations = [
        {"result": [region(6, "LOC")]},
        {"result": [region(4, "ORG"), {"type": "choices", "value": {}}]},
        {"result": [], "was_cancelled": True},
    ]
    path = tmp_path / "out.json"
    path.write_text(studio_task(one, [], annotations=annotations), encoding="utf-8")
    (back,) = import_corrected(path, {one.id: one}, Changes())
    assert back.spans == [Span(4, 5, "ORG")]
    path.write_text(studio_task(one, [], annotations=annotations[2:]), encoding="utf-8")
    changes = Changes()
    assert list(import_corrected(path, {one.id: one}, changes)) == []
    assert changes.skipped == 1


def test_the_interface_names_the_types(one: Sentence, tmp_path: Path) -> None:
    export([(one, "source")], "label-studio", tmp_path / "out.json")
    text = (tmp_path / "out.xml").read_text(encoding="utf-8")
    assert '<Label value="ORG"/>' in text and 'value="$source"' in text


def write_records(path: Path, *records: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sentence_id": "b-9"}, "this run has no sentence 'b-9'; is it the right run?"),
        ({"sentence_id": None}, "has no id; keep the fields that the export wrote"),
        ({"words": ["other"]}, "its words are not those of the run"),
        ({"text": "other"}, "its text is not that of the run"),
        ({"label": [[0, 999, "PER"]]}, r"entity \[0, 998\) PER does not fit a text of"),
        ({"label": [["x"]]}, r"entity \['x'\] is not \{start, end, label\}"),
        ({"label": None}, "no labels"),
    ],
)
def test_what_does_not_fit_is_said(
    one: Sentence, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "out.jsonl"
    export([(one, None)], "doccano", path)
    record = json.loads(path.read_text(encoding="utf-8")) | change
    with pytest.raises(DataError, match=message):
        list(import_corrected(write_records(path, record), {one.id: one}, Changes()))


@pytest.mark.parametrize(
    "labels",
    [
        {"spans": [[0, 2, "PER"], [4, 5, "LOC"]]},
        {"spans": [[0, 1, "PER"], [4, 4, "LOC"]]},
        {"spans": [[0, 2, "PER"], [4, 5, "LOC"]], "offsets": "words"},
        {"text": "Anna Smith kam aus Bonn .", "spans": [[0, 10, "PER"], [19, 23, "LOC"]]},
        {
            "text": "Anna Smith kam aus Bonn .",
            "spans": [[0, 2, "PER"], [4, 5, "LOC"]],
            "offsets": "words",
        },
        {  # what tag_text writes
            "entities": [
                {"start": 0, "end": 2, "type": "PER", "score": 0.9, "text": "Anna Smith"},
                {"start": 4, "end": 5, "type": "LOC", "score": 0.9, "text": "Bonn"},
            ]
        },
        {"ner_tags": ["B-PER", "E-PER", "O", "O", "S-LOC", "O"]},
        {"ner_tags": ["PER", "PER", "O", "O", "LOC", "O"]},
    ],
)
def test_labels_of_words_in_any_form(labels: dict[str, object], tmp_path: Path) -> None:
    words = ["Anna", "Smith", "kam", "aus", "Bonn", "."]
    record = {"id": "a", "tokens": words} | labels
    changes = Changes()
    path = write_records(tmp_path / "out.jsonl", record)
    (back,) = import_corrected(path, {"a": Sentence("a", "de", words)}, changes)
    assert back.spans == [Span(0, 2, "PER"), Span(4, 5, "LOC")]
    assert (changes.snapped, changes.other_text) == (0, 0)


def test_positions_that_cannot_be_read_lose_no_labels(tmp_path: Path) -> None:
    record = {"id": "a", "text": "Anna Smith", "spans": [[0, 2, "PER"]], "offsets": "words"}
    path = write_records(tmp_path / "out.jsonl", record)
    with pytest.raises(DataError, match=r"out\.jsonl:1: sentence 'a': positions"):
        list(import_corrected(path, {"a": Sentence("a", "de", ["Anna", "Smith"])}, Changes()))


def test_a_sentence_that_comes_twice(one: Sentence, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    export([(one, None)], "doccano", path)
    record = json.loads(path.read_text(encoding="utf-8"))
    with pytest.raises(DataError, match="is there twice"):
        list(import_corrected(write_records(path, record, record), {one.id: one}, Changes()))


def test_brat_types_and_documents(tmp_path: Path) -> None:
    many = [
        Sentence(f"s{i}", "de", ["New", "York"], [Span(0, 2, "A B" if i % 2 else "A_B")])
        for i in range(120)
    ]
    back, changes = round_trip(many, "brat", tmp_path)
    assert [s.spans for s in back] == [s.spans for s in many]
    assert changes.changed == 0
    assert sorted(p.name for p in (tmp_path / "brat").glob("*.txt")) == [
        "00000.txt",
        "00001.txt",
        "00002.txt",
    ]
    config = (tmp_path / "brat" / "annotation.conf").read_text()
    assert config.startswith("[entities]\nA_B\nA_B_2\n")


def test_what_brat_has_beside_entities_is_counted(tmp_path: Path) -> None:
    one = Sentence("a", "de", ["Anna", "Lee", "in", "New", "York"], [Span(0, 1, "PER")])
    export([(one, None)], "brat", tmp_path / "brat")
    notes = tmp_path / "brat" / "00000.ann"
    more = "T2\tPER 0 4;12 15\tAnna New\nT3\tLOC 12 20\tNew York\nR1\tin Arg1:T1 Arg2:T3\n"
    notes.write_text(notes.read_text(encoding="utf-8") + more, encoding="utf-8")
    changes = Changes()
    (back,) = import_corrected(tmp_path / "brat", {"a": one}, changes)
    # What is in two parts would take in all between them, which is surer.
    assert back.spans == [Span(0, 1, "PER"), Span(3, 5, "LOC")]
    assert (changes.other_regions, changes.overlapping) == (1, 1)


@pytest.mark.parametrize("format_", FOLDERS)
def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, format_: str) -> None:
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    for place in (tmp_path, tmp_path / "README.md"):
        with pytest.raises(ConfigError, match="name a new folder"):
            export([(Sentence("1", "de", ["Bonn"], []), None)], format_, place)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"


def test_an_unknown_format_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'docano' is not allowed \(did you mean 'doccano'\?\)"):
        export([], "docano", tmp_path / "x")


def test_a_dataset_opens_with_its_labels(one: Sentence, tmp_path: Path) -> None:
    assert export([(one, None)], "hf", tmp_path / "set") == 1
    card = (tmp_path / "set" / "README.md").read_text(encoding="utf-8")
    assert "language:\n- de" in card and "| ORG | 1 |" in card
    import pyarrow.parquet as pq

    features = json.loads(
        pq.read_schema(tmp_path / "set" / "train.parquet").metadata[b"huggingface"]
    )
    names = features["info"]["features"]["ner_tags"]["feature"]["names"]
    assert names == ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER"]


def test_spacy_round_trip(one: Sentence, tmp_path: Path) -> None:
    pytest.importorskip("spacy", reason="spaCy is an optional extra")
    export([(one, None)], "spacy", tmp_path / "train.spacy")
    (back,) = docbin(tmp_path / "train.spacy")
    assert (back.id, back.words, back.spans) == (one.id, one.words, one.spans)
