"""The model: parity with plain transformers, padding, saving, the Auto classes, pipelines."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForTokenClassification,
    dynamic_module_utils,
    pipeline,
)

from stages.tagger.encoding import load_tokenizer
from stages.tagger.fusion import LayerFusion, masked_mean
from stages.tagger.layers import FUSIONS, depth_of, resolve_fusion_layer
from stages.tagger.modeling import LayerFusedForTokenClassification
from tests.tiny.encoders import DEPTH, FAMILIES
from tests.tiny.text import LABELS

Family = Callable[[str], Path]


def batch(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Two inputs, the second one padded."""
    pad = load_tokenizer(folder).pad_token_id
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(5, 50, (2, 17), generator=generator)
    mask = torch.ones_like(ids)
    ids[1, 7:], mask[1, 7:] = pad, 0
    return ids, mask


def reset(fusion: LayerFusion, std: float) -> None:
    for module in fusion.modules():
        fusion.reset_module(module, std)


@pytest.mark.parametrize("name", FAMILIES)
def test_without_fusion_it_equals_the_plain_classifier_to_the_bit(
    name: str, family: Family
) -> None:
    folder = family(name)
    torch.manual_seed(1)
    plain = AutoModelForTokenClassification.from_pretrained(folder, num_labels=5)
    torch.manual_seed(1)
    ours = LayerFusedForTokenClassification.from_encoder(folder, LABELS)
    ids, mask = batch(family(name))
    labels = torch.where(mask == 1, ids % 5, -100)
    plain_state = plain.state_dict()
    assert len(plain_state) == len(ours.state_dict())
    for mode in (False, True):  # dropout draws the same random numbers too
        plain.train(mode)
        ours.train(mode)
        torch.manual_seed(2)
        theirs = plain(input_ids=ids, attention_mask=mask, labels=labels)
        torch.manual_seed(2)
        mine = ours(input_ids=ids, attention_mask=mask, labels=labels)
        assert torch.equal(theirs.logits, mine.logits)
        assert torch.equal(theirs.loss, mine.loss)
    back = ours.to_plain()
    assert type(back) is type(plain)
    assert all(torch.equal(v, plain_state[k]) for k, v in back.state_dict().items())


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("name", FAMILIES)
def test_padding_and_neighbours_do_not_change_a_sentence(
    name: str, fusion: str, family: Family
) -> None:
    torch.manual_seed(3)
    model = LayerFusedForTokenClassification.from_encoder(
        family(name), LABELS, fusion=fusion, fusion_layer=1, aif_ratio=2.0
    ).eval()
    with torch.no_grad():
        for parameter in model.fusion.parameters():  # so that the pool matters
            parameter.add_(torch.randn_like(parameter) * 0.3)
        model.classifier.weight.mul_(20)
    ids, mask = batch(family(name))
    with torch.no_grad():
        together = model(input_ids=ids, attention_mask=mask).logits[1, :7]
        alone = model(input_ids=ids[1:, :7], attention_mask=mask[1:, :7]).logits[0]
        no_mask = model(input_ids=ids[1:, :7]).logits[0]
    assert alone.std() > 0.01
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(no_mask, alone, rtol=1e-5, atol=1e-5)


def test_the_global_branch_sees_the_whole_sentence(family: Family) -> None:
    torch.manual_seed(3)
    fusion = LayerFusion("dlfa_aif", 8, 3, 1, ratio=2.0)
    reset(fusion, 0.5)
    layers = [torch.randn(1, 4, 8) for _ in range(4)]
    mask = torch.ones(1, 4)
    before = fusion(layers, mask)
    layers[3] = layers[3].clone()
    layers[3][0, 3] += 5.0
    after = fusion(layers, mask)
    assert not torch.allclose(before[0, 0], after[0, 0])
    masked = fusion(layers, torch.tensor([[1.0, 1.0, 1.0, 0.0]]))
    shorter = fusion([layer[:, :3] for layer in layers], torch.ones(1, 3))
    torch.testing.assert_close(masked[:, :3], shorter)


