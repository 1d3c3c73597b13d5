"""``transformers``: any token-classification checkpoint, whatever its tagging scheme."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.errors import ModelError
from pipeline.models import ModelSource, locate
from pipeline.task import Advance
from stages.external.kinds.base import LocatedTagger, Opened

if TYPE_CHECKING:
    from stages.tagger.tagger import Tagger

_PREFIXED = re.compile(r"([BIESLU])[-_](.+)")


class TransformersOptions(ConfigModel):
    """How the checkpoint's labels are read."""

    scheme: Literal["auto", "iob1"] = Field(
        "auto",
        description="auto: IOB2, IOBES, BILOU, or types alone, as the labels say; iob1: B- stands "
        "only between two entities of a type, which the labels do not say",
    )


class Transformers(LocatedTagger[TransformersOptions]):
    """A checkpoint: folder or hub id."""

    about: ClassVar[str] = "a token-classification checkpoint of Transformers: folder or hub id"

    def source_problems(self, model: str, source: ModelSource) -> Iterator[str]:
        """Yield that a folder holds no token classifier."""
        source.require_weights()
        declared = source.config
        if declared is not None:
            labels = list(declared.get("id2label", {}).values())
            if not labels or all(str(n).startswith("LABEL_") for n in labels):
                yield f"{model}: config.json names no labels: an encoder, not a tagger"

    def open(
        self, model: str, config_dir: Path | None, lang: str, types: Sequence[str], **how: Any
    ) -> Opened:
        """Load the checkpoint."""
        from stages.tagger.tagger import Tagger

        labels: list[str] = []

        def rename(names: list[str]) -> list[str]:
            labels[:] = names
            return as_iob2(names, model)

        folder = locate(model, config_dir).download()
        tagger = Tagger.from_pretrained(folder, rename=rename, **how)
        return _Checkpoint(tagger, labels or tagger.labels, self.options.scheme, model)


def divided(label: str, plain: bool) -> tuple[str, str]:
    """Return a label's prefix (``B I E S L U``; ``O`` for outside) and type."""
    if label.upper() in ("O", "OUTSIDE"):
        return "O", ""
    found = None if plain else _PREFIXED.fullmatch(label)
    return (found[1], found[2]) if found else ("I", label)


def is_plain(labels: Sequence[str]) -> bool:
    """Return whether labels are types without prefixes."""
    others = [n for n in labels if divided(n, True)[0] != "O"]
    return not all(_PREFIXED.fullmatch(n) for n in others)


def as_iob2(labels: Sequence[str], model: str) -> list[str]:
    """Return valid, distinct IOB2 names for the labels of a checkpoint, whatever their scheme.

    Raises:
        ModelError: If none of them stands for words outside of entities.
    """
    plain = is_plain(labels)
    names = []
    for label in labels:
        prefix, _ = divided(label, plain)
        names.append("O" if prefix == "O" else f"{'B' if prefix in 'BSU' else 'I'}-{label}")
    if names.count("O") != 1:
        raise ModelError(
            f"{model}: expected one label O for words outside of entities, among {list(labels)}"
        )
    return names


class _Checkpoint:
    """A tagger whose distributions are brought to IOB2."""

    def __init__(self, tagger: Tagger, labels: Sequence[str], scheme: str, model: str) -> None:
        self._tagger = tagger
        plain = is_plain(labels)
        parts = [divided(label, plain) for label in labels]
        self.types = sorted({kind for _, kind in parts if kind})
        begins = {prefix for prefix, _ in parts} & {"B", "S", "U"}
        # Where B- says nothing or is not there, an entity begins where none of its type goes on.
        self._placed = scheme == "iob1" or not begins
        index = {kind: i for i, kind in enumerate(self.types)}
        self._matrix = np.zeros((len(labels), 1 + 2 * len(self.types)), np.float32)
        for row, (prefix, kind) in enumerate(parts):
            column = 0 if not kind else 1 + 2 * index[kind] + (prefix not in "BSU")
            self._matrix[row, column] = 1.0

    @property
    def seen(self) -> Counter[str]:
        return self._tagger.seen

    def distributions(
        self, sentences: Sequence[Sequence[str]], advance: Advance
    ) -> list[NDArray[np.float32]]:
        found = (p @ self._matrix for p in self._tagger.distributions(sentences, advance))
        return [placed(p) if self._placed else p for p in found]


def placed(probs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give ``I-`` to ``B-`` for every type that the word before is not most probably of.

    Args:
        probs: (words, 1 + 2 · types), of a tagger without a ``B-`` that begins every entity.
    """
    result = probs.copy()
    masses = np.concatenate([probs[:, :1], probs[:, 1::2] + probs[:, 2::2]], axis=1)
    kinds = masses.argmax(1) - 1
    for kind in range(masses.shape[1] - 1):
        starts = np.concatenate(([True], kinds[:-1] != kind))[: len(probs)]
        begin, inside = 1 + 2 * kind, 2 + 2 * kind
        result[starts, begin] += result[starts, inside]
        result[starts, inside] = 0.0
    return result
