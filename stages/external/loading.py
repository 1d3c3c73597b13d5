"""Loads the tagger of a folder, be it one of ours or one from elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelError
from pipeline.task import Advance, no_advance
from stages.external.config import FILE
from stages.external.kinds import TAGGERS
from stages.external.kinds.base import Opened
from stages.tagger.labels import LabelSet, end_to_end
from stages.tagger.word_tagger import WordTagger


def is_external(folder: Path) -> bool:
    """Return whether a folder stands for a tagger from elsewhere."""
    return (folder / FILE).is_file()


def load_tagger(folder: str | Path, *, constrained: bool = True, **how: Any) -> WordTagger:
    """Load a tagger.

    Args:
        folder: Output of ``train``, ``self_train`` or ``external``, or any folder or hub id that
            :meth:`stages.tagger.tagger.Tagger.from_pretrained` loads.
        constrained: Decode into the most probable valid IOB2 sequence.
        **how: Further options of :class:`stages.tagger.tagger.Tagger`.

    Raises:
        ModelError: If it cannot be loaded.
    """
    if not is_external(Path(folder)):
        from stages.tagger.tagger import Tagger

        return Tagger.from_pretrained(folder, constrained=constrained, **how)
    written = json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))
    labels = LabelSet(written["labels"])
    kind_type = TAGGERS[written["tagger"]]
    kind = kind_type(kind_type.Options.model_validate(written["options"]))
    types = [n[2:] for n in labels.names if n.startswith("B-")]
    for problem in kind.problems(written["model"], None):
        raise ModelError(problem)
    opened = kind.open(written["model"], None, written["lang"], types, **how)
    return ExternalTagger(opened, labels, written["map"], constrained=constrained)


class ExternalTagger(WordTagger):
    """A tagger from elsewhere, with our labels.

    Args:
        opened: The tagger.
        labels: Our labels.
        names: Our type for each of the tagger's types that has one; the others are ``O``.
        constrained: Decode into the most probable valid IOB2 sequence.
    """

    def __init__(
        self,
        opened: Opened,
        labels: LabelSet,
        names: Mapping[str, str],
        *,
        constrained: bool = True,
    ) -> None:
        self._opened = opened
        self.label_set = labels
        self.constrained = constrained
        theirs = LabelSet.of_types(opened.types).names
        self._matrix = np.zeros((len(theirs), len(labels)), np.float32)
        for row, label in enumerate(theirs):
            name = names.get(label[2:])
            ours = "O" if label == "O" or name is None else f"{label[:2]}{name}"
            self._matrix[row, labels.names.index(ours)] = 1.0

    @property
    def seen(self) -> Counter[str]:  # type: ignore[override]
        """What was counted so far."""
        return self._opened.seen

    def flat(
        self, sentences: Sequence[Sequence[str]], advance: Advance = no_advance
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return (words, labels) of all sentences, and (sentences + 1) where each one starts."""
        found = self._opened.distributions(sentences, advance)
        probs, starts = end_to_end(found, len(self._matrix))
        return probs @ self._matrix, starts
