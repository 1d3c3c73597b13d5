"""The ways to compute an encoder: one result, and a way back where one cannot be gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError
from stages.align import backends
from stages.align.backends import encoder_layers
from stages.align.build import build
from stages.align.checking import problems
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.ctranslate import CTranslateLayers
from stages.align.layers import TorchLayers, read_config
from stages.align.packed import PackedLayers, supported
from stages.align.planning import plan
from stages.machine import has_exact_int8
from tests.tiny.translators import build_m2m100, build_marian, build_nllb

Pairs = list[tuple[list[str], list[str]]]
BATCH = [[2, 17, 25, 30, 41, 3], [2, 40, 18, 33, 24, 3], [2, 19, 3], [2, 21, 22, 3]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps converted models out of the user's cache."""
    monkeypatch.setenv("XLNER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ctranslate2"


@pytest.fixture(params=["bert", "xlmr"])
def encoder(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


needs_exact_int8 = pytest.mark.skipif(
    not has_exact_int8(), reason="CTranslate2's int8 overflows on this processor"
)


def far(given: Any, expected: Any) -> float:
    return float((given - expected).norm() / expected.norm())


@pytest.mark.parametrize("layer", [0, 1, 3])
@pytest.mark.parametrize("rows", [1000, 19, 30])
def test_computing_without_padding_changes_nothing(encoder: Path, layer: int, rows: int) -> None:
    packed = encoder_layers(encoder, layer, batch_tokens=rows)
    assert isinstance(packed, PackedLayers)
    assert far(packed(BATCH), TorchLayers(encoder, layer)(BATCH)) < 1e-5
    alone = packed([BATCH[2]])
    assert far(packed(BATCH)[12:15], alone) < 1e-5


@pytest.mark.parametrize(("dtype", "most"), [("bfloat16", 0.03), ("int8", 0.08)])
def test_lower_precision_stays_near(bert: Path, dtype: Any, most: float) -> None:
    exact = TorchLayers(bert, 3)(BATCH)
    assert 0 < far(encoder_layers(bert, 3, dtype)(BATCH), exact) < most


@pytest.mark.parametrize(
    ("dtype", "most"), [("float32", 1e-5), pytest.param("int8", 0.08, marks=needs_exact_int8)]
)
def test_ctranslate2_gives_the_same_states(encoder: Path, dtype: Any, most: float) -> None:
    layers = encoder_layers(encoder, 2, dtype, backend="ctranslate2")
    assert isinstance(layers, CTranslateLayers)
    assert far(layers(BATCH), TorchLayers(encoder, 2)(BATCH)) < most


def test_an_encoder_is_converted_once_per_layer_and_precision(bert: Path, cache: Path) -> None:
    def models() -> set[Path]:
        return set(cache.glob("*/model.bin"))

    encoder_layers(bert, 2, backend="ctranslate2")
    first = models()
    times = {m: m.stat().st_mtime_ns for m in first}
    encoder_layers(bert, 2, backend="ctranslate2")
    assert models() == first and len(first) == 1
    assert times == {m: m.stat().st_mtime_ns for m in first}
    encoder_layers(bert, 3, backend="ctranslate2")
    assert len(models()) == 2
    if has_exact_int8():
        encoder_layers(bert, 3, "int8", backend="ctranslate2")
        assert len(models()) == 3
    assert not list(cache.glob(".*/"))


def test_other_families_and_odd_operations_fall_back_to_transformers(
    tmp_path: Path, bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import DistilBertConfig, DistilBertModel

    config = DistilBertConfig(vocab_size=60, dim=16, n_layers=2, n_heads=2, hidden_dim=32)
    DistilBertModel(config).save_pretrained(tmp_path)
    assert isinstance(encoder_layers(tmp_path, 1), TorchLayers)
    assert far(encoder_layers(tmp_path, 1)(BATCH), TorchLayers(tmp_path, 1)(BATCH)) == 0
    with pytest.raises(ConfigError, match="not distilbert; use 'torch'"):
        encoder_layers(tmp_path, 1, backend="ctranslate2")
    # A processor that gets an operation wrong.
    monkeypatch.setattr(PackedLayers, "_attend", lambda *_: None)
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
    with pytest.raises(ConfigError, match="use 'torch'"):
        encoder_layers(folder, deepest, backend="ctranslate2")


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


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dtype": "bfloat16"}, "no bfloat16 on the CPU; it has: float32, int8"),
        ({"layer": 0}, "needs a layer of 1 or more"),
        ({"device": "cuda"}, "allowed on cuda: auto, torch"),
    ],
)
def test_what_ctranslate2_cannot_do_is_found_before_anything_runs(
    bert: Path, options: dict[str, Any], says: str
) -> None:
    config = AlignConfig.model_validate(
        {"aligner": "simalign", "model": str(bert), "backend": "ctranslate2"} | options
    )
    (problem,) = problems(config, AlignmentContext("en", "de"))
    assert problem.key == "align.backend" and says in problem.message


def test_a_processor_that_gets_bytes_wrong_is_told_so(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "has_exact_int8", lambda: False)
    config = AlignConfig.model_validate(
        {"aligner": "simalign", "model": str(bert), "backend": "ctranslate2", "dtype": "int8"}
    )
    (problem,) = problems(config, AlignmentContext("en", "de"))
    assert problem.key == "align.backend" and "use 'torch', or dtype float32" in problem.message
    with pytest.raises(ConfigError, match="AMD without VNNI"):
        encoder_layers(bert, 2, "int8", backend="ctranslate2")
    assert isinstance(encoder_layers(bert, 2, backend="ctranslate2"), CTranslateLayers)


def test_states_of_ctranslate2_that_are_far_off_are_an_error(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = CTranslateLayers.__call__
    monkeypatch.setattr(CTranslateLayers, "__call__", lambda self, batch: 1.3 * right(self, batch))
    with pytest.raises(ConfigError, match="far from those of Transformers .*; use 'torch'"):
        encoder_layers(bert, 2, backend="ctranslate2")


def test_links_of_ctranslate2_are_those_of_torch(bert: Path, made_up: Pairs) -> None:
    links = []
    for backend in ("torch", "ctranslate2"):
        config = AlignConfig.model_validate(
            {"aligner": "simalign", "model": str(bert), "backend": backend, "dtype": "float32"}
        )
        found = build(plan(config, AlignmentContext("en", "de"))).align(made_up)
        links.append([[(k.source, k.target) for k in pair] for pair in found])
    differ = sum(a != b for a, b in zip(*links, strict=True))
    assert differ <= 1  # a tie may fall the other way
