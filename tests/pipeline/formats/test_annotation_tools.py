"""What files of annotation tools hold beside entities: answers, relations, further annotators."""

from __future__ import annotations

import csv
import json
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
    assert (report.repaired["discontinuous_spans"], report.repaired["overlapping_spans"]) == (1, 2)


def test_an_entity_that_is_there_twice_overlaps_none(tmp_path: Path) -> None:
    save(tmp_path / "a.txt", "Bob Kovac in York")
    spans = ("PER 0 9\tBob Kovac", "PER 0 9\tBob Kovac", "PER 0 3\tBob", "LOC 13 17\tYork")
    save(tmp_path / "a.ann", "\n".join(f"T{n}\t{span}" for n, span in enumerate(spans)))
    found = stream(tmp_path / "a.ann", lang="en")
    assert [x.type for s in found for x in s.spans] == ["PER", "LOC"]
    assert (
        found.report.repaired["repeated_spans"],
        found.report.repaired["overlapping_spans"],
    ) == (1, 1)
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
                {"result": [region(0, 4, "PER", "ORG"), {"type": "choices"}]},
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
        "regions that are no entities": 1,
        "relations": 1,
        "annotations beside the one that counts": 2,
    }
    assert found.report.repaired["overlapping_spans"] == 1
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


def prodigy(text: str, label: str | None, line_of: str = "anna", **more: Any) -> dict[str, Any]:
    spans = [] if label is None else [{"start": 0, "end": 4, "label": label}]
    return {"text": text, "spans": spans, "answer": "accept", "_annotator_id": line_of} | more


def test_prodigy_of_two_annotators_is_one_sentence_or_an_error(tmp_path: Path) -> None:
    records = [
        prodigy("Anna slept", "PER"),
        prodigy("Bonn won", "LOC"),
        prodigy("Anna slept", "PER", "ben"),
        prodigy("Anna slept", None, "cleo", answer="reject"),
        prodigy("Bonn won", "LOC"),  # by the same one again: another sentence of that text
    ]
    path = tmp_path / "a.jsonl"
    found = stream(lines(path, records))
    assert [s.words[0] for s in found] == ["Anna", "Bonn", "Bonn"]
    assert found.report.left_out == {
        "annotations that say what another annotator's says": 1,
        "rejected records": 1,
    }
    lines(path, [*records, prodigy("Bonn won", "ORG", "ben")])
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value) == (
        f"{path}:6: ben labels this text otherwise than anna does on line 2; decide with prodigy "
        "review and export that, or write the records of one of them to a file: "
        "jq -c 'select(._annotator_id == \"ben\")'"
    )
    assert len(read(path, labelled=False)) == 3
    sessions = [
        {k: v for k, v in r.items() if k != "_annotator_id"} | {"_session_id": f"set-{number}"}
        for number, r in enumerate([prodigy("Bonn won", "LOC"), prodigy("Bonn won", "ORG")])
    ]
    with pytest.raises(DataError, match=r"set-1 labels .* than set-0 .*select\(._session_id =="):
        read(lines(path, sessions))


@pytest.mark.parametrize(
    "mark", [{"_is_binary": True, "_view_id": "ner"}, {"_view_id": "ner"}, {"rank": 0}]
)
def test_prodigy_answers_to_single_spans_are_no_full_labels(
    mark: dict[str, Any], tmp_path: Path
) -> None:
    answer = prodigy("Anna in Bonn", "PER", **mark)
    if "rank" in answer:  # of older versions, the span alone
        answer["spans"][0]["rank"] = answer.pop("rank")
    answers = [answer, answer | {"answer": "reject"}]
    whole = prodigy("Anna slept", "PER", _is_binary=False, _view_id="ner_manual")
    found = stream(lines(tmp_path / "a.jsonl", [*answers, whole]))
    assert brief(found) == [(["Anna", "slept"], [(0, 1, "PER")])]
    assert found.report.left_out == {"answers yes or no to single spans": 2}
    assert "2 answers yes or no to single spans left out" in found.report.summary()
    path = lines(tmp_path / "a.jsonl", answers)
    with pytest.raises(DataError, match="all 2 records are answers yes or no .* with ner.correct"):
        read(path)
    assert brief(read(path, labelled=False)) == [(["Anna", "in", "Bonn"], [])]


@pytest.mark.parametrize(
    "tool", ["prodigy", "doccano", "jsonl", "parquet", "hub", "table", "label-studio"]
)
def test_relations_and_events_are_counted(tool: str, tmp_path: Path) -> None:
    relations = [{"id": 1, "from_id": 1, "to_id": 2, "type": "in"}] * 2
    record: dict[str, Any] = {"text": "Anna slept", "relations": relations}
    record["events"] = [{"trigger": 1}]
    at = {"label": "PER"}
    if tool == "doccano":
        record |= {"entities": [{"id": 1, "start_offset": 0, "end_offset": 4} | at]}
    else:
        record |= {"spans": [{"start": 0, "end": 4} | at]}
        record |= {"answer": "accept"} if tool == "prodigy" else {}
    path = tmp_path / "a"
    if tool in ("parquet", "hub"):
        data = pytest.importorskip("datasets").Dataset.from_list([record])
        _ = data.to_parquet(str(path)) if tool == "parquet" else data.save_to_disk(str(path))
    elif tool == "table":
        more = json.dumps([relations[0] | {"more": None}, {}])
        cells = {k: str(v) for k, v in record.items()} | {"relations": more}
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([cells, cells.values()])
    elif tool == "label-studio":
        entity = {"type": "labels", "value": {"start": 0, "end": 4, "labels": ["PER"]}}
        others = [{"type": "relation", "labels": ["in"], **r} for r in relations]
        task = {"data": {"text": record["text"]}, "annotations": [{"result": [entity, *others]}]}
        path.write_text(json.dumps([task]), encoding="utf-8")
    else:
        lines(path, [record])
    found = stream(path)
    assert found.report.format == tool
    assert brief(found) == [(["Anna", "slept"], [(0, 1, "PER")])]
    events = {} if tool == "label-studio" else {"events": 1}
    assert found.report.left_out == {"relations": 2, **events}


