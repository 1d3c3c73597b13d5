"""``project_labels``: carry labels over to the other side of word-aligned sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xlner.commands.options import AsJson, Out, complete_words
from xlner.commands.shared import command, data_stream, print_json, reported_errors, tell

if TYPE_CHECKING:
    from pipeline.schema import Sentence
    from stages.project.batch import Batch
    from stages.project.config import ProjectConfig

METHODS = ("candidates", "span", "merged_runs", "published", "ensemble")
ABOUT = "Carry labels over to the other side of word-aligned sentences."


def project_labels(
    source: Annotated[Path, typer.Argument(help="The labelled side (CoNLL, JSONL, Parquet).")],
    target: Annotated[Path, typer.Argument(help="The other side: plain tokenised text or CoNLL.")],
    links: Annotated[Path, typer.Argument(help="Alignment: 'i-j' or 'i-j:prob', a line a pair.")],
    out: Out = None,
    method: Annotated[
        str,
        typer.Option(help=f"{', '.join(METHODS)}.", autocompletion=complete_words(*METHODS)),
    ] = "candidates",
    solver: Annotated[str, typer.Option(help="candidates, published: exact or greedy.")] = "exact",
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
        config = _config(method, solver, min_score, min_link)
        langs = source_lang, target_lang
        rows, gold = _project(source, target, links, config, langs, score, translator)
        if out is not None or not as_json:
            _write(rows, out, target_lang)
        if report is not None:
            _write_report(rows, report)
        summary = _summary(rows)
        scores = _scores(gold, rows) if gold is not None else None
        if as_json:
            _print_json(rows, summary, scores, out)
        else:
            _tell(summary, scores, out)


def _config(method: str, solver: str, min_score: float, min_link: float) -> ProjectConfig:
    from pydantic import ValidationError

    from pipeline.errors import ConfigError
    from stages.project.config import ProjectConfig

    if method == "markers":
        raise ConfigError(
            "--method markers: a file of plain translations has no markers; "
            f"allowed: {', '.join(METHODS)}"
        )
    try:
        return ProjectConfig.model_validate(
            {
                "method": method,
                "solver": solver,
                "min_link": min_link,
                "filters": {"min_score": min_score},
            }
        )
    except ValidationError as error:
        raise ConfigError(
            [f"--{str(e['loc'][-1]).replace('_', '-')}: {e['msg']}" for e in error.errors()]
        ) from None


def _project(
    source: Path,
    target: Path,
    links: Path,
    config: ProjectConfig,
    langs: tuple[str, str],
    score: bool,
    translator: Path | None = None,
) -> tuple[list[dict[str, Any]], list[Sentence] | None]:
    from pipeline.errors import DataError
    from pipeline.formats import read_pharaoh
    from stages.project.batch import Batch, Pair
    from stages.project.build import project_pairs
    from stages.project.decide import decide_row

    labelled, _ = _read(source, langs[0], labels=True)
    others, has_labels = _read(target, langs[1], labels=score)
    aligned = list(read_pharaoh(links))
    if len(labelled) != len(others):
        raise DataError(
            f"{source} has {len(labelled)} sentences but {target} has {len(others)}; "
            "they must be the same sentences, line by line"
        )
    if len(labelled) != len(aligned):
        raise DataError(
            f"{source} has {len(labelled)} sentences but {links} has {len(aligned)} lines; "
            "there must be one line of links per pair (an empty one for none)"
        )
    if score and not has_labels:
        raise DataError(f"--score: {target} has no labels to score against")
    pairs = [
        Pair(s.words, s.spans, t.words, [*line.sure, *line.possible], id=s.id)
        for s, t, line in zip(labelled, others, aligned, strict=True)
    ]
    try:
        batch = Batch.from_pairs(pairs)
        if translator is not None:
            _translate_entities(batch, translator, langs)
        projected = project_pairs(batch, config)
    except DataError as error:
        raise DataError(f"{links}: {error}") from None
    rows = []
    for s, t, (spans, lost) in zip(labelled, others, projected, strict=True):
        row = {
            "id": s.id,
            "lang": t.lang,
            "source_words": s.words,
            "source_spans": s.to_row()["spans"],
            "words": t.words,
            "spans": spans,
            "lost": lost,
        }
        rows.append(decide_row(row, config.filters))
    return rows, others if score else None


def _translate_entities(batch: Batch, folder: Path, langs: tuple[str, str]) -> None:
    from stages.project.alone import Alone, entities_of, translator

    translate = translator(folder, str(folder), *langs)
    Alone.of_entities(entities_of(batch), translate).attach(batch)


def _read(path: Path, lang: str, *, labels: bool) -> tuple[list[Sentence], bool]:
    """Return the sentences of a file, empty ones included, and whether it has labels."""
    from pipeline.config import DataSource
    from pipeline.errors import DataError
    from pipeline.formats import detect_format, read_labelled

    # Whether a file has labels is seen from its content, whatever is wanted of it.
    form = detect_format(path, labelled=False)
    if form == "text" and labels:
        raise DataError(f"{path} is plain text: it has no labels")
    stream = read_labelled(
        DataSource(format=form), lang, path=path, labelled=labels, keep_empty=True
    )
    sentences = list(stream)
    if stream.report.invisible_words:
        raise DataError(
            f"{path}: {stream.report.invisible_words} words have no visible character; remove "
            "them before aligning, or the links would point to the wrong words"
        )
    return sentences, stream.report.scheme is not None or any(s.spans for s in sentences)


def _write(rows: list[dict[str, Any]], out: Path | None, lang: str) -> None:
    import tempfile

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


def _write_report(rows: list[dict[str, Any]], report: Path) -> None:
    with report.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(_report_row(row), ensure_ascii=False) + "\n")


def _kept(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [s for s in row["spans"] if s["kept"]]


def _report_row(row: dict[str, Any]) -> dict[str, Any]:
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


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    from collections import Counter

    reasons = Counter(s["reason"] for r in rows for s in r["spans"] if not s["kept"])
    reasons.update(item["reason"] for r in rows for item in r["lost"])
    return {
        "sentences": len(rows),
        "entities": sum(len(r["source_spans"]) for r in rows),
        "projected": sum(len(_kept(r)) for r in rows),
        "dropped": dict(sorted(reasons.items())),
    }


def _scores(gold: list[Sentence], rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return strict precision, recall, F1 and number of gold entities, by type and of all."""
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    from pipeline.formats import tags_from_spans
    from pipeline.schema import Span

    truth = [tags_from_spans(s.spans, len(s.words), "iob2") for s in gold]
    found = [
        tags_from_spans(
            [Span(s["start"], s["end"], s["type"]) for s in _kept(row)], len(row["words"]), "iob2"
        )
        for row in rows
    ]
    scores = classification_report(
        truth, found, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
    )
    order = [k for k in scores if not k.endswith(" avg")] + ["micro avg"]
    return {
        {"micro avg": "all"}.get(key, key): {
            "precision": float(scores[key]["precision"]),
            "recall": float(scores[key]["recall"]),
            "f1": float(scores[key]["f1-score"]),
            "gold": int(scores[key]["support"]),
        }
        for key in order
    }


def _print_json(
    rows: list[dict[str, Any]],
    summary: dict[str, Any],
    scores: dict[str, dict[str, float]] | None,
    out: Path | None,
) -> None:
    found = {"out": str(out)} if out else {"rows": [_report_row(row) for row in rows]}
    print_json(summary | ({"scores": scores} if scores else {}) | found)


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
