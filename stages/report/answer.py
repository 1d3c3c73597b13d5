"""The answer in words, made from the numbers and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pipeline.languages import english_name
from stages.arms import DECIDING
from stages.evaluate.results import PROJECTION, Comparison, Results, SweepResult
from stages.own_arms import short
from stages.report.figures import p_text, percent, signed
from stages.sweeps import GOLD

QUESTION: Final = (
    "Does synthetic unlabelled data, together with projection-based transfer, help zero-shot "
    "cross-lingual NER more than multilingual pre-training alone?"
)

_SMALL = 100  # gold entities; below, an interval is too wide to say much

Reply = Literal["yes", "no", "not distinguishable"]


@dataclass(frozen=True, slots=True)
class LanguageAnswer:
    """The answer for one language (``None``: the mean over all of them)."""

    lang: str | None
    reply: Reply
    sentence: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Answer:
    """The closing paragraph and what it is made of.

    Attributes:
        text: The paragraph.
        opening: Its first sentence: yes or no, for which languages.
        pair: The pair of arms that it rests on, if there is one.
        languages: One answer per language, the mean last.
        caveats: What limits it.
    """

    text: str
    opening: str
    pair: tuple[str, str] | None
    languages: list[LanguageAnswer]
    caveats: list[str]


def answer(scores: Results) -> Answer:
    """Return the answer that ``scores`` give to :data:`QUESTION`."""
    compared = {(c.first, c.second) for c in scores.comparisons}
    pair = next((p for p in DECIDING if p in compared), None)
    if pair is None:
        text = _without_pair(scores)
        return Answer(text, text, None, [], [])
    mine = [c for c in scores.comparisons if (c.first, c.second) == pair]
    languages = [_language(scores, c) for c in sorted(mine, key=lambda c: c.lang is None)]
    caveats = _caveats(scores, pair, languages)
    opening = _opening(pair, languages)
    parts = [opening, *(a.sentence for a in languages), *caveats]
    return Answer(" ".join(parts), opening, pair, languages, caveats)


def name_of(lang: str | None) -> str:
    """Return the English name of a language, or what the mean over languages is called."""
    return "the mean over the languages" if lang is None else english_name(lang)


def _reply(comparison: Comparison) -> Reply:
    replies: dict[str, Reply] = {"better": "yes", "worse": "no", "same": "not distinguishable"}
    return replies[comparison.verdict]


def _opening(pair: tuple[str, str], languages: Sequence[LanguageAnswer]) -> str:
    groups: dict[Reply, list[str]] = {}
    for item in languages:
        if item.lang is not None:
            groups.setdefault(item.reply, []).append(name_of(item.lang))
    order: tuple[Reply, ...] = ("yes", "no", "not distinguishable")
    told = "; ".join(f"{reply} for {_and(groups[reply])}" for reply in order if reply in groups)
    mean = next((item.reply for item in languages if item.lang is None), None)
    if mean is not None and set(groups) != {mean}:  # all languages together may show what none does
        told += f"; on the mean {mean}"
    what = (
        "Do projected labels and synthetic text help more than multilingual pre-training alone?"
        if pair[0].startswith("self_trained")
        else "Do projected labels (without synthetic text) help more than multilingual "
        "pre-training alone?"
    )
    return f"{what} {told[0].upper()}{told[1:]} ({pair[0]} against {pair[1]}, strict F1)."


def _language(scores: Results, c: Comparison) -> LanguageAnswer:
    first, second = scores.of(c.first, c.lang), scores.of(c.second, c.lang)
    assert first is not None and second is not None, "a comparison without scores"
    verb = "On" if c.lang is None else "In"
    span = f"interval {signed(c.low)} to {signed(c.high)}, p = {p_text(c.p_adjusted)} after Holm"
    span = span.replace("p = < ", "p < ")
    numbers = f"{percent(first.f1)} against {percent(second.f1)}"
    points = f"{abs(100 * c.difference):.1f} points"
    if c.verdict == "same":
        told = f"the two cannot be told apart: {numbers}, a difference of {signed(c.difference)}"
    else:
        side = "gains" if c.verdict == "better" else "loses"
        told = f"{c.first} {side} {points}: {numbers}"
    return LanguageAnswer(c.lang, _reply(c), f"{verb} {name_of(c.lang)} {told} ({span}).", c)


def _caveats(
    scores: Results, pair: tuple[str, str], languages: Sequence[LanguageAnswer]
) -> list[str]:
    found: list[str] = []
    seeds = min(len(a.comparison.seeds) for a in languages)
    if seeds == 1:
        found.append(
            "All of this is from one seed, so that the spread between training runs is unknown."
        )
    few = [
        f"{name_of(t.lang)} ({sum(t.entities.values())} entities in {t.sentences} sentences)"
        for t in scores.sets
        if t.key == "test" and 0 < sum(t.entities.values()) < _SMALL
    ]
    found += [f"{told[0].upper()}{told[1:]}." for told in scores.unscored()]
    if few:
        found.append(f"The test data is too small to say much: {_and(few)}.")
    best = {
        lang: max(
            (
                (s.f1, s.arm)
                for s in scores.summary
                if s.lang == lang and s.type is None and s.arm not in scores.informed
            ),
            default=None,
        )
        for lang in scores.languages
    }
    others = [
        f"{name_of(lang)}: {top[1]} ({percent(top[0])})"
        for lang, top in best.items()
        if top and top[1] != PROJECTION and top[0] > _f1(scores, pair[0], lang)
    ]
    if others:
        found.append(f"Another arm has the highest F1 in {'; '.join(others)}.")
    on_average = " on average" if len(scores.languages) > 1 else ""
    outside = []
    for arm in scores.scored_arms():
        bound = _mean(scores, arm) if arm in scores.informed else None
        if bound is None:
            continue
        if arm in scores.outside:
            outside.append(f"{arm} {percent(bound)}")
        else:
            found.append(
                f"With gold labels of the target language ({arm}) F1 is "
                f"{percent(bound)}{on_average}."
            )
    if outside:
        found.append(
            "What taggers from elsewhere were trained on is not known, so neither they nor those "
            f"that they taught are compared as zero-shot: {_and(outside)}{on_average}."
        )
    return found


def _f1(scores: Results, arm: str, lang: str) -> float:
    found = scores.of(arm, lang)
    return found.f1 if found is not None else 0.0


def _mean(scores: Results, arm: str) -> float | None:
    """Return the mean F1 of an arm over the target languages, or that of the only one."""
    whole = scores.of(arm, None)
    if whole is not None:
        return whole.f1
    single = [s for lang in scores.languages if (s := scores.of(arm, lang)) is not None]
    return single[0].f1 if len(single) == 1 else None


def _without_pair(scores: Results) -> str:
    unscored = [f"{told[0].upper()}{told[1:]}." for told in scores.unscored()]
    return " ".join([_of_projection(scores), *unscored])


def _of_projection(scores: Results) -> str:
    told: list[str] = []
    for item in scores.summary:
        if item.arm == PROJECTION and item.type is None and item.lang:
            told.append(
                f"{name_of(item.lang)}: F1 {percent(item.f1)} (precision "
                f"{percent(item.precision)}, recall {percent(item.recall)}, interval "
                f"{percent(item.f1_low)} to {percent(item.f1_high)})"
            )
    if told:
        return f"Projected labels against the gold labels of the target side: {'; '.join(told)}."
    if scores.sweeps:
        worth = [
            f"In {name_of(f.lang)} projected data is worth {f.told}."
            if f.lang
            else f"On the mean over the languages it is worth {f.told}."
            for f in scores.few_shot
        ]
        chosen = [_sweep_told(scores, s) for s in scores.sweeps if GOLD not in s.keys]
        return " ".join([*chosen, *worth])
    if scores.summary:
        return (
            "The run holds no pair of arms that would answer the question: it takes "
            "self_trained_last or projected, and zero_shot."
        )
    if scores.unscored():
        return "Nothing was scored in this run."
    return "Nothing was scored in this run: it names no arms with test data."


def _sweep_told(scores: Results, sweep: SweepResult) -> str:
    """Return what source dev chooses, and what that is worth on the test data."""
    if sweep.chosen is None:
        return f"{sweep.name}: no dev data to choose a value of {_and(sweep.keys)} on."
    values = next(p.values for p in sweep.points if p.arm == sweep.chosen)
    told = _and([f"{k} {short(v)}" for k, v in zip(sweep.keys, values, strict=True)])
    mine = [c for c in scores.comparisons if (c.first, c.second) == (sweep.chosen, sweep.against)]
    parts = [f"{sweep.name}: source dev chooses {told}."]
    parts += [_language(scores, c).sentence for c in sorted(mine, key=lambda c: c.lang is None)]
    return " ".join(parts)


def _and(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
