"""Reads the artifacts of a run and evaluates them."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pyarrow.compute as pc

from pipeline.artifacts import Artifact
from pipeline.formats.words import folded
from pipeline.inputs import Inputs
from pipeline.schema import Span
from pipeline.stage import Context
from stages.evaluate.compare import Comparer
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.few_shot import few_shot_pairs, few_shot_results
from stages.evaluate.grading import Graded, count_spans, f1_of, pair_up
from stages.evaluate.measuring import Measurer
from stages.evaluate.mistakes import blame, entity_strings, entity_text, familiarity, mistakes
from stages.evaluate.results import (
    CATEGORIES,
    PROJECTION,
    Calibration,
    CalibrationBin,
    Confusion,
    ErrorCount,
    Familiarity,
    ProjectionBlame,
    Results,
    TestSet,
    unique,
)
from stages.evaluate.sweeps import sweep_pairs, sweep_result
from stages.experiment import Experiment, experiment
from stages.inspect.statistics import ProjectionStatistics, projection_statistics
from stages.predict import test_sets
from stages.several_sources import dev_sources
from stages.tagger.calibration import calibration_error, reliability, scored_entities

_log = logging.getLogger(__name__)


class _Evaluation:
    """One pass over everything that is to be scored."""

    def __init__(self, comparer: Comparer, measurer: Measurer, seen: frozenset[str]) -> None:
        self.comparer = comparer
        self.measurer = measurer
        self.seen = seen
        self.sets: list[TestSet] = []
        self.errors: list[ErrorCount] = []
        self.confusions: list[Confusion] = []
        self.familiarity: list[Familiarity] = []
        self.blame: list[ProjectionBlame] = []
        self.mistakes: list[dict[str, Any]] = []
        self.scored: dict[tuple[str, str], list[Graded]] = defaultdict(list)

    def describe(self, lang: str, key: str, rows: Iterable[Mapping[str, Any]]) -> TestSet:
        sentences = words = 0
        entities: Counter[str] = Counter()
        for row in rows:
            sentences += 1
            words += len(row["words"])
            entities.update(s["type"] for s in row["spans"])
        found = TestSet(
            lang=lang,
            key=key,
            sentences=sentences,
            words=words,
            entities=dict(sorted(entities.items())),
        )
        self.sets.append(found)
        return found

    def score(self, lang: str, key: str, arm: str, seed: int | None, graded: list[Graded]) -> None:
        self.comparer.add(lang, key, arm, seed, graded)
        self.measurer.add(lang, key, arm, seed, graded)
        if key != "parallel":  # the scores of projected spans are of another kind
            self.scored[arm, lang] += graded
        kinds: Counter[tuple[str, str]] = Counter()
        confused: Counter[tuple[str, str]] = Counter()
        for sentence in graded:
            for found in mistakes(sentence):
                gold, predicted = found.gold, found.predicted
                either = gold or predicted
                assert either is not None
                kinds[either.type, found.category] += 1
                if gold and predicted and gold.type != predicted.type:
                    confused[gold.type, predicted.type] += 1
                self.mistakes.append(
                    {
                        "arm": arm,
                        "lang": lang,
                        "seed": seed,
                        "id": found.id,
                        "category": found.category,
                        "words": sentence.words,
                        **_side("gold", sentence, gold),
                        **_side("predicted", sentence, predicted),
                        "seen": (
                            folded(entity_text(sentence.words, gold)) in self.seen if gold else None
                        ),
                    }
                )
        self.errors += [
            ErrorCount(arm=arm, lang=lang, seed=seed, type=t, category=c, count=n)
            for (t, c), n in sorted(
                kinds.items(), key=lambda kv: (kv[0][0], CATEGORIES.index(kv[0][1]))
            )
        ]
        self.confusions += [
            Confusion(arm=arm, lang=lang, seed=seed, gold=g, predicted=p, count=n)
            for (g, p), n in sorted(confused.items())
        ]
        self.familiarity += [
            Familiarity(arm=arm, lang=lang, seed=seed, seen=known, tp=tp, gold=gold_count)
            for known, (tp, gold_count) in familiarity(graded, self.seen).items()
        ]

    def calibration(self) -> list[Calibration]:
        found = []
        for (arm, lang), graded in self.scored.items():
            scores, right = scored_entities((g.predicted for g in graded), (g.gold for g in graded))
            bins = reliability(scores, right)
            found.append(
                Calibration(
                    arm=arm,
                    lang=lang,
                    ece=calibration_error(bins),
                    bins=[CalibrationBin(**asdict(b)) for b in bins],
                )
            )
        return found

    def score_projection(
        self, lang: str, gold: list[dict[str, Any]], projected: list[dict[str, Any]]
    ) -> None:
        graded = pair_up(gold, projected, what=f"project/{lang}", only_kept=True)
        self.score(lang, "parallel", PROJECTION, None, graded)
        reasons = Counter(
            item for g, row in zip(graded, projected, strict=True) for item in blame(g, row)
        )
        self.blame += [
            ProjectionBlame(lang=lang, stage=stage, reason=reason, count=n)
            for (stage, reason), n in sorted(reasons.items(), key=lambda kv: (-kv[1], kv[0]))
        ]


def _side(name: str, sentence: Graded, span: Span | None) -> dict[str, Any]:
    """Return the cells of one side of a mistake."""
    if span is None:
        return dict.fromkeys(f"{name}_{what}" for what in ("start", "end", "type", "text"))
    return {
        f"{name}_start": span.start,
        f"{name}_end": span.end,
        f"{name}_type": span.type,
        f"{name}_text": entity_text(sentence.words, span),
    }


def evaluate(inputs: Inputs[Artifact], context: Context) -> tuple[Results, list[dict[str, Any]]]:
    """Evaluate a run.

    Args:
        inputs: As :func:`stages.evaluate.inputs.evaluation_inputs` names them.
        context: Of the task.

    Returns:
        The results, and one row per error (see :data:`stages.evaluate.tables.MISTAKES`).
    """
    config, known = context.config, experiment(context.config)
    options = config.section("evaluate", EvaluateConfig)
    seen = frozenset[str]().union(
        *(entity_strings(data.rows()) for data in inputs.only("train").values())
    )
    types = _types(inputs, config.labels.types)
    evaluation = _Evaluation(
        Comparer(types, options, context.seed),
        Measurer(options.named_metrics, options.resamples, options.confidence, context.seed),
        seen,
    )
    statistics: list[ProjectionStatistics] = []
    arms: list[str] = []
    total = len(inputs.all("predicted")) + len(inputs.by_lang("projected"))
    with context.progress.task("evaluate", total=total, unit="prediction sets") as bar:
        for key, lang in test_sets(config):
            gold = list(inputs.one("gold", key, lang).rows())
            described = evaluation.describe(lang, key, gold)
            if not described.entities:
                _log.warning("evaluate: %s", described.nothing_to_score)
                bar.advance(len(inputs.all("predicted", key, lang)))
                continue
            for arm in known.compared:
                for seed in known.seeds_of(arm):
                    predicted = inputs.maybe("predicted", key, lang, arm, seed)
                    if predicted is None:  # the arm has nothing to say of the source language
                        continue
                    what = f"predict/{arm}/seed-{seed}/{key}/{lang}"
                    graded = pair_up(gold, spans_only(predicted), what=what)
                    evaluation.score(lang, key, arm, seed, graded)
                    arms.append(arm)
                    bar.advance()
        for lang, projected in inputs.by_lang("projected").items():
            statistics.append(projection_statistics(lang, projected.rows()))
            if (parallel := inputs.maybe("parallel", lang)) is not None:
                gold = list(parallel.rows())
                # Parallel text without labels is fine: then there is nothing to score.
                if any(row["spans"] for row in gold):
                    evaluation.describe(lang, "parallel", gold)
                    evaluation.score_projection(lang, gold, list(projected.rows()))
                    arms.append(PROJECTION)
            bar.advance()
        summary = evaluation.comparer.summarise()
        dev = _dev_scores(inputs, known)
        pairs = options.pairs if "pairs" in options.model_fields_set else known.pairs()
        pairs = list(
            dict.fromkeys([*pairs, *sweep_pairs(known.sweeps, dev), *few_shot_pairs(known.sweeps)])
        )
        comparisons = evaluation.comparer.compare(pairs)
    targets = [lang for key, lang in test_sets(config) if key == "test"]
    results = Results(
        run=config.name,
        source=config.source,
        languages=config.languages,
        arms=[a for a in (*known.compared, PROJECTION) if a in arms],
        about={a: known.recipes[a].about for a in known.compared},
        calibration=evaluation.calibration(),
        few_shot=few_shot_results(known.sweeps, summary),
        sweeps=[
            sweep_result(s, evaluation.comparer.scores, summary, dev, targets) for s in known.sweeps
        ],
        informed=[a for a in known.compared if known.informed(a)],
        outside=[a for a in known.compared if known.of_outside(a)],
        seeds=list(dict.fromkeys(s for a in known.compared for s in known.seeds_of(a)))
        or config.seeds,
        types=types,
        confidence=options.confidence,
        alpha=options.alpha,
        resamples=options.resamples,
        rounds=options.rounds,
        sets=evaluation.sets,
        scores=evaluation.comparer.scores,
        summary=summary,
        measured=list(evaluation.measurer.summarise()),
        comparisons=comparisons,
        errors=evaluation.errors,
        confusions=evaluation.confusions,
        familiarity=evaluation.familiarity,
        projection=statistics,
        blame=evaluation.blame,
    )
    return results, evaluation.mistakes


def _dev_scores(inputs: Inputs[Artifact], known: Experiment) -> dict[str, dict[int, float]]:
    """Return F1 on source dev of the arms that are chosen there, by arm and seed.

    Of several source languages it is that of all their sentences together.
    """
    found: dict[str, dict[int, float]] = {}
    if not known.chosen_on_dev:
        return found
    sources = dev_sources(known)
    gold = {lang: list(inputs.one("gold", "dev", lang).rows()) for lang in sources}
    for arm in known.chosen_on_dev:
        for seed in known.seeds_of(arm):
            graded = []
            for lang in sources:
                predicted = inputs.one("predicted", "dev", lang, arm, seed)
                what = f"predict/{arm}/seed-{seed}/dev/{lang}"
                graded += pair_up(gold[lang], spans_only(predicted), what=what)
            types = sorted({s.type for g in graded for s in (*g.gold, *g.predicted)})
            total = count_spans(graded, types).sum(axis=(0, 1))
            found.setdefault(arm, {})[seed] = float(f1_of(total))
    return found


def spans_only(predicted: Artifact) -> Iterator[dict[str, Any]]:
    """Yield the rows of a predictions dataset without the distributions, which are most of it."""
    for data in predicted.tables():
        yield from data.select(["id", "words", "spans"]).to_pylist()


def _types(inputs: Inputs[Artifact], configured: list[str] | None) -> list[str]:
    """Return every type that occurs, the configured ones first."""
    found: set[str] = set()
    for name, artifact in inputs.items():
        if name == "train":
            continue
        for data in artifact.tables():
            spans = data.column("spans").combine_chunks().flatten()
            found.update(t for t in pc.unique(spans.field("type")).to_pylist() if t)
    return unique([*(configured or []), *sorted(found)])
