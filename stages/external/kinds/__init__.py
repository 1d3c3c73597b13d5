"""The kinds of taggers from elsewhere that there are, by name; one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipeline.kinds import Kinds

if TYPE_CHECKING:
    from stages.external.kinds.base import TaggerKind

TAGGERS: Final[Kinds[type[TaggerKind[Any]]]] = Kinds(
    "tagger",
    "xlner.taggers",
    {
        "transformers": "stages.external.kinds.transformers:Transformers",
        "spacy": "stages.external.kinds.spacy:Spacy",
        "endpoint": "stages.external.kinds.endpoint:AskedTaggers",
        "gliner": "stages.external.kinds.gliner:Gliner",
    },
)
