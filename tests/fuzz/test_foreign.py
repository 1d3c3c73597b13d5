"""Any file, read as any format of another tool: whole sentences, or an error that names it."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import DataSource
from pipeline.formats import FORMATS
from tests.fuzz.junk import files, fuzzed, json_values
from tests.fuzz.test_readers import check, in_a_folder
from tests.pipeline.formats.test_foreign import WRITERS

ROWS = [
    (["Zoë", "Kovac", "in", "🚀", "Bonn", "."], [(0, 2, "PER"), (4, 5, "LOC")]),
    (["東京", "won"], [(0, 1, "LOC")]),
    (["Nothing"], []),
]
KEYS = [
    "text", "data", "label", "labels", "entities", "spans", "tokens", "annotations", "result",
    "value", "start", "end", "start_offset", "end_offset", "token_start", "token_end", "answer",
    "predictions", "paragraphs", "sentences", "classes", "words", "offsets", "annotator", "id",
    "annotation_id", "points", "annotation", "type", "was_cancelled", "globalOffsets", "ner",
    "orth",
]  # fmt: skip
AT = st.integers(-2, 14)
JSON_KINDS = ["label-studio", "prodigy", "doccano", "spacy-json", "jsonl"]


@functools.cache
def written(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = WRITERS[name][1](Path(folder), ROWS)
        return path.read_bytes() if path.is_file() else (path / "doc0.ann").read_bytes()


@pytest.mark.parametrize("name", [n for n in WRITERS if n != "brat-crlf"])
@fuzzed
@given(data=st.data(), labelled=st.booleans(), auto=st.booleans())
def test_broken_files(name: str, data: st.DataObject, labelled: bool, auto: bool) -> None:
    if name == "docbin":
        pytest.importorskip("spacy", reason="spaCy is an optional extra")
    kind = WRITERS[name][0]
    content = data.draw(files([written(name)]))
    source = DataSource(path="x", format="auto" if auto else kind)
    suffix = {"brat": ".ann", "spacy": ".spacy", "table": ".csv"}.get(kind, ".json")

    def body(path: Path) -> None:
        if kind == "brat":
            path.with_suffix(".txt").write_text(" ".join(ROWS[0][0]), encoding="utf-8")
        check(source, path, labelled, all_counted=False)

    in_a_folder(f"x{suffix}", content, body)


@pytest.mark.parametrize("kind", JSON_KINDS)
@fuzzed
@given(value=json_values(KEYS), lines=st.booleans(), labelled=st.booleans())
def test_json_of_any_shape(kind: str, value: Any, lines: bool, labelled: bool) -> None:
    many = value if isinstance(value, list) else [value]
    text = "\n".join(map(json.dumps, many)) if lines else json.dumps(value)
    for name in ("auto", kind):
        source = DataSource(path="x", format=name)
        in_a_folder(
            "x.json", text.encode(), lambda p, s=source: check(s, p, labelled, all_counted=False)
        )


@pytest.mark.parametrize("unit", ["auto", "characters", "words", "utf-16", "utf-8", "graphemes"])
@fuzzed
@given(
    texts=st.lists(st.text("aé\u0301🚀\r\n .日", max_size=12), min_size=1, max_size=4),
    spans=st.lists(
        st.tuples(
            st.integers(-2, 14), st.integers(-2, 14), st.none() | st.text("aé 🚀", max_size=3)
        ),
        max_size=4,
    ),
    words=st.booleans(),
)
def test_any_positions(unit: str, texts: list[str], spans: list[Any], words: bool) -> None:
    records = []
    for text in texts:
        found = [{"start": a, "end": b, "label": "X", "text": s} for a, b, s in spans]
        records.append({"text": text, "spans": found} | ({"words": text.split()} if words else {}))
    data = "\n".join(map(json.dumps, records)).encode()
    source = DataSource.model_validate({"path": "x", "format": "jsonl", "offsets": unit})
    in_a_folder("x.jsonl", data, lambda path: check(source, path, True, all_counted=False))


def test_all_kinds_are_tried() -> None:
    assert {kind for kind, _ in WRITERS.values()} < set(FORMATS)
