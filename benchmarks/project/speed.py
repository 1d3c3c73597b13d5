"""Sentences per second and peak memory of the default method, both passes, from stored links.

    python -m benchmarks.project.speed LINKS_DIR [--corpus europarl-de] [--pairs 1000000]
    python -m benchmarks.project.speed LINKS_DIR --distinct --pairs 1000000

The corpus' sentence pairs are stored as parts of 1,000 rows, replicated until there are as many as
asked for (one core; processor time, so that a busy machine does not blur the figure). Everything
from reading the parts to the finished ``projected`` tables is timed. A first line projects the
distinct sentences once, without replication. Ends with an error if a gibibyte was not enough.

With ``--distinct`` no pair is repeated: all of Tatoeba in both directions (short sentences of five
languages as one corpus), long or capital words as entities, links along the diagonal and between
equal words. Such labels mean nothing; it shows what a vocabulary that keeps growing does to memory.
"""

from __future__ import annotations

import argparse
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from zipfile import ZipFile

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.project.corpora import CORPORA, DATA, load_corpus, load_links
from pipeline.artifacts import read_part
from pipeline.schema import Span, span_row, table
from pipeline.stage import Part
from stages.project.config import ProjectConfig
from stages.project.worker import ProjectWorker, collect_statistics

PART = 1000
LIMIT = 1024
"""MiB."""
Read = Callable[[], Iterator[tuple[pa.Table, pa.Table]]]
_WORDS = re.compile(r"\w+(?:['’]\w+)?|[^\w\s]")


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
        columns = [read_part(folder / f"{n}.parquet") for n in ("translations", "alignments")]
        copies = -(-PART // n_rows)
        size = min(PART, total - done)
        offset = done % n_rows
        whole = [pa.concat_tables([t] * (copies + 1)) for t in columns]
        ids = pa.array([f"s{k}" for k in range(done, done + size)])
        translations, alignments = (t[offset : offset + size] for t in whole)
        yield _with(translations, id=ids, source_id=ids), _with(alignments, id=ids)
        done += size


def store_distinct(total: int, data: Path, folder: Path) -> int:
    """Write parts of pairs of which none is repeated; return how many pairs there are."""
    rows: list[dict] = []
    aligned: list[dict] = []
    done = 0
    for source, target in islice(tatoeba(data), total):
        k = done + len(rows)
        lang = {"id": f"s{k}", "lang": "de", "source_lang": "en", "reason": None}
        rows.append(
            {
                **lang,
                "source_id": f"s{k}",
                "source_words": source,
                "source_spans": [span_row(s) for s in made_up(source)],
                "text": " ".join(target),
                "words": target,
                "score": None,
                "rank": 0,
                "marked": None,
            }
        )
        links = {(i, i * len(target) // len(source)): 0.6 for i in range(len(source))}
        links |= {(i, target.index(w)): 0.9 for i, w in enumerate(source) if w in target}
        found = [{"source": i, "target": j, "prob": p} for (i, j), p in sorted(links.items())]
        aligned.append({**lang, "links": found, "aligner": "stored"})
        if len(rows) == PART:
            _store(rows, aligned, folder, done // PART)
            done += PART
            rows, aligned = [], []
    if rows:
        _store(rows, aligned, folder, done // PART)
    return done + len(rows)


def _store(rows: list[dict], aligned: list[dict], folder: Path, part: int) -> None:
    pq.write_table(table("translations", rows), folder / f"translations-{part:06d}.parquet")
    pq.write_table(table("alignments", aligned), folder / f"alignments-{part:06d}.parquet")


def tatoeba(data: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the words of every pair of every archive, once in each direction."""
    for swapped in (False, True):
        for path in sorted((data / "parallel/tatoeba").glob("eng-*.zip")):
            with ZipFile(path) as archive:
                wanted = f"{path.stem[4:]}.txt"
                member = next(n for n in archive.namelist() if Path(n).name == wanted)
                file = archive.open(member)
                for line in TextIOWrapper(file, encoding="utf-8"):
                    sides = [_WORDS.findall(text) for text in line.split("\t")[:2]]
                    if all(sides):
                        yield (sides[1], sides[0]) if swapped else (sides[0], sides[1])


def made_up(words: list[str]) -> list[Span]:
    """Return runs of long or capital words, but for the first word, as if they were entities."""
    large = [k > 0 and (w[0].isupper() or len(w) > 6) for k, w in enumerate(words)]
    starts = [k for k, w in enumerate(large) if w and not large[k - 1]]
    ends = [k + 1 for k, w in enumerate(large) if w and not (k + 1 < len(large) and large[k + 1])]
    return [Span(a, b, "PER") for a, b in zip(starts, ends, strict=True)]


def distinct_parts(folder: Path) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the parts that :func:`store_distinct` wrote."""
    for path in sorted(folder.glob("translations-*.parquet")):
        other = path.with_name(path.name.replace("translations", "alignments"))
        yield read_part(path), read_part(other)


def _with(data: pa.Table, **columns: pa.Array) -> pa.Table:
    for name, column in columns.items():
        data = data.set_column(data.schema.get_field_index(name), data.schema.field(name), column)
    return data


def run(read: Read, total: int, config: ProjectConfig) -> tuple[float, float, int]:
    """Return processor seconds of the first and the second pass, and the number of spans kept."""
    with tempfile.TemporaryDirectory() as scratch:
        begin = time.process_time()
        seen = _Memory(total, "first pass")
        collect_statistics(config, None, read(), Path(scratch), seen)
        between = time.process_time()
        worker = ProjectWorker(config, None, Path(scratch))
        spans = 0
        seen = _Memory(total, "second pass")
        for index, (translations, alignments) in enumerate(read()):
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
    parser.add_argument("--distinct", action="store_true", help="no pair twice (Tatoeba)")
    parser.add_argument("--method", default="candidates")
    options = parser.parse_args()
    config = ProjectConfig.model_validate({"method": options.method})
    links = options.links / f"{options.corpus}.{options.kind}.links"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        runs: list[tuple[int, Read]] = []
        if options.distinct:
            stored_rows = store_distinct(options.pairs, options.data, folder)
            print(f"{stored_rows:,} pairs, none twice; peak {peak():.0f} MiB", flush=True)
            runs.append((stored_rows, lambda: distinct_parts(folder)))
        else:
            n_rows, entities = stored(options.corpus, links, options.data, folder)
            print(
                f"{options.corpus}: {n_rows} distinct pairs, {entities} entities; "
                f"peak {peak():.0f} MiB"
            )
            for total in (n_rows, options.pairs):
                runs.append((total, partial(parts, folder, n_rows, total)))
        for total, read in runs:
            first, second, spans = run(read, total, config)
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
