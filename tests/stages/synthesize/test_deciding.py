"""Stored text passes through the gate again: the rows of a run from scratch, without a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.inputs import Inputs
from pipeline.progress import Progress
from pipeline.stage import Context
from stages.synthesize import STAGE
from stages.synthesize.config import SynthesizeConfig
from tests.stages.synthesize.test_stage import _config, _inputs, _Out, _run
from tests.tiny import translators

GATES = st.fixed_dictionaries(
    {},
    optional={
        "min_words": st.integers(1, 8),
        "max_words": st.integers(8, 20),
        "language": st.none() | st.floats(0, 1),
        "language_min_chars": st.integers(1, 90),
        "length_ratio": st.none() | st.floats(1.01, 4),
        "repetition": st.none() | st.floats(0, 1),
        "near_duplicate": st.none() | st.floats(0.05, 1),
        "test_overlap": st.floats(0.05, 1),
    },
)


@dataclass
class _Manifest:
    notes: dict[str, Any]


@dataclass
class _Stored:
    data: list[dict[str, Any]]
    manifest: _Manifest = field(default_factory=lambda: _Manifest({}))

    def rows(self) -> Any:
        return iter(self.data)


def _decided(config: Any, stored: list[dict[str, Any]], notes: Any, work: Path) -> tuple[Any, Any]:
    (task,) = STAGE.tasks(config)
    context = Context(
        config,
        task,
        seed=5,
        work_dir=work,
        progress=Progress(),
        shared_dir=work,
        reasons=STAGE.reasons,
    )
    out = _Out(work)
    STAGE.decide(_Stored(stored, _Manifest(notes)), Inputs(_inputs()), out, context)  # type: ignore[arg-type]
    return out.rows, context


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=GATES, second=GATES)
def test_deciding_anew_gives_the_rows_of_a_run_from_scratch(
    translator: Path,
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[str, Any],
    second: dict[str, Any],
) -> None:
    work = tmp_path_factory.mktemp("w")
    made = {"sentences": 60}
    before, told = _run(_config(translator, **made, gate=first), work)
    config = _config(translator, **made, gate=second)
    # The same work folder: the same sentences, which are made once.
    fresh, expected = _run(config, work)
    anew, context = _decided(config, before, told.notes, work)
    assert anew == fresh
    assert context.counts == expected.counts
    assert context.notes == expected.notes


def test_a_measure_of_a_model_is_taken_of_what_other_thresholds_drop(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("both")
    both_ways = translators.build_marian(folder / "m", tags=(">>de<<", ">>eng<<"), pair=None)

    def config(**gate: Any) -> Any:
        return _config(both_ways, sentences=20, gate={"round_trip": 0.3, **gate})

    before, told = _run(config(min_words=9), tmp_path / "w")
    assert any(r["reason"] == "sentence_length" for r in before)
    fresh, _ = _run(config(min_words=1, round_trip=0.2), tmp_path / "w")
    anew, _ = _decided(config(min_words=1, round_trip=0.2), before, told.notes, tmp_path / "w")
    assert anew == fresh != before


def test_which_models_measure_is_no_decision(translator: Path) -> None:
    assert "gate" in SynthesizeConfig.deciding
    (off,) = STAGE.tasks(_config(translator))
    (on,) = STAGE.tasks(_config(translator, gate={"perplexity": 500}))
    (moved,) = STAGE.tasks(_config(translator, gate={"perplexity": 900}))
    assert off.options != on.options == moved.options
