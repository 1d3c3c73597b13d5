"""Data sets for the hub: what a run has made, projected and synthetic text, or chosen sentences.

:func:`export_dataset` writes one configuration per language, with the splits ``projected`` and
``synthetic`` as they are there. What is dropped in training is not in it; the card says how much
that was, and why. :func:`write_dataset` writes the sentences that it is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pipeline.artifacts import Artifact, RunFolder
from pipeline.disk import folder_whole
from pipeline.errors import ConfigError
from pipeline.formats import tags_from_spans, write_parquet
from pipeline.listed import batched
from pipeline.schema import Sentence, Span
from pipeline.stage import Ref
from stages.inspect.doubts import Renderings, judged
from stages.inspect.reading import languages, unit_of, views

if TYPE_CHECKING:
    from datasets import Features

SPLITS: Final = {"projected": "project", "synthetic": "synthesize"}
"""The splits, and the stages whose rows they have."""
_TOLD: Final = ("model", "aligner", "method", "weights")
"""Options that the card names."""
_PART: Final = 1000  # rows
_MODELS: Final = ("translate", "align", "project", "synthesize")


def export_dataset(run: RunFolder, folder: Path) -> dict[str, int]:
    """Write the data set into a folder: Parquet files, and the card.

    Args:
        run: A run that has projected or made text.
        folder: A new or empty folder.

    Returns:
        The number of sentences by ``<lang>/<split>``.

    Raises:
        ConfigError: If the run has neither, or the folder holds something.
    """
    found = {
        (lang, split): artifact
        for split, stage in SPLITS.items()
        for lang in languages(run, stage)
        if (artifact := run.artifact(Ref(stage, unit_of(run, stage, lang)))) is not None
    }
    if not found:
        raise ConfigError(
            f"the run {run.path.name} has no projected and no synthetic text; run the stage project"
        )
    types = sorted({s["type"] for a in found.values() for row in a.rows() for s in row["spans"]})
    counts = {}
    with folder_whole(folder) as new:
        for (lang, split), artifact in found.items():
            counts[f"{lang}/{split}"] = _write(artifact, types, new / lang / f"{split}.parquet")
        (new / "README.md").write_text(card(run, found, counts, types), encoding="utf-8")
    return counts


def write_dataset(sentences: Iterable[Sentence], folder: Path) -> int:
    """Write ``train.parquet`` and ``README.md`` (the card) into ``folder``.

    Returns:
        The number of sentences written.

    Raises:
        ConfigError: If the folder holds something.
    """
    with folder_whole(folder) as new:
        rows = list(sentences)
        (new / "README.md").write_text(_plain_card(rows), encoding="utf-8")
        return write_parquet(rows, new / "train.parquet")


def _plain_card(rows: list[Sentence]) -> str:
    """Return the data set card: front matter for the hub, then what the data is and is not."""
    langs = sorted({s.lang for s in rows})
    types = Counter(span.type for s in rows for span in s.spans)
    head = front_matter(langs, [{"config_name": "default", "data_files": "train.parquet"}])
    counts = "\n".join(f"| {name} | {n:,} |" for name, n in sorted(types.items()))
    origins = ", ".join(sorted({s.origin for s in rows if s.origin})) or "unknown"
    return f"""---
{head}---

# Projected named entity labels ({", ".join(langs)})

{len(rows):,} sentences with {types.total():,} entities, made by {origins}.
Text and labels are machine-made: the sentences were translated (unless a translation was given)
and the labels projected from the source sentences along word alignments. They are silver, not
gold: train on them, do not evaluate on them.

| type | entities |
|---|---|
{counts}

