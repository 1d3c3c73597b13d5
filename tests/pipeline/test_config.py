"""Configurations: overrides, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, model_validator

from pipeline.config import RunConfig, find_config, load_config, parse_config
from pipeline.errors import ConfigError
from pipeline.explain import read_as
from tests.pipeline.toy_stages import TOYS

MODEL = TOYS.config_type()


def write(folder: Path, text: str) -> str:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def load(path: str, *overrides: str) -> RunConfig:
    return load_config(path, overrides, model=MODEL)


def problems(path: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(path, *overrides)
    return error.value.problems


def test_the_name_defaults_to_that_of_the_file(tmp_path: Path) -> None:
    assert load(write(tmp_path, "languages: [de]")).name == "run"


def test_keys_with_an_underscore_hold_anchors(tmp_path: Path) -> None:
    path = write(tmp_path, "_shared: &s {offset: 9}\nalign: *s")
    assert load(path).align.offset == 9  # type: ignore[attr-defined]


def test_overrides_are_yaml_and_reach_into_sections(tmp_path: Path) -> None:
    path = write(tmp_path, "languages: [de]")
    config = load(path, "languages=[es, swa]", "align.offset=4", "data.train.path=x.txt")
    assert config.languages == ["es", "sw"]
    assert config.align.offset == 4  # type: ignore[attr-defined]
    assert config.data.train is not None
    assert config.data.train.path == "x.txt"


def test_language_codes_are_canonical_and_either_is_accepted(tmp_path: Path) -> None:
    path = write(tmp_path, "{languages: [deu, swa, yor, bam], data: {test: {swh: {path: a}}}}")
    config = load(path)
    assert config.languages == ["de", "sw", "yo", "bm"]
    assert config.data.per_language("test", "sw") is not None
    assert config.data.per_language("test", "de") is None


def test_an_unknown_key_gets_a_suggestion(tmp_path: Path) -> None:
    path = write(tmp_path, "langauges: [de]")
    (problem,) = problems(path)
    assert problem.startswith(f"{path}: unknown key 'langauges' (did you mean 'languages'?); ")


def test_an_unknown_key_in_a_section_names_what_is_allowed(tmp_path: Path) -> None:
    path = write(tmp_path, "align: {ofset: 3}")
    assert problems(path) == [
        f"{path}: unknown key 'align.ofset' (did you mean 'offset'?); "
        "allowed: batch_size, fail_at, kill_at, least, noted, offset"
    ]


def test_an_unknown_key_of_a_data_source(tmp_path: Path) -> None:
    path = write(tmp_path, "data: {test: {de: {paht: x}}}")
    found = problems(path)
    assert any("unknown key 'data.test.de.paht' (did you mean 'path'?)" in p for p in found)


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "{seed: -1, engine: rya, align: {offset: x}}")
    text = "\n".join(problems(path))
    assert "seed: Input should be greater than or equal to 0 (got -1)" in text
    assert "engine: 'rya' is not allowed (did you mean 'ray'?); allowed: local, ray" in text
    assert "align.offset: Input should be a valid integer" in text


def test_whole_sections_are_not_repeated(tmp_path: Path) -> None:
    twice = problems(write(tmp_path, "languages: [de, deu]"))[0]
    assert twice.endswith("languages: a language is named twice: de, de")

    class Section(BaseModel):
        layer: int = 0

        @model_validator(mode="after")
        def _never(self) -> Section:
            raise ValueError("layer 4 does not exist")

    with pytest.raises(ConfigError) as error:
        read_as(Section, {"layer": 4})
    assert error.value.problems == ["(top level): layer 4 does not exist"]


def test_languages_named_twice_or_unknown(tmp_path: Path) -> None:
    assert "a language is named twice" in problems(write(tmp_path, "languages: [sw, swa]"))[0]
    assert "'xx' is not a known ISO 639" in problems(write(tmp_path, "languages: [xx]"))[0]
    for code in ("mis", "mul", "und", "zxx"):
        told = problems(write(tmp_path, f"languages: [{code}]"))[0]
        assert f"languages.0: '{code}' stands for " in told
    assert "did you mean" not in problems(write(tmp_path, "languages: [xx]"))[0]
    for code, meant in (
        ("jp", "ja"),
        ("cz", "cs"),
        ("UA", "uk"),
        ("Greek", "el"),
        ("german", "de"),
    ):
        told = problems(write(tmp_path, f"languages: [{code}]"))[0]
        assert f"'{code}' is not a" in told and f"(did you mean '{meant}', " in told
    for key in ("test", "parallel", "dev"):
        twice = f"data: {{{key}: {{sw: {{path: a}}, swa: {{path: b}}}}}}"
        assert "'sw' and 'swa' are one language, 'sw'" in problems(write(tmp_path, twice))[0]


def test_names_that_are_none(tmp_path: Path) -> None:
    (told,) = problems(write(tmp_path, "name: größe 1/2"))
    assert "name: 'größe 1/2' is no name for a folder" in told
    assert told.endswith("or digit, then such and . _ -, as in 'groe-1-2'")
    (tmp_path / "mein lauf.yaml").write_text("seed: 7")
    (told,) = problems(str(tmp_path / "mein lauf.yaml"))
    assert "as in 'mein-lauf'; the file is called so: give the key name" in told
    assert load(str(tmp_path / "mein lauf.yaml"), "name=mein-lauf").name == "mein-lauf"
    system = "data: {train: {path: a}, parallel: {system: Deep L, path: b}}"
    told = problems(write(tmp_path, system))[0]
    assert "system: 'Deep L' is no name" in told and told.endswith(". _ + -, as in 'Deep-L'")


def test_seeds_named_twice(tmp_path: Path) -> None:
    assert "seeds: a seed is named twice" in problems(write(tmp_path, "seeds: [1, 2, 1]"))[0]


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan"])
def test_numbers_that_json_has_not(tmp_path: Path, number: str) -> None:
    # They would be null in fingerprints, and so the same as what is not given.
    assert "finite number" in problems(write(tmp_path, f"ray: {{wait_seconds: {number}}}"))[0]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("languages", "--set 'languages': expected key=value"),
        ("seed.x=1", "--set seed.x: 'seed' is not a section (it is 7)"),
        ("seed=[", "--set seed: the value is not valid YAML"),
        ("languages=de", "languages: a list is wanted, not 'de'; of one: [de]"),
        ("data.train=a.txt", "data.train: a mapping is wanted, not 'a.txt': {path: a.txt}"),
        ("data.test={de: a.txt}", "data.test.de: a mapping is wanted, not 'a.txt': {path: a.txt}"),
        ("labels.map=[PER]", "labels.map: a mapping is wanted, not ['PER']"),
        ("align=3", "align: a mapping is wanted, not 3"),
    ],
)
def test_bad_overrides(tmp_path: Path, override: str, message: str) -> None:
    path = write(tmp_path, "seed: 7")
    (problem,) = problems(path, override)
    assert problem.removeprefix(f"{path}: ").startswith(message)


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    assert "a configuration is a mapping, not a list" in problems(write(tmp_path, "[1, 2]"))[0]
    assert "not valid YAML" in problems(write(tmp_path, "a: [1"))[0]
    for nothing in ("", "# seed: 7", "---"):
        assert "run.yaml: is empty" in problems(write(tmp_path, nothing))[0]
    assert problems(str(tmp_path))[0].endswith("name a file of it: run.yaml")
    (tmp_path / "run.yaml").unlink()
    for name in (str(tmp_path), f"{tmp_path}/"):
        assert f"'run_pipeline init {name}' writes one" in problems(name)[0]
    told = problems(write(tmp_path, "seed: 7\ndata:\n  train: {path: a}\nseed: 8"))[0]
    assert told.endswith("'seed' is there twice, in lines 1 and 4: the first would be lost")
    told = problems(write(tmp_path, "seed: 7"), "labels.map={PER: O, PER: X}")[0]
    assert told.endswith("'PER' is there twice, in line 1: the first would be lost")
    Path(write(tmp_path, "seed: 7")).rename(tmp_path / "mine.yaml")
    with pytest.raises(ConfigError, match=r"mine\.yml \(did you mean 'mine\.yaml'\?\)"):
        find_config(str(tmp_path / "mine.yml"))
    with pytest.raises(ConfigError, match=r"config file not found: no/such\.yaml"):
        find_config("no/such.yaml")
    with pytest.raises(ConfigError, match="no config named 'defualt'"):
        find_config("defualt")


def test_translators_by_direction() -> None:
    translator = {"de": "a", "de-en": "b", "*": "{source}2{target}"}
    raw = {"name": "x", "models": {"translator": translator}}
    models = parse_config(raw, model=MODEL).models
    assert models.translator_for("en", "de", "en") == "a"
    assert models.translator_for("de", "en", "en") == "b"
    assert models.translator_for("en", "sw", "en") == "en2sw"


@pytest.mark.parametrize(
    ("key", "source", "target"),
    [
        ("swa", "en", "sw"),
        ("swh_Latn", "en", "sw"),
        ("iw", "en", "he"),
        ("no", "en", "no"),
        ("zh_TW", "en", "zh-Hant"),
        ("pt-BR", "en", "pt"),
        ("pt-PT", "en", "pt-PT"),
        ("pt-br", "pt", "br"),
        ("EN-DE", "en", "de"),
        ("eng-zho_Hant", "en", "zh-Hant"),
        ("zh-Hant-en", "zh-Hant", "en"),
        ("pt-PT-en", "pt-PT", "en"),
        ("en-pt-PT", "en", "pt-PT"),
    ],
)
def test_a_translator_is_found_by_any_code_of_its_languages(
    key: str, source: str, target: str
) -> None:
    raw = {"name": "x", "models": {"translator": {"*": "all others", key: "mine"}}}
    models = parse_config(raw, model=MODEL).models
    assert models.translator_for(source, target, "en") == "mine"
    assert models.translator_for("en", "ha", "en") == "all others"


def test_translators_of_no_language_or_of_one_twice(tmp_path: Path) -> None:
    path = write(tmp_path, "models: {translator: {german: a, '*': b}}")
    assert "'german' is neither a language" in problems(path)[0]
    path = write(tmp_path, "models: {translator: {sw: a, swa: b}}")
    assert "'sw' and 'swa' are one, 'sw'" in problems(path)[0]
