"""Shows sentences in a terminal: source above, target below, spans marked and coloured by type.

Nothing depends on colour: a kept span reads ``[Berlin]LOC``, a dropped one ``(Berlin)LOC✗``. Text
that runs from right to left is wrapped in Unicode isolates, so that a terminal which reorders it
does not move what stands around it; cell widths (wide and combining characters) are rich's.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.schema import Link, Span
from pipeline.terminal import printable
from stages.inspect.doubts import CERTAIN, CHOSEN, shown_score
from stages.inspect.view import DOUBTS, Doubt, View, ViewedSpan
from stages.registry import STAGES

_FIXED: Final = {
    "PER": "bold cyan",
    "LOC": "bold green",
    "ORG": "bold yellow",
    "MISC": "bold magenta",
    "DATE": "bold blue",
}
_OTHERS: Final = ("bold bright_cyan", "bold bright_green", "bold bright_yellow", "bold bright_blue")
_RTL: Final = frozenset({"R", "AL", "AN"})

_ISOLATE, _POP = "\u2068", "\u2069"


def style_of(type_: str) -> str:
    """Return the terminal style of an entity type; the same type always has the same."""
    return _FIXED.get(type_) or _OTHERS[zlib.crc32(type_.encode()) % len(_OTHERS)]


def visible(word: str) -> str:
    """Return a word with what would disturb a terminal made visible, line ends too."""
    return printable(word, keep="")


def isolated(text: str) -> str:
    """Return ``text`` in a directional isolate if it holds right-to-left characters."""
    if any(unicodedata.bidirectional(c) in _RTL for c in text):
        return f"{_ISOLATE}{text}{_POP}"
    return text


def entity(words: Sequence[str], span: Span) -> str:
    """Return the words of a span as they are shown."""
    return isolated(" ".join(visible(w) for w in words[span.start : span.end]))


def marked(words: Sequence[str], spans: Sequence[ViewedSpan]) -> Text:
    """Return a sentence with its spans marked; spans may overlap where one was dropped."""
    if not words:
        return Text("(no words)", style="dim")
    opened: dict[int, list[ViewedSpan]] = {}
    closed: dict[int, list[ViewedSpan]] = {}
    for item in spans:
        opened.setdefault(item.span.start, []).append(item)
        closed.setdefault(item.span.end - 1, []).append(item)
    text = Text()
    inside: list[ViewedSpan] = []
    for index, word in enumerate(words):
        if index:
            text.append(" ")
        for item in opened.get(index, []):
            inside.append(item)
            text.append("[" if item.kept else "(", style=_style(item))
        text.append(isolated(visible(word)), style=_style(inside[-1]) if inside else "")
        for item in closed.get(index, []):
            inside.remove(item)
            text.append(f"]{item.span.type}" if item.kept else f"){item.span.type}✗", _style(item))
    return text


def _style(item: ViewedSpan) -> str:
    return style_of(item.span.type) if item.kept else "dim strike"


def pretty(view: View, *, all_links: bool = False) -> RenderableType:
    """Return one sentence for the terminal.

    Args:
        view: The sentence.
        all_links: List every link, not only the chosen ones of entity words.
    """
    head = Text(view.id, style="bold")
    if view.kept is not None:
        head.append("  kept" if view.kept else "  dropped", style="green" if view.kept else "red")
    if view.reason:
        head.append(f": {_explained(view.reason)}")
    lines = Table.grid(padding=(0, 2, 0, 0))
    lines.add_column(no_wrap=True, style="dim")
    lines.add_column(overflow="fold")
    if view.source_words:
        source = [ViewedSpan(s) for s in view.source_spans]
        lines.add_row(view.source_lang or "", marked(view.source_words, source))
    lines.add_row(view.lang, marked(view.words, view.spans))
    parts: list[RenderableType] = [head, Padding(lines, (0, 0, 0, 2), expand=False)]
    entities = _entities(view)
    if entities is not None:
        parts.append(Padding(entities, (0, 0, 0, 2), expand=False))
    for doubt in view.doubts:
        parts.append(Padding(Text(doubt_text(view, doubt), style="yellow"), (0, 0, 0, 2)))
    linked = " ".join(_link_texts(view, all_links))
    if linked:
        links = Table.grid(padding=(0, 2, 0, 0))
        links.add_column(no_wrap=True, style="dim")
        links.add_column(style="dim", overflow="fold")
        links.add_row("links", Text(linked))
        parts.append(Padding(links, (0, 0, 0, 2), expand=False))
    return Group(*parts, "")


def _explained(reason: str) -> str:
    return f"{reason} ({STAGES.reasons.get(reason, 'unknown reason')})"


def doubt_text(view: View, doubt: Doubt) -> str:
    """Return what speaks against a label, in words: ``? Die: the projector was unsure: 0.21``."""
    what = "" if doubt.span is None else f"{entity(view.words, view.spans[doubt.span].span)}: "
    mark = "✗" if doubt.kind in CERTAIN else "?"
    shown = f": {visible(doubt.text)}" if doubt.text else ""
    return f"{mark} {what}{DOUBTS[doubt.kind]}{shown}"


def _entities(view: View) -> Table | None:
    rows: list[list[Text]] = []
    by_source: dict[int | None, list[ViewedSpan]] = {}
    for item in view.spans:
        by_source.setdefault(item.source, []).append(item)
    lost = dict(view.lost)
    for index, source in enumerate(view.source_spans):
        before = entity(view.source_words, source)
        found = by_source.pop(index, [])
        rows += [_entity_row(view, item, before) for item in found]
        if not found and index in lost:
            what = Text(f"lost: {_explained(lost[index])}", style="red")
            kind = Text(source.type, style_of(source.type))
            rows.append([kind, Text(before), Text("–"), Text(), what])
    for found in by_source.values():
        rows += [_entity_row(view, item, "–" if view.source_words else "") for item in found]
    # Without empty columns: beside one, rich folds text for which there is room.
    columns = [c for c in zip(*rows, strict=True) if any(c)]
    if not columns:
        return None
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in columns:
        table.add_column(overflow="fold")
    for row in zip(*columns, strict=True):
        table.add_row(*row)
    return table


def _entity_row(view: View, item: ViewedSpan, before: str) -> list[Text]:
    score = "" if item.span.score is None else shown_score(item.span.score)
    if item.kept:
        state = Text("kept" if item.method else "", style="green")
    else:
        state = Text(f"dropped: {_explained(item.reason or '')}", style="red")
    if item.method:
        state.append(f"  {item.method}", style="dim")
    kind = Text(item.span.type, style_of(item.span.type))
    return [kind, Text(before), Text(entity(view.words, item.span)), Text(score), state]


def _link_texts(view: View, all_links: bool) -> Iterator[str]:
    for link in view.links:
        if all_links or (link.prob >= CHOSEN and _touches(view, link)):
            source = isolated(visible(view.source_words[link.source]))
            target = isolated(visible(view.words[link.target]))
            yield f"{source}–{target} {link.prob:.2f} "


def _touches(view: View, link: Link) -> bool:
    return any(s.start <= link.source < s.end for s in view.source_spans) or any(
        s.span.start <= link.target < s.span.end for s in view.spans
    )
