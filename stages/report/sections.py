"""What the sections of the page show, computed from the results; no HTML but charts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.artifacts import Artifact
from stages.evaluate.results import (
    CATEGORIES,
    PROJECTION,
    FewShotPoint,
    Results,
    SweepPoint,
    SweepResult,
)
from stages.inspect.statistics import FunnelStep, ProjectionStatistics
from stages.own_arms import short
from stages.registry import STAGES
from stages.report import charts
from stages.report.answer import name_of
from stages.report.figures import percent


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its caption."""

    title: str
    chart: Markup


def about_arm(results: Results, arm: str) -> str:
    """Return what an arm is, in a line."""
    if arm == PROJECTION:
        return "projected labels against gold labels of the target side"
    return results.about.get(arm, "")


def _intervals(results: Results, lang: str, kind: str | None = None) -> list[charts.Interval]:
    """Return the F1 of each arm: of all types, or of one that there is."""
    return [
        charts.Interval(arm, 100 * s.f1, 100 * s.f1_low, 100 * s.f1_high, index)
        for index, arm in enumerate(results.scored_arms())
        if (s := results.of(arm, lang, kind)) is not None and (kind is None or s.gold or s.f1)
    ]


def overall_figures(results: Results) -> list[Figure]:
    """Return one chart per language: F1 of each arm with its interval."""
    found = []
    for lang in results.scored_languages():
        title = f"{name_of(lang)}: F1 by arm"
        found.append(Figure(title, charts.interval_chart(title, _intervals(results, lang))))
    return found


def type_figures(results: Results) -> list[tuple[str, list[Figure]]]:
    """Return charts of F1 per type, each language's under its name."""
    found = []
    for lang in results.scored_languages():
        figures = []
        for kind in results.types:
            if rows := _intervals(results, lang, kind):
                title = f"{kind} in {name_of(lang)}: F1 by arm"
                figures.append(Figure(title, charts.interval_chart(title, rows)))
        found.append((name_of(lang), figures))
    return found


def difference_figure(results: Results) -> Figure | None:
    """Return the chart of all compared pairs."""
    pairs = list(dict.fromkeys((c.first, c.second) for c in results.comparisons))
    rows = [
        charts.Interval(
            name_of(c.lang) if c.lang else "mean",
            100 * c.difference,
            100 * c.low,
            100 * c.high,
            pairs.index((c.first, c.second)),
            (c.first, c.second),
        )
        for c in results.comparisons
    ]
    if not rows:
        return None
    title = "Differences in F1 between arms, in points, with intervals"
    return Figure(title, charts.difference_chart(title, rows))


@dataclass(frozen=True, slots=True)
class ProjectionSection:
    """What happened to one language's projected labels."""

    name: str
    statistics: ProjectionStatistics
    funnel: Figure
    histogram: Figure | None
    types: Figure
    reasons: list[tuple[str, str, str, int]]


def projection_section(
    statistics: ProjectionStatistics, steps: list[FunnelStep]
) -> ProjectionSection:
    """Return charts and reasons for one language."""
    name = name_of(statistics.lang)
    bars = [
        (_FUNNEL_LABELS[s.stage], s.sentences, "" if s.entities is None else f"({s.entities:,})")
        for s in steps
    ]
    title = f"{name}: sentences left after each stage (entities in brackets)"
    funnel = Figure(title, charts.bar_chart(title, bars))
    histogram = None
    if sum(statistics.scores_kept) + sum(statistics.scores_dropped):
        told = f"{name}: scores of projected spans"
        histogram = Figure(
            told, charts.histogram(told, statistics.scores_kept, statistics.scores_dropped)
        )
    told = f"{name}: source entities by type, and what became of them"
    parts = [
        (
            kind,
            [c.used, c.kept - c.used, c.projected - c.kept, c.source - c.projected],
        )
        for kind, c in statistics.types.items()
    ]
    names = ["used", "kept, sentence dropped", "dropped", "lost"]
    return ProjectionSection(
        name=name,
        statistics=statistics,
        funnel=funnel,
        histogram=histogram,
        types=Figure(told, charts.stacked_chart(told, parts, names)),
        reasons=[
            (what, reason, STAGES.reasons.get(reason, ""), n)
            for what, reason, n in statistics.reasons()
        ],
    )


_FUNNEL_LABELS = {
    "prepare": "source sentences",
    "translate": "translated",
    "align": "aligned",
    "project": "projected and kept",
    "synthesize": "synthetic, kept (added)",
}


def error_figures(results: Results) -> list[Figure]:
    """Return one chart per language: errors by kind and arm, mean over the seeds."""
    seeds = {(s.arm, s.lang): len(s.seeds) for s in results.summary if s.lang}
    counts: dict[tuple[str, str, str], float] = defaultdict(float)
    for e in results.errors:
        counts[e.lang, e.arm, e.category] += e.count / seeds[e.arm, e.lang]
    found = []
    for lang in results.scored_languages():
        rows = [
            (arm, [counts[lang, arm, c] for c in CATEGORIES])
            for arm in results.scored_arms()
            if (arm, lang) in seeds
        ]
        title = f"{name_of(lang)}: errors by kind, mean over seeds"
        names = [c.replace("_", " ") for c in CATEGORIES]
        found.append(Figure(title, charts.stacked_chart(title, rows, names)))
    return found


@dataclass(frozen=True, slots=True)
class SeenRow:
    """Recall on entity strings that the source training data holds, and on those it lacks."""

    arm: str
    lang: str
    seen: str
    unseen: str
    seen_gold: int
    unseen_gold: int