Columns: `id` (that of the source sentence), `lang`, `tokens`, `ner_tags` (IOB2, a `ClassLabel`).
The licence is that of the source corpus and of the translation model; state it before you publish.
"""


def front_matter(langs: Sequence[str], configs: Sequence[Mapping[str, Any]], **more: Any) -> str:
    """Return what the hub reads at the head of a card of machine-made data, as YAML.

    Args:
        langs: The languages.
        configs: The configurations with their files.
        more: Further keys.
    """
    facts = {
        "language": list(langs),
        "task_categories": ["token-classification"],
        "task_ids": ["named-entity-recognition"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["machine-generated"],
        **more,
        "configs": list(configs),
    }
    return str(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True))


def push_dataset(folder: Path, name: str, *, private: bool = False) -> str:
    """Upload an exported data set to the hub as ``owner/name``; returns its address."""
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(name, repo_type="dataset", private=private, exist_ok=True)
    done = api.upload_folder(repo_id=name, repo_type="dataset", folder_path=str(folder))
    return str(done.commit_url)


def features(types: list[str]) -> Features:
    """Return the columns: IOB2 tags are a ``ClassLabel``, spans hold scores beside them."""
    from datasets import ClassLabel, Features, List, Value

    labels = ["O", *(f"{p}-{t}" for t in types for p in "BI")]
    span = {"start": Value("int32"), "end": Value("int32"), "type": Value("string")}
    return Features(
        {
            "id": Value("string"),
            "lang": Value("string"),
            "tokens": List(Value("string")),
            "ner_tags": List(ClassLabel(names=labels)),
            "spans": List({**span, "score": Value("float32")}),
            "source_tokens": List(Value("string")),
            "source_spans": List(span),
            "maker": Value("string"),
        }
    )


def _rows(artifact: Artifact) -> Iterator[dict[str, Any]]:
    for row in artifact.rows():
        if not row["kept"] or not row["words"]:
            continue
        spans = [s for s in row["spans"] if s.get("kept", True)]
        words = row["words"]
        plain = [Span(s["start"], s["end"], s["type"]) for s in spans]
        keys = ("start", "end", "type")
        yield {
            "id": row["id"],
            "lang": row["lang"],
            "tokens": words,
            "ner_tags": tags_from_spans(plain, len(words)),
            "spans": [{k: s.get(k) for k in (*keys, "score")} for s in spans],
            "source_tokens": row.get("source_words") or [],
            "source_spans": [{k: s[k] for k in keys} for s in row.get("source_spans") or []],
            "maker": row.get("maker") or "projection",
        }


def _write(artifact: Artifact, types: list[str], path: Path) -> int:

    described = features(types)
    tags = described["ner_tags"].feature
    schema = described.arrow_schema
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with pq.ParquetWriter(path, schema) as writer:
        for rows in batched(_rows(artifact), _PART):
            for row in rows:
                row["ner_tags"] = tags.str2int(row["ner_tags"])
            writer.write_table(pa.Table.from_pylist(rows, schema))
            count += len(rows)
    return count


def card(
    run: RunFolder,
    found: dict[tuple[str, str], Artifact],
    counts: dict[str, int],
    types: list[str],
) -> str:
    """Return the card: how the data was made, its scores, what speaks against it, licences."""
    langs = list(dict.fromkeys(lang for lang, _ in found))
    configs = [
        {
            "config_name": lang,
            "data_files": [
                {"split": s, "path": f"{lang}/{s}.parquet"} for la, s in found if la == lang
            ],
        }
        for lang in langs
    ]
    head = front_matter(
        langs,
        configs,
        pretty_name=run.path.name,
        license="other",
        tags=["xlner", "cross-lingual", "silver"],
    )
    parts = [f"---\n{head}---\n", f"# {run.path.name}: named entities ({', '.join(types)})\n"]
    parts.append(
        "Text and labels are machine-made, by xlner: source sentences were translated, their "
        "labels carried over along word alignments (`projected`); further text was made and its "
        "entities are known or left open (`synthetic`). Silver, not gold: train on it, do not "
        "evaluate on it.\n"
    )
    table = ["| language | split | sentences | entities | mean score | left out, by reason |"]
    table.append("|---|---|---|---|---|---|")
    for (lang, split), artifact in found.items():
        entities, mean = _scores(artifact)
        dropped = artifact.manifest.drops.get("rows", {})
        told = ", ".join(f"{reason} {n:,}" for reason, n in sorted(dropped.items())) or "–"
        shown = "–" if mean is None else f"{mean:.3f}"
        size = counts[f"{lang}/{split}"]
        table.append(f"| {lang} | {split} | {size:,} | {entities:,} | {shown} | {told} |")
    parts.append("\n".join(table) + "\n")
    parts += [_doubts(run, [lang for lang, split in found if split == "projected"])]
    parts += [_how(run, langs), _LICENCES]
    return "\n".join(p for p in parts if p)


_LICENCES: Final = """## Licences

The text is made from the source corpus, by the models named above; their licences, and that of
every corpus that was substituted from, bind what may be done with it. xlner does not know them: put
them into `license` above before you publish.
"""


def _scores(artifact: Artifact) -> tuple[int, float | None]:
    entities, scores = 0, []
    for row in _rows(artifact):
        entities += len(row["spans"])
        scores += [s["score"] for s in row["spans"] if s["score"] is not None]
    return entities, sum(scores) / len(scores) if scores else None


def _doubts(run: RunFolder, langs: list[str]) -> str:
    lines = []
    for lang in langs:
        unit = unit_of(run, "project", lang)
        projected = Artifact(run.path / "project" / unit)
        kinds: Counter[str] = Counter()
        for view in judged(views(run, "project", unit), Renderings.of(projected)):
            if view.kept:
                kinds.update({d.kind for d in view.doubts})
        told = ", ".join(f"`{k}` {n:,}" for k, n in kinds.most_common()) or "none"
        lines.append(f"- {lang}: {told}")
    if not lines:
        return ""
    about = "Sentences with a sign that a label may be wrong (`inspect_labels` shows them):"
    return "## Doubts\n\n" + about + "\n\n" + "\n".join(lines) + "\n"


def _how(run: RunFolder, langs: list[str]) -> str:
    lines = ["## How it was made", ""]
    for lang in langs:
        for stage in _MODELS:
            artifact = run.artifact(Ref(stage, lang))
            if artifact is None:
                continue
            facts = artifact.manifest
            told = [f"{facts.finished:%Y-%m-%d}, seed {facts.seed}"]
            given = {**facts.identity.get("options", {}), **facts.identity.get("task", {})}
            told += [f"{key} `{given[key]}`" for key in _TOLD if given.get(key)]
            files: dict[str, Any] = facts.identity.get("files") or {}
            told += [f"{k} (SHA-256) `{v[:12]}…`" for k, v in sorted(files.items()) if len(v) == 64]
            lines.append(f"- {lang}, `{stage}`: {', '.join(told)}")
    return "\n".join(lines) + "\n"
