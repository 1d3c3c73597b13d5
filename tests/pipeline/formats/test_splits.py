"""Which files a path stands for: splits of a folder, and globs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.formats import detect_format, write_jsonl, write_parquet
from pipeline.formats.splits import local_files, split_of
from pipeline.schema import Sentence, Span
from tests.pipeline.formats.helpers import read, save, stream


def put(path: Path, *words: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sentences = [Sentence(f"{path.name}-{w}", "en", [w], [Span(0, 1, "PER")]) for w in words]
    (write_parquet if path.suffix == ".parquet" else write_jsonl)(sentences, path)
    return path


def words(path: Path, **options: str) -> list[str]:
    return [s.words[0] for s in read(path, **options)]


def failure(path: Path, **options: str) -> str:
    with pytest.raises(DataError) as error:
        read(path, **options)
    return str(error.value)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    for name, word in (
        ("train-00000-of-00002", "a"),
        ("train-00001-of-00002", "b"),
        ("test-00000-of-00001", "c"),
    ):
        put(tmp_path / "data" / f"{name}.parquet", word, word + "2")
    return tmp_path / "data"


def test_shards_of_a_split(shards: Path) -> None:
    assert words(shards, split="train") == ["a", "a2", "b", "b2"]
    assert words(shards, split="test") == ["c", "c2"]
    assert words(shards, split="test+train") == ["c", "c2", "a", "a2", "b", "b2"]
    assert failure(shards) == (
        f"{shards}: holds several splits (train: train-00000-of-00002.parquet, "
        "train-00001-of-00002.parquet; test: test-00000-of-00001.parquet); set split to one of "
        "train, test, or name the files"
    )
    assert failure(shards, split="tset") == (
        f"{shards}: no split 'tset' (did you mean 'test'?); there is train, test"
    )
    assert "no split 'dev'; there is train, test" in failure(shards, split="dev")
    assert "slices are for data sets of the hub" in failure(shards, split="train[:10%]")


@pytest.mark.parametrize(("suffix", "name"), [("parquet", "parquet"), ("jsonl", "jsonl")])
def test_a_folder_is_in_the_format_of_its_files(tmp_path: Path, suffix: str, name: str) -> None:
    for part in "ab":
        put(tmp_path / "data" / f"{part}.{suffix}", part, part + "2")
    assert detect_format(tmp_path / "data") == name
    found = read(tmp_path / "data")
    assert [(s.words[0], s.line) for s in found] == [("a", 1), ("a2", 2), ("b", 1), ("b2", 2)]
    assert found[2].origin == f"{tmp_path / 'data'} (b.{suffix})"


def test_globs_are_their_files_in_order(shards: Path) -> None:
    assert words(shards / "train-*.parquet") == ["a", "a2", "b", "b2"]
    assert words(shards / "*-00000-*") == ["c", "c2", "a", "a2"]
    assert words(shards.parent / "*" / "t?st*") == ["c", "c2"]
    assert words(shards.parent / "**" / "*.parquet", split="test") == ["c", "c2"]
    assert "no file with such a name" in failure(shards / "dev-*.parquet")
    assert "only folders with such a name" in failure(shards.parent / "da*")


def test_a_file_whose_name_has_brackets_is_that_file(tmp_path: Path) -> None:
    assert words(put(tmp_path / "train[1].jsonl", "a")) == ["a"]


def test_folders_of_splits_and_other_suffixes(tmp_path: Path) -> None:
    put(tmp_path / "en" / "train" / "b.jsonl", "b")
    put(tmp_path / "en" / "train" / "a.jsonl", "a")
    put(tmp_path / "en" / "dev" / "c.jsonl", "c")
    save(tmp_path / "en" / "README.md", "# words")
    save(tmp_path / "en" / "dataset_infos.json", "{}")
    found = stream(tmp_path / "en", split="train")
    assert [s.words for s in found] == [["a"], ["b"]]
    assert [s.origin for s in stream(tmp_path / "en", split="train")] == [
        f"{tmp_path / 'en'} (a.jsonl)",
        f"{tmp_path / 'en'} (b.jsonl)",
    ]
    for name in ("dev", "validation", "valid"):
        assert words(tmp_path / "en", split=name) == ["c"]
    assert words(tmp_path / "en" / "train") == ["a", "b"]
    assert words(tmp_path / "en" / "train", split="train") == ["a", "b"]


def test_original_names_of_conll(tmp_path: Path) -> None:
    for name, word in (("eng.train", "Ann"), ("eng.testa", "Ben"), ("eng.testb", "Carl")):
        save(tmp_path / name, f"{word} I-PER\n")
    assert words(tmp_path, split="validation") == ["Ben"]
    assert words(tmp_path, split="test") == ["Carl"]
    assert words(tmp_path / "eng.testb") == ["Carl"]
    assert split_of(tmp_path / "esp.testa", tmp_path) == "validation"


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    put(tmp_path / "train.en.jsonl", "a")
    put(tmp_path / "train.de.jsonl", "b")
    assert "are named for several languages" in failure(tmp_path, split="train")
    assert words(tmp_path / "train.de*") == ["b"]
    (tmp_path / "train.de.jsonl").unlink()
    save(tmp_path / "train.en.conll", "a B-PER\n")
    assert "are of several formats (.conll, .jsonl)" in failure(tmp_path, split="train")
    assert words(tmp_path, split="train", format="conll") == ["a"]
    assert "name files of one format" in failure(tmp_path / "train.en.*")


def test_a_folder_without_splits(tmp_path: Path) -> None:
    put(tmp_path / "one" / "a.jsonl", "a")
    put(tmp_path / "one" / "b.jsonl", "b")
    assert words(tmp_path / "one") == ["a", "b"]
    assert words(tmp_path / "one", split="train") == ["a", "b"]
    assert "no split 'test'; there is no file that names one" in failure(
        tmp_path / "one", split="test"
    )
    put(tmp_path / "one" / "train.jsonl", "c")
    assert "holds several splits (train: train.jsonl; no split: a.jsonl, b.jsonl)" in failure(
        tmp_path / "one"
    )


def test_errors_in_one_of_several_files_name_it(tmp_path: Path) -> None:
    put(tmp_path / "train-1.jsonl", "a")
    bad = save(tmp_path / "train-2.jsonl", '\n{"tokens": ["a"], "ner_tags": ["X-PER"]}\n')
    assert failure(tmp_path).startswith(f"{bad}:2: tag 'X-PER'")


def test_local_files_of_a_file(tmp_path: Path) -> None:
    path = put(tmp_path / "test.jsonl", "a")
    assert local_files(path, "train") == [path]


def test_names_that_contradict_what_is_read_are_warned_of(tmp_path: Path) -> None:
    path = put(tmp_path / "test.jsonl", "a")
    put(tmp_path / "train.jsonl", "b")
    assert (
        "split is 'train', but the name says test"
        in stream(path, split="train", hub="a/b").report.warnings[0]
    )
    assert not stream(path, split="eval", hub="a/b").report.warnings
    both = stream(tmp_path / "t*.jsonl")
    assert "the pattern fits files of several splits: test, train" in both.report.warnings[0]


def test_folders_of_languages_are_not_mixed(tmp_path: Path) -> None:
    put(tmp_path / "en" / "train.jsonl", "a")
    put(tmp_path / "de" / "train.jsonl", "b")
    assert "are named for several languages" in failure(tmp_path, split="train")
    assert words(tmp_path / "de", split="train") == ["b"]
