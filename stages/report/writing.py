"""Writes the files of the report."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline.artifacts import Artifact
from pipeline.inputs import Inputs
from pipeline.stage import Context
from stages.evaluate.results import Results, load_results
from stages.evaluate.sweeps import swept_aside
from stages.report.answer import QUESTION, answer
from stages.report.charts import picture
from stages.report.config import ReportConfig
from stages.report.figures import percent
from stages.report.page import write_page
from stages.report.sections import few_shot_figures, sweep_figures


def write_report(inputs: Inputs[Artifact], folder: Path, context: Context) -> None:
    """Write tables, the answer, and report.html into ``folder``."""
    source = inputs.one("evaluate").folder
    results = load_results(source)
    # One folder holds everything, but the single errors.
    for table in (source / "scores.json", *source.glob("*.csv")):
        shutil.copyfile(table, folder / table.name)
    for sweep in results.sweeps:
        for number, figure in enumerate(sweep_figures(sweep)):
            name = f"sweep-{sweep.name}" + (f"-{number + 1}" if number else "")
            (folder / f"{name}.svg").write_text(picture(figure.chart), encoding="utf-8")
    for number, figure in enumerate(few_shot_figures(results)):
        lang = results.few_shot[number].lang or "mean"
        (folder / f"few-shot-{lang}.svg").write_text(picture(figure.chart), encoding="utf-8")
    told = answer(results)
    text = f"# {QUESTION}\n\n{told.text}\n"
    (folder / "answer.md").write_text(text, encoding="utf-8")
    context.notes["answer"] = told.text
    context.notes["headline"] = headline(results)
    options = context.config.section("report", ReportConfig)
    if options.html:
        write_page(folder / "report.html", inputs, results, context.config, options)


def headline(results: Results) -> str:
    """Return the result of a run in a few words, for the list of runs: the best arm's F1.

    Arms that have seen labels of the target language are left aside, and those of a sweep that
    source dev has not chosen.
    """
    aside = {*results.informed, *swept_aside(results)}
    everywhere: dict[str | None, list[tuple[float, str]]] = {}
    for item in results.summary:
        if item.type is None and item.arm not in aside:
            everywhere.setdefault(item.lang, []).append((item.f1, item.arm))
    if not everywhere:
        return ""
    lang = None if None in everywhere else next(iter(everywhere))
    f1, arm = max(everywhere[lang])
    return f"{arm} F1 {percent(f1)} ({'mean' if lang is None else lang})"
