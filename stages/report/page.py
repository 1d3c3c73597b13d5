"""Writes ``report.html``: one file that needs no network and opens from disk."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.artifacts import Artifact, RunFolder
from pipeline.config import RunConfig
from pipeline.inputs import Inputs
from pipeline.listed import batched
from stages.evaluate.results import CATEGORIES, Results
from stages.inspect.doubts import CERTAIN, Renderings, is_wrong, judged
from stages.inspect.reading import projected_views
from stages.inspect.statistics import funnel
from stages.inspect.view import DOUBTS, View
from stages.registry import STAGES
from stages.report import sections
from stages.report.answer import QUESTION, answer, name_of
from stages.report.config import ReportConfig
from stages.report.figures import p_text, percent, signed, verdict_text
from stages.report.packing import (
    CHUNK,
    Chunk,
    NumberedNames,
    Tables,
    mistake_row,
    pack,
    pack_views,
)
from stages.report.tables import columns

_TEMPLATES = Path(__file__).parent / "template"
_SCRIPTS = ("shared.js", "browser.js", "errors.js")


@dataclass(slots=True)
class _Told:
    """How many of a language's sentences there is something to tell of.

    Attributes:
        likely: Used for training, with something that speaks against a label.
        wrong: Proved wrong by gold labels.
        gold: With gold labels.
        dropped: With an entity, or as a whole, not used for training.
    """

    likely: int = 0
    wrong: int = 0
    gold: int = 0
    dropped: int = 0

    def count(self, views: Iterable[View]) -> Iterator[View]:
        for view in views:
            self.likely += bool(view.doubts and view.kept)
            self.wrong += is_wrong(view.doubts)
            self.gold += view.gold is not None
            self.dropped += not view.kept or bool(view.lost) or any(not s.kept for s in view.spans)
            yield view


@dataclass(slots=True)
class _Data:
    """The packed data of a page: chunks are made while the page is written."""

    inputs: Inputs[Artifact]
    options: ReportConfig
    results: Results
    tables: Tables = field(default_factory=Tables)
    arms: NumberedNames = field(default_factory=NumberedNames)
    langs: NumberedNames = field(default_factory=NumberedNames)
    languages: list[dict[str, Any]] = field(default_factory=list)
    error_chunks: int = 0
    errors_shown: int = 0

    def __post_init__(self) -> None:
        for name in self.results.types:  # the same type has the same colour in all charts
            self.tables.types.index(name)

    def sentence_chunks(self) -> Iterator[Chunk]:
        for statistics in self.results.projection:
            lang = statistics.lang
            projected = self.inputs.one("project", lang)
            views = projected_views(
                projected,
                self.inputs.maybe("align", lang),
                self.inputs.maybe("parallel", lang),
            )
            told = _Told()
            stream = told.count(judged(views, Renderings.of(projected)))
            rows = chunks = 0
            for sentences, links in pack_views(
                lang, stream, self.tables, self.options.max_sentences
            ):
                yield sentences
                yield links
                rows += sentences.rows
                chunks += 1
            if chunks:
                about = {"code": lang, "name": name_of(lang), "rows": rows, "chunks": chunks}
                self.languages.append(about | asdict(told))

    def error_chunks_of(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Chunk]:
        for batch in batched(self._shown(rows), CHUNK):
            chunk = Chunk(f"e-{self.error_chunks}", len(batch), pack(batch))
            self.error_chunks += 1
            self.errors_shown += len(batch)
            yield chunk

    def _shown(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Any]]:
        """Yield the errors that are shown: of the first seed, and not too many."""
        seen: Counter[tuple[str, str]] = Counter()
        first_seed: dict[str, int | None] = {}
        for row in rows:
            key = (row["arm"], row["lang"])
            if first_seed.setdefault(row["arm"], row["seed"]) != row["seed"]:
                continue
            seen[key] += 1
            if seen[key] <= self.options.max_errors:
                yield mistake_row(row, self.tables, self.arms, self.langs)

    def meta(self) -> Markup:
        """Return what the scripts need to know; to be called after all chunks were made."""
        value = {
            "source": self.results.source,
            "chunk": CHUNK,
            "languages": self.languages,
            "types": self.tables.types.listed(),
            "reasons": [
                {"name": r, "about": STAGES.reasons.get(r, "unknown reason")}
                for r in self.tables.reasons.listed()
            ],
            "methods": self.tables.methods.listed(),
            "doubts": [
                {"about": about, "certain": kind in CERTAIN} for kind, about in DOUBTS.items()
            ],
            "errors": {
                "arms": self.arms.listed(),
                "languages": self.langs.listed(),
                "categories": list(CATEGORIES),
                "chunks": self.error_chunks,
            },
        }
        return embedded_json(value)


def embedded_json(value: Any) -> Markup:
    """Return JSON that is safe within a script element: no ``<``, ``>``, ``&`` or line ends."""
    text = json.dumps(value, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def write_page(
    path: Path,
    inputs: Inputs[Artifact],
    results: Results,
    config: RunConfig,
    options: ReportConfig,
) -> None:
    """Write the page.

    Args:
        path: The file.
        inputs: ``evaluate``, and per language ``project/<lang>``, ``align/<lang>`` …
        results: What ``evaluate`` found.
        config: The configuration of the run, to be shown.
        options: Of the report.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "signed": signed, "p": p_text}
    environment.globals |= {"verdict": verdict_text, "name_of": name_of}
    data = _Data(inputs, options, results)
    run = RunFolder(inputs.one("evaluate").folder.parents[1])
    made = [a for a in run.artifacts() if a.manifest.stage != "report"]

    context: dict[str, Any] = {
        "css": Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "scripts": [Markup((_TEMPLATES / name).read_text(encoding="utf-8")) for name in _SCRIPTS],
        "question": QUESTION,
        "answer": answer(results),
        "results": results,
        "columns": columns(results),
        "arms": [(arm, sections.about_arm(results, arm)) for arm in results.scored_arms()],
        "overall": sections.overall_figures(results),
        "by_type": sections.type_figures(results),
        "differences": sections.difference_figure(results),
        "projections": [
            sections.projection_section(s, funnel(_of_language(inputs, s.lang), s))
            for s in results.projection
        ],
        "errors": sections.error_figures(results),
        "seen": sections.seen_rows(results),
        "few_shot": sections.few_shot_figures(results),
        "reliability": sections.reliability_figures(results),
        "sweeps": [(s, sections.sweep_figures(s)) for s in results.sweeps],
        "times": sections.stage_times(made),
        "units": [a.manifest for a in made],
        "versions": inputs.one("evaluate").manifest.versions
        or (made[-1].manifest.versions if made else {}),
        "config": config_text(config),
        "config_name": config.name,
        "sentence_chunks": data.sentence_chunks,
        "error_chunks": lambda: data.error_chunks_of(_mistakes(inputs.one("evaluate"))),
        "data": data,
    }
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        for piece in environment.get_template("report.html.j2").generate(context):
            file.write(piece)


def _of_language(inputs: Inputs[Artifact], lang: str) -> dict[str, Artifact]:
    read = {"prepare": inputs.maybe("train")} | {
        stage: inputs.maybe(stage, lang)
        for stage in ("translate", "align", "project", "synthesize")
    }
    return {stage: found for stage, found in read.items() if found is not None}


def _mistakes(evaluated: Artifact) -> Iterator[dict[str, Any]]:
    path = evaluated.folder / "mistakes.parquet"
    for batch in pq.ParquetFile(path).iter_batches():
        yield from batch.to_pylist()


def config_text(config: RunConfig) -> str:
    """Return the configuration as YAML."""
    values = config.model_dump(mode="json")
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100))
