"""Writes a whole run folder as the stages would leave it, without running any model.

The "translation" reverses the words' letters' case and appends an article, the "alignment" is the
diagonal, and the taggers make mistakes with a probability that depends on the arm: enough for
everything that reads a finished run.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.artifacts import Artifact, RunFolder, part_name, write_part
from pipeline.disk import write_atomic
from pipeline.manifest import MANIFEST, Manifest
from pipeline.schema import Sentence, Span, count_drops, span_row, table
from pipeline.stage import Ref
from stages.arms import ARMS

TYPES = ("LOC", "ORG", "PER")
NAMES = {
    "LOC": ["Berlin", "New York", "Nairobi", "Addis Ababa", "Lagos"],
    "ORG": ["United Nations", "Siemens", "Bank of Kenya", "UNESCO"],
    "PER": ["Angela Merkel", "Wangari Maathai", "Ada Lovelace", "Pelé"],
}
FILLER = [
    "the",
    "visited",
    "yesterday",
    "said",
    "that",
    "of",
    "new",
    "report",
    "meets",
    "in",
    "with",
    "and",
    "about",
    "news",
]
ERROR_RATE = {"zero_shot": 0.45, "fused": 0.4, "projected": 0.3, "self_trained": 0.1}


def write_artifact(
    run: Path,
    ref: Ref,
    kind: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    lang: str | None = None,
    part_rows: int = 100,
    labels: Sequence[str] = (),
    **facts: Any,
) -> Artifact:
    """Write ``rows`` as a complete artifact of ``run``."""
    folder = RunFolder(run).folder(ref)
    folder.mkdir(parents=True, exist_ok=True)
    parts, drops = [], {}
    for index, start in enumerate(range(0, max(len(rows), 1), part_rows)):
        data = table(kind, rows[start : start + part_rows], labels)
        parts.append(write_part(data, folder / part_name(index)))
        for key, counts in count_drops(data).items():
            mine = drops.setdefault(key, {})
            for reason, n in counts.items():
                mine[reason] = mine.get(reason, 0) + n
    write_manifest(
        folder, ref, kind, lang=lang, parts=parts, drops=drops, rows_out=len(rows), **facts
    )
    return Artifact(folder)


def write_manifest(folder: Path, ref: Ref, kind: str, **facts: Any) -> None:
    """Write a manifest with plausible times."""
    started = datetime(2026, 1, 1, tzinfo=UTC)
    values: dict[str, Any] = {
        "fingerprint": "0" * 64,
        "identity": {"version": "1", "options": {"some_option": 3}},
        "seed": 13,
        "started": started,
        "finished": started + timedelta(seconds=12),
        "seconds": 12.0,
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
    }
    manifest = Manifest(stage=ref.stage, unit=ref.unit, kind=kind, **(values | facts))
    write_atomic(folder / MANIFEST, manifest.model_dump_json(indent=2).encode())


def sentence(rng: random.Random, number: int, lang: str) -> Sentence:
    """Return a random sentence with one to three entities, between filler words."""
    words: list[str] = []
    spans: list[Span] = []
    for _ in range(rng.randint(1, 3)):
        words += rng.choices(FILLER, k=rng.randint(1, 4))
        kind = rng.choice(TYPES)
        name = rng.choice(NAMES[kind]).split()
        spans.append(Span(len(words), len(words) + len(name), kind))
        words += name
    return Sentence(f"{lang}-{number}", lang, [*words, "."], spans, "train.txt", number + 1)


def translation_row(s: Sentence, lang: str) -> dict[str, Any]:
    """Return a row of a translations dataset: every word is kept, one is put in front."""
    words = ["der", *(w if w[0].isupper() else w[::-1] for w in s.words)]
    return {
        "id": s.id,
        "lang": lang,
        "source_id": s.id,
        "source_lang": s.lang,
        "source_words": s.words,
        "source_spans": [span_row(x) for x in s.spans],
        "text": " ".join(words),
        "words": words,
        "score": -0.5,
        "rank": 0,
        "marked": None,
        "reason": None,
    }


def alignment_row(translation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the diagonal alignment."""
    return {
        "id": translation["id"],
        "lang": translation["lang"],
        "source_lang": translation["source_lang"],
        "links": [
            {"source": i, "target": i + 1, "prob": 0.9}
            for i in range(len(translation["source_words"]))
        ],
        "aligner": "fake",
        "reason": None,
    }


