"""Entity substitution."""

from __future__ import annotations

import random
import re

import pytest

from model_recipes.translator.bitext import Bitext
from model_recipes.translator.config import AugmentationConfig
from model_recipes.translator.names import Gazetteer, NameFinder
from model_recipes.translator.variation import Variation
from stages.text_sources import TextPair

PAIRS = [
    TextPair("de", "Tom lives in Boston.", "Tom wohnt in Boston."),
    TextPair("de", "Was Tom here?", "War Tom hier?"),
    TextPair("de", "Was it cold in Germany?", "Was war in Deutschland kalt?"),
    TextPair("de", "I was in Germany.", "Ich war in Deutschland, was?"),
    TextPair("de", "Mary Jackson met Tom.", "Mary Jackson traf Tom."),
    TextPair("de", "Tom told Tom's son.", "Tom sagte es Toms Sohn."),
]


@pytest.fixture
def finder() -> NameFinder:
    return NameFinder(PAIRS)


def shared(finder: NameFinder, pair: TextPair) -> list[str]:
    variation = Variation(finder, None, None, None, AugmentationConfig())
    text = Bitext.of(*pair)
    return [" ".join(text.source.words[p[0] : p[1]]) for p, _ in variation.shared_names(text)]


def test_names_are_words_that_translations_keep(finder: NameFinder) -> None:
    assert shared(finder, PAIRS[0]) == ["Tom", "Boston"]
    # `Was` is on both sides, but it is no name; `Germany` is one that changes.
    assert shared(finder, PAIRS[2]) == []
    assert "Germany" in finder.translated


def test_neighbouring_names_are_one(finder: NameFinder) -> None:
    assert shared(finder, PAIRS[4]) == ["Mary Jackson", "Tom"]


def test_a_name_that_occurs_twice_is_left_alone(finder: NameFinder) -> None:
    assert shared(finder, PAIRS[5]) == []


def test_the_gazetteer_leaves_out_what_is_translated_and_what_is_no_name() -> None:
    entities = [
        ("LOC", "Germany"),
        ("LOC", "Oslo"),
        ("PER", "Kofi Annan"),
        ("ORG", "a band"),
        ("ORG", "東京"),
        ("ORG", "The Very Long Name Of Something"),
    ]
    gazetteer = Gazetteer(entities, exclude={"Germany"})
    assert gazetteer.by_type == {"LOC": ["Oslo"], "PER": ["Kofi Annan"]}
    assert len(gazetteer) == 2


def test_invented_names_look_like_names_and_follow_the_seed() -> None:
    gazetteer = Gazetteer(
        [("PER", f"{a} {b}") for a in ("Kofi", "Sanna") for b in ("Annan", "Marin")]
    )
    made = [gazetteer.invented(random.Random(n)) for n in range(50)]
    assert made == [gazetteer.invented(random.Random(n)) for n in range(50)]
    assert len(set(made)) > 10
    abbreviation = re.compile(r"[A-Z]{2,5}|[A-Z](\.[A-Z]){1,2}\.")
    names = [name for name in made if not abbreviation.fullmatch(name)]
    assert 40 <= len(names) < 50, "about one in ten is an abbreviation"
    assert all(word.istitle() and word.isalpha() for name in names for word in name.split())
    assert gazetteer.draw(random.Random(1), 0.0) in gazetteer.by_type["PER"]
