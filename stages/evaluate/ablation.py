"""What each component of a system is worth: the whole system against itself without one of them.

Runs that differ in one component are compared on the same sentences and seeds, with the statistics
of the stage: bootstrap intervals, approximate randomisation, Holm's correction over all of them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import DataError
from pipeline.stage import Ref
from stages.evaluate.compare import Comparer
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.evaluation import spans_only
from stages.evaluate.grading import pair_up
from stages.evaluate.results import Comparison, Summary

if TYPE_CHECKING:
    from pipeline.artifacts import RunFolder
    from pipeline.config import RunConfig

FULL: Final = "full"
"""The name of the whole system in the results."""
SYSTEM: Final = "self_trained"
"""The arm that is the whole system."""
FROM_PROJECTED: Final = ("substitution", "infilling", "generation")
"""The makers of synthetic text that start from projected sentences."""


@dataclass(frozen=True, slots=True)
class Variant:
    """The system without one component.

    Attributes:
        name: The component that is switched off.
        about: What takes its place.
        overrides: ``key=value``, as ``--set`` takes them; none where the whole system's run has the
            arm already.
        arm: The arm that is compared.
    """

    name: str
    about: str
    overrides: tuple[str, ...] = ()
    arm: str = SYSTEM


def variants(config: RunConfig) -> list[Variant]:
    """Return what can be switched off in a configuration; what is off already is left out."""
    found = [
        Variant("self-training", "projected labels alone", arm="projected_fused"),
        Variant("fusion", "the last layer only", arm="self_trained_last"),
    ]
    weights: dict[str, float] = {
        name: weight
        for name, weight in config.synthesize.weights.items()  # type: ignore[attr-defined]
        if weight > 0
    }
    without = ["train.projected_repeat=0"]
    others = {n: w for n, w in weights.items() if n not in FROM_PROJECTED}
    if others and others != weights:
        without.append(_weights(others))
    found.append(
        Variant(
            "projection",
            "no projected labels, and no text made from projected sentences",
            tuple(without),
        )
    )
    for name in weights if len(weights) > 1 else ():
        rest = {n: w for n, w in weights.items() if n != name}
        found.append(
            Variant(f"maker {name}", "as many sentences by the other makers", (_weights(rest),))
        )
    options = config.self_train  # type: ignore[attr-defined]
    if options.labels == "soft":
        found.append(Variant("soft labels", "hard labels", ("self_train.labels=hard",)))
    if options.disagreement != "ignore":
        found.append(
            Variant(
                "disagreement weighting",
                "projected sentences as they are",
                ("self_train.disagreement=ignore",),
            )
        )
    if options.rounds > 1:
        found.append(Variant("further rounds", "one round", ("self_train.rounds=1",)))
    return found


def _weights(weights: Mapping[str, float]) -> str:
    inner = ", ".join(f"{name}: {weight}" for name, weight in weights.items())
    return f"synthesize.weights={{{inner}}}"


def clone_run(source: Path, target: Path) -> None:
    """Give a new run all that another has made, as hard links where the disk allows it.

    Outputs are only ever replaced as a whole, so neither run can change the other's. What is not up
    to date in the new run is made again there.
    """
    if target.exists() or not source.exists():
        return
    unfinished = target.with_name(target.name + ".copy")
    shutil.rmtree(unfinished, ignore_errors=True)
    left_out = shutil.ignore_patterns("*.partial", "*.lock", ".lock", "lock")
    shutil.copytree(source, unfinished, copy_function=_link, ignore=left_out)
    unfinished.rename(target)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without hard links
        shutil.copy2(source, target)


def compare_runs(
    config: RunConfig, systems: Mapping[str, tuple[RunFolder, str]]
) -> tuple[list[Summary], list[Comparison]]:
    """Compare systems with the first of them on the test data of a configuration.

    Args:
        config: For languages, seeds and the section ``evaluate``.
        systems: By name, the whole system first: the run and the arm that it is.

    Returns:
        The F1 of each, and how much better the first is than each of the others, per language and
        over the languages.

    Raises:
        DataError: If a run lacks predictions.
    """
    names = list(systems)
    options = config.section("evaluate", EvaluateConfig)
    gold = {
        lang: list(_rows(systems[names[0]][0], Ref("prepare", f"test/{lang}")))
        for lang in config.languages
        if config.data.per_language("test", lang) is not None
    }
    types = sorted({s["type"] for rows in gold.values() for row in rows for s in row["spans"]})
    comparer = Comparer(types, options, config.seed)
    for lang, rows in gold.items():
        for name, (folder, arm) in systems.items():
            for seed in config.seeds:
                ref = Ref("predict", f"{arm}/seed-{seed}/test/{lang}")
                graded = pair_up(rows, _rows(folder, ref), what=str(ref))
                comparer.add(lang, "test", name, seed, graded)
    summary = [s for s in comparer.summarise() if s.type is None]
    return summary, comparer.compare([(names[0], name) for name in names[1:]])


def _rows(folder: RunFolder, ref: Ref) -> list[dict[str, Any]]:
    artifact = folder.artifact(ref)
    if artifact is None:
        raise DataError(f"{folder.path}: there is no {ref} to compare")
    return list(spans_only(artifact))
