"""``statistical``: learns from the sentence pairs alone; no model."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pipeline.kinded import NoOptions
from stages.align.kinds.base import AlignerKind, PairsToLearn
from stages.align.setting import Setting
from stages.word_alignment.aligner import Aligner


class Statistical(AlignerKind[NoOptions]):
    """The aligner of :mod:`stages.word_alignment.statistical`."""

    about: ClassVar[str] = (
        "learns from the sentence pairs themselves (and align.parallel); no model"
    )
    learns = True

    def learn(self, pairs: PairsToLearn, setting: Setting, model: Path | None, to: Path) -> None:
        """Learn (see :meth:`AlignerKind.learn`)."""
        from stages.word_alignment.statistical.aligner import ROUNDS, StatisticalAligner

        with pairs.shown("learn statistical", ROUNDS, "rounds") as told:
            found = StatisticalAligner.fit(
                pairs.own, pairs.extra, hints=pairs.hints, floor=setting.kept, advance=told
            )
        found.save(to)

    def load(self, setting: Setting, model: Path | None, learnt: Path) -> Aligner:
        """Read what was learnt."""
        from stages.word_alignment.statistical.aligner import StatisticalAligner

        return StatisticalAligner.load(learnt, floor=setting.floor)