def test_aif_follows_its_formula() -> None:
    torch.manual_seed(4)
    fusion = LayerFusion("dlfa_aif", 6, 2, 0, ratio=0.5, last_share=0.8)
    reset(fusion, 0.4)
    layers = [torch.randn(2, 3, 6) for _ in range(3)]
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    both = layers[0] + layers[2]
    pooled = torch.stack([both[0].mean(0), both[1, :2].mean(0)]).unsqueeze(1)
    torch.testing.assert_close(masked_mean(both, mask), pooled)
    weights = torch.sigmoid(fusion.local_branch(both) + fusion.global_branch(pooled))
    expected = weights * layers[2] + (1 - weights) * layers[0]
    torch.testing.assert_close(fusion(layers, mask), expected)
    reset(fusion, 1e-6)
    blank = [torch.zeros(1, 1, 6), torch.zeros(1, 1, 6), torch.ones(1, 1, 6)]
    share = fusion(blank, torch.ones(1, 1))
    torch.testing.assert_close(share, torch.full_like(share, 0.8), atol=1e-3, rtol=0)


def test_the_other_fusions_start_as_they_should() -> None:
    layers = [torch.randn(1, 2, 4) for _ in range(4)]
    mask = torch.ones(1, 2)
    for kind, expected in {
        "none": layers[3],
        "dlfa_sum": layers[3] + layers[2],
        "concat": (layers[3] + layers[2]) / 2,
        "scalar_mix": torch.stack(layers).mean(0),
    }.items():
        fusion = LayerFusion(kind, 4, 3, -2)
        reset(fusion, 0.02)
        torch.testing.assert_close(fusion(layers, mask), expected)


@pytest.mark.parametrize(("layer", "index"), [(0, 0), (2, 2), (-2, 2), (-4, 0)])
def test_layers_are_counted_like_hidden_states(layer: int, index: int) -> None:
    assert resolve_fusion_layer(layer, 3) == index


@pytest.mark.parametrize("layer", [3, 12, -1, -5])
def test_a_layer_that_is_not_below_the_last_is_an_error(layer: int) -> None:
    with pytest.raises(ValueError, match=r"allowed: 0 \(embeddings\) to 2, or -4 to -2"):
        resolve_fusion_layer(layer, 3)


def test_the_depth_is_read_from_any_configuration(family: Family) -> None:
    for name in FAMILIES:
        declared = json.loads((family(name) / "config.json").read_text())
        assert depth_of(declared) == DEPTH
    with pytest.raises(ValueError, match="names no number of layers"):
        depth_of({"model_type": "mystery"})


@pytest.mark.parametrize("name", FAMILIES)
def test_it_saves_and_loads_through_the_auto_classes(
    name: str, family: Family, tmp_path: Path
) -> None:
    torch.manual_seed(6)
    model = LayerFusedForTokenClassification.from_encoder(
        family(name), LABELS, fusion="dlfa_aif", fusion_layer=-3, provenance={"languages": ["sw"]}
    ).eval()
    model.save_pretrained(tmp_path)
    again = AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    assert isinstance(again, LayerFusedForTokenClassification)
    assert again.config.id2label == dict(enumerate(LABELS))
    ids, mask = batch(family(name))
    with torch.no_grad():
        before = model(input_ids=ids, attention_mask=mask).logits
        after = again(input_ids=ids, attention_mask=mask).logits
    assert torch.equal(before, after)
    config = AutoConfig.from_pretrained(tmp_path)
    assert config.encoder.model_type == AutoConfig.from_pretrained(family(name)).model_type
    card = (tmp_path / "README.md").read_text()
    assert "- sw" in card and "`dlfa_aif`" in card and "LOC, PER" in card
    assert str(family(name).parent) not in (tmp_path / "config.json").read_text()


def test_a_masked_language_model_in_half_precision_loads_in_full(
    family: Family, tmp_path: Path
) -> None:
    config = AutoConfig.from_pretrained(family("bert"))
    torch.manual_seed(1)
    language_model = AutoModelForMaskedLM.from_config(config)
    language_model.half().save_pretrained(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    name = "bert.encoder.layer.1.output.dense.weight"
    assert stored[name].dtype == torch.float16
    ours = LayerFusedForTokenClassification.from_encoder(tmp_path, LABELS)
    loaded = ours.encoder.encoder.layer[1].output.dense.weight
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, stored[name].float())


def test_a_checkpoint_without_the_encoder_is_refused(family: Family, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    (tmp_path / "config.json").write_text((family("bert") / "config.json").read_text())
    weights = load_file(family("bert") / "model.safetensors")
    kept = {k: v for k, v in weights.items() if "layer.1." not in k}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="lacks 16 of the encoder's weights"):
        LayerFusedForTokenClassification.from_encoder(tmp_path, LABELS)


