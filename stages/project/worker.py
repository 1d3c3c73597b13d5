"""What the stage runs: the first pass over a corpus, and the worker for the second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.schema import table
from pipeline.stage import Part
from stages.project.batch import Batch
from stages.project.build import (
    build_projector,
    gather,
    pair_columns,
    project_tables,
)
from stages.project.config import ProjectConfig, method_of
from stages.project.decide import OTHER
from stages.project.entity_translations import EntityTranslations
from stages.project.pairs import load_usual_ratio
from stages.project.statistics import Statistics
from stages.project.words import Vocabulary

FOLDER = "statistics"


def collect_statistics(
    config: ProjectConfig,
    config_dir: Path | None,
    parts: Iterable[Sequence[pa.Table]],
    folder: Path,
    advance: Callable[[int], None] = lambda rows: None,
    alone: EntityTranslations | None = None,
) -> None:
    """Make the first pass over the parts of a corpus; write into ``folder``.

    Nothing is written where the method does not look at the corpus.

    Args:
        config: The options.
        config_dir: For the path of the weights.
        parts: ``(translations, alignments)``, and as a third the predictions for the translations
            where entities go back (:meth:`Batch.from_tables`); read once, streaming.
        folder: Where to write.
        advance: Called with the number of rows of every part that was read.
        alone: The entities translated alone, if they were.
    """
    if not method_of(config).first_pass:
        return
    vocabulary = Vocabulary()

    def batches() -> Iterable[Batch]:
        for translations, alignments, *rest in parts:
            vocabulary.shrink()
            labelled = rest[0] if rest else None
            batch = Batch.from_tables(translations, alignments, vocabulary, labelled=labelled)
            yield alone.attach(batch) if alone is not None else batch
            advance(translations.num_rows)

    gather(batches(), method_of(config).weights(config_dir)).save(folder / FOLDER)


def of_ranks(
    translations: Callable[[], Iterable[pa.Table]],
    alignments: Callable[[], Iterable[pa.Table]],
    ranks: frozenset[int] | None,
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield translations with their alignments, part by part: all, or those of some ranks."""
    for one, two in zip(translations(), alignments(), strict=True):
        if ranks is None:
            yield one, two
        else:
            chosen = chosen_rows(one, ranks)
            yield one.filter(chosen), two.filter(chosen)


def chosen_rows(translations: pa.Table, ranks: frozenset[int]) -> pa.BooleanArray:
    """Return which rows of translations are of some ranks."""
    return pa.array([r in ranks for r in translations.column("rank").to_pylist()], pa.bool_())


class ProjectWorker:
    """Projects parts.

    Args:
        config: The options.
        config_dir: For the path of the weights.
        collected: The folder that :func:`collect_statistics` filled.
        ranks: Only translations of these ranks are projected on to; ``None``: all.
        finish: Applied to the projected rows and the alignments, if there is something to add.
    """

    def __init__(
        self,
        config: ProjectConfig,
        config_dir: Path | None,
        collected: Path,
        ranks: frozenset[int] | None = None,
        finish: Callable[[pa.Table, pa.Table], pa.Table] | None = None,
    ) -> None:
        folder = collected / FOLDER
        statistics = Statistics.load(folder) if method_of(config).first_pass else None
        self.config = config
        self.projector = build_projector(config, statistics, config_dir=config_dir)
        self.vocabulary = Vocabulary()
        self.alone = EntityTranslations.load(collected)
        self.usual_ratio = load_usual_ratio(collected)
        self.ranks = ranks
        self.finish = finish

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return the projected rows of one part.

        Where there is an input ``tagged``, predictions for the translations, entities go back.
        """
        ranks = self.ranks
        result = self._projected(inputs) if ranks is None else self._some(inputs, ranks)
        part.advance(result.num_rows)
        return result if self.finish is None else self.finish(result, inputs["alignments"])

    def _some(self, inputs: Mapping[str, pa.Table], ranks: frozenset[int]) -> pa.Table:
        """Return all rows, in order; those of other ranks without labels, and with that reason."""
        chosen = chosen_rows(inputs["translations"], ranks)
        projected = self._projected({n: data.filter(chosen) for n, data in inputs.items()})
        other = table(
            "projected",
            [
                {**row, "spans": [], "lost": [], "scores": [], "kept": False, "reason": OTHER}
                for row in pair_columns(
                    inputs["translations"].filter(pc.invert(chosen))
                ).to_pylist()
            ],
        )
        mine, rest = iter(range(len(projected))), iter(range(len(projected), len(chosen)))
        return pa.concat_tables([projected, other]).take(
            [next(mine) if c else next(rest) for c in chosen.to_pylist()]
        )

    def _projected(self, inputs: Mapping[str, pa.Table]) -> pa.Table:
        translations, alignments = inputs["translations"], inputs["alignments"]
        labelled = inputs.get("tagged")
        self.vocabulary.shrink()
        batch = Batch.from_tables(translations, alignments, self.vocabulary, labelled=labelled)
        if self.alone is not None:
            self.alone.attach(batch)
        return project_tables(
            translations,
            alignments,
            self.projector,
            self.config.filters,
            min_link=self.config.min_link,
            batch=batch,
            usual_ratio=self.usual_ratio,
            labelled=labelled,
        )
