"""The makers of synthetic target text that there are, by name; one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipeline.kinds import Kinds

if TYPE_CHECKING:
    from stages.synthesize.makers.base import MakerKind

MAKERS: Final[Kinds[type[MakerKind[Any]]]] = Kinds(
    "maker",
    "xlner.makers",
    {
        "translation": "stages.synthesize.makers.translation:Translation",
        "substitution": "stages.synthesize.makers.substitution:Substitution",
        "infilling": "stages.synthesize.makers.infilling:Infilling",
        "generation": "stages.synthesize.makers.generation:Generation",
    },
)
