"""What a layer fusion says of itself.

A new fusion is a module with a subclass of :class:`FusionKind`. In another package, named by an
entry point of the group ``xlner.fusions``, it brings its torch module: taggers with it can be
loaded wherever that package is installed. One that ships has its module in
:mod:`stages.tagger.fusion`, and its name in :data:`stages.tagger.layers.FUSIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.kinded import Kind, O_co
from stages.tagger.layers import FUSIONS as OWN

if TYPE_CHECKING:
    from torch import nn


class LayerOptions(ConfigModel):
    """Which lower layer."""

    fusion_layer: int = Field(
        -3,
        description="the lower layer that is fused with the last: 0 is the embeddings, k the k-th "
        "layer; negative from the end, -1 being the last layer",
    )


class FusionKind(Kind[O_co]):
    """A fusion with its options."""

    @property
    def layer(self) -> int | None:
        """The one lower layer that it reads, if it is one."""
        found: int | None = getattr(self.options, "fusion_layer", None)
        return found

    def head(self, name: str) -> dict[str, Any]:
        """Return the fields of ``LayerFusedConfig`` for it."""
        options = self.options.model_dump(mode="json")
        return {"fusion": name} | (options if name in OWN else {"fusion_options": options})

    @classmethod
    def module(cls, width: int, depth: int, options: Mapping[str, Any]) -> nn.Module:
        """Build the torch module; only of fusions that do not ship.

        It is called like :class:`stages.tagger.fusion.LayerFusion`, and has its attributes
        ``needs_layers`` and ``lower`` and its method ``reset_module``.

        Args:
            width: The encoder's width.
            depth: Its number of layers.
            options: The options, as JSON values.
        """
        raise NotImplementedError(f"{cls.__name__} brings no module")
