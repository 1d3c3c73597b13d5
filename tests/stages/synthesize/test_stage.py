from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.config import RunConfig, config_model, parse_config
from pipeline.errors import DataError
from pipeline.inputs import Inputs
from pipeline.progress import Progress
from pipeline.schema import Sentence, table
from pipeline.stage import Context
from stages.experiment import Experiment
from stages.synthesize import STAGE
from stages.synthesize.config import SynthesizeConfig
from stages.synthesize.makers import substitution as substitution_module
from stages.synthesize.makers.substitution import read_gazetteer
from stages.translate.config import TranslateConfig
from tests.stages.synthesize.conftest import projected
from tests.tiny.text import sentences

TEST = [
    "Im",
    "Landkreis",
    "Ulm",
    "stieg",
    "die",
    "Zahl",
    "der",
    "Unfälle",
    "auf",
    "den",
    "Straßen",
    "deutlich",
    "an",
    ".",
]
DEV = [
    "Der",
    "Vorsitzende",
    "des",
    "Vereins",
    "trat",
    "nach",
    "langer",
    "Debatte",
    "am",
    "Freitag",
    "zurück",
    ".",
]
REAL = [
    "Die",
    "Polizei",
    "sucht",
    "nach",
    "Zeugen",
    "des",
    "Unfalls",
    ",",
    "der",
    "am",
    "Morgen",
    "geschah",
    ".",
]


@dataclass
class _Rows:
    data: list[dict[str, Any]]

    def rows(self) -> Iterator[dict[str, Any]]:
        return iter(self.data)


@dataclass
class _Out:
    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list)

    def write(self, data: pa.Table) -> None:
        self.rows += data.to_pylist()

    def write_rows(self, rows: Any) -> int:
        self.write(table("synthetic", rows))
        return len(self.rows)


def _config(translator: Path, data: dict[str, Any] | None = None, **synthesize: Any) -> RunConfig:
    every = {
        "train": {"path": "train"},
        "test": {"path": "test"},
        "target_dev": {"path": "dev"},
        "unlabelled": {"path": "raw"},
    }
    raw = {
        "name": "t",
        "languages": ["de"],
        "data": every if data is None else data,
        "models": {"translator": str(translator)},
        "synthesize": synthesize,
    }
    sections = {"synthesize": SynthesizeConfig, "translate": TranslateConfig}
    return parse_config(raw, model=config_model(sections, Experiment))


def _projected_rows() -> list[dict[str, Any]]:
    rows = []
    for i, sentence in enumerate(projected(30)):
        row = sentence.to_row()
        kept = i % 5 > 0
        spans = [
            {**s, "method": "m", "source": 0, "kept": True, "reason": None} for s in row["spans"]
        ]
        rows.append({**row, "spans": spans, "kept": kept, "reason": None})
    return rows


def _inputs() -> dict[str, Any]:
    source = [Sentence(f"s{i}", "en", t.split()).to_row() for i, t in enumerate(sentences(40))]
    real = [REAL, TEST, DEV, REAL, ["."], [w.upper() for w in TEST]]
    return {
        "source": _Rows(source),
        "projected": _Rows(_projected_rows()),
        "unlabelled": _Rows(
            [Sentence(f"u{i}", "de", list(w)).to_row() for i, w in enumerate(real)]
        ),
        "eval/test": _Rows([Sentence("e0", "de", TEST).to_row()]),
        "eval/target_dev": _Rows([Sentence("e1", "de", DEV).to_row()]),
    }


def _run(config: RunConfig, work: Path, inputs: dict[str, Any] | None = None) -> tuple[Any, Any]:
    (task,) = STAGE.tasks(config)
    work.mkdir(exist_ok=True)
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
    STAGE.run(Inputs(inputs or _inputs()), out, context)
    return out.rows, context


def test_planted_evaluation_sentences_are_removed_and_counted(
    translator: Path, tmp_path: Path
) -> None:
    rows, context = _run(_config(translator, sentences=60), tmp_path / "w")
    real = [r for r in rows if r["maker"] == "unlabelled"]
    assert [r["reason"] for r in real] == [
        None, "test_overlap", "test_overlap", "duplicate", "sentence_length", "test_overlap",
    ]  # fmt: skip
    assert [r["source_id"] for r in real] == [f"u{i}" for i in range(6)]
    assert context.counts["unlabelled_kept"] == 1 and context.counts["unlabelled_dropped"] == 5
    assert context.notes["evaluation_sentences"] == 2
    for row in rows:
        assert row["kept"] == (row["reason"] is None)
        assert " ".join(TEST).casefold() not in " ".join(row["words"]).casefold() or not row["kept"]
    assert len({r["id"] for r in rows}) == len(rows)


