"""Every real corpus file reads with the right counts and survives a round trip."""

from __future__ import annotations

import lzma
import os
import subprocess
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import pytest

from pipeline.config import DataSource
from pipeline.formats import (
    ReadReport,
    SentenceStream,
    read_labelled,
    write_conll,
    write_jsonl,
    write_parquet,
)
from pipeline.schema import Sentence
from tests.shared_data import ROOT, shared_data

FILES = sorted(
    str(p.relative_to(ROOT / "ner")) for p in (ROOT / "ner").rglob("*") if p.is_file()
) or ["conll/en/train.txt"]
# Round trips of the whole files take about a minute; of some of each file, a few seconds.
WHOLE = os.environ.get("XLNER_WHOLE_CORPORA") == "1"
SOME = 500
AWK = Path(__file__).with_name("count_iob2.awk")
STRAY = {
    "as-found/conll-es-dev.double-encoded.txt",
    "conll/es/train.txt",
    "conll/es/dev.txt",
    "masakhaner2/hau/train.txt",
    "masakhaner2/hau/test.txt",
    "masakhaner2/swa/test.txt",
    "masakhaner2/yor/train.txt",
    "masakhaner2/yor/test.txt",
}
WRITERS: dict[str, Callable[[Iterable[Sentence], Path], int]] = {
    "conll": write_conll,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}


def open_file(name: str) -> SentenceStream:
    lang = {"as-found": "es"}.get(name.split("/")[0], name.split("/")[1].split(".")[0])
    source = DataSource()
    return read_labelled(source, lang, path=shared_data("ner", name), repair_encoding=True)


@lru_cache(maxsize=1)
def contents(name: str) -> tuple[list[Sentence], ReadReport]:
    stream = open_file(name)
    return list(stream), stream.report


def counted_by_awk(path: Path) -> dict[str, int]:
    universal = path.suffix == ".iob2"
    options = ["-v", "FS=\t", "-v", "col=3", "-v", "u=1"] if universal else []
    done = subprocess.run(
        ["awk", *options, "-f", str(AWK)],
        input=lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes(),
        capture_output=True,
        check=True,
        env=os.environ | {"LC_ALL": "C"},
    )
    return {k: int(n) for k, n in (line.split() for line in done.stdout.decode().splitlines())}


@pytest.fixture(scope="module", params=FILES)
def name(request: pytest.FixtureRequest) -> str:
    """One file after the other, so that each is read once for all its tests."""
    return str(request.param)


def test_counts_are_those_of_awk(name: str) -> None:
    expected = counted_by_awk(shared_data("ner", name))
    sentences, report = contents(name)
    found = {"sentences": len(sentences), "tokens": sum(len(s.words) for s in sentences)}
    for sentence in sentences:
        for span in sentence.spans:
            found[f"span:{span.type}"] = found.get(f"span:{span.type}", 0) + 1
    assert found == expected
    assert report.scheme == "iob2"
    assert (report.sentences, report.tokens) == (expected["sentences"], expected["tokens"])
    assert {f"span:{k}": n for k, n in report.spans.items()} == {
        k: n for k, n in expected.items() if k.startswith("span:")
    }
    strays = 1 if name in STRAY else 0
    assert report.repaired_tags.total() == strays
    # Some sentences of these corpora are long indeed.
    assert not [w for w in report.warnings if "with more than 200 words" not in w]
    assert report.double_encoded == name.startswith("as-found")


def test_round_trip_through_each_writer(name: str, tmp_path: Path) -> None:
    sentences = contents(name)[0]
    if not WHOLE:
        sentences = sentences[:SOME]
    for kind, write in WRITERS.items():
        path = tmp_path / f"all.{kind}"
        assert write(sentences, path) == len(sentences)
        again = read_labelled(DataSource(), sentences[0].lang, path=path)
        for before, after in zip(sentences, again, strict=True):
            assert (before.id, before.words, before.spans) == (after.id, after.words, after.spans)
        assert not again.report.repaired_tags


def test_repair_gives_exactly_the_decoded_file() -> None:
    found, report = contents("as-found/conll-es-dev.double-encoded.txt")
    clean, clean_report = contents("conll/es/dev.txt")
    assert [(s.words, s.spans, s.line) for s in found] == [
        (s.words, s.spans, s.line) for s in clean
    ]
    assert (report.repaired["repaired_words"], report.repaired["unrepaired_words"]) == (5184, 0)
    assert (clean_report.double_encoded, clean_report.repaired["repaired_words"]) == (False, 0)


def test_parallel_gold_files_have_the_same_ids() -> None:
    english, report = contents("uner-pud/en.iob2")
    ids = [s.id for s in english]
    assert ids == [s.id for s in contents("uner-pud/de.iob2")[0]]
    assert report.own_ids and ids[0] == "n01001-0001"


def test_hash_signs_in_the_corpus_are_words() -> None:
    words = [w for s in contents("masakhaner2/swa/train.txt")[0] for w in s.words]
    assert words.count("#") == 4
    assert "\u200bHassan" in words
