"""Our labels for the translations of CoNLL: links of an ensemble, and the default projection.

    python -m benchmarks.tagger.zero_shot.project_labels --encoder E5 --out FOLDER

Links: ``statistical``, learnt from these pairs alone, and ``simalign`` on layer 7 of the encoder
with the same weight. Projection: ``candidates`` with its default filters. Writes
``FOLDER/<lang>.jsonl``: a line per pair, ``kept`` and ``spans`` ``[start, end, type]``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from benchmarks.project.labels import labels_of
from benchmarks.tagger.zero_shot.corpora import Labelled, Translated, translated
from pipeline.schema import Link
from stages.align.build import build, learn
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.kinds.base import PairsToLearn
from stages.align.planning import plan
from stages.project.batch import LabelledPair


def align(data: Translated, encoder: str, dtype: str) -> list[list[Link]]:
    """Return links with probabilities; none where the source has no entity to project."""
    pairs = [(s, t) for (s, _), t in zip(data.source, data.words, strict=True)]
    wanted = [k for k, (_, spans) in enumerate(data.source) if spans]
    contextual = {"aligner": "simalign", "model": encoder, "layer": 7, "dtype": dtype}
    config = AlignConfig.model_validate(
        {"aligner": "ensemble", "members": [{"aligner": "statistical"}, contextual]}
    )
    planned = plan(config, AlignmentContext("en", None, encoder, None))
    with tempfile.TemporaryDirectory() as folder:
        learn(planned, PairsToLearn(lambda: iter(pairs), lambda: iter(())), Path(folder))
        found = build(planned, Path(folder)).align([pairs[k] for k in wanted])
    links: list[list[Link]] = [[] for _ in pairs]
    for k, row in zip(wanted, found, strict=True):
        links[k] = row
    return links


def project(data: Translated, links: list[list[Link]]) -> list[tuple[bool, list[list[object]]]]:
    """Return, per pair, whether the default filters keep it, and its kept spans."""
    pairs = [
        LabelledPair(words, spans, target, link, id=f"conll-{k}")
        for k, ((words, spans), target, link) in enumerate(
            zip(data.source, data.words, links, strict=True)
        )
    ]
    return [(kept, [[s.start, s.end, s.type] for s in spans]) for kept, spans in labels_of(pairs)]


def read(file: Path, data: Translated, *, dropped: bool = False) -> Labelled:
    """Return the kept sentences of a file that :func:`main` wrote; the dropped ones too, if asked.

    Raises:
        SystemExit: If it is of other translations.
    """
    from pipeline.schema import Span

    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    if len(rows) != len(data.words):
        raise SystemExit(f"{file}: {len(rows)} lines for {len(data.words)} translations")
    return [
        (words, [Span(a, b, kind) for a, b, kind in row["spans"]])
        for words, row in zip(data.words, rows, strict=True)
        if dropped or (row["kept"] and words)
    ]


def main() -> None:
    """Project."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--languages", default="de,sw,es,nl,ha,yo")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "int8"])
    parser.add_argument("--limit", type=int, default=None, help="the first N pairs only")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for lang in options.languages.split(","):
        begin = time.time()
        data = translated(lang)
        size = options.limit or len(data.words)
        data = Translated(data.source[:size], data.words[:size], data.rivals)
        links = align(data, options.encoder, options.dtype)
        middle = time.time()
        rows = project(data, links)
        file = options.out / f"{lang}.jsonl"
        text = "".join(json.dumps({"kept": k, "spans": s}) + "\n" for k, s in rows)
        file.with_suffix(".partial").write_text(text, encoding="utf-8")
        file.with_suffix(".partial").rename(file)
        kept = sum(k for k, _ in rows)
        spans = sum(len(s) for k, s in rows if k)
        print(
            f"{lang}: {len(rows)} pairs, {kept} kept, {spans} spans; links {middle - begin:.0f} s, "
            f"projection {time.time() - middle:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
