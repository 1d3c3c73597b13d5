"""Files as people have met them with other tools: each has one right value or refusal."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import DataSource
from pipeline.errors import DataError
from pipeline.formats import read_labelled
from pipeline.schema import Sentence
from stages.inspect.corrections import Changes, import_corrected
from tests.pipeline.formats.helpers import save, stream
from tests.pipeline.formats.test_docs import DOCS

TEXT = "Anna Kovac visited Lisbon."
PER, LOC = ("Anna Kovac", "PER"), ("Lisbon", "LOC")


def dump(path: Path, value: Any) -> Path:
    return save(path, json.dumps(value, ensure_ascii=False))


def entities(path: Path, lang: str = "en", **options: Any) -> list[list[tuple[str, str]]]:
    found = stream(path, lang, **options)
    return [[(" ".join(s.words[x.start : x.end]), x.type) for x in s.spans] for s in found]


def failure(path: Path, **options: Any) -> str:
    with pytest.raises(DataError) as error:
        entities(path, **options)
    assert str(error.value).startswith(str(path))
    return str(error.value)


def test_doccano_with_entities(tmp_path: Path) -> None:
    spans = [
        {"id": 7, "label": "PER", "start_offset": 0, "end_offset": 10},
        {"id": 8, "label": "LOC", "start_offset": 19, "end_offset": 25},
    ]
    record = {"id": 1, "text": TEXT, "entities": spans, "relations": [], "Comments": []}
    assert entities(dump(tmp_path / "a.jsonl", record)) == [[PER, LOC]]


def test_the_export_for_doccano_as_input(tmp_path: Path) -> None:
    record = {
        "text": "Anna besuchte 🚀 🚀 Lissabon .",
        "label": [[0, 4, "PER"], [20, 28, "LOC"]],
        "offsets": "utf-16",
        "sentence_id": "train-0",
        "words": ["Anna", "besuchte", "🚀", "🚀", "Lissabon", "."],
    }
    path = dump(tmp_path / "a.jsonl", record)
    assert entities(path) == [[("Anna", "PER"), ("Lissabon", "LOC")]]
    assert [s.id for s in stream(path)] == ["train-0"]


def test_utf16_with_surfaces(tmp_path: Path) -> None:
    span = {"start": 24, "end": 30, "label": "LOC", "text": "Lisbon"}
    record = {"text": "We love 🚀🚀 rockets in Lisbon today.", "spans": [span]}
    assert entities(dump(tmp_path / "a.jsonl", record)) == [[("Lisbon", "LOC")]]


def test_words_and_character_spans(tmp_path: Path) -> None:
    text = "Anna visited her old friends in Lisbon ."
    record = {"text": text, "words": text.split(), "label": [[0, 4, "PER"]]}
    assert entities(dump(tmp_path / "a.jsonl", record)) == [[("Anna", "PER")]]


def test_tags_as_a_string(tmp_path: Path) -> None:
    record = {"sentence": "Anna Kovac slept", "word_labels": "B-per,I-per,O"}
    assert entities(dump(tmp_path / "a.jsonl", record)) == [[("Anna Kovac", "per")]]


def test_label_studio(tmp_path: Path) -> None:
    value = {"start": 0, "end": 10, "text": "Anna Kovac", "labels": ["PER"]}
    result = [{"value": value, "id": "a1", "from_name": "label", "type": "labels"}]
    task = {"id": 1, "annotations": [{"id": 1, "result": result}], "data": {"text": TEXT}}
    assert entities(dump(tmp_path / "a.json", [task])) == [[PER]]
    value["end"] = 4
    assert "but its own text is 'Anna Kovac'" in failure(dump(tmp_path / "b.json", [task]))
    value |= {"end": 10, "labels": ["PER", "ORG"]}
    found = stream(dump(tmp_path / "c.json", [task]))
    assert [x.type for s in found for x in s.spans] == ["PER"]
    assert found.report.repaired["overlapping_spans"] == 1


def test_what_is_odd_in_an_import_from_label_studio_is_counted(tmp_path: Path) -> None:
    words = TEXT.replace(".", " .").split()

    def region(start: int, end: int, text: str, *labels: str) -> dict[str, Any]:
        value = {"start": start, "end": end, "text": text, "labels": list(labels)}
        return {"type": "labels", "value": value}

    task = {
        "data": {"text": " ".join(words), "sentence_id": "a", "words": words},
        "annotations": [
            {"result": [region(0, 10, "Bonn", "PER"), region(19, 25, "Lisbon", "LOC", "ORG")]}
        ],
    }
    changes = Changes()
    path = dump(tmp_path / "a.json", [task])
    back = list(import_corrected(path, {"a": Sentence("a", "en", words)}, changes))
    assert [x.type for x in back[0].spans] == ["PER", "LOC"]
    assert (changes.other_text, changes.overlapping) == (1, 1)


def test_brat(tmp_path: Path) -> None:
    save(tmp_path / "en" / "doc1.txt", f"{TEXT}\nThe Acme Group left Oslo.\n")
    save(
        tmp_path / "en" / "doc1.ann",
        "T1\tPER 0 10\tAnna Kovac\nT2\tLOC 19 25\tLisbon\nT3\tORG 31 41\tAcme Group\n"
        "T4\tLOC 47 51\tOslo\nR1\tlives Arg1:T1 Arg2:T2\n",
    )
    expected = [[PER, LOC], [("Acme Group", "ORG"), ("Oslo", "LOC")]]
    assert entities(tmp_path / "en") == entities(tmp_path / "en" / "doc1.ann") == expected


def test_names_of_the_shared_tasks_and_packed_files(tmp_path: Path) -> None:
    first = save(
        tmp_path / "eng.train", "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\n\nAnna NNP O I-PER\n"
    )
    assert entities(first) == [[("EU", "ORG")], [("Anna", "PER")]]
    assert entities(save(tmp_path / "esp.testb", "Bonn B-LOC\ny O\n")) == [[("Bonn", "LOC")]]
    german = "-DOCSTART- -X- -X- -X- O\n\nMüller Müller NE I-NC I-PER\n. . $. O O\n"
    path = save(tmp_path / "deu.testb", german.encode("latin-1"))
    assert "encoding: latin-1" in failure(path)
    assert entities(path, encoding="latin-1") == [[("Müller", "PER")]]
    packed = save(tmp_path / "train.en.conll.gz", gzip.compress(b"Anna B-PER\n"))
    assert entities(packed) == [[("Anna", "PER")]]
    header = save(tmp_path / "train.en.tsv", "token\tlabel\nAnna\tB-PER\nKovac\tI-PER\nslept\tO\n")
    assert entities(header) == [[PER]]


def test_data_sets_of_hf(tmp_path: Path) -> None:
    import datasets

    data = datasets.Dataset.from_dict({"tokens": [["Anna"]], "ner_tags": [["B-PER"]]})
    data.save_to_disk(tmp_path / "en" / "train")
    datasets.DatasetDict({"train": data, "test": data}).save_to_disk(tmp_path / "dict")
    assert entities(tmp_path / "en" / "train") == [[("Anna", "PER")]]
    assert entities(tmp_path / "en", split="train") == [[("Anna", "PER")]]
    assert entities(tmp_path / "dict", split="train") == [[("Anna", "PER")]]
    assert "set split to one of: test, train" in failure(tmp_path / "dict")


FOREIGN = {
    "a.txt": ("[Anna Kovac](PER) visited [Lisbon](LOC).\n", "entities marked inside it"),
    "b.txt": ("[PER Anna] slept in [LOC Bonn] .\n", "entities marked inside it ('[PER Anna]')"),
    "c.txt": ("<PER>Anna</PER> slept.\n<LOC>Bonn</LOC> won.\n", "entities marked inside it"),
    "d.xml": ('<?xml version="1.0"?>\n<TEI><p>Anna</p></TEI>\n', "an XML file"),
    "e.tsv": (
        "#FORMAT=WebAnno TSV 3\n\n1-1\t0-1\ta\tPER\t\n",
        "a WebAnno/INCEpTION TSV",
    ),
    "f.txt": ("1|t|Anna slept\n1|a|In Bonn.\n1\t0\t4\tAnna\tPER\n", "a PubTator file"),
    "g.json": ('{"documents": [{"passages": []}]}', "a BioC or Azure collection?"),
    "h.json": ('{"train": [{"a": 1}], "test": [{"a": 2}]}', "write the lists train, test to files"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_read_is_refused_by_what_it_is(name: str, tmp_path: Path) -> None:
    text, message = FOREIGN[name]
    path = save(tmp_path / name, text)
    assert message in failure(path)
    if name.endswith("xml"):
        with pytest.raises(DataError, match=message):
            read_labelled(DataSource(), "en", path=path, labelled=False)
    if name.endswith("txt"):  # as unlabelled text it is text
        assert list(read_labelled(DataSource(), "en", path=path, labelled=False))


TMX = """<?xml version="1.0"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body>
<tu><prop type="x">1</prop><tuv xml:lang="en-GB"><seg>Anna <hi>slept</hi>
.</seg></tuv><tuv xml:lang="de"><seg>Anna schlief .</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>Alone .</seg></tuv></tu>
<tu><tuv xml:lang="de"><seg>Ja .</seg></tuv><tuv xml:lang="EN"><seg>Yes .</seg></tuv></tu>
</body></tmx>"""
UNITS = "<source>Anna slept .</source><target>Anna schlief .</target>"
XLIFF = f"""<?xml version="1.0"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file><body>
<trans-unit id="1">{UNITS}</trans-unit><trans-unit id="2"><source>Alone .</source></trans-unit>
<trans-unit id="3"><source>Yes .</source><target>Ja .</target></trans-unit></body></file></xliff>"""
XLIFF_2 = f"""<xliff version="2.0" xmlns="urn:oasis:names:tc:xliff:document:2.0"><file id="f">
<unit id="1"><segment>{UNITS}</segment></unit>
<unit id="2"><segment><source>Yes .</source><target>Ja .</target></segment></unit></file></xliff>"""


@pytest.mark.parametrize(("name", "text"), [("TMX", TMX), ("XLIFF", XLIFF), ("XLIFF", XLIFF_2)])
def test_translations_as_xml_are_refused_and_the_docs_turn_them_into_text(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "memory.tmx", text)
    for labelled in (True, False):
        with pytest.raises(DataError, match=f"memory.tmx: {name}, translations as XML; write each"):
            read_labelled(DataSource(), "de", path=path, labelled=labelled)
    section = DOCS.read_text(encoding="utf-8").split("### Given translations\n")[1]
    monkeypatch.chdir(tmp_path)
    script = section.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(script, names)
    for side in names["sides"].values():
        side.close()
    assert (tmp_path / "en.txt").read_text() == "Anna slept .\nYes .\n"
    assert (tmp_path / "de.txt").read_text() == "Anna schlief .\nJa .\n"


def test_other_records_that_circulate(tmp_path: Path) -> None:
    pipeline = {"entity_group": "PER", "score": 0.9, "word": "Anna Kovac", "start": 0, "end": 10}
    assert entities(dump(tmp_path / "a.jsonl", {"text": TEXT, "entities": [pipeline]})) == [[PER]]
    gliner = {"tokenized_text": TEXT.split(), "ner": [[0, 1, "PER"], [3, 3, "LOC"]]}
    assert entities(dump(tmp_path / "b.json", [gliner])) == [[PER, ("Lisbon.", "LOC")]]
    points = [{"start": 0, "end": 9, "text": "Anna Kovac"}]
    turks = {"content": TEXT, "annotation": [{"label": ["PER"], "points": points}]}
    assert entities(dump(tmp_path / "c.json", turks)) == [[PER]]
    html = {
        "type": "hypertextlabels",
        "value": {
            "start": "/div/text()[1]",
            "end": "/div/text()[1]",
            "globalOffsets": {"start": 0, "end": 10},
            "text": "Anna Kovac",
            "hypertextlabels": ["PER"],
        },
    }
    task = {"data": {"text": TEXT}, "annotations": [{"result": [html]}]}
    assert entities(dump(tmp_path / "d.json", [task])) == [[PER]]


def test_json_by_pairs_and_by_columns_and_spans_in_a_table(tmp_path: Path) -> None:
    pairs = [[["Anna", "B-PER"], ["slept", "O"]], [["Bonn", "B-LOC"]]]
    assert entities(dump(tmp_path / "a.json", pairs)) == [[("Anna", "PER")], [("Bonn", "LOC")]]
    columns = {"tokens": [["Anna", "slept"], ["Bonn"]], "ner_tags": [["B-PER", "O"], ["B-LOC"]]}
    assert entities(dump(tmp_path / "b.json", columns)) == [[("Anna", "PER")], [("Bonn", "LOC")]]
    for cell in (
        "{'start': 0, 'end': 10, 'label': 'PER'}",
        '{""start"": 0, ""end"": 10, ""label"": ""PER""}',
    ):
        path = save(tmp_path / "c.csv", f'text,entities\n"{TEXT}","[{cell}]"\n')
        assert entities(path) == [[PER]]


def test_columns_that_are_not_there_are_told(tmp_path: Path) -> None:
    path = save(tmp_path / "a.conll", "Anna B-PER\nslept O\n")
    wrong = failure(path, columns=["word", "pos", "ner"])
    assert "a.conll:1: 3 columns are named (word, pos, ner), but rows have 2" in wrong
    assert "both looked for in column 1 of 2" in failure(path, word_column=1, tag_column=1)
    text = '{"tokens": ["Anna", "slept"]}\n{"tokens": ["it"]}\n'
    assert "column 0 has ;" not in failure(save(tmp_path / "b.jsonl", text), format="conll")


def test_an_archive_without_files_and_json_that_breaks_off(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w"):
        pass
    assert "a zip archive that holds nothing" in failure(tmp_path / "a.zip")
    broken = save(
        tmp_path / "a.jsonl", '{"tokens": ["Anna"], "ner_tags": ["B-PER"]}\n{"tokens": ["x'
    )
    assert "a.jsonl:2: not valid JSON: Unterminated string starting at column 13" in failure(broken)
