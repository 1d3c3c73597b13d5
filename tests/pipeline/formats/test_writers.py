"""Whatever is written is read again as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.disk import folder_whole, sweep_dead
from pipeline.errors import ConfigError, DataError
from pipeline.formats import write_conll, write_jsonl, write_parquet, write_pharaoh
from pipeline.formats.brat import write_brat
from pipeline.formats.doccano import write_doccano
from pipeline.formats.label_studio import write_label_studio
from pipeline.formats.words import invisible
from pipeline.schema import Link, Sentence, Span
from stages.inspect.run_dataset import write_dataset
from tests.pipeline.formats.helpers import stream

ODD = ["#", "# id = x", "#x", "de:", "de:a", "-DOCSTART", "O", "B-PER", "\u200ba", "a b", "ÃŸ", "1"]
ODD += [
    "a\u0085b",
    "x\u2028y",
    "\ufeffz",
    "\u202eabc",
    "שלום",
    "{",
    "= =",
    "sent_id",
    '"',
    "\\",
    "a ",
]

Writer = Callable[[Iterable[Sentence], Path], int]


@st.composite
def sentences(draw: st.DrawFn, forbidden: str) -> list[Sentence]:
    letters = st.characters(exclude_categories=["Cs"], exclude_characters=forbidden)
    word = st.one_of(st.sampled_from(ODD), st.text(letters, min_size=1, max_size=5))
    word = word.filter(lambda w: not invisible(w) and not w.startswith("-DOCSTART-"))
    out = []
    for index in range(draw(st.integers(1, 4))):
        words = draw(st.lists(word, min_size=1, max_size=6))
        spans, start = [], 0
        while start < len(words):
            length = draw(st.integers(0, 3))
            end = min(start + length, len(words))
            if length:
                kind = draw(st.sampled_from(["PER", "LOC", "work-of-art", "Ünter"]))
                spans.append(Span(start, end, kind))
            start = end + draw(st.integers(0, 1)) + (length == 0)
        name = draw(st.sampled_from(["", "a b-", "# ", "ä=", "x:"])) + str(index)
        out.append(Sentence(name, "de", words, spans))
    return out


def test_sentences_of_hash_signs_only() -> None:
    check(write_conll, [Sentence("0", "de", ["# id = x"]), Sentence("1", "de", ["#"])], ".conll")


def test_one_word_with_a_line_end_of_other_systems() -> None:
    check(write_conll, [Sentence("0", "de", ["a\u0085b"])], ".conll")


def check(write: Writer, sample: list[Sentence], suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        assert write(sample, path) == len(sample)
        found = stream(path)
        again = [(s.id, s.lang, s.words, s.spans) for s in found]
        assert again == [(s.id, s.lang, s.words, s.spans) for s in sample]
        assert not found.report.repaired_tags
        assert found.report.own_ids


RELAXED = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@RELAXED
@given(sample=sentences(forbidden="\t\n\r\0"))
def test_conll(sample: list[Sentence]) -> None:
    check(write_conll, sample, ".conll")


@RELAXED
@given(sample=sentences(forbidden=""))
def test_jsonl(sample: list[Sentence]) -> None:
    check(write_jsonl, sample, ".jsonl")


@RELAXED
@given(sample=sentences(forbidden=""))
def test_parquet(sample: list[Sentence]) -> None:
    check(write_parquet, sample, ".parquet")


@pytest.mark.parametrize("write", [write_conll, write_jsonl, write_parquet])
def test_overlapping_spans_are_refused(write: Writer, tmp_path: Path) -> None:
    bad = Sentence("s", "de", ["a", "b"], [Span(0, 2, "A"), Span(1, 2, "B")])
    with pytest.raises((ValueError, DataError), match="overlap"):
        write([bad], tmp_path / "a")


@pytest.mark.parametrize(
    "write",
    [
        write_conll,
        write_jsonl,
        write_parquet,
        lambda items, path: write_doccano(((s, None) for s in items), path),
        lambda items, path: write_label_studio(((s, None) for s in items), path),
        lambda items, path: write_pharaoh(([Link(0, 0, 1.0)] for _ in items), path),
    ],
    ids=["conll", "jsonl", "parquet", "doccano", "label-studio", "pharaoh"],
)
def test_a_file_that_cannot_be_written_whole_stays_what_it_was(
    write: Writer, tmp_path: Path
) -> None:
    def broken() -> Iterator[Sentence]:
        yield Sentence("0", "de", ["Anna"], [Span(0, 1, "PER")])
        raise DataError("no more")

    path, link = tmp_path / "a", tmp_path / "link"
    link.symlink_to(path)
    for there in (False, True):
        if there:
            write([Sentence("s", "de", ["Bonn"])], link)
            assert link.is_symlink() and path.is_file()
        before = {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
        with pytest.raises(DataError, match="no more"):
            write(broken(), path)
        assert {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


@pytest.mark.parametrize("write", [write_brat, lambda items, to: write_dataset(_plain(items), to)])
@pytest.mark.parametrize("there", [False, True])
def test_a_folder_is_there_whole_or_not_at_all(
    write: Callable[[Iterable[tuple[Sentence, None]], Path], int], there: bool, tmp_path: Path
) -> None:
    def broken() -> Iterator[tuple[Sentence, None]]:
        yield from (
            (Sentence(str(n), "de", ["Anna"], [Span(0, 1, "PER")]), None) for n in range(60)
        )
        raise DataError("no more")

    folder = tmp_path / "a"
    if there:
        folder.mkdir()
    with pytest.raises(DataError, match="no more"):
        write(broken(), folder)
    assert list(tmp_path.rglob("*")) == ([folder] if there else [])
    assert write([(Sentence("0", "de", ["Anna"]), None)], folder) == 1
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert before and {p.parent for p in before} == {folder}
    with pytest.raises(ConfigError, match="holds something already"):
        write([], folder)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("there", [False, True])
def test_what_a_killed_process_left_of_a_folder_is_in_nobodys_way(
    there: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "a [1]"
    if there:
        folder.mkdir()
    script = "import os, sys; from pathlib import Path; from pipeline.disk import folder_whole\n"
    script += "with folder_whole(Path(sys.argv[1])) as new:\n"
    script += "    (new / 'part').touch(); os.kill(os.getpid(), 9)"
    killed = subprocess.run([sys.executable, "-c", script, str(folder)], check=False)
    assert killed.returncode == -9 and len(list(tmp_path.rglob("part"))) == 1
    with folder_whole(folder) as new:
        (new / "whole").touch()
        sweep_dead((folder if there else tmp_path) / folder.name)  # that of the living stays
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["whole"]


def _plain(items: Iterable[tuple[Sentence, None]]) -> Iterator[Sentence]:
    return (sentence for sentence, _ in items)


def test_label_studios_interface_takes_no_other_files_place(tmp_path: Path) -> None:
    path, beside = tmp_path / "a.json", tmp_path / "a.xml"
    items = [(Sentence("0", "de", ["Anna"], [Span(0, 1, 'a "b" & <c>')]), None)]
    write_label_studio(items, path)
    write_label_studio([], path)  # what was exported is exported anew
    assert write_label_studio(items, path) == 1
    path.unlink()
    for other in (
        "<View><Text name='mine'/></View>",
        "no XML",
        beside.read_text() + "<!-- mine -->",
    ):
        beside.write_text(other)
        with pytest.raises(ConfigError, match=r"a\.xml holds something else"):
            write_label_studio(items, path)
        assert beside.read_text() == other and not path.exists()
    with pytest.raises(ConfigError, match=r"call the file \.json"):
        write_label_studio(items, tmp_path / "b.xml")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="pipe: is no file that the labelling interface"):
        write_label_studio(items, tmp_path / "pipe")
    assert not (tmp_path / "pipe.xml").exists()


def test_who_may_read_a_file_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.touch(mode=0o600)
    write_jsonl([Sentence("s", "de", ["Bonn"])], path)
    assert path.read_bytes() and path.stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert write_jsonl([Sentence("s", "de", ["Bonn"])], pipe) == 1
        assert json.loads(os.read(reader, 1000))["tokens"] == ["Bonn"]
    finally:
        os.close(reader)
    assert list(tmp_path.iterdir()) == [pipe] and pipe.is_fifo()


def test_errors_name_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_conll([], tmp_path / "none" / "a.conll")
    assert caught.value.filename == str(tmp_path / "none" / "a.conll")


def test_written_conll_looks_as_documented(tmp_path: Path) -> None:
    write_conll([Sentence("s 1", "de", ["Ann", "."], [Span(0, 1, "PER")])], tmp_path / "a")
    assert (tmp_path / "a").read_text() == (
        "# global.columns = FORM NER\n# id = s 1\nAnn\tB-PER\n.\tO\n\n"
    )


@pytest.mark.parametrize("write", [write_conll, write_jsonl, write_parquet])
@pytest.mark.parametrize("kind", ["", "First Name", "A\tB"])
def test_types_that_could_not_be_read_again(tmp_path: Path, write: Writer, kind: str) -> None:
    sample = [Sentence("0", "de", ["Anna", "Meier"], [Span(0, 2, kind)])]
    with pytest.raises(DataError, match="no entity type"):
        write(sample, tmp_path / "a")
