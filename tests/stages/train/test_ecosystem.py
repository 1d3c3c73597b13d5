"""At home in the ecosystem: Auto classes, the hub, trackers, several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from huggingface_hub.errors import LocalEntryNotFoundError

from pipeline.errors import ConfigError
from pipeline.formats import write_conll
from pipeline.schema import Sentence
from stages.tagger.card import MARK
from stages.tagger.encoding import load_tokenizer
from stages.tagger.modeling import LayerFusedForTokenClassification
from stages.tagger.tagger import Tagger
from stages.train import trackers
from tests.stages.train.test_training import train
from tests.tiny.text import LABELS, toy_rows

Family = Callable[[str], Path]
ROOT = Path(__file__).parents[3]

_NO_PACKAGE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("xlner", "stages", "pipeline"):
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Absent())
"""
_WITH_PACKAGE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from xlner import LayerFusedForTokenClassification
"""
_LOAD = """
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer, pipeline
folder = sys.argv[1]
config = AutoConfig.from_pretrained(folder, **options)
model = AutoModelForTokenClassification.from_pretrained(folder, **options)
tag = pipeline("token-classification", model=folder, aggregation_strategy="first", **options)
import json
print(json.dumps({
    "module": type(model).__module__, "fusion": config.fusion, "layer": config.fusion_layer,
    "same": type(tag.model) is type(model),
    "found": [[e["entity_group"], e["word"], e["start"]] for e in tag(sys.argv[2])],
}))
"""
TEXT = "Anna Meier lives in New York ."


@pytest.fixture(scope="module")
def saved(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "tagger"
    torch.manual_seed(2)
    model = LayerFusedForTokenClassification.from_encoder(
        family("bert"), LABELS, fusion="dlfa_aif", fusion_layer=1
    )
    with torch.no_grad():
        model.classifier.weight.mul_(30)
    Tagger(model, load_tokenizer(family("bert"))).save_pretrained(folder)
    return folder


def fresh(python: Path, script: str, *arguments: str, folder: Path) -> dict[str, Any]:
    """Run a script in a process that has loaded nothing of ours, away from the repository."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", script, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.slow
def test_a_saved_tagger_loads_in_a_fresh_process_with_and_without_this_package(
    saved: Path, tmp_path: Path, warm_python: Path
) -> None:
    ours = fresh(
        warm_python, _WITH_PACKAGE + "options = {}\n" + _LOAD, str(saved), TEXT, folder=tmp_path
    )
    code = _NO_PACKAGE + "options = {'trust_remote_code': True}\n" + _LOAD
    alone = fresh(warm_python, code, str(saved), TEXT, folder=tmp_path)
    assert ours["module"] == "stages.tagger.modeling"
    assert alone["module"].startswith("transformers_modules.")
    for found in (ours, alone):
        assert (found["fusion"], found["layer"], found["same"]) == ("dlfa_aif", 1, True)
    assert ours["found"] and ours["found"] == alone["found"]


