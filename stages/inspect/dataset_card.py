"""The projected training set as a folder that ``datasets.load_dataset`` opens, with its card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.disk import folder_whole
from pipeline.formats import write_parquet
from pipeline.schema import Sentence


def write_dataset(sentences: Iterable[Sentence], folder: Path) -> int:
    """Write ``train.parquet`` and ``README.md`` (the card) into ``folder``.

    Returns:
        The number of sentences written.

    Raises:
        ConfigError: If the folder holds something.
    """
    with folder_whole(folder) as new:
        rows = list(sentences)
        (new / "README.md").write_text(card(rows), encoding="utf-8")
        return write_parquet(rows, new / "train.parquet")


def card(rows: list[Sentence]) -> str:
    """Return the data set card: front matter for the hub, then what the data is and is not."""
    langs = sorted({s.lang for s in rows})
    types = Counter(span.type for s in rows for span in s.spans)
    head = front_matter(langs, [{"config_name": "default", "data_files": "train.parquet"}])
    counts = "\n".join(f"| {name} | {n:,} |" for name, n in sorted(types.items()))
    origins = ", ".join(sorted({s.origin for s in rows if s.origin})) or "unknown"
    return f"""---
{head}---

# Projected named entity labels ({", ".join(langs)})

{len(rows):,} sentences with {types.total():,} entities, made by {origins}.
Text and labels are machine-made: the sentences were translated (unless a translation was given)
and the labels projected from the source sentences along word alignments. They are silver, not
gold: train on them, do not evaluate on them.

| type | entities |
|---|---|
{counts}

Columns: `id` (that of the source sentence), `lang`, `tokens`, `ner_tags` (IOB2, a `ClassLabel`).
The licence is that of the source corpus and of the translation model; state it before you publish.
"""


def front_matter(langs: Sequence[str], configs: Sequence[Mapping[str, Any]], **more: Any) -> str:
    """Return what the hub reads at the head of a card of machine-made data, as YAML.

    Args:
        langs: The languages.
        configs: The configurations with their files.
        more: Further keys.
    """
    facts = {
        "language": list(langs),
        "task_categories": ["token-classification"],
        "task_ids": ["named-entity-recognition"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["machine-generated"],
        **more,
        "configs": list(configs),
    }
    return str(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True))
