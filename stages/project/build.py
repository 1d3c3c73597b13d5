"""Builds projectors from the configuration, and ``projected`` rows from projections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from pipeline.listed import listed
from pipeline.schema import table
from stages.project.batch import Batch
from stages.project.candidate import CandidateProjector
from stages.project.config import FilterConfig, ProjectConfig, method_of
from stages.project.matching import Evidence, Weights
from stages.project.methods.base import ProjectionSetting
from stages.project.projector import Projection, Projector
from stages.project.statistics import Statistics

if TYPE_CHECKING:
    from stages.project.pairs import PairScorer

_KEPT_COLUMNS = ["id", "lang", "source_id", "source_lang", "source_words", "source_spans", "words"]
_SCALARS = ["id", "lang", "source_id", "source_lang"]
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


def needs_statistics(config: ProjectConfig) -> bool:
    """Return whether the method of ``config`` makes a first pass over the corpus."""
    return method_of(config).first_pass


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
    known, head, rows = Statistics(), list[tuple[Batch, list[Evidence]]](), 0
    rest = iter(batches)
    while rows < HEAD and (batch := next(rest, None)) is not None:
        head.append((batch, projector.gather(batch, known)))
        rows += len(batch)
    statistics = Statistics()
    head.reverse()
    while head:
        batch, evidence = head.pop()
        projector.refine(batch, known, statistics, evidence)
    further: Statistics | None = None
    for batch in rest:
        if further is None:
            known, further = statistics, statistics.copy()
        projector.refine(batch, known, further)
    return further or statistics


def project_tables(
    translations: pa.Table,
    alignments: pa.Table,
    projector: Projector,
    filters: FilterConfig,
    *,
    min_link: float = 0.5,
    batch: Batch | None = None,
    scored: PairScorer | None = None,
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
        scored: Scores the pairs for the filters; without, no translation is refused.
        labelled: See :meth:`Batch.from_tables`: entities go back from translation to sentence.

    Raises:
        DataError: If the tables do not fit together.
    """
    from stages.project.decide import decided
    from stages.project.filters.sentence_pairs import SentencePairs

    batch = batch or Batch.from_tables(translations, alignments, labelled=labelled)
    data = pair_columns(translations, labelled)
    spans = span_rows(batch, projector.project(batch))
    found = [[span["source"] for span in mine] for mine, _ in spans]
    pairs = SentencePairs.of_table(data, found, scored.usual_ratio if scored else None)
    scores: Sequence[Any] = scored(pairs) if scored else [[]] * len(pairs)
    rows = [
        {
            **row,
            "source_words": pair.source,
            "source_spans": pair.spans,
            "words": pair.target,
            "spans": mine,
            "lost": lost,
            "scores": values,
        }
        for row, pair, (mine, lost), values in zip(
            data.select(_SCALARS).to_pylist(), pairs, spans, scores, strict=True
        )
    ]
    back = labelled is not None
    result = decided(rows, filters, alignments, min_link=min_link, back=back)
    return table("projected", result, given=data)


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


def span_rows(
    batch: Batch, projection: Projection
) -> list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Return, per row, its projected spans (undecided, by start) and its lost source spans."""
    spans: dict[int, list[dict[str, Any]]] = defaultdict(list)
    lost: dict[int, list[dict[str, Any]]] = defaultdict(list)
    rows = batch.entity_row[projection.entity]
    starts, ends = batch.tokens(rows, projection.start, projection.end)
    index = batch.entity_index
    for row, e, start, end, score, method in zip(
        rows.tolist(),
        projection.entity.tolist(),
        starts.tolist(),
        ends.tolist(),
        projection.score.tolist(),
        projection.method,
        strict=True,
    ):
        spans[row].append(
            {
                "start": start,
                "end": end,
                "type": batch.entity_type[e],
                "score": score,
                "method": method,
                "source": int(index[e]),
                "kept": True,
                "reason": None,
            }
        )
    for e, reason in projection.lost.items():
        lost[int(batch.entity_row[e])].append({"source": int(index[e]), "reason": reason})
    for found in spans.values():
        found.sort(key=_start)
    return [(spans.get(r, []), lost.get(r, [])) for r in range(len(batch))]


def _start(span: dict[str, Any]) -> int:
    start: int = span["start"]
    return start


RowResult = tuple[list[dict[str, Any]], list[dict[str, Any]]]
"""The projected spans of a row, undecided, and its lost source spans: see :func:`span_rows`."""


def project_pairs(
    batch: Batch,
    config: ProjectConfig,
    config_dir: Path | None = None,
    *,
    weights: Weights | None = None,
) -> Sequence[RowResult]:
    """Project one batch that is a whole corpus: :func:`project_batches` of that one."""
    return list(project_batches([batch], config, config_dir, weights=weights))


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
