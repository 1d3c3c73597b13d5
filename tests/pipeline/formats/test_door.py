"""Files that a newcomer brought: each was once read wrong, or got a misleading answer."""

# ruff: noqa: E501  (tables of small files)

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError
from tests.pipeline.formats.helpers import read, save, stream
from tests.pipeline.formats.test_cases import dump, entities, failure

TEXT = "Anna visited Bonn."
EXPECTED = [[("Anna", "PER"), ("Bonn", "LOC")]]

# -- which column holds the words --------------------------------------------------------------

WORD_COLUMNS = {
    "parts of speech of Penn": "NNP Anna B-PER\nVBD visited O\nNNP Bonn B-LOC\n. . O\n",
    "of UD, without a mark": "PROPN\tAnna\tB-PER\nVERB\tvisited\tO\nPROPN\tBonn\tB-LOC\nPUNCT\t.\tO\n",
    "behind the tag": "B-PER\tNNP\tAnna\nO\tVBD\tvisited\nB-LOC\tNNP\tBonn\nO\t.\t.\n",
    "after the word": "Anna NNP B-PER\nvisited VBD O\nBonn NNP B-LOC\n. . O\n",
    "lemma after the word": "Anna Anna NNP B-PER\nvisited visit VBD O\nBonn Bonn NNP B-LOC\n. . . O\n",
    "positions before": "0-4\tAnna\tB-PER\n5-12\tvisited\tO\n13-17\tBonn\tB-LOC\n17-18\t.\tO\n",
    "positions with a colon": "0:4\tAnna\tB-PER\n5:12\tvisited\tO\n13:17\tBonn\tB-LOC\n17:18\t.\tO\n",
    "runs of parts of speech": "Anna\tNNP\tB-PER\nvisited\tVBD\tO\nBonn\tNNP\tB-LOC\n.\t.\tO\n",
}  # fmt: skip


