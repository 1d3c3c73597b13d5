"""JSONL, Parquet and HF data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import DataSource
from pipeline.errors import DataError
from pipeline.formats import read_labelled, write_parquet
from pipeline.formats.hub import hub_problem
from pipeline.schema import Sentence, Span, table
from tests.pipeline.formats.helpers import brief, read, save, stream
from tests.pipeline.formats.hub_cache import COMMIT, LABELS, add_dataset, go_offline

ANN = [(["Ann", "Lee", "in", "Bonn"], [(0, 2, "PER"), (3, 4, "LOC")])]
WORDS = ANN[0][0]
IDS = [1, 2, 0, 3]
TAGS = ["B-PER", "I-PER", "O", "B-LOC"]


@pytest.mark.parametrize(
    ("record", "options"),
    [
        ({"tokens": WORDS, "ner_tags": TAGS}, {}),
        ({"words": WORDS, "labels": ["S-PER", "O", "O", "O"]}, {"scheme": "bioes"}),
        ({"tokens": WORDS, "ner_tags": IDS}, {"label_names": LABELS}),
        ({"tokens": WORDS, "tags": TAGS, "ner_tags": None, "text": "x"}, {}),
        ({"words": WORDS, "spans": [[0, 2, "PER"], [3, 4, "LOC"]]}, {}),
        (
            {
                "words": WORDS,
                "entities": [
                    {"start": 3, "end": 4, "type": "LOC"},
                    {"start": 0, "end": 2, "type": "PER"},
                ],
            },
            {},
        ),
        (
            {
                "text": "Ann Lee in Bonn",
                "spans": [
                    {"start": 0, "end": 7, "label": "PER"},
                    {"start": 11, "end": 15, "label": "LOC"},
                ],
            },
            {},
        ),
        ({"text": "Ann Lee in Bonn", "label": [[0, 7, "PER"], [11, 15, "LOC"]]}, {}),
    ],
)
def test_jsonl_fields(record: dict[str, Any], options: dict[str, Any], tmp_path: Path) -> None:
    path = save(tmp_path / "a.jsonl", json.dumps(record) + "\n\n")
    expected = [(WORDS, [(0, 1, "PER")])] if "scheme" in options else ANN
    assert brief(read(path, **options)) == expected


def test_jsonl_is_recognised_by_its_content(tmp_path: Path) -> None:
    path = save(tmp_path / "train", json.dumps({"id": 7, "tokens": WORDS, "ner_tags": TAGS}))
    found = stream(path)
    assert [(s.id, s.line) for s in found] == [("7", 1)]
    assert (found.report.format, found.report.scheme) == ("jsonl", "iob2")


def test_words_are_split_at_span_borders_and_counted(tmp_path: Path) -> None:
    record = {"text": "Bonner (Ann)", "spans": [[0, 4, "LOC"], [8, 11, "PER"]]}
    found = stream(save(tmp_path / "a.jsonl", json.dumps(record)))
    assert brief(found) == [(["Bonn", "er", "(", "Ann", ")"], [(0, 1, "LOC"), (3, 4, "PER")])]
    assert found.report.repaired["split_words"] == 2


def test_empty_sentences_are_counted(tmp_path: Path) -> None:
    rows = [{"tokens": [], "ner_tags": []}, {"tokens": WORDS, "ner_tags": TAGS}]
    found = stream(save(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows))))
    assert [s.id for s in found] == ["s-1"]
    assert (found.report.total, found.report.empty_sentences) == (2, 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{oops", "not valid JSON: Expecting property name enclosed in double quotes at column 2"),
        (
            '[{"tokens": [], "ner_tags": []},',
            "not valid JSON: Expecting value at column 33",
        ),
        ("[3]", "a JSON object was expected, not a int"),
        (
            '{"tok": ["a"]}',
            "neither words (tokens or words) nor text (text or sentence); the record has tok; if "
            "one of them holds the words or text, name it as word_column",
        ),
        (
            '{"tokens": ["a"]}',
            "words without labels: none of the columns ner_tags, tags, labels, ner, label, spans, "
            "entities; the record has tokens; if one of them holds the labels, name it as "
            "tag_column",
        ),
        ('{"tokens": ["a", "b"], "ner_tags": ["O"]}', "2 words but 1 ner_tags"),
        ('{"tokens": ["a", 3], "ner_tags": ["O", "O"]}', "tokens holds 3, which is not a string"),
        ('{"tokens": [null], "ner_tags": ["O"]}', "tokens holds None, which is not a string"),
        (
            '{"tokens": ["a"], "ner_tags": [1]}',
            "ner_tags holds integers and the file does not name them; set label_names of this "
            "data source",
        ),
        (
            '{"tokens": ["a", "b"], "ner_tags": ["B-PER", "X-PER"]}',
            "tag 'X-PER' is not in the scheme iob2 (allowed: O, B-TYPE, I-TYPE); correct the tag, "
            "or set the scheme or the tag_column of this data source",
        ),
        (
            '{"text": "a b"}',
            "a text without its entities (none of spans, entities, labels, label); the record has "
            "text; if one of them holds the labels, name it as tag_column; a text that has no "
            "entities says so with an empty list",
        ),
        (
            '{"text": "a b", "spans": [[0, 9, "PER"]]}',
            "span [0, 9) PER does not fit a text of 3 characters",
        ),
        (
            '{"text": "a b", "spans": [{"start": "0", "end": 1, "label": "PER"}]}',
            "entity {'start': '0', 'end': 1, 'label': 'PER'} is not {start, end, label} or "
            "[start, end, label] with integer positions and one label",
        ),
        (
            '{"tokens": ["a"], "spans": [[0, 2, "PER"]]}',
            "entity [0, 2) PER does not fit a sentence of 1 words",
        ),
        (
            '{"tokens": ["a", "b"], "spans": [[0, 2, "PER"], [1, 2, "LOC"]]}',
            "two entities overlap; keep one of them",
        ),
    ],
)
def test_bad_jsonl(line: str, message: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.jsonl", "\n" + line + "\n")
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value) == f"{path}:2: {message}"


def test_integer_tags_beyond_the_names(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jsonl", json.dumps({"tokens": ["a"], "ner_tags": [5]}))
    with pytest.raises(DataError, match="ner_tags holds 5, but there are only 5 labels"):
        read(path, label_names=LABELS)


# -- Parquet -----------------------------------------------------------------------------------

SENTENCES = [
    Sentence("a", "de", WORDS, [Span(0, 2, "PER"), Span(3, 4, "LOC")]),
    Sentence("b", "de", ["x"]),
]


def test_datasets_opens_written_parquet_with_class_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    path = tmp_path / "a.parquet"
    assert write_parquet(SENTENCES, path, types=["PER", "LOC"]) == 2
    data = datasets.load_dataset(
        "parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert data.features["ner_tags"] == datasets.Sequence(datasets.ClassLabel(names=LABELS))
    assert data.features["tokens"] == datasets.Sequence(datasets.Value("string"))
    assert data[0] == {"id": "a", "lang": "de", "tokens": WORDS, "ner_tags": IDS}
    assert data.features["ner_tags"].feature.int2str(data[0]["ner_tags"]) == TAGS


def test_parquet_types_are_gathered_where_not_given(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(SENTENCES, path)
    assert brief(read(path)) == [*ANN, (["x"], [])]
    with pytest.raises(DataError) as error:
        write_parquet(SENTENCES, tmp_path / "b.parquet", types=["LOC"])
    assert str(error.value) == ("sentence 'a': type 'PER' is not one of the types to write (LOC)")


def test_labelled_tables_and_folders_of_parquet(tmp_path: Path) -> None:
    data = table("labelled", [s.to_row() for s in SENTENCES])
    pq.write_table(data.slice(0, 1), tmp_path / "part-0.parquet")
    pq.write_table(data.slice(1, 1), tmp_path / "part-1.parquet")
    found = stream(tmp_path)
    assert brief(found) == [*ANN, (["x"], [])]
    assert (found.report.format, found.report.scheme) == ("parquet", None)


def test_parquet_with_the_older_metadata(tmp_path: Path) -> None:
    features = {
        "tokens": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"},
        "ner_tags": [{"names": LABELS, "_type": "ClassLabel"}],
    }
    schema = pa.schema(
        [("tokens", pa.list_(pa.string())), ("ner_tags", pa.list_(pa.int64()))],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([{"tokens": WORDS, "ner_tags": IDS}], schema), path)
    assert brief(read(path)) == ANN


def test_a_parquet_file_whose_column_has_no_name(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"tokens": [["a"]], "lang": ["de"]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"lang", b"\x80ang"))
    with pytest.raises(DataError, match=r"a\.parquet: not a Parquet file: "):
        read(path)


def test_bad_parquet(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", b"x O\n")
    with pytest.raises(DataError, match=r"a\.parquet: not a Parquet file: "):
        read(path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match=r"is a folder, not a file; .* \(it has none\)"):
        read(empty, format="parquet")


# -- HF data sets ------------------------------------------------------------------------------


def test_errors_about_parquet_name_columns_that_are_not_read(tmp_path: Path) -> None:
    of_sentences: dict[str, list[Any]] = {"tokens": [["Anna"]], "mine": [["B-PER"]], "more": [1]}
    pq.write_table(pa.table(of_sentences), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="the record has tokens, mine, more; .* as tag_column"):
        read(tmp_path / "a.parquet")
    of_words: dict[str, list[Any]] = {
        "word": ["Anna", "slept"],
        "tag": ["B-PER", "O"],
        "sentence_id": [0, 0],
    }
    pq.write_table(pa.table(of_words), tmp_path / "b.parquet")
    named: list[dict[str, Any]] = [{}, {"word_column": "word", "tag_column": "tag"}]
    for options in named:
        with pytest.raises(
            DataError, match="the record has word, tag, sentence_id; a word per row"
        ):
            read(tmp_path / "b.parquet", **options)


def test_save_to_disk_folders(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=LABELS)),
        }
    )
    data = datasets.Dataset.from_dict({"tokens": [WORDS], "ner_tags": [IDS]}, features=features)
    data.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": data, "test": data}).save_to_disk(tmp_path / "two")
    assert brief(read(tmp_path / "one")) == ANN
    assert brief(read(tmp_path / "two", split="test")) == ANN
    with pytest.raises(DataError) as error:
        read(tmp_path / "two", split="dev")
    assert str(error.value) == (
        f"{tmp_path / 'two'}: no split 'dev'; set split to one of: test, train"
    )
    with pytest.raises(DataError, match=r"holds several data sets \(one, two\); name one of them"):
        read(tmp_path, format="hub")
    with pytest.raises(DataError, match="not a folder that save_to_disk wrote"):
        read(save(tmp_path / "three" / "a.txt", "x O").parent, format="hub")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A hub data set in a local cache, and no network."""
    cache = tmp_path / "datasets"
    for config in ("de", "fr"):
        add_dataset(cache, "some-org/TinyNER".lower(), config, {"test": [(WORDS, TAGS)]})
    go_offline(monkeypatch, cache)
    return "some-org/tinyner"


