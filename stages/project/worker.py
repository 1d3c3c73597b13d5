"""What the stage runs: the first pass over a corpus, and the worker for the second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.stage import Part
from stages.project.batch import Batch
from stages.project.build import (
    build_projector,
    gather,
    needs_statistics,
    project_tables,
)
from stages.project.config import ProjectConfig, method_of
from stages.project.entity_translations import EntityTranslations
from stages.project.pairs import PairScorer, load_usual_ratio
from stages.project.statistics import Statistics
from stages.project.words import Vocabulary

if TYPE_CHECKING:
    import pyarrow as pa

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
    if alone is not None:
        alone.save(folder)
    if not needs_statistics(config):
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


class ProjectWorker:
    """Projects parts.

    Args:
        config: The options.
        config_dir: For the path of the weights.
        collected: The folder that :func:`collect_statistics` filled.
    """

    def __init__(self, config: ProjectConfig, config_dir: Path | None, collected: Path) -> None:
        folder = collected / FOLDER
        statistics = Statistics.load(folder) if needs_statistics(config) else None
        self.config = config
        self.projector = build_projector(config, statistics, config_dir=config_dir)
        self.vocabulary = Vocabulary()
        self.alone = EntityTranslations.load(collected)
        self.scored = PairScorer(load_usual_ratio(collected))

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return the projected rows of one part.

        Where there is an input ``tagged``, predictions for the translations, entities go back.
        """
        translations, alignments = inputs["translations"], inputs["alignments"]
        labelled = inputs.get("tagged")
        self.vocabulary.shrink()
        batch = Batch.from_tables(translations, alignments, self.vocabulary, labelled=labelled)
        if self.alone is not None:
            self.alone.attach(batch)
        result = project_tables(
            translations,
            alignments,
            self.projector,
            self.config.filters,
            min_link=self.config.min_link,
            batch=batch,
            scored=self.scored,
            labelled=labelled,
        )
        part.advance(result.num_rows)
        return result
