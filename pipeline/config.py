"""Typed configuration: YAML plus ``--set`` overrides; unknown keys are errors.

A configuration has a few run-wide keys (:class:`RunConfig`) and one section per stage, named like
the stage, whose type the stage declares. ``load_config`` reads, overrides and validates; the
checks that need the whole run (missing files, a language the translator cannot produce, a layer
that does not exist) are in :meth:`pipeline.stage.Stage.check`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from pipeline.data_config import ConfigModel as ConfigModel
from pipeline.data_config import DataConfig, Language
from pipeline.data_config import DataSource as DataSource
from pipeline.errors import ConfigError, suggest
from pipeline.explain import read_as
from pipeline.languages import base, canonical_direction
from pipeline.listed import texts_of
from pipeline.resources import resolve_path, shipped_configs
from pipeline.yaml_text import parse_yaml


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) != len(seeds):
        raise ValueError("a seed is named twice")
    return seeds


Seeds = Annotated[list[int], Field(min_length=1), AfterValidator(_distinct)]
Section = TypeVar("Section", bound="StageConfig")


class StageConfig(ConfigModel):
    """Base of the typed options of one stage.

    Attributes:
        neutral: Names of options that never change the data a stage writes (workers, device-free
            batch sizes that were shown to be neutral …); they are left out of fingerprints.
        deciding: Names of options, dotted where they are in a section of their own, that only
            decide over stored scores: where nothing else has changed, stored rows are decided anew
            (:meth:`pipeline.stage.Stage.decides`).
    """

    neutral: ClassVar[frozenset[str]] = frozenset()
    deciding: ClassVar[frozenset[str]] = frozenset()

    def given(self, changing: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was given, where keys are about to get the values ``changing``."""
        return self.model_dump(exclude_unset=True)

    def identity(self) -> dict[str, Any]:
        """Return the options that decide the result, as JSON values."""
        return self.model_dump(mode="json", exclude=set(self.neutral))


class LabelsConfig(ConfigModel):
    """What the labels are called."""

    map: dict[str, str] = Field(
        default_factory=dict, description="rename labels; a label mapped to O is dropped"
    )
    types: list[str] | None = Field(
        None, description="the entity types, in order; default: those of data.train, sorted"
    )
    ignore: list[str] = Field(
        default_factory=list,
        description="types that are projected but not learnt: O in gold text; where they are "
        "projected, words that are entities elsewhere teach nothing",
    )


class ModelsConfig(ConfigModel):
    """The pre-trained models of a run: hub ids or local folders in the same format."""

    encoder: str = Field(
        "artifacts/models/encoder",
        description="the encoder of aligners and taggers: local folder or hub id",
    )
    translator: str | dict[str, str] = Field(
        "artifacts/models/translator",
        description="one translator for all directions, or a mapping: 'de' (source to de), "
        "'de-en' (de to en) …; '{source}' and '{target}' in a name stand for language codes",
    )

    @field_validator("translator")
    @classmethod
    def _directions(cls, value: str | dict[str, str]) -> str | dict[str, str]:
        """Call languages in the keys by their canonical codes, as they are looked up."""
        if isinstance(value, str):
            return value
        given: dict[str, str] = {}
        for key in value:
            direction = canonical_direction(key)
            if direction in given:
                raise ValueError(f"{given[direction]!r} and {key!r} are one, {direction!r}")
            given[direction] = key
        return {direction: value[key] for direction, key in given.items()}

    def translator_for(self, source: str, target: str, source_lang: str) -> str | None:
        """Return the translator's name for one direction, or ``None`` where none is named."""
        if isinstance(self.translator, str):
            name: str | None = self.translator
        else:
            keys = [f"{source}-{target}"] + ([target] if source == source_lang else []) + ["*"]
            name = next((self.translator[k] for k in keys if k in self.translator), None)
        if not name:
            return None
        # Not format(): a name may have other braces, and gets nothing else filled in.
        return name.replace("{source}", base(source)).replace("{target}", base(target))


