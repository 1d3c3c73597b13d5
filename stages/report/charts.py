"""Charts as inline SVG: sized by their viewBox, coloured by the page's variables, with text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

_LEFT, _RIGHT, _ROW, _TOP = 130, 50, 26, 24
_WIDTH = 520  # in units of the viewBox
_SPAN = 340  # of these, the scale from 0 to 100
_LINE = 60  # characters
_CHARACTER = 7.5  # width of one of a label, at most


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its interval: one row of :func:`interval_chart`, all in percent.

    In :func:`difference_chart`, rows of the same two ``arms`` stand below their names.
    """

    label: str
    value: float
    low: float
    high: float
    series: int = 0
    arms: tuple[str, str] = ("", "")


def _svg(width: float, height: float, title: str, body: Sequence[str]) -> Markup:
    # Everything that comes from data went through escape(); the rest is numbers and our own text.
    content = "".join(body)
    return Markup(
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{content}</svg>"
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'
    )


def _short(label: str, length: int = 18) -> str:
    """Return a label without its middle, as what a sweep sets stands at the end."""
    if len(label) <= length:
        return label
    return f"{label[: length // 2]}…{label[len(label) - (length - 1 - length // 2) :]}"


def _margin(rows: Sequence[Interval]) -> float:
    """Return the room that the labels of rows need, within bounds."""
    return min(max(_LEFT, 8 + _CHARACTER * max((len(r.label) for r in rows), default=0)), 290)


def _whisker(
    row: Interval,
    x: Callable[[float], float],
    y: float,
    left: float,
    right: float,
    told: str,
    ends: str = "",
) -> list[str]:
    """Return the label, the interval with its dot, and the number of a row at height ``y``."""
    colour = f"var(--c{row.series % 8})"
    return [
        _text(left - 8, y + 4, _short(row.label, int((left - 8) / _CHARACTER)), "label", "end"),
        f'<g stroke="{colour}" fill="{colour}"><line x1="{x(row.low):.1f}" '
        f'x2="{x(row.high):.1f}" y1="{y}" y2="{y}" stroke-width="2.5"/>{ends}'
        f'<circle cx="{x(row.value):.1f}" cy="{y}" r="5"/></g>',
        _text(right + 8, y + 4, told, "value"),
    ]


def interval_chart(title: str, rows: Sequence[Interval]) -> Markup:
    """Draw values as dots with their intervals as whiskers, on one scale from 0 to 100."""
    height, left = _TOP + _ROW * len(rows) + 22, _margin(rows)
    width = left + _SPAN + _RIGHT

    def x(value: float) -> float:
        return left + _SPAN * min(max(value, 0.0), 100.0) / 100

    body: list[str] = []
    for tick in range(0, 101, 20):
        body.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{_TOP - 8}" '
            f'y2="{height - 20}" class="grid"/>'
        )
        body.append(_text(x(tick), height - 6, str(tick), "tick", "middle"))
    for index, row in enumerate(rows):
        y = _TOP + _ROW * index + 6
        ends = "".join(
            f'<line x1="{x(end):.1f}" x2="{x(end):.1f}" y1="{y - 5}" y2="{y + 5}"/>'
            for end in (row.low, row.high)
        )
        body += _whisker(row, x, y, left, left + _SPAN, f"{row.value:.1f}", ends)
    return _svg(width, height, title, body)


def difference_chart(title: str, rows: Sequence[Interval]) -> Markup:
    """Draw differences with their intervals around a zero line, in points, by the arms compared."""
    titles = {pair: _title(*pair) for pair in dict.fromkeys(row.arms for row in rows)}
    bound = max([1.0, *(abs(v) for r in rows for v in (r.low, r.high))]) * 1.08
    height = 8 + _ROW * (len(rows) + sum(map(len, titles.values()))) + 22
    span = _WIDTH - _LEFT - _RIGHT

    def x(value: float) -> float:
        return _LEFT + span * (value + bound) / (2 * bound)

    body = [
        f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="8" y2="{height - 20}" class="zero"/>',
        _text(x(0), height - 6, "0", "tick", "middle"),
        _text(_LEFT, height - 6, f"−{bound:.0f}", "tick", "start"),
        _text(_WIDTH - _RIGHT, height - 6, f"+{bound:.0f} points", "tick", "end"),
    ]
    y = 8.0
    for pair, lines in titles.items():
        for line in lines:
            body.append(_text(0, y + 16, _short(line, _LINE), "group"))
            y += _ROW
        for row in (r for r in rows if r.arms == pair):
            told = f"{row.value:+.1f}".replace("-", "−")
            body += _whisker(row, x, y + 10, _LEFT, _WIDTH - _RIGHT, told)
            y += _ROW
    return _svg(_WIDTH, height, title, body)


