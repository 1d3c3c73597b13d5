"""What taggers learn from the rows of other stages."""

from __future__ import annotations

from typing import Any

from stages.train.config import TrainConfig
from stages.train.data import TrainingSentence
from stages.train.recipe import gold_examples, projected_examples

WORDS = ["Merkel", "wa", "Ujerumani", "alisema", "Berlin"]


def row(*spans: tuple[int, int, str, bool]) -> dict[str, Any]:
    made = [{"start": a, "end": b, "type": t, "score": 0.5, "kept": k} for a, b, t, k in spans]
    return {"id": "s", "words": WORDS, "kept": True, "spans": made}


def learnt(*rows: dict[str, Any], ignored: str = "MISC") -> list[TrainingSentence]:
    return list(projected_examples(lambda: rows, TrainConfig(), [ignored]))


def test_words_of_ignored_types_teach_nothing_where_they_may_be_entities() -> None:
    given = row((0, 1, "PER", True), (1, 3, "MISC", True), (4, 5, "LOC", False))
    (plain,) = learnt(given, ignored="EVENT")
    assert [s.type for s in plain.spans] == ["PER", "MISC"] and plain.mask is None
    (alone,) = learnt(given)  # no word of it is an entity anywhere: it is none here
    assert [s.type for s in alone.spans] == ["PER"] and alone.mask is None
    germany = row((2, 3, "LOC", True))
    (masked, _) = learnt(given, germany)
    assert [s.type for s in masked.spans] == ["PER"] and masked.mask is not None
    assert masked.mask.tolist() == [True, True, False, True, True]
    # A span too doubtful to keep is no proof that its words are nothing.
    (doubted, _) = learnt(row((1, 3, "MISC", False)), germany)
    assert doubted.mask is not None and doubted.mask.tolist() == masked.mask.tolist()
    # A kept entity is learnt whole, whatever lies over it; what is not kept says nothing.
    (crossed,) = learnt(row((2, 3, "LOC", True), (1, 3, "MISC", False)))
    assert crossed.mask is None
    (unheard,) = learnt(given, germany | {"kept": False})
    assert unheard.mask is None


def test_in_gold_text_they_are_no_entities() -> None:
    (example,) = gold_examples([row((0, 1, "PER", True), (1, 3, "MISC", True))], 1.0, ["MISC"])
    assert [s.type for s in example.spans] == ["PER"] and example.mask is None
