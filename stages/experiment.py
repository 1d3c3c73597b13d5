"""What an experiment compares: arms that ship, arms of its own, and sweeps.

``arms: [zero_shot, fused, {mine: {like: fused, set: {train.fusion_layer: 4}}}]`` names what is
compared; ``sweep: {like: fused, over: {train.fusion_layer: all}}`` adds an arm per value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import field_serializer, model_validator

from pipeline.config import RunConfig
from stages import several_sources
from stages.arms import ARMS, BEST_FIRST, LIKE_AGAINST_LIKE, Arm, predicted_on, touches
from stages.before import of_before
from stages.own_arms import ArmConfig, check_arms, resolve
from stages.sweeps import SEED, Sweep, SweepsConfig, check_sweeps, sweeps_of


class Experiment(SweepsConfig):
    """A run that compares arms; :data:`stages.registry.STAGES` builds configurations on it."""

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        raw = of_before(raw)
        # Where a sweep names the only seeds, they are those of what it is compared with, too.
        sweep = raw.get("sweep")
        given = sweep if isinstance(sweep, list) else [sweep]
        over = [s["over"] for s in given if isinstance(s, dict) and isinstance(s.get("over"), dict)]
        if over and "seeds" not in raw and isinstance(seeds := over[0].get(SEED), list):
            return {**raw, "seeds": seeds}
        return raw

    @field_serializer("arms")
    def _listed(self, arms: dict[str, ArmConfig | None]) -> list[Any]:
        return [
            name if own is None else {name: own.model_dump(exclude_unset=True)}
            for name, own in arms.items()
        ]

    def problems(self) -> Iterator[str]:
        """Return what is wrong with arms and sweeps."""
        found = list(check_arms(self)) or list(check_sweeps(self))
        own = [
            (f"arms.{n}.set" if n in self.arms else "sweep.over", self.recipes[n].settings)
            for n in ([] if found else self.compared)
        ]
        yield from dict.fromkeys((*found, *several_sources.problems(self, own)))

    @cached_property
    def sweeps(self) -> list[Sweep]:
        """The sweeps, with the arms that they stand for."""
        return sweeps_of(self)

    @cached_property
    def recipes(self) -> Mapping[str, Arm]:
        """Every arm by its name: those that ship, the run's own, and those of its sweeps."""
        found = {**ARMS, **{name: resolve(name, self.own_arms) for name in self.arms}}
        for sweep in self.sweeps:
            found |= sweep.arms
        return found

    @property
    def compared(self) -> list[str]:
        """The arms that are compared, in their order: those that are named, those of sweeps."""
        return [*self.arms, *(name for sweep in self.sweeps for name in sweep.arms)]

    @property
    def chosen_on_dev(self) -> list[str]:
        """The arms that are scored on source dev too: of sweeps, and what these are against."""
        if self.data.dev is None:
            return []
        names = (
            name
            for sweep in self.sweeps
            if sweep.chosen_on_dev
            for name in (*([sweep.against] if sweep.against else []), *sweep.arms)
        )
        return [n for n in dict.fromkeys(names) if predicted_on(self.recipes[n], "dev")]

    def with_teachers(self) -> list[str]:
        """Return the compared arms and those that teach them, teachers first.

        A teacher that the comparison does not name is trained all the same, but not evaluated.
        """
        ordered: list[str] = []

        def add(name: str) -> None:
            for teacher in self.recipes[name].teachers:
                add(teacher)
            if name not in ordered:
                ordered.append(name)

        for name in self.compared:
            add(name)
        return ordered

    def seeds_of(self, arm: str) -> list[int]:
        """Return the seeds that an arm is compared with."""
        return list(self.recipes[arm].seeds or self.seeds)

    def trained_seeds(self) -> dict[str, list[int]]:
        """Return the seeds of every arm, teachers included: a student's are its teachers' too."""
        found: dict[str, list[int]] = {
            arm: self.seeds_of(arm) if arm in self.compared else [] for arm in self.with_teachers()
        }
        for arm in reversed(list(found)):
            for teacher in self.recipes[arm].teachers:
                found[teacher] = list(dict.fromkeys([*found[teacher], *found[arm]]))
        return found

    def predicted_unit(self, arm: str, seed: int, data: str) -> str:
        """Return the unit of ``predict`` for an arm, a seed and ``test/de`` or the like.

        A tagger from elsewhere is what it is, whatever the seed.
        """
        outside = self.recipes[arm].kind == "external"
        return f"{arm}/{data}" if outside else f"{arm}/seed-{seed}/{data}"

    def informed(self, arm: str) -> bool:
        """Return whether an arm, or one that taught it, knows more than a zero-resource one may."""
        recipe = self.recipes[arm]
        return not recipe.zero_resource or any(map(self.informed, recipe.teachers))

    def of_outside(self, arm: str) -> bool:
        """Return whether an arm is a tagger from elsewhere, or was taught by one."""
        recipe = self.recipes[arm]
        return recipe.kind == "external" or any(map(self.of_outside, recipe.teachers))

    def for_arm(self, arm: str) -> Experiment:
        """Return the configuration with the settings of an arm."""
        return self.with_settings(self.recipes[arm].settings)

    def unit_of(self, arm: str, stage: Literal["project", "synthesize"], unit: str) -> str:
        """Return the unit of a stage that an arm reads: its own where it sets options of it."""
        recipe = self.recipes[arm]
        own = touches(recipe, "project", "synthesize" if stage == "synthesize" else "project")
        return f"{arm}/{unit}" if own else unit

    def pairs(self) -> list[tuple[str, str]]:
        """Return the pairs that are compared where the configuration names none.

        Those that differ in one thing only: data or head, or what an arm of one's own sets.
        """
        own = [(name, arm.like) for name, arm in self.own_arms.items() if arm.like in self.arms]
        return [*LIKE_AGAINST_LIKE, *own, *self._against_external()]

    def _against_external(self) -> list[tuple[str, str]]:
        """Return each tagger from elsewhere with the arm of ours that has most to say for it."""
        others = [name for name in self.compared if self.recipes[name].kind == "external"]
        ours = [name for name in BEST_FIRST if name in self.compared]
        ours = ours or [n for n in self.compared if not self.informed(n)]
        return [(ours[0], other) for other in others if ours]


def experiment(config: RunConfig) -> Experiment:
    """Return a configuration as the experiment that it is.

    Raises:
        TypeError: If it was not built on :class:`Experiment`.
    """
    if not isinstance(config, Experiment):  # pragma: no cover - a programming error
        raise TypeError(f"{type(config).__name__} is not built on Experiment")
    return config


def labels_by_crop(config: RunConfig, arm: str) -> bool:
    """Return whether the pseudo-labels of an arm are made by CROP's recipe.

    Those of the arm ``crop`` always are, those of the other arms of ``self_train`` where the
    section asks for it.
    """
    recipe = experiment(config).recipes[arm]
    if recipe.kind != "self_train":
        return False
    section = getattr(experiment(config).for_arm(arm), "self_train", None)
    return "unlabelled" in recipe.data or getattr(section, "labelling", "teachers") == "crop"


def translated_to_source(config: RunConfig) -> list[Literal["test", "unlabelled"]]:
    """Return the target-language data that the arms of a run want in the source language."""
    arms = experiment(config).with_teachers()
    found: list[Literal["test", "unlabelled"]] = []
    if any(experiment(config).recipes[arm].kind == "translate_test" for arm in arms):
        found.append("test")
    if any(labels_by_crop(config, arm) for arm in arms):
        found.append("unlabelled")
    return found
