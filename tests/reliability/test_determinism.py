"""The same run twice, in different places, at different times.

Of one job; ``test_kills.py`` has two jobs end with the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.reliability.conftest import Clean, Starter
from tests.reliability.tiny_run import STAGES, contents, files, write_config


@pytest.mark.slow
def test_the_same_run_twice_gives_the_same_bytes_and_scores(
    tmp_path: Path, models: Path, starter: Starter, clean: Clean
) -> None:
    place = tmp_path / "another place"
    place.mkdir()
    ended = starter.run([str(write_config(place / "tiny.yaml", models))], place)
    assert ended.code == 0, ended.told
    run = place / "artifacts/runs/tiny"
    found = contents(run)
    assert found == clean.contents
    assert files(place) == clean.files
    # What was compared: data of every row-wise stage, weights, scores.
    assert {name.partition("/")[0] for name in found} == set(STAGES)
    for wanted in ("translate/de/part-00000.parquet", "project/de/part-00002.parquet"):
        assert wanted in found
    assert sum(name.endswith("model.safetensors") for name in found) >= 3
    scores = json.loads((run / "evaluate/all/scores.json").read_text(encoding="utf-8"))
    first = clean.folder / "artifacts/runs/tiny/evaluate/all/scores.json"
    assert scores == json.loads(first.read_text(encoding="utf-8"))
    assert any(entry["f1"] > 0 for entry in scores["summary"])
