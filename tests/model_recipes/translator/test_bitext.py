"""Pairs as words: written out as they were, varied on both sides alike."""

from __future__ import annotations

import random
import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from model_recipes.translator.bilingual import Bilingual, Templates
from model_recipes.translator.bitext import Bitext, Phrase, SpacedWords
from model_recipes.translator.config import AugmentationConfig
from model_recipes.translator.tags import choose, consistent_phrases, tagged
from model_recipes.translator.variation import Variation

TEXT = st.text("abAB Ü'’-.,!?()\"19_", max_size=40).map(lambda text: " ".join(text.split()))
TAG = re.compile(r" ?(<(/?)([a-j])>)")


@given(TEXT)
def test_a_side_gives_back_its_text(text: str) -> None:
    assert SpacedWords.of(text).text() == text


@given(TEXT, st.data())
def test_tags_are_taken_out_without_a_trace(text: str, data: st.DataObject) -> None:
    side = SpacedWords.of(text)
    if not side.words:
        return
    start = data.draw(st.integers(0, len(side.words) - 1))
    end = data.draw(st.integers(start + 1, len(side.words)))
    pair = Bitext.of("de", text, text, [Phrase(start, end, start, end)])
    marked, _ = tagged(pair, pair.phrases, [0])
    assert TAG.sub("", marked).lstrip(" ") == text
    assert [m[1] for m in TAG.finditer(marked)] == ["<a>", "</a>"]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12, unique=True),
)
def test_consistent_phrases_have_no_link_that_leaves_them(links: list[tuple[int, int]]) -> None:
    for a, a_end, b, b_end in consistent_phrases(links, 6, 6):
        inside = [(a <= i < a_end, b <= j < b_end) for i, j in links]
        assert all(x == y for x, y in inside)
        assert any(x for x, _ in inside)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12, unique=True),
    st.integers(0, 1000),
)
def test_chosen_phrases_nest_alike(links: list[tuple[int, int]], seed: int) -> None:
    words = " ".join("abcdef")
    found = consistent_phrases(links, 6, 6)
    chosen = choose(found, 6, random.Random(seed))
    pair = Bitext.of("de", words, words, chosen)
    structures = []
    for text in tagged(pair, chosen, range(len(chosen))):
        opened: list[str] = []
        parents = {}
        for match in TAG.finditer(text):
            if match[2]:
                assert opened.pop() == match[3], text
            else:
                parents[match[3]] = opened[-1] if opened else ""
                opened.append(match[3])
        assert not opened
        structures.append(parents)
    assert structures[0] == structures[1]


def test_replacing_moves_what_stands_behind() -> None:
    pair = Bitext.of("de", "Tom saw the old house", "Tom sah das alte Haus", [Phrase(3, 5, 3, 5)])
    pair.replace(Phrase(0, 1, 0, 1), ["Kofi", "Annan"], ["Kofi", "Annan"])
    assert pair.source.text() == "Kofi Annan saw the old house"
    assert pair.phrases == [Phrase(4, 6, 4, 6), Phrase(0, 2, 0, 2)]
    assert pair.names == [Phrase(0, 2, 0, 2)]


class Known:
    names = frozenset({"Tom", "Mary", "Jackson"})
    lower = frozenset({"the"})


class Fixed:
    def __init__(self, *names: str) -> None:
        self.names = names

    def draw(self, rng: random.Random, invented_share: float) -> str:
        return rng.choice(self.names)

    def of_type(self, kind: str, rng: random.Random, invented_share: float) -> str:
        return rng.choice(self.names)


def quiet(**shares: float) -> AugmentationConfig:
    none = dict.fromkeys(AugmentationConfig.model_fields, 0.0)
    return AugmentationConfig.model_validate(none | {"chain_words": 60} | shares)


PLACES = [("de", "city", "Munich", "München"), ("de", "country", "Ivory Coast", "Elfenbeinküste")]


def varied(
    mix: AugmentationConfig, source: str, target: str, seed: int = 1, **kwargs: object
) -> tuple[str, str]:
    maker = Variation(
        Known,  # type: ignore[arg-type]
        Fixed("Boston Smith", "Jonas"),
        Bilingual(PLACES),
        Templates.shipped(),
        mix,
    )

    def draw() -> Bitext:
        return Bitext.of("de", source, target)

    return maker.vary(draw(), draw, random.Random(seed))


def test_nothing_is_varied_without_a_share() -> None:
    pair = ("Tom lives in Munich.", "Tom wohnt in München.")
    assert varied(quiet(), *pair) == pair


def test_names_change_on_both_sides_with_their_genitive() -> None:
    pair = ("Tom's son met Mary Jackson.", "Toms Sohn traf Mary Jackson.")
    seen = set()
    for seed in range(20):
        source, target = varied(quiet(substitute_names=1.0), *pair, seed=seed)
        match = re.fullmatch(r"(.+)'s son met (.+)\.", source)
        assert match
        ending = "'" if match[1].endswith("s") else "s"
        assert target == f"{match[1]}{ending} Sohn traf {match[2]}."
        seen.add(source)
    assert len(seen) == 4


def test_places_change_each_side_in_its_language() -> None:
    pair = ("He left Munich.", "Er verließ München.")
    assert varied(quiet(substitute_places=1.0), *pair) == pair  # the only city
    source, target = varied(quiet(name_lists=1.0), *pair, seed=3)
    assert source.count("Munich") == target.count("München")
    assert source.count("Ivory Coast") == target.count("Elfenbeinküste")


def test_slots_stand_in_for_the_same_names_on_both_sides() -> None:
    pair = ("Tom's son met Mary Jackson.", "Toms Sohn traf Mary Jackson.")
    for seed in range(30):
        source, target = varied(quiet(slots=1.0), *pair, seed=seed)
        slots = [Counter(re.findall(r"__SLOT\d__", text)) for text in (source, target)]
        assert slots[0] == slots[1]
        assert slots[0]
        assert set(slots[0].values()) == {1}


def test_templates_have_the_same_fields_in_every_language() -> None:
    templates = Templates.shipped()
    fields = re.compile(r"\{[A-Z]\}")
    for row in templates._rows:
        kinds = {code: fields.findall(text) for code, text in row.items()}
        assert len({tuple(found) for found in kinds.values()}) == 1, row


def test_joined_pairs_reach_the_length_that_was_asked_for() -> None:
    pair = ("The dog ran.", "Der Hund lief.")
    source, target = varied(quiet(concatenate=1.0), *pair, seed=2)
    assert len(source.split()) >= 10
    assert source.casefold().count("dog") == target.count("Hund")
