"""Cross-lingual named entity recognition, from labelled source text to a target-language tagger.

The public API, imported when first used::

    from xlner import Tagger, load_config, Runner
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_EXPORTS = {
    "ConfigError": "pipeline.errors",
    "DataError": "pipeline.errors",
    "ModelError": "pipeline.errors",
    "XlnerError": "pipeline.errors",
    "Link": "pipeline.schema",
    "Sentence": "pipeline.schema",
    "Span": "pipeline.schema",
    "load_config": "xlner.api",
    "Runner": "xlner.api",
    "Entity": "stages.tagger.word_tagger",
    "Tagger": "stages.tagger.tagger",
    "LayerFusedConfig": "stages.tagger.modeling",
    "LayerFusedForTokenClassification": "stages.tagger.modeling",
}

if TYPE_CHECKING:
    from pipeline.errors import ConfigError, DataError, ModelError, XlnerError
    from pipeline.schema import Link, Sentence, Span
    from stages.tagger.modeling import LayerFusedConfig, LayerFusedForTokenClassification
    from stages.tagger.tagger import Tagger
    from stages.tagger.word_tagger import Entity
    from xlner.api import Runner, load_config

__all__ = [
    "ConfigError",
    "DataError",
    "Entity",
    "LayerFusedConfig",
    "LayerFusedForTokenClassification",
    "Link",
    "ModelError",
    "Runner",
    "Sentence",
    "Span",
    "Tagger",
    "XlnerError",
    "__version__",
    "load_config",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _EXPORTS:
        raise AttributeError(f"module 'xlner' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)
