"""Lays out a local cache of hub data sets, as ``datasets`` does, for tests without a network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def go_offline(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Make ``datasets`` use ``cache`` and no network, within this process."""
    import datasets
    import huggingface_hub.constants

    monkeypatch.setenv("HF_DATASETS_CACHE", os.fspath(cache))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", os.fspath(cache))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def add_dataset(
    cache: Path,
    repo: str,
    config: str,
    splits: Mapping[str, list[tuple[list[str], list[str]]]],
    commit: str = COMMIT,
) -> None:
    """Put a data set of words with IOB2 tags into the cache, as ``tokens`` and ``ner_tags``."""
    import datasets
    from datasets.arrow_writer import ArrowWriter

    folder = cache / repo.replace("/", "___") / config / "0.0.0" / commit
    folder.mkdir(parents=True)
    name = repo.rpartition("/")[2]
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=LABELS)),
        }
    )
    infos = {}
    for split, sentences in splits.items():
        path = folder / f"{name}-{split}.arrow"
        with ArrowWriter(features=features, path=os.fspath(path)) as writer:
            for words, tags in sentences:
                writer.write({"tokens": words, "ner_tags": [LABELS.index(t) for t in tags]})
            count, size = writer.finalize()
        infos[split] = datasets.SplitInfo(
            name=split, num_bytes=size, num_examples=count, dataset_name=name
        )
    info = datasets.DatasetInfo(
        features=features,
        splits=datasets.SplitDict(infos, dataset_name=name),
        builder_name="parquet",
        dataset_name=name,
        config_name=config,
        version="0.0.0",
    )
    info.write_to_directory(os.fspath(folder))
