"""Reads a finished (or half-finished) run: its folder, its languages, its sentences, streaming."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import starmap
from pathlib import Path
from typing import Any, Final

from pipeline.artifacts import Artifact, RunFolder
from pipeline.errors import ConfigError, DamagedError, DataError, one_of, suggest
from pipeline.manifest import MADE_AGAIN, MANIFEST
from pipeline.schema import Link, Span, spans_of
from pipeline.stage import Ref
from stages.inspect.view import View, ViewedSpan
from stages.several_sources import VOTES

SPAN_STAGES: Final = ("project", "translate", "align", "synthesize", "predict", "prepare")
"""The stages that can be looked at."""
TRACED: Final = ("project", "align")
"""Those whose rows are looked at beside what they were made from."""
_MADE_FROM: Final = {"translations": "translate", "alignments": "align"}
"""Inputs that rows are looked at beside, and the stages that make them."""


def find_run(name: str, runs_dir: Path) -> RunFolder:
    """Return the folder of a run given as a folder, or as a name below ``runs_dir``.

    Raises:
        ConfigError: If there is none, with the runs that there are.
    """
    for path in (runs_dir / name, Path(name)):
        if path.is_dir() and any(path.glob(f"*/**/{MANIFEST}")):
            return RunFolder(path)
    known = sorted(p.name for p in runs_dir.glob("*") if p.is_dir()) if runs_dir.is_dir() else []
    there = f"; runs there: {', '.join(known)}" if known else ""
    raise ConfigError(f"no run {name!r} in {runs_dir}{suggest(name, known)}{there}")


def units(run: RunFolder, stage: str) -> list[str]:
    """Return the finished datasets of a stage, by unit name."""
    root = run.path / stage
    return [
        a.folder.relative_to(root).as_posix()
        for a in run.artifacts()
        if a.manifest.stage == stage and a.manifest.parts
    ]


def languages(run: RunFolder, stage: str = "project") -> list[str]:
    """Return the target languages that a run has finished a stage for."""
    return [u for u in units(run, stage) if "/" not in u]


def unit_of(run: RunFolder, stage: str, lang: str) -> str:
    """Return the unit of a stage that stands for a language: the votes of its sources, if any."""
    voted = f"{VOTES}/{lang}"
    return voted if stage == "project" and voted in units(run, stage) else lang


def choose_unit(run: RunFolder, stage: str, lang: str | None, unit: str | None) -> list[str]:
    """Return the units of a stage that the options name.

    Raises:
        ConfigError: If there is none, or if the choice is not clear.
    """
    one_of("--stage", stage, SPAN_STAGES)
    known = units(run, stage)
    if not known:
        raise ConfigError(f"the run {run.path.name} has finished nothing of the stage {stage!r}")
    if unit is not None:
        one_of("--unit", unit, known)
        return [unit]
    if stage in ("predict", "prepare"):
        fitting = [u for u in known if lang in (None, u.rpartition("/")[2])]
        if len(fitting) == 1:
            return fitting
        raise ConfigError(f"--unit: name one of the units of {stage}: {', '.join(known)}")
    if lang is None:
        return [unit_of(run, stage, u) for u in known if "/" not in u] or known
    one_of("--lang", lang, known)
    return [unit_of(run, stage, lang)]


def views(
    run: RunFolder, stage: str, unit: str, changed: Mapping[str, str] | None = None
) -> Iterator[View]:
    """Yield the sentences of one unit of a stage, part by part; memory holds one part.

    Projected and aligned sentences come with their links, where the run still has them.

    Args:
        run: The run.
        stage: One of :data:`SPAN_STAGES`.
        unit: Its unit.
        changed: What :func:`changed_inputs` says of it, where that was asked already: it reads
            every file of translations and links.
    """
    if changed is None and stage in TRACED:
        changed = changed_inputs(run, stage, unit)
    artifact = Artifact(run.path / stage / unit)
    if stage == "project":
        links = Ref("align", _pair(run, unit))
        gold = run.artifact(Ref("prepare", f"parallel/{unit.rpartition('/')[2]}"))
        # Labels of rivals came along no links of ours, nor do labels along links made since.
        rival = "rival" in artifact.manifest.identity.get("task", {})
        other = rival or str(links) in (changed or ())
        aligned = None if other else run.artifact(links)
        yield from projected_views(artifact, aligned, gold)
    elif stage == "align":
        translations = run.artifact(Ref("translate", unit))
        if translations is None:
            raise DataError(f"{run.path}: links without their translations: translate/{unit}")
        if changed:
            raise DataError(f"{run.path}: align/{unit}: " + "; ".join(changed.values()))
        yield from starmap(_view, _together(translations, artifact))
    else:
        yield from map(_view, artifact.rows())


def changed_inputs(run: RunFolder, stage: str, unit: str) -> dict[str, str]:
    """Return what is wrong with the translations and links that a dataset was made from.

    Returns:
        By output (``align/de``), in words, where it was made anew since or is damaged. Of one that
        is gone, nothing.
    """
    made_from = Artifact(run.path / stage / unit).manifest.identity.get("inputs", {})
    found = {}
    for name, of in _MADE_FROM.items():
        ref = Ref(of, _pair(run, unit))
        if name not in made_from:
            continue
        try:
            now = run.artifact(ref)
            if now is None:
                continue
            if now.manifest.fingerprint != made_from[name]:
                found[str(ref)] = f"{ref} was made anew since; run the pipeline again"
            elif damage := now.damage(contents=True):
                raise DamagedError(f"{now.folder / str(damage[0])}; {MADE_AGAIN}")
        except DamagedError as error:
            found[str(ref)] = str(error)
    return found


def _pair(run: RunFolder, unit: str) -> str:
    """Return the unit of the translations and links of a unit of ``project`` or ``align``."""
    # An arm of one's own projects along the run's links: <arm>/<lang>.
    return unit if run.artifact(Ref("align", unit)) is not None else unit.rpartition("/")[2]


def has_gold(run: RunFolder, lang: str) -> bool:
    """Return whether there are gold labels that say which projected ones are wrong."""
    parallel = run.artifact(Ref("prepare", f"parallel/{lang.rpartition('/')[2]}"))
    return parallel is not None and has_labels(parallel)


def projected_views(
    projected: Artifact, aligned: Artifact | None, parallel: Artifact | None = None
) -> Iterator[View]:
    """Yield the sentences of a projected dataset.

    Args:
        projected: The dataset.
        aligned: Its links, to be shown with it.
        parallel: The target side as it was given (``data.parallel``): gold labels, if it has any.
    """
    gold = iter(parallel.rows()) if parallel is not None and has_labels(parallel) else None
    if aligned is None:
        found: Iterator[View] = map(_view, projected.rows())
    else:
        found = starmap(_view, _together(projected, aligned))
    for view in found:
        if gold is not None:
            row = next(gold, None)
            if row is None or row["id"] != view.id:
                raise DataError(
                    f"{projected.folder} and {parallel.folder if parallel else ''} do not hold the "
                    "same sentences; run the pipeline again to bring them up to date"
                )
            view.gold = spans_of(row)
        yield view


def has_labels(labelled: Artifact) -> bool:
    """Whether any sentence of a dataset has an entity."""
    import pyarrow.compute as pc

    return any(
        (pc.sum(pc.list_value_length(data.column("spans"))).as_py() or 0) > 0
        for data in labelled.tables()
    )


def _together(first: Artifact, second: Artifact) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for one, two in zip(first.tables(), second.tables(), strict=True):
        if one.column("id") != two.column("id"):
            raise DataError(
                f"{first.folder} and {second.folder} do not hold the same sentences; run the "
                "pipeline again to bring them up to date"
            )
        yield from zip(one.to_pylist(), two.to_pylist(), strict=True)


def _view(row: Mapping[str, Any], aligned: Mapping[str, Any] | None = None) -> View:
    """Return a row of any of the stages as it is shown, with the row of its links."""
    reason, kept = row.get("reason"), row.get("kept")
    if "reason" in row and "kept" not in row:  # of a translation, nothing else is decided
        reason = reason or (aligned["reason"] if aligned else None)
        kept = reason is None
    return View(
        id=row["id"],
        lang=row["lang"],
        words=row["words"],
        spans=[
            ViewedSpan(
                Span(s["start"], s["end"], s["type"], s["score"]),
                s.get("kept", True),
                s.get("reason"),
                s.get("source"),
                s.get("method"),
            )
            for s in row.get("spans") or ()
        ],
        source_id=row.get("source_id"),
        source_lang=row.get("source_lang"),
        source_words=row.get("source_words") or [],
        source_spans=spans_of({"spans": row.get("source_spans") or ()}),
        lost=[(item["source"], item["reason"]) for item in row.get("lost") or ()],
        scores={item["name"]: item["value"] for item in row.get("scores") or ()},
        links=[
            Link(k["source"], k["target"], k["prob"]) for k in (aligned["links"] if aligned else ())
        ],
        kept=kept,
        reason=reason,
    )