class RayConfig(ConfigModel):
    """How ``engine: ray`` uses a cluster; none of it changes a result."""

    address: str | None = Field(
        None,
        description="HOST:PORT of the cluster's head, or auto: the one that runs on this machine; "
        "default: the environment variable RAY_ADDRESS, else a cluster of this machine alone, "
        "started for the run",
    )
    cpus_per_worker: float | None = Field(
        None,
        gt=0,
        description="default: 1, or less where the workers would take all processors otherwise",
    )
    gpus_per_worker: float = Field(0.0, ge=0, description="0.5: two workers share a GPU")
    cpus_per_training: float = Field(
        1.0, gt=0, description="processors that a training reserves, beside others on its node"
    )
    gpus_per_training: float = Field(
        0.0, ge=0, description="1: a GPU for each training; 0.5: two share one"
    )
    wait_seconds: float = Field(
        60.0, gt=0, description="how long to wait for the cluster to answer, and for its nodes"
    )


class RunConfig(ConfigModel):
    """The run-wide keys. The loaded configuration also has one attribute per stage section."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the run, and of its folder"
    )
    seed: int = Field(13, ge=0, description="the one seed that all randomness derives from")
    source: Language = Field(
        "en",
        description="the source language, which has labels; several: [en, de], the first of which "
        "is what translations lead back to",
        json_schema_extra={"type": ["string", "array"], "items": {"type": "string"}},
    )
    further_sources: list[Language] = Field(
        default_factory=list,
        description="the source languages after the first; written as source: [en, de]",
    )
    languages: list[Language] = Field(default_factory=list, description="the target languages")
    seeds: Seeds = Field(default=[13], description="training seeds")
    stages: list[str] | None = Field(
        None, description="stages of the run, in any order; default: all that the arms need"
    )
    repair_encoding: bool = Field(False, description="repair text encoded in UTF-8 twice")
    part_rows: int = Field(1000, ge=1, description="rows per part file of row-wise stages")
    engine: Literal["local", "ray"] = Field(
        "local",
        description="where row-wise stages run: processes of this machine, or a Ray cluster",
    )
    workers: int = Field(1, ge=1, description="processes for row-wise stages")
    jobs: int | None = Field(
        None,
        ge=1,
        description="tasks that run side by side; default: one per GPU, or as many as there are "
        "cores for the threads of a task",
    )
    threads: int | None = Field(
        None,
        ge=1,
        description="threads of one task, however many run; default: OMP_NUM_THREADS, or a quarter "
        "of the cores, at least one",
    )
    devices: int | None = Field(
        None, ge=0, description="GPUs to use, one for each task; default: all that are visible"
    )
    ray: RayConfig = Field(RayConfig(), description="how engine ray uses a cluster")
    data: DataConfig = Field(DataConfig(), description="the corpora")
    labels: LabelsConfig = Field(LabelsConfig(), description="what the labels are called")
    models: ModelsConfig = Field(ModelsConfig(), description="the pre-trained models")

    @model_validator(mode="before")
    @classmethod
    def _several_sources(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not isinstance(given := raw.get("source"), list):
            return raw
        if not given:
            raise ValueError("source: name at least one language")
        if raw.get("further_sources"):
            raise ValueError("source: a list has all of them; leave out further_sources")
        return {**raw, "source": given[0], "further_sources": given[1:]}

    @field_validator("further_sources")
    @classmethod
    def _further_sources(cls, value: list[str], info: ValidationInfo) -> list[str]:
        named = [info.data.get("source"), *value]
        if len(set(named)) != len(named):
            raise ValueError(f"a source language is named twice: {', '.join(map(str, named))}")
        return value

    @field_validator("languages")
    @classmethod
    def _languages(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError(f"a language is named twice: {', '.join(value)}")
        sources = [info.data.get("source"), *info.data.get("further_sources", ())]
        both = [code for code in value if code in sources]
        if both:
            raise ValueError(f"{', '.join(both)} is a source language too; leave it out of one")
        return value

    @property
    def sources(self) -> list[str]:
        """All source languages, in their order."""
        return [self.source, *self.further_sources]

    _config_dir: Path | None = None
    # Where it was read from: a private attribute, not a key.

    def section(self, name: str, kind: type[Section]) -> Section:
        """Return the section of stage ``name``, which is of type ``kind``."""
        value = getattr(self, name)
        if not isinstance(value, kind):  # pragma: no cover - a programming error
            raise TypeError(f"section {name!r} is a {type(value).__name__}, not {kind.__name__}")
        return value

    def path(self, text: str) -> Path:
        """Resolve a path of this configuration (see :func:`pipeline.resources.resolve_path`)."""
        return resolve_path(text, self.config_dir)

    @property
    def config_dir(self) -> Path | None:
        """The folder of the YAML file that this configuration was read from, if any."""
        return self._config_dir

    def problems(self) -> Iterable[str]:
        """Return what is wrong with keys that are each right by themselves."""
        return ()

    def with_settings(self, settings: Mapping[str, Any]) -> Self:
        """Return this configuration with some options of its stages changed.

        Args:
            settings: Values by dotted key (``train.fusion_layer``), each in the place of what is
                there, as ``--set`` puts it.

        Raises:
            ConfigError: With every problem found, each naming its key.
        """
        if not settings:
            return self
        problems: list[str] = []
        by_section: dict[str, dict[str, Any]] = {}
        for key, value in settings.items():
            name, _, rest = key.partition(".")
            if rest and isinstance(getattr(self, name, None), StageConfig):
                by_section.setdefault(name, {})[rest] = value
            else:
                problems.append(f"{key!r} is no option of a stage, such as train.batch_size")
        changed = {}
        for name, changes in by_section.items():
            section: StageConfig = getattr(self, name)
            values = section.given(changes)
            for key, value in changes.items():
                try:
                    set_key(values, key, value)
                except ConfigError as error:
                    problems.append(f"{name}.{error}")
            try:
                changed[name] = read_as(type(section), values, f"{name}.".__add__)
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(problems)
        return self.model_copy(update=changed)


def config_model(
    sections: Mapping[str, type[StageConfig]], base: type[RunConfig] | None = None
) -> type[RunConfig]:
    """Build the type of a whole configuration: the run-wide keys plus one section per stage.

    Args:
        sections: The type of each stage's section.
        base: The type of the run-wide keys; default: :class:`RunConfig`.
    """
    fields: dict[str, Any] = {
        name: (kind, Field(default_factory=kind, description=f"options of the stage {name}"))
        for name, kind in sections.items()
    }
    return create_model("Config", __base__=base or RunConfig, **fields)


def find_config(name: str) -> Path:
    """Return the path of a configuration given as a ``.yaml`` path or a shipped name.

    Raises:
        ConfigError: If there is no such file or shipped configuration.
    """
    shipped = shipped_configs()
    path = Path(name)
    if path.is_dir() and name not in shipped:
        found = sorted(p.name for p in path.glob("*.y*ml"))
        there = f"name a file of it: {', '.join(found)}" if found else ""
        raise ConfigError(
            f"{name}: is a folder, and a configuration is a file; "
            + (there or f"'run_pipeline init {shlex.quote(name)}' writes one for the files in it")
        )
    if name.endswith((".yaml", ".yml")) or "/" in name:
        if path.is_file():
            return path
        if path.parent.name == "configs" and path.stem in shipped:
            return shipped[path.stem]
        beside = path.parent.glob("*.y*ml") if path.parent.is_dir() else ()
        hint = suggest(path.name, [p.name for p in beside]) or suggest(path.stem, shipped)
        raise ConfigError(
            f"config file not found: {name}{hint}; shipped configs: {', '.join(shipped)}"
        )
    if name in shipped:
        return shipped[name]
    raise ConfigError(
        f"no config named {name!r}{suggest(name, shipped)}; "
        f"give a .yaml path or one of: {', '.join(shipped)}"
    )


def load_config(
    name: str | Path, overrides: str | Iterable[str] = (), *, model: type[RunConfig]
) -> RunConfig:
    """Read a configuration and apply ``key.sub=value`` overrides.

    Args:
        name: A ``.yaml`` path or the name of a shipped configuration.
        overrides: ``dotted.key=value``, one or several; the value is YAML.
        model: The type of the configuration (:meth:`pipeline.registry.Registry.config_type`).

    Raises:
        ConfigError: With every problem found, each naming its key.
    """
    path = find_config(str(name))
    try:
        raw = parse_yaml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if raw is None:
        raise ConfigError(
            f"{path}: is empty, or all of it is comments; 'run_pipeline init FOLDER' writes a "
            "configuration for your files, 'run_pipeline schema' prints all keys"
        )
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: a configuration is a mapping, not a {type(raw).__name__}")
    # Keys that start with an underscore hold YAML anchors and mean nothing by themselves.
    raw = {k: v for k, v in raw.items() if not str(k).startswith("_")}
    given = [overrides] if isinstance(overrides, str) else overrides
    for override in texts_of(given, "load_config: the overrides"):
        apply_override(raw, override)
    named = {"name": path.stem} | raw
    try:
        return parse_config(named, origin=str(path), model=model, folder=path.resolve().parent)
    except ConfigError as error:
        if "name" in raw:
            raise
        hint = "; the file is called so: give the key name, or rename it"
        about = f"{path}: name: "
        raise ConfigError(
            [p + hint if p.startswith(about) else p for p in error.problems]
        ) from None


def parse_config(
    raw: Mapping[str, Any],
    *,
    origin: str = "config",
    model: type[RunConfig],
    folder: Path | None = None,
) -> RunConfig:
    """Validate a mapping as a whole configuration.

    Args:
        raw: The mapping.
        origin: Where it comes from, for messages.
        model: The type of the configuration.
        folder: What paths in it are relative to, beside the working directory.

    Raises:
        ConfigError: With every problem found, each naming its key.
    """
    try:
        config = read_as(model, raw)
    except ConfigError as error:
        raise ConfigError([f"{origin}: {p}" for p in error.problems]) from None
    config._config_dir = folder
    if problems := list(config.problems()):
        raise ConfigError([f"{origin}: {p}" for p in problems])
    return config


def apply_override(
    raw: dict[str, Any], override: str, option: str = "--set", example: str = "languages='[de]'"
) -> str:
    """Set ``key.sub=value`` in a mapping, where the value is YAML, and return the key.

    Args:
        raw: The mapping.
        override: The text.
        option: What gave it, for errors.
        example: What would be right there.

    Raises:
        ConfigError: If it is not of that form.
    """
    key, sep, text = override.partition("=")
    key = key.strip()
    if not sep or not key:
        raise ConfigError(f"{option} {override!r}: expected key=value, for example {example}")
    try:
        value = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{option} {key}: the value is not valid YAML: {error}") from error
    try:
        set_key(raw, key, value)
    except ConfigError as error:
        raise ConfigError(f"{option} {error}") from None
    return key


def set_key(raw: dict[str, Any], key: str, value: Any) -> None:
    """Put a value at a dotted key of nested mappings, making those that are missing.

    Raises:
        ConfigError: If something on the way is not a mapping.
    """
    node = raw
    parts = key.split(".")
    for part in parts[:-1]:
        child = node.get(part)
        if child is None:
            child = node[part] = {}
        if not isinstance(child, dict):
            raise ConfigError(f"{key}: {part!r} is not a section (it is {child!r})")
        node = child
    node[parts[-1]] = value