def _title(first: str, second: str) -> list[str]:
    """Return the name of a difference, one arm a line where both do not fit into one."""
    whole = f"{first} − {second}"
    return [whole] if len(whole) <= _LINE else [first, f"− {second}"]


def bar_chart(title: str, rows: Sequence[tuple[str, int, str]]) -> Markup:
    """Draw counts as horizontal bars.

    Args:
        title: For readers who do not see it.
        rows: Label, count, and a note to stand behind the count.
    """
    left, right = 185, 100
    top = max([1, *(n for _, n, _ in rows)])
    height = _ROW * len(rows) + 8
    body: list[str] = []
    for index, (label, count, note) in enumerate(rows):
        y = _ROW * index + 4
        length = (_WIDTH - left - right) * count / top
        body.append(_text(left - 8, y + 15, _short(label, 30), "label", "end"))
        body.append(
            f'<rect x="{left}" y="{y}" width="{max(length, 1):.1f}" height="{_ROW - 8}" rx="2" '
            'fill="var(--c0)"/>'
        )
        body.append(_text(left + length + 6, y + 15, f"{count:,} {note}".strip(), "value"))
    return _svg(_WIDTH, height, title, body)


def stacked_chart(
    title: str, rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str]
) -> Markup:
    """Draw rows of stacked bars; the parts are told apart by colour, pattern and order."""
    left, right = 110, 50
    top = max([1.0, *(sum(parts) for _, parts in rows)])
    height = _ROW * len(rows) + 34
    body: list[str] = []
    position = 4.0
    for part, name in enumerate(names):
        body.append(
            f'<rect x="{position}" y="4" width="12" height="12" rx="2" fill="var(--c{part % 8})"/>'
        )
        body.append(_text(position + 16, 14, name, "tick"))
        position += 26 + 7.2 * len(name)
    for index, (label, parts) in enumerate(rows):
        y = _ROW * index + 28
        body.append(_text(left - 8, y + 14, _short(label), "label", "end"))
        x = float(left)
        for part, value in enumerate(parts):
            length = (_WIDTH - left - right) * value / top
            hint = f"{names[part]}: {value:.1f}"
            body.append(
                f'<rect x="{x:.1f}" y="{y}" width="{length:.1f}" height="{_ROW - 8}" '
                f'class="part" fill="var(--c{part % 8})"><title>{escape(hint)}</title></rect>'
            )
            x += length
        body.append(_text(x + 6, y + 14, f"{sum(parts):.0f}", "value"))
    return _svg(_WIDTH, height, title, body)


