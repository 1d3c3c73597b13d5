"""Data sets of the Hugging Face hub, and folders that ``save_to_disk`` wrote."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from pipeline.errors import DataError, first_line, suggest
from pipeline.formats.columns import RecordReader
from pipeline.formats.format import RECORDS, Format, Request, Sample
from pipeline.formats.parquet import checked_records, class_labels
from pipeline.formats.report import RawSentence, ReadReport
from pipeline.formats.splits import has_splits

if TYPE_CHECKING:
    import datasets

_BATCH: Final = 1000
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


class Hub(Format):
    """A data set of the hub, or a folder that ``save_to_disk`` wrote."""

    about: ClassVar[str] = "HF data sets: a hub id, or a folder that save_to_disk wrote"
    options: ClassVar[frozenset[str]] = RECORDS
    takes_folders: ClassVar[bool] = True

    def __init__(self, request: Request, report: ReadReport) -> None:
        super().__init__(request, report)
        source = request.source
        if request.path is not None:
            self._data = open_saved(request.path, source.split)
            return
        if not source.hub:
            raise DataError("a data source needs a path or a hub data set; it has neither")
        split = source.split or "train"
        config = f"[{source.hub_config}]" if source.hub_config else ""
        self.where = f"hub:{source.hub}{config}/{split}"
        self._data = open_hub(
            source.hub, config=source.hub_config, split=split, revision=source.revision
        )
        report.commit = commit_of(self._data)

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether it is a folder that ``save_to_disk`` wrote."""
        return sample.is_folder and is_saved_dataset(sample.path)

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield one sentence per row, batch by batch.

        Raises:
            DataError: If the columns do not fit.
        """
        names = class_labels(self._data.features.arrow_schema)
        reader = RecordReader(self.request, report, self.where, names=names)
        batches = self._data.with_format("arrow").iter(batch_size=_BATCH)
        for row, record in enumerate(checked_records(batches, self.where), 1):
            yield reader(record, row)


def is_saved_dataset(path: Path) -> bool:
    """Whether ``path`` is a folder that ``save_to_disk`` wrote."""
    return has_splits(path) or (path / "state.json").is_file()


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
    try:
        loaded = datasets.load_from_disk(str(path))
    except Exception as error:  # whatever datasets trips over in a damaged folder
        raise DataError(f"{path}: a damaged data set folder: {first_line(error)}") from error
    if isinstance(loaded, datasets.DatasetDict):
        names = sorted(map(str, loaded))
        if split not in loaded:
            wrong = f"no split {split!r}" if split else "a data set of several splits"
            raise DataError(f"{path}: {wrong}; set split to one of: {', '.join(names)}")
        return loaded[split]
    return loaded


def open_hub(
    name: str, *, config: str | None, split: str, revision: str | None
) -> datasets.Dataset:
    """Open a data set of the hub; without a network, from the local cache.

    Raises:
        DataError: If it cannot be had, has no such configuration or split, or the cache holds
            another revision than the commit that was asked for.
    """
    import datasets

    what = f"hub:{name}" + (f"[{config}]" if config else "")
    try:
        data = datasets.load_dataset(name, config, split=split, revision=revision)
    except (OSError, ValueError, RuntimeError) as error:
        # Not found, offline, unknown configuration or split, a loading script: all in one family.
        raise DataError(f"{what}: cannot load split {split!r}: {first_line(error)}") from error
    commit = commit_of(data)
    if commit and revision and _COMMIT.fullmatch(revision) and commit != revision:
        raise DataError(
            f"{what}: the hub cannot be reached, and the local cache holds revision {commit}, "
            f"not {revision}"
        )
    return data


def commit_of(data: datasets.Dataset) -> str | None:
    """Return the hub commit that a loaded data set comes from, if its cache folder tells."""
    # datasets keeps what it prepared in <data set>/<configuration>/<version>/<commit>/.
    folders = {Path(f["filename"]).parent.name for f in data.cache_files}
    commit = folders.pop() if len(folders) == 1 else ""
    return commit if _COMMIT.fullmatch(commit) else None


def hub_problem(
    name: str, *, config: str | None, split: str, revision: str | None
) -> tuple[str, str] | None:
    """Look a data set up in the local cache, and on the hub only if it is not there.

    Returns:
        The field of the data source that is wrong, and a message; or ``None``.
    """
    cached = _cached(name)
    kept = cached.get(config) if config else next(iter(cached.values()), None)
    if kept is not None and (config or len(cached) == 1):
        return _split_problem(
            name, split, (json.loads(kept.read_text(encoding="utf-8")).get("splits") or {})
        )
    return _problem_on_hub(name, config, split, revision, sorted(cached))


def _cached(name: str) -> dict[str, Path]:
    """Return the ``dataset_info.json`` of each configuration in the cache, without any import."""
    import huggingface_hub.constants as hf

    cache = os.environ.get("HF_DATASETS_CACHE") or Path(hf.HF_HOME) / "datasets"
    # As datasets names the folder: org___data_set.
    *namespace, last = name.split("/")
    last = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", last)
    last = re.sub(r"([a-z\d])([A-Z])", r"\1_\2", last).lower()
    found = Path(cache).glob(f"{'___'.join([*namespace, last])}/*/*/*/dataset_info.json")
    newest = sorted(found, key=lambda p: p.stat().st_mtime)
    return {p.parent.parent.parent.name: p for p in newest}


def _problem_on_hub(
    name: str, config: str | None, split: str, revision: str | None, cached: list[str]
) -> tuple[str, str] | None:
    import datasets
    import huggingface_hub.constants as hf

    if hf.HF_HUB_OFFLINE:
        if cached:
            return "hub_config", (
                f"offline, and the local cache has {name!r} only for {', '.join(cached)}"
            )
        return "hub", f"offline, and {name!r} is not in the local cache"
    try:
        builder = datasets.load_dataset_builder(name, config, revision=revision)
    except datasets.exceptions.DatasetNotFoundError as error:
        return "hub", f"{name!r}: {first_line(error)}"
    except OSError as error:
        return "hub", (
            f"{name!r} is not in the local cache, and the hub cannot be reached: "
            f"{first_line(error)}"
        )
    except (ValueError, RuntimeError) as error:
        # For an unknown configuration, datasets says which ones there are.
        return "hub_config" if config else "hub", f"{name!r}: {' '.join(str(error).split())}"
    return _split_problem(name, split, builder.info.splits or {})


def _split_problem(name: str, split: str, known: Collection[str]) -> tuple[str, str] | None:
    # A split may be a slice (train[:10%]) or a sum (train+test) of splits.
    wanted = [re.split(r"\[", part)[0].strip() for part in split.split("+")]
    bad = next((w for w in wanted if known and w != "all" and w not in known), None)
    if bad is None:
        return None
    return "split", (
        f"{name!r} has no split {bad!r}{suggest(bad, known)}; allowed: {', '.join(known)}"
    )
