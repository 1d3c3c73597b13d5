"""Data sets of the Hugging Face hub, and folders that ``save_to_disk`` wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError, suggest
from pipeline.formats.columns import RecordReader
from pipeline.formats.report import RawSentence

if TYPE_CHECKING:
    import datasets

_BATCH = 1000


def is_saved_dataset(path: Path) -> bool:
    """Whether ``path`` is a folder that ``save_to_disk`` wrote."""
    return (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()


def open_saved(path: Path, split: str | None) -> datasets.Dataset:
    """Open a folder that ``save_to_disk`` wrote.

    Raises:
        DataError: If it is no such folder, or has no such split.
    """
    import datasets

    if not path.exists():
        raise DataError(f"{path}: folder not found")
    if not is_saved_dataset(path):
        raise DataError(f"{path}: not a folder that save_to_disk wrote (no state.json in it)")
    loaded = datasets.load_from_disk(str(path))
    if isinstance(loaded, datasets.DatasetDict):
        names = sorted(map(str, loaded))
        if split not in loaded:
            raise DataError(f"{path}: no split {split!r}; set split to one of: {', '.join(names)}")
        return loaded[split]
    return loaded


def open_hub(
    name: str, *, config: str | None, split: str, revision: str | None
) -> datasets.Dataset:
    """Open a data set of the hub, from the local cache where it is there.

    Raises:
        DataError: If it cannot be had, or has no such configuration or split.
    """
    import datasets

    what = f"hub:{name}" + (f"[{config}]" if config else "")
    try:
        return datasets.load_dataset(name, config, split=split, revision=revision)
    except (OSError, ValueError, RuntimeError) as error:
        # Not found, offline, unknown configuration or split, a loading script: all in one family.
        raise DataError(f"{what}: cannot load split {split!r}: {_first_line(error)}") from error


def hub_problem(
    name: str, *, config: str | None, split: str, revision: str | None
) -> tuple[str, str] | None:
    """Look up a data set on the hub (or in the cache) without loading it.

    Returns:
        The field of the data source that is wrong and a message, or ``None``. A hub that cannot be
        reached is no problem of the configuration unless offline mode was asked for.
    """
    import datasets
    import huggingface_hub.constants

    offline = huggingface_hub.constants.HF_HUB_OFFLINE
    try:
        builder = datasets.load_dataset_builder(name, config, revision=revision)
    except datasets.exceptions.DatasetNotFoundError as error:
        return "hub", f"{name!r}: {_first_line(error)}"
    except (ValueError, RuntimeError) as error:
        return "hub_config", _unknown_config(name, config, revision, error)
    except OSError as error:
        return ("hub", f"{name!r} is not in the local cache: {error}") if offline else None
    splits = builder.info.splits
    if splits and split.partition("[")[0] not in splits:
        return "split", (
            f"{name!r} has no split {split!r}{suggest(split, splits)}; "
            f"allowed: {', '.join(map(str, splits))}"
        )
    return None


def _unknown_config(name: str, config: str | None, revision: str | None, error: Exception) -> str:
    import datasets

    try:
        known = datasets.get_dataset_config_names(name, revision=revision)
    except (OSError, ValueError, RuntimeError):
        known = []
    if known and config not in known:
        near = suggest(config, known) if config else ""
        return f"{name!r} has no configuration {config!r}{near}; allowed: {', '.join(known)}"
    return f"{name!r}: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def read_raw(
    data: datasets.Dataset,
    origin: str,
    *,
    label_names: Sequence[str] | None = None,
    labelled: bool = True,
) -> Iterator[RawSentence]:
    """Yield the sentences of a loaded data set, batch by batch.

    Raises:
        DataError: If its columns do not fit.
    """
    names = {k: found for k, v in data.features.items() if (found := _class_names(v))}
    reader = RecordReader(origin, names=names, default_names=label_names, labelled=labelled)
    row = 0
    plain = data.with_format("arrow")
    for table in plain.iter(batch_size=_BATCH):
        for record in table.to_pylist():
            row += 1
            yield reader(record, row)


def _class_names(feature: Any) -> list[str] | None:
    import datasets

    if isinstance(feature, datasets.ClassLabel):
        return list(feature.names)
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    return _class_names(inner) if inner is not None else None
