"""Columns line up whatever the script, as a terminal counts its cells."""

from __future__ import annotations

import io
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from pipeline.schema import Link, Span
from stages.inspect.pretty import pretty
from stages.inspect.view import View, ViewedSpan

WORDS = [
    "ירושלים",
    "القاهرة",
    "東京",
    "서울",
    "ｗｉｄｅ",
    "e\u0301te\u0301",
    "นิวยอร์ก",
    "\U0001f600",
    "\U00020000",
    "a\u200bb",
    "\u202eabc",
    "\x1b[31mred",
    "plain",
    "Ω",
]


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes, by the tables of Unicode alone."""
    wide = {"W": 2, "F": 2}
    return sum(
        0
        if unicodedata.category(c) in ("Mn", "Me", "Cf")
        else wide.get(unicodedata.east_asian_width(c), 1)
        for c in text
    )


def lines_of(view: View, **options: object) -> list[str]:
    console = Console(file=io.StringIO(), width=400, emoji=False, **options)  # type: ignore[arg-type]
    console.print(pretty(view, all_links=True))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def view_of(source: list[str], target: list[str]) -> View:
    return View(
        id="x",
        lang="he",
        words=target,
        spans=[
            ViewedSpan(Span(i, i + 1, "PER", 0.5), bool(i % 2), None, i, "candidates")
            for i in range(len(target))
        ],
        source_words=source,
        source_spans=[Span(i, i + 1, "PER") for i in range(len(source))],
        source_lang="en",
        links=[Link(i, i, 0.9) for i in range(len(source))],
        kept=True,
    )


texts = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)), min_size=2, max_size=6)


@settings(max_examples=60)
@given(pairs=texts)
def test_columns_begin_in_the_same_cell(pairs: list[tuple[str, str]]) -> None:
    source, target = [a for a, _ in pairs], [b for _, b in pairs]
    rows = [line for line in lines_of(view_of(source, target)) if line.startswith("  PER  ")]
    assert len(rows) == len(pairs)
    assert len({cells(row[: row.index("0.50")]) for row in rows}) == 1


@settings(max_examples=60)
@given(pairs=texts)
def test_a_pipe_gets_no_escapes_and_nothing_that_moves_its_text(
    pairs: list[tuple[str, str]],
) -> None:
    source, target = [a for a, _ in pairs], [b for _, b in pairs]
    text = "\n".join(lines_of(view_of(source, target)))
    assert "\x1b" not in text and "\u202e" not in text
    # Every right-to-left word stands in an isolate of its own, so that what is around it stays.
    depth = 0
    for c in text:
        depth += (c == "\u2068") - (c == "\u2069")
        assert 0 <= depth <= 1
        if unicodedata.bidirectional(c) in ("R", "AL"):
            assert depth == 1
    colours = "\n".join(lines_of(view_of(source, target), force_terminal=True))
    assert "\x1b[" in colours
