"""Training: loss, batches, determinism, resuming after a kill, early stopping."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.errors import DataError, ModelError
from stages.hf_training import last_checkpoint
from stages.tagger.encoding import WordEncoder, load_tokenizer
from stages.tagger.labels import LabelSet
from stages.tagger.modeling import LayerFusedForTokenClassification
from stages.tagger.tagger import Tagger
from stages.train.callbacks import BestWeights
from stages.train.config import TrainConfig
from stages.train.data import TrainingSentence, TrainingSet, plan_batches, repeat_examples
from stages.train.loss import tagging_loss
from stages.train.optimisation import freeze_layers, parameter_groups
from stages.train.trainer import TrainingResult
from stages.train.training import train_tagger
from tests.tiny.encoders import DEPTH
from tests.tiny.text import LABELS, toy_rows

Family = Callable[[str], Path]
OPTIONS: dict[str, Any] = {
    "learning_rate": 3e-3,
    "layer_decay": 1.0,
    "max_steps": 30,
    "batch_size": 16,
    "evaluations": 3,
    "precision": "float32",
}
AIF = {"fusion": "dlfa_aif", "fusion_layer": 1}


def examples(count: int = 120) -> list[TrainingSentence]:
    return [TrainingSentence(words, spans) for words, spans in toy_rows(count)]


def train(
    folder: Path, encoder: Path, *, seed: int = 1, work: Path | None = None, **changes: Any
) -> TrainingResult:
    rows = changes.pop("rows", None) or examples()
    title = changes.pop("title", "train")
    return train_tagger(
        TrainConfig(**{**OPTIONS, **changes}),
        rows,
        toy_rows(30),
        folder,
        work or folder.with_name(folder.name + "-work"),
        encoder=encoder,
        labels=LABELS,
        seed=seed,
        head=AIF,
        title=title,
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(first: Path, second: Path) -> bool:
    ours, theirs = weights(first), weights(second)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_it_learns_and_the_seed_decides_every_bit(family: Family, tmp_path: Path) -> None:
    result = train(tmp_path / "a", family("bert"), max_steps=60)
    assert result.steps == result.planned_steps == 60
    assert result.best_f1 is not None and result.best_f1 > 0.5
    assert result.counts["sentences"] == result.counts["windows"] == 120
    train(tmp_path / "b", family("bert"), max_steps=60)
    train(tmp_path / "c", family("bert"), max_steps=60, seed=2)
    assert same(tmp_path / "a", tmp_path / "b")
    assert not same(tmp_path / "a", tmp_path / "c")
    files = [p.name for p in sorted((tmp_path / "a").iterdir())]
    assert [(tmp_path / "a" / f).read_bytes() for f in files] == [
        (tmp_path / "b" / f).read_bytes() for f in files
    ]
    tagger = Tagger.from_pretrained(tmp_path / "a", dtype="float32")
    predicted = tagger.predict([words for words, _ in toy_rows(30)])
    found = {(i, s.start, s.end, s.type) for i, p in enumerate(predicted) for s in p}
    gold = {(i, s.start, s.end, s.type) for i, (_, g) in enumerate(toy_rows(30)) for s in g}
    assert 2 * len(found & gold) / (len(found) + len(gold)) == pytest.approx(result.best_f1)
    history = json.loads((tmp_path / "a" / "training.json").read_text())
    assert history["best_f1"] == result.best_f1


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "scheduler.pt"])
def test_a_checkpoint_without_one_of_its_files_is_not_gone_on_from(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (4, 12):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        save_file({"weight": torch.zeros(3)}, folder / "model.safetensors")
        for file in ("optimizer.pt", "scheduler.pt"):
            torch.save({}, folder / file)
        state = {"global_step": step, "log_history": []}
        (folder / "trainer_state.json").write_text(json.dumps(state))
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-12")
    (tmp_path / "checkpoint-12" / name).unlink()
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-4")
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-4"]
    assert [f"{name} is damaged or missing" in told for told in caplog.messages] == [True]


def test_a_killed_training_goes_on_and_ends_with_the_same_weights(
    family: Family, tmp_path: Path, caplog: pytest.LogCaptureFixture, warm_python: Path
) -> None:
    options = {"checkpoint_steps": 4, "max_steps": 24, "gradient_accumulation": 2}
    train(tmp_path / "whole", family("bert"), **options)
    script = (
        "import sys, os, signal; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "import stages.hf_training as hf_training\n"
        "def slowly(self, args, state, control, **kwargs):\n"
        "    if state.global_step == 10: os.kill(os.getpid(), signal.SIGKILL)\n"
        "hf_training.ProgressBar.on_step_end = slowly\n"
        "from tests.stages.train.test_training import train\n"
        f"train(Path(sys.argv[2]), Path(sys.argv[3]), work=Path(sys.argv[4]), **{options!r})\n"
    )
    root = Path(__file__).parents[3]
    work = tmp_path / "work"
    done = subprocess.run(
        [warm_python, "-c", script, str(root), str(tmp_path / "out"), str(family("bert")), work],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert last_checkpoint(work / "checkpoints") == str(work / "checkpoints" / "checkpoint-8")
    assert (work / "best-8.safetensors").exists()
    # Nor is a checkpoint gone on from of which a power cut has left a part.
    files = {p.name for p in (work / "checkpoints" / "checkpoint-8").iterdir()}
    cut = {"model.safetensors", "optimizer.pt", "rng_state.pth"}
    assert cut < files
    for name in cut:
        copy = shutil.copytree(work / "checkpoints", tmp_path / f"cut-{name}")
        os.truncate(copy / "checkpoint-8" / name, 200)
        assert last_checkpoint(copy) is None and not list(copy.iterdir())
        assert f"{name} is damaged or missing: training does not go on" in caplog.messages[-1]
    # Nor one whose best weights, which are beside it, have been cut short or lost.
    for spoil in (lambda path: os.truncate(path, 200), Path.unlink):
        copy = shutil.copytree(work, tmp_path / f"best-{len(list(tmp_path.iterdir()))}")
        spoil(copy / "best-8.safetensors")
        needed = BestWeights(copy, None, True).needed
        assert last_checkpoint(copy / "checkpoints", needed) is None
        assert "best-8.safetensors is damaged" in caplog.messages[-1]
    assert last_checkpoint(work / "checkpoints", BestWeights(work, None, True).needed) is not None
    # What a kill in the middle of writing a checkpoint leaves behind is not used.
    (work / "checkpoints" / "checkpoint-99").mkdir()
    train(tmp_path / "out", family("bert"), work=work, **options)
    assert same(tmp_path / "whole", tmp_path / "out")
    assert sum("is damaged" in told for told in caplog.messages) == len(cut) + 2
    whole, out = ((tmp_path / n / "training.json").read_text() for n in ("whole", "out"))
    assert json.loads(whole)["history"] == json.loads(out)["history"]


def test_it_stops_early_and_keeps_the_best(family: Family, tmp_path: Path) -> None:
    result = train(tmp_path / "a", family("bert"), learning_rate=1e-9, evaluations=10, patience=2)
    assert result.planned_steps == 30
    assert result.best_step == 3  # nothing is learnt, so the first evaluation stays the best
    assert result.steps == 9
    last = train(tmp_path / "b", family("bert"), select="last")
    assert last.best_f1 is None and last.best_step == last.steps == 30


def test_the_loss_is_cross_entropy_where_labels_are_hard() -> None:
    logits = torch.randn(2, 3, 5)
    labels = torch.tensor([[1, -100, 2], [0, 4, -100]])
    plain = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    torch.testing.assert_close(tagging_loss(logits, labels) / 4, plain)
    weights = torch.tensor([[2.0, 1, 1], [1, 0, 1]])
    parts = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), reduction="none"
    ).view(2, 3)
    torch.testing.assert_close(tagging_loss(logits, labels, weights), (parts * weights).sum())


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_the_loss_is_a_divergence_where_labels_are_soft(temperature: float) -> None:
    logits = torch.randn(1, 3, 5, requires_grad=True)
    teacher = torch.randn(1, 3, 5)
    soft = torch.softmax(teacher, -1)
    soft[0, 1] = 0  # the second word has a hard label, the third is ignored
    labels = torch.tensor([[int(soft[0, 0].argmax()), 3, -100]])
    loss = tagging_loss(logits, labels, None, soft, temperature)
    target = torch.softmax(teacher[0, 0] / temperature, -1)
    student = torch.log_softmax(logits[0, 0] / temperature, -1)
    divergence = (target * (target.log() - student)).sum() * temperature**2
    hard = torch.nn.functional.cross_entropy(logits[0, 1], labels[0, 1])
    torch.testing.assert_close(loss, divergence + hard)
    loss.backward()
    assert torch.equal(logits.grad[0, 2], torch.zeros(5))
    perfect = logits.detach().clone()
    perfect[0, 0] = teacher[0, 0]
    agreed = tagging_loss(perfect, labels, None, soft, temperature)
    torch.testing.assert_close(agreed, hard.detach())


def test_batches_hold_each_sentence_once_per_pass_and_similar_lengths() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, size=103)
    plan = plan_batches(lengths, 10, 22, seed=4)
    assert sorted(np.concatenate(plan[:11]).tolist()) == list(range(103))
    assert sorted(np.concatenate(plan[11:]).tolist()) == list(range(103))
    assert max(int(np.ptp(lengths[b])) for b in plan) < 20
    again = plan_batches(lengths, 10, 22, seed=4)
    assert all((a == b).all() for a, b in zip(plan, again, strict=True))
    other = plan_batches(lengths, 10, 22, seed=5)
    assert any(len(a) != len(b) or (a != b).any() for a, b in zip(plan, other, strict=True))


@pytest.mark.parametrize("all_subwords", [False, True])
def test_labels_lie_on_the_subwords_of_their_words(all_subwords: bool, family: Family) -> None:
    label_set = LabelSet(LABELS)
    words = WordEncoder(load_tokenizer(family("bert")), 12)
    rows = [*toy_rows(6), (["\u200b", "Tom", *["unbelievably"] * 6], [])]
    data = TrainingSet.build(
        (TrainingSentence(w, s) for w, s in rows), words, label_set, all_subwords=all_subwords
    )
    assert data.counts["extra_windows"] > 0
    assert data.counts["words_without_subwords"] == 1
    batch = data.batch(range(len(data)))
    shown = batch["labels"][batch["labels"] != -100]
    ids = np.concatenate([label_set.encode(s, len(w)) for w, s in rows])
    counts = np.diff(data.subwords.words)
    expected = np.repeat(ids, counts) if all_subwords else ids[counts > 0]
    assert shown.tolist() == expected.tolist()
    at = np.argwhere(batch["labels"].numpy() != -100)
    subwords = batch["input_ids"].numpy()[at[:, 0], at[:, 1]]
    firsts = data.subwords.words[:-1][counts > 0]
    wanted = data.subwords.ids if all_subwords else data.subwords.ids[firsts]
    assert subwords.tolist() == wanted.tolist()
    assert not {"weights", "soft"} & batch.keys()


def test_weights_masks_and_soft_labels_reach_the_batch(family: Family) -> None:
    words = WordEncoder(load_tokenizer(family("bert")), 64)
    soft = np.full((2, 5), 0.1, np.float32)
    soft[:, 3] = 0.6
    data = TrainingSet.build(
        [
            TrainingSentence(["Tom", "met"], weight=0.25),
            TrainingSentence(["Tom", "met"], probs=soft),
            TrainingSentence(["Tom", "met"], mask=np.array([True, False])),
        ],
        words,
        LabelSet(LABELS),
    )
    batch = data.batch([0, 1, 2])
    shown = batch["labels"] != -100
    assert shown.sum(1).tolist() == [2, 2, 1]
    assert batch["weights"][0][shown[0]].tolist() == [0.25, 0.25]
    assert batch["weights"][1].tolist() == [1.0] * batch["weights"].shape[1]
    assert batch["labels"][1][shown[1]].tolist() == [3, 3]
    torch.testing.assert_close(batch["soft"][1][shown[1]], torch.from_numpy(soft))
    assert batch["soft"][[0, 2]].abs().sum() == 0


def test_layers_learn_at_their_own_rates(family: Family) -> None:
    for name in ("bert", "distilbert", "modernbert", "deberta"):
        model = LayerFusedForTokenClassification.from_encoder(family(name), LABELS, **AIF)
        decay = {n for n, p in model.named_parameters() if p.dim() > 1}
        groups = parameter_groups(
            model,
            decay,
            learning_rate=1.0,
            head_learning_rate=7.0,
            layer_decay=0.5,
            weight_decay=0.1,
        )
        assert sum(len(g["params"]) for g in groups) == len(list(model.parameters()))
        assert {g["lr"] for g in groups} == {7.0, *(0.5**k for k in range(DEPTH + 1))}
        by_id = {id(p): g for g in groups for p in g["params"]}
        embeddings = model.encoder.get_input_embeddings().weight
        assert by_id[id(embeddings)]["lr"] == 0.5**DEPTH
        assert by_id[id(embeddings)]["weight_decay"] == 0.1
        assert by_id[id(model.classifier.bias)] == next(
            g for g in groups if g["lr"] == 7.0 and g["weight_decay"] == 0.0
        )


def test_frozen_layers_stay_as_they_are(family: Family, tmp_path: Path) -> None:
    for name in ("bert", "distilbert", "modernbert", "deberta"):
        model = LayerFusedForTokenClassification.from_encoder(family(name), LABELS, **AIF)
        everything = {n for n, _ in model.named_parameters()}
        freeze_layers(model, 0)
        assert all(p.requires_grad for p in model.parameters())
        freeze_layers(model, 1)
        frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
        assert model.encoder.get_input_embeddings().weight.requires_grad is False
        assert 0 < len(frozen) < len(everything)
        assert all(n.startswith("encoder.") for n in frozen)
        layers = {n.split(".")[k + 1] for n in frozen for k in _stack(n)}
        assert layers == {"0"}, name
        with pytest.raises(ValueError, match=f"the encoder has {DEPTH} layers"):
            freeze_layers(model, DEPTH + 1)
    train(tmp_path / "a", family("bert"), freeze_layers=1)
    before = LayerFusedForTokenClassification.from_encoder(family("bert"), LABELS).state_dict()
    changed = {
        n for n, w in weights(tmp_path / "a").items() if not torch.equal(w, before.get(n, w))
    }
    assert not any(".layer.0." in n or "embeddings" in n for n in changed)
    assert any(".layer.1." in n for n in changed)


def _stack(name: str) -> list[int]:
    parts = name.split(".")
    return [k for k, part in enumerate(parts) if part in ("layer", "layers")]


def test_dropout_of_every_family_can_be_set(family: Family) -> None:
    for name in ("bert", "distilbert", "modernbert", "deberta"):
        model = LayerFusedForTokenClassification.from_encoder(
            family(name), LABELS, dropout=0.375, **AIF
        )
        rates = {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}
        assert rates - {0.0} == {0.375}, name


def test_repeating_is_a_seeded_draw() -> None:
    rows = examples(100)
    assert len(list(repeat_examples(rows, 2.0, 1))) == 200
    half = [id(e) for e in repeat_examples(rows, 0.5, 1)]
    assert 30 < len(half) < 70
    assert half == [id(e) for e in repeat_examples(rows, 0.5, 1)]
    assert list(repeat_examples(rows, 0.0, 1)) == []


def test_bfloat16_trains_too(family: Family, tmp_path: Path) -> None:
    result = train(tmp_path / "a", family("bert"), precision="bfloat16", max_steps=60)
    assert result.precision == "bfloat16"
    assert result.best_f1 is not None and result.best_f1 > 0.4
    assert {t.dtype for t in weights(tmp_path / "a").values()} == {torch.float32}


def test_bad_input_is_explained(family: Family, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no training sentences"):
        train(tmp_path / "a", family("bert"), rows=[TrainingSentence([])])
    with pytest.raises(
        ModelError, match="cannot build a tagger on .*fusion layer 9 does not exist"
    ):
        train_tagger(
            TrainConfig(),
            examples(),
            toy_rows(3),
            tmp_path / "b",
            tmp_path / "c",
            encoder=family("bert"),
            labels=LABELS,
            seed=1,
            head={"fusion": "dlfa_aif", "fusion_layer": 9},
        )
    with pytest.raises(DataError, match=r"no sentences to select on .*train\.select to 'last'"):
        train_tagger(
            TrainConfig(),
            examples(),
            [],
            tmp_path / "b",
            tmp_path / "c",
            encoder=family("bert"),
            labels=LABELS,
            seed=1,
        )
