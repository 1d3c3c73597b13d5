"""Stage ``predict``: word-level label distributions and entities of every arm on every test set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.inputs import Inputs
from pipeline.stage import Problem, Ref, RowStage, Task, Worker
from stages.arms import predicted_on
from stages.experiment import experiment
from stages.machine import fastest_precision
from stages.predict.config import PredictConfig
from stages.project.config import ProjectConfig, method_of
from stages.several_sources import dev_sources
from stages.train.recipe import tagger_for

if TYPE_CHECKING:
    from pipeline.progress import Progress
    from stages.project.methods.base import ProjectionMethod


class PredictStage(RowStage[PredictConfig]):
    """Applies the taggers of the compared arms, and makes the arms that have no tagger.

    ``translate_test`` takes three steps: ``<teacher>/seed-<n>/to_source/<lang>`` (the translations,
    labelled), ``<arm>/seed-<n>/projected/<lang>`` (their entities, projected back), and like every
    arm ``<arm>/seed-<n>/test/<lang>``. An ensemble averages what its members say.
    """

    name = "predict"
    version = "3"
    about = "label the test data with every arm's taggers"
    batch_option = "predict.batch_tokens"

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """One task per compared arm, seed and data set, and those that these rest on."""
        data = test_sets(config)
        tasks: dict[str, Task] = {}
        recipes = experiment(config).recipes
        for arm in experiment(config).compared:
            for seed in experiment(config).seeds_of(arm):
                for key, lang in data:
                    if predicted_on(recipes[arm], key):
                        for task in self._tasks(config, arm, seed, f"{key}/{lang}", lang):
                            tasks.setdefault(task.unit, task)
        for arm in experiment(config).chosen_on_dev:
            for seed in experiment(config).seeds_of(arm):
                for lang in dev_sources(config):
                    for task in self._tasks(config, arm, seed, f"dev/{lang}", lang):
                        tasks.setdefault(task.unit, task)
        return list(tasks.values())

    def _tasks(
        self, config: RunConfig, arm: str, seed: int, data: str, lang: str
    ) -> Iterator[Task]:
        """Yield the task that predicts, after those of this stage that it reads."""
        kind = experiment(config).recipes[arm].kind
        if kind == "translate_test":
            yield from self._translate_test(config, arm, seed, data, lang)
        elif kind == "ensemble":
            yield from self._ensemble(config, arm, seed, data, lang)
        else:
            yield self._tagging(config, arm, seed, data, lang, Ref("prepare", data))

    def _tagging(
        self, config: RunConfig, arm: str, seed: int, name: str, lang: str, rows: Ref
    ) -> Task:
        return Task(
            self.name,
            experiment(config).predicted_unit(arm, seed, name),
            "predictions",
            {"rows": rows},
            {"model": tagger_for(config, arm, seed, lang).ref},
            lang,
            uses=(),
            settings=experiment(config).recipes[arm].settings,
        )

    def _translate_test(
        self, config: RunConfig, arm: str, seed: int, data: str, lang: str
    ) -> Iterator[Task]:
        recipe = experiment(config).recipes[arm]
        (teacher,) = recipe.teachers
        text = f"to_source/{lang}"
        translated = {
            "translations": Ref("translate", text),
            "alignments": Ref("align", text),
        }
        rows = translated["translations"]
        tagged = self._tagging(config, teacher, seed, text, config.source, rows)
        yield tagged
        inputs = {**translated, "tagged": tagged.ref}
        made = partial(Task, self.name, lang=lang, uses=(), settings=recipe.settings)
        projected = made(
            f"{arm}/seed-{seed}/projected/{lang}",
            "projected",
            inputs,
            options={"step": "project_back"},
            sections=("project",),
        )
        yield projected
        inputs = {
            "projected": projected.ref,
            "tagged": tagged.ref,
            "alignments": translated["alignments"],
        }
        step = {"step": "translate_test"}
        yield made(f"{arm}/seed-{seed}/{data}", "predictions", inputs, options=step)

    def _ensemble(
        self, config: RunConfig, arm: str, seed: int, data: str, lang: str
    ) -> Iterator[Task]:
        inputs: dict[str, Ref] = {}
        options = {"step": "ensemble"}
        recipes = experiment(config).recipes
        for member in recipes[arm].teachers:
            yield from self._tasks(config, member, seed, data, lang)
            inputs[member] = Ref(self.name, f"{member}/seed-{seed}/{data}")
            if recipes[member].kind == "translate_test":
                back = Ref(self.name, f"{member}/seed-{seed}/projected/{lang}")
                inputs[_projected_by(member)] = back
                options["by_translation"] = member
        yield Task(
            self.name,
            f"{arm}/seed-{seed}/{data}",
            "predictions",
            inputs,
            {},
            lang,
            options,
            uses=(),
            settings=recipes[arm].settings,
        )

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Find ways of projecting that translate-test cannot go."""
        if any(
            _projection(config.with_settings(t.settings)).marked
            for t in tasks
            if t.options.get("step") == "project_back"
        ):
            yield Problem(
                "project.method",
                "'markers' cannot project predictions back, as the translations of test data have "
                "no markers; the arms translate_test and ensemble_train_test need another method",
            )

    def files(self, config: RunConfig, task: Task) -> Mapping[str, Path | str]:
        """The weights of the projection, where a file is named."""
        if task.options.get("step") != "project_back":
            return {}
        return {key: config.path(path) for key, path in _projection(config).files().items()}

    def collect(
        self,
        config: RunConfig,
        task: Task,
        inputs: Inputs[Artifact],
        folder: Path,
        progress: Progress,
    ) -> None:
        """Make the first pass of the projection over what was labelled."""
        if task.options.get("step") != "project_back":
            return
        from stages.project.worker import collect_statistics

        tables = (inputs.one(n).tables() for n in ("translations", "alignments", "tagged"))
        parts = zip(*tables, strict=True)
        collect_statistics(_project_options(config), config.config_dir, parts, folder)

    def facts(self, config: RunConfig, task: Task) -> Mapping[str, Any]:
        """Return the precision that a tagger was applied in, if one was."""
        model = task.side_inputs.get("model")
        if model is None or model.stage == "external":  # these have precisions of their own
            return {}
        dtype = self.options(config).dtype
        return {"precision": fastest_precision("auto") if dtype == "auto" else dtype}

    def remark(self, counts: Mapping[str, int]) -> str | None:
        """Warn where the encoder cannot read what it labels."""
        from stages.tagger.encoding import unreadable

        return unreadable(counts)

    def worker(
        self, config: RunConfig, task: Task, side: Mapping[str, Path]
    ) -> Callable[[], Worker]:
        """Return the factory of the workers of one task."""
        from stages.predict import by_translation

        options = self.options(config)
        step = task.options.get("step")
        if step == "project_back":
            from stages.project.back_projection import with_reasons
            from stages.project.worker import ProjectWorker

            return partial(
                ProjectWorker,
                _project_options(config),
                config.config_dir,
                side["collected"],
                finish=with_reasons,
            )
        if step == "translate_test":
            return by_translation.ProjectedWorker
        if step == "ensemble":
            member = task.options["by_translation"]
            back = _projected_by(member)
            return partial(by_translation.EnsembleWorker, member, back, options.constrained)
        from stages.predict.worker import load_worker

        return partial(load_worker, side["model"], options)

    def decides(self, config: RunConfig, task: Task) -> bool:
        """Return whether the task projects, and so filters what it has projected."""
        return task.options.get("step") == "project_back"

    def decider(self, config: RunConfig, task: Task) -> Callable[[], Worker]:
        """Return a factory of workers that filter stored rows that were projected back."""
        from stages.project.back_projection import with_reasons
        from stages.project.decide import DecideWorker

        options = _project_options(config)
        return partial(DecideWorker, options.filters, options.min_link, with_reasons)


def test_sets(config: RunConfig) -> list[tuple[str, str]]:
    """Return what arms label and are scored on: ``(data key, language)``, source languages last."""
    if not experiment(config).compared:
        return []
    keys = [("test", config.languages)]
    if getattr(getattr(config, "predict", None), "source_test", False):
        keys.append(("source_test", config.sources))
    return [(key, x) for key, langs in keys for x in langs if config.data.per_language(key, x)]


def _projection(config: RunConfig) -> ProjectionMethod[Any]:
    return method_of(_project_options(config))


def _project_options(config: RunConfig) -> ProjectConfig:
    options = config.section("project", ProjectConfig)
    # Training can do without a sentence, a test set cannot.
    return options.model_copy(update={"filters": options.filters.spans_only()})


def _projected_by(member: str) -> str:
    """Return the input that is what a member projected back; no arm can be called so."""
    return f"{member}/projected"


STAGE = PredictStage()
