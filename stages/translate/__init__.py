"""Stage ``translate``: labelled sentences to the other language, by a translator or as given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from pipeline.config import RunConfig
from pipeline.errors import ModelError
from pipeline.models import locate
from pipeline.stage import Problem, Ref, RowStage, Task, Worker
from stages.experiment import translated_to_source
from stages.several_sources import translated_sources, unit_from
from stages.translate.checks import name_of, translator_problem
from stages.translate.cleaning import in_words
from stages.translate.config import TranslateConfig


class TranslateStage(RowStage[TranslateConfig]):
    """Translates training data to each target language, and target text to the source language.

    The latter without its labels, and only where an arm needs it (``translate_test``: the test
    data; ``crop``: the unlabelled text) or ``translate.directions`` asks for it.
    """

    name = "translate"
    version = "6"
    about = "translate labelled source text to the target languages"
    reasons: ClassVar[Mapping[str, str]] = {
        "empty_source": "there was nothing to translate",
        "empty_translation": "the translator produced nothing",
        "translator_failed": "the translator broke off with an error, which the log has",
        "too_long": "longer than the model's limit (no splitting), or a translation without an end",
    }
    batch_option = "translate.max_batch_tokens"

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """One task per language and direction."""
        options = self.options(config)
        tasks = []
        for source in translated_sources(config) if "to_target" in options.directions else ():
            train = Ref("prepare", f"train/{source}")
            for lang in config.languages:
                inputs = {"source": train, **_given(config, "parallel", lang)}
                unit, pair = unit_from(source, lang, config), (source, lang)
                tasks.append(self._task(config, unit, pair, "to_target", inputs))
        for data, lang in self._to_source(config):
            unit = f"to_source/{lang}" if data == "test" else f"to_source/{data}/{lang}"
            inputs = {"source": Ref("prepare", f"{data}/{lang}")}
            inputs |= _given(config, f"{data}_parallel", lang)
            tasks.append(self._task(config, unit, (lang, config.source), "to_source", inputs))
        return tasks

    def _to_source(self, config: RunConfig) -> list[tuple[str, str]]:
        """Return what is translated to the source language: pairs of data key and language."""
        found = [
            (data, lang)
            for data in translated_to_source(config)
            for lang in config.languages
            if config.data.per_language(data, lang) is not None
        ]
        if "to_source" in self.options(config).directions:
            found = [("test", lang) for lang in config.languages] + found
        return list(dict.fromkeys(found))

    def _task(
        self,
        config: RunConfig,
        unit: str,
        pair: tuple[str, str],
        direction: str,
        inputs: Mapping[str, Ref],
    ) -> Task:
        source, lang = pair
        options = {"direction": direction, "source": source, "target": lang}
        if direction == "to_source":
            options["labels"] = "none"  # no arm may see those of the test data
        uses: tuple[str, ...] = ()
        if len(inputs) == 1:  # nothing is given
            options["model"] = config.models.translator_for(source, lang, config.source) or ""
            uses = ("seed",) if self.options(config).sampling else ()
        return Task(self.name, unit, "translations", inputs, {}, lang, options, uses, pair=pair)

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Find models that are missing and languages that they cannot produce."""
        yield from self._unused(config, tasks)
        for options in (t.options for t in tasks if "model" in t.options):
            problem = translator_problem(config, options["source"], options["target"])
            if problem:
                yield problem

    def _unused(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Yield keys for decoding where ``auto`` finds no translator that has them."""
        options = self.options(config)
        given = options.decoding.model_fields_set if options.decoding is not None else set()
        models = [t.options["model"] for t in tasks if t.options.get("model")]
        if options.translator != "auto" or not given or not models:
            return
        kind = options.kind("translator")
        try:
            found = {type(kind.of(locate(name, config.config_dir))) for name in models}
        except ModelError:  # which is told below
            return
        if not any(given & other.Options.model_fields.keys() for other in found):
            names = ", ".join(sorted(map(name_of, found)))
            for key in sorted(given):
                yield Problem(f"translate.{key}", f"the translators here are {names}, without it")

    def models(self, config: RunConfig, task: Task) -> Mapping[str, str]:
        """Return the translator, where translations are not given."""
        return {"model": task.options["model"]} if "model" in task.options else {}

    def remark(self, counts: Mapping[str, int]) -> str | None:
        """Say what was cleaned before it was translated."""
        repairs = {k.removeprefix("cleaned_"): n for k, n in counts.items()}
        told = in_words(repairs)
        if not told:
            return None
        return (
            f"cleaned for the translator, in {repairs['sentences']:,} sentences: {told}; what is "
            "stored and shown stays as it came"
        )

    def passes(self, config: RunConfig, task: Task, rows: int) -> float:
        """Decoding takes about three times as long as reading."""
        return 3.0 * rows

    def worker(
        self, config: RunConfig, task: Task, side: Mapping[str, Path]
    ) -> Callable[[], Worker]:
        """Return the factory of the workers of one task."""
        from stages.translate.given import GivenWorker
        from stages.translate.worker import load_worker

        source, target = task.options["source"], task.options["target"]
        back = task.options["direction"] == "to_source"
        if "model" not in task.options:
            return partial(GivenWorker, source, target, not back)
        model = locate(task.options["model"], config.config_dir)
        options = self.options(config)
        if back:
            # One translation per sentence, so that rows stay rows; markers would give labels away.
            options = options.to_one().model_copy(update={"markers": "none"})
        return partial(
            load_worker,
            model.download(),
            model.name,
            source,
            target,
            options,
            config.workers,
            keep_spans=not back,
        )


def _given(config: RunConfig, key: str, lang: str) -> dict[str, Ref]:
    """Return the translations that ``data.<key>`` gives for a language, as inputs."""
    found = {}
    for by in config.data.translations(key, lang):
        unit = f"{key}/{lang}" if by is None else f"{key}/{by}/{lang}"
        found["given" if by is None else f"given/{by}"] = Ref("prepare", unit)
    return found


STAGE = TranslateStage()
