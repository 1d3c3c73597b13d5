"""Configurations that somebody else wrote: plain values, bounded, and no way out of the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import ModelsConfig
from pipeline.errors import ConfigError, DamagedError
from pipeline.manifest import MANIFEST, Manifest, PartInfo, read_manifest
from pipeline.stage import Ref
from pipeline.yaml_text import parse_yaml
from tests.fuzz.junk import ODD, fuzzed, odd_text
from xlner.api import load_config, parse_config

BOMB = 'a: &a ["x","x","x","x","x","x","x","x","x"]\n' + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_aliases_of_aliases_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(BOMB, encoding="utf-8")
    with pytest.raises(ConfigError, match="more than 100,000 values"):
        load_config(str(path))
    path.write_text("languages: &a [de, *a]", encoding="utf-8")
    with pytest.raises(ConfigError, match="contains itself"):
        load_config(str(path))
    # Aliases that stand for little are what they are for.
    assert parse_yaml("a: &x {k: 1}\nb: *x\nc: {<<: *x, l: 2}") == {
        "a": {"k": 1},
        "b": {"k": 1},
        "c": {"k": 1, "l": 2},
    }


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:pathlib.Path.touch [{place}]",
        "!!python/object/new:os.system [touch {place}]",
        "!!python/name:os.system",
        "!!python/module:os",
        "!run x",
    ],
)
def test_tags_make_nothing(tag: str, tmp_path: Path) -> None:
    place = tmp_path / "sprung"
    path = tmp_path / "c.yaml"
    path.write_text(f"seed: {tag.format(place=place)}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(str(path))
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config("sample_projection", [f"seed={tag.format(place=place)}"])
    assert not place.exists()


YAML = [": ", "\n", "- ", "&a ", "*a ", "<<: ", "2024-13-45", "!!int x", "? ", "[", "{", "name"]
DEEP = "[" * 5_000


@fuzzed
@given(st.lists(odd_text | st.sampled_from(YAML), max_size=12))
def test_any_text_is_a_value_or_an_error(pieces: list[str]) -> None:
    try:
        parse_yaml("".join(pieces))
    except ValueError as error:
        assert str(error)


def test_deep_nesting_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(DEEP, encoding="utf-8")
    with pytest.raises(ConfigError, match="nested too deeply"):
        load_config(str(path))


OUT = [
    "../x",
    "..",
    ".",
    "",
    "/etc",
    "a/../../x",
    "x\0",
    "a/b",
    "~",
    "x\n",
    "..\\x",
    "\x1b[2J",
    " x",
]


@pytest.mark.parametrize("bad", OUT)
@pytest.mark.parametrize("key", ["name", "languages", "source", "arms", "test", "stages"])
def test_names_that_would_be_folders(key: str, bad: str) -> None:
    raw: dict[str, Any] = {"name": "x"}
    if key == "test":
        raw["data"] = {"test": {bad: {"path": "x"}}}
    else:
        raw[key] = bad if key in ("name", "source") else [bad]
    if key == "stages":
        from stages.registry import STAGES

        with pytest.raises(ConfigError):
            STAGES.require(parse_config(raw).stages[0])  # type: ignore[index]
        return
    with pytest.raises(ConfigError):
        parse_config(raw)


@pytest.mark.parametrize("bad", [b for b in OUT if b not in ("~", " x", "a/b")])
def test_no_output_lies_outside_of_its_run(bad: str) -> None:
    for stage, unit in (("train", bad), (bad, "de"), ("train", f"de/{bad}"), ("train", f"{bad}/x")):
        with pytest.raises(ValueError, match="cannot be a folder"):
            Ref(stage, unit)
    assert str(Ref("predict", "translate_train/seed-13/test/de")).endswith("test/de")


@fuzzed
@given(
    st.lists(st.sampled_from(["..", ".", "/", "a", "\\", "\0", *ODD[:20]]) | odd_text, max_size=6)
)
def test_whatever_a_unit_is_called_it_stays_inside(steps: list[str]) -> None:
    unit = "".join(steps)
    try:
        ref = Ref("predict", unit)
    except ValueError:
        return
    base = Path("/runs/x")
    place = Path(*[p for p in (base / ref.stage / ref.unit).parts if p != "."])
    assert base / "predict" in place.parents and ".." not in place.parts


@pytest.mark.parametrize("bad", ["../x", "/etc/passwd", "a/../../x", "", "x\0", "..\\x"])
def test_a_manifest_names_files_of_its_folder_only(bad: str, tmp_path: Path) -> None:
    good: dict[str, Any] = {
        "stage": "train", "unit": "de", "kind": "model", "fingerprint": "f", "identity": {},
        "seed": 1, "started": "2026-01-01T00:00:00", "finished": "2026-01-01T00:00:00",
        "seconds": 1,
    }  # fmt: skip
    (tmp_path / MANIFEST).write_text(Manifest(**good, files={"a/b": "x"}).model_dump_json())
    assert read_manifest(tmp_path).files == {"a/b": "x"}
    part = PartInfo(name="part-0.parquet", rows=1, sha256="x").model_dump() | {"name": bad}
    for change in ({"files": {bad: "x"}}, {"sizes": {bad: 1}}, {"parts": [part]}):
        text = json.loads(Manifest(**good).model_dump_json()) | change
        (tmp_path / MANIFEST).write_text(json.dumps(text), encoding="utf-8")
        with pytest.raises(DamagedError, match="not a file inside"):
            read_manifest(tmp_path)


def test_braces_in_the_name_of_a_translator_look_nothing_up() -> None:
    name = "m-{source}-{target}-{source.__class__.__mro__}-{0}"
    found = ModelsConfig(translator=name).translator_for("en", "de", "en")
    assert found == "m-en-de-{source.__class__.__mro__}-{0}"
