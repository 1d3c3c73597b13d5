"""Scores every arm on the gold test data and compares the arms with statistics.

Strict IOB2 by seqeval, per language, type, arm and seed; bootstrap intervals over sentences; paired
approximate randomisation with Holm's correction; error analysis; what projection kept and lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.errors import suggest
from pipeline.inputs import Inputs
from pipeline.stage import Context, Output, Problem, RunStage, Task
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.inputs import evaluation_inputs
from stages.experiment import experiment


class EvaluateStage(RunStage[EvaluateConfig]):
    """See the module."""

    name = "evaluate"
    version = "6"
    about = "score all arms (strict IOB2) and compare them with intervals and significance"

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """Return the one task, if the run has anything to score."""
        inputs = evaluation_inputs(config)
        if not inputs:
            return []
        known = experiment(config)
        own = {name: known.recipes[name].about for name in known.own_arms}
        # Only where there are any: runs of arms that ship stay what they are.
        options: dict[str, Any] = {}
        if own:
            options |= {"about": own, "pairs": known.pairs()}
        if known.sweeps:
            options["sweeps"] = [
                {"name": s.name, "keys": s.keys, "points": s.points, "against": s.against}
                for s in known.sweeps
            ]
        uses = ("seed", "labels")
        return [Task("evaluate", "all", "files", inputs, options=options, uses=uses)]

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Yield pairs that name no arm, an arm twice, or what another pair names already."""
        options = self.options(config)
        recipes = experiment(config).recipes
        seen: set[frozenset[str]] = set()
        for first, second in options.pairs:
            pair = frozenset((first, second))
            if pair in seen:  # Holm's correction would count the same question twice
                yield Problem("evaluate.pairs", f"{first!r} and {second!r} are compared twice")
            seen.add(pair)
            for arm in (first, second):
                if arm not in recipes:
                    yield Problem(
                        "evaluate.pairs",
                        f"unknown arm {arm!r}{suggest(arm, recipes)}; allowed: "
                        f"{', '.join(recipes)}",
                    )
            if first == second:
                yield Problem("evaluate.pairs", f"{first!r} is compared with itself")

    def notices(self, config: RunConfig, artifacts: Sequence[Artifact]) -> Iterator[str]:
        """Yield the pairs that the configuration names and that the run does not compare."""
        options = self.options(config)
        named = options.pairs if "pairs" in options.model_fields_set else []
        there = experiment(config).compared
        for pair in named:
            lacking = [repr(arm) for arm in pair if arm not in there]
            if lacking:
                yield (
                    f"evaluate.pairs: {' and '.join(pair)} are not compared: the run has no arm "
                    f"{', '.join(lacking)}"
                )

    def run(self, inputs: Inputs[Artifact], out: Output, context: Context) -> None:
        """Score, compare, and write the tables."""
        from stages.evaluate.evaluation import evaluate
        from stages.evaluate.tables import write_results

        results, mistakes = evaluate(inputs, context)
        write_results(results, mistakes, out.folder)
        context.notes["headline"] = {
            f"{s.arm}/{s.lang or 'mean'}": round(s.f1, 4) for s in results.summary if not s.type
        }


STAGE = EvaluateStage()
