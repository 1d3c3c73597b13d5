"""Turns a Transformers checkpoint into a CTranslate2 model once, and keeps it.

The converted model lies in a cache folder named by the content of the checkpoint and the
quantisation, so that any number of runs, processes and copies of the checkpoint share it:
``$XLNER_CACHE/ctranslate2`` or ``~/.cache/xlner/ctranslate2``. What nobody has used for long goes
when a new one is made, so that the folder does not grow for ever.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pipeline.disk import DiskError, disk_errors, is_alive, sync_tree
from pipeline.errors import ConfigError, ModelError
from pipeline.hashes import FileHashes, fingerprint
from pipeline.models import refuse_pickled_weights
from stages.translate.codes import NOTE, TOKENIZERS, Family, Languages, tokenizer_files

CONVERTED = "model.bin"
"""The file that makes a folder a converted model."""
FORMAT = 1
"""Version of what :func:`convert` writes; part of the name of the cache folder."""
_BY: Final = "the variable XLNER_CACHE"
UNUSED_DAYS: Final = 60
"""Converted models that were not used for so long are removed: they can be made again."""


def cache_folder() -> Path:
    """Return the folder that converted models are kept in.

    Raises:
        ConfigError: If none is named and the user has no home, as in some containers.
    """
    named = os.environ.get("XLNER_CACHE")
    if named:
        return Path(named) / "ctranslate2"
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "xlner" / "ctranslate2"
    except RuntimeError as error:
        raise ConfigError(
            f"there is no home to keep converted models in; {_BY} names a folder for them"
        ) from error


def converted(
    folder: Path,
    quantization: str,
    cache: Path | None = None,
    make: Callable[[Path, Path, str], None] | None = None,
) -> Path:
    """Return the CTranslate2 model for a checkpoint, converting it on first use.

    Args:
        folder: A Transformers checkpoint; an already converted folder is returned as it is.
        quantization: As CTranslate2 names it: ``int8``, ``int8_float16``, ``float32`` …
        cache: Where converted models are kept; default :func:`cache_folder`.
        make: Converts a checkpoint into a folder; default :func:`convert`, for translators.

    Returns:
        A folder with ``model.bin``, its vocabulary and the tokeniser files.

    Raises:
        ModelError: If the folder cannot be converted.
    """
    if is_converted(folder):
        return folder
    identity = [FORMAT, fingerprint_of(folder, cache), quantization]
    return kept(identity, cache, lambda output: (make or convert)(folder, output, quantization))


def fingerprint_of(folder: Path, cache: Path | None = None) -> str:
    """Return the hash of a checkpoint; hashes of its files are kept in the cache.

    Raises:
        DiskError: If there is no cache and cannot be one.
    """
    cache = cache or cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # a home that is not there, or no folder
        raise DiskError(
            f"{cache}: {os.strerror(error.errno or 0).lower()}; this is where converted models are "
            f"kept: {_BY} names another folder than ~/.cache/xlner"
        ) from error
    hashes = FileHashes(cache / ".hashes.json")
    found = hashes.of(folder)
    hashes.save()
    return found


def kept(identity: list[Any], cache: Path | None, make: Callable[[Path], None]) -> Path:
    """Return the folder that is kept for ``identity``, made on first use.

    Args:
        identity: What decides the content, besides the version of CTranslate2.
        cache: Where converted models are kept; default :func:`cache_folder`.
        make: Fills a folder that does not exist yet; writes the file :data:`NOTE` last.
    """
    cache = cache or cache_folder()
    final = cache / fingerprint([*identity, version("ctranslate2")])[:32]
    _clear_away(cache)
    if not (final / NOTE).is_file():
        _remove_unused(cache)
        with disk_errors(cache, "the cache of converted models", _BY):
            _make(cache, final, make)
    with suppress(OSError):  # of a cache that cannot be written to, nothing is removed either
        os.utime(final)
    return final


def _remove_unused(cache: Path) -> None:
    for model in cache.glob("[0-9a-f]" * 32):
        with suppress(OSError):  # another process may be at it
            if model.stat().st_mtime < time.time() - UNUSED_DAYS * 24 * 3600:
                shutil.rmtree(model)


def _make(cache: Path, final: Path, make: Callable[[Path], None]) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    mine = f".{final.name}.{platform.node()}.{os.getpid()}."
    temporary = Path(tempfile.mkdtemp(prefix=mine, dir=cache))
    try:
        make(temporary / "model")
        sync_tree(temporary / "model")
        try:
            (temporary / "model").rename(final)
        except OSError:
            # Another process was quicker; what it made is the same.
            if not (final / NOTE).is_file():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _clear_away(cache: Path) -> None:
    """Remove what killed processes of this machine left half made, whatever it was to become.

    A worker may outlive its killed run for a moment, so one look by the next run is not enough.
    """
    half_made = re.compile(rf"\.[0-9a-f]{{32}}\.{re.escape(platform.node())}\.(\d+)\..+")
    for left in cache.glob(".*"):
        found = half_made.fullmatch(left.name)
        if found and not is_alive(int(found[1])):
            shutil.rmtree(left, ignore_errors=True)


def is_converted(folder: Path) -> bool:
    """Return whether a folder holds a CTranslate2 model (not a PyTorch one of the same name)."""
    return (folder / CONVERTED).is_file() and any(folder.glob("*vocabulary.*"))


def convert(folder: Path, output: Path, quantization: str) -> None:
    """Convert a Transformers checkpoint; ``output`` must not exist.

    Raises:
        ModelError: If it is of a kind that cannot be converted, or its weights are damaged.
    """
    from ctranslate2.converters import TransformersConverter

    languages = Languages(folder)

    class Converter(TransformersConverter):
        def load_tokenizer(self, tokenizer_class: object, name: str, **kwargs: object) -> Any:
            tokenizer = load_tokenizer(Path(name), languages.family)
            if languages.family == "bart" and tokenizer.bos_token is None:
                tokenizer.bos_token = tokenizer.eos_token  # CTranslate2 wants one, and uses none
            return tokenizer

        def load_model(self, model_class: object, name: str, **kwargs: object) -> Any:
            model = super().load_model(model_class, name, **kwargs)
            if languages.family == "mbart50" and not hasattr(model.config, "normalize_before"):
                model.config.normalize_before = True  # as on the hub; transformers 5 drops it
            if languages.family == "bart":
                model.config.normalize_before = False
            return model

    convert_by(Converter, folder, output, quantization)
    if languages.family == "mbart50":
        # The converter takes it for mBART-25 where config.json does not name the tokeniser, and
        # the tokeniser need not name a start.
        _set(output / "config.json", decoder_start_token="</s>", bos_token="<s>")
    note: dict[str, Any] = {"family": languages.family, "max_positions": max_positions(folder)}
    if languages.prefixes:
        note["prefixes"] = languages.prefixes
    (output / NOTE).write_text(json.dumps(note), encoding="utf-8")


def convert_by(converter: Callable[[str], Any], folder: Path, output: Path, how: str) -> None:
    """Convert a checkpoint by a converter of CTranslate2; copy its tokeniser's files beside it.

    Raises:
        ModelError: If that cannot be done.
    """
    refuse_pickled_weights(folder)
    try:
        converter(str(folder)).convert(str(output), quantization=how)
    except Exception as error:  # whatever transformers, safetensors or the converter met
        shutil.rmtree(output, ignore_errors=True)
        raise ModelError(f"{folder}: cannot be converted for CTranslate2: {error}") from error
    for file in tokenizer_files(folder):
        shutil.copyfile(file, output / file.name)


def _set(file: Path, **values: Any) -> None:
    found = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(found | values, indent=2), encoding="utf-8")


def max_positions(folder: Path) -> int:
    """Return how many tokens, special ones included, a model can read or write."""
    note = folder / NOTE
    if note.is_file():
        return int(json.loads(note.read_text(encoding="utf-8"))["max_positions"])
    limits = []
    for name, key in (
        ("config.json", "max_position_embeddings"),
        ("tokenizer_config.json", "model_max_length"),
        ("config.json", "n_positions"),
    ):
        file = folder / name
        if file.is_file():
            value = json.loads(file.read_text(encoding="utf-8")).get(key)
            # A tokeniser without a limit says so with an astronomic number.
            if isinstance(value, int | float) and 0 < value < 1_000_000:
                limits.append(int(value))
    return min(limits) if limits else 512


def load_tokenizer(folder: Path, family: Family) -> Any:
    """Load a tokeniser from local files."""
    import transformers
    from transformers import M2M100Tokenizer

    if family != "m2m100":
        names = {known: name for name, known in TOKENIZERS.items()}
        kind = getattr(transformers, names.get(family, "PreTrainedTokenizerFast"))
        return kind.from_pretrained(folder, local_files_only=True)
    tokenizer = M2M100Tokenizer.from_pretrained(folder, local_files_only=True)
    if all(t in tokenizer.all_special_tokens for t in tokenizer.lang_token_to_id):
        return tokenizer
    # transformers 5 only knows the language tokens if the folder lists them; hub files do, files
    # that it has saved itself may not.
    tokens = list(tokenizer.lang_token_to_id)
    return M2M100Tokenizer.from_pretrained(
        folder, local_files_only=True, additional_special_tokens=tokens
    )
