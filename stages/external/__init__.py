"""Stage ``external``: taggers from elsewhere, which stand beside ours and can teach them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.errors import ModelError
from pipeline.inputs import Inputs
from pipeline.stage import Context, Output, Problem, RunStage, Task
from stages.experiment import experiment
from stages.external.config import FILE, ExternalConfig
from stages.several_sources import train_refs


class ExternalStage(RunStage[ExternalConfig]):
    """Writes, for an arm and a language, which tagger it is and what its labels are called here.

    What loads a tagger of a run (:func:`stages.external.loading.load_tagger`) reads the one as the
    other: the stages that predict, teach and project need not know where a tagger is from.
    """

    name = "external"
    version = "1"
    about = "take in taggers from elsewhere (Transformers, spaCy, GLiNER): their labels, as ours"

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """One task per arm and language that it has a model for."""
        known = experiment(config)
        found = []
        for arm in known.with_teachers():
            recipe = known.recipes[arm]
            if recipe.kind != "external":
                continue
            inputs = {}
            if config.labels.types is None and config.data.train is not None:
                inputs = train_refs(config)
            found += [
                Task(
                    self.name,
                    f"{arm}/{lang}",
                    "model",
                    inputs,
                    lang=lang,
                    uses=("labels",),
                    settings=recipe.settings,
                )
                for lang in (*config.languages, config.source)
            ]
        return found

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Find languages without a model, and what is not installed."""
        for task in tasks:
            options = self.options(config.with_settings(task.settings))
            model = options.model_for(str(task.lang))
            own = f" (arm {task.unit.partition('/')[0]})"
            if options.model is None:
                found = [f"name the tagger{own}"]
            elif model is None:
                found = [f"names no tagger for {task.lang!r}{own}"]
            else:
                problems = options.tagger_kind().problems(model, config.config_dir)
                found = [f"{problem}{own}" for problem in problems]
            yield from (Problem("external.model", message) for message in found)

    def files(self, config: RunConfig, task: Task) -> Mapping[str, Path | str]:
        """The tagger decides the result."""
        options = self.options(config)
        model = options.model_for(str(task.lang)) or ""
        return {"tagger": options.tagger_kind().identity(model, config.config_dir)}

    def fetch(self, config: RunConfig, task: Task) -> None:
        """Download a tagger that is a hub id and not here."""
        options = self.options(config)
        model = options.model_for(str(task.lang))
        if model is not None:
            options.tagger_kind().fetch(model, config.config_dir)

    def run(self, inputs: Inputs[Artifact], out: Output, context: Context) -> None:
        """Look at the tagger's labels and write down what they are called here.

        Raises:
            ModelError: If none of its labels is one of the run's entity types.
        """
        from stages.tagger.labels import LabelSet, entity_types

        config = context.config
        options = self.options(config)
        model = options.model_for(str(context.task.lang)) or ""
        types = entity_types(config, inputs)
        kind = options.tagger_kind()
        theirs = kind.open(model, config.config_dir, str(context.task.lang), types).types
        mapped = options.mapped(theirs, types)
        left_out = sorted(t for t in theirs if t not in mapped)
        if not mapped:
            raise ModelError(
                f"{model}: none of its labels ({', '.join(theirs)}) is one of this run's types "
                f"({', '.join(types)}); say which is which with external.map: {{PERSON: PER}}"
            )
        written = {
            "tagger": options.tagger,
            "options": options.chosen("tagger").model_dump(mode="json"),
            "model": str(folder) if (folder := config.path(model)).is_dir() else model,
            "lang": context.task.lang,
            "labels": LabelSet.of_types(types).names,
            "map": mapped,
        }
        text = json.dumps(written, indent=1, sort_keys=True) + "\n"
        (out.folder / FILE).write_text(text, encoding="utf-8")
        context.notes |= {
            "labels": mapped,
            "labels_left_out": left_out,
            "types_never_given": sorted(set(types) - set(mapped.values())),
        }


STAGE = ExternalStage()
