"""Writes the results: JSON for programs, CSV for spreadsheets, Parquet for the single errors."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from stages.evaluate.results import (
    Comparison,
    ErrorCount,
    Measured,
    Results,
    Score,
    Summary,
    SweepPoint,
)

_IF_ANY = ("metrics", "sweeps")
"""Tables that are written where there is something in them."""


def write_results(results: Results, mistakes: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write all tables into ``folder``.

    ``scores.json`` holds everything but the single errors, which are in ``mistakes.parquet``.
    """
    text = results.model_dump_json(indent=1) + "\n"
    (folder / "scores.json").write_text(text, encoding="utf-8")
    tables: dict[str, tuple[type[BaseModel], Sequence[BaseModel]]] = {
        "scores": (Score, results.scores),
        "summary": (Summary, results.summary),
        "significance": (Comparison, results.comparisons),
        "errors": (ErrorCount, results.errors),
        "metrics": (Measured, results.measured),
        "sweeps": (SweepRow, list(sweep_rows(results))),
    }
    for name, (kind, items) in tables.items():
        if items or name not in _IF_ANY:
            write_csv(folder / f"{name}.csv", kind, items)
    pq.write_table(mistakes_table(mistakes), folder / "mistakes.parquet", compression="zstd")


class SweepRow(SweepPoint):
    """A point of a sweep with what is swept."""

    sweep: str
    keys: list[str]
    chosen: bool


def sweep_rows(results: Results) -> Iterator[SweepRow]:
    """Yield the points of all sweeps."""
    for sweep in results.sweeps:
        for point in sweep.points:
            yield SweepRow(
                sweep=sweep.name,
                keys=sweep.keys,
                chosen=point.arm == sweep.chosen,
                **point.model_dump(),
            )


def write_csv(path: Path, kind: type[BaseModel], items: Iterable[BaseModel]) -> None:
    """Write records as CSV, one column per field; ``None`` is an empty cell, lists use spaces."""
    names = list(kind.model_fields)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for item in items:
            writer.writerow([_cell(getattr(item, n)) for n in names])


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join("" if v is None else str(v) for v in value)
    return f"{value:.6g}" if isinstance(value, float) else value


def mistakes_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return the single errors as a table: one row per error, spans as word ranges."""
    schema = pa.schema(
        [
            ("arm", pa.string()),
            ("lang", pa.string()),
            ("seed", pa.int64()),
            ("id", pa.string()),
            ("category", pa.string()),
            ("words", pa.list_(pa.string())),
            ("gold_start", pa.int32()),
            ("gold_end", pa.int32()),
            ("gold_type", pa.string()),
            ("gold_text", pa.string()),
            ("predicted_start", pa.int32()),
            ("predicted_end", pa.int32()),
            ("predicted_type", pa.string()),
            ("predicted_text", pa.string()),
            ("seen", pa.bool_()),
        ]
    )
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
