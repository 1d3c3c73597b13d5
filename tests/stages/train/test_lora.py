"""Low-rank adapters: what is trained, merged, saved apart, and put on its encoder again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import ModelError
from stages.tagger.adapter import HEAD, attach
from stages.tagger.modeling import LayerFusedForTokenClassification as Model
from stages.tagger.tagger import Tagger
from stages.train.config import LoraOptions, TrainConfig
from stages.train.data import TrainingSentence
from stages.train.training import train_tagger
from tests.tiny.encoders import FAMILIES
from tests.tiny.text import LABELS, toy_rows

pytest.importorskip("peft", reason="peft is not installed")
Family = Callable[[str], Path]


def trained(encoder: Path, folder: Path, save: str) -> Tagger:
    rows = toy_rows(40)
    options = TrainConfig(
        max_steps=6, batch_size=8, evaluations=2, lora=LoraOptions(rank=4, save=save)
    )
    train_tagger(
        options,
        (TrainingSentence(w, s) for w, s in rows),
        rows[:20],
        folder,
        folder.with_name(folder.name + ".work"),
        encoder=encoder,
        labels=LABELS,
        seed=1,
        head={"fusion": "dlfa_aif", "fusion_layer": 1},
    )
    return Tagger.from_pretrained(folder)


@pytest.mark.parametrize("name", FAMILIES)
def test_only_adapters_and_what_is_above_are_trained(family: Family, name: str) -> None:
    model = Model.from_encoder(family(name), LABELS, fusion="dlfa_sum", fusion_layer=1)
    before = dict(model.named_parameters())
    attach(model, rank=2, alpha=4, dropout=0.0, targets="all-linear")
    learning = {n for n, p in model.named_parameters() if p.requires_grad}
    in_encoder = {n for n in learning if n.startswith("encoder.")}
    assert in_encoder and all("lora_" in n for n in in_encoder)
    assert learning - in_encoder == {n for n in before if not n.startswith("encoder.")}


def test_merged_and_adapter_are_one_tagger(family: Family, tmp_path: Path) -> None:
    merged = trained(family("bert"), tmp_path / "m", "merged")
    apart = trained(family("bert"), tmp_path / "a", "adapter")
    words = [w for w, _ in toy_rows(8)]
    for one, two in zip(merged.distributions(words), apart.distributions(words), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
    plain = torch.nn.utils.parameters_to_vector(
        Model.from_encoder(family("bert"), LABELS, fusion="none").encoder.parameters()
    )
    learnt = torch.nn.utils.parameters_to_vector(merged.model.encoder.parameters())
    assert not torch.equal(plain, learnt), "the adapters are in the weights"
    assert not any("lora" in n for n, _ in merged.model.named_parameters())
    files = {p.name for p in (tmp_path / "a").iterdir()}
    assert {HEAD, "adapter_config.json", "adapter_model.safetensors", "config.json"} <= files
    assert "model.safetensors" not in files


def test_an_adapter_without_its_encoder_says_so(family: Family, tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    shutil.copytree(family("bert"), encoder)
    trained(encoder, tmp_path / "a", "adapter")
    shutil.rmtree(encoder)
    with pytest.raises(ModelError, match="cannot be put on its encoder"):
        Tagger.from_pretrained(tmp_path / "a")


def test_unknown_layers_are_refused(family: Family) -> None:
    model = Model.from_encoder(family("bert"), LABELS, fusion="none")
    with pytest.raises(ModelError, match="train.lora.targets"):
        attach(model, rank=2, alpha=4, dropout=0.0, targets=["no_such_layer"])
