"""Word alignments in the Pharaoh format."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.formats import PharaohLine, read_pharaoh, write_pharaoh
from pipeline.schema import Link
from tests.pipeline.formats.helpers import save
from tests.shared_data import shared_data

PAIRS = st.dictionaries(
    st.tuples(st.integers(0, 300), st.integers(0, 300)),
    st.tuples(st.booleans(), st.floats(0, 1, width=16)),
    max_size=8,
)


@given(lines=st.lists(PAIRS, max_size=5), base=st.sampled_from([0, 1]))
def test_round_trip(lines: list[dict[tuple[int, int], tuple[bool, float]]], base: int) -> None:
    sample = []
    for pairs in lines:
        links = {k: (sure, Link(*k, round(p, 4))) for k, (sure, p) in sorted(pairs.items())}
        sample.append(
            PharaohLine(
                [k for sure, k in links.values() if sure],
                [k for sure, k in links.values() if not sure],
            )
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.align"
        assert write_pharaoh(sample, path, base=base, probabilities=True) == len(sample)
        assert list(read_pharaoh(path, base=base)) == sample


def test_reading(tmp_path: Path) -> None:
    path = save(tmp_path / "a", "2-1 1p2 1-1:0.5 2?1\n\n")
    first, second = read_pharaoh(path, base=1)
    assert first.sure == [Link(0, 0, 0.5), Link(1, 0, 1.0)]
    assert first.possible == [Link(0, 1, 1.0)]  # 2?1 is possible, too, but sure elsewhere
    assert next(read_pharaoh(save(tmp_path / "b", "1?2 1-1\n"))).possible == [Link(1, 2, 1.0)]
    assert second == PharaohLine()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2-2 1_1", "'1_1' is not a link; expected i-j, ipj or i-j:probability with a probability"),
        ("2-2 1-1:2", "'1-1:2' is not a link; expected i-j, ipj or i-j:probability with a prob"),
        ("1-" + "9" * 5000, "'1-9999"),
        ("1 4 4 S", "a link per line: sentence, source word, target word and S or P"),
        ("0001 4 4", "a link per line: sentence, source word, target word and S or P"),
        (
            "# Sentence pair (1) source length 2 target length 2",
            "an alignment of GIZA++ (.A3.final)",
        ),
        ("1-1 0-1", "link '0-1' has an index below 1; is the file counted from 0?"),
    ],
)
def test_bad_lines(line: str, message: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a", "1-1\n" + line + "\n")
    with pytest.raises(DataError) as error:
        list(read_pharaoh(path, base=1))
    assert str(error.value).startswith(f"{path}:2: {message}")


def test_published_alignments_score_as_published() -> None:
    """The data's README gives AER 4.07 for awesome-align's output on this gold standard."""
    gold = list(read_pharaoh(shared_data("alignments", "enfr.gold"), base=1))
    output = list(read_pharaoh(shared_data("alignments", "enfr.awesome-align.out")))
    assert len(gold) == len(output) == 447
    found = sure = in_sure = in_possible = 0
    for theirs, line in zip(output, gold, strict=True):
        links = {(k.source, k.target) for k in theirs.sure}
        certain = {(k.source, k.target) for k in line.sure}
        possible = certain | {(k.source, k.target) for k in line.possible}
        found += len(links)
        sure += len(certain)
        in_sure += len(links & certain)
        in_possible += len(links & possible)
    assert round(100 * (1 - (in_sure + in_possible) / (found + sure)), 2) == 4.07
