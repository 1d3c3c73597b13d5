"""A tagger in a spaCy pipeline: entities with scores, batches, saved and read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ModelError
from stages.tagger.tagger import Tagger
from tests.tiny.encoders import build_family
from tests.tiny.text import LABELS

spacy = pytest.importorskip("spacy", reason="spacy is not installed")
import xlner.spacy_component  # noqa: E402  (worktrees have no entry points of their own)

TEXTS = ["Anna Meier lives in Paris.", "in New York it rains", "", "Juan  met\nTom !"]
# Subwords are not learnt the same way twice, so that few sentences may have few entities.
TEXTS += ["Juan met Anna in New York, Tom met Maria in Paris", "Tom lives in Rome with Anna Meier"]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from stages.tagger.modeling import LayerFusedForTokenClassification as Model

    bert = build_family("bert", tmp_path_factory.mktemp("families"))
    torch.manual_seed(4)
    model = Model.from_encoder(bert, LABELS, fusion="none")
    model.classifier.weight.data.normal_(std=2.0)
    folder = tmp_path_factory.mktemp("tagger")
    model.save_pretrained(folder)
    from stages.tagger.encoding import load_tokenizer

    load_tokenizer(bert).save_pretrained(folder)
    return folder


@pytest.fixture
def nlp(tagger: Path) -> Any:
    made = spacy.blank("de")
    made.add_pipe("xlner", config={"model": str(tagger)})
    return made


def entities(docs: Any) -> list[list[tuple[int, int, str, Any]]]:
    """Return entities with scores that are equal up to what another batch changes in bfloat16."""
    return [
        [(e.start, e.end, e.label_, pytest.approx(e._.score, abs=2e-3)) for e in d.ents]
        for d in docs
    ]


def plain(docs: Any) -> list[list[tuple[int, int, str, float]]]:
    return [[(e.start, e.end, e.label_, e._.score) for e in d.ents] for d in docs]


def test_it_says_what_the_tagger_says_of_spacys_words(nlp: Any, tagger: Path) -> None:
    found = plain(nlp.pipe(TEXTS, batch_size=3))
    assert found == entities(map(nlp, TEXTS)) and sum(map(len, found)) > 3
    assert nlp.get_pipe("xlner").labels == ("LOC", "PER")
    words = [[t.text for t in nlp.make_doc(text) if not t.is_space] for text in TEXTS[:2]]
    ours = Tagger.from_pretrained(tagger).predict(words)
    expected = [
        [(e.start, e.end, e.type, pytest.approx(e.score, abs=2e-3)) for e in s] for s in ours
    ]
    assert found[:2] == expected
    last = nlp(TEXTS[3])
    assert any(t.is_space for t in last), "white space that no entity may begin with"
    assert all(not e[0].is_space for e in last.ents)


def test_it_is_saved_with_the_pipeline(nlp: Any, tagger: Path, tmp_path: Path) -> None:
    expected = entities(nlp.pipe(TEXTS))
    nlp.to_disk(tmp_path / "saved")
    config = (tmp_path / "saved" / "config.cfg").read_text()
    (tmp_path / "saved" / "config.cfg").write_text(config.replace(str(tagger), "gone"))
    moved = (tmp_path / "saved").rename(tmp_path / "moved")
    again = spacy.load(moved)
    assert plain(again.pipe(TEXTS)) == expected
    blank = spacy.blank("de")
    blank.add_pipe("xlner")
    assert plain(blank.from_bytes(nlp.to_bytes()).pipe(TEXTS)) == expected


def test_entities_that_are_there_can_stay(tagger: Path) -> None:
    made = spacy.blank("de")
    made.add_pipe("entity_ruler").add_patterns([{"label": "WORK", "pattern": "lives in"}])
    made.add_pipe("xlner", config={"model": str(tagger), "keep": True})
    found = [e.label_ for e in made("Anna Meier lives in Paris.").ents]
    assert "WORK" in found


def test_without_a_model_it_says_what_to_do() -> None:
    made = spacy.blank("de")
    made.add_pipe("xlner")
    with pytest.raises(ModelError, match="has no model: nlp.add_pipe"):
        made("Anna")


def test_the_entry_point_is_declared() -> None:
    import tomllib

    root = Path(__file__).parents[2]
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    factory = declared["project"]["entry-points"]["spacy_factories"]["xlner"]
    assert factory == f"{xlner.spacy_component.__name__}:{xlner.spacy_component.make.__name__}"
