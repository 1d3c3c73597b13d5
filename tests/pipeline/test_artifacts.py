"""Fingerprints, hashes, atomic writes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline import schema
from pipeline.artifacts import write_part
from pipeline.disk import write_atomic
from pipeline.hashes import FileHashes, derive_seed, fingerprint
from pipeline.output import Output
from pipeline.plan import difference


def test_fingerprints_do_not_depend_on_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_seeds_are_the_same_on_every_machine() -> None:
    assert derive_seed(13, "align", "de", 0) == 1753593088
    assert derive_seed(13, "align", "de", 0) != derive_seed(13, "align", "de", 1)
    assert derive_seed("a", "bc") != derive_seed("ab", "c")


def test_hashes_follow_content_not_name_or_time(tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "h.json")
    file = tmp_path / "data.txt"
    file.write_text("one")
    first = hashes.of(file)
    hashes.save()
    os.utime(file, (1, 1))
    assert FileHashes(tmp_path / "h.json").of(file) == first
    file.write_text("two")
    assert hashes.of(file) != first


def test_a_model_card_decides_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = FileHashes(tmp_path / ".hashes.json").of(tmp_path)
    (tmp_path / "README.md").write_text("measured anew")
    assert FileHashes(tmp_path / ".hashes.json").of(tmp_path) == before
    (tmp_path / "vocab.txt").write_text("a")
    assert FileHashes(tmp_path / ".hashes.json").of(tmp_path) != before


def test_a_folder_is_hashed_by_names_and_contents(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a").write_text("x")
    hashes = FileHashes(tmp_path / "h.json")
    first = hashes.of(folder)
    (folder / "a").rename(folder / "b")
    assert hashes.of(folder) != first


def test_known_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "data.txt"
    file.write_text("one")
    monkeypatch.setattr(time, "time_ns", lambda: file.stat().st_ctime_ns + 10**10)
    hashes = FileHashes(tmp_path / "h.json")
    first = hashes.of(file)
    hashes.save()

    def read(path: Path) -> str:
        raise AssertionError(f"{path} is read again")

    monkeypatch.setattr("pipeline.hashes.file_sha256", read)
    assert FileHashes(tmp_path / "h.json").of(file) == first
    stat = file.stat()
    file.write_text("two")  # same size and, set back, same time of modification
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(AssertionError, match="is read again"):
        FileHashes(tmp_path / "h.json").of(file)


def test_a_snapshot_of_the_hub_cache_is_known_by_its_commit(tmp_path: Path) -> None:
    folder = tmp_path / "models--a--b" / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    assert FileHashes(tmp_path / "h.json").of(folder) == f"commit:models--a--b@{'0' * 40}"


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    write_atomic(path, b"old")

    def fail(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    rows = [schema.Sentence("a", "en", ["x"], [schema.Span(0, 1, "PER", 0.5)]).to_row()]
    write_part(schema.table("labelled", rows), tmp_path / "a.parquet")
    write_part(schema.table("labelled", rows), tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_output_is_cut_into_parts_and_an_empty_one_has_one_part(tmp_path: Path) -> None:
    out = Output(tmp_path, "labelled", part_rows=2)
    rows = [schema.Sentence(str(i), "en", ["x"]).to_row() for i in range(5)]
    assert out.write_rows(iter(rows)) == 5
    assert [p.rows for p in out.parts] == [2, 2, 1]
    empty = Output(tmp_path / "empty", "labelled", part_rows=2)
    assert empty.write_rows([]) == 0
    assert [p.rows for p in empty.parts] == [0]


def test_rows_that_do_not_fit_the_schema_are_refused() -> None:
    row = schema.Sentence("a", "en", ["x"]).to_row()
    with pytest.raises(KeyError, match=r"row 'a' of a labelled table: columns \['extra'\]"):
        schema.table("labelled", [{**row, "extra": 1}])
    with pytest.raises(pa.ArrowInvalid):
        schema.table("labelled", [{**row, "line": "seven"}])


def test_drops_are_counted_by_level() -> None:
    span = {"start": 0, "end": 1, "type": "PER", "score": 0.1, "method": "span", "source": 0}
    row = {
        "id": "a",
        "lang": "de",
        "source_id": "a",
        "source_lang": "en",
        "source_words": ["x"],
        "source_spans": [],
        "words": ["y"],
        "spans": [
            {**span, "kept": False, "reason": "low_score"},
            {**span, "kept": True, "reason": None},
        ],
        "lost": [{"source": 1, "reason": "no_link"}],
        "scores": [],
        "kept": False,
        "reason": "lost_span",
    }
    assert schema.count_drops(schema.table("projected", [row, row])) == {
        "rows": {"lost_span": 2},
        "spans": {"low_score": 2},
        "lost": {"no_link": 2},
    }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"version": "1"}, {"version": "2"}, "the stage has a new version (1 → 2)"),
        ({"options": {"a": 1}}, {"options": {"a": 2}}, "a was 1, is now 2"),
        ({"files": {"train": "x"}}, {"files": {"train": "y"}}, "train has changed"),
        ({"inputs": {"links": "x"}}, {"inputs": {"links": "y"}}, "its input 'links' has changed"),
    ],
)
def test_differences_in_words(old: dict, new: dict, told: str) -> None:
    assert difference(old, new).replace('"', "") == told
