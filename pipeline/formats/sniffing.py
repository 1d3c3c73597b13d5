"""Whether a text file of unknown content is CoNLL, one word a line, or plain text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from pipeline.config import DataSource
from pipeline.errors import DataError
from pipeline.formats.format import Sample
from pipeline.formats.layout import DOCSTART, MARKS, Layout, detect_layout
from pipeline.formats.notation import OUTSIDE

_LONG_WORD: Final = 40
_ENOUGH: Final = 8
_FINAL: Final = frozenset(".!?…。！？؟।॥")
# Scripts without spaces between words: a line of them is a sentence, not a word.
_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_UNSPACED_WORD: Final = 8


def looks_like_conll(sample: Sample) -> bool:
    """Whether rows have equal widths and one column of tags, or hold one word each.

    A single word that looks like a tag (``S-Bahn``, ``O``, ``E-mail``) makes no column of tags.
    """
    lines = [line for _, line in sample.lines]
    rows = [li for li in lines if li.strip() and li[0] != "#" and li not in MARKS]
    rows = [li for li in rows if li[:10].upper() != DOCSTART]
    if not rows:
        return False
    if all(len(r.split()) == 1 for r in rows):
        return _has_a_word_a_line(lines) or _has_tags(sample, rows)
    return _has_tags(sample, rows)


def _has_tags(sample: Sample, rows: list[str]) -> bool:
    source = DataSource(encoding=sample.encoding)
    try:
        layout = detect_layout(sample.path, source, quick=True)
    except DataError as error:
        # So do columns of Portuguese, where "o" is a word: there, too, the rows must convince.
        if "columns hold tags" not in str(error):
            return False
        layout = detect_layout(sample.path, source, quick=True, labelled=False)
    parts = [p for p in map(layout.split, rows) if layout.fits(p)]
    if len(parts) < len(rows) * 0.9:
        return False
    if layout.key or layout.known or layout.header is not None:
        return True
    columns = range(layout.width) if layout.tag is None else [layout.tag]
    return any(_convinces(parts, replace(layout, tag=c)) for c in columns)


def _convinces(parts: list[list[str]], layout: Layout) -> bool:
    """Whether so few rows as there may be are evidence enough."""
    tags = [p[layout.tag or 0].strip() for p in parts]
    inside = [t for t in tags if t not in OUTSIDE]
    if not inside:
        few = 3 if (layout.width, layout.tag) == (2, 1) else _ENOUGH
        return len(tags) >= few and layout.tag != 0
    if len(inside) < len(tags) and len(tags) >= _ENOUGH:
        return True
    # A column of few words may begin with O and S-Bahn. Types are written in capitals; B and I are
    # no beginning of a word.
    alike = all(t == t.upper() and any(map(str.isalpha, t[1:])) for t in inside)
    begins = all(t[:1] in "BIbi" and not t[1:2].isalpha() for t in inside)
    if max(map(len, inside)) == 1:  # "Vitamin B"
        begins = len(inside) * 2 <= len(tags)
        alike = False
    return (alike or begins) and (len(inside) < len(tags) or layout.width <= 3)


def _has_a_word_a_line(lines: list[str]) -> bool:
    """Whether there are blank lines between groups of lines of one word each."""
    groups: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            groups[-1].append(line.strip())
        elif groups[-1]:
            groups.append([])
    groups = [g for g in groups if g]
    words = [w for g in groups for w in g]
    if len(words) < 2 * len(groups) or (len(groups) < 2 and len(words) < 4):
        return False
    if any(len(w) > (_UNSPACED_WORD if _UNSPACED.search(w) else _LONG_WORD) for w in words):
        return False
    ends = [g[-1] for g in groups]
    alone = sum(len(w) == 1 and w in _FINAL for w in ends)
    attached = sum(len(w) > 1 and w[-1] in _FINAL for w in words)
    if alone * 2 >= len(groups):
        return True
    return len(groups) > 1 and attached * 10 <= len(words)