def seen_rows(results: Results) -> list[SeenRow]:
    """Return recall by familiarity per arm and language, seeds taken together."""
    tp: dict[tuple[str, str, bool], int] = defaultdict(int)
    gold: dict[tuple[str, str, bool], int] = defaultdict(int)
    runs: dict[tuple[str, str], set[int | None]] = defaultdict(set)
    for f in results.familiarity:
        tp[f.arm, f.lang, f.seen] += f.tp
        gold[f.arm, f.lang, f.seen] += f.gold
        runs[f.arm, f.lang].add(f.seed)

    def recall(arm: str, lang: str, seen: bool) -> str:
        total = gold[arm, lang, seen]
        return percent(tp[arm, lang, seen] / total) if total else "–"

    return [
        SeenRow(
            arm,
            name_of(lang),
            recall(arm, lang, True),
            recall(arm, lang, False),
            gold[arm, lang, True] // len(seeds),
            gold[arm, lang, False] // len(seeds),
        )
        for (arm, lang), seeds in runs.items()
    ]


def reliability_figures(results: Results) -> list[Figure]:
    """Return one chart per language: the share of right entities over their scores, by arm.

    A point is a tenth of the scale with ten entities or more; the first line is what calibrated
    scores would give.
    """
    figures = []
    for lang in dict.fromkeys(c.lang for c in results.calibration):
        mine = [c for c in results.calibration if c.lang == lang]
        count = len(mine[0].bins)
        places = [f"{(i + 0.5) / count:.2f}" for i in range(count)]
        ideal = charts.Line("calibrated", [100 * (i + 0.5) / count for i in range(count)])
        lines = [
            charts.Line(c.arm, [100 * b.right if b.count >= _FEWEST else None for b in c.bins])
            for c in mine
        ]
        title = f"{name_of(lang)}: share of right entities by their score"
        figures.append(Figure(title, charts.curve(title, places, [ideal, *lines], width=360)))
    return figures


_FEWEST = 10


@dataclass(frozen=True, slots=True)
class StageTime:
    """What one stage took, over all of its units."""

    stage: str
    units: int
    rows: int
    seconds: float


def stage_times(artifacts: Iterable[Artifact]) -> list[StageTime]:
    """Add up the times of a run's outputs by stage, in the order of the stages."""
    made = defaultdict(list)
    for artifact in artifacts:
        made[artifact.manifest.stage].append(artifact.manifest)
    return [
        StageTime(n, len(of), sum(m.rows_out or 0 for m in of), sum(m.seconds for m in of))
        for n in STAGES.names
        if (of := made.get(n))
    ]


def sweep_figures(sweep: SweepResult) -> list[Figure]:
    """Return the curves of a sweep: F1 over the values of the first option that is swept.

    Where several are, there is one figure for every combination of the others. Error bars are one
    deviation over the seeds; the dotted line is what the sweep is compared with.
    """
    ours = [p for p in sweep.points if p.values]
    places = list(dict.fromkeys(short(p.values[0]) for p in ours))
    figures = []
    for others in dict.fromkeys(tuple(map(short, p.values[1:])) for p in ours):
        mine = [p for p in ours if tuple(map(short, p.values[1:])) == others]
        lines = [
            _line(places, [p for p in mine if (p.key, p.lang) == of], _level(sweep, of))
            for of in dict.fromkeys((p.key, p.lang) for p in mine)
        ]
        told = ", ".join(f"{k} {v}" for k, v in zip(sweep.keys[1:], others, strict=True))
        title = f"{sweep.name}: F1 by {sweep.keys[0]}{', ' + told if told else ''}"
        figures.append(Figure(title, charts.curve(title, places, lines)))
    return figures


def few_shot_figures(results: Results) -> list[Figure]:
    """Return a chart per language: F1 over gold sentences, without and with projected data."""
    figures = []
    for found in results.few_shot:
        counts = sorted({p.sentences for p in (*found.plain, *found.projected)})
        lines = [
            _few_shot_line(name, counts, points)
            for name, points in (("gold", found.plain), ("gold, projected", found.projected))
        ]
        title = (
            f"{name_of(found.lang)}: F1 by number of gold sentences; projected data is worth "
            f"{found.told}"
        )
        figures.append(Figure(title, charts.curve(title, list(map(str, counts)), lines)))
    return figures


def _few_shot_line(name: str, counts: list[int], points: list[FewShotPoint]) -> charts.Line:
    by_count = {p.sentences: p for p in points}
    found = [by_count.get(n) for n in counts]
    return charts.Line(
        name,
        [None if p is None else 100 * p.f1 for p in found],
        [None if p is None else 50 * (p.f1_high - p.f1_low) for p in found],
    )


def _line(places: list[str], points: list[SweepPoint], level: float | None) -> charts.Line:
    by_place = {short(p.values[0]): p for p in points}
    return charts.Line(
        "source dev" if points[0].key == "dev" else name_of(points[0].lang),
        [100 * by_place[x].f1 if x in by_place else None for x in places],
        [100 * (by_place[x].f1_std or 0.0) if x in by_place else None for x in places],
        level,
    )


def _level(sweep: SweepResult, of: tuple[str, str | None]) -> float | None:
    found = (p for p in sweep.points if p.arm == sweep.against and (p.key, p.lang) == of)
    return next((100 * p.f1 for p in found), None)
