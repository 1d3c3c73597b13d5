"""Arms that a configuration makes of others: ``mine: {like: fused, set: {train.fusion_layer: 4}}``.

An own arm has all that the arm it is like has, but for what it sets. ``like`` may name another own
arm, and so on; what it sets itself goes before what it has from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from pipeline.config import ConfigModel, RunConfig, Seeds
from pipeline.errors import ConfigError, suggest
from stages.arms import ARMS, Arm, sections_of
from stages.several_sources import taken

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TAKEN = frozenset({"to_source", "unlabelled", "all"})
"""Folders that stages have beside those of the arms."""
_SHARED = frozenset({"predict.source_test"})
"""Options of an arm's stages that say what all arms are scored on."""


def flat_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by dotted key; ``{train: {fusion_layer: 4}}`` is one way to write them."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if "." not in key and isinstance(value, dict):
            found |= {f"{key}.{k}": v for k, v in value.items()}
        else:
            found[key] = value
    return found


Settings = Annotated[dict[str, Any], AfterValidator(flat_settings)]
"""Values of options by dotted key."""


class ArmConfig(ConfigModel):
    """An arm of one's own."""

    like: str = Field(description="the arm that it is like, but for what stands here")
    set: Settings = Field(
        default_factory=dict,
        description="options that this arm alone has another value of, by dotted key: "
        "{train.fusion_layer: 4}",
    )
    teachers: list[str] | None = Field(
        None, min_length=1, description="the arms that it is made from; default: those of like"
    )
    rival: str | None = Field(
        None, description="train on others' labels in the place of ours: a name of data.rivals"
    )
    seeds: Seeds | None = Field(None, description="its training seeds; default: seeds of the run")
    about: str | None = Field(None, description="a line for the report")


def arm_entries(value: object) -> object:
    """Bring ``arms`` into one form: what each arm is like by its name, ``None`` for one that ships.

    Raises:
        ValueError: If an arm is named twice.
    """
    if isinstance(value, dict):
        return value
    if not isinstance(value, list):
        raise ValueError("expected a list of arms, or a mapping")
    found: dict[str, object] = {}
    for entry in value:
        for name, own in entry.items() if isinstance(entry, dict) else [(entry, None)]:
            if not isinstance(name, str):
                raise ValueError(f"{name!r} is not the name of an arm")
            if name in found:
                raise ValueError(f"an arm is named twice: {name!r}")
            found[name] = own
    return found


OwnArms = Annotated[
    dict[str, ArmConfig | None],
    BeforeValidator(
        arm_entries,
        json_schema_input_type=list[str | dict[str, ArmConfig | None]]
        | dict[str, ArmConfig | None],
    ),
]


class ArmsConfig(RunConfig):
    """A run that names arms."""

    arms: OwnArms = Field(
        default_factory=dict,
        description="arms of the comparison: names of arms that ship, and arms of your own, "
        "{mine: {like: fused, set: {train.fusion_layer: 4}}}",
    )

    @property
    def own_arms(self) -> dict[str, ArmConfig]:
        """The arms that do not ship."""
        return {name: arm for name, arm in self.arms.items() if arm is not None}


def resolve(name: str, own: Mapping[str, ArmConfig]) -> Arm:
    """Return an arm by its name, one's own made of what it is like.

    Raises:
        ConfigError: If it is like an arm that there is not, or like itself by way of others.
    """
    path = [name]
    while path[-1] in own:
        path.append(own[path[-1]].like)
        if path[-1] in path[:-1]:
            raise ConfigError(f"arms.{name}.like leads back to itself: {' → '.join(path)}")
    if path[-1] not in ARMS:
        key = f"arms.{path[-2]}.like" if len(path) > 1 else "arms"
        known = [*ARMS, *own]
        raise ConfigError(
            f"{key}: unknown arm {path[-1]!r}{suggest(path[-1], known)}; allowed: "
            f"{', '.join(known)}"
        )
    arm = ARMS[path[-1]]
    for step in reversed(path[:-1]):
        arm = derive(arm, own[step])
    return arm


def derive(arm: Arm, config: ArmConfig) -> Arm:
    """Return an arm like another."""
    changes = [f"{k} {short(v)}" for k, v in config.set.items()]
    if config.teachers is not None:
        changes.append(f"taught by {config.teachers}")
    if config.rival is not None:
        changes.append(f"labels of {config.rival}")
    return replace(
        arm,
        settings={**arm.settings, **config.set},
        teachers=arm.teachers if config.teachers is None else tuple(config.teachers),
        seeds=arm.seeds if config.seeds is None else tuple(config.seeds),
        rival=config.rival or arm.rival,
        about=config.about or f"{arm.about}{'; ' if changes else ''}{', '.join(changes)}",
    )


