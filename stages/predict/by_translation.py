"""The workers behind the arms ``translate_test`` and ``ensemble_train_test``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.errors import DataError
from pipeline.schema import kept_spans, labels_of
from pipeline.stage import Part
from stages.project.back_projection import Floats, word_distributions
from stages.tagger.labels import LabelSet
from stages.tagger.predictions import distributions_of, predictions


@dataclass(frozen=True, slots=True)
class ProjectedWorker:
    """Makes predictions of what was projected back.

    The entities are the projected ones; the distributions are those of
    :func:`stages.project.back_projection.word_distributions`.
    """

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return ``predictions`` for the rows of ``projected``."""
        labels = LabelSet(labels_of(inputs["tagged"].schema))
        rows = inputs["projected"].to_pylist()
        links = inputs["alignments"].column("links").to_pylist()
        probs = [
            word_distributions(row, found, said, labels)
            for row, found, said in zip(
                rows, links, distributions_of(inputs["tagged"]), strict=True
            )
        ]
        part.advance(len(rows))
        return predictions(rows, map(kept_spans, rows), probs, labels)


@dataclass(frozen=True, slots=True)
class EnsembleWorker:
    """Averages the distributions of several predictions for the same sentences.

    Where the sentence was not translated or not aligned (what was projected back names a reason),
    translate-test knows nothing of it, and the other members decide alone.

    Attributes:
        projected: Name of the member whose rows may know nothing.
        back: Name of the input that is what it projected back.
        constrained: Decode into the most probable valid IOB2 sequence.
    """

    projected: str
    back: str
    constrained: bool = True

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return ``predictions``, the mean over all inputs but what was projected back."""
        members = {name: data for name, data in inputs.items() if name != self.back}
        labels = LabelSet(labels_of(next(iter(members.values())).schema))
        columns = {name: aligned(data, labels) for name, data in members.items()}
        unknown = [r is not None for r in inputs[self.back].column("reason").to_pylist()]
        rows = next(iter(members.values())).select(["id", "lang", "words"]).to_pylist()
        means = []
        for number in range(len(rows)):
            asked = [n for n in columns if n != self.projected or not unknown[number]]
            several = np.stack([columns[n][number] for n in asked])
            means.append(np.asarray(several.mean(axis=0, dtype=np.float32)))
        spans = labels.decode_each(means, constrained=self.constrained)
        part.advance(len(rows))
        return predictions(rows, spans, means, labels)


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
    return [p[:, order] for p in distributions_of(data)]
