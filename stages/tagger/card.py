"""The model card (README.md) that is written beside a saved tagger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MARK = "<!-- Written by xlner. Without this line, the next upload leaves this card as it is. -->"
"""Tells a card of ours from one that its owner has taken over."""

_TAGS = ("named-entity-recognition", "cross-lingual", "layer-fusion")


def model_card(config: Mapping[str, Any], tags: Sequence[str] = ()) -> str:
    """Return the text of the card for a tagger's configuration.

    Args:
        config: ``LayerFusedConfig.to_dict()``; ``provenance`` may hold ``name``, ``arm``,
            ``about``, ``encoder``, ``languages``, ``source``, ``data`` and ``scores`` (mappings),
            ``training`` (a mapping of options) and ``notes`` (a list).
        tags: For the hub, beside our own.
    """
    facts: Mapping[str, Any] = config.get("provenance") or {}
    labels = list((config.get("id2label") or {}).values())
    types = sorted({label[2:] for label in labels if label[1:2] == "-"})
    languages = list(facts.get("languages") or [])
    lines = ["---", "library_name: transformers", "pipeline_tag: token-classification"]
    if languages:
        lines += ["language:", *(f"- {code}" for code in languages)]
    lines += ["tags:", *(f"- {tag}" for tag in dict.fromkeys((*_TAGS, *tags)))]
    encoder = str(facts.get("encoder") or "")
    if "/" in encoder:  # a hub id: a local folder is told by its name
        lines.append(f"base_model: {encoder}")
    lines += ["metrics:", "- f1", "---", "", MARK, ""]
    lines += [f"# {facts.get('name') or 'Layer-fused tagger'}", ""]
    lines.append(
        f"Named-entity tagger for {', '.join(languages) or 'any language of its encoder'}; types: "
        f"{', '.join(types) or 'none'}."
    )
    if facts.get("about"):
        lines.append(f"Arm `{facts.get('arm')}`: {facts['about']}.")
    lines += ["", "## Model", ""]
    lines.append(f"- encoder: {encoder or 'see config.json'}")
    lines.append(f"- fusion: `{config.get('fusion')}`" + _fusion_detail(config))
    lines.append(f"- labels on the {config.get('label_subwords')} subword(s) of a word")
    for title, key in (("Data", "data"), ("Training", "training"), ("Scores", "scores")):
        values = facts.get(key)
        if values:
            lines += ["", f"## {title}", "", "| | |", "|---|---|"]
            lines += [f"| {k} | {_value(v)} |" for k, v in values.items()]
    lines += ["", "## Use", "", "```python"]
    lines += [
        "from xlner import Tagger",
        'Tagger.from_pretrained("this/folder").predict(["A sentence."])',
        "",
        "# or, with transformers alone (the code of the model is in this folder):",
        "from transformers import pipeline",
        'pipeline("token-classification", "this/folder", trust_remote_code=True,',
        '         aggregation_strategy="first")',
        "```",
        "",
    ]
    for note in facts.get("notes") or []:
        lines += [note, ""]
    return "\n".join(lines)


def _fusion_detail(config: Mapping[str, Any]) -> str:
    kind = config.get("fusion")
    if kind in ("dlfa_aif", "dlfa_sum", "concat"):
        text = f" of the last layer with layer {config.get('fusion_layer')}"
        return text + (f" (width ratio {config.get('aif_ratio')})" if kind == "dlfa_aif" else "")
    return ""


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
