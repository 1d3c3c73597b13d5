"""``eflomal``: the optional package (Östling and Tiedemann 2016)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pipeline.kinded import NoOptions
from pipeline.models import ModelSource
from stages.align.context import AlignmentContext
from stages.align.kinds.base import AlignerKind, PairsToLearn
from stages.align.setting import Setting
from stages.word_alignment.aligner import Aligner


def eflomal_installed() -> bool:
    """Whether the optional package is there (nothing is imported)."""
    return importlib.util.find_spec("eflomal") is not None


class Eflomal(AlignerKind[NoOptions]):
    """The aligner of :mod:`stages.align.eflomal_aligner`."""

    about: ClassVar[str] = "the package eflomal (GPL, to be installed), on several granularities"
    learns = True

    def problems(
        self, model: ModelSource | None, context: AlignmentContext, device: str
    ) -> Iterator[tuple[str, str]]:
        """Yield that it is not installed."""
        if not eflomal_installed():
            yield (
                "aligner",
                "eflomal is not installed; install it (pip install eflomal), or use 'statistical', "
                "which needs no extra package",
            )

    def learn(self, pairs: PairsToLearn, setting: Setting, model: Path | None, to: Path) -> None:
        """Run it (see :meth:`AlignerKind.learn`)."""
        from stages.align.eflomal_aligner import EflomalAligner
        from stages.word_alignment.statistical.spelling import GRANULARITIES

        with pairs.shown("learn eflomal", len(GRANULARITIES), "runs") as told:
            EflomalAligner.fit(pairs.own, pairs.extra, to, told)

    def load(self, setting: Setting, model: Path | None, learnt: Path) -> Aligner:
        """Read the links."""
        from stages.align.eflomal_aligner import EflomalAligner

        return EflomalAligner.load(learnt, floor=setting.floor)
