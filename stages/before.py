"""Keys of earlier configurations, read for one release with a warning that shows the new form."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

_log = logging.getLogger(__name__)

_SWEEP = "sweep_fusion"
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


def of_before(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without keys of before: the section ``sweep_fusion`` is a ``sweep``.

    Args:
        raw: The configuration as it was written; it is not changed.
    """
    found: dict[str, Any] = _renamed(raw)
    report = found.get("report")
    if isinstance(report, dict) and "fusion_curve" in report:
        found["report"] = {k: v for k, v in report.items() if k != "fusion_curve"}
        _log.warning("report.fusion_curve: a run draws its own sweeps (docs/arms.md); left out")
    stages = found.get("stages")
    named = isinstance(stages, list) and _SWEEP in stages
    if _SWEEP not in found and not named:
        return found
    section = found.pop(_SWEEP, None) or {}
    if not named and not section:
        return found
    if named:
        rest = [s for s in stages or () if s not in (_SWEEP, "prepare")]
        found.pop("stages")
        if rest:
            found["stages"] = rest
    fusions = section.get("fusions") or ["none", "dlfa_aif"]
    arms = list(found.get("arms") or [])
    sweeps = []
    for fusion in fusions:
        if fusion == "none":
            arms = ["zero_shot", *(a for a in arms if a != "zero_shot")]
        elif fusion == "scalar_mix":  # it has no layer
            arms.append({fusion: {"like": "fused", "set": {"train.fusion": fusion}}})
        else:
            sweeps.append(
                {
                    "like": "fused",
                    "over": {"train.fusion_layer": section.get("layers") or "all"},
                    "set": {"train.fusion": fusion},
                    "name": fusion,
                }
            )
    new: dict[str, Any] = {"arms": arms} | ({"sweep": sweeps} if sweeps else {})
    if "rounds" in section:
        new["evaluate"] = {**(found.get("evaluate") or {}), "rounds": section["rounds"]}
    _log.warning(
        "%s: the stage is a key now, and its tables are in the report (docs/arms.md); write: %s",
        _SWEEP,
        "; ".join(f"{key}: {json.dumps(value)}" for key, value in new.items()),
    )
    return found | new


def _renamed(raw: Any, above: str = "") -> Any:
    """Return ``raw`` with keys as they are now, in sections and in what arms and sweeps set."""
    if isinstance(raw, list):
        return [_renamed(value, above) for value in raw]
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
            found[key] = _renamed(value, str(key))
            continue
        _log.warning("%s: the key has a new name; write: %s: %s", path, new, json.dumps(value))
        found[new if path == key else new.partition(".")[2]] = value
    return found
