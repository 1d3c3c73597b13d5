"""The kit that trains the translator on a machine without this project."""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BertConfig,
    BertModel,
    MarianMTModel,
    MarianTokenizer,
)

from stages.translate.decoding import DecodingConfig
from stages.translate.translator import Translator
from tests.model_recipes.translator.test_translator_training import tiny_config
from tests.tiny.translators import build_marian, greedy

SCRIPTS = Path(__file__).resolve().parents[2] / "artifacts/models/build/translator_gpu"


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit")
    arguments = argparse.Namespace(
        folder=folder / "kit", phrases=3, light_share=0.3, held_out=4, seed=1
    )
    config = tiny_config(folder, 1)
    parallel = tuple(s.model_copy(update={"hold_out": True}) for s in config.corpus.parallel)
    corpus = {"parallel": parallel, "held_out_per_mille": 100}
    config = config.model_copy(update={"corpus": config.corpus.model_copy(update=corpus)})
    loaded(SCRIPTS / "pack.py").pack(config, arguments)
    return folder / "kit"


def fill(model: Any, out: Path) -> None:
    """Put the weights that were written where they came from."""
    state = load_file(out / "weights-1.safetensors") | load_file(out / "weights-2.safetensors")
    # Whatever export calls a weight is where it was.
    numbered = torch.arange(model.master.numel(), dtype=torch.float64)
    with torch.no_grad():
        for name, exported in _export64(model, numbered).items():
            model.master[exported.flatten().long()] = state[name].float().flatten()
    model.sync()


