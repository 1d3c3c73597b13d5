"""Stage ``synthesize``: unlabelled text in the target languages, made and real, through a gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.errors import DataError, ModelError
from pipeline.inputs import Inputs
from pipeline.models import locate
from pipeline.stage import Context, Output, Problem, Ref, RunStage, Task
from stages.arms import touches
from stages.experiment import experiment, translated_to_source
from stages.synthesize.config import SynthesizeConfig
from stages.synthesize.overlap import EvaluationIndex
from stages.translate.base import BaseTranslator
from stages.translate.checks import translator_kind, translator_problem
from stages.translate.cleaning import clean_words
from stages.translate.decoding import DecodingConfig

if TYPE_CHECKING:
    from pipeline.schema import Sentence
    from stages.synthesize.gate import Gate, Measures, RoundTripScores
    from stages.synthesize.makers.base import Maker

_REAL_ONLY = "unlabelled"
"""Units below this folder hold the real text alone, for pseudo-labels by CROP's recipe."""


class SynthesizeStage(RunStage[SynthesizeConfig]):
    """Makes synthetic text per language and keeps what passes the gate.

    Unit ``<lang>`` holds real and synthetic text, ``unlabelled/<lang>`` (where an arm labels by
    CROP's recipe) the real text alone.
    """

    name = "synthesize"
    version = "2"
    about = "make unlabelled target text (sampled translation, entity substitution …) and filter it"
    reasons: ClassVar[Mapping[str, str]] = {
        "duplicate": "an exact duplicate",
        "near_duplicate": "a near duplicate (MinHash)",
        "repetition": "the text repeats itself",
        "sentence_length": "too short or too long",
        "perplexity": "the language model finds it too unlikely",
        "round_trip": "the round-trip translation differs too much",
    }

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """One task per language, and one for its real text where that is asked for.

        Arms that set options of this stage, or of ``project``, which makers start from, have units
        of their own, ``<arm>/<lang>``.
        """
        units = [(lang, lang) for lang in config.languages]
        if "unlabelled" in translated_to_source(config):
            units += [(f"{_REAL_ONLY}/{lang}", lang) for lang in config.languages]
        tasks = [self._task(config, *unit) for unit in units]
        known = experiment(config)
        for arm in known.with_teachers():
            if touches(known.recipes[arm], "project", "synthesize"):
                tasks += [self._task(known.for_arm(arm), *unit, arm) for unit in units]
        return tasks

    def _task(self, config: RunConfig, unit: str, lang: str, arm: str | None = None) -> Task:
        known = experiment(config)
        makers = self._makers(config, unit)
        data = config.data
        inputs = {}
        models = {}
        kinds = {name: self.options(config).maker(name) for name in makers}
        if any(kind.from_source for kind in kinds.values()):
            inputs["source"] = Ref("prepare", f"train/{config.source}")
            if data.source_unlabelled is not None:
                inputs["source_unlabelled"] = Ref("prepare", f"source_unlabelled/{config.source}")
        if not all(kind.from_source for kind in kinds.values()):
            found = lang if arm is None else known.unit_of(arm, "project", lang)
            inputs["projected"] = Ref("project", found)
        if data.per_language("unlabelled", lang) is not None or unit != lang:
            inputs["unlabelled"] = Ref("prepare", f"unlabelled/{lang}")
        for key in ("test", "target_dev"):
            if data.per_language(key, lang) is not None:
                inputs[f"eval/{key}"] = Ref("prepare", f"{key}/{lang}")
        models.update(self._models(config, makers, lang))
        if self.options(config).gate.round_trip is not None and _round_trip_known(config, lang):
            for key, (source, target) in _round_trip(config, lang).items():
                name = config.models.translator_for(source, target, config.source)
                models[key] = name or ""
        options: dict[str, Any] = {"source": config.source, "models": models}
        gate = self.options(config).gate
        measured = [n for n in ("round_trip", "perplexity") if getattr(gate, n) is not None]
        if measured:
            # Moving such a threshold is a decision, asking the model for the first time is not.
            options["measured"] = measured
        return Task(
            self.name,
            unit if arm is None else f"{arm}/{unit}",
            "synthetic",
            inputs,
            {},
            lang,
            options,
            settings={} if arm is None else known.recipes[arm].settings,
            seeded_as=unit,
        )

    def _makers(self, config: RunConfig, unit: str) -> dict[str, int]:
        """Return how many sentences each maker makes for a unit."""
        return {} if _real_only(unit) else self.options(config).makers

    def _models(self, config: RunConfig, makers: Iterable[str], lang: str) -> dict[str, str]:
        """Return the names of the models of makers and of the gate's perplexity."""
        options = self.options(config)
        asked = [*makers, *(["infilling"] if options.gate.perplexity is not None else [])]
        return {k: v for name in asked for k, v in options.maker(name).models(config, lang).items()}

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Find missing models and files, and what a maker has against its options."""
        for task in tasks:
            lang = str(task.lang)
            own = config.with_settings(task.settings)
            makers = self._makers(own, task.unit)
            for name in makers:
                maker = self.options(own).maker(name)
                yield from maker.problems(own, lang)
                for key, path in maker.files(own, lang).items():
                    if not path.is_file():
                        yield Problem(f"{self.name}.{name}.{key}", f"file not found: {path}")
            for key, model in self._models(own, makers, lang).items():
                if key == "translator":  # what is wrong with it is said by its maker
                    continue
                try:
                    locate(model, config.config_dir).require_weights()
                except ModelError as error:
                    yield Problem(f"{self.name}.{key}.model", str(error))

    def models(self, config: RunConfig, task: Task) -> Mapping[str, str]:
        """Return those of the makers, of the gate, and of the round trip."""
        models: Mapping[str, str] = task.options["models"]
        return models

    def files(self, config: RunConfig, task: Task) -> Mapping[str, Path | str]:
        """The content of makers' files decides the result, too."""
        found = dict(super().files(config, task))
        for name in self.options(config).makers:
            for key, path in self.options(config).maker(name).files(config, str(task.lang)).items():
                found[f"{name}.{key}"] = path
        return found

    def passes(self, config: RunConfig, task: Task, rows: int) -> float:
        """Every sentence is made, translated or filled in, and looked at by the gate."""
        return 10.0 * (self.options(config).sentences or rows)

    def run(self, inputs: Inputs[Artifact], out: Output, context: Context) -> None:
        """Make the text of one language.

        Raises:
            DataError: If a maker has nothing to start from.
        """
        from stages.synthesize.gate import Gate, Measures, median_ratios
        from stages.synthesize.makers.base import TextRequest
        from stages.synthesize.synthesis import (
            REAL,
            Chunks,
            gated_rows,
            projected_sentences,
            real_sentences,
        )

        config, lang = context.config, str(context.task.lang)
        options = self.options(config)
        makers = self._makers(config, context.task.unit)
        source = _sentences(inputs, ("source", "source_unlabelled"))
        projected = (
            list(projected_sentences(inputs["projected"].rows())) if "projected" in inputs else []
        )
        evaluation = EvaluationIndex(
            row["words"] for found in inputs.all("eval").values() for row in found.rows()
        )
        measures = Measures(lang, options.gate, evaluation)
        chunks = Chunks(context.work_dir)
        ratios: dict[str, list[float]] = {}
        for name, count in makers.items():
            request = TextRequest(lang, config.source, count, context.seed, source, projected)
            if not (source if options.maker(name).from_source else projected):
                raise DataError(f"synthesize.weights: {name} has no sentence to start from")
            factory = self._factory(name, config, context.task, measures)
            with context.progress.task(f"synthesize {lang}: {name}", count, "sentences") as bar:
                for counted, times in chunks.produce(factory, name, request, bar.advance).items():
                    context.count(counted, times)
            ratios[name] = [
                m.scores["length_ratio"] for m in chunks.read(name) if "length_ratio" in m.scores
            ]
        usual = median_ratios(ratios)
        round_trip = self._round_trip(config, context.task, source)
        gate = Gate(lang, options.gate, evaluation, usual, self._perplexity(config), round_trip)
        _note(gate, usual, context)
        context.notes["evaluation_sentences"] = len(evaluation)
        if options.gate.round_trip is not None:
            context.notes["round_trip"] = round_trip is not None

        def rows() -> Iterator[dict[str, Any]]:
            # Real text first: of a pair of duplicates, the earlier one stays.
            if "unlabelled" in inputs:
                most = None if _real_only(context.task.unit) else options.unlabelled
                real = real_sentences(islice(inputs["unlabelled"].rows(), most))
                yield from gated_rows(real, REAL, lang, gate)
            for name in makers:
                yield from gated_rows(chunks.read(name), name, lang, gate)

        self._write(rows(), out, context)

    def decide(
        self,
        stored: Artifact,
        inputs: Inputs[Artifact],
        out: Output,
        context: Context,
    ) -> None:
        """Pass what was made through the gate again."""
        from stages.synthesize.gate import Gate, median_ratios
        from stages.synthesize.synthesis import decided_rows

        ratios: dict[str, list[float]] = {}
        for row in stored.rows():
            found = [s["value"] for s in row["scores"] if s["name"] == "length_ratio"]
            ratios.setdefault(row["maker"], []).extend(found)
        usual = median_ratios(ratios)
        lang = str(context.task.lang)
        # Every stored sentence brings along how much of an evaluation sentence it is.
        gate = Gate(lang, self.options(context.config).gate, EvaluationIndex([]), usual)
        context.notes |= stored.manifest.notes
        _note(gate, usual, context)
        self._write(decided_rows(stored.rows(), lang, gate), out, context)

    def _write(self, rows: Iterator[dict[str, Any]], out: Output, context: Context) -> None:
        lang = context.task.lang

        def counted() -> Iterator[dict[str, Any]]:
            with context.progress.task(f"synthesize {lang}: gate", None, "sentences") as bar:
                for row in rows:
                    context.count(f"{row['maker']}_{'kept' if row['kept'] else 'dropped'}")
                    bar.advance(1)
                    yield row

        out.write_rows(counted())

    def _factory(
        self, name: str, config: RunConfig, task: Task, measures: Measures
    ) -> Callable[[], Maker]:
        def model(key: str) -> tuple[Path, str]:
            found = locate(task.options["models"][key], config.config_dir)
            return found.download(), found.name

        from stages.synthesize.makers.base import MakerSetting

        kind = self.options(config).maker(name)
        setting = MakerSetting(config, str(task.lang), model, measures)
        return lambda: kind.build(setting)

    def _perplexity(self, config: RunConfig) -> Callable[[Sequence[str]], float] | None:
        if self.options(config).gate.perplexity is None:
            return None
        from stages.synthesize.makers.infilling import MaskedModel

        name = self._models(config, (), "")["infilling"]
        return MaskedModel(locate(name, config.config_dir).download()).pseudo_perplexity

    def _round_trip(
        self, config: RunConfig, task: Task, source: Sequence[Sentence]
    ) -> RoundTripScores | None:
        """Return what translates back; ``None`` if that is not wanted, or no model can."""
        if "back" not in task.options["models"]:
            return None
        from stages.synthesize.round_trip import RoundTrip
        from stages.tokenise import detokenise

        lang = str(task.lang)
        # A search by one beam: that is enough to see what became of the meaning, and quick.
        sampling = self.options(config).maker("translation").options
        decoding = DecodingConfig(
            beam_size=1, compute_type=sampling.compute_type, device=sampling.device
        )

        kind = translator_kind(config, decoding)

        def builder(key: str) -> Callable[[], BaseTranslator]:
            found = locate(task.options["models"][key], config.config_dir)
            here, there = _round_trip(config, lang)[key]
            return lambda: kind.load(found.download(), here, there, name=found.name)

        texts = {s.id: detokenise(clean_words(s.words), config.source) for s in source}
        return RoundTrip(lang, builder("back"), builder("forth"), texts).similarities


def _real_only(unit: str) -> bool:
    return _REAL_ONLY in unit.split("/")


def _note(gate: Gate, usual: Mapping[str, float], context: Context) -> None:
    context.notes["median_length_ratio"] = {k: round(v, 4) for k, v in usual.items()}
    context.notes["language_identification"] = gate.judges_language


def _round_trip(config: RunConfig, lang: str) -> dict[str, tuple[str, str]]:
    """Return the directions of a round trip."""
    return {"back": (lang, config.source), "forth": (config.source, lang)}


def _round_trip_known(config: RunConfig, lang: str) -> bool:
    """Return whether the run's translators know both directions.

    As with language identification: what cannot be judged is not dropped.
    """
    directions = _round_trip(config, lang).values()
    return all(translator_problem(config, *both) is None for both in directions)


def _sentences(inputs: Inputs[Artifact], names: Sequence[str]) -> list[Sentence]:
    from pipeline.schema import Sentence

    found = []
    for name in names:
        if name in inputs:
            found += [Sentence.from_row(row) for row in inputs[name].rows() if row["words"]]
    return found


STAGE = SynthesizeStage()
