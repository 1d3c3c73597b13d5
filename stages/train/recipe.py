"""The taggers of a run and what they train on: shared by train, self_train and predict.

Imports nothing heavy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.errors import ModelError
from pipeline.hashes import derive_seed
from pipeline.inputs import Inputs
from pipeline.models import locate
from pipeline.stage import Problem, Ref
from stages.adapt import adapted_encoder
from stages.arms import Arm
from stages.experiment import experiment
from stages.several_sources import (
    dev_sources,
    named,
    projected_units,
    train_refs,
    translated_sources,
)
from stages.tagger.layers import depth_of, resolve_fusion_layer
from stages.train.config import TaggerOptions, TrainConfig
from stages.train.trackers import missing_trackers

if TYPE_CHECKING:
    from pipeline.schema import Span
    from stages.train.data import TrainingSentence


@dataclass(frozen=True, slots=True)
class TaggerUnit:
    """One tagger of a run.

    Attributes:
        arm: Name of its arm.
        recipe: The arm.
        seed: Training seed.
        languages: The target languages that it is for.
        unit: Folder below its stage's.
    """

    arm: str
    recipe: Arm
    seed: int
    languages: tuple[str, ...]
    unit: str

    @property
    def ref(self) -> Ref:
        """Where the tagger is."""
        return Ref(self.recipe.kind, self.unit)


def train_options(config: RunConfig) -> TrainConfig:
    """Return the section ``train``."""
    return config.section("train", TrainConfig)


def tagger_units(
    config: RunConfig, kind: Literal["train", "self_train"] | None = None
) -> list[TaggerUnit]:
    """Return the taggers that a run trains, teachers included.

    Args:
        config: The configuration.
        kind: Only those that this stage makes.
    """
    recipes = experiment(config).recipes
    return [
        unit
        for arm, seeds in experiment(config).trained_seeds().items()
        if recipes[arm].kind in ("train", "self_train") and kind in (None, recipes[arm].kind)
        for seed in seeds
        for unit in _units(config, arm, seed)
    ]


def tagger_for(config: RunConfig, arm: str, seed: int, lang: str) -> TaggerUnit:
    """Return the tagger of an arm that labels ``lang``."""
    units = _units(config, arm, seed)
    return next((u for u in units if lang in u.languages), units[0])


def _units(config: RunConfig, arm: str, seed: int) -> list[TaggerUnit]:
    recipe = experiment(config).recipes[arm]
    if recipe.kind == "external":  # without a seed; the source language for its translations
        languages = (*config.languages, config.source)
        return [TaggerUnit(arm, recipe, seed, (lang,), f"{arm}/{lang}") for lang in languages]
    # A tagger that sees source data only is the same for every language.
    if train_options(experiment(config).for_arm(arm)).per_language and recipe.data != ("source",):
        return [
            TaggerUnit(arm, recipe, seed, (lang,), f"{arm}/{lang}/seed-{seed}")
            for lang in config.languages
        ]
    return [TaggerUnit(arm, recipe, seed, tuple(config.languages), f"{arm}/seed-{seed}")]


def training_inputs(config: RunConfig, unit: TaggerUnit) -> dict[str, Ref]:
    """Return the inputs that training and selection of a tagger need (see ``read_examples``)."""
    inputs: dict[str, Ref] = {}
    if (adapted := adapted_encoder(config, unit.arm)) is not None:
        inputs["encoder"] = adapted
    options = train_options(experiment(config).for_arm(unit.arm))
    select = options.select
    if "source" in unit.recipe.data:
        inputs |= train_refs(config, options.sources)
    if select == "source_dev":
        inputs |= {named("dev", s, config): Ref("prepare", f"dev/{s}") for s in dev_sources(config)}
    for lang in unit.languages:
        if "projected" in unit.recipe.data:
            found = {f"projected/{lang}": lang}  # of rivals there are labels for one source alone
            if unit.recipe.rival is None:
                found = projected_units(config, lang, options.sources)
            for name, made in found.items():
                made = experiment(config).unit_of(unit.arm, "project", made)
                inputs[name] = Ref("project", made)
        if "gold" in unit.recipe.data:
            inputs[f"gold/{lang}"] = Ref("prepare", f"target_train/{lang}")
        if select == "target_dev":
            inputs[f"dev/{lang}"] = Ref("prepare", f"target_dev/{lang}")
    return inputs


def encoder_of(config: RunConfig, inputs: Inputs[Artifact]) -> str | Path:
    """Return the encoder that a tagger starts from: ``models.encoder``, or what adapt made of it.

    Raises:
        ModelError: If it cannot be had.
    """
    if (adapted := inputs.maybe("encoder")) is not None:
        return adapted.folder
    return locate(config.models.encoder, config.config_dir).download()


def head_fields(options: TrainConfig, fused: bool) -> dict[str, Any]:
    """Return the fields of ``LayerFusedConfig`` for an arm."""
    if not fused:
        return {"fusion": "none"}
    return options.fusion_kind().head(options.fusion)


def read_examples(
    options: TrainConfig,
    inputs: Inputs[Artifact],
    seed: int,
    counts: Counter[str],
    ignored: Collection[str] = (),
) -> Iterator[TrainingSentence]:
    """Stream the labelled training sentences: gold source, kept projected, gold target.

    Args:
        options: Weights and repetitions.
        inputs: ``train``, ``projected/<lang>``, ``gold/<lang>``, as there are, and with a further
            step those of further source languages.
        seed: For repetitions that are not whole numbers, and the draw of gold sentences.
        counts: Gets the numbers of sentences by origin, as ``sentences/<input>``.
        ignored: Types that are not learnt (``labels.ignore``).
    """
    from stages.train.data import repeat_examples
    from stages.train.few_shot import drawn

    projected, trained = inputs.only("projected"), inputs.only("train")
    for name, artifact in inputs.only("train", "projected", "gold").items():
        if name in projected:
            examples: Iterable[TrainingSentence] = projected_examples(
                artifact.rows, options, ignored
            )
            times = options.projected_repeat
        else:
            source = name in trained
            weight = options.source_weight if source else 1.0
            rows: Iterable[Mapping[str, Any]] = artifact.rows()
            if not source and options.gold_sentences is not None:
                rows = drawn(rows, options.gold_sentences, derive_seed(seed, "few_shot"), name)
            examples = gold_examples(rows, weight, ignored)
            times = options.source_repeat if source else options.gold_repeat
        for example in repeat_examples(examples, times, derive_seed(seed, name)):
            counts[f"sentences/{name}"] += 1
            yield example


def gold_examples(
    rows: Iterable[Mapping[str, Any]], weight: float = 1.0, ignored: Collection[str] = ()
) -> Iterator[TrainingSentence]:
    """Turn labelled rows into training sentences; those without words are left out.

    Entities of a type in ``ignored`` are none: who labelled them has seen what they are.
    """
    from pipeline.schema import spans_of
    from stages.train.data import TrainingSentence

    for row in rows:
        if row["words"]:
            spans = [s for s in spans_of(row) if s.type not in ignored]
            yield TrainingSentence(row["words"], spans, weight, id=row["id"])


def projected_examples(
    rows: Callable[[], Iterable[Mapping[str, Any]]],
    options: TrainConfig,
    ignored: Collection[str] = (),
) -> Iterator[TrainingSentence]:
    """Turn projected rows into training sentences: kept sentences, with their kept spans.

    Words of spans whose type is in ``ignored``, kept or not, teach nothing if they are words of
    entities elsewhere in these rows, and are ``O`` otherwise. *German* is no location, but its
    translation may be *of Germany*, whose last word is one; that of *World Cup* is none anywhere.

    Args:
        rows: Returns the rows from the first on; called twice where types are ignored.
        options: Weights.
        ignored: Types that are not learnt.
    """
    import numpy as np

    from pipeline.schema import kept_spans
    from stages.train.data import TrainingSentence

    entities = _entity_words(rows(), ignored) if ignored else set()
    for row in rows():
        if not row["kept"] or not row["words"]:
            continue
        spans = [s for s in kept_spans(row) if s.type not in ignored]
        mask = np.ones(len(row["words"]), dtype=bool)
        for span in row["spans"]:
            if span["type"] in ignored:
                for place in range(span["start"], span["end"]):
                    mask[place] = row["words"][place].casefold() not in entities
        for kept in spans:
            mask[kept.start : kept.end] = True
        weight = options.projected_weight
        if options.weight_by_score and spans:
            weight *= min(s.score if s.score is not None else 1.0 for s in spans)
        yield TrainingSentence(
            row["words"], spans, weight, mask=None if mask.all() else mask, id=row["id"]
        )


def _entity_words(rows: Iterable[Mapping[str, Any]], ignored: Collection[str]) -> set[str]:
    """Return the words, case folded, of the kept entities that are learnt."""
    from pipeline.schema import kept_spans

    return {
        word.casefold()
        for row in rows
        if row["kept"]
        for span in kept_spans(row)
        if span.type not in ignored
        for word in row["words"][span.start : span.end]
    }


def read_dev(
    options: TaggerOptions, inputs: Inputs[Artifact]
) -> list[tuple[list[str], list[Span]]]:
    """Return words and gold spans of the sentences that weights are chosen on."""
    from pipeline.schema import spans_of

    chosen: list[tuple[list[str], list[Span]]] = []
    for artifact in inputs.only("dev").values():
        for number, row in enumerate(artifact.rows()):
            if options.dev_sentences is not None and number >= options.dev_sentences:
                break
            chosen.append((row["words"], spans_of(row)))
    return chosen


def check_training(config: RunConfig, units: Sequence[TaggerUnit]) -> Iterator[Problem]:
    """Yield what is wrong with languages and encoder (missing inputs are the runner's business)."""
    if not config.languages and any(u.recipe.data != ("source",) for u in units):
        yield Problem("languages", "the arms need at least one target language")
    yield from _check_sources(config, units)
    heads = {unit.arm: unit.recipe for unit in units}
    for arm, recipe in heads.items():
        for problem in (
            *check_packages(experiment(config).for_arm(arm)),
            *check_encoder(experiment(config).for_arm(arm), recipe.fused),
        ):
            own = f" (arm {arm})" if recipe.settings else ""
            yield Problem(problem.key, problem.message + own)


def _check_sources(config: RunConfig, units: Sequence[TaggerUnit]) -> Iterator[Problem]:
    """Yield arms that learn from projected labels, of languages that nothing is projected from."""
    projected = translated_sources(config)
    for arm, recipe in {unit.arm: unit.recipe for unit in units}.items():
        given = train_options(experiment(config).for_arm(arm)).sources or ()
        if given and "projected" in recipe.data and not set(given) & set(projected):
            yield Problem(
                "train.sources",
                f"nothing is projected from {', '.join(given)} (translate.sources: "
                f"{', '.join(projected)}), and the arm {arm} trains on projected labels",
            )


def check_packages(config: RunConfig) -> Iterator[Problem]:
    """Yield what is asked for whose packages are not installed: trackers, adapters."""
    for message in missing_trackers(train_options(config).report_to):
        yield Problem("train.report_to", message)
    if train_options(config).lora is not None and find_spec("peft") is None:
        yield Problem("train.lora", "peft is not installed: pip install 'xlner[lora]'")


def check_encoder(config: RunConfig, fused: bool) -> Iterator[Problem]:
    """Yield what is wrong with ``models.encoder`` and the fusion layer; reads config.json only."""
    try:
        source = locate(config.models.encoder, config.config_dir)
        source.require_weights()
        declared = source.config
    except ModelError as error:
        yield Problem("models.encoder", str(error))
        return
    if declared is None:  # a hub id that is not here yet
        return
    kind = declared.get("model_type")
    if kind is None:
        yield Problem("models.encoder", f"{source.name}: config.json names no model_type")
        return
    if declared.get("is_encoder_decoder") or declared.get("is_decoder") or kind in _DECODERS:
        yield Problem(
            "models.encoder",
            f"{source.name} is a {kind!r} checkpoint, not an encoder; give one such as "
            "BERT, XLM-R or mDeBERTa",
        )
        return
    options = train_options(config)
    try:
        depth = depth_of(declared)
    except ValueError as error:
        yield Problem("models.encoder", f"{source.name}: {error}")
        return
    if options.freeze_layers > depth:
        yield Problem(
            "train.freeze_layers",
            f"is {options.freeze_layers}, but {source.name} has {depth} layers",
        )
    layer = options.fusion_kind().layer
    if not fused or layer is None:
        return
    try:
        resolve_fusion_layer(layer, depth)
    except ValueError as error:
        yield Problem("train.fusion_layer", f"{error} ({source.name})")


_DECODERS = frozenset({"bloom", "gemma", "gemma2", "gpt2", "gpt_neox", "llama", "mistral", "opt"})


def passes(options: TrainConfig, rows: int) -> float:
    """Return how many sentences a training sees, counting three: forwards and twice backwards."""
    per_update = options.batch_size * options.gradient_accumulation
    seen = options.max_steps * per_update if options.max_steps else options.epochs * rows
    return 3.0 * seen