def test_a_maker_that_copies_the_test_set_is_caught(translator: Path, tmp_path: Path) -> None:
    """Overlap is looked for in what makers make, too, not only in real text."""
    inputs = _inputs()
    planted = Sentence("p", "de", list(TEST)).to_row()
    swapped = [{"start": 2, "end": 3, "type": "LOC", "score": 1.0, "kept": True}]
    inputs["projected"] = _Rows(
        [*_projected_rows(), {**planted, "spans": swapped, "kept": True, "reason": None}]
    )
    config = _config(translator, sentences=100, weights={"substitution": 1})
    rows, _ = _run(config, tmp_path / "w", inputs)
    copies = [r for r in rows if r["source_id"] == "p"]
    assert copies and all(r["reason"] == "test_overlap" for r in copies)


def test_mixture_follows_the_weights(translator: Path, tmp_path: Path) -> None:
    config = _config(translator, sentences=60, weights={"translation": 2, "substitution": 1})
    rows, _ = _run(config, tmp_path / "w")
    counts = Counter(r["maker"] for r in rows)
    assert counts == {"unlabelled": 6, "translation": 40, "substitution": 20}
    substituted = [r for r in rows if r["maker"] == "substitution" and r["kept"]]
    assert substituted and all(len(r["spans"]) == 2 for r in substituted)
    unused = {r["id"] for r in _projected_rows() if not r["kept"]}
    assert not unused & {r["source_id"] for r in rows}
    names = {s["name"] for r in rows for s in r["scores"]}
    assert {"translation", "length_ratio", "repetition", "test_overlap", "near_duplicate"} <= names


def test_the_same_seed_gives_the_same_rows_after_an_interruption(
    translator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(translator, sentences=60)
    whole, _ = _run(config, tmp_path / "whole")
    work = tmp_path / "cut"

    def stop(self: Any, *args: Any) -> list[Any]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(substitution_module.SubstitutionMaker, "make", stop)
        with pytest.raises(KeyboardInterrupt):
            _run(config, work)
    finished = sorted(p.name for p in work.glob("translation-*.json"))
    assert finished
    with monkeypatch.context() as patch:
        # What is finished is not made again: the translator is not even loaded.
        patch.setattr("stages.translate.translator.Translator.__init__", stop)
        again, _ = _run(config, work)
    assert again == whole


def test_tasks_name_what_the_makers_need(translator: Path) -> None:
    (task,) = STAGE.tasks(_config(translator))
    assert {k: str(v) for k, v in task.inputs.items()} == {
        "source": "prepare/train/en",
        "projected": "project/de",
        "unlabelled": "prepare/unlabelled/de",
        "eval/test": "prepare/test/de",
        "eval/target_dev": "prepare/target_dev/de",
    }
    (task,) = STAGE.tasks(_config(translator, weights={"translation": 1}))
    assert "projected" not in task.inputs
    (task,) = STAGE.tasks(_config(translator, weights={"substitution": 1}))
    assert "source" not in task.inputs and task.options["models"] == {}
    (task,) = STAGE.tasks(_config(translator, sentences=0))
    assert set(task.inputs) == {"unlabelled", "eval/test", "eval/target_dev"}


def test_problems(translator: Path, tmp_path: Path) -> None:
    config = _config(
        translator,
        weights={"substitution": 1, "infilling": 1},
        substitution={"gazetteers": {"PER": f"{tmp_path}/{{lang}}.txt"}},
        infilling={"model": f"{tmp_path}/nowhere"},
    )
    found = [str(p) for p in STAGE.check(config, STAGE.tasks(config))]
    assert found == [
        f"synthesize.substitution.gazetteers.PER: file not found: {tmp_path}/de.txt",
        f"synthesize.infilling.model: model folder not found: {tmp_path}/nowhere",
    ]
    config = _config(tmp_path / "gone")
    (problem,) = STAGE.check(config, STAGE.tasks(config))
    assert problem.key == "models.translator" and "substitution" not in problem.message


def test_why_a_translator_is_wanted_though_translations_are_given(tmp_path: Path) -> None:
    data = {"train": {"path": "train"}, "parallel": {"path": "de"}}
    config = _config(tmp_path / "gone", data=data)
    (problem,) = STAGE.check(config, STAGE.tasks(config))
    advice = "as with synthesize.weights: {substitution: 1}"
    assert problem.key == "models.translator" and problem.message.endswith(advice)
    config = _config(tmp_path / "gone", data=data, weights={"substitution": 1})
    assert list(STAGE.check(config, STAGE.tasks(config))) == []


def test_nothing_to_start_from(translator: Path, tmp_path: Path) -> None:
    inputs = {**_inputs(), "projected": _Rows([])}
    with pytest.raises(DataError, match="substitution has no sentence to start from"):
        _run(_config(translator, weights={"substitution": 1}), tmp_path / "w", inputs)


def test_gazetteers(tmp_path: Path) -> None:
    path = tmp_path / "g.txt"
    path.write_text("# people\nAnna Lee\n\nJ. F. Kennedy\nAnna Lee\n", encoding="utf-8")
    assert read_gazetteer(path, "de") == [("Anna", "Lee"), ("J.", "F.", "Kennedy")]
    path.write_text("# none\n")
    with pytest.raises(DataError, match="a gazetteer without entities"):
        read_gazetteer(path, "de")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a readable gazetteer in UTF-8"):
        read_gazetteer(path, "de")
