"""Model folders that somebody else made: safetensors only, and no code of theirs is run."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ModelError
from pipeline.models import ALLOW_BIN, locate
from stages.align.layers import load_encoder
from stages.tagger.tagger import Tagger
from tests.tiny.encoders import build_family
from tests.tiny.translators import build_marian

LABELS = ["O", "B-PER", "I-PER"]


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return build_family("bert", tmp_path)


@pytest.fixture
def tagger(encoder: Path, tmp_path: Path) -> Path:
    from transformers import AutoTokenizer, BertForTokenClassification

    folder = tmp_path / "tagger"
    names = dict(enumerate(LABELS))
    BertForTokenClassification.from_pretrained(
        encoder, id2label=names, label2id={v: k for k, v in names.items()}
    ).save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)
    return folder


def as_bin(folder: Path) -> None:
    """Turn the weights of a folder into a pickle."""
    import torch
    from safetensors.torch import load_file

    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()


LOADERS: dict[str, Callable[[Path], object]] = {
    "tagger": Tagger.from_pretrained,
    "encoder": load_encoder,
    "check": lambda folder: locate(str(folder)).require_weights(),
}


@pytest.mark.parametrize("loader", LOADERS)
def test_weights_in_a_pickle_are_refused_by_default(
    loader: str, tagger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_bin(tagger)
    with pytest.raises(ModelError, match="save_pretrained") as refused:
        LOADERS[loader](tagger)
    assert ALLOW_BIN in str(refused.value) and "pytorch_model.bin" in str(refused.value)
    monkeypatch.setenv(ALLOW_BIN, "1")
    LOADERS[loader](tagger)


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("loader", ["tagger", "encoder"])
def test_a_pickle_that_would_run_something(
    loader: str, allowed: bool, tagger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sprung = tmp_path / "sprung"
    (tagger / "model.safetensors").unlink()
    with (tagger / "pytorch_model.bin").open("wb") as file:
        pickle.dump({"weight": Trap(sprung)}, file)
    if allowed:
        monkeypatch.setenv(ALLOW_BIN, "1")
    with pytest.raises((ModelError, pickle.UnpicklingError)):
        LOADERS[loader](tagger)
    assert not sprung.exists()
    pickle.loads((tagger / "pytorch_model.bin").read_bytes())  # the trap does work
    assert sprung.exists()


def test_generators_and_translators_refuse_a_pickle_too(encoder: Path, tmp_path: Path) -> None:
    from stages.synthesize.makers.infilling import MaskedModel
    from stages.synthesize.makers.language_models import convert_language_model
    from stages.translate.conversion import convert

    translator = build_marian(tmp_path / "translator")
    as_bin(encoder)
    as_bin(translator)
    with pytest.raises(ModelError, match=ALLOW_BIN):
        MaskedModel(encoder)
    for make, folder in ((convert, translator), (convert_language_model, encoder)):
        with pytest.raises(ModelError, match=ALLOW_BIN):
            make(folder, tmp_path / "out", "int8")


@pytest.mark.parametrize("loader", ["tagger", "encoder"])
def test_code_in_a_model_folder_is_not_run(loader: str, tagger: Path, tmp_path: Path) -> None:
    """``auto_map`` names a module in the folder; without trust in it, transformers would ask."""
    sprung = tmp_path / "sprung"
    (tagger / "evil.py").write_text(
        f"from pathlib import Path\nPath({str(sprung)!r}).touch()\n"
        "from transformers import PreTrainedConfig\n"
        "class Evil(PreTrainedConfig):\n    model_type = 'evil'\n",
        encoding="utf-8",
    )
    file = tagger / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil"}}
    file.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError):
        LOADERS[loader](tagger)
    assert not sprung.exists()


def test_code_of_a_tokenizer_is_not_run(tagger: Path, tmp_path: Path) -> None:
    from stages.align.contextual import load_tokenizer as for_aligner
    from stages.tagger.encoding import load_tokenizer as for_tagger

    sprung = tmp_path / "sprung"
    (tagger / "evil.py").write_text(
        f"from pathlib import Path\nPath({str(sprung)!r}).touch()\nclass Evil: ...\n",
        encoding="utf-8",
    )
    file = tagger / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config |= {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.Evil", None]}}
    file.write_text(json.dumps(config), encoding="utf-8")
    for load in (for_aligner, for_tagger):
        try:
            load(tagger)  # transformers may fall back on its own class
        except ModelError as error:
            assert "tokenizer" in str(error)
        assert not sprung.exists()
