"""simalign 0.4 itself, for comparison."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final, Literal

from pipeline.models import ModelSource, read_config
from pipeline.schema import Link
from pipeline.task import Advance
from stages.align.context import AlignmentContext
from stages.align.kinds.base import AlignerKind
from stages.align.kinds.simalign import MethodOptions
from stages.align.setting import LayerOptions, Setting
from stages.machine import torch_device
from stages.word_alignment.aligner import Aligner, WordPair

_NAMES: Final = {
    "inter": ("a", "inter"),
    "itermax": ("i", "itermax"),
    "match": ("m", "mwmf"),
    "forward": ("f", "fwd"),
    "reverse": ("r", "rev"),
}


class SimAlignReference(Aligner):
    """The simalign package, one pair at a time.

    simalign gives no probabilities: every link has 1. It cuts sentences at the model's limit and
    fails on a word without subwords with token type ``word``; this backend leaves that as it is,
    except that pairs with an empty side, which it cannot take, are unaligned.

    Args:
        folder: The encoder.
        layer: The layer.
        method: As in :data:`stages.align.matching.METHODS`.
        token_type: ``bpe`` or ``word``.
        distortion: Damping of links far from the diagonal.
        device: A torch device.
    """

    def __init__(
        self,
        folder: Path,
        layer: int,
        method: str,
        token_type: str = "bpe",
        distortion: float = 0.0,
        device: str = "cpu",
    ) -> None:
        self.name = f"simalign_reference-{method}"
        import simalign

        # On import it gives its logger a handler of its own and the level DEBUG.
        logger = logging.getLogger("simalign.simalign")
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        logger.setLevel(logging.WARNING)
        letter, self._key = _NAMES[method]
        self._aligner = simalign.SentenceAligner(
            model=str(folder),
            token_type=token_type,
            distortion=distortion,
            matching_methods=letter,
            device=device,
            layer=layer,
        )

    def _align(self, pairs: Sequence[WordPair], advance: Advance) -> list[list[Link]]:
        """Align sentence pairs (see :meth:`Aligner.align`)."""
        tokenize = self._aligner.embed_loader.tokenizer.tokenize
        links = []
        for pair in pairs:
            # The package fails on a side without any subword: words that cannot be seen have none.
            seen = all(any(tokenize(word) for word in side) for side in pair)
            found = self._aligner.get_word_aligns(*pair)[self._key] if seen else ()
            links.append([Link(int(i), int(j), 1.0) for i, j in found])
            advance(1)
        return links


class ReferenceOptions(MethodOptions, LayerOptions):
    """Options of ``simalign_reference``."""


class Reference(AlignerKind[ReferenceOptions]):
    """The package simalign, for comparison."""

    about: ClassVar[str] = "the package simalign itself, pair by pair, for comparison"
    needs: ClassVar[Literal["encoder", "translator"]] = "encoder"

    def problems(
        self, model: ModelSource | None, context: AlignmentContext, device: str
    ) -> Iterator[tuple[str, str]]:
        """Yield a layer that does not exist."""
        from stages.align.layers import layer_problem

        if model is not None and model.config is not None:
            problem = layer_problem(self.options.layer, model.config, model.name)
            if problem:
                yield "layer", problem

    def load(self, setting: Setting, model: Path | None, learnt: Path) -> Aligner:
        """Load the encoder."""
        from stages.align.layers import layer_to_read

        assert model is not None
        options = self.options
        layer = layer_to_read(options.layer, read_config(model), str(model))
        device = torch_device(setting.device)
        return SimAlignReference(
            model, layer, options.method, options.token_type, options.distortion, device
        )
