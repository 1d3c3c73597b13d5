"""What the aligners that read an encoder's states share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeVar

from pipeline.models import ModelSource
from stages.align.kinds.base import AlignerKind, PairsToLearn
from stages.align.setting import EncoderOptions, Setting
from stages.machine import fastest_precision, torch_device
from stages.word_alignment.aligner import Aligner, LinkedWords

if TYPE_CHECKING:
    from stages.align.context import AlignmentContext
    from stages.align.contextual import Reader
    from stages.align.embedding_aligner import EmbeddingAligner, Extraction
    from stages.align.layers import Dtype

_WEIGHTS: Final = "learnt.safetensors"


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
        self.learns = options.center or options.fine_tune > 0
        self.fine_tunes = options.fine_tune > 0

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
        elif self.fine_tunes and options.layer == 0:
            yield "fine_tune", "layer 0 has nothing that learns; name a higher one, or leave it out"

    def named(self) -> str:
        """Return what the column ``aligner`` says."""
        raise NotImplementedError

    def extraction(self, setting: Setting) -> Extraction:
        """Return how links come from the states."""
        raise NotImplementedError

    def learn(self, pairs: PairsToLearn, setting: Setting, model: Path | None, to: Path) -> None:
        """Learn the mean states of both languages (see :meth:`AlignerKind.learn`)."""
        if self.options.center:
            assert model is not None
            self._learn_means(pairs, setting, model, to, None, self._reads(setting, model))

    def fine_tune(
        self,
        linked: Sequence[LinkedWords],
        pairs: PairsToLearn,
        setting: Setting,
        model: Path | None,
        learnt: Path,
    ) -> None:
        """Let the encoder learn links, on each half of them (:meth:`AlignerKind.fine_tune`)."""
        from stages.align.fine_tuning import HALVES, LinkedPair, fine_tune, half_of, save, updates

        assert model is not None
        reads = self._reads(setting, model)
        sides = zip(*(pair for pair, _ in linked), strict=True)
        cut = [cutter(s) for (cutter, _), s in zip(reads.sides, sides, strict=True)]
        how = self._centred(setting, learnt)
        passes = self.options.fine_tune
        for half in range(HALVES):
            others = [
                LinkedPair(source, target, links)
                for (pair, links), source, target in zip(linked, *cut, strict=True)
                if half_of(pair) != half
                and min(len(source), len(target)) > 0
                and max(len(source), len(target)) <= reads.room
            ]
            with pairs.shown("fine-tune", updates(len(others), passes), "updates") as advance:
                device = torch_device(setting.device)
                weights = fine_tune(model, reads, others, how, passes, device, advance)
            folder = learnt / f"half-{half}"
            save(weights, folder / _WEIGHTS)
            if self.options.center:
                self._learn_means(pairs, setting, model, folder, folder / _WEIGHTS, reads)

    def load(self, setting: Setting, model: Path | None, learnt: Path) -> Aligner:
        """Load the encoder up to its layer (see :meth:`AlignerKind.load`)."""
        halves = sorted(learnt.glob("half-*")) if self.fine_tunes else []
        assert model is not None
        reads = self._reads(setting, model)
        if not halves:
            return self._aligner(setting, model, self._centred(setting, learnt), None, reads)
        from stages.align.fine_tuning import Halves

        ways = [(self._centred(setting, half), half / _WEIGHTS) for half in halves]
        return Halves([self._aligner(setting, model, *way, reads) for way in ways])

    def _centred(self, setting: Setting, learnt: Path) -> Extraction:
        from stages.align.embedding_aligner import read_means

        centre = read_means(learnt) if self.options.center else None
        return replace(self.extraction(setting), centre=centre)

    def _learn_means(
        self,
        pairs: PairsToLearn,
        setting: Setting,
        model: Path,
        to: Path,
        weights: Path | None,
        reads: Reader,
    ) -> None:
        aligner = self._aligner(setting, model, self.extraction(setting), weights, reads)
        aligner.learn_means(pairs.own, pairs.extra, to)

    def _reads(self, setting: Setting, model: Path) -> Reader:
        from stages.align.contextual import reader

        return reader(model, self.options, setting, self.of_translator)

    def _aligner(
        self,
        setting: Setting,
        model: Path,
        extraction: Extraction,
        weights: Path | None,
        reads: Reader,
    ) -> EmbeddingAligner:
        from stages.align.contextual import contextual_aligner

        dtype = self.precision(setting.device)
        return contextual_aligner(self.named(), model, reads, dtype, setting, extraction, weights)
