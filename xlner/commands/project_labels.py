"""``project_labels``: carry labels over to the other side of word-aligned sentences."""

from __future__ import annotations

import contextlib
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from pipeline.disk import written_whole
from pipeline.errors import ConfigError, DataError
from pipeline.explain import read_as
from pipeline.models import locate
from stages.project.config import ProjectConfig, method_of, min_link_problem
from stages.project.methods import METHODS
from xlner.commands.aligned_files import AlignedFiles, read_corpus
from xlner.commands.files import SIDES, Files
from xlner.commands.options import (
    AsJson,
    Encoding,
    MoreData,
    MoreOptions,
    Out,
    completing,
    language,
    with_more,
)
from xlner.commands.shared import (
    command,
    data_stream,
    labelled_writer,
    print_json,
    quiet_libraries,
    tell,
    to_write,
)

if TYPE_CHECKING:
    from pipeline.schema import Sentence
    from stages.project.batch import Batch
    from stages.project.entity_translations import Translate

Row = dict[str, Any]
ABOUT = "Carry labels over to the other side of word-aligned sentences."


def project_labels(
    source: Annotated[Path, typer.Argument(help="The labelled side (CoNLL, JSONL, Parquet).")],
    target: Annotated[Path, typer.Argument(help="The other side: plain tokenised text or CoNLL.")],
    links: Annotated[Path, typer.Argument(help="Alignment: 'i-j' or 'i-j:prob', a line a pair.")],
    out: Out = None,
    method: Annotated[
        str,
        typer.Option(help=f"{', '.join(METHODS)}.", autocompletion=completing(lambda: METHODS)),
    ] = "candidates",
    solver: Annotated[
        str | None, typer.Option(help="candidates, published: exact or greedy.")
    ] = None,
    more: MoreOptions = None,
    min_score: Annotated[float, typer.Option(help="Drop spans that score less.")] = 0.2,
    min_link: Annotated[
        float | None,
        typer.Option(help="span, merged_runs, published: weaker links are ignored; default: 0.5."),
    ] = None,
    translator: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Folder or hub id of a translator: look at how it renders each entity alone, too.",
        ),
    ] = None,
    source_lang: Annotated[
        str, typer.Option(help="Language code of the labelled side.", callback=language)
    ] = "en",
    target_lang: Annotated[
        str, typer.Option(help="Language code of the other side.", callback=language)
    ] = "und",
    links_base: Annotated[
        int | None,
        typer.Option(min=0, max=1, help="Number of the first word in LINKS; default: 0."),
    ] = None,
    encoding: Encoding = "utf-8",
    data: MoreData = None,
    report: Annotated[
        Path | None, typer.Option(help="JSONL: every span with score, method and reason.")
    ] = None,
    score: Annotated[
        bool, typer.Option("--score", help="Score against the labels of TARGET (CoNLL).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Carry labels over to the other side of word-aligned sentences."""
    to_write("--out", out, source, target, links)
    write = labelled_writer("--out", out or Path())
    to_write("--report", report, source, target, links, out)
    langs = (source_lang, target_lang)
    config = _config(method, solver, min_score, min_link, translator, more or [])
    translate = _translate(translator, langs) if translator is not None else None
    files = Files(encoding, data or (), SIDES)
    with files.advised():
        corpus = read_corpus(source, target, links, langs, score, files, links_base)
    for repaired in corpus.repaired:
        tell(repaired)
    if translate is not None:
        _translate_entities(corpus.batches, translate)
    counted = _Counts(keep=as_json and out is None, tags=score)
    rows = counted.through(_project(corpus, config, links))
    with contextlib.ExitStack() as stack:
        if report is not None:
            new = stack.enter_context(written_whole(report))
            rows = _reported(rows, stack.enter_context(new.open("w", encoding="utf-8")))
        if out is not None or not as_json:
            _write(rows, write, out, target_lang)
        else:
            deque(rows, maxlen=0)
    scores = _scores(corpus.targets, counted.found) if score else None
    if as_json:
        _print_json(counted, scores, out)
    else:
        _tell(counted.summary(), scores, out)


def _config(
    method: str,
    solver: str | None,
    min_score: float,
    min_link: float | None,
    translator: str | None,
    more: list[str],
) -> ProjectConfig:
    options: dict[str, Any] = {
        "method": method,
        "filters": {"min_score": min_score},
    }
    if min_link is not None:
        options["min_link"] = min_link
    if solver is not None:
        options["solver"] = solver
    if translator is not None:
        options["translate_entities"] = True
    typed = with_more(options, more, "filters.max_length_ratio=3")
    config = read_as(
        ProjectConfig,
        options,
        lambda key: "--translator" if translator and key == "translate_entities" else typed(key),
    )
    if "min_link" in config.model_fields_set and (problem := min_link_problem(config)):
        raise ConfigError(f"{typed('min_link')}: {problem}")
    if method_of(config).translates_entities != (translator is not None):
        raise ConfigError("--option translate_entities: give --translator MODEL instead")
    if any(m.marked for m in method_of(config).members()):
        allowed = [name for name in METHODS if not METHODS[name].marked]
        raise ConfigError(
            "--method markers: a file of plain translations has no markers; "
            f"allowed: {', '.join(allowed)}"
        )
    return config


def _project(corpus: AlignedFiles, config: ProjectConfig, links: Path) -> Iterator[Row]:
    """Yield the decided row of each pair."""
    from stages.project.build import project_batches
    from stages.project.decide import decide_row

    try:
        projected = project_batches(corpus.batches, config)
        for s, t, (spans, lost) in zip(corpus.sources, corpus.targets, projected, strict=True):
            row = {
                "id": s.id,
                "lang": t.lang,
                "source_words": s.words,
                "source_spans": s.to_row()["spans"],
                "words": t.words,
                "spans": spans,
                "lost": lost,
            }
            yield decide_row(row, config.filters)
    except DataError as error:
        raise DataError(f"{links}: {error}") from None


def _translate(name: str, langs: tuple[str, str]) -> Translate:
    from stages.project.entity_translations import translator
    from stages.translate.decoding import DecodingConfig
    from stages.translate.kinds.auto import AutoTranslator

    quiet_libraries()
    model = locate(name)
    if problem := AutoTranslator(DecodingConfig()).problem(model, *langs):
        raise ConfigError(f"--translator: {problem}")
    return translator(model.download(), name, *langs)


def _translate_entities(batches: list[Batch], translate: Translate) -> None:
    from stages.project.entity_translations import EntityTranslations, entities_of

    alone = EntityTranslations.of_entities(
        (e for batch in batches for e in entities_of(batch)), translate
    )
    for batch in batches:
        alone.attach(batch)


class _Counts:
    """What is told of the rows at the end; keeps the rows themselves only where it must.

    Args:
        keep: Whether to keep the rows as ``rows``.
        tags: Whether to keep the kept spans of each row as ``found``.
    """

    def __init__(self, *, keep: bool, tags: bool) -> None:
        self._keep, self._tags = keep, tags
        self.rows: list[Row] = []
        self.found: list[list[Row]] = []
        self._numbers: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()

    def through(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Count rows on their way."""
        for row in rows:
            kept = _kept(row)
            self._numbers.update(
                sentences=1, entities=len(row["source_spans"]), projected=len(kept)
            )
            self._reasons.update(s["reason"] for s in row["spans"] if not s["kept"])
            self._reasons.update(item["reason"] for item in row["lost"])
            if self._keep:
                self.rows.append(row)
            if self._tags:
                self.found.append(kept)
            yield row

    def summary(self) -> dict[str, Any]:
        """Return the numbers."""
        names = ("sentences", "entities", "projected")
        numbers: dict[str, Any] = {name: self._numbers[name] for name in names}
        return numbers | {"dropped": dict(sorted(self._reasons.items()))}


def _write(
    rows: Iterable[Row],
    write: Callable[[Iterable[Sentence], Path], int],
    out: Path | None,
    lang: str,
) -> None:
    from pipeline.formats.conll import conll_lines
    from pipeline.schema import Sentence, Span

    sentences = (
        Sentence(
            row["id"],
            lang,
            row["words"],
            [Span(s["start"], s["end"], s["type"], s["score"]) for s in _kept(row)],
        )
        for row in rows
    )
    if out is None:  # all of it, or an error and nothing
        data_stream().writelines(list(conll_lines(sentences)))
    else:
        write(sentences, out)


def _reported(rows: Iterable[Row], file: TextIO) -> Iterator[Row]:
    for row in rows:
        file.write(json.dumps(_report_row(row), ensure_ascii=False) + "\n")
        yield row


def _kept(row: Row) -> list[Row]:
    return [s for s in row["spans"] if s["kept"]]


def _report_row(row: Row) -> Row:
    source = row["source_spans"]

    def text(words: list[str], span: dict[str, Any]) -> str:
        return " ".join(words[span["start"] : span["end"]])

    return {
        "id": row["id"],
        "kept": row["kept"],
        "reason": row["reason"],
        "spans": [
            {
                **span,
                "score": round(span["score"], 4),
                "text": text(row["words"], span),
                "source_text": text(row["source_words"], source[span["source"]]),
            }
            for span in row["spans"]
        ],
        "lost": [
            {**item, "source_text": text(row["source_words"], source[item["source"]])}
            for item in row["lost"]
        ],
    }


def _scores(gold: list[Sentence], found: list[list[Row]]) -> dict[str, dict[str, float]]:
    """Return strict precision, recall, F1 and number of gold entities, by type and of all."""
    from pipeline.schema import Span
    from stages.evaluate.grading import Graded, seqeval_scores

    graded = [
        Graded(s.id, s.words, s.spans, [Span(x["start"], x["end"], x["type"]) for x in spans])
        for s, spans in zip(gold, found, strict=True)
    ]
    counts = Counter(span.type for s in gold for span in s.spans)
    exact = seqeval_scores(graded)
    total = exact.pop(None)
    return {
        name: {"precision": prf.precision, "recall": prf.recall, "f1": prf.f1, "gold": number}
        for name, prf, number in (
            *((t, prf, counts[t]) for t, prf in exact.items() if t is not None),
            ("all", total, counts.total()),
        )
    }


def _print_json(
    counted: _Counts, scores: dict[str, dict[str, float]] | None, out: Path | None
) -> None:
    found = {"out": str(out)} if out else {"rows": [_report_row(row) for row in counted.rows]}
    print_json(counted.summary() | ({"scores": scores} if scores else {}) | found)


def _tell(
    summary: dict[str, Any], scores: dict[str, dict[str, float]] | None, out: Path | None
) -> None:
    missing = ", ".join(f"{reason} {n}" for reason, n in summary["dropped"].items()) or "none"
    tell(
        f"{summary['sentences']} sentences, {summary['entities']} entities: "
        f"{summary['projected']} projected; dropped: {missing}"
    )
    if out is not None:
        tell(f"wrote {out}")
    if scores is not None:
        tell(f"{'type':<12}{'precision':>10}{'recall':>10}{'F1':>10}{'gold':>8}")
        for name, s in scores.items():
            numbers = "".join(f"{100 * s[k]:>10.1f}" for k in ("precision", "recall", "f1"))
            tell(f"{name:<12}{numbers}{s['gold']:>8.0f}")


main = command(project_labels, "project_labels", ABOUT)
