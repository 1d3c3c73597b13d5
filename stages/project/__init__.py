"""Stage ``project``: carries labels over from the source sentence on to its translation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.errors import suggest
from pipeline.inputs import Inputs
from pipeline.manifest import merge_counts
from pipeline.models import locate
from pipeline.stage import Problem, Ref, RowStage, Task, Worker
from stages.arms import touches
from stages.experiment import experiment
from stages.project.config import FilterConfig, ProjectConfig, method_of, min_link_problem
from stages.project.filters import FILTERS
from stages.several_sources import VOTES, named, votes

if TYPE_CHECKING:
    from pipeline.progress import Progress
    from stages.project.entity_translations import EntityTranslations
    from stages.project.methods.base import ProjectionMethod

__all__ = ["STAGE", "FilterConfig", "ProjectConfig", "ProjectStage"]


def _languages(task: Task) -> tuple[str, str]:
    """Return the labelled language and the one to project on to."""
    assert task.pair is not None, "a translation has two languages"
    return task.pair


def _translator_problem(config: RunConfig, task: Task) -> Problem | None:
    from stages.translate.checks import translator_problem

    return translator_problem(config, *_languages(task))


def _marked(config: RunConfig) -> str:
    """Return how ``translate`` marks entities."""
    from stages.translate.config import TranslateConfig

    return config.section("translate", TranslateConfig).markers


def _ranks(config: RunConfig, task: Task) -> frozenset[int] | None:
    """Return the ranks of the translations that are used; ``None``: all."""
    systems = config.section("project", ProjectConfig).systems
    if systems is None or task.options["direction"] != "to_target":
        return None
    known = list(config.data.translations("parallel", str(task.lang)))
    return frozenset(known.index(name) for name in systems if name in known)


def _systems_problems(config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
    """Yield the systems that ``data.parallel`` does not have for a language."""
    for lang in dict.fromkeys(t.lang for t in tasks if t.options.get("direction") == "to_target"):
        known = [s for s in config.data.translations("parallel", str(lang)) if s is not None]
        for name in config.section("project", ProjectConfig).systems or ():
            if name not in known:
                yield Problem(
                    "project.systems",
                    f"data.parallel has no translations by {name!r} for {lang!r}"
                    f"{suggest(name, known)}; it has: {', '.join(known) or 'no named system'}",
                )


def _by_reason(what: str, counts: Mapping[str, int]) -> str:
    """Return how many were dropped and why, the commonest reason first; empty where none was."""
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{reason} {n:,}" for reason, n in common)
    return f"{what} {sum(counts.values()):,}: {told}" if told else ""


def _distinct(settings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [s for i, s in enumerate(settings) if s not in settings[:i]]


class _Reasons(Mapping[str, str]):
    """Reasons of its own and those of the filters, which are imported when one is asked for."""

    def __init__(self, own: Mapping[str, str]) -> None:
        self._own = own

    @cached_property
    def _all(self) -> Mapping[str, str]:
        return {**self._own, **{kind.reason: kind.says for kind in FILTERS.values()}}

    def __getitem__(self, reason: str) -> str:
        return self._all[reason]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


class ProjectStage(RowStage[ProjectConfig]):
    """Projects the entities of ``source_words`` on to ``words``, in either direction."""

    name = "project"
    version = "5"
    about = "carry labels over from the source sentence on to its translation"
    reasons: ClassVar[Mapping[str, str]] = _Reasons(
        {
            "no_link": "no word of the entity is linked",
            "no_candidate": "no target span scored above zero",
            "conflict": "another entity took the words",
            "marker_lost": "the markers did not survive translation",
            "untranslated": "there is no translation to project on to",
            "better_translation": "labels project better on to another translation of the sentence",
            "other_system": "by a translator that project.systems does not name",
        }
    )

    def notices(self, config: RunConfig, artifacts: Sequence[Artifact]) -> Iterator[str]:
        """Yield how many sentences and entities were kept, of all outputs, and why others not."""
        drops = merge_counts(a.manifest.drops for a in artifacts)
        rows, rest = sum(a.num_rows for a in artifacts), drops.get("rows", {})
        kept = rows - sum(rest.values())
        yield f"project: {kept:,} of {rows:,} sentences kept{_by_reason('; dropped', rest)}"
        entities = (("dropped", "spans"), ("lost", "lost"))
        told = "".join(_by_reason(f"; {what}", drops.get(key, {})) for what, key in entities)
        if told:
            yield f"project: of the entities{told[1:]}; by language: inspect_labels RUN --summary"

    def options(self, config: RunConfig) -> ProjectConfig:
        """Return the section ``project``, with the style of the markers that ``translate`` sets."""
        options = config.section(self.name, ProjectConfig)
        told = method_of(options).with_markers(_marked(config))
        return options.with_chosen("method", told.options)

    def method(self, config: RunConfig) -> ProjectionMethod[Any]:
        """Return the method, with its options."""
        return method_of(self.options(config))

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """One task per unit of ``translate``: language and direction.

        Arms that set options of this stage have units of their own, ``<arm>/<lang>``.
        """
        from stages.registry import STAGES

        translated = STAGES["translate"].tasks(config)
        tasks = [self._task(config, task, task.unit, {}) for task in translated]
        tasks += self._votes(config, tasks)
        known = experiment(config)
        for arm in known.with_teachers():
            recipe = known.recipes[arm]
            if recipe.rival is not None:
                tasks += [self._rival(config, arm, recipe.rival, x) for x in config.languages]
            elif recipe.kind != "translate_test" and touches(recipe, "project"):
                own = [
                    self._task(config, task, f"{arm}/{task.unit}", recipe.settings)
                    for task in translated
                    if task.options["direction"] == "to_target"
                ]
                tasks += [*own, *self._votes(config, own, f"{arm}/")]
        return tasks

    def _votes(
        self, config: RunConfig, projected: Sequence[Task], folder: str = ""
    ) -> Iterator[Task]:
        """Yield a task per language whose sentences the labels of several sources went to."""
        for lang in config.languages:
            mine = [
                t for t in projected if t.lang == lang and t.options["direction"] == "to_target"
            ]
            if not (mine and votes(config, lang)):
                continue
            yield Task(
                self.name,
                f"{folder}{VOTES}/{lang}",
                "projected",
                {named("projected", t.pair[0], config): t.ref for t in mine if t.pair},
                lang=lang,
                options={"votes": [t.pair[0] for t in mine if t.pair]},
                uses=(),
                pair=(config.source, lang),
                settings=mine[0].settings,
            )

    def _task(self, config: RunConfig, task: Task, unit: str, settings: Mapping[str, Any]) -> Task:
        method = self.method(config.with_settings(settings))
        return Task(
            self.name,
            unit,
            "projected",
            inputs={
                "translations": task.ref,
                "alignments": Ref("align", task.unit),
            },
            lang=task.lang,
            options={"direction": task.options["direction"]},
            sections=("translate",) if method.translates_entities else (),
            uses=(),
            pair=task.pair,
            settings=settings,
            seeded_as=task.unit,
        )

    def _rival(self, config: RunConfig, arm: str, rival: str, lang: str) -> Task:
        return Task(
            self.name,
            f"{arm}/{lang}",
            "projected",
            {
                "source": Ref("prepare", f"train/{config.source}"),
                "labelled": Ref("prepare", f"rivals/{rival}/{lang}"),
            },
            lang=lang,
            options={"rival": rival},
            uses=(),
            pair=(config.source, lang),
        )

    def decides(self, config: RunConfig, task: Task) -> bool:
        """Return whether there is something to decide: not of others' labels, nor of votes."""
        own = not {"rival", "votes"} & task.options.keys()
        return own and super().decides(config, task)

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Check the options of the method: files that it reads, markers that are there."""
        for settings in _distinct([t.settings for t in tasks] or [{}]):
            own = config.with_settings(settings)
            yield from _systems_problems(own, [t for t in tasks if t.settings == settings])
            for key, message in self.method(own).problems(_marked(own), config.config_dir):
                yield Problem(f"{self.name}.{key}", message)
            options = self.options(own)
            default = ProjectConfig.model_fields["min_link"].default
            if options.min_link != default and (problem := min_link_problem(options)):
                yield Problem(f"{self.name}.min_link", problem)

    def files(self, config: RunConfig, task: Task) -> Mapping[str, Path | str]:
        """The files of the method decide the result, too."""
        if {"rival", "votes"} & task.options.keys():
            return {}
        own = {name: config.path(path) for name, path in self.method(config).files().items()}
        return {**own, **super().files(config, task)}

    def models(self, config: RunConfig, task: Task) -> Mapping[str, str]:
        """Return the run's translator, if it translates single entities and knows the languages."""
        if {"rival", "votes"} & task.options.keys():
            return {}
        if not self.method(config).translates_entities or _translator_problem(config, task):
            return {}
        name = config.models.translator_for(*_languages(task), config.source)
        return {"translator": name} if name else {}

    def collect(
        self,
        config: RunConfig,
        task: Task,
        inputs: Inputs[Artifact],
        folder: Path,
        progress: Progress,
    ) -> None:
        """Translate the entities alone, and make the first pass over the corpus, if asked for."""
        from stages.project.pairs import save_usual_ratio
        from stages.project.worker import collect_statistics, of_ranks

        options = self.options(config)
        if "votes" in task.options:
            return
        if "rival" in task.options:
            both = zip(inputs["source"].tables(), inputs["labelled"].tables(), strict=True)
            save_usual_ratio(
                (
                    labelled.select(["words"]).append_column("source_words", source["words"])
                    for source, labelled in both
                ),
                folder,
            )
            return
        ranks = _ranks(config, task)
        pairs = partial(of_ranks, inputs["translations"].tables, inputs["alignments"].tables, ranks)
        save_usual_ratio((translations for translations, _ in pairs()), folder)
        alone = None
        if self.method(config).translates_entities:
            alone = self._translate_entities(config, task, inputs["translations"], progress)
        if alone is not None:
            alone.save(folder)
        if not self.method(config).first_pass:
            return
        rows = inputs["translations"].num_rows
        with progress.task(f"project {task.unit}, first pass", rows) as bar:
            collect_statistics(
                options,
                config.config_dir,
                pairs(),
                folder,
                bar.advance,
                alone,
            )

    def _translate_entities(
        self, config: RunConfig, task: Task, translations: Artifact, progress: Progress
    ) -> EntityTranslations | None:
        from stages.project.entity_translations import (
            EntityTranslations,
            entities_of_tables,
            translator,
        )
        from stages.translate.checks import translator_kind

        source, target = _languages(task)
        name = self.models(config, task).get("translator")
        if name is None:
            problem = _translator_problem(config, task)
            progress.say(f"project {task.unit}: entities are not translated alone: {problem}")
            return None
        model = locate(name, config.config_dir)
        entities = entities_of_tables(translations.tables())
        with progress.task(f"project {task.unit}, entities", len(entities), "entities") as bar:
            translate = translator(
                model.download(),
                model.name,
                source,
                target,
                translator_kind(config),
            )
            alone = EntityTranslations.of_entities(entities, translate)
            bar.advance(len(entities))
        return alone

    def worker(
        self, config: RunConfig, task: Task, side: Mapping[str, Path]
    ) -> Callable[[], Worker]:
        """Return a factory for workers that project with what :meth:`collect` gathered."""
        from stages.project.given import RivalWorker
        from stages.project.voting import VoteWorker
        from stages.project.worker import ProjectWorker

        options = self.options(config)
        if "votes" in task.options:
            return partial(VoteWorker, options.filters)
        folder = side["collected"]
        if (rival := task.options.get("rival")) is not None:
            return partial(RivalWorker, rival, config.source, options.filters.pairs, folder)
        ranks = _ranks(config, task)
        return partial(ProjectWorker, options, config.config_dir, folder, ranks)

    def decider(self, config: RunConfig, task: Task) -> Callable[[], Worker]:
        """Return a factory of workers that filter stored rows."""
        from stages.project.decide import DecideWorker

        options = self.options(config)
        return partial(DecideWorker, options.filters, options.min_link)


STAGE = ProjectStage()