def test_hub_data_sets(hub: str) -> None:
    source = DataSource(hub=hub, hub_config="de", split="test", revision=COMMIT)
    found = read_labelled(source, "de")
    assert brief(found) == ANN
    assert found.report.origin == "hub:some-org/tinyner[de]/test"
    assert found.report.commit == COMMIT


def test_another_revision_in_the_cache_is_refused(hub: str) -> None:
    other = COMMIT[::-1]
    with pytest.raises(DataError) as error:
        read_labelled(DataSource(hub=hub, hub_config="de", split="test", revision=other), "de")
    assert str(error.value) == (
        "hub:some-org/tinyner[de]: the hub cannot be reached, and the local cache holds revision "
        f"{COMMIT}, not {other}"
    )


def test_hub_problems(hub: str) -> None:
    def problem(
        name: str = hub, config: str | None = "de", split: str = "test"
    ) -> tuple[str, str] | None:
        return hub_problem(name, config=config, split=split, revision=None)

    assert problem() is None
    assert problem(split="test[:10%]+test") is None
    assert problem(split="tests") == (
        "split",
        "'some-org/tinyner' has no split 'tests' (did you mean 'test'?); allowed: test",
    )
    assert problem(config="xx") == (
        "hub_config",
        "offline, and the local cache has 'some-org/tinyner' only for de, fr",
    )
    assert problem(name="some-org/other") == (
        "hub",
        "offline, and 'some-org/other' is not in the local cache",
    )
    with pytest.raises(DataError, match=r"^hub:some-org/other: cannot load split 'test': "):
        read_labelled(DataSource(hub="some-org/other", split="test"), "de")


