"""Memory that runs out: smaller batches first, then an error that names the option."""

from __future__ import annotations

import gc
import json
import logging
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.engine import part_facts
from pipeline.engine.local import LocalEngine
from pipeline.engine.memory import (
    SMALLER,
    Advice,
    SmallerBatchesFactory,
    libraries_aside,
    out_of_memory,
    release,
)
from pipeline.errors import XlnerError
from pipeline.loaded import keeping, loaded, unload
from pipeline.stage import RowStage
from stages.registry import STAGES
from tests.reliability.toys import Fails, Greedy, copied, make_jobs
from xlner.api import Runner, load_config

HUGE = 1 << 50


def of_torch() -> object:
    import torch

    return torch.empty(HUGE)


def of_torch_on_a_gpu() -> object:
    import torch

    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def of_numpy() -> object:
    return np.empty(HUGE)


def of_arrow() -> object:
    return pa.allocate_buffer(HUGE)


def of_python() -> object:
    return bytearray(HUGE)


def of_ctranslate2() -> object:
    # What its allocator raises; seen with a lowered RLIMIT_AS.
    raise RuntimeError("mkl_malloc: failed to allocate memory")


def of_ctranslate2_on_a_gpu() -> object:
    raise RuntimeError("CUDA failed with error out of memory")


ALLOCATIONS = [
    of_torch,
    of_torch_on_a_gpu,
    of_numpy,
    of_arrow,
    of_python,
    of_ctranslate2,
    of_ctranslate2_on_a_gpu,
]


def frugal(notes: Path, fits: int, ask: Callable[[], object], parts: tuple[int, ...] = (1,)):
    sizes = (1024, 512, 256, 128)
    factories = tuple(Greedy(notes, size=s, fits=fits, ask=ask, parts=parts) for s in sizes)
    return SmallerBatchesFactory(factories, sizes[1:], Advice("toy/de", "toy.batch_tokens", 2))


@pytest.mark.parametrize("ask", ALLOCATIONS, ids=lambda f: f.__name__)
def test_batches_are_halved_until_they_fit(tmp_path: Path, ask: Callable[[], object]) -> None:
    jobs = make_jobs(tmp_path, 3)
    list(LocalEngine().run(frugal(tmp_path, 300, ask), jobs, 1))
    assert copied(jobs)
    assert [part_facts(j)["notes"] for j in jobs] == [{}, {SMALLER: 256}, {}]


def test_a_lost_note_is_found_again(tmp_path: Path) -> None:
    """That batches were smaller is on the disk before the part is."""
    jobs = make_jobs(tmp_path, 2)
    list(LocalEngine().run(frugal(tmp_path, 300, of_python), jobs, 1))
    whole = part_facts(jobs[1])
    jobs[1].sidecar.write_text(json.dumps({"notes": {SMALLER: 256}}))  # killed right after the part
    assert part_facts(jobs[1]) == whole


@pytest.mark.parametrize("workers", [1, 2])
def test_where_nothing_helps_the_option_is_named(tmp_path: Path, workers: int) -> None:
    jobs = make_jobs(tmp_path, 3)
    with pytest.raises(XlnerError) as error:
        list(LocalEngine().run(frugal(tmp_path, 0, of_numpy), jobs, workers))
    told = str(error.value)
    assert told.startswith(
        "toy/de: memory ran out on part 1 even with toy.batch_tokens=128 (Unable"
    )
    assert "lower toy.batch_tokens (--set toy.batch_tokens=…), or use fewer processes" in told
    assert not jobs[1].output.exists()


def test_other_errors_are_no_reason_for_smaller_batches(tmp_path: Path) -> None:
    factories = (Fails(tmp_path), Fails(tmp_path))
    factory = SmallerBatchesFactory(factories, (512,), Advice("toy/de", "toy.batch_tokens", 1))
    with pytest.raises(ValueError):
        list(LocalEngine().run(factory, make_jobs(tmp_path, 2), 1))
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert out_of_memory(OSError(12, "Cannot allocate memory"))


