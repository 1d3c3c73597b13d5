"""Rows of a parallel corpus: joined with those of the training data, by order or by id."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import DataError
from tests.pipeline.formats.helpers import save
from tests.stages.prepare.test_prepare import TRAIN, failure, outputs, run


def test_parallel_rows_are_those_of_train(tmp_path: Path) -> None:
    save(tmp_path / "en", TRAIN)
    save(tmp_path / "de", "Ann B-PER\n\nACME B-ORG\nAG I-ORG\n\nja O\n")
    data = {
        "train": {"path": "en", "limit": 2},
        "parallel": {"de": {"path": "de"}},
    }
    found = outputs(run(tmp_path, data))
    assert [s.id for s in found["train/en"]] == ["train-0", "train-1"]
    assert [(s.id, s.lang, s.words) for s in found["parallel/de"]] == [
        ("train-0", "de", ["Ann"]),
        ("train-1", "de", ["ACME", "AG"]),
    ]
    save(tmp_path / "de", "Ann B-PER\n\nACME B-ORG\n")  # a limit takes its translations along
    found = outputs(run(tmp_path, data))
    assert [(s.id, s.words) for s in found["parallel/de"]] == [
        ("train-0", ["Ann"]),
        ("train-1", ["ACME"]),
    ]
    save(tmp_path / "de", "Ann B-PER\n")
    assert failure(tmp_path, data) == (
        "data.parallel.de: 1 sentences in de, but 3 in en (data.train), of which the first 2 are "
        "used; the two must match one to one; if these are of the first 1, set data.train.limit: 1"
    )


@pytest.mark.parametrize("source", [{"path": "de"}, {"path": "de", "format": "text"}])
def test_a_translation_may_be_plain_text(tmp_path: Path, source: dict[str, str]) -> None:
    (tmp_path / "en").write_text("Ann B-PER\n. O\n\nLagos B-LOC\n\n")
    (tmp_path / "de").write_text("Anna .\nLagos ?\n")
    found = outputs(run(tmp_path, {"train": {"path": "en"}, "parallel": {"de": source}}))
    assert [(s.words, s.spans) for s in found["parallel/de"]] == [
        (["Anna", "."], []),
        (["Lagos", "?"], []),
    ]
    (tmp_path / "de").write_text("Anna .\n")
    message = "data.parallel.de: 1 sentences in de, but 2 in en"
    with pytest.raises(DataError, match=message):
        run(tmp_path, {"train": {"path": "en"}, "parallel": {"de": source}})


def test_parallel_sentences_with_ids_of_their_own_side_are_joined_by_order(tmp_path: Path) -> None:
    save(tmp_path / "en", "# id = en-1\nAnn\tB-PER\n\n# id = en-2\n\n# id = en-3\nyes\tO\n")
    save(tmp_path / "de", "# id = de-1\nAnna\tB-PER\n\n# id = de-2\nx\tO\n\n# id = de-3\nja\tO\n")
    found = outputs(run(tmp_path, {"train": {"path": "en"}, "parallel": {"path": "{lang}"}}))
    assert [(s.id, s.words) for s in found["parallel/de"]] == [("en-1", ["Anna"]), ("en-3", ["ja"])]


def test_parallel_sentences_are_joined_by_id_in_any_order(tmp_path: Path) -> None:
    save(tmp_path / "en", "# id = a\nAnn\tB-PER\n\n# id = b\n\n# id = c\nyes\tO\n")
    save(tmp_path / "de", "# id = c\nja\tO\n\n# id = b\nx\tO\n\n# id = a\nAnna\tB-PER\n")
    data = {"train": {"path": "en"}, "parallel": {"path": "{lang}"}}
    found = outputs(run(tmp_path, data))["parallel/de"]
    assert [(s.id, s.words) for s in found] == [("a", ["Anna"]), ("c", ["ja"])]
    save(tmp_path / "de", "# id = c\nja\tO\n\n# id = b\nx\tO\n\n# id = d\nAnna\tB-PER\n")
    assert failure(tmp_path, data) == (
        "data.parallel: no sentence of de has the id 'a' of en (data.train), although both sides "
        "have ids"
    )


def test_an_empty_parallel_sentence_keeps_its_row(tmp_path: Path) -> None:
    rows = [{"tokens": ["Ann"], "ner_tags": ["B-PER"]}, {"tokens": ["yes"], "ner_tags": ["O"]}]
    save(tmp_path / "en.jsonl", "\n".join(map(json.dumps, rows)))
    rows[0] = {"tokens": [], "ner_tags": []}
    save(tmp_path / "de.jsonl", "\n".join(map(json.dumps, rows)))
    data = {"train": {"path": "en.jsonl"}, "parallel": {"path": "{lang}.jsonl"}}
    result = run(tmp_path, data)
    found = outputs(result)["parallel/de"]
    assert [(s.id, s.words) for s in found] == [("train-0", []), ("train-1", ["yes"])]
    assert result.done[1].manifest.counts["empty_parallel_sentences"] == 1