def test_a_tagger_can_be_the_start_of_another(family: Family, tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = LayerFusedForTokenClassification.from_encoder(
        family("bert"), LABELS, fusion="dlfa_aif", fusion_layer=1
    )
    first.save_pretrained(tmp_path)
    same = LayerFusedForTokenClassification.from_encoder(
        tmp_path, LABELS, fusion="dlfa_aif", fusion_layer=1
    )
    state = first.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in same.state_dict().items())
    other = LayerFusedForTokenClassification.from_encoder(tmp_path, LABELS[:3], fusion="none")
    assert other.config.id2label == dict(enumerate(LABELS[:3]))
    assert other.classifier.out_features == 3
    assert not any(k.startswith("fusion.") for k in other.state_dict())
    weight = "encoder.embeddings.word_embeddings.weight"
    assert torch.equal(other.state_dict()[weight], state[weight])


def assert_fresh(model: LayerFusedForTokenClassification) -> None:
    """Check that the fusion of a model has the weights that it is meant to start from."""
    fusion = model.fusion
    if model.config.fusion == "concat":
        half = torch.eye(32) / 2
        assert torch.equal(fusion.project.weight, torch.cat((half, half), 1))
        return
    bias = torch.logit(torch.tensor(model.config.aif_last_share))
    torch.testing.assert_close(fusion.local_branch.second.bias, bias.expand(32))
    for branch in (fusion.local_branch, fusion.global_branch):
        for linear in (branch.first, branch.second):
            assert 0.01 < linear.weight.std().item() < 0.03
        assert torch.equal(branch.first.bias, torch.zeros(8))
        assert torch.equal(branch.norm.weight, torch.ones(8))
    assert torch.equal(fusion.global_branch.second.bias, torch.zeros(32))


@pytest.mark.parametrize("fusion", ["dlfa_aif", "concat"])
def test_fusion_starts_as_it_should_in_a_whole_model(
    fusion: str, family: Family, tmp_path: Path
) -> None:
    head = {"fusion": fusion, "fusion_layer": 1, "aif_last_share": 0.8}
    model = LayerFusedForTokenClassification.from_encoder(family("bert"), LABELS, **head)
    assert_fresh(model)
    assert_fresh(LayerFusedForTokenClassification(model.config))
    # A tagger without fusion lends its encoder; the fusion is new.
    plain = LayerFusedForTokenClassification.from_encoder(family("bert"), LABELS)
    plain.save_pretrained(tmp_path / "plain")
    started = LayerFusedForTokenClassification.from_encoder(tmp_path / "plain", LABELS, **head)
    assert_fresh(started)
    # What was learnt stays.
    with torch.no_grad():
        for parameter in model.fusion.parameters():
            parameter.add_(1.0)
    model.save_pretrained(tmp_path / "fused")
    again = LayerFusedForTokenClassification.from_pretrained(tmp_path / "fused")
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


@pytest.mark.parametrize("fusion", ["none", "dlfa_aif"])
def test_it_works_in_a_transformers_pipeline(fusion: str, family: Family, tmp_path: Path) -> None:
    torch.manual_seed(2)
    model = LayerFusedForTokenClassification.from_encoder(
        family("bert"), LABELS, fusion=fusion, fusion_layer=1
    )
    with torch.no_grad():
        model.classifier.weight.mul_(30)
    model.save_pretrained(tmp_path)
    load_tokenizer(family("bert")).save_pretrained(tmp_path)
    tag = pipeline("token-classification", str(tmp_path), aggregation_strategy="first")
    found = tag("Anna Meier lives in New York .")
    assert found and {f["entity_group"] for f in found} <= {"LOC", "PER"}


def test_the_saved_code_works_without_this_package(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    model = LayerFusedForTokenClassification.from_encoder(
        family("bert"), LABELS, fusion="dlfa_aif", fusion_layer=1
    ).eval()
    saved = tmp_path / "tagger"
    model.save_pretrained(saved)
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for path in saved.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0)
    }
    assert {name.split(".")[0] for name in imported} - sys.stdlib_module_names == {
        "huggingface_hub",
        "torch",
        "transformers",
    }
    modules = str(tmp_path / "modules")
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", modules)
    monkeypatch.syspath_prepend(modules)
    found = dynamic_module_utils.get_class_from_dynamic_module(
        "modeling.LayerFusedForTokenClassification", str(saved)
    )
    assert found is not LayerFusedForTokenClassification
    ids, mask = batch(family("bert"))
    with torch.no_grad():
        theirs = found.from_pretrained(saved).eval()(input_ids=ids, attention_mask=mask).logits
        ours = model(input_ids=ids, attention_mask=mask).logits
    assert torch.equal(theirs, ours)
