"""Pseudo-labels by way of the source language (CROP, Yang et al. 2022).

A raw target sentence was translated to the source language; the teachers label the translation; the
entities come back to the sentence either along the word alignment, by the projector of the stage
``project``, or as the paper does it: the entities are marked in the translation, this is translated
back, what stands between the markers is looked for in the raw sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.artifacts import Artifact
from pipeline.errors import DataError
from pipeline.listed import batched
from pipeline.schema import table
from pipeline.stage import Part
from pipeline.task import Advance, no_advance
from stages.project.back_projection import with_reasons, word_distributions
from stages.project.config import ProjectConfig
from stages.project.worker import ProjectWorker, collect_statistics
from stages.self_train.marked import MarkedBackTranslation
from stages.self_train.teachers import Teachers
from stages.tagger.labels import LabelSet
from stages.tagger.predictions import distributions_of, predictions

Distribution = tuple[NDArray[np.float32], str | None]
"""(words, labels) and the reason for which they are of no use, if there is one."""
BackTranslate = Callable[[Sequence[str]], Sequence[str | None]]
"""Source-language texts to target-language texts; ``None`` where nothing came of one."""
Project = Callable[["pa.Table", "pa.Table", "pa.Table"], "pa.Table"]

_CHUNK = 500


class Crop:
    """Labels the sentences of one language.

    Args:
        translations: Unit ``to_source/unlabelled/<lang>`` of ``translate``.
        alignments: The same unit of ``align``.
        options: Section ``project``: how labels are projected, and which sentences are dropped.
        config_dir: For the path of the projection weights.
        back_translate: Translates marked text back; without it labels follow the alignment.
    """

    def __init__(
        self,
        translations: Artifact,
        alignments: Artifact,
        options: ProjectConfig,
        config_dir: Path | None = None,
        back_translate: BackTranslate | None = None,
    ) -> None:
        self._translations = translations
        self._alignments = alignments
        self._options = options
        self._config_dir = config_dir
        self._back_translate = back_translate

    def label(
        self,
        teachers: Teachers,
        sentences: Iterable[tuple[str, Sequence[str]]],
        folder: Path,
        advance: Advance = no_advance,
    ) -> Iterator[Distribution]:
        """Yield the distributions of sentences, in order.

        Args:
            teachers: Who labels the translations.
            sentences: Ids of translated rows, in their order, and their words.
            folder: Where to keep what the teachers say.
            advance: Called with numbers of labelled sentences.

        Raises:
            DataError: If a sentence was not translated.
        """
        folder.mkdir(parents=True, exist_ok=True)
        labels = teachers.label_set
        names = ("translations", "alignments", "tagged")
        count = 0
        for tables in self._tagged(teachers, sentences):
            for name, data in zip(names, tables, strict=True):
                pq.write_table(data, folder / f"{name}-{count:05d}.parquet")
            count += 1
            advance(tables[0].num_rows)

        def read(name: str, number: int) -> pa.Table:
            return pq.read_table(folder / f"{name}-{number:05d}.parquet")

        project = self._projector(
            lambda: ([read(name, n) for name in names] for n in range(count)), folder
        )
        for number in range(count):
            translations, alignments, tagged = (read(name, number) for name in names)
            projected = with_reasons(project(translations, alignments, tagged), alignments)
            yield from _distributions(projected, alignments, tagged, labels)

    def _tagged(
        self, teachers: Teachers, sentences: Iterable[tuple[str, Sequence[str]]]
    ) -> Iterator[tuple[pa.Table, pa.Table, pa.Table]]:
        """Yield translations and alignments, and what the teachers say of the translations."""
        pairs = zip(self._translations.rows(), self._alignments.rows(), strict=True)
        for chunk in batched(sentences, _CHUNK):
            found = [_of_sentence(pairs, *sentence) for sentence in chunk]
            words = [row["words"] or [] for row, _ in found]
            probs = list(teachers.distributions(words))
            spans = (teachers.label_set.decode_each([p])[0] for p in probs)
            rows = [row for row, _ in found]
            tagged = predictions(rows, spans, probs, teachers.label_set)
            alignments = table("alignments", [links for _, links in found])
            yield table("translations", rows), alignments, tagged

    def _projector(
        self, parts: Callable[[], Iterable[Sequence[pa.Table]]], folder: Path
    ) -> Project:
        """Return what projects one part, after the first pass over all of them."""
        if self._back_translate is not None:
            return MarkedBackTranslation(self._back_translate, self._options.filters)
        collect_statistics(self._options, self._config_dir, parts(), folder)
        worker = ProjectWorker(self._options, self._config_dir, folder)
        return lambda translations, alignments, tagged: worker(
            {"translations": translations, "alignments": alignments, "tagged": tagged}, Part(0, 0)
        )


def _of_sentence(
    pairs: Iterator[tuple[dict[str, Any], dict[str, Any]]], name: str, words: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    for row, links in pairs:
        if row["id"] == name:
            if list(row["source_words"]) != list(words):
                raise DataError(f"sentence {name!r} is not the one that was translated")
            return row, links
    raise DataError(f"sentence {name!r} has no translation: translate data.unlabelled again")


def _distributions(
    projected: pa.Table, alignments: pa.Table, tagged: pa.Table, labels: LabelSet
) -> Iterator[Distribution]:
    known = distributions_of(tagged)
    links = alignments.column("links").to_pylist()
    for row, found, probs in zip(projected.to_pylist(), links, known, strict=True):
        yield word_distributions(row, found, probs, labels), row["reason"]