@pytest.mark.parametrize("minimal", [True, False])
def test_label_studio_controls_are_told_and_chosen(
    minimal: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record: dict[str, Any] = {"id": 1, "text": "Anna in Bonn", "annotator": 1, "annotation_id": 1}
    person, place = {"start": 0, "end": 4}, {"start": 8, "end": 12}
    if minimal:
        record |= {"who": [person | {"labels": ["P"]}], "where": [place | {"labels": ["L"]}]}
    else:
        result = [
            {"from_name": name, "type": "labels", "value": value | {"labels": [label]}}
            for name, label, value in (("who", "P", person), ("where", "L", place))
        ]
        record = {"id": 1, "data": {"text": record["text"]}, "annotations": [{"result": result}]}
    path = dump(tmp_path / "a.json", [record])
    found = stream(path)
    assert [x.type for s in found for x in s.spans] == ["P", "L"]
    told = f"{path}: the labels of where, who are read together; tag_column names one of them"
    assert found.report.warnings == [told]
    assert [r.message for r in caplog.records] == [told]
    found = stream(path, tag_column="where")
    assert [x.type for s in found for x in s.spans] == ["L"]
    assert not found.report.warnings
    assert found.report.left_out == {"regions of other controls": 1}
    with pytest.raises(DataError, match=r"labelled by 'were'.*\(did you mean 'where'\?\); there a"):
        read(path, tag_column="were")


def test_a_docbin_without_annotation_is_not_one_without_entities(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy", reason="spaCy is an optional extra")
    from spacy.tokens import DocBin

    make = spacy.blank("en")

    def save_docs(*annotated: str | None) -> Path:
        docs = DocBin()
        for default in annotated:
            doc = make("Anna slept")
            if default is not None:
                doc.set_ents([doc.char_span(0, 4, label="PER")], default=default)
            docs.add(doc)
        docs.to_disk(tmp_path / "a.spacy")
        return tmp_path / "a.spacy"

    found = stream(save_docs("outside", "missing", None))
    assert brief(found) == [(["Anna", "slept"], [(0, 1, "PER")])]
    assert found.report.left_out == {
        "documents with words without entity annotation": 1,
        "documents without entity annotation": 1,
    }
    with pytest.raises(
        DataError, match="none of the 2 documents has entities .* for all its words"
    ):
        read(save_docs("missing", None))
    assert len(read(tmp_path / "a.spacy", labelled=False)) == 2


@pytest.mark.parametrize("key", [None, "NER"])
def test_tags_of_conllu_rows_that_are_no_words_are_counted(key: str | None, tmp_path: Path) -> None:
    def row(number: str, word: str, tag: str) -> str:
        cell = tag if key is None else ("_" if tag == "_" else f"{key}={tag}")
        return "\t".join([number, word, *["_"] * 7, cell]) + "\n"

    kept = row("1-2", "zum", "B-LOC") + row("1", "zu", "B-LOC") + row("2", "dem", "I-LOC")
    lost = row("1-2", "zum", "B-LOC") + row("1", "zu", "_") + row("2", "dem", "_")
    lost += row("2.1", "ging", "B-X") + row("3-4", "im", "_") + row("3", "in", "_")
    path = save(tmp_path / "a.conllu", f"{kept}\n{lost}\n{kept}")
    found = stream(path, tag_column=9 if key is None else key)
    assert [len(s.spans) for s in found] == [1, 0, 1]
    assert found.report.left_out == {
        "tags of multiword tokens (1-2) or empty nodes (1.1) whose words have none": 2
    }


def test_spacy_json_with_words_that_nobody_annotated(tmp_path: Path) -> None:
    def document(*tags: str | None) -> dict[str, Any]:
        words = zip(("Anna", "slept"), tags, strict=True)
        tokens = [{"orth": w} | ({} if tag is None else {"ner": tag}) for w, tag in words]
        return {"id": 0, "paragraphs": [{"sentences": [{"tokens": tokens}]}]}

    partly = [document("U-PER", "-"), document(None, None)]
    path = dump(tmp_path / "a.json", [document("U-PER", "O"), *partly])
    found = stream(path)
    assert brief(found) == [(["Anna", "slept"], [(0, 1, "PER")])]
    assert found.report.left_out == {"sentences with words without entity annotation": 2}
    with pytest.raises(DataError, match="none of its 2 sentences has entities annotated"):
        read(dump(path, partly))
    assert len(read(path, labelled=False)) == 2


def test_texts_that_nobody_annotated_are_counted(tmp_path: Path) -> None:
    made = [
        ["Anna slept", {"entities": [[0, 4, "PER"]]}],
        None,
        ["It rained", {"entities": []}],
        None,
    ]
    found = stream(dump(tmp_path / "a.json", {"classes": ["PER"], "annotations": made}))
    assert [s.words for s in found] == [["Anna", "slept"], ["It", "rained"]]
    assert found.report.left_out == {"texts that nobody annotated (null)": 2}
