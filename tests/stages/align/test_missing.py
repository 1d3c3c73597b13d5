"""Which gold links are missed (benchmarks.align.missing)."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.align import missing
from pipeline.formats import PharaohLine
from pipeline.schema import Link


def test_phrases_are_told_from_single_words() -> None:
    # 0-0 alone; 1 is linked to 1 and 2; 2 and 3 are linked to 3; 4p4 is no sure link.
    sure = [Link(i, j, 1.0) for i, j in ((0, 0), (1, 1), (1, 2), (2, 3), (3, 3))]
    gold = [PharaohLine(sure, [Link(4, 4, 1.0)]), PharaohLine([], [])]
    found = [{(0, 0), (1, 2), (4, 4), (0, 5)}, {(0, 0)}]
    assert missing.recall_by_kind(found, gold) == ((1, 1), (4, 1))


def test_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gold").write_text("1-1 2-2 2-3\n1-1\n")
    (tmp_path / "ours").write_text("0-0:0.9 1-1:0.5 1-2:0.4\n\n")
    monkeypatch.setattr("sys.argv", ["missing", str(tmp_path / "gold"), str(tmp_path / "ours")])
    missing.main()
    line = capsys.readouterr().out.splitlines()[1].split()
    assert line == ["ours", "33.33", "100.0", "50.0", "50.0", "of", "2", "50.0", "of", "2"]
    (tmp_path / "ours").write_text("0-0\n")
    with pytest.raises(SystemExit, match="1 lines, but .* has 2"):
        missing.main()
