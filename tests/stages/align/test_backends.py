"""The ways to compute an encoder: one result, and a way back where one cannot be gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.models import read_config
from stages.align import backends, packed
from stages.align.backends import encoder_layers
from stages.align.layers import TorchLayers
from stages.align.packed import PackedLayers, supported
from tests.tiny.translators import build_m2m100, build_marian, build_nllb

BATCH = [[2, 17, 25, 30, 41, 3], [2, 40, 18, 33, 24, 3], [2, 19, 3], [2, 21, 22, 3]]


@pytest.fixture(params=["bert", "xlmr"])
def encoder(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def far(given: Any, expected: Any) -> float:
    return float((given - expected).norm() / expected.norm())


@pytest.mark.parametrize("layer", [0, 1, 3])
@pytest.mark.parametrize("rows", [1000, 19, 30])
def test_computing_without_padding_changes_nothing(encoder: Path, layer: int, rows: int) -> None:
    layers = encoder_layers(encoder, layer, batch_tokens=rows)
    assert isinstance(layers, PackedLayers)
    assert far(layers(BATCH), TorchLayers(encoder, layer)(BATCH)) < 1e-5
    alone = layers([BATCH[2]])
    assert far(layers(BATCH)[12:15], alone) < 1e-5


@pytest.mark.parametrize(("dtype", "most"), [("bfloat16", 0.03), ("int8", 0.08)])
def test_lower_precision_stays_near(bert: Path, dtype: Any, most: float) -> None:
    exact = TorchLayers(bert, 3)(BATCH)
    assert 0 < far(encoder_layers(bert, 3, dtype)(BATCH), exact) < most


def test_other_families_and_odd_operations_fall_back_to_transformers(
    tmp_path: Path, bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import DistilBertConfig, DistilBertModel

    config = DistilBertConfig(vocab_size=60, dim=16, n_layers=2, n_heads=2, hidden_dim=32)
    DistilBertModel(config).save_pretrained(tmp_path)
    assert isinstance(encoder_layers(tmp_path, 1), TorchLayers)
    assert far(encoder_layers(tmp_path, 1)(BATCH), TorchLayers(tmp_path, 1)(BATCH)) == 0
    # A processor that gets an operation wrong.
    monkeypatch.setattr(packed, "_attend", lambda *sides, **_: (sides[1].transpose(1, 2) * 0, None))
    assert isinstance(encoder_layers(bert, 2), TorchLayers)
    assert far(encoder_layers(bert, 2)(BATCH), TorchLayers(bert, 2)(BATCH)) == 0


@pytest.mark.parametrize("make", [build_marian, build_m2m100, build_nllb])
@pytest.mark.parametrize(("dtype", "most"), [("float32", 1e-5), ("bfloat16", 0.03), ("int8", 0.08)])
def test_translators_encoders_are_computed_without_padding(
    tmp_path: Path, make: Callable[[Path], Path], dtype: Any, most: float
) -> None:
    folder = make(tmp_path / "m")
    deepest = read_config(folder)["encoder_layers"]
    for layer in range(deepest + 1):
        layers = encoder_layers(folder, layer, dtype)
        # A processor without the operations computes with padding; see the next test.
        assert isinstance(layers, PackedLayers) == supported(dtype)
        if supported(dtype):
            assert far(layers(BATCH), TorchLayers(folder, layer)(BATCH)) < most


# A translator's int8 is coarser than without padding: one scale per matrix instead of one per row.
@pytest.mark.parametrize(
    ("make", "layer", "most"),
    [
        *((None, layer, 0.08) for layer in (0, 1, 2)),
        *(
            (make, layer, 0.12)
            for make in (build_marian, build_m2m100, build_nllb)
            for layer in (0, 1)
        ),
    ],
)
@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_without_the_operations_lower_precision_still_works(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    make: Callable[[Path], Path] | None,
    layer: int,
    most: float,
    dtype: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = make(tmp_path / "m") if make else request.getfixturevalue("bert")
    monkeypatch.setattr(backends, "supported", lambda dtype: False)
    layers = encoder_layers(folder, layer, dtype)
    assert isinstance(layers, TorchLayers)
    assert far(layers(BATCH), TorchLayers(folder, layer)(BATCH)) < most