def short(value: Any) -> str:
    """Return a value as it is written in YAML, in one line."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {short(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(short, value)) + "]"
    return str(value)


def check_arms(config: ArmsConfig) -> Iterator[str]:
    """Yield what is wrong with the arms of a configuration."""
    yield from _check_names(config)
    for name in config.arms:
        key = f"arms.{name}" if name in config.own_arms else "arms"
        try:
            arm = resolve(name, config.own_arms)
        except ConfigError as error:
            yield from error.problems
            continue
        if name in config.own_arms:
            yield from _check_teachers(key, name, arm, config.own_arms)
            yield from _check_rival(config, f"{key}.rival", arm)
            yield from check_settings(config, f"{key}.set", arm)


def _check_names(config: ArmsConfig) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name in config.arms:
        same = seen.setdefault(name.casefold(), name)
        if same != name:  # one folder, on some disks
            yield f"arms: {same!r} and {name!r} differ in their case alone; call one otherwise"
    for name in config.own_arms:
        if name in ARMS:
            yield f"arms.{name}: this is the name of an arm that ships; give yours another"
        elif not _NAME.fullmatch(name):
            yield f"arms: {name!r} cannot be a folder; use letters, digits, '.', '_' and '-'"
        elif (
            name in (*_TAKEN, *config.sources, *config.languages)
            or name.startswith("seed-")
            or taken(name)
        ):
            yield f"arms: {name!r} is the name of another folder of a run; call the arm otherwise"


def _check_teachers(key: str, name: str, arm: Arm, own: Mapping[str, ArmConfig]) -> Iterator[str]:
    taught = [name]
    for teacher in taught:
        try:
            found = resolve(teacher, own).teachers
        except ConfigError as error:
            yield from (f"{key}.teachers: {p}" for p in error.problems)
            return
        if name in found:
            yield f"{key}.teachers: {name!r} would be its own teacher"
            return
        taught += [t for t in found if t not in taught]
    kinds = [resolve(t, own).kind for t in arm.teachers]
    if arm.kind in ("train", "external") and arm.teachers:
        yield f"{key}.teachers: an arm of this kind has no teachers; like self_trained has"
    elif arm.kind == "translate_test" and len(kinds) != 1:
        yield f"{key}.teachers: one tagger labels the translations, not {len(kinds)}"
    elif arm.kind == "ensemble" and kinds.count("translate_test") != 1:
        yield f"{key}.teachers: one of the members must go by translation, as translate_test does"
    if arm.kind in ("self_train", "translate_test"):
        for teacher, kind in zip(arm.teachers, kinds, strict=True):
            if kind not in ("train", "self_train", "external"):
                yield f"{key}.teachers: {teacher!r} has no tagger of its own that could teach"


def _check_rival(config: RunConfig, key: str, arm: Arm) -> Iterator[str]:
    if arm.rival is None:
        return
    known = list(config.data.rivals)
    if "projected" not in arm.data:
        yield f"{key}: this arm trains on no projected labels that others' could replace"
    elif arm.rival not in known:
        allowed = ", ".join(known) or "data.rivals names none"
        yield f"{key}: unknown rival {arm.rival!r}{suggest(arm.rival, known)}; allowed: {allowed}"
    else:
        for lang in config.languages:
            if arm.rival not in config.data.translations("rivals", lang):
                yield f"{key}: data.rivals.{arm.rival} has no labels for {lang!r}"


def _fusion_keys(config: RunConfig) -> set[str]:
    kinds = getattr(type(getattr(config, "train", None)), "kinds", {}).get("fusion", {})
    options = (k for kind in kinds.values() for k in kind.Options.model_fields)
    return {f"train.{key}" for key in ("fusion", *options)}


def check_settings(config: ArmsConfig, key: str, arm: Arm) -> Iterator[str]:
    """Yield what is wrong with the settings of an arm of one's own.

    Args:
        config: The configuration.
        key: Where they stand.
        arm: The arm.
    """
    allowed = sections_of(arm)
    fitting: dict[str, Any] = {}
    for name, value in arm.settings.items():
        section = name.partition(".")[0]
        if section not in allowed or name in _SHARED:
            meant = "" if hasattr(config, section) else suggest(section, allowed)
            yield (
                f"{key}: {name!r} is not for one arm alone{meant}; this arm "
                f"may set options of {', '.join(allowed)}; set it once for the whole run"
            )
        elif not arm.fused and name in _fusion_keys(config):
            yield (
                f"{key}: {name!r} does nothing for an arm with the last layer alone; make it like "
                "one that fuses layers (fused, projected_fused, self_trained …)"
            )
        else:
            fitting[name] = value
    try:
        config.with_settings(fitting)
    except ConfigError as error:
        yield from (f"{key}: {p}" for p in error.problems)
