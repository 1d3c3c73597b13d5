"""The workers behind the arms ``translate_test`` and ``ensemble_train_test``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import DataError
from pipeline.schema import labels_of, span_row, table
from pipeline.stage import Part
from stages.project.back_projection import (
    Floats,
    flat_distributions,
    mean_distributions,
    with_reasons,
    word_distributions,
)
from stages.project.config import ProjectConfig
from stages.tagger.labels import LabelSet

if TYPE_CHECKING:
    import pyarrow as pa

    from stages.project.worker import ProjectWorker


def load_project_back(
    options: ProjectConfig, config_dir: Path | None, collected: Path
) -> ProjectBackWorker:
    """Load weights and statistics.

    Args:
        options: How to project.
        config_dir: For the path of the weights.
        collected: What ``stages.project.worker.collect_statistics`` gathered.
    """
    from stages.project.worker import ProjectWorker

    return ProjectBackWorker(ProjectWorker(options, config_dir, collected))


class ProjectBackWorker:
    """Projects the entities of labelled translations on to the sentences they were made from.

    Args:
        worker: The projection worker.
    """

    def __init__(self, worker: ProjectWorker) -> None:
        self._worker = worker

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return a ``projected`` row for each row of ``translations``, ``alignments``, ``tagged``.

        The source side of the rows is the translation with its predicted entities.
        """
        return with_reasons(self._worker(inputs, part), inputs["alignments"])


@dataclass(frozen=True, slots=True)
class ProjectedWorker:
    """Makes predictions of what was projected back.

    The entities are the projected ones; the distributions are those of
    :func:`stages.project.back_projection.word_distributions`.
    """

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return ``predictions`` for the rows of ``projected``."""
        labels = LabelSet(labels_of(inputs["tagged"].schema))
        tagged = flat_distributions(inputs["tagged"].column("probs"))
        links = inputs["alignments"].column("links").to_pylist()
        rows = []
        for row, found, probs in zip(inputs["projected"].to_pylist(), links, tagged, strict=True):
            known = probs if probs.size else np.zeros((0, len(labels)), np.float32)
            spans = [
                {k: s[k] for k in ("start", "end", "type", "score")}
                for s in row["spans"]
                if s["kept"]
            ]
            distribution = word_distributions(row, found, known, labels)
            rows.append(prediction_row(row, spans, distribution))
        part.advance(len(rows))
        return table("predictions", rows, labels.names)


@dataclass(frozen=True, slots=True)
class EnsembleWorker:
    """Averages the distributions of several predictions for the same sentences.

    Where the sentence was not translated or not aligned (``projected`` names a reason), translate-
    test knows nothing of it, and the other members decide alone.

    Attributes:
        projected: Name of the member whose rows may know nothing.
        constrained: Decode into the most probable valid IOB2 sequence.
    """

    projected: str
    constrained: bool = True

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return ``predictions``, the mean over all inputs but ``projected`` itself."""
        members = {name: data for name, data in inputs.items() if name != "projected"}
        labels = LabelSet(labels_of(next(iter(members.values())).schema))
        columns = {name: aligned(data, labels) for name, data in members.items()}
        unknown = [r is not None for r in inputs["projected"].column("reason").to_pylist()]
        rows = next(iter(members.values())).select(["id", "lang", "words"]).to_pylist()
        means = []
        for number in range(len(rows)):
            asked = [n for n in columns if n != self.projected or not unknown[number]]
            means.append(mean_distributions([columns[n][number] for n in asked]))
        spans = decode(means, labels, constrained=self.constrained)
        part.advance(len(rows))
        made = [
            prediction_row(row, [span_row(s) for s in found], mean)
            for row, found, mean in zip(rows, spans, means, strict=True)
        ]
        return table("predictions", made, labels.names)


def aligned(data: pa.Table, labels: LabelSet) -> list[Floats]:
    """Return the distributions of a predictions table, columns in the order of ``labels``.

    Raises:
        DataError: If its labels are others.
    """
    names = labels_of(data.schema)
    if set(names) != set(labels.names):
        raise DataError(
            f"the arms to average have different labels: {labels.names} and {names}; set "
            "labels.types so that all arms share one list"
        )
    order = [names.index(name) for name in labels.names]
    empty = np.zeros((0, len(names)), np.float32)
    return [(p if p.size else empty)[:, order] for p in flat_distributions(data.column("probs"))]


def decode(distributions: Sequence[Floats], labels: LabelSet, *, constrained: bool = True) -> Any:
    """Decode the distributions of sentences into spans."""
    empty = np.zeros((0, len(labels)), np.float32)
    starts = np.concatenate(([0], np.cumsum([len(d) for d in distributions]))).astype(np.int64)
    return labels.decode(np.concatenate([empty, *distributions]), starts, constrained=constrained)


def prediction_row(
    row: Mapping[str, Any], spans: Sequence[Mapping[str, Any]], probs: Floats
) -> dict[str, Any]:
    """Return a row of ``predictions`` for a row with ``id``, ``lang`` and ``words``."""
    return {
        "id": row["id"],
        "lang": row["lang"],
        "words": row["words"],
        "spans": list(spans),
        "probs": probs.tolist(),
    }