def histogram(title: str, kept: Sequence[int], dropped: Sequence[int]) -> Markup:
    """Draw the scores of kept spans upwards and those of dropped ones downwards."""
    top = max([1, *kept, *dropped])
    half, bottom = 90, 22
    height = 2 * half + bottom
    step = _WIDTH / max(len(kept), 1)
    body: list[str] = []
    for index, (up, down) in enumerate(zip(kept, dropped, strict=True)):
        x = index * step
        range_ = f"{index / len(kept):.2f}–{(index + 1) / len(kept):.2f}"
        for count, sign, series, what in ((up, -1, 0, "kept"), (down, 1, 1, "dropped")):
            size = (half - 8) * count / top
            y = half - size if sign < 0 else half
            body.append(
                f'<rect x="{x + 1:.1f}" y="{y:.1f}" width="{step - 2:.1f}" '
                f'height="{size:.1f}" fill="var(--c{series})"><title>'
                f"{range_}: {count:,} {what}</title></rect>"
            )
    body.append(f'<line x1="0" x2="{_WIDTH}" y1="{half}" y2="{half}" class="zero"/>')
    body += [
        _text(4, 14, "kept", "label"),
        _text(4, 2 * half - 4, "dropped", "label"),
        _text(0, height - 6, "score 0", "tick"),
        _text(_WIDTH / 2, height - 6, "0.5", "tick", "middle"),
        _text(_WIDTH, height - 6, "1", "tick", "end"),
    ]
    return _svg(_WIDTH, height, title, body)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of :func:`curve`, in percent.

    Attributes:
        label: Its name.
        values: A value per place, ``None`` where there is none.
        spread: Half the length of an error bar, as many.
        level: A value to compare with, drawn as a dashed line in the same colour.
    """

    label: str
    values: Sequence[float | None]
    spread: Sequence[float | None] = ()
    level: float | None = None


def curve(title: str, places: Sequence[str], lines: Sequence[Line], width: int = 640) -> Markup:
    """Draw lines over places at equal distances, in percent."""
    height, left, bottom = 300, 44, 46
    bars = [
        (index, value, (line.spread[index] or 0.0) if line.spread else 0.0, number)
        for number, line in enumerate(lines)
        for index, value in enumerate(line.values)
        if value is not None
    ]
    ends = [v for _, value, half, _ in bars for v in (value - half, value + half)]
    ends += [line.level for line in lines if line.level is not None]
    low, high = (min(ends), max(ends)) if ends else (0.0, 100.0)
    margin = max(1.0, (high - low) * 0.1)
    low, high = max(0.0, low - margin), min(100.0, high + margin)

    def x(index: int) -> float:
        return left + (width - left - 20) * index / max(len(places) - 1, 1)

    def y(value: float) -> float:
        return 10 + (height - bottom - 10) * (high - value) / max(high - low, 1e-9)

    body: list[str] = []
    for step in range(5):
        value = low + (high - low) * step / 4
        body.append(
            f'<line x1="{left}" x2="{width - 20}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
            'class="grid"/>'
        )
        body.append(_text(left - 6, y(value) + 4, f"{value:.1f}", "tick", "end"))
    for index, place in enumerate(places):
        label = _short(place, max(4, 90 // max(len(places), 1)))
        body.append(_text(x(index), height - bottom + 16, label, "tick", "middle"))
    for index, value, half, number in bars:
        if half:
            body.append(
                f'<line x1="{x(index):.1f}" x2="{x(index):.1f}" y1="{y(value - half):.1f}" '
                f'y2="{y(value + half):.1f}" stroke="var(--c{number % 8})" stroke-width="1"/>'
            )
    position, legend = float(left), height
    dashes = ("", "6 3", "2 3", "8 3 2 3")
    for number, line in enumerate(lines):
        colour = f"var(--c{number % 8})"
        points = [(i, v) for i, v in enumerate(line.values) if v is not None]
        path = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in points)
        dash = dashes[number % len(dashes)]
        body.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5" '
            f'stroke-dasharray="{dash}"/>'
        )
        body += [
            f'<circle cx="{x(i):.1f}" cy="{y(v):.1f}" r="3.5" fill="{colour}"/>' for i, v in points
        ]
        if line.level is not None:
            body.append(
                f'<line x1="{left}" x2="{width - 20}" y1="{y(line.level):.1f}" '
                f'y2="{y(line.level):.1f}" stroke="{colour}" stroke-width="1" '
                'stroke-dasharray="1 4"/>'
            )
        needed = 48 + 7 * len(line.label)
        if position + needed > width and position > left:
            position, legend = float(left), legend + 16
        body.append(
            f'<line x1="{position:g}" x2="{position + 22:g}" y1="{legend - 8}" y2="{legend - 8}" '
            f'stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}"/>'
        )
        body.append(_text(position + 27, legend - 4, line.label, "tick"))
        position += needed
    return _svg(max(width, position), legend, title, body)


_STYLE = (
    "svg{--c0:#1f6fd0;--c1:#c44e00;--c2:#004d38;--c3:#a8518a;--c4:#4a3a00;--c5:#2a769e;"
    "--c6:#6b6400;--c7:#555b66;background:#fff;font:12px sans-serif;fill:#1a1c20}"
    ".grid{stroke:#cfd4dc}.zero{stroke:#565c66}.group{font-weight:600}"
    ".tick{fill:#565c66;font-size:11px}"
)


def picture(chart: Markup) -> str:
    """Return a chart as a file of its own, which any program shows that knows SVG."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" '
    text = str(chart).replace("<svg ", head, 1)
    return text.replace("</title>", f"</title><style>{_STYLE}</style>", 1) + "\n"
