"""What README and docs print of commands, configs and Python is valid, and names every option."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from pipeline.resources import shipped_configs
from tests.calling import app_of
from tests.xlner.commands.test_commands import COMMANDS, ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PRINTED = [
    (page.name, language, text)
    for page in PAGES
    for language, text in re.findall(
        r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
]
MINE = """
name: mine
source: en
languages: [de]
data:
  train: {path: train.conll}
  dev: {path: dev.conll}
  test: {path: "{lang}.conll"}
  target_train: {path: "{lang}.train.conll"}
  unlabelled: {path: "{lang}.txt"}
"""
"""What a config of a reader's own has, which a printed piece goes into."""


def printed_commands() -> Iterator[tuple[str, list[str]]]:
    """Commands in blocks without a language, by page; not those that leave something out."""
    for page, language, text in PRINTED:
        for line in text.replace("\\\n", " ").splitlines() if not language else ():
            for part in re.split(r"&&|;| \| ", line):
                words = shlex.split(part, comments=True)
                whole = not any("…" in word or word.startswith("[") for word in words)
                if whole and words and words[0] in COMMANDS:
                    yield page, words


def parsers() -> dict[str, Any]:
    """What parses the words after each command."""
    from xlner.commands import manage
    from xlner.commands.run import WORDS

    functions: dict[str, Any] = {
        name: getattr(importlib.import_module(target.partition(":")[0]), name)
        for name, target in COMMANDS.items()
    }
    for word in WORDS:
        name = "list_runs" if word == "list" else word
        functions[f"run_pipeline {word}"] = getattr(manage, name)
    return {name: get_command(app_of(function)) for name, function in functions.items()}


def test_the_documentation_names_every_option() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    shared = text.partition("## All of them\n")[2].partition("\n## ")[0]
    for called, command in parsers().items():
        name = called.split()[0]
        if name in ("align_words", "project_labels"):  # those of a kind are in its table
            continue
        section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert f"`{called}" in section
        for option in command.params:
            for spelt in option.opts:
                if spelt.startswith("-"):
                    assert f"`{spelt}" in section + shared, f"{called} {spelt}"


def test_commands_are_understood_as_they_are_printed(tmp_path: Path) -> None:
    from xlner.api import load_config

    mine = tmp_path / "my.yaml"
    mine.write_text(MINE, encoding="utf-8")
    parse = parsers()
    pages = Counter()
    for page, (name, *words) in printed_commands():
        pages[page] += 1
        if words and f"{name} {words[0]}" in parse:
            name, words = f"{name} {words[0]}", words[1:]
        given = parse[name].make_context(name, words).params
        if name in ("run_pipeline", "run_stage"):
            config = given["config"] or "default"
            known = config in shipped_configs() or (ROOT / config).is_file()
            load_config(config if known else mine, given["overrides"] or ())
    assert pages["README.md"] > 10 and pages["arms.md"] > 10 and pages.total() > 50


def test_configs_are_valid_as_they_are_printed() -> None:
    from pipeline.yaml_text import parse_yaml
    from xlner.api import parse_config

    for page, language, text in PRINTED:
        if language != "yaml":
            continue
        sources = re.findall(r"^(?:train|dev|test): .*", text, re.MULTILINE)  # a source a line
        for piece in sources or [text]:
            config = parse_yaml(MINE)
            given = parse_yaml(piece)
            if "train.sources" in piece:
                given.setdefault("source", ["en", "de"])
                given.setdefault("languages", ["nl"])
            config["data"] |= given if sources else given.pop("data", {})
            config |= {} if sources else given
            parse_config(config, origin=page)


def test_python_that_is_printed_imports_what_is_there() -> None:
    found = 0
    for page, language, text in PRINTED:
        for node in ast.walk(ast.parse(text, page)) if language == "python" else ():
            if isinstance(node, ast.ImportFrom):
                for name in node.names:
                    assert hasattr(importlib.import_module(str(node.module)), name.name), page
                    found += 1
    assert found > 5
