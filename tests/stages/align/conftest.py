from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from tests.shared_data import shared_data
from tests.tiny.encoders import build_bert, build_xlmr
from tests.tiny.text import sentences

Pairs = list[tuple[list[str], list[str]]]


def split(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


@pytest.fixture(scope="session")
def made_up() -> Pairs:
    """Pairs of made-up sentences of 1 to 14 words."""
    first, second = sentences(120, seed=1), sentences(120, seed=2)
    return [(split(a), split(b)) for a, b in zip(first, second, strict=True)]


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 4 layers that takes 64 tokens."""
    folder = tmp_path_factory.mktemp("models") / "bert"
    return build_bert(folder, sentences(400), positions=64)


@pytest.fixture(scope="session")
def xlmr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An XLM-R-like encoder of 3 layers that takes 128 tokens."""
    return build_xlmr(tmp_path_factory.mktemp("models") / "xlmr", sentences(400), positions=128)


@pytest.fixture(scope="session")
def real_pairs() -> Pairs:
    """520 real English-German pairs (Tatoeba), of at most 20 words a side."""
    archive = shared_data("parallel", "tatoeba", "eng-deu.zip")
    with zipfile.ZipFile(archive) as file:
        lines = file.read("deu.txt").decode().splitlines()
    # The file is sorted by length; a stride gives sentences of all lengths.
    rows = (line.split("\t")[:2] for line in lines[:: len(lines) // 700])
    pairs = [(split(a), split(b)) for a, b in rows]
    return [p for p in pairs if max(map(len, p)) <= 20][:520]


@pytest.fixture(scope="session")
def long_pairs() -> Pairs:
    """120 real English-German pairs from the news."""
    folder = shared_data("parallel", "wmt-news")
    sides = [
        (folder / name).read_text(encoding="utf-8").splitlines()
        for name in ("newstest2021.en-de.src.en", "newstest2021.en-de.ref.A.de")
    ]
    return [(split(a), split(b)) for a, b in zip(*sides, strict=True)][:120]


@pytest.fixture(scope="session")
def real_bert(tmp_path_factory: pytest.TempPathFactory, real_pairs: Pairs) -> Path:
    """A BERT whose vocabulary comes from real text, for 512 tokens."""
    text = (" ".join(side) for pair in real_pairs for side in pair)
    return build_bert(tmp_path_factory.mktemp("models") / "real", text)
