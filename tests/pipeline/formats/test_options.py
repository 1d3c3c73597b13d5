"""An option that does nothing is an error: for each option of a source and each format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import DataSource
from pipeline.errors import DataError
from pipeline.formats import FORMATS, read_labelled, write_parquet
from pipeline.formats.format import ABOUT_LABELS, CHOSEN, POSITIONED
from pipeline.schema import Sentence, Span
from stages.inspect.corrections import export
from tests.pipeline.formats.helpers import brief, read, save
from tests.pipeline.formats.test_docs import EXAMPLES

VALUES: dict[str, Any] = {
    "scheme": "iob2",
    "entity_type": "GENE",
    "tag_column": "ner",
    "word_column": "clean",
    "columns": ["word", "ner"],
    "label_names": ["PER"],
    "offsets": "characters",
    "span_end": "exclusive",
    "documents": "keep",
    "encoding": "utf-16",
    "split": "train",
}


def example(name: str, folder: Path) -> Path:
    """Return a small file or folder of a format."""
    sentences = [Sentence("a", "en", ["Anna", "slept"], [Span(0, 1, "PER")])]
    if name == "parquet":
        write_parquet(sentences, folder / "a.parquet")
        return folder / "a.parquet"
    if name == "hub":
        datasets = pytest.importorskip("datasets")
        data = datasets.Dataset.from_list([{"tokens": ["Anna"], "ner_tags": ["B-PER"]}])
        datasets.DatasetDict({"train": data, "test": data}).save_to_disk(str(folder / "saved"))
        return folder / "saved"
    if name == "spacy":
        pytest.importorskip("spacy")
        export([(s, None) for s in sentences], "spacy", folder / "a.spacy")
        return folder / "a.spacy"
    file, text = next((f, t) for n, f, t in EXAMPLES if n == name)
    if name == "brat":
        save(folder / "doc.txt", "Anna Kovac visited Bonn.")
    return save(folder / file, text.replace("\n", "") if name == "prodigy" else text + "\n")


def test_every_option_of_a_source_is_for_all_formats_or_chosen() -> None:
    for_all = {"path", "hub", "hub_config", "revision", "format", "limit"}
    assert DataSource.model_fields.keys() - for_all == CHOSEN | {"split"} == VALUES.keys()
    assert all(FORMATS[name].options <= CHOSEN for name in FORMATS)


@pytest.mark.parametrize("name", list(FORMATS))
def test_an_option_that_does_nothing_for_a_format_is_an_error(name: str, tmp_path: Path) -> None:
    path, labelled = example(name, tmp_path), FORMATS[name].has_labels
    read_from = path.parent if name == "brat" else path
    stated = {"split": "train"} if name == "hub" else {}
    for key, value in VALUES.items():
        options = {**stated, "format": name, key: value}
        try:
            read(read_from, labelled=labelled, **options)
            refused = False
        except DataError as error:
            refused = f"{key} does nothing for" in str(error) or "is about labels" in str(error)
            assert not refused or str(error).endswith(f"remove {key}")
        used = FORMATS[name].options | ({"split"} if name == "hub" else frozenset())
        assert refused == (key not in used), key


@pytest.mark.parametrize("key", sorted(ABOUT_LABELS))
def test_options_about_labels_where_none_are_read(key: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.jsonl", json.dumps({"tokens": ["Anna"], "ner_tags": ["B-PER"]}))
    with pytest.raises(DataError, match=f"{key} is about labels, and none are read here"):
        read(path, labelled=False, **{key: VALUES[key]})


def test_options_about_tags_where_there_are_spans_and_about_spans_where_there_are_tags(
    tmp_path: Path,
) -> None:
    spans = {"text": "Anna slept", "spans": [[0, 4, "PER"]]}
    path = save(tmp_path / "a.jsonl", json.dumps(spans))
    for key in ("scheme", "entity_type"):
        with pytest.raises(DataError, match=f"{key} does nothing, as the entities .* are spans"):
            read(path, **{key: VALUES[key]})
    tags = {"tokens": ["Anna", "slept"], "ner_tags": ["B-PER", "O"]}
    save(path, json.dumps(tags))
    for key in sorted(POSITIONED):
        value = "split" if key == "documents" else VALUES[key]
        with pytest.raises(DataError, match=f"{key} does nothing, as the entities .* are tags"):
            read(path, **{key: value})
    assert len(read(path, documents="keep")) == 1
    both = f"{json.dumps(spans)}\n{json.dumps(tags)}\n"
    save(path, both)
    assert len(read(path, scheme="iob2", offsets="characters")) == 2
    with pytest.raises(DataError, match="entity_type does nothing, as all tags name a type"):
        read(path, entity_type="GENE")


def test_label_names_name_numbers_that_have_no_names(tmp_path: Path) -> None:
    path = save(tmp_path / "a.csv", "sentence,tags\nAnn Lee slept,1 2 0\n")
    names = ["O", "B-PER", "I-PER"]
    with pytest.raises(DataError, match=r"a\.csv: the tags are numbers: .*; set label_names"):
        read(path)  # and no entity types for scheme: io
    assert brief(read(path, label_names=names)) == [(["Ann", "Lee", "slept"], [(0, 2, "PER")])]
    save(path, "sentence,tags\nAnn Lee slept,B-PER I-PER O\n")
    with pytest.raises(DataError, match=r"a.csv:2: tags holds 'B-PER', so that label_names does n"):
        read(path, label_names=names)
    record = {"text": "Anna slept", "spans": [[0, 4, "PER"]]}
    with pytest.raises(DataError, match=r":1: spans holds 'PER', so that label_names does nothin"):
        read(save(tmp_path / "a.jsonl", json.dumps(record)), label_names=["PER"])
    own = tmp_path / "a.parquet"
    write_parquet([Sentence("a", "en", ["Ann"], [Span(0, 1, "PER")])], own)
    assert len(read(own, label_names=names)) == 1  # the same as in the file
    with pytest.raises(DataError, match="ner_tags has names in the file, so that label_names"):
        read(own, label_names=["O", "B-LOC", "I-LOC"])


def test_a_split_of_what_has_none(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    row = {"tokens": ["Anna"], "ner_tags": ["B-PER"]}
    file = save(tmp_path / "a.jsonl", json.dumps(row))
    with pytest.raises(DataError, match="split does nothing for a path that is one data set: rem"):
        read(file, split="train")
    datasets.Dataset.from_list([row]).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(DataError, match="split does nothing for a path that is one data set"):
        read(tmp_path / "saved", split="train")
    assert len(read(tmp_path / "saved")) == 1
    # What stands for a data set of the hub, too, may have its options.
    source = DataSource(path=str(file), hub="some/set", split="train")
    assert len(list(read_labelled(source, "en", path=file))) == 1


@pytest.mark.parametrize("key", ["hub_config", "revision"])
def test_options_of_the_hub_without_it(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key}: is for a data set of the hub; set hub, or rem"):
        DataSource.model_validate({"path": "a.conll", key: "x"})
    with pytest.raises(ValueError, match="format: does nothing for a data set of the hub"):
        DataSource.model_validate({"hub": "some/set", "format": "conll"})
