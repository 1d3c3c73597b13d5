"""docs/your-own-data.md names every format, and its examples are read as what they stand under."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.formats import FORMATS, detect_format
from tests.pipeline.formats.helpers import save, stream

DOCS = Path(__file__).parents[3] / "docs" / "your-own-data.md"
FORMATS_PART = DOCS.read_text(encoding="utf-8").split("## Formats\n")[1].split("\n## ")[0]
SECTIONS = {
    part.split("`")[1]: part for part in FORMATS_PART.split("\n### ")[1:] if part.startswith("`")
}
EXAMPLE = re.compile(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    (name, file, text) for name, part in SECTIONS.items() for file, text in EXAMPLE.findall(part)
]


@pytest.mark.parametrize("name", list(FORMATS))
def test_the_table_says_what_the_registry_says(name: str) -> None:
    suffixes = " ".join(f"`{s}`" for s in sorted(FORMATS[name].suffixes)) or "by content"
    about = FORMATS[name].about.replace("|", "&#124;")
    assert f"| `{name}` | {about} | {suffixes} |\n" in FORMATS_PART
    blocks = re.findall(r"```\w+\n(.*?)\n```", SECTIONS[name], re.DOTALL)
    assert blocks and all(len(block.split("\n")) == 3 for block in blocks)


def test_no_format_is_in_the_docs_alone() -> None:
    assert list(SECTIONS) == list(FORMATS)


@pytest.mark.parametrize(("name", "file", "text"), EXAMPLES, ids=lambda v: v[:20])
def test_examples_are_read_as_what_they_are(
    name: str, file: str, text: str, tmp_path: Path
) -> None:
    if name == "prodigy":  # shown on three lines, but it is one
        text = text.replace("\n", "")
    path = save(tmp_path / file, text + "\n")
    if name == "brat":
        save(tmp_path / "doc.txt", "Anna Kovac visited Bonn.")
    labelled = FORMATS[name].has_labels
    assert detect_format(path, labelled=labelled) == name
    found = stream(path, lang="en", labelled=labelled)
    spans = [(" ".join(s.words[x.start : x.end]), x.type) for s in found for x in s.spans]
    assert bool(spans) == labelled
    assert set(spans) <= {
        ("Anna Kovac", "PER"), ("Bonn", "LOC"), ("Anna,", "PER"), ("Bob", "PER")
    }  # fmt: skip
    assert not found.report.warnings


MEMORY = {
    "tmx": """<tmx version="1.4"><body><tu>
        <tuv xml:lang="en-US"><seg><bpt i="1">{b}</bpt>Anna<ept i="1">{/b}</ept> slept.</seg></tuv>
        <tuv xml:lang="de-DE"><seg>Anna <hi>schlief</hi>.<ph>{br}</ph></seg></tuv>
        </tu></body></tmx>""",
    "xliff": """<xliff xmlns="urn:oasis:names:tc:xliff:document:1.2"><trans-unit id="1">
        <source><bpt id="1">{b}</bpt>Anna<ept id="1">{/b}</ept> slept.</source>
        <target>Anna <g id="2">schlief</g>.</target></trans-unit></xliff>""",
}


@pytest.mark.parametrize("kind", MEMORY)
def test_a_translation_memory_becomes_two_texts_by_what_is_printed(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (printed,) = (
        text
        for text in re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
        if "memory.tmx" in text
    )
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "memory.tmx", MEMORY[kind])
    names: dict[str, Any] = {}
    exec(printed, names)
    for side in names["sides"].values():
        side.close()
    assert Path("en.txt").read_text("utf-8") == "Anna slept.\n"
    assert Path("de.txt").read_text("utf-8") == "Anna schlief.\n"
