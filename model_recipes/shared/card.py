"""Model cards: what a model was made from, how, and what it is not good for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.text_sources import TextSource

NOT_MEASURED = "Not measured yet: `python benchmarks/models/measure.py --models <folder>`."


@dataclass(frozen=True)
class Card:
    """The parts of a card that differ between models; every string is Markdown."""

    title: str
    languages: Sequence[str]
    tags: Sequence[str]
    what: str
    recipe: str
    limits: str
    quality: str = NOT_MEASURED


def write_card(
    card: Card, folder: Path, sources: Iterable[TextSource], report: dict[str, Any]
) -> Path:
    """Writes `README.md` into a model folder.

    Args:
        card: Title, recipe, quality, limits.
        folder: Of the model.
        sources: The training text; names and attributions are listed.
        report: As `saving.training_report` gives it.

    Returns:
        The path of the card.
    """
    names: dict[str, list[str]] = {}
    for source in sources:
        credit = source.attribution or "no attribution given"
        file = f"{source.path.parent.name}/{source.path.name}"
        names.setdefault(credit, [])
        if file not in names[credit]:
            names[credit].append(file)
    data = "\n".join(f"- {credit}: {', '.join(files)}" for credit, files in names.items())
    overlaps = sum(drops.get("evaluation_overlap", 0) for drops in report["dropped"].values())
    further = (
        f" These are the figures of a further training: it started from the weights of "
        f"`{report['started_from']}`."
        if report["started_from"]
        else ""
    )
    text = f"""---
language: [{", ".join(card.languages)}]
tags: [{", ".join(card.tags)}]
library_name: transformers
---

# {card.title}

{card.what}

## Data
{data}

{report["pairs"]:,} sentence pairs and {report["sentences"]:,} single sentences were trained on.
{report["held_out_pairs"]:,} pairs were held out by a hash of their English side, and {overlaps:,}
rows were removed because a sentence of theirs is in a corpus that the project measures on.

## Recipe
{card.recipe}

{report["parameters"]:,} parameters, {report["steps"]:,} steps,
{report["target_positions"]:,} predicted positions, {report["training_seconds"] / 60:.0f} minutes of
training on {report["hardware"]}. Weights are stored in fp16 and load in fp32.{further}

## Measured quality
{card.quality}

## What it is not good for
{card.limits}
"""
    path = folder / "README.md"
    path.write_text(text, encoding="utf-8")
    return path
