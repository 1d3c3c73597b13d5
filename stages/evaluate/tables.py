"""Writes the results: JSON for programs, CSV for spreadsheets, Parquet for the single errors."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    import pyarrow as pa


METRICS = "metrics.csv"
"""Written where the configuration asks for further metrics."""
SWEEPS = "sweeps.csv"
"""Written where the run has a sweep."""


def write_results(
    results: Results, mistakes: Sequence[Mapping[str, Any]], folder: Path
) -> list[Path]:
    """Write all tables into ``folder`` and return their paths.

    ``scores.json`` holds everything but the single errors, which are in ``mistakes.parquet``.
    """
    import pyarrow.parquet as pq

    paths = [folder / n for n in ("scores.json", "scores.csv", "summary.csv")]
    paths += [folder / n for n in ("significance.csv", "errors.csv", "mistakes.parquet")]
    paths[0].write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
    write_csv(paths[1], Score, results.scores)
    write_csv(paths[2], Summary, results.summary)
    write_csv(paths[3], Comparison, results.comparisons)
    write_csv(paths[4], ErrorCount, results.errors)
    if results.measured:
        paths.append(folder / METRICS)
        write_csv(paths[-1], Measured, results.measured)
    if results.sweeps:
        paths.append(folder / SWEEPS)
        write_csv(paths[-1], SweepRow, sweep_rows(results))
    pq.write_table(mistakes_table(mistakes), paths[5], compression="zstd")
    return paths


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
    import pyarrow as pa

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
