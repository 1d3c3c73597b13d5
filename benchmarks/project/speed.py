"""Sentences per second and peak memory of the default method, both passes, from stored links.

    python -m benchmarks.project.speed LINKS_DIR [--corpus europarl-de] [--pairs 1000000]

The corpus' sentence pairs are stored as parts of 1,000 rows, replicated until there are as many as
asked for (one core; processor time, so that a busy machine does not blur the figure). Everything
from reading the parts to the finished ``projected`` tables is timed. A first line projects the
distinct sentences once, without replication. Ends with an error if a gibibyte was not enough.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.project.corpora import CORPORA, DATA, load_corpus, load_links
from pipeline.schema import span_row, table
from pipeline.stage import Part
from stages.project.config import ProjectConfig
from stages.project.worker import ProjectWorker, collect_statistics

PART = 1000
LIMIT = 1024
"""MiB."""


def stored(corpus_name: str, links: Path, data: Path, folder: Path) -> tuple[int, int]:
    """Write the corpus as one Parquet part of each dataset; return its rows and entities."""
    corpus = load_corpus(corpus_name, data)
    rows: list[dict] = []
    aligned: list[dict] = []
    for k, pair in enumerate(corpus.pairs(load_links(links))):
        lang = {"id": f"s{k}", "lang": CORPORA[corpus_name][2], "source_lang": "en", "reason": None}
        rows.append(
            {
                **lang,
                "source_id": f"s{k}",
                "source_words": list(pair.source_words),
                "source_spans": [span_row(s) for s in pair.source_spans],
                "text": " ".join(pair.words),
                "words": list(pair.words),
                "score": None,
                "rank": 0,
                "marked": None,
            }
        )
        found = [{"source": x.source, "target": x.target, "prob": x.prob} for x in pair.links]
        aligned.append({**lang, "links": found, "aligner": "stored"})
    pq.write_table(table("translations", rows), folder / "translations.parquet")
    pq.write_table(table("alignments", aligned), folder / "alignments.parquet")
    return len(rows), sum(len(r["source_spans"]) for r in rows)


def parts(folder: Path, n_rows: int, total: int) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield parts of 1,000 rows, reading the stored rows again and again under new ids."""
    done = 0
    while done < total:
        columns = [pq.read_table(folder / f"{n}.parquet") for n in ("translations", "alignments")]
        copies = -(-PART // n_rows)
        size = min(PART, total - done)
        offset = done % n_rows
        whole = [pa.concat_tables([t] * (copies + 1)) for t in columns]
        ids = pa.array([f"s{k}" for k in range(done, done + size)])
        translations, alignments = (t[offset : offset + size] for t in whole)
        yield _with(translations, id=ids, source_id=ids), _with(alignments, id=ids)
        done += size


def _with(data: pa.Table, **columns: pa.Array) -> pa.Table:
    for name, column in columns.items():
        data = data.set_column(data.schema.get_field_index(name), data.schema.field(name), column)
    return data


def run(folder: Path, n_rows: int, total: int, config: ProjectConfig) -> tuple[float, float, int]:
    """Return processor seconds of the first and the second pass, and the number of spans kept."""
    with tempfile.TemporaryDirectory() as scratch:
        begin = time.process_time()
        seen = _Memory(total, "first pass")
        collect_statistics(config, None, parts(folder, n_rows, total), Path(scratch), seen)
        between = time.process_time()
        worker = ProjectWorker(config, None, Path(scratch))
        spans = 0
        seen = _Memory(total, "second pass")
        for index, (translations, alignments) in enumerate(parts(folder, n_rows, total)):
            inputs = {"translations": translations, "alignments": alignments}
            result = worker(inputs, Part(index, 0))
            spans += sum(len(row) for row in result.column("spans").to_pylist())
            seen(translations.num_rows)
        return between - begin, time.process_time() - between, spans


class _Memory:
    """Prints the memory ten times during a pass."""

    def __init__(self, total: int, title: str) -> None:
        self._rows, self._step, self._title = 0, max(PART, total // 10), title
        self._next, self._total = self._step, total

    def __call__(self, rows: int) -> None:
        self._rows += rows
        if self._rows >= self._next and self._total >= 50_000:
            self._next += self._step
            print(f"  {self._title} {self._rows:>9,} rows: {now():.0f} MiB, peak {peak():.0f} MiB")
            sys.stdout.flush()


def now() -> float:
    """Return the memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def peak() -> float:
    """Return the peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("links", type=Path)
    parser.add_argument("--corpus", choices=sorted(CORPORA), default="europarl-de")
    parser.add_argument("--kind", default="big")
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--method", default="candidates")
    options = parser.parse_args()
    config = ProjectConfig.model_validate({"method": options.method})
    links = options.links / f"{options.corpus}.{options.kind}.links"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        n_rows, entities = stored(options.corpus, links, options.data, folder)
        print(
            f"{options.corpus}: {n_rows} distinct pairs, {entities} entities; peak {peak():.0f} MiB"
        )
        for total in (n_rows, options.pairs):
            first, second, spans = run(folder, n_rows, total, config)
            print(
                f"{total:>9,} pairs: first pass {total / max(first, 1e-9):,.0f}/s, second pass "
                f"{total / second:,.0f}/s, both {total / (first + second):,.0f} sentences/s; "
                f"{spans:,} spans; peak {peak():.0f} MiB",
                flush=True,
            )
    if peak() > LIMIT:
        raise SystemExit(f"peak memory of {peak():.0f} MiB, more than {LIMIT}")


if __name__ == "__main__":
    main()
