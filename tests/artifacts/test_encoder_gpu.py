"""The kit that trains the cut encoder on a machine without this project."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
)

from model_recipes.shared.corpus import CorpusConfig, load_corpus
from stages.synthesize.overlap import sentence_key
from stages.text_sources import TextSource
from tests.tiny.encoders import SENTENCES, tokenizer_of

SCRIPTS = Path(__file__).resolve().parents[2] / "artifacts/models/build/encoder_gpu"
WORDS = "embeddings.word_embeddings.weight"
WIDTH = 32


def tiny_encoder(folder: Path, vocabulary: list[list[object]], layers: int) -> Path:
    tokenizer = json.loads(tokenizer_of("Unigram").to_str())
    tokenizer["model"]["vocab"] = vocabulary
    tokenizer["model"]["unk_id"] = 3
    for token in tokenizer["added_tokens"]:
        token["id"] = [subword for subword, _ in vocabulary].index(token["content"])
    for token in tokenizer["post_processor"]["special_tokens"].values():
        token["ids"] = [[s for s, _ in vocabulary].index(content) for content in token["tokens"]]
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(tokenizer)),
        mask_token="<mask>",
        pad_token="<pad>",
        unk_token="<unk>",
    ).save_pretrained(folder)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
        pad_token_id=1,
        alignment_layer=2,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder_gpu")
    trained = json.loads(tokenizer_of("Unigram").to_str())["model"]["vocab"]
    special = [[name, 0.0] for name in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")]
    subwords = [entry for entry in trained if entry not in special]
    whole = special[:4] + subwords + special[4:]
    # Characters stay, and every second of the rest.
    kept = [s for k, s in enumerate(subwords) if len(s[0]) == 1 or k % 2]
    e5 = tiny_encoder(folder / "e5", whole, 4)
    encoder = tiny_encoder(folder / "encoder", special[:4] + kept + special[4:], 3)
    sides = [SENTENCES[0], SENTENCES[1], SENTENCES[4], SENTENCES[5]]
    rows = [f"{a} {k}\t{b} {k}" for k in range(40) for a, b in (sides[:2], sides[2:])]
    (folder / "en-de.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "es.txt").write_text("\n".join(f"{SENTENCES[2]} {k}" for k in range(20)) + "\n")
    config = CorpusConfig(
        parallel=(TextSource(path=folder / "en-de.tsv", format="tsv", languages=("en", "de")),),
        monolingual=(TextSource(path=folder / "es.txt", format="text", languages=("es",)),),
    )
    measured = folder / "alignments"
    measured.mkdir()
    words = f"{sides[1]} 7".split()
    (measured / "gold.jsonl").write_text(json.dumps({"target": words}), encoding="utf-8")
    arguments = argparse.Namespace(
        e5=e5,
        encoder=encoder,
        kit=folder / "kit",
        pairs=200,
        each=200,
        linked=30,
        teacher_subwords=10,
        seed=1,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        import pack

        keys = pack.alignment_keys(measured)
        assert keys == {sentence_key(f"{sides[1]} 7")}
        lists = {"sw": ["▁paka", "▁mbwa", "▁nyumba"]}
        pack.pack(config, load_corpus(config), keys, lists, arguments)
        sys.modules.pop("pack")
    return folder / "kit"


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.sampled_from([32, 64, 20]))
def test_weights_come_back_within_half_a_step(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rows: int, width: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        import blocks
    rng = np.random.default_rng(seed)
    matrix, vector = rng.normal(size=(rows, width)), rng.normal(size=width)
    tensors = {"a": matrix, "b": vector, "c": np.zeros((2, 32))}
    folder = tmp_path_factory.mktemp("blocks")
    blocks.write_blocks(folder, tensors)
    back = blocks.read_blocks(folder)
    assert {k: v.shape for k, v in back.items()} == {k: v.shape for k, v in tensors.items()}
    for name, array in tensors.items():
        # Half a step, and what float16 takes from the scale.
        assert np.abs(back[name] - array).max() <= (0.51 / 127 + 1e-3) * np.abs(array).max()


def test_measured_sentences_are_not_packed(kit: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        from sentences import read_packed
    rows = [line.split("\t") for line in read_packed(kit / "pairs.xz").split("\n")]
    assert len(rows) == 79
    assert sum(bool(row[3]) for row in rows) == 30
    targets = {row[2].split()[-1] for row in rows if "Katze" in row[2]}
    assert targets == {str(k) for k in range(40)} - {"7"}


def test_what_is_trained_there_is_an_ordinary_model_here(
    kit: Path, tmp_path: Path, warm_python: Path
) -> None:
    out, model = tmp_path / "out", tmp_path / "model"
    sizes = ["--masked-tokens=100", "--clean-tokens=20", "--threads=1", "--out", str(out)]
    # Two legs: the second goes on from what the first left.
    for steps, more in (("10", []), ("24", ["--resume"])):
        done = subprocess.run(
            [
                warm_python,
                "run.py",
                "--steps",
                steps,
                "--rate=1e-2",
                "--device=cpu",
                *sizes,
                *more,
            ],
            cwd=kit,
            env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert "done: 24 steps" in done.stdout
    log = (out / "log.txt").read_text()
    watched = [line.split() for line in log.split("\n") if "held out" in line]
    for figure in ("masked", "distil", "align"):
        first, *middle, last = (float(line[line.index(figure) + 1]) for line in watched)
        assert last < first, log
        # The second leg begins where the first ended.
        assert abs(middle[0] - middle[1]) < (first - last) / 10, log
    subprocess.run(
        [warm_python, str(SCRIPTS.parent / "assemble.py"), str(kit), str(out), str(model)],
        check=True,
    )
    made = AutoModelForMaskedLM.from_pretrained(model).eval()
    start = load_file(kit.parent / "e5" / "model.safetensors")
    inner = "encoder.layer.2.output.dense.weight"
    assert made.bert.encoder.layer[-1].output.dense.weight.shape == start[inner].shape
    tokenizer = AutoTokenizer.from_pretrained(model)
    whole = AutoTokenizer.from_pretrained(kit.parent / "e5")
    for name in tokenizer.get_vocab():
        ours = made.bert.embeddings.word_embeddings.weight[tokenizer.convert_tokens_to_ids(name)]
        theirs = start[WORDS][whole.convert_tokens_to_ids(name)]
        assert torch.allclose(ours, theirs, atol=1e-2), name
    batch = tokenizer(SENTENCES[:2], return_tensors="pt", padding=True)
    with torch.no_grad():
        assert torch.isfinite(made(**batch).logits).all()
