"""Builds projectors from the configuration, and ``projected`` rows from projections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pipeline.listed import listed
from pipeline.schema import LOST_SPAN, PROJECTED, PROJECTED_SPAN, lists
from stages.project.batch import Batch
from stages.project.candidate import CandidateProjector
from stages.project.config import FilterConfig, ProjectConfig, method_of
from stages.project.decide import decide_table
from stages.project.filters.sentence_pairs import SentencePairs
from stages.project.matching import Weights
from stages.project.methods.base import ProjectionSetting
from stages.project.pairs import pair_scores
from stages.project.projector import Projection, Projector
from stages.project.statistics import Statistics

_KEPT_COLUMNS = ["id", "lang", "source_id", "source_lang", "source_words", "source_spans", "words"]
_TURNED = {
    "id": "id",
    "source_lang": "lang",
    "source_id": "source_id",
    "lang": "source_lang",
    "words": "source_words",
    "source_words": "words",
}
HEAD: Final = 5_000
"""Rows that are kept in memory and projected twice to gather statistics."""
BATCH_ROWS: Final = 1_000
"""Rows of a batch that a large corpus is cut into."""


def build_projector(
    config: ProjectConfig,
    statistics: Statistics | None = None,
    weights: Weights | None = None,
    *,
    config_dir: Path | None = None,
) -> Projector:
    """Build the projector that ``config`` names.

    Args:
        config: The options.
        statistics: What the first pass gathered, if there was one.
        weights: Fitted weights; default: those that the options name, or those that ship.
        config_dir: Folder of the config file, for the files that the options name.

    Raises:
        DataError: If the file of weights cannot be used.
    """
    setting = ProjectionSetting(config.min_link, config_dir, statistics, weights)
    return method_of(config).build(setting)


def gather(batches: Iterable[Batch], weights: Weights | None = None) -> Statistics:
    """Gather the statistics of a corpus, batch by batch.

    The first :data:`HEAD` rows are projected twice: by links and spelling, then again with what
    that told; the counts of the second time are kept. All further rows are projected with those.
    """
    projector = CandidateProjector(weights=weights)
    known, statistics = Statistics(), Statistics()
    head, rows = list[Batch](), 0
    rest = iter(batches)
    while rows < HEAD and (batch := next(rest, None)) is not None:
        projector.gather(batch, known)
        head.append(batch)
        rows += len(batch)
    for batch in head:
        projector.refine(batch, known, statistics, counted=True)
    further: Statistics | None = None
    for batch in rest:
        if further is None:
            known, further = statistics, statistics.copy()
        projector.refine(batch, known, further, counted=False)
    return further or statistics


def project_tables(
    translations: pa.Table,
    alignments: pa.Table,
    projector: Projector,
    filters: FilterConfig,
    *,
    min_link: float = 0.5,
    batch: Batch | None = None,
    usual_ratio: float | None = None,
    labelled: pa.Table | None = None,
) -> pa.Table:
    """Project one part: ``translations`` and ``alignments`` to a ``projected`` table, decided.

    Args:
        translations: The sentence pairs.
        alignments: Their links.
        projector: Who projects.
        filters: What decides.
        min_link: For the filters.
        batch: The two tables as a batch, if there is one already.
        usual_ratio: The corpus' median ratio of lengths, if it is known.
        labelled: See :meth:`Batch.from_tables`: entities go back from translation to sentence.

    Raises:
        DataError: If the tables do not fit together.
    """
    batch = batch or Batch.from_tables(translations, alignments, labelled=labelled)
    data = pair_columns(translations, labelled)
    projection = projector.project(batch)
    columns = dict(zip(data.column_names, data.columns, strict=True))
    columns["spans"], columns["lost"] = span_columns(batch, projection)
    langs = data.column("lang").to_pylist()
    pairs = SentencePairs.of_batch(batch, projection.entity, langs, usual_ratio)
    columns["scores"] = pair_scores(pairs)
    columns["kept"] = pa.nulls(len(batch), pa.bool_())
    columns["reason"] = pa.nulls(len(batch), pa.string())
    made = pa.table([columns[name] for name in PROJECTED.names], schema=PROJECTED)
    back = labelled is not None
    return decide_table(made, filters, alignments, min_link=min_link, back=back)


def pair_columns(translations: pa.Table, labelled: pa.Table | None = None) -> pa.Table:
    """Return the columns that ``projected`` has from the pairs, the labelled side as source.

    Args:
        translations: The sentence pairs.
        labelled: See :meth:`Batch.from_tables`.
    """
    if labelled is None:
        data = translations.select(_KEPT_COLUMNS)
    else:
        # The sentence was the source of the translation; now the translation is its source.
        turned = translations.select(list(_TURNED)).rename_columns(list(_TURNED.values()))
        data = turned.append_column("source_spans", labelled.column("spans"))
    for name in ("source_words", "source_spans", "words"):
        if data.column(name).null_count:
            rows = [row or [] for row in data.column(name).to_pylist()]
            column = pa.array(rows, data.schema.field(name).type)
            data = data.set_column(data.schema.get_field_index(name), name, column)
    return data


def span_columns(batch: Batch, projection: Projection) -> tuple[pa.ListArray, pa.ListArray]:
    """Return the columns ``spans`` (undecided, by start) and ``lost`` of a batch."""
    rows = batch.entity_row[projection.entity]
    order = np.lexsort((projection.start, rows))
    entity, rows = projection.entity[order], rows[order]
    starts, ends = batch.tokens(rows, projection.start[order], projection.end[order])
    spans = (
        starts,
        ends,
        [batch.entity_type[e] for e in entity.tolist()],
        projection.score[order],
        [projection.method[k] for k in order.tolist()],
        batch.entity_index[entity],
        np.ones(len(entity), np.bool_),
        pa.nulls(len(entity), pa.string()),
    )
    lost = np.array(list(projection.lost), np.int64)
    reasons = list(projection.lost.values())
    order = np.argsort(batch.entity_row[lost], kind="stable")
    missing = batch.entity_index[lost[order]], [reasons[k] for k in order.tolist()]
    return (
        lists(np.bincount(rows, minlength=len(batch)), PROJECTED_SPAN, spans),
        lists(np.bincount(batch.entity_row[lost], minlength=len(batch)), LOST_SPAN, missing),
    )


RowResult = tuple[list[dict[str, Any]], list[dict[str, Any]]]
"""The projected spans of a row, undecided, and its lost source spans."""


def span_rows(batch: Batch, projection: Projection) -> list[RowResult]:
    """Return what :func:`span_columns` does, row by row."""
    spans, lost = span_columns(batch, projection)
    return list(zip(spans.to_pylist(), lost.to_pylist(), strict=True))


def project_batches(
    batches: Iterable[Batch],
    config: ProjectConfig,
    config_dir: Path | None = None,
    *,
    weights: Weights | None = None,
) -> Iterator[RowResult]:
    """Project a corpus, both passes, without the runner.

    What is looked up within a batch grows with it, so that a large corpus is best given in batches
    of :data:`BATCH_ROWS` rows, which may share a vocabulary.

    Args:
        batches: The corpus, in order.
        config: The options, those that name files among them.
        config_dir: The folder of the config file, for the files that it names.
        weights: Fitted weights instead of those that the options name.

    Yields:
        For each row the spans and what was lost, see :func:`span_rows`.

    Raises:
        DataError: If the file of weights cannot be used.
        ModelError: If the candidate tagger cannot be loaded.
    """
    batches = listed(batches, "project: the batches")
    method = method_of(config)
    weights = weights or method.weights(config_dir)
    statistics = gather(batches, weights) if method.first_pass else None
    projector = build_projector(config, statistics, weights, config_dir=config_dir)
    for batch in batches:
        yield from span_rows(batch, projector.project(batch))
