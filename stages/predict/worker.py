"""The worker of the stage ``predict``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa

from pipeline.loaded import loaded
from pipeline.stage import Part
from stages.external.loading import load_tagger
from stages.predict.config import PredictConfig
from stages.tagger.predictions import predictions
from stages.tagger.word_tagger import WordTagger


def load_worker(model: Path, options: PredictConfig) -> PredictWorker:
    """Load a tagger.

    Args:
        model: Its folder.
        options: How to apply it.
    """
    how = options.model_dump(exclude={"source_test"})
    return PredictWorker(loaded(model, tuple(how.values()), partial(load_tagger, model, **how)))


class PredictWorker:
    """Labels the sentences of a part.

    Args:
        tagger: The tagger.
    """

    def __init__(self, tagger: WordTagger) -> None:
        self._tagger = tagger

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return ``predictions`` for ``rows``, a table with ``id``, ``lang`` and ``words``."""
        rows = inputs["rows"].select(["id", "lang", "words"]).to_pylist()
        before = self._tagger.seen.copy()
        found = self._tagger.distributions([row["words"] for row in rows], advance=part.advance)
        seen = self._tagger.seen - before
        if len(seen) > 1:  # words that are odd to the tagger
            part.notes.update(seen)
        return predictions(rows, self._tagger.decode(found), found, self._tagger.label_set)
