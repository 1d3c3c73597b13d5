"""Small helpers of the format tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.config import DataSource
from pipeline.formats import SentenceStream, read_labelled
from pipeline.schema import Sentence, Span


def save(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path: Path, lang: str = "de", **options: Any) -> list[Sentence]:
    return list(stream(path, lang, **options))


def stream(path: Path, lang: str = "de", **options: Any) -> SentenceStream:
    fields = {k: options.pop(k) for k in list(options) if k in DataSource.model_fields}
    return read_labelled(DataSource(path=str(path), **fields), lang, path=path, **options)


def brief(sentences: Iterable[Sentence]) -> list[tuple[list[str], list[tuple[int, int, str]]]]:
    return [(s.words, triples(s.spans)) for s in sentences]


def triples(spans: Iterable[Span]) -> list[tuple[int, int, str]]:
    return [(s.start, s.end, s.type) for s in spans]


def dump(path: Path, value: Any) -> Path:
    return save(path, json.dumps(value, ensure_ascii=False, indent=1))


def lines(path: Path, records: Sequence[Any]) -> Path:
    return save(path, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records))