def test_a_model_that_does_not_fit(tmp_path: Path) -> None:
    factory = SmallerBatchesFactory((of_numpy,), (), Advice("align/de", "align.batch_tokens", 4))  # type: ignore[arg-type]
    with pytest.raises(XlnerError, match="align/de: there is not enough memory to load the model"):
        list(LocalEngine().run(factory, make_jobs(tmp_path, 2), 1))


@pytest.mark.parametrize("name", ["translate", "align", "predict"])
def test_the_stages_that_compute_in_batches_can_halve_them(name: str) -> None:
    stage = STAGES[name]
    assert isinstance(stage, RowStage) and stage.batch_option
    key = stage.batch_option.partition(".")[2]
    config = load_config("default", [f"{stage.batch_option}=1024"])
    for times in range(1, 5):
        smaller = stage.smaller(config, times)
        assert smaller is not None
        changed, size = smaller
        assert size == stage.options(changed).model_dump()[key] == 1024 >> times
        assert changed.config_dir == config.config_dir
    assert stage.smaller(config, 5) is None


def test_a_run_tells_which_parts_had_smaller_batches(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The real stage align: the embedder refuses batches of more than 200 tokens on one part."""
    from stages.align.embeddings import Embedder
    from stages.align.worker import AlignWorker
    from tests.reliability.tiny_run import write_config

    monkeypatch.setenv("XLNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    real, aligned = Embedder.__init__, AlignWorker.__call__
    budget: list[int] = []

    def remember(self: Embedder, layers: object, longest: object, batch_tokens: int) -> None:
        budget.append(batch_tokens)
        real(self, layers, longest, batch_tokens)  # type: ignore[arg-type]

    def refuse(self: AlignWorker, inputs: dict, part: object) -> pa.Table:
        if part.index == 1 and budget[-1] > 200:  # type: ignore[attr-defined]
            of_torch()
        return aligned(self, inputs, part)  # type: ignore[arg-type]

    monkeypatch.setattr(Embedder, "__init__", remember)
    monkeypatch.setattr(AlignWorker, "__call__", refuse)
    config = load_config(
        str(write_config(tmp_path / "tiny.yaml", models, stages=["prepare", "translate", "align"])),
        ["align.batch_tokens=512"],
    )
    with caplog.at_level(logging.WARNING, "pipeline"):
        result = Runner(config, tmp_path / "runs").run()
    assert budget == [512, 256, 128, 512]
    assert result.done[-1].manifest.notes[SMALLER] == {"part-00001.parquet": 128}
    assert "align/de: memory ran out on 1 of 3 parts, which were made with a lower" in caplog.text
    assert "align.batch_tokens (down to 128)" in caplog.text


def test_training_that_does_not_fit_names_its_batch_size(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.reliability.tiny_run import write_config

    def train(*args: object, **options: object) -> None:
        of_torch()

    monkeypatch.setattr("stages.train.run.train_tagger", train)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = write_config(tmp_path / "tiny.yaml", models, arms=["zero_shot"])
    told = r"train/zero_shot/seed-13: memory ran out \(.*allocate.*\): lower train.batch_size"
    with pytest.raises(XlnerError, match=told):
        Runner(load_config(str(path)), tmp_path / "runs").run()


class _Garbage:
    """Refers to itself, so that only a look for garbage frees it."""

    def __init__(self) -> None:
        self.me = self


def test_what_libraries_hold_is_looked_at_once_and_garbage_is_found_every_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    aside = gc.get_freeze_count()
    gc.unfreeze()  # the suite's own
    monkeypatch.setattr("pipeline.engine.memory._aside", False)
    try:
        with libraries_aside():
            library = _Garbage()
            for _ in range(2):
                left = weakref.ref(_Garbage())
                release()
                assert left() is None
            assert gc.get_freeze_count() > aside / 2
            with libraries_aside():  # one in the other
                pass
            before = gc.get_freeze_count()
            kept = loaded_while_kept()
            release()
            assert gc.get_freeze_count() <= before  # a kept model may be garbage one day
            unload()
            left = weakref.ref(kept)
            del kept
            release()
            assert left() is None
        assert gc.get_freeze_count() == 0
        left = weakref.ref(library)
        del library
        gc.collect()
        assert left() is None
    finally:
        gc.freeze()


def loaded_while_kept() -> _Garbage:
    with keeping():
        return loaded(Path(__file__).parent, "how", _Garbage)
