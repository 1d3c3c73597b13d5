"""``project_labels``: carry labels over to the other side of word-aligned sentences."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from pipeline.config import DataSource, apply_override
from pipeline.errors import ConfigError, DataError
from pipeline.explain import read_as
from stages.project.config import ProjectConfig, method_of
from stages.project.methods import METHODS
from xlner.commands.options import AsJson, Encoding, MoreOptions, Out, completing, option_name
from xlner.commands.shared import (
    command,
    data_stream,
    print_json,
    reported_errors,
    tell,
    to_write,
)

if TYPE_CHECKING:
    from pipeline.schema import Sentence
    from stages.project.batch import Batch
    from stages.project.config import ProjectConfig

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
        float, typer.Option(help="span, merged_runs, published: weaker links are ignored.")
    ] = 0.5,
    translator: Annotated[
        Path | None,
        typer.Option(help="Folder of a translator: look at how it renders each entity alone, too."),
    ] = None,
    source_lang: Annotated[str, typer.Option(help="Language code of the labelled side.")] = "en",
    target_lang: Annotated[str, typer.Option(help="Language code of the other side.")] = "und",
    encoding: Encoding = "utf-8",
    report: Annotated[
        Path | None, typer.Option(help="JSONL: every span with score, method and reason.")
    ] = None,
    score: Annotated[
        bool, typer.Option("--score", help="Score against the labels of TARGET (CoNLL).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Carry labels over to the other side of word-aligned sentences."""
    with reported_errors():
        to_write("--out", out, source, target, links)
        to_write("--report", report, source, target, links, out)
        config = _config(method, solver, min_score, min_link, more or [])
        corpus = _read_corpus(source, target, links, (source_lang, target_lang), score, encoding)
        if translator is not None:
            _translate_entities(corpus.batches, translator, (source_lang, target_lang))
        counted = _Counts(keep=as_json and out is None, tags=score)
        rows = counted.through(_project(corpus, config, links))
        with contextlib.ExitStack() as stack:
            if report is not None:
                rows = _reported(rows, stack.enter_context(report.open("w", encoding="utf-8")))
            if out is not None or not as_json:
                _write(rows, out, target_lang)
            else:
                deque(rows, maxlen=0)
        scores = _scores(corpus.targets, counted.found) if score else None
        if as_json:
            _print_json(counted, scores, out)
        else:
            _tell(counted.summary(), scores, out)


def _config(
    method: str, solver: str | None, min_score: float, min_link: float, more: list[str]
) -> ProjectConfig:

    options: dict[str, Any] = {
        "method": method,
        "min_link": min_link,
        "filters": {"min_score": min_score},
    }
    if solver is not None:
        options["solver"] = solver
    for text in more:
        apply_override(options, text)
    config = read_as(ProjectConfig, options, option_name)
    if any(m.marked for m in method_of(config).members()):
        allowed = [name for name in METHODS if not METHODS[name].marked]
        raise ConfigError(
            "--method markers: a file of plain translations has no markers; "
            f"allowed: {', '.join(allowed)}"
        )
    return config


@dataclass(slots=True)
class _Pairs:
    """Two aligned files: the sentences of both sides, and batches of them for the projector."""

    sources: list[Sentence] = field(default_factory=list)
    targets: list[Sentence] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)


def _read_corpus(
    source: Path, target: Path, links: Path, langs: tuple[str, str], score: bool, encoding: str
) -> _Pairs:
    from pipeline.formats import read_pharaoh
    from stages.project.batch import Batch, LabelledPair
    from stages.project.build import BATCH_ROWS
    from stages.project.words import Vocabulary

    labelled = _SentenceFile(source, langs[0], encoding, labels=True)
    others = _SentenceFile(target, langs[1], encoding, labels=score)
    aligned = read_pharaoh(links)
    corpus, vocabulary = _Pairs(), Vocabulary()
    while True:
        left, right = list(islice(labelled, BATCH_ROWS)), list(islice(others, BATCH_ROWS))
        lines = list(islice(aligned, BATCH_ROWS))
        if len({len(left), len(right), len(lines)}) > 1:
            sizes = [
                len(corpus.sources) + len(chunk) + sum(1 for _ in rest)
                for chunk, rest in ((left, labelled), (right, others), (lines, aligned))
            ]
            raise DataError(_other_lengths((source, target, links), sizes))
        if not left:
            break
        pairs = [
            LabelledPair(s.words, s.spans, t.words, [*line.sure, *line.possible], id=s.id)
            for s, t, line in zip(left, right, lines, strict=True)
        ]
        try:
            corpus.batches.append(Batch.from_pairs(pairs, vocabulary))
        except DataError as error:
            raise DataError(f"{links}: {error}") from None
        corpus.sources += left
        corpus.targets += right
    if score and not others.has_labels:
        raise DataError(f"--score: {target} has no labels to score against")
    return corpus


def _other_lengths(paths: tuple[Path, Path, Path], sizes: list[int]) -> str:
    (source, target, links), (left, right, lines) = paths, sizes
    if left != right:
        return (
            f"{source} has {left} sentences but {target} has {right}; "
            "they must be the same sentences, line by line"
        )
    return (
        f"{source} has {left} sentences but {links} has {lines} lines; "
        "there must be one line of links per pair (an empty one for none)"
    )


def _project(corpus: _Pairs, config: ProjectConfig, links: Path) -> Iterator[Row]:
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


def _translate_entities(batches: list[Batch], folder: Path, langs: tuple[str, str]) -> None:
    from stages.project.entity_translations import EntityTranslations, entities_of, translator

    translate = translator(folder, str(folder), *langs)
    alone = EntityTranslations.of_entities(
        (e for batch in batches for e in entities_of(batch)), translate
    )
    for batch in batches:
        alone.attach(batch)


class _SentenceFile(Iterator["Sentence"]):
    """The sentences of a file, empty ones included; equal words are one string in memory.

    Attributes:
        has_labels: Whether the file has labels; known once it is read.
    """

    def __init__(self, path: Path, lang: str, encoding: str, *, labels: bool) -> None:
        from pipeline.formats import detect_format, read_labelled

        # Whether a file has labels is seen from its content, whatever is wanted of it.
        form = detect_format(path, labelled=False, encoding=encoding)
        if form == "text" and labels:
            raise DataError(f"{path} is plain text: it has no labels")
        self._stream = read_labelled(
            DataSource(format=form, encoding=encoding),
            lang,
            path=path,
            labelled=labels,
            keep_empty=True,
        )
        self._path = path
        self._words: dict[str, str] = {}
        self.has_labels = self._stream.report.scheme is not None

    def __next__(self) -> Sentence:
        """Return the next sentence.

        Raises:
            DataError: After the last, if words were left out, as links would point elsewhere.
        """
        try:
            sentence = next(self._stream)
        except StopIteration:
            invisible = self._stream.report.invisible_words
            if invisible:
                raise DataError(
                    f"{self._path}: {invisible} words have no visible character; remove them "
                    "before aligning, or the links would point to the wrong words"
                ) from None
            raise
        self.has_labels = self.has_labels or bool(sentence.spans)
        sentence.words = [self._words.setdefault(w, w) for w in sentence.words]
        return sentence


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


def _write(rows: Iterable[Row], out: Path | None, lang: str) -> None:

    from pipeline.formats import write_conll
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
    if out is not None:
        write_conll(sentences, out)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "projected.conll"
        write_conll(sentences, path)
        stream = data_stream()
        with path.open(encoding="utf-8") as file:
            for line in file:
                stream.write(line)


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
