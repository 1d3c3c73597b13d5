"""What files of annotation tools hold beside entities: answers, relations, further annotators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError
from tests.pipeline.formats.helpers import brief, dump, lines, read, save, stream


def test_brat_counts_what_is_no_entity(tmp_path: Path) -> None:
    text = "Anna and Bob Kovac went\nto New York. Oslo is far.\n"
    at = text.index
    notes = [
        f"T1\tPER {at('Anna')} {at('Anna') + 4};{at('Kovac')} {at('Kovac') + 5}\tAnna Kovac",
        f"T2\tPER {at('Bob')} {at('Bob') + 9}\tBob Kovac",
        f"T3\tLOC {at('New')} {at('New') + 3};{at('York')} {at('York') + 4}\tNew York",
        f"T4\tLOC {at('York')} {at('York') + 4}\tYork",
        "R1\tknows Arg1:T1 Arg2:T2",
        "E1\tMove:T3 Who:T1",
        "A1\tSure T3",
        "*\tEquiv T1 T2",
        "#1\tAnnotatorNotes T1\tboth are Kovacs",
        "N1\tReference T3 Wikidata:Q60\tNew York",
    ]
    save(tmp_path / "set" / "a.txt", text)
    save(tmp_path / "set" / "a.ann", "\n".join(notes))
    save(tmp_path / "set" / "b.txt", "Nobody has read this.")
    found = stream(tmp_path / "set", lang="en")
    assert [(s.id, [" ".join(s.words[x.start : x.end]) for x in s.spans]) for s in found] == [
        ("a-1", ["Bob Kovac", "New York"]),
        ("a-2", []),
    ]
    report = found.report
    assert report.left_out == {
        "relations": 2,
        "events": 1,
        "attributes": 1,
        "notes": 1,
        "normalisations": 1,
        "texts without an .ann file": 1,
    }
    assert (report.discontinuous_spans, report.overlapping_spans) == (1, 2)


def test_an_entity_that_is_there_twice_overlaps_none(tmp_path: Path) -> None:
    save(tmp_path / "a.txt", "Bob Kovac in York")
    spans = ("PER 0 9\tBob Kovac", "PER 0 9\tBob Kovac", "PER 0 3\tBob", "LOC 13 17\tYork")
    save(tmp_path / "a.ann", "\n".join(f"T{n}\t{span}" for n, span in enumerate(spans)))
    found = stream(tmp_path / "a.ann", lang="en")
    assert [x.type for s in found for x in s.spans] == ["PER", "LOC"]
    assert (found.report.repeated_spans, found.report.overlapping_spans) == (1, 1)
    assert (
        "repaired: 1 entities that were there twice, 1 entities left out that overlap another"
        in found.report.summary()
    )


def test_brat_splits_are_folders(tmp_path: Path) -> None:
    for split, name in (("train", "Anna"), ("dev", "Bob")):
        save(tmp_path / "set" / split / "a.txt", f"{name} slept.")
        save(tmp_path / "set" / split / "a.ann", f"T1\tPER 0 {len(name)}\t{name}\n")
    assert read(tmp_path / "set", split="train")[0].words[0] == "Anna"
    assert read(tmp_path / "set" / "dev" / "a.ann")[0].words[0] == "Bob"
    assert read(tmp_path / "set" / "dev" / "a.txt")[0].words[0] == "Bob"
    with pytest.raises(DataError, match=r"holds several splits \(train: train; validation: dev\)"):
        read(tmp_path / "set")


def test_brat_counts_what_is_below(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "more"):
        save(folder / "a.txt", "Anna slept.")
        save(folder / "a.ann", "T1\tPER 0 4\tAnna\n")
    found = stream(tmp_path)
    assert len(list(found)) == 1
    assert found.report.left_out == {"annotation files in folders below": 1}


def test_label_studio_min_of_two_label_controls(tmp_path: Path) -> None:
    def region(start: int, end: int, label: str) -> dict[str, Any]:
        return {"start": start, "end": end, "labels": [label]}

    record = {"id": 1, "text": "Anna in Bonn", "annotator": 1, "annotation_id": 1}
    record |= {"person": [region(0, 4, "PER")], "place": [region(8, 12, "LOC")]}
    expected = [(["Anna", "in", "Bonn"], [(0, 1, "PER"), (2, 3, "LOC")])]
    assert brief(read(dump(tmp_path / "a.json", [record]))) == expected


def test_label_studio_regions(tmp_path: Path) -> None:
    def region(start: int, end: int, *labels: str, **more: Any) -> dict[str, Any]:
        return {"type": "labels", "value": {"start": start, "end": end, "labels": labels} | more}

    text = "Anna in Bonn"
    tasks = [
        {
            "id": 1,
            "data": {"text": text},
            "annotations": [
                {"result": [region(0, 4, "X")]},
                {"result": [region(0, 4, "PER", "ORG"), {"type": "relation"}]},
                {"result": [region(8, 12, "LOC")], "was_cancelled": True},
            ],
        },
        {"id": 2, "data": {"text": text}, "annotations": [{"was_cancelled": True}]},
        {"id": 3, "data": {"text": text}, "annotations": []},
        {"id": 4, "data": {"text": text}, "predictions": [{"result": [region(8, 12, "LOC")]}]},
        {
            "id": 5,
            "data": {"text": text},
            "annotations": [
                {
                    "ground_truth": True,
                    "result": [
                        region(0, 4, "PER"),
                        {"type": "relation", "from_id": "a", "to_id": "b", "labels": ["in"]},
                    ],
                },
                {"ground_truth": False, "result": []},
            ],
        },
    ]
    found = stream(dump(tmp_path / "a.json", tasks))
    types = [(s.id, [x.type for x in s.spans]) for s in found]
    assert types == [("1", ["PER"]), ("4", ["LOC"]), ("5", ["PER"])]
    assert found.report.left_out == {
        "cancelled tasks": 1,
        "tasks without annotation": 1,
        "regions that are no entities": 2,
        "annotations beside the one that counts": 2,
    }
    assert found.report.overlapping_spans == 1
    assert "1 tasks have no annotation; they are read with" in found.report.warnings[0]


def test_prodigy_answers(tmp_path: Path) -> None:
    records = [
        {"text": "Anna slept", "spans": [{"start": 0, "end": 4, "label": "PER"}], "answer": answer}
        for answer in ("accept", "reject", "ignore", "accept")
    ]
    found = stream(lines(tmp_path / "a.jsonl", records))
    assert len(list(found)) == 2
    assert found.report.left_out == {"rejected records": 1, "ignored records": 1}


def test_doccano_of_old(tmp_path: Path) -> None:
    record = {
        "id": 1,
        "text": "Anna slept",
        "annotations": [{"label": 1, "start_offset": 0, "end_offset": 4, "user": 1}],
    }
    path = lines(tmp_path / "a.json", [record])
    assert brief(read(path, label_names=["LOC", "PER"]))[0][1] == [(0, 1, "PER")]
    with pytest.raises(DataError, match="holds integers and the file does not name them"):
        read(path)
