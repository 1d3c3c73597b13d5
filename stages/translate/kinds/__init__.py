"""The translators that there are, by name; one module each (see :mod:`.base`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipeline.kinds import Kinds

if TYPE_CHECKING:
    from stages.translate.kinds.base import TranslatorKind

TRANSLATORS: Final[Kinds[type[TranslatorKind[Any]]]] = Kinds(
    "translator",
    "xlner.translators",
    {
        "auto": "stages.translate.kinds.auto:AutoTranslator",
        "ctranslate2": "stages.translate.kinds.ctranslate:CTranslate2",
        "bergamot": "stages.translate.kinds.bergamot:Bergamot",
        "endpoint": "stages.translate.kinds.endpoint:EndpointTranslators",
    },
)
