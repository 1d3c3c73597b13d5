"""All kinds that there are: of formats, aligners, projection methods …, from their registries."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.kinds import Kinds

REGISTRIES: Final[Mapping[str, str]] = {
    "formats": "pipeline.format_table:FORMATS",
    "translators": "stages.translate.kinds:TRANSLATORS",
    "aligners": "stages.align.kinds:ALIGNERS",
    "projectors": "stages.project.methods:METHODS",
    "taggers": "stages.external.kinds:TAGGERS",
    "filters": "stages.project.filters:FILTERS",
    "makers": "stages.synthesize.makers:MAKERS",
    "fusions": "stages.train.fusions:FUSIONS",
    "metrics": "stages.evaluate.metrics:METRICS",
}
"""Where the kinds of each sort are, by the last part of the name of their entry points."""


def registry(sort: str) -> Kinds[Any]:
    """Return the kinds of one sort."""
    module, _, name = REGISTRIES[sort].partition(":")
    found: Kinds[Any] = getattr(importlib.import_module(module), name)
    return found


def kinds(sort: str) -> Iterator[dict[str, Any]]:
    """Yield what is known of each kind of a sort: name, one line, its options by name."""
    table = registry(sort)
    for name, kind in table.items():
        fields = getattr(getattr(kind, "Options", None), "model_fields", {})
        options = {key: str(field.description or "") for key, field in fields.items()}
        yield {"name": name, "about": kind.about, "options": options}


def table(sort: str) -> str:
    """Return the kinds of one sort as a table in Markdown."""
    rows = list(kinds(sort))
    with_options = any(row["options"] for row in rows)
    head = [registry(sort).noun, "what it does", *(["options"] if with_options else [])]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [f"`{row['name']}`", row["about"]]
        if with_options:
            cells.append(", ".join(f"`{key}`" for key in row["options"]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


_BLOCK = re.compile(r"(<!-- kinds: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """Return a page with its tables of kinds as they are to be."""
    return _BLOCK.sub(lambda m: f"{m[1]}{table(m[2])}\n{m[3]}", text)


def main(pages: list[str]) -> None:
    """Write the tables of kinds into pages: ``python -m xlner.kinds docs/*.md``."""
    for page in map(Path, pages):
        text = page.read_text(encoding="utf-8")
        if with_tables(text) != text:
            page.write_text(with_tables(text), encoding="utf-8")
            print(page)


if __name__ == "__main__":
    main(sys.argv[1:])