def projected_row(translation: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return projected spans; some are dropped or lost, and their sentences with them."""
    spans, lost = [], []
    for index, source in enumerate(translation["source_spans"]):
        fate = rng.random()
        if fate < 0.08:
            lost.append({"source": index, "reason": "no_link"})
            continue
        score = round(rng.uniform(0.2, 1.0), 3)
        kept = score >= 0.4
        spans.append(
            {
                "start": source["start"] + 1,
                "end": source["end"] + 1,
                "type": source["type"],
                "score": score,
                "method": "candidates",
                "source": index,
                "kept": kept,
                "reason": None if kept else "low_score",
            }
        )
    kept = not lost and all(s["kept"] for s in spans)
    return {
        **{k: translation[k] for k in ("id", "lang", "source_id", "source_lang")},
        **{k: translation[k] for k in ("source_words", "source_spans", "words")},
        "spans": spans,
        "lost": lost,
        "scores": [],
        "kept": kept,
        "reason": None if kept else "lost_span",
    }


def synthetic_row(translation: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return a synthetic sentence; every fifth is dropped."""
    kept = bool(number % 5)
    return {
        "id": f"{translation['id']}~{number}",
        "lang": translation["lang"],
        "words": translation["words"],
        "spans": [],
        "maker": "sampled_translation",
        "source_id": translation["id"],
        "scores": [{"name": "language", "value": 0.9}],
        "kept": kept,
        "reason": None if kept else "duplicate",
    }


def prediction_row(s: Sentence, rng: random.Random, errors: float) -> dict[str, Any]:
    """Return predictions that are wrong with probability ``errors`` per entity."""
    spans = []
    for span in s.spans:
        if rng.random() >= errors:
            spans.append(span)
            continue
        kind = rng.choice(["missed", "type", "boundary"])
        if kind == "type":
            other = rng.choice([t for t in TYPES if t != span.type])
            spans.append(Span(span.start, span.end, other))
        elif kind == "boundary" and span.end < len(s.words):
            spans.append(Span(span.end - 1, span.end + 1, span.type))
    ordered: list[Span] = []
    for span in spans:
        if not ordered or ordered[-1].end <= span.start:
            ordered.append(span)
    labels = 2 * len(TYPES) + 1
    probs = [[1.0 / labels] * labels for _ in s.words]
    rows = [span_row(Span(x.start, x.end, x.type, 0.9)) for x in ordered]
    return {"id": s.id, "lang": s.lang, "words": s.words, "spans": rows, "probs": probs}


def write_run(
    root: Path,
    *,
    name: str = "fake",
    languages: Sequence[str] = ("de", "sw"),
    arms: Sequence[str] = tuple(ERROR_RATE),
    seeds: Sequence[int] = (13, 14),
    sentences: int = 120,
    tests: int = 150,
    extra: Iterable[Sentence] = (),
    parallel_gold: Sequence[str] = (),
    part_rows: int = 100,
    test_types: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Write a run and return its folder.

    Args:
        extra: Source sentences to put in front of the random ones.
        parallel_gold: Languages whose target side has gold labels.
        part_rows: Rows per part of translations, alignments and projected rows.
        test_types: The types that the test set of a language holds; default: all of them.
    """
    run = root / name
    rng = random.Random(7)
    source = [*extra, *(sentence(rng, i, "en") for i in range(sentences))]
    write_artifact(run, Ref("prepare", "train/en"), "labelled", [s.to_row() for s in source])
    tags = ["O", *(f"{p}-{t}" for t in TYPES for p in "BI")]
    for lang in languages:
        translated = [translation_row(s, lang) for s in source]
        projected = [projected_row(t, rng) for t in translated]
        parts: dict[str, Any] = {"lang": lang, "part_rows": part_rows}
        write_artifact(run, Ref("translate", lang), "translations", translated, **parts)
        aligned = [alignment_row(t) for t in translated]
        write_artifact(run, Ref("align", lang), "alignments", aligned, **parts)
        write_artifact(run, Ref("project", lang), "projected", projected, **parts)
        if any("synthetic" in ARMS[arm].data for arm in arms):
            made = [synthetic_row(t, i) for i, t in enumerate(translated)]
            write_artifact(run, Ref("synthesize", lang), "synthetic", made, lang=lang)
        if lang in parallel_gold:
            gold = [
                Sentence(
                    t["id"],
                    lang,
                    t["words"],
                    [Span(s["start"] + 1, s["end"] + 1, s["type"]) for s in t["source_spans"]],
                ).to_row()
                for t in translated
            ]
            write_artifact(run, Ref("prepare", f"parallel/{lang}"), "labelled", gold, lang=lang)
        test = [sentence(rng, i, lang) for i in range(tests)]
        gold = [s.to_row() for s in test]
        for row in gold:
            types = (test_types or {}).get(lang, TYPES)
            row["spans"] = [x for x in row["spans"] if x["type"] in types]
        write_artifact(run, Ref("prepare", f"test/{lang}"), "labelled", gold, lang=lang)
        for arm in arms:
            for seed in seeds:
                noise = random.Random(f"{arm}{seed}{lang}")
                rows = [prediction_row(s, noise, ERROR_RATE.get(arm, 0.3)) for s in test]
                unit = f"{arm}/seed-{seed}/test/{lang}"
                write_artifact(
                    run, Ref("predict", unit), "predictions", rows, lang=lang, labels=tags
                )
    return run
