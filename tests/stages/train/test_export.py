"""ONNX export."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline.errors import ModelError
from stages.tagger.encoding import load_tokenizer
from stages.tagger.export import LEAST_AGREEMENT, export_onnx
from stages.tagger.modeling import LayerFusedForTokenClassification
from stages.tagger.tagger import Tagger
from tests.tiny.text import LABELS, toy_rows
from xlner.commands.manage import export


def test_the_exported_model_predicts_what_pytorch_predicts(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    torch.manual_seed(3)
    model = LayerFusedForTokenClassification.from_encoder(
        family("distilbert"), LABELS, fusion="dlfa_aif", fusion_layer=1
    )
    with torch.no_grad():
        model.classifier.weight.mul_(20)
    tagger = Tagger(model, load_tokenizer(family("distilbert")), batch_size=3, dtype="float32")
    sentences = [words for words, _ in toy_rows(10)]
    check = export_onnx(tagger, tmp_path / "onnx", sentences)
    assert check.file == tmp_path / "onnx" / "model.onnx" and check.file.is_file()
    assert check.words == check.same_labels == sum(map(len, sentences))
    assert check.largest_difference < 1e-5
    assert tagger.model is model
    # Exporting takes long: the same file again.
    monkeypatch.setattr(torch.onnx, "export", lambda *a, **_: shutil.copy(check.file, a[2]))
    monkeypatch.setitem(LEAST_AGREEMENT, False, 2.0)
    with pytest.raises(ModelError, match="fewer than 200%; .* is not written"):
        export_onnx(tagger, tmp_path / "other", sentences)
    assert list(tmp_path.iterdir()) == [tmp_path / "onnx"]


def test_the_command(
    family: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    torch.manual_seed(3)
    model = LayerFusedForTokenClassification.from_encoder(family("bert"), LABELS)
    Tagger(model, load_tokenizer(family("bert"))).save_pretrained(tmp_path / "tagger")
    text = tmp_path / "text.txt"
    text.write_text("".join(" ".join(words) + "\n" for words, _ in toy_rows(5)), encoding="utf-8")
    words = sum(len(words) for words, _ in toy_rows(5))
    export(str(tmp_path / "tagger"), text, tmp_path / "onnx")
    assert (tmp_path / "onnx" / "model.onnx").is_file()
    assert f"{words} of {words} words get the same label" in capsys.readouterr().err
