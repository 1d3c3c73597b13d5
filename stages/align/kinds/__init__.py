"""The aligners that there are, by name; one module each (see :mod:`stages.align.kinds.base`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipeline.kinds import Kinds

if TYPE_CHECKING:
    from stages.align.kinds.base import AlignerKind
    from stages.align.kinds.member import Choice

ALIGNERS: Final[Kinds[type[AlignerKind[Any] | Choice[Any]]]] = Kinds(
    "aligner",
    "xlner.aligners",
    {
        "auto": "stages.align.kinds.auto:AutoAligner",
        "simalign": "stages.align.kinds.simalign:SimAlign",
        "softmax": "stages.align.kinds.softmax:Softmax",
        "translator": "stages.align.kinds.translator:TranslatorStates",
        "statistical": "stages.align.kinds.statistical:Statistical",
        "eflomal": "stages.align.kinds.eflomal:Eflomal",
        "back_translation": "stages.align.kinds.back_translation:BackTranslation",
        "simalign_reference": "stages.align.kinds.simalign_reference:Reference",
        "ensemble": "stages.align.kinds.ensemble:EnsembleOfAligners",
    },
)