def test_a_source_without_path_and_hub() -> None:
    with pytest.raises(DataError, match="needs a path or a hub data set; it has neither"):
        read_labelled(DataSource(), "de")


# -- plain text --------------------------------------------------------------------------------


def test_plain_text(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "Ann is  here .\n\nshe\u00a0stays\u2028now\n")
    found = stream(path, labelled=False)
    assert [s.words for s in found] == [["Ann", "is", "here", "."], ["she\u00a0stays\u2028now"]]
    assert (found.report.format, found.report.empty_sentences) == ("text", 1)
    assert [s.id for s in read(path, labelled=False)] == ["s-0", "s-2"]


def test_plain_text_has_no_labels(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "Ann\n")
    with pytest.raises(DataError) as error:
        read(path, format="text")
    assert str(error.value) == (
        f"{path}: plain text has no labels; set format to one that has them"
    )


def test_unlabelled_formats(tmp_path: Path) -> None:
    assert brief(read(save(tmp_path / "a", "Ann B-PER\nis O\n"), labelled=False)) == [
        (["Ann", "is"], [])
    ]
    assert brief(read(save(tmp_path / "b", '{"text": "Ann is"}\n'), labelled=False)) == [
        (["Ann", "is"], [])
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "saved", "a.csv", "doccano.jsonl"])
def test_tag_column_and_word_column_name_fields(name: str, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    path = tmp_path / name
    record: dict[str, Any] = {
        "tokens": ["x"] * 4,
        "clean": WORDS,
        "ner_tags": ["B-X", "O", "O", "O"],
        "fine": TAGS,
    }
    options: dict[str, Any] = {"tag_column": "fine", "word_column": "clean"}
    if name == "a.parquet":
        pq.write_table(pa.Table.from_pylist([record]), path)
    elif name == "saved":
        datasets.Dataset.from_list([record]).save_to_disk(str(path))
    elif name == "a.csv":
        save(path, "sentence,tags,Fine,clean\nx x,O B-X,B-PER I-PER O B-LOC,Ann Lee in Bonn\n")
        options["tag_column"] = "Fine"
    elif name == "doccano.jsonl":
        fine = [[0, 7, "PER"], [11, 15, "LOC"]]
        record = {"text": "Ann Lee in Bonn", "label": [[0, 3, "X"]], "fine": fine}
        save(path, json.dumps(record))
        del options["word_column"]
    else:
        save(path, json.dumps(record))
    assert brief(read(path, **options)) == ANN
    for key in options:
        with pytest.raises(
            DataError, match=f"'nix', which {key} names|no labels .nix.*has text"
        ) as error:
            read(path, **(options | {key: "nix"}))
        assert name != "a.csv" or "the columns are sentence, tags, fine, clean" in str(error.value)
        with pytest.raises(DataError, match=f"{key}: 1: name the field"):
            read(path, **(options | {key: 1}))


@pytest.mark.parametrize("surface", [{}, {"text": "Anna"}])
def test_records_with_spans_hold_no_records(surface: dict[str, str], tmp_path: Path) -> None:
    record = {"sent": "Anna slept", "slots": [{"start": 0, "end": 4, "label": "PER"} | surface]}
    path = save(tmp_path / "a.jsonl", f"{json.dumps(record)}\n" * 2)
    with pytest.raises(DataError, match=r":1: .*the record has sent, slots; .* as word_column"):
        read(path)
    found = read(path, word_column="sent", tag_column="slots")
    assert brief(found) == [(["Anna", "slept"], [(0, 1, "PER")])] * 2
    # Documents of records are read as these.
    inner = {"start": 0, "tokens": ["Anna", "slept"], "ner_tags": ["B-PER", "O"]}
    save(path, f"{json.dumps({'document': 1, 'parts': [inner]})}\n" * 2)
    assert brief(read(path)) == brief(found)


def test_keys_about_columns_do_nothing_in_silence_nowhere(tmp_path: Path) -> None:
    jsonl = save(tmp_path / "a.jsonl", json.dumps({"tokens": WORDS, "ner_tags": TAGS}))
    with pytest.raises(DataError, match="columns does nothing for jsonl"):
        read(jsonl, columns=["word", "ner"])
    brat = save(tmp_path / "b.txt", "Bonn won\n")
    save(tmp_path / "b.ann", "T1\tLOC 0 4\tBonn\n")
    for key in ("tag_column", "word_column"):
        with pytest.raises(DataError, match=f"{key} does nothing for brat"):
            read(brat, **{key: "ner"})


@pytest.mark.parametrize("empty", ["spans", "label", "labels", "ner"])
def test_a_field_without_entities_hides_none_of_another(empty: str, tmp_path: Path) -> None:
    spans = [{"id": 7, "label": "LOC", "start_offset": 11, "end_offset": 15}]
    record = {"text": "Ann Lee in Bonn", empty: [], "entities": spans}
    path = save(tmp_path / "a.jsonl", json.dumps(record))
    assert brief(read(path)) == [(WORDS, [(3, 4, "LOC")])]


@pytest.mark.parametrize("words", [True, False])
def test_entities_in_two_fields_must_be_the_same(words: bool, tmp_path: Path) -> None:
    at = (0, 2) if words else (0, 7)
    item = {"start": at[0], "end": at[1], "label": "PER"}
    record = {"words": WORDS} if words else {"text": "Ann Lee in Bonn"}
    path = save(
        tmp_path / "a.jsonl", json.dumps(record | {"spans": [item], "ents": [[*at, "PER"]]})
    )
    assert brief(read(path)) == [(WORDS, [(0, 2, "PER")])]
    both = record | {"spans": [item], "ents": [item | {"label": "ORG"}]}
    save(path, json.dumps(both))
    with pytest.raises(DataError, match=r"a.jsonl:1: spans and ents hold entities, and not the sa"):
        read(path)
    assert brief(read(path, tag_column="ents")) == [(WORDS, [(0, 2, "ORG")])]


def test_parts_of_speech_are_not_read_where_there_are_entities(tmp_path: Path) -> None:
    record = {"tokens": WORDS, "tags": ["NNP", "NNP", "IN", "NNP"], "ner": TAGS}
    assert brief(read(save(tmp_path / "a.jsonl", json.dumps(record)))) == ANN
    record["spans"] = [[0, 2, "PER"], [3, 4, "LOC"]]
    del record["ner"]
    path = save(tmp_path / "b.jsonl", json.dumps(record))
    with pytest.raises(DataError, match="in no scheme of tags: 'NNP'.*set tag_column"):
        read(path)
    assert brief(read(path, tag_column="spans")) == ANN


@pytest.mark.parametrize("saved", [True, False])
def test_class_labels_of_spans_have_their_names(saved: bool, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    of = {"start": datasets.Value("int32"), "end": datasets.Value("int32")}
    of["label"] = datasets.ClassLabel(names=["LOC", "PER"])
    for number, entities in enumerate(([of], datasets.Sequence(of))):
        features = datasets.Features({"text": datasets.Value("string"), "entities": entities})
        items = [{"start": 0, "end": 7, "label": 1}, {"start": 11, "end": 15, "label": 0}]
        given = items if number == 0 else {k: [i[k] for i in items] for k in of}
        rows = {"text": ["Ann Lee in Bonn"], "entities": [given]}
        path = tmp_path / (f"{number}" if saved else f"{number}.parquet")
        data = datasets.Dataset.from_dict(rows, features=features)
        _ = data.save_to_disk(str(path)) if saved else data.to_parquet(str(path))
        assert brief(read(path)) == ANN


@pytest.mark.parametrize("words", [True, False])
def test_an_entity_that_cuts_a_word_is_told_with_its_line(words: bool, tmp_path: Path) -> None:
    right: dict[str, Any] = {"text": "Ann Lee in Bonn.", "spans": [[0, 7, "PER"], [11, 15, "LOC"]]}
    if words:
        right["tokens"] = ["Ann", "Lee", "in", "Bonn."]
    wrong = right | {"spans": [[1, 6, "PER"], [11, 15, "LOC"]]}
    rows = [right] * 20 + [wrong]
    path = save(tmp_path / "a.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
    found = stream(path)
    assert len(list(found)) == 21
    assert found.report.repaired["cut_spans"] == 1
    told = "1 entities that begin or end between two letters (the first: line 21)"
    assert told in found.report.summary()
    save(path, "".join(json.dumps(r) + "\n" for r in rows[:20]))
    found = stream(path)
    assert len(list(found)) == 20 and not found.report.repaired["cut_spans"]
    assert found.report.repaired["split_words"] == 20
