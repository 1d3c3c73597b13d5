"""The layer fusions that there are, by name; one module of options each.

Their torch modules are in :mod:`stages.tagger.fusion`, which is saved beside the weights for users
without this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipeline.kinds import Kinds
from stages.tagger.layers import FUSIONS as OWN

if TYPE_CHECKING:
    from stages.train.fusions.base import FusionKind

FUSIONS: Final[Kinds[type[FusionKind[Any]]]] = Kinds(
    "fusion", "xlner.fusions", {name: f"stages.train.fusions.{name}:Fusion" for name in OWN}
)
