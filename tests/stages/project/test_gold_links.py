"""The benchmark of names carried over gold links: what a name is, and where it belongs."""

from __future__ import annotations

from pathlib import Path

from benchmarks.project.gold_links import carried, find_names, known_names, prepare
from pipeline.formats import PharaohLine
from pipeline.schema import Link, Span


def test_names_are_those_that_are_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "ner/conll/en"
    folder.mkdir(parents=True)
    rows = [("New", "B-LOC"), ("York", "I-LOC"), ("saw", "O"), ("Bonn", "B-ORG"), ("turkey", "O")]
    rows += [("Turkey", "B-LOC"), ("Bonn", "B-LOC"), ("Bonn", "B-LOC"), ("Rome", "B-LOC")]
    text = "".join(f"{word} {tag}\n" for word, tag in rows)
    once = "New B-LOC\nYork I-LOC\nTurkey B-LOC\n"
    (folder / "train.txt").write_text(f"{text}\n{once}\n")
    assert known_names(tmp_path) == {("new", "york"): "LOC", ("bonn",): "LOC"}


def test_longer_names_come_first() -> None:
    names = {("new", "york"): "LOC", ("new", "york", "times"): "ORG", ("bonn",): "LOC"}
    words = ["the", "New", "York", "Times", "in", "New", "York", "and", "bonn"]
    expected = [Span(1, 4, "ORG"), Span(5, 7, "LOC"), Span(8, 9, "LOC")]
    assert find_names(words, names) == expected
    assert find_names(["new"], names) == find_names([], names) == []


def test_only_ranges_that_the_links_of_a_name_fill_are_right() -> None:
    links = [Link(0, 1, 1.0), Link(1, 2, 1.0), Link(2, 4, 1.0), Link(2, 6, 1.0), Link(4, 7, 1.0)]
    gold = PharaohLine(links, [Link(3, 7, 1.0), Link(5, 2, 1.0)])
    assert carried(Span(0, 2, "LOC"), gold) == Span(1, 3, "LOC"), "a possible link is no obstacle"
    assert carried(Span(2, 3, "LOC"), gold) is None, "a gap"
    assert carried(Span(3, 4, "LOC"), gold) is None, "another word is surely linked to it"
    assert carried(Span(6, 7, "LOC"), gold) is None, "no link"
    words = [(["New", "York", "Bonn"], list("abcdefgh"))]
    names = {("new", "york"): "LOC", ("bonn",): "LOC"}
    corpus = prepare("x", words, [gold], names)
    (source,) = corpus.source
    assert (source.spans, corpus.gold) == ([Span(0, 2, "LOC")], [[Span(1, 3, "LOC")]])
