"""The table of formats: what ships, what others add, and how a file finds its format."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from pipeline import kinds
from pipeline.config import DataSource, RunConfig, parse_config
from pipeline.errors import ConfigError
from pipeline.formats import FORMATS, Format, detect_format
from tests.pipeline.formats.helpers import brief, save, stream
from tests.toy_package.xlner_toys import Shouted


@pytest.fixture
def another_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType("another_package")
    module.Shouted = Shouted  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "another_package", module)
    point = EntryPoint("shouted", "another_package:Shouted", "xlner.formats")
    monkeypatch.setattr(kinds, "entry_points", lambda group: [point])
    FORMATS.__dict__.pop("_others", None)
    yield
    FORMATS.__dict__.pop("_others", None)
    FORMATS._loaded.pop("shouted", None)


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_keeps_the_contract(name: str) -> None:
    kind = FORMATS[name]
    assert issubclass(kind, Format)
    assert kind.about and "\n" not in kind.about
    assert all(s.startswith(".") and s == s.lower() for s in kind.suffixes)


def test_a_format_of_another_package(another_package: None, tmp_path: Path) -> None:
    path = save(tmp_path / "a.shout", "ANNA slept\n")
    assert detect_format(path) == "shouted"
    assert brief(stream(path)) == [(["ANNA", "slept"], [(0, 1, "NAME")])]
    other = save(tmp_path / "b.txt", "ANNA slept\n")
    assert brief(stream(other, format="shouted")) == brief(stream(path))
    with pytest.raises(ConfigError, match="did you mean 'shouted'.*allowed: auto, .*shouted"):
        parse_config(
            {"name": "a", "data": {"train": {"path": "x", "format": "shout"}}}, model=RunConfig
        )


def test_an_unknown_format_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(
            {"name": "a", "data": {"train": {"path": "x", "format": "jsnl"}}}, model=RunConfig
        )
    assert "data.train.format: not a format (did you mean 'jsonl'?); " in str(error.value)
    assert all(name in str(error.value) for name in FORMATS)
    assert DataSource(format="conll").format == "conll"
