"""What the aligners that read an encoder's states share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from stages.align.kinds.base import AlignerKind, PairsToLearn
from stages.align.setting import EncoderOptions, Setting
from stages.machine import fastest_precision
from stages.word_alignment.aligner import Aligner

if TYPE_CHECKING:
    from pipeline.models import ModelSource
    from stages.align.context import AlignmentContext
    from stages.align.embedding_aligner import EmbeddingAligner, Extraction, Means
    from stages.align.layers import Dtype


E = TypeVar("E", bound=EncoderOptions, covariant=True)


class EncoderKind(AlignerKind[E]):
    """An aligner whose links come from the states of an encoder's layer.

    Attributes:
        of_translator: Whether the encoder is a translator's.
    """

    needs: ClassVar[Literal["encoder", "translator"]] = "encoder"
    of_translator: ClassVar[bool] = False

    def __init__(self, options: E) -> None:
        super().__init__(options)
        # Means are learnt, so that what is taken off does not depend on how pairs are batched.
        self.learns = options.center

    def precision(self, device: str) -> Dtype:
        """Return the precision that its encoder is computed in on a device."""
        given = self.options.dtype
        return fastest_precision(device) if given == "auto" else given

    def problems(
        self, model: ModelSource | None, context: AlignmentContext, device: str
    ) -> Iterator[tuple[str, str]]:
        """Yield a layer that does not exist, and a precision that the device has not."""
        from stages.align.layers import layer_problem

        options = self.options
        if options.dtype == "int8" and device == "cuda":
            yield "dtype", "int8 runs on the CPU only; allowed on cuda: float32, bfloat16"
        if model is None or model.config is None:
            return
        problem = layer_problem(options.layer, model.config, model.name)
        if problem:
            yield "layer", problem

    def named(self) -> str:
        """Return what the column ``aligner`` says."""
        raise NotImplementedError

    def extraction(self, setting: Setting) -> Extraction:
        """Return how links come from the states."""
        raise NotImplementedError

    def learn(self, pairs: PairsToLearn, setting: Setting, model: Path | None, to: Path) -> None:
        """Learn the mean states of both languages (see :meth:`AlignerKind.learn`)."""
        from stages.align.centring import learn_means

        learn_means(self._aligner(setting, model, None), pairs.own, pairs.extra, to)

    def load(self, setting: Setting, model: Path | None, learnt: Path) -> Aligner:
        """Load the encoder up to its layer (see :meth:`AlignerKind.load`)."""
        from stages.align.centring import read_means

        return self._aligner(setting, model, read_means(learnt) if self.options.center else None)

    def _aligner(
        self, setting: Setting, model: Path | None, centre: Means | None
    ) -> EmbeddingAligner:
        from stages.align.contextual import contextual_aligner

        assert model is not None
        marks = self.options.space_marks
        return contextual_aligner(
            self.named(),
            model,
            self.options,
            self.precision(setting.device),
            setting,
            replace(self.extraction(setting), centre=centre, marks=marks),
            of_translator=self.of_translator,
        )