class FakeHub:
    """Stands in for the hub: keeps what is uploaded."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.created: list[str] = []

    def create_repo(self, repo_id: str, **_: Any) -> SimpleNamespace:
        self.created.append(repo_id)
        return SimpleNamespace(repo_id=repo_id)

    def create_commit(self, operations: list[Any], **_: Any) -> str:
        for operation in operations:
            self.files[operation.path_in_repo] = Path(operation.path_or_fileobj).read_bytes()
        return "https://the.hub/commit"

    def card(self) -> str:
        return self.files["README.md"].decode()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    from transformers.utils import hub as library

    fake, load = FakeHub(), ModelCard.load

    def from_fake(name: str | Path, **options: Any) -> ModelCard:
        if Path(name).is_file():
            return load(name, **options)
        if "README.md" not in fake.files:
            raise LocalEntryNotFoundError("no card yet")
        return ModelCard(fake.card())

    monkeypatch.setattr(library, "hf_api", lambda: fake)
    monkeypatch.setattr(ModelCard, "load", from_fake)
    return fake


def test_a_tagger_is_uploaded_whole_with_its_own_card(
    saved: Path, hub: FakeHub, tmp_path: Path
) -> None:
    tagger = Tagger.from_pretrained(saved)
    tagger.model.config.provenance = {
        "name": "conll: fused, seed 13",
        "encoder": "google-bert/bert-base-multilingual-cased",
        "languages": ["en", "de"],
        "scores": {"F1 on source_dev": 0.75},
    }
    address = tagger.push_to_hub("someone/tagger", tags=["news"])
    assert address == "https://the.hub/commit" and set(hub.created) == {"someone/tagger"}
    code = {"modeling.py", "fusion.py", "layers.py", "card.py"}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} | code <= set(
        hub.files
    )
    card = ModelCard(hub.card())
    assert card.data.tags == [
        "named-entity-recognition",
        "cross-lingual",
        "layer-fusion",
        "news",
    ]
    assert card.data.language == ["en", "de"] and card.data.library_name == "transformers"
    assert card.data.base_model == "google-bert/bert-base-multilingual-cased"
    assert "# conll: fused, seed 13" in card.text and "0.75" in card.text
    assert "trust_remote_code=True" in card.text

    folder = tmp_path / "downloaded"
    folder.mkdir()
    for name, content in hub.files.items():
        (folder / name).write_bytes(content)
    assert Tagger.from_pretrained(folder).predict([TEXT.split()]) == tagger.predict([TEXT.split()])

    # A new upload renews our card, but not one that its owner has taken over.
    tagger.model.config.provenance["scores"] = {"F1 on source_dev": 0.5}
    tagger.model.push_to_hub("someone/tagger")
    assert " 0.5" in hub.card() and hub.card().count("- news") == 1
    hub.files["README.md"] = hub.card().replace(MARK, "My own words.").encode()
    tagger.model.config.provenance["scores"] = {"F1 on source_dev": 0.25}
    tagger.model.push_to_hub("someone/tagger")
    assert "My own words." in hub.card() and " 0.5" in hub.card()


def test_every_training_has_its_own_folder_in_tensorboard(family: Family, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    options = {"report_to": ["tensorboard"], "report_dir": str(tmp_path / "logs"), "max_steps": 6}
    for seed in (1, 2):
        train(tmp_path / f"t{seed}", family("bert"), seed=seed, title=f"seed-{seed}", **options)
        events = EventAccumulator(str(tmp_path / "logs" / f"seed-{seed}"))
        events.Reload()
        assert {"train/loss", "eval/f1"} <= set(events.Tags()["scalars"])
        assert [e.step for e in events.Scalars("eval/f1")] == [2, 4, 6]
    assert "TENSORBOARD_LOGGING_DIR" not in os.environ


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_tracker_that_is_not_installed_is_named(
    name: str, family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda package: None)
    with pytest.raises(ConfigError, match=f"train.report_to: '{name}' .*pip install {name}"):
        train(tmp_path / "a", family("bert"), report_to=[name])


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_trackers_are_passed_on_to_the_trainer(
    name: str, family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.integrations import integration_utils
    from transformers.trainer_callback import TrainerCallback

    seen: list[tuple[str, str]] = []

    class Recorder(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            seen.append((args.run_name, "begin"))

    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, name, Recorder)
    monkeypatch.setattr(trackers, "find_spec", lambda package: object())
    finished: list[bool] = []
    fake = SimpleNamespace(run=object(), finish=lambda: finished.append(True))
    monkeypatch.setitem(sys.modules, "wandb", fake)
    train(tmp_path / "a", family("bert"), report_to=[name], title="seed-1", max_steps=2)
    assert seen == [("seed-1", "begin")]
    assert finished == ([True] if name == "wandb" else [])


@pytest.mark.slow
def test_two_processes_train_one_tagger(family: Family, tmp_path: Path, warm_python: Path) -> None:
    for part, rows in {"train": toy_rows(64), "dev": toy_rows(20)}.items():
        sentences = [Sentence(f"{part}-{i}", "en", w, s) for i, (w, s) in enumerate(rows)]
        write_conll(sentences, tmp_path / f"{part}.conll")
    options = ["max_steps=16", "batch_size=16", "learning_rate=3e-3", "evaluations=2"]
    options += ["fusion_layer=1", "precision=float32"]
    # accelerate launch wants MPI for several processes on CPUs; torchrun does the same with gloo.
    command = [
        *(warm_python, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
        *("-m", "stages.train.launch", "--encoder", str(family("bert"))),
        *("--train", str(tmp_path / "train.conll"), "--dev", str(tmp_path / "dev.conll")),
        *("--out", str(tmp_path / "tagger"), *(a for o in options for a in ("--set", o))),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHON_EXEC": str(warm_python),  # what torchrun starts
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads((tmp_path / "tagger" / "training.json").read_text())
    assert result["steps"] == 16 and result["processes"] == 2
    losses = [entry["loss"] for entry in result["history"] if "loss" in entry]
    assert losses[-1] < losses[0]
    assert Tagger.from_pretrained(tmp_path / "tagger").labels == LABELS
