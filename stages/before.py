"""Keys of earlier configurations, read for one release with a warning that shows the new form."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

_log = logging.getLogger(__name__)

_RENAMED = {
    "train.label_pieces": "train.label_subwords",
    "pretrain_encoder.pieces": "pretrain_encoder.subwords",
    "pretrain_encoder.max_pieces": "pretrain_encoder.max_subwords",
    "train_translator.pieces": "train_translator.subwords",
    "train_translator.max_pieces": "train_translator.max_subwords",
}
_GONE = dict.fromkeys(
    ("align.backend", "members.backend"),
    "encoders are computed by torch, which was the quickest; left out",
)
"""Keys that no longer decide anything; those of ``members`` are an aligner's among several."""
_SECTIONS = {name.partition(".")[0] for name in (*_RENAMED, *_GONE)}


def of_before(raw: Any, above: str = "") -> Any:
    """Return ``raw`` with keys as they are now, in sections and in what arms and sweeps set."""
    if isinstance(raw, list):
        return [of_before(value, above) for value in raw]
    if not isinstance(raw, Mapping):
        return raw
    found = {}
    for key, value in raw.items():
        path = f"{above}.{key}" if above in _SECTIONS else str(key)
        if path in _GONE:
            _log.warning("%s: %s", path, _GONE[path])
            continue
        new = _RENAMED.get(path)
        if new is None:
            found[key] = of_before(value, str(key))
            continue
        _log.warning("%s: the key has a new name; write: %s: %s", path, new, json.dumps(value))
        found[new if path == key else new.partition(".")[2]] = value
    return found
