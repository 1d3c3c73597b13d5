"""The stage adapt: an encoder trained further on text, and taggers that start there."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from pipeline.artifacts import Artifact
from pipeline.errors import ConfigError, DataError, ModelError
from pipeline.plan import Selection
from pipeline.progress import Progress
from pipeline.resources import shipped_root
from stages.adapt.config import AdaptConfig
from stages.adapt.masked import adapt_encoder
from stages.hf_training import ProgressBar
from stages.tagger.encoding import load_tokenizer
from tests.tiny.encoders import build_family
from xlner.api import Runner, parse_config

SAMPLE = shipped_root() / "artifacts" / "sample" / "parallel"
TEXT = [line.split() for line in ("Anna wohnt in Bonn .", "Das Haus ist alt .") for _ in range(40)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_family("bert", tmp_path_factory.mktemp("models"))


def adapt(encoder: Path, folder: Path, name: str = "out", **options: Any) -> Any:
    sentences = options.pop("sentences", TEXT)
    chosen = {"max_steps": 12, "batch_size": 8, "learning_rate": 3e-3, "masked": 0.3, **options}
    return adapt_encoder(
        sentences,
        encoder,
        folder / name,
        folder / f"work-{name}",
        AdaptConfig.model_validate(chosen),
        seed=3,
        progress=Progress(Console(file=StringIO())),
        title="adapt",
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_the_loss_falls_and_the_same_seed_gives_the_same_weights(
    encoder: Path, tmp_path: Path
) -> None:
    found = adapt(encoder, tmp_path, max_steps=40)
    assert found.sentences == len(TEXT) and found.subwords > 5 * len(TEXT)
    assert found.losses[1] < found.losses[0]
    one, two = (adapt(encoder, tmp_path, n) for n in ("one", "two"))
    assert one == two
    first, second = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert len(load_tokenizer(tmp_path / "one")) == len(load_tokenizer(encoder))


def test_a_stopped_training_continues_and_ends_where_it_would_have(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapt(encoder, tmp_path, "whole", checkpoint_steps=4)
    step = ProgressBar.on_step_end

    def stop(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        step(self, args, state, control, **more)
        if state.global_step == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressBar, "on_step_end", stop)
    with pytest.raises(KeyboardInterrupt):
        adapt(encoder, tmp_path, "halves", checkpoint_steps=4)
    monkeypatch.setattr(ProgressBar, "on_step_end", step)
    adapt(encoder, tmp_path, "halves", checkpoint_steps=4)
    whole, halves = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    assert all(torch.allclose(whole[k], halves[k], atol=1e-6) for k in whole)


def test_what_cannot_be_adapted_is_said(encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no text to train the encoder on"):
        adapt(encoder, tmp_path, sentences=[])
    with pytest.raises(ModelError, match="nowhere"):
        adapt(tmp_path / "nowhere", tmp_path)


ADAPTED = {"like": "zero_shot", "set": {"adapt.text": ["unlabelled"]}}


def raw(encoder: Path, **more: Any) -> dict[str, Any]:
    return {
        "name": "adapted",
        "languages": ["de"],
        "data": {
            "train": {"path": str(SAMPLE / "en.conll"), "limit": 20},
            "test": {"path": str(SAMPLE / "de.conll"), "limit": 5},
            "unlabelled": {"path": str(SAMPLE / "de.conll")},
        },
        "models": {"encoder": str(encoder), "translator": {}},
        "train": {"max_steps": 2, "batch_size": 4, "select": "last"},
        "adapt": {"max_steps": 3, "batch_size": 4, "checkpoint_steps": 2},
        "arms": ["zero_shot", {"adapted": ADAPTED}],
        **more,
    }


def test_an_arm_starts_from_its_own_encoder(encoder: Path, tmp_path: Path) -> None:
    config = parse_config(raw(encoder))
    runner = Runner(config, tmp_path, Progress(Console(file=StringIO())))
    tasks = {str(t.ref): t for t in runner.tasks()}
    assert "encoder" not in tasks["train/zero_shot/seed-13"].inputs
    assert str(tasks["train/adapted/seed-13"].inputs["encoder"]) == "adapt/adapted/encoder"
    runner.run(Selection(last="train"))
    made = Artifact(tmp_path / "adapted" / "adapt/adapted/encoder").manifest
    # The five test sentences are in the text, too, and are left out of it.
    assert made.drops == {"rows": {"test_overlap": 5}}
    assert made.counts["sentences"] == made.counts["sentences_unlabelled"]
    folder = tmp_path / "adapted" / "train"
    plain, adapted = (weights(folder / arm / "seed-13") for arm in ("zero_shot", "adapted"))
    assert any(not torch.equal(plain[k], adapted[k]) for k in plain if "embeddings" in k)


def test_a_run_adapts_once_for_all_its_arms(encoder: Path, tmp_path: Path) -> None:
    adapt = {"text": ["unlabelled", "source"], "max_steps": 3}
    config = parse_config(raw(encoder, adapt=adapt, arms=["zero_shot", "fused"]))
    tasks = Runner(config, tmp_path, Progress(Console(file=StringIO()))).tasks()
    assert [t.unit for t in tasks if t.stage == "adapt"] == ["encoder"]
    assert all(str(t.inputs["encoder"]) == "adapt/encoder" for t in tasks if t.stage == "train")
    off = Runner(
        parse_config(raw(encoder, arms=["zero_shot"])), tmp_path, Progress(Console(file=StringIO()))
    )
    assert not any(t.stage == "adapt" for t in off.tasks())


def test_text_that_is_not_there_is_found_before_anything_runs(
    encoder: Path, tmp_path: Path
) -> None:
    values = raw(encoder)
    del values["data"]["unlabelled"]
    runner = Runner(parse_config(values), tmp_path, Progress(Console(file=StringIO())))
    with pytest.raises(ConfigError, match="unlabelled"):
        runner.check(runner.tasks())