@pytest.mark.parametrize("name", WORD_COLUMNS)
def test_words_are_told_from_other_columns(name: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.tsv", WORD_COLUMNS[name])
    assert [s.words for s in stream(path)] == [["Anna", "visited", "Bonn", "."]]
    assert entities(path) == EXPECTED


def test_a_column_of_few_values_gives_way_to_one_of_many(tmp_path: Path) -> None:
    kinds, words = ("NE", "VVFIN", "APPR", "NE", "$."), "Anna lief nach Bonn ."
    other = "Eva kam aus Ulm ."
    rows = [
        f"{k}\t{w}\t{'B-LOC' if i == 3 else 'O'}"
        for text in (words, other, "Max zog um Rom !")
        for i, (k, w) in enumerate(zip(kinds, text.split(), strict=True))
    ]
    found = read(save(tmp_path / "a.tsv", "\n".join(rows)))
    assert found[0].words[:5] == words.split()


def test_parts_of_speech_name_no_sentences(tmp_path: Path) -> None:
    rows = "Anna\tNNP\tB-PER\nKovac\tNNP\tI-PER\nslept\tVBD\tO\nwell\tVBD\tO\n"
    assert entities(save(tmp_path / "a.tsv", rows)) == [[("Anna Kovac", "PER")]]


def test_the_name_of_a_sentence_column_counts_more_than_its_numbers(tmp_path: Path) -> None:
    rows = "doc_id,sent_id,token,tag\na,0,Anna,B-PER\na,0,slept,O\na,1,Bonn,B-LOC\nb,0,Ulm,O\nb,1,Eva,O\n"
    found = read(save(tmp_path / "a.csv", rows))
    assert [s.words for s in found] == [["Anna", "slept"], ["Bonn"], ["Ulm"], ["Eva"]]


# -- tags --------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["\u041e", "\u039f"])
def test_letters_that_look_like_o(letter: str, tmp_path: Path) -> None:
    rows = f"Anna\tB-PER\nvisited\t{letter}\nBonn\tB-LOC\n.\t{letter}\n"
    found = stream(save(tmp_path / "a.tsv", rows))
    assert "(no Latin letter)" in found.report.summary()
    assert entities(tmp_path / "a.tsv") == EXPECTED


@pytest.mark.parametrize("sign", ["0", "_", "-"])
def test_nothing_but_outside_is_said(sign: str, tmp_path: Path) -> None:
    named = stream(save(tmp_path / "a.tsv", f"token\tner\nAnna\t{sign}\nslept\t{sign}\n"))
    assert [s.spans for s in named] == [[]]
    assert f"no entities: every tag is {sign!r}" in named.report.warnings[0]
    plain = save(tmp_path / "b.tsv", f"Anna\t{sign}\nslept\t{sign}\n")
    assert "no column holds tags" in failure(plain)
    assert entities(plain, tag_column=1) == [[]]


def test_a_column_of_the_word_out_is_one_of_tags(tmp_path: Path) -> None:
    assert entities(save(tmp_path / "a.tsv", "Anna\tOUT\nslept\tOUT\n")) == [[]]


def test_mentions_of_coreference_are_no_types(tmp_path: Path) -> None:
    row = "1\tAnna\tAnna\tPROPN\tNNP\t_\t2\tnsubj\t_\tEntity=({})\n2\tslept\tsleep\tVERB\tVBD\t_\t0\troot\t_\t_\n"
    assert "no column holds tags" in failure(save(tmp_path / "a.conllu", row.format("person-1")))
    assert entities(save(tmp_path / "b.conllu", row.format("person"))) == [[("Anna", "person")]]


# -- records -----------------------------------------------------------------------------------

SPANS = {
    "offset and length": [
        {"offset": 0, "length": 4, "type": "PER"},
        {"offset": 13, "length": 4, "category": "LOC"},
    ],
    "type first": [["PER", 0, 4], ["LOC", 13, 17]],
    "by type": {"PER": [[0, 4]], "LOC": [[13, 17]]},
    "one place by type": {"PER": [0, 4], "LOC": [13, 17]},
    "by type and surface": {"PER": {"Anna": [[0, 3]]}, "LOC": {"Bonn": [[13, 16]]}},
    "by columns": {"start": [0, 13], "end": [4, 17], "label": ["PER", "LOC"]},
    "Stanza": [
        {"text": "Anna", "type": "PER", "start_char": 0, "end_char": 4},
        {"text": "Bonn", "type": "LOC", "start_char": 13, "end_char": 17},
    ],
    "AWS": [
        {"Type": "x", "type": "PER", "BeginOffset": 0, "EndOffset": 4},
        {"type": "LOC", "BeginOffset": 13, "EndOffset": 17},
    ],
    "inclusive, with the surface": [
        {"start_idx": 0, "end_idx": 3, "type": "PER", "entity": "Anna"},
        {"start_idx": 13, "end_idx": 16, "type": "LOC", "entity": "Bonn"},
    ],
}


@pytest.mark.parametrize("name", SPANS)
def test_spans_in_other_shapes(name: str, tmp_path: Path) -> None:
    record = {"text": TEXT, "entities": SPANS[name]}
    assert entities(dump(tmp_path / "a.jsonl", record)) == EXPECTED


@pytest.mark.parametrize(
    "spans",
    [
        ["Anna"],
        {"PER": ["Anna"]},
        [{"text": "Anna", "label": "PER"}],
        {"PER": 3},
        [{"label": ["PER", "ORG"], "points": [{"start": 0, "end": 3, "text": "Anna"}]}],
        [{"label": [], "points": [{"start": 0, "end": 3, "text": "Anna"}]}],
    ],
)
def test_spans_without_places_are_refused(spans: Any, tmp_path: Path) -> None:
    assert f"{tmp_path}/a.jsonl:1: " in failure(
        dump(tmp_path / "a.jsonl", {"text": TEXT, "entities": spans})
    )


def test_spans_of_words_with_tags_are_refused(tmp_path: Path) -> None:
    words = [("Anna", "B-PER", 0), ("Kovac", "I-PER", 5), ("Bonn", "B-LOC", 20)]
    text = "Anna Kovac slept in Bonn"
    found = [
        {"entity": t, "index": n, "word": w, "start": a, "end": a + len(w)}
        for n, (w, t, a) in enumerate(words)
    ]
    assert "have the types B-PER and I-PER, which are tags of words" in failure(
        dump(tmp_path / "a.jsonl", {"text": text, "entities": found})
    )
    spans = [[a, a + len(w), t] for w, t, a in words]
    assert "which are tags of words" in failure(
        dump(tmp_path / "b.jsonl", {"id": 1, "text": text, "label": spans})
    )
    spans = [[0, 10, "B-cell"], [20, 24, "T-cell"]]
    assert entities(dump(tmp_path / "c.jsonl", {"text": text, "label": spans})) == [
        [("Anna Kovac", "B-cell"), ("Bonn", "T-cell")]
    ]


@pytest.mark.parametrize(("tag", "shown"), [(None, "None"), (0.0, "0.0"), (["O"], r"\['O'\]")])
def test_lists_of_what_is_no_tag_are_named(tag: Any, shown: str, tmp_path: Path) -> None:
    record = {"tokens": ["slept"], "ner_tags": [tag]}
    with pytest.raises(DataError, match=rf":1: ner_tags holds {shown}, which is neither a tag"):
        read(dump(tmp_path / "a.jsonl", record))


def test_no_spans_by_type(tmp_path: Path) -> None:
    assert entities(dump(tmp_path / "a.jsonl", {"text": TEXT, "label": {}})) == [[]]


WORDS = {
    "text as a list": {"text": ["Anna", "visited", "Bonn"], "tags": ["B-PER", "O", "B-LOC"]},
    "tokens with tags": {
        "tokens": [
            {"word": w, "ner": t}
            for w, t in (("Anna", "B-PER"), ("visited", "O"), ("Bonn", "B-LOC"))
        ]
    },
    "spaCy's to_json": {
        "text": "Anna visited Bonn",
        "ents": [
            {"start": 0, "end": 4, "label": "PER"},
            {"start": 13, "end": 17, "label": "LOC"},
        ],
        "tokens": [{"id": i, "start": a, "end": b} for i, (a, b) in enumerate([(0, 4), (5, 12), (13, 17)])],
    },
    "columns of pandas": {
        "tokens": {"0": ["Anna", "visited", "Bonn"]},
        "ner_tags": {"0": ["B-PER", "O", "B-LOC"]},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", WORDS)
def test_words_in_other_shapes(name: str, tmp_path: Path) -> None:
    path = dump(tmp_path / "a.json", WORDS[name])
    assert [s.words for s in stream(path)] == [["Anna", "visited", "Bonn"]]
    assert entities(path) == EXPECTED


def test_numbers_as_numpy_writes_them(tmp_path: Path) -> None:
    path = save(tmp_path / "a.csv", "tokens,ner_tags\n\"['Anna' 'slept']\",\"[1 0]\"\n")
    assert entities(path, label_names=["O", "B-PER"]) == [[("Anna", "PER")]]


def test_prodigys_tokens_and_characters_must_agree(tmp_path: Path) -> None:
    tokens = [
        {"text": w, "start": a, "end": a + len(w), "id": i}
        for i, (w, a) in enumerate([("Anna", 0), ("visited", 5), ("Bonn", 13)])
    ]
    span = {"start": 0, "end": 4, "token_start": 0, "token_end": 0, "label": "PER"}
    record = {"text": "Anna visited Bonn", "tokens": tokens, "spans": [span], "_input_hash": 1}
    assert entities(dump(tmp_path / "a.jsonl", record)) == [[("Anna", "PER")]]
    span["token_end"] = 1  # the one after: what some scripts write
    assert entities(dump(tmp_path / "b.jsonl", record)) == [[("Anna", "PER")]]
    for first, last in ((2, 2), (0, 2), (1, 1), (-3, 0), (7, 7)):
        span |= {"token_start": first, "token_end": last}
        assert "which are not in the same place" in failure(dump(tmp_path / "c.jsonl", record))


REFUSED = {
    "a.json": ('[["Anna slept", {"cats": {"NICE": 1}}]]', "for a text classifier"),
    "b.json": (
        '{"projectFileVersion": "1", "assets": {"documents": []}}',
        "an Azure project? Its texts are in files of their own",
    ),
    "d.jsonl": (
        '{"Sentence #": 1, "Word": "Anna", "Tag": "B-PER"}\n',
        "the record has Sentence #, Word, Tag; a word per row? Save it as CSV",
    ),
    "e.jsonl": (
        '{"sentence_id": 1, "words": "Anna", "labels": "B-PER"}\n',
        "one word with one tag; the record has sentence_id, words, labels; a word per row?",
    ),
    "f.jsonl": (
        '{"doc_key": "a", "sentences": [["Anna", "slept"]], "ner": [[[0, 0, "PER"]]]}\n',
        "a document of DyGIE? Write a record per sentence",
    ),
    "g.manifest": (
        '{"source": "Anna slept", "x": {"annotations": {"entities": []}}, "x-metadata": {}}\n',
        "a manifest of SageMaker Ground Truth or AWS Comprehend?",
    ),
    "h.jsonl": (
        '{"translation": {"en": "Anna slept", "de": "Anna schlief"}}\n',
        "pairs of sentences? Write each side (en, de) to a file of its own",
    ),
    "nlu.yml": (
        'version: "3.1"\nnlu:\n- intent: a\n  examples: |\n    - hi\n    - hi [Anna](name)\n    - hello\n',
        "plain text with entities marked inside it ('[Anna](name)')",
    ),
    "c.csv": (
        "File,Line,Begin Offset,End Offset,Type\na.txt,0,0,4,PER\n",
        "annotations for AWS Comprehend",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_named(name: str, tmp_path: Path) -> None:
    text, message = REFUSED[name]
    assert message in failure(save(tmp_path / name, text))


def test_lists_of_values_are_no_splits(tmp_path: Path) -> None:
    record = {"context": "Anna slept", "start_position": [0], "end_position": [0]}
    assert "files of their own" not in failure(dump(tmp_path / "a.json", [record]))


def test_a_pipe_is_not_read_as_an_empty_file() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"Anna slept\n")
    os.close(writer)
    with pytest.raises(DataError, match="is a pipe, which gives its text once"):
        texts(Path(f"/dev/fd/{reader}"))
    os.close(reader)


@pytest.mark.parametrize("separator", [",", "\t"])
def test_tables_of_label_studio(separator: str, tmp_path: Path) -> None:
    regions = json.dumps([{"start": 13, "end": 17, "text": "Bonn", "labels": ["LOC"]}])
    rows = [
        ["annotation_id", "id", "label", "text"],
        ["1", "5", regions, TEXT],
        ["2", "6", "", "It"],
    ]
    path = tmp_path / "project.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    assert entities(path) == [[("Bonn", "LOC")], []]


def test_quotation_marks_in_tables_with_tabs(tmp_path: Path) -> None:
    raw = 'text\ttags\nBonn won\tB-LOC O\n" he said\tO O O\n"Ulm" won\tB-LOC O\n'
    found = read(save(tmp_path / "a.tsv", raw))
    assert [s.words for s in found] == [["Bonn", "won"], ['"', "he", "said"], ['"Ulm"', "won"]]
    quoted = 'text\ttags\n"Ulm ""won"""\tB-LOC O\n"Bonn\nwon"\tB-LOC O\n'
    found = read(save(tmp_path / "b.tsv", quoted))
    assert [s.words for s in found] == [["Ulm", '"won"'], ["Bonn", "won"]]
    assert "b.tsv:5: not a row of a table" in failure(
        save(tmp_path / "b.tsv", f'{quoted}"a" b\tO O\n')
    )


@pytest.mark.parametrize("form", ["An ##na", "An@@ na", "\u2581An na"])
def test_subwords_are_warned_of(form: str, tmp_path: Path) -> None:
    head, tail = form.split()
    rows = f"{head} B-PER\n{tail} I-PER\nslept O\n\n" * 3
    (warning,) = stream(save(tmp_path / "a.txt", rows)).report.warnings
    assert "3 words are subwords of a tokenizer" in warning and "join them" in warning
    (warning,) = stream(
        save(tmp_path / "b.txt", f"{form} slept\n" * 3), labelled=False
    ).report.warnings
    assert "3 words are subwords of a tokenizer" in warning


@pytest.mark.parametrize("word", ["#", "##", "#Anna", "@@", "@"])
def test_hash_and_at_signs_are_no_subwords(word: str, tmp_path: Path) -> None:
    rows = f"It O\n{word} O\nAnna B-PER\n\n" * 3
    assert not stream(save(tmp_path / "a.txt", rows)).report.warnings


# -- plain text --------------------------------------------------------------------------------


def texts(path: Path) -> list[str]:
    return [" ".join(s.words) for s in stream(path, labelled=False)]


COLUMNS = {
    "pairs.tsv": ("Anna slept\tAnna schlief\nIt rained\tEs regnete\n", "2 columns parted by tabs"),
    "scores.tsv": (
        "Anna slept\tAnna schlief\t0.9\nIt rained\tEs regnete\t1\n",
        "3 columns parted by",
    ),
    "leipzig.txt": (
        "1\tAnna slept.\n2\tIt rained.\n",
        "(1: '1'; 2: 'Anna slept.'), not a sentence per line",
    ),
    "pairs.txt": ("Anna slept ||| Anna schlief\nIt rained ||| Es regnete\n", "parted by '|||'"),
    "talk.csv": ('n,comment\n1,Anna slept\n2,"Well, it rained"\n', "2 columns parted by commas"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_are_no_sentences(name: str, tmp_path: Path) -> None:
    text, why = COLUMNS[name]
    path = save(tmp_path / name, text)
    with pytest.raises(DataError) as error:
        texts(path)
    assert str(error.value).startswith(f"{path}: ") and why in str(error.value)
    found = stream(path, labelled=False, format="text")  # as the error says
    assert [s.words for s in found] == [line.split() for line in text.splitlines()]
    if name == "talk.csv":
        found = stream(path, labelled=False, format="table", word_column="comment")
        assert [s.words for s in found] == [["Anna", "slept"], ["Well,", "it", "rained"]]


@pytest.mark.parametrize(
    "text",
    [
        "\tOnce there was\n\ta king\n",
        "Anna\tslept\nIt rained\nBonn won\n",
        "Well, Anna slept\nYes, it rained\n",
    ],
)
def test_tabs_and_commas_in_sentences_are_no_columns(text: str, tmp_path: Path) -> None:
    assert texts(save(tmp_path / "a.txt", text)) == [
        " ".join(li.split()) for li in text.splitlines()
    ]


def test_single_letters_at_the_end_of_lines_are_no_tags(tmp_path: Path) -> None:
    lines = ["Vitamin B", "Plan B", "Hepatitis B", "Team O"]
    assert texts(save(tmp_path / "a.txt", "\n".join(lines))) == lines


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("a.csv", 'text\nAnna slept\n"Well, Bonn"\n'),
        ("b.tsv", "id\ttext\tlang\n1\tAnna slept\ten\n2\tWell, Bonn\ten\n"),
        ("c.csv", 'id,text\n1,Anna slept\n2,"Well, Bonn"\n'),
    ],
)
def test_the_text_of_a_table_is_its_column_of_texts(name: str, rows: str, tmp_path: Path) -> None:
    assert texts(save(tmp_path / name, rows)) == ["Anna slept", "Well, Bonn"]


def test_a_table_of_words_is_none_of_texts(tmp_path: Path) -> None:
    assert texts(save(tmp_path / "a.csv", "text,label\nAnna,B-PER\nslept,O\n")) == ["Anna slept"]
    with pytest.raises(DataError, match="a JSON object was expected"):
        texts(save(tmp_path / "b.jsonl", json.dumps("Anna slept")))