def test_what_is_trained_there_is_an_ordinary_model_here(
    kit: Path, tmp_path: Path, warm_python: Path
) -> None:
    command = [warm_python, "run.py", "--smoke", "--device", "cpu", "--workers", "1"]
    done = subprocess.run(
        [*command, "--tokens", "200", "--out", str(tmp_path / "out")],
        cwd=kit,
        env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["steps"] >= 10
    assert set(report["chrF"]) == {"en-de", "de-en", "en-es", "es-en"}
    folders = [str(folder) for folder in (kit, tmp_path / "out", tmp_path / "model")]
    subprocess.run([warm_python, str(SCRIPTS.parent / "assemble.py"), *folders], check=True)
    tokenizer = MarianTokenizer.from_pretrained(tmp_path / "model")
    theirs = MarianMTModel.from_pretrained(tmp_path / "model").eval()
    batch = tokenizer([">>de<< Tom sees dog.", ">>es<< Mary"], return_tensors="pt", padding=True)
    pad = tokenizer.pad_token_id
    code = loaded(kit / "model.py")
    shape = json.loads((kit / "settings.json").read_text())["shape"]
    ours = code.Model(code.Shape(**shape), pad + 1, torch.device("cpu"), torch.float32)
    ours.training = False
    fill(ours, tmp_path / "out")
    target = batch.input_ids
    start = torch.cat([torch.full_like(target[:, :1], pad), target[:, :-1]], 1)
    with torch.no_grad():
        logits = theirs(**batch, decoder_input_ids=start).logits[..., :pad]
        found = ours.logits(batch.input_ids, target)
    real = batch.attention_mask.bool()
    assert torch.allclose(found[real], logits[real], atol=1e-4)


@pytest.fixture(scope="module")
def started(kit: Path, tmp_path_factory: pytest.TempPathFactory, warm_python: Path) -> Path:
    """The kit, to start from a tiny BERT with a Unigram vocabulary."""
    folder = tmp_path_factory.mktemp("started")
    shutil.copytree(kit, folder / "kit")
    bert = build_bert(folder / "bert", layers=3)
    command = [warm_python, str(SCRIPTS / "starting.py"), str(folder / "kit"), str(bert)]
    sizes = ["--layers", "2", "--decoder", "1", "--subwords", "200", "--positions", "64"]
    subprocess.run([*command, *sizes], check=True)
    return folder


def build_bert(folder: Path, layers: int) -> Path:
    """An encoder as ours: BERT's layers, XLM-R's order of the first subwords."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    folder.mkdir()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,0123456789"
    pieces = ["\u2581", *letters, "\u2581the", "\u2581Tom", "se", "es", "er", "20", "\u2581201"]
    vocab = [*((s, 0.0) for s in special), *((x, -4.0 - k / 50) for k, x in enumerate(pieces))]
    backend = Tokenizer(models.Unigram(vocab, unk_id=3))
    backend.normalizer = normalizers.Sequence([normalizers.NFKC()])
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.add_special_tokens(special)
    backend.save(str(folder / "tokenizer.json"))
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=80,
        initializer_range=0.3,
        layer_norm_eps=1e-5,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def test_a_bart_starts_as_the_encoder(started: Path) -> None:
    """Of text whose subwords are all kept, its encoder's states are those of BERT's layers."""
    kit = started / "kit"
    bert = BertModel.from_pretrained(started / "bert", add_pooling_layer=False).eval()
    tokenizer = json.loads((kit / "tokenizer.json").read_text(encoding="utf-8"))
    words = [piece for piece, _ in tokenizer["model"]["vocab"]]
    assert words[:2] == ["</s>", "<unk>"] and words[-1] == "<pad>" and ">>de<<" in words
    assert "20" not in words and "\u2581201" not in words  # digits stand alone
    old = json.loads((started / "bert/tokenizer.json").read_text(encoding="utf-8"))
    numbers = {piece: n for n, (piece, _) in enumerate(old["model"]["vocab"])}
    text = [">>de<<", *[w for w in words if w in numbers and w not in ("<pad>", "<unk>", "</s>")]]
    text = [*text[:30], "</s>"]
    theirs = torch.tensor([[numbers.get(w, numbers["<s>"]) for w in text]])
    ours = torch.tensor([[words.index(w) for w in text]])
    sys.path.insert(0, str(kit))
    try:
        model = _bart(kit, len(words))
    finally:
        sys.path.remove(str(kit))
    model.start_from(kit / "start.safetensors")
    with torch.no_grad():
        expected = bert(theirs, output_hidden_states=True).hidden_states[2]
        found = model.encode(ours, torch.ones(1, 1, 1, ours.shape[1], dtype=torch.bool))
    assert torch.allclose(found, expected, atol=0.02)  # the start is kept in float16


def _bart(kit: Path, size: int) -> Any:
    sys.modules.pop("model", None)
    code = loaded(kit / "bart.py")
    shape = json.loads((kit / "settings.json").read_text(encoding="utf-8"))["shape"]
    made = code.Bart(sys.modules["model"].Shape(**shape), size, torch.device("cpu"), torch.float32)
    made.training = False
    return made


def test_a_bart_that_was_trained_is_an_ordinary_model(
    kit: Path, started: Path, tmp_path: Path, warm_python: Path
) -> None:
    fresh, kit = kit, started / "kit"
    environment = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin"}
    command = [warm_python, "run.py", "--device", "cpu", "--smoke", "--hold", "--of", "1"]
    command += ["--tokens", "200", "--slow-wait", "0", "--warm", "0.0001", "--sample", "20", "20"]
    for more in (["--out", "out"], ["--cool", "out/state.pt", "--out", "cool"]):
        done = subprocess.run(
            [*command, *more], cwd=kit, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert "goes on at step" in (kit / "cool/log.txt").read_text(encoding="utf-8")
    assert not (kit / "cool/state.pt").exists()
    folders = [str(folder) for folder in (kit, kit / "cool", tmp_path / "model")]
    subprocess.run([warm_python, str(SCRIPTS.parent / "assemble.py"), *folders], check=True)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    theirs = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model").eval()
    batch = tokenizer([">>de<< Tom sees", ">>es<< the dog."], return_tensors="pt", padding=True)
    pad = tokenizer.pad_token_id
    sys.path.insert(0, str(kit))
    try:
        ours = _bart(kit, pad + 1)
    finally:
        sys.path.remove(str(kit))
    fill(ours, kit / "cool")
    target = batch.input_ids
    start = torch.cat([torch.full_like(target[:, :1], pad), target[:, :-1]], 1)
    given = {k: batch[k] for k in ("input_ids", "attention_mask")}
    with torch.no_grad():
        logits = theirs(**given, decoder_input_ids=start).logits
        found = ours.logits(batch.input_ids, target)
    real = batch.attention_mask.bool()
    assert torch.allclose(found[real], logits[real][:, :pad], atol=1e-4)
    assert (logits[real][:, pad] < -1000).all()
    # And the runtime reads it: the same greedy translation, by Transformers and by CTranslate2.
    config = DecodingConfig(beam_size=1, compute_type="float32", max_output_tokens=12)
    translator = Translator(tmp_path / "model", "en", "es", config, cache=tmp_path / "cache")
    out = greedy(theirs, [tokenizer.unk_token_id], **given)
    mine = translator.translate(["the dog."])[0][0].text
    assert mine == " ".join(tokenizer.decode(out[1], skip_special_tokens=True).split())
    # And another kit goes on from it: the same subwords, shape and weights.
    again = tmp_path / "again"
    shutil.copytree(fresh, again)
    command = [warm_python, str(SCRIPTS / "starting.py"), str(again), str(tmp_path / "model")]
    subprocess.run(command, check=True)
    given = load_file(tmp_path / "model/model.safetensors")
    ours.start_from(again / "start.safetensors")
    found = ours.export(ours.master)
    learnt = {k for k in given if not any(x in k for x in ("embed_tokens", "lm_head"))}
    assert found.keys() == learnt
    assert all(torch.equal(found[k].flatten(), given[k].half().flatten()) for k in found)
    settings = (json.loads((place / "settings.json").read_text()) for place in (kit, again))
    assert next(settings) == next(settings)


def test_a_kit_goes_on_from_a_translator(kit: Path, tmp_path: Path, warm_python: Path) -> None:
    folder = tmp_path / "kit"
    shutil.copytree(kit, folder)
    tags = (">>en<<", ">>de<<", ">>es<<")
    translator = build_marian(tmp_path / "marian", tags=tags, layers=2)
    command = [warm_python, str(SCRIPTS / "starting.py"), str(folder), str(translator)]
    subprocess.run(command, check=True)
    code = loaded(folder / "model.py")
    shape = json.loads((folder / "settings.json").read_text(encoding="utf-8"))["shape"]
    given = load_file(translator / "model.safetensors")
    size = len(given["model.shared.weight"])
    model = code.Model(code.Shape(**shape), size, torch.device("cpu"), torch.float32)
    model.start_from(folder / "start.safetensors")
    found = model.export(model.master)
    learnt = {k for k in given if not any(x in k for x in ("positions", "final_logits", "lm_head"))}
    assert {k for k in learnt if "embed_tokens" not in k} == found.keys()
    assert all(torch.equal(found[k], given[k].half()) for k in found)


def test_the_loss_in_blocks_is_that_of_cross_entropy(started: Path) -> None:
    """Of the positions that are no padding, with the gradients of all weights, the bias' too."""
    sys.path.insert(0, str(started / "kit"))
    try:
        model = _bart(started / "kit", 40)
    finally:
        sys.path.remove(str(started / "kit"))
    generator = torch.Generator().manual_seed(1)
    source, target = (torch.randint(39, (3, 7), generator=generator) for _ in range(2))
    target[1, 4:] = 39
    weights = list(model.params.values())
    ours = model.loss(source, target, 0.1)
    found = torch.autograd.grad(3 * ours, weights, allow_unused=True)
    wanted = target.masked_fill(target == 39, -100).flatten()
    scores = model.logits(source, target).flatten(0, 1)
    plain = torch.nn.functional.cross_entropy(scores, wanted, label_smoothing=0.1)
    expected = torch.autograd.grad(3 * plain, weights, allow_unused=True)
    assert torch.allclose(ours, plain)
    for name, a, b in zip(model.params, found, expected, strict=True):
        assert a is not None and b is not None and torch.allclose(a, b, atol=1e-6), name
    assert found[list(model.params).index("bias")].abs().max() > 0


def test_a_sample_of_subwords_stands_for_all(started: Path) -> None:
    """On average, in the sum that the loss is the logarithm of; the gold ones are always there."""
    sampling = loaded(SCRIPTS / "sampling.py")
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(200, generator=generator)
    gold = torch.tensor([150, 3, 150, 199])
    sampler = sampling.Sampler(torch.arange(200).flip(0), 10, 40)
    sums = []
    torch.manual_seed(1)
    for _ in range(400):
        kept, places, weighed = sampler.draw(gold)
        assert kept[places].tolist() == gold.tolist()
        assert (kept[:10] == torch.arange(10)).all() and len(kept) == 10 + 2 + 40
        sums.append((scores[kept] + weighed).exp().sum())
    assert torch.stack(sums).mean() == pytest.approx(float(scores.exp().sum()), rel=0.01)
    # With all drawn, the loss and its gradients are those without a sample.
    sys.path.insert(0, str(started / "kit"))
    try:
        model = _bart(started / "kit", 40)
    finally:
        sys.path.remove(str(started / "kit"))
    source, target = (torch.randint(39, (3, 7), generator=generator) for _ in range(2))
    weights = list(model.params.values())
    plain = model.loss(source, target, 0.1)
    model.training = True
    torch.manual_seed(2)  # of what drops out
    whole = model.loss(source, target, 0.1)
    wanted = torch.autograd.grad(whole, weights)
    model.sampler = sampling.Sampler(torch.ones(39), 5, 39)
    torch.manual_seed(2)
    sampled = model.loss(source, target, 0.1)
    assert torch.allclose(sampled, whole)
    for a, b in zip(torch.autograd.grad(sampled, weights), wanted, strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    # And validation looks at all.
    model.training = False
    model.sampler = sampling.Sampler(torch.ones(39), 1, 1)
    assert torch.equal(model.loss(source, target, 0.1), plain)


def test_a_schedule_that_holds_and_a_part_that_waits(kit: Path) -> None:
    made = loaded(kit / "trainer.py").Schedule(1.0, 0.1, True, slow_rate=0.5, slow_wait=0.2)
    assert made.factor(0.05) < 0.6 and made.factor(0.1) == made.factor(0.9) == 1
    assert [made.slow(x) for x in (0.0, 0.2, 0.3, 0.4, 0.9)] == pytest.approx(
        [0, 0, 0.25, 0.5, 0.5]
    )


def test_a_training_is_taken_up_where_it_was_stopped(
    kit: Path, tmp_path: Path, warm_python: Path
) -> None:
    def leg() -> tuple[dict[str, Any], str]:
        command = [warm_python, "run.py", "--smoke", "--device", "cpu", "--threads", "1"]
        running = subprocess.Popen(
            [*command, "--tokens", "200", "--of", "1", "--out", str(tmp_path)],
            cwd=kit,
            env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            lines.append(line)
            if " held " in line:
                running.send_signal(signal.SIGTERM)
        assert running.wait() == 0
        report: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
        return report, "".join(lines)

    first, said = leg()
    assert "goes on" not in said
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["trainer"]["steps"] == first["steps"] > 0
    second, said = leg()
    assert f"goes on at step {first['steps']}" in said
    assert second["steps"] > first["steps"]
    assert second["hours_of_training"] >= first["hours_of_training"]
    assert second["target_positions_with_padding"] > first["target_positions_with_padding"]


def test_a_restored_trainer_does_what_the_other_would_have_done(kit: Path, tmp_path: Path) -> None:
    model, trainer = loaded(kit / "model.py"), loaded(kit / "trainer.py")
    shape = json.loads((kit / "settings.json").read_text())["shape"] | {"dropout": 0.2}
    source = torch.tensor([[5, 6, 7, 0], [8, 9, 0, 49]])
    target = torch.tensor([[4, 6, 0], [9, 0, 49]])

    def fresh() -> Any:
        made = model.Model(model.Shape(**shape), 50, torch.device("cpu"), torch.float32)
        return trainer.Trainer(made, trainer.Schedule(1e-3), fused=True)

    one = fresh()
    for k in range(3):
        one.step(source, target, k / 10)
    trainer.write_state(tmp_path / "state.pt", one.state())
    for k in range(3, 5):
        one.step(source, target, k / 10)
    other = fresh()
    assert trainer.read_state(tmp_path / "none.pt") is None
    other.restore(trainer.read_state(tmp_path / "state.pt"))
    assert other.steps == 3
    for k in range(3, 5):
        other.step(source, target, k / 10)
    assert torch.equal(one.model.master, other.model.master)
    assert torch.equal(one.mean, other.mean)


def test_batches_made_here_go_on_in_the_middle_of_a_shard(kit: Path, warm_python: Path) -> None:
    code = """
import itertools, sys
sys.argv = ["run.py"]
from run import Made
whole = list(itertools.islice(Made(30, 100, (0, 0)), 12))
first = Made(30, 100, (0, 0))
begun = list(itertools.islice(first, 5))
rest = list(itertools.islice(Made(30, 100, first.place), 7))
assert first.place != (0, 0)
for a, b in zip(whole, begun + rest, strict=True):
    assert (a[0] == b[0]).all() and (a[1] == b[1]).all()
"""
    done = subprocess.run([warm_python, "-c", code], cwd=kit, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _export64(model: object, flat: torch.Tensor) -> dict[str, torch.Tensor]:
    """What `export` does, in numbers that are large enough to be places."""
    halves = torch.Tensor.half, torch.Tensor.float
    torch.Tensor.half = torch.Tensor.float = lambda self: self  # type: ignore[assignment]
    try:
        found: dict[str, torch.Tensor] = model.export(flat)  # type: ignore[attr-defined]
        return found
    finally:
        torch.Tensor.half, torch.Tensor.float = halves  # type: ignore[method-assign]
