"""Sweeps: one arm per value of an option, compared with each other and with a baseline.

``sweep: {like: fused, over: {train.fusion_layer: all, seed: [1, 2, 3]}}`` makes the arms
``fused-fusion_layer-0``, ``fused-fusion_layer-1`` …, each trained with the three seeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, field_validator

from pipeline.config import ConfigModel
from pipeline.errors import ConfigError, ModelError, suggest
from pipeline.models import locate
from stages.arms import LIKE_AGAINST_LIKE, Arm
from stages.own_arms import ArmsConfig, Settings, check_settings, resolve, short
from stages.tagger.layers import depth_of, resolve_fusion_layer

SEED: Final = "seed"
LAYER: Final = "train.fusion_layer"
GOLD: Final = "train.gold_sentences"
_LONGEST = 60  # characters of an arm's name


class SweepConfig(ConfigModel):
    """Arms that differ in the values of some options."""

    like: str = Field(description="the arm that all of them are like")
    over: dict[str, Literal["all"] | list[Any]] = Field(
        min_length=1,
        description="values by dotted key, every combination of which is an arm; 'seed' are the "
        "training seeds of them all; train.fusion_layer: all stands for every lower layer",
    )
    set: Settings = Field(
        default_factory=dict, description="options that all of them have another value of"
    )
    against: str | None = Field(
        None,
        description="the arm that they are compared with; default: what like is compared with",
    )
    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="what their names begin with; default: like",
    )

    @field_validator("over", mode="after")
    @classmethod
    def _over(cls, value: dict[str, Any]) -> dict[str, Any]:
        for key, values in value.items():
            if values == "all":
                if key != LAYER:
                    raise ValueError(f"{key}: only {LAYER} can be 'all'; list the values")
            elif not values:
                raise ValueError(f"{key}: no value")
            elif len({short(v) for v in values}) != len(values):
                raise ValueError(f"{key}: a value is named twice")
            elif key == SEED and not all(type(v) is int and v >= 0 for v in values):
                raise ValueError("seed: seeds are whole numbers from 0")
        if set(value) == {SEED}:
            raise ValueError("name an option beside seed; for seeds alone there is 'seeds'")
        return value


Sweeps = Annotated[
    list[SweepConfig],
    BeforeValidator(
        lambda value: [value] if isinstance(value, dict) else value,
        json_schema_input_type=SweepConfig | list[SweepConfig],
    ),
]


class SweepsConfig(ArmsConfig):
    """A run that names arms and sweeps."""

    sweep: Sweeps = Field(
        default_factory=list,
        description="arms that differ in the values of some options: {like: fused, over: "
        "{train.fusion_layer: all, seed: [1, 2, 3]}}, or a list of such",
    )


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep with its arms.

    Attributes:
        name: What the names of its arms begin with.
        keys: The dotted keys of the options that are swept.
        points: The values of these options, by the name of the arm that has them.
        arms: The arms by name.
        against: The arm that they are compared with, if there is one.
    """

    name: str
    keys: tuple[str, ...]
    points: Mapping[str, tuple[Any, ...]]
    arms: Mapping[str, Arm]
    against: str | None

    @property
    def chosen_on_dev(self) -> bool:
        """Whether source dev may choose among its arms; how much gold data there is, it may not."""
        return GOLD not in self.keys


def sweeps_of(config: SweepsConfig) -> list[Sweep]:
    """Return the sweeps of a configuration.

    Raises:
        ConfigError: If one is like an arm that there is not, or names fusion layers of an encoder
            that is not known.
    """
    return [_sweep(config, each) for each in config.sweep]


def _sweep(config: SweepsConfig, given: SweepConfig) -> Sweep:
    base = resolve(given.like, config.own_arms)
    base = replace(base, settings={**base.settings, **given.set})
    seeds = given.over.get(SEED)
    if isinstance(seeds, list):
        base = replace(base, seeds=tuple(seeds))
    keys = tuple(key for key in given.over if key != SEED)
    prefix = given.name or given.like
    points: dict[str, tuple[Any, ...]] = {}
    arms: dict[str, Arm] = {}
    for values in product(*(_values(config, given, key) for key in keys)):
        settings = dict(zip(keys, values, strict=True))
        name = _name(prefix, settings)
        if name in points:
            name = f"{prefix}-{len(points) + 1}"
        points[name] = values
        told = ", ".join(f"{key} {short(value)}" for key, value in settings.items())
        arms[name] = replace(
            base, settings={**base.settings, **settings}, about=f"{base.about}; {told}"
        )
    against = given.against or next(
        (b for a, b in LIKE_AGAINST_LIKE if a == given.like and b in config.arms), None
    )
    return Sweep(prefix, keys, points, arms, against)


def _values(config: SweepsConfig, given: SweepConfig, key: str) -> list[Any]:
    values = given.over[key]
    if key != LAYER:
        return list(values)
    encoder = config.models.encoder
    try:
        declared = locate(encoder, config.config_dir).config
        depth = None if declared is None else depth_of(declared)
        if values == "all" and depth is None:
            raise ConfigError(
                f"sweep.over.{LAYER}: {encoder} is not on this machine yet, so how many layers it "
                "has is not known; name the layers, counted from 0: [0, 1, 2, …]"
            )
    except (ModelError, ValueError) as error:
        if isinstance(error, ConfigError) or values == "all":
            raise ConfigError(f"sweep.over.{LAYER}: {error}") from None
        depth = None  # what is wrong with the encoder is told by train
    if values == "all":
        return list(range(depth or 0))
    if depth is None:
        return list(values)
    try:
        return list(dict.fromkeys(resolve_fusion_layer(v, depth) for v in values))
    except ValueError as error:
        raise ConfigError(f"sweep.over.{LAYER}: {error} ({encoder})") from None


def _name(prefix: str, settings: Mapping[str, Any]) -> str:
    told = "-".join(
        f"{key.rpartition('.')[2]}-{re.sub(r'[^A-Za-z0-9._]+', '-', short(value)).strip('-')}"
        for key, value in settings.items()
    )
    return f"{prefix}-{told}"[:_LONGEST].rstrip("-.")


def check_sweeps(config: SweepsConfig) -> Iterator[str]:
    """Yield what is wrong with the sweeps of a configuration."""
    taken: set[str] = {name.casefold() for name in config.arms}
    for given in config.sweep:
        try:
            sweep = _sweep(config, given)
        except ConfigError as error:
            yield from error.problems
            continue
        if given.against is not None and given.against not in config.arms:
            yield (
                f"sweep.against: {given.against!r} is not among the arms"
                f"{suggest(given.against, config.arms)}; allowed: {', '.join(config.arms)}"
            )
        elif sweep.against is not None:
            yield from _check_seeds(config, sweep)
        problems = (p for arm in sweep.arms.values() for p in check_settings(config, "sweep", arm))
        yield from dict.fromkeys(problems)
        clash = next((n for n in sweep.arms if n.casefold() in taken), None)
        if clash is not None:
            yield f"sweep: there is an arm {clash!r} already; give the sweep a name"
        taken.update(n.casefold() for n in sweep.arms)


def _check_seeds(config: SweepsConfig, sweep: Sweep) -> Iterator[str]:
    theirs = resolve(sweep.against or "", config.own_arms).seeds or tuple(config.seeds)
    for arm in sweep.arms.values():
        if arm.seeds is not None and not set(arm.seeds) & set(theirs):
            yield (
                f"sweep.over.seed: {sweep.against!r}, which the arms are compared with, has the "
                f"seeds {list(theirs)}, none of {list(arm.seeds)}: set 'seeds' to the same"
            )
            return
