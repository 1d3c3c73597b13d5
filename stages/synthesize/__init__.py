"""Stage ``synthesize``: unlabelled text in the target languages, made and real, through a gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import RunConfig
from pipeline.errors import DataError, ModelError
from pipeline.models import ModelSource, locate
from pipeline.stage import Context, Output, Problem, Ref, RunStage, Task
from stages.synthesize.config import SynthesizeConfig

if TYPE_CHECKING:
    from pipeline.artifacts import Artifact
    from pipeline.schema import Sentence
    from stages.synthesize.makers.base import Maker

_FROM_PROJECTED = frozenset({"substitution", "infilling", "generation"})


class SynthesizeStage(RunStage):
    """Makes synthetic text per language and keeps what passes the gate."""

    name = "synthesize"
    version = "1"
    config_type = SynthesizeConfig
    about = "make unlabelled target text (sampled translation, entity substitution …) and filter it"

    def options(self, config: RunConfig) -> SynthesizeConfig:
        """Return the section ``synthesize``."""
        return config.section(self.name, SynthesizeConfig)

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """One task per language."""
        return [self._task(config, lang) for lang in config.languages]

    def _task(self, config: RunConfig, lang: str) -> Task:
        makers = self.options(config).makers
        data = config.data
        inputs = {}
        models = {}
        if "translation" in makers:
            inputs["source"] = Ref("prepare", f"train/{config.source}")
            if data.source_unlabelled is not None:
                inputs["source_unlabelled"] = Ref("prepare", f"source_unlabelled/{config.source}")
            name = config.models.translator_for(config.source, lang, config.source)
            models["translator"] = name or ""
        if _FROM_PROJECTED & makers.keys():
            inputs["projected"] = Ref("project", lang)
        if data.per_language("unlabelled", lang) is not None:
            inputs["unlabelled"] = Ref("prepare", f"unlabelled/{lang}")
        for key in ("test", "target_dev"):
            if data.per_language(key, lang) is not None:
                inputs[f"eval/{key}"] = Ref("prepare", f"{key}/{lang}")
        models.update(self._other_models(config))
        options = {"source": config.source, "models": models}
        return Task(self.name, lang, "synthetic", inputs, {}, lang, options)

    def _other_models(self, config: RunConfig) -> dict[str, str]:
        options = self.options(config)
        found = {}
        if "infilling" in options.makers or options.gate.perplexity is not None:
            found["infilling"] = options.infilling.model or config.models.encoder
        if "generation" in options.makers and options.generation.model:
            found["generation"] = options.generation.model
        return found

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Find missing models and gazetteers, and languages that the translator lacks."""
        from stages.translate.checks import translator_problem

        options = self.options(config)
        for task in tasks:
            lang = str(task.lang)
            if "translation" in options.makers:
                problem = translator_problem(config, config.source, lang)
                if problem:
                    yield problem
            for kind, path in self._gazetteers(config, lang).items():
                if not path.is_file():
                    yield Problem(
                        f"synthesize.substitution.gazetteers.{kind}", f"file not found: {path}"
                    )
        for key, name in self._other_models(config).items():
            try:
                locate(name, config.config_dir).require_weights()
            except ModelError as error:
                yield Problem(f"synthesize.{key}.model", str(error))

    def files(self, config: RunConfig, task: Task) -> Mapping[str, Path | str]:
        """The content of models and gazetteers decides the result."""
        found: dict[str, Path | str] = {
            key: locate(name, config.config_dir).identity
            for key, name in task.options["models"].items()
        }
        for kind, path in self._gazetteers(config, str(task.lang)).items():
            found[f"gazetteer/{kind}"] = path
        return found

    def _gazetteers(self, config: RunConfig, lang: str) -> dict[str, Path]:
        options = self.options(config)
        if "substitution" not in options.makers:
            return {}
        named = options.substitution.gazetteers
        return {kind: config.path(text.replace("{lang}", lang)) for kind, text in named.items()}

    def run(self, inputs: Mapping[str, Artifact], out: Output, context: Context) -> None:
        """Make the text of one language.

        Raises:
            DataError: If a maker has nothing to start from.
        """
        from itertools import islice

        from stages.synthesize.gate import Gate, median_ratios
        from stages.synthesize.makers.base import Request
        from stages.synthesize.overlap import EvaluationIndex
        from stages.synthesize.synthesis import (
            REAL,
            Chunks,
            gated_rows,
            projected_sentences,
            real_sentences,
        )

        config, lang = context.config, str(context.task.lang)
        options = self.options(config)
        source = _sentences(inputs, ("source", "source_unlabelled"))
        projected = (
            list(projected_sentences(inputs["projected"].rows())) if "projected" in inputs else []
        )
        chunks = Chunks(context.work_dir)
        ratios: dict[str, list[float]] = {}
        for name, count in options.makers.items():
            request = Request(lang, config.source, count, context.seed, source, projected)
            if not (source if name == "translation" else projected):
                raise DataError(f"synthesize.weights: {name} has no sentence to start from")
            factory = self._factory(name, config, context.task)
            with context.progress.task(f"synthesize {lang}: {name}", count, "sentences") as bar:
                chunks.produce(factory, name, request, bar.advance)
            ratios[name] = [
                m.scores["length_ratio"] for m in chunks.read(name) if "length_ratio" in m.scores
            ]
        usual = median_ratios(ratios)
        evaluation = EvaluationIndex(
            row["words"] for key in inputs if key.startswith("eval/") for row in inputs[key].rows()
        )
        gate = Gate(lang, options.gate, evaluation, usual, self._perplexity(config))
        context.notes["median_length_ratio"] = {k: round(v, 4) for k, v in usual.items()}
        context.notes["evaluation_sentences"] = len(evaluation)
        context.notes["language_identification"] = gate.judges_language

        def rows() -> Iterator[dict[str, Any]]:
            # Real text first: of a pair of duplicates, the earlier one stays.
            if "unlabelled" in inputs:
                real = real_sentences(islice(inputs["unlabelled"].rows(), options.unlabelled))
                yield from gated_rows(real, REAL, lang, gate)
            for name in options.makers:
                yield from gated_rows(chunks.read(name), name, lang, gate)

        def counted() -> Iterator[dict[str, Any]]:
            with context.progress.task(f"synthesize {lang}: gate", None, "sentences") as bar:
                for row in rows():
                    context.count(f"{row['maker']}_{'kept' if row['kept'] else 'dropped'}")
                    bar.advance(1)
                    yield row

        out.write_rows(counted())

    def _factory(self, name: str, config: RunConfig, task: Task) -> Callable[[], Maker]:
        options, lang = self.options(config), str(task.lang)
        models: Mapping[str, str] = task.options["models"]

        def model(key: str) -> ModelSource:
            return locate(models[key], config.config_dir)

        def build() -> Maker:
            if name == "translation":
                from stages.synthesize.makers.translation import TranslationMaker
                from stages.translate.translator import Translator

                found = model("translator")
                return TranslationMaker(
                    Translator(
                        found.download(),
                        config.source,
                        lang,
                        options.translation,
                        name=found.name,
                    )
                )
            if name == "substitution":
                from stages.synthesize.makers.substitution import SubstitutionMaker
                from stages.synthesize.synthesis import read_gazetteer

                gazetteers = {
                    kind: read_gazetteer(path, lang)
                    for kind, path in self._gazetteers(config, lang).items()
                }
                return SubstitutionMaker(options.substitution, gazetteers)
            if name == "infilling":
                from stages.synthesize.makers.infilling import InfillingMaker, MaskedModel

                return InfillingMaker(MaskedModel(model("infilling").download()), options.infilling)
            from stages.synthesize.makers.generation import GenerationMaker

            return GenerationMaker(model("generation").download(), options.generation)

        return build

    def _perplexity(self, config: RunConfig) -> Callable[[Sequence[str]], float] | None:
        if self.options(config).gate.perplexity is None:
            return None
        from stages.synthesize.makers.infilling import MaskedModel

        name = self._other_models(config)["infilling"]
        return MaskedModel(locate(name, config.config_dir).download()).pseudo_perplexity


def _sentences(inputs: Mapping[str, Artifact], names: Sequence[str]) -> list[Sentence]:
    from pipeline.schema import Sentence

    found = []
    for name in names:
        if name in inputs:
            found += [Sentence.from_row(row) for row in inputs[name].rows() if row["words"]]
    return found


STAGE = SynthesizeStage()
