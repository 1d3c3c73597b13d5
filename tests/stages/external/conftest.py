"""Fixtures: a tiny encoder, and a spaCy pipeline that knows the toy places and people."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny.encoders import build_family


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_family("bert", tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spacy = pytest.importorskip("spacy", reason="spacy is not installed")
    nlp = spacy.blank("de")
    ruler = nlp.add_pipe("entity_ruler")
    places = ("Paris", "New York", "Kisumu", "Bonn", "Accra")
    people = ("Anna Meier", "Juan", "Li Wei", "Olga Petrova")
    ruler.add_patterns(
        [{"label": "GPE", "pattern": p} for p in places]
        + [{"label": "PERSON", "pattern": p} for p in people]
        + [{"label": "DATE", "pattern": "today"}]
    )
    folder = tmp_path_factory.mktemp("spacy") / "pipeline"
    nlp.to_disk(folder)
    return folder
