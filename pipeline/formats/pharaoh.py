"""Word alignments in the Pharaoh format: one line per sentence pair, ``i-j`` per link.

``ipj`` or ``i?j`` is a possible link (all others are sure), ``i-j:0.93`` carries a probability.
Gold alignments often count words from 1, tools from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.disk import write_lines
from pipeline.errors import DataError
from pipeline.formats.files import read_lines
from pipeline.listed import each
from pipeline.schema import Link

# No sentence has a thousand million words, and Python refuses to read numbers of 5,000 digits.
_LINK: Final = re.compile(r"(\d{1,9})([-p?])(\d{1,9})(?::(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?))?")
_OTHERS: Final = (
    (
        re.compile(r"\d+ +\d+ +\d+(?: +[SP])?(?: +[\d.]+)?"),
        "a link per line: sentence, source word, target word and S or P, words counted from 1 (as "
        "in the shared tasks of NAACL 2003 and ACL 2005)",
    ),
    (
        re.compile(r"# Sentence pair \(\d+\).*"),
        "an alignment of GIZA++ (.A3.final), three lines per sentence pair, words counted from 1",
    ),
)


@dataclass(slots=True)
class PharaohLine:
    """The links of one sentence pair, counted from 0 and sorted by (source, target).

    Attributes:
        sure: Sure links.
        possible: Links that are possible only; not among ``sure``.
    """

    sure: list[Link] = field(default_factory=list)
    possible: list[Link] = field(default_factory=list)


def read_pharaoh(path: str | Path, *, base: int = 0) -> Iterator[PharaohLine]:
    """Yield the links of each line; a blank line is a pair without links.

    A pair of words that is linked twice counts once, as sure if either is.

    Args:
        path: The file.
        base: The number that the first word has in the file: 0 or 1.

    Raises:
        DataError: If a link is not of the form ``i-j``, ``ipj`` or ``i-j:probability``, or has an
            index below ``base``, or the file is in another format; with file and line.
    """
    for number, line in read_lines(Path(path)):
        links: tuple[dict[tuple[int, int], Link], ...] = ({}, {})
        for item in line.split():
            found = _LINK.fullmatch(item)
            prob = float(found[4]) if found and found[4] else 1.0
            if not found or prob > 1:
                if other := next((what for form, what in _OTHERS if form.fullmatch(line)), None):
                    raise DataError(
                        f"{path}:{number}: {other}; write a line per sentence pair: i-j for a sure "
                        "link, ipj for a possible one, and an empty line for a pair without links"
                    )
                raise DataError(
                    f"{path}:{number}: {item!r} is not a link; expected i-j, ipj or "
                    "i-j:probability with a probability in [0, 1]"
                )
            source, target = int(found[1]) - base, int(found[3]) - base
            if min(source, target) < 0:
                raise DataError(
                    f"{path}:{number}: link {item!r} has an index below {base}; "
                    "is the file counted from 0?"
                )
            links[found[2] != "-"][source, target] = Link(source, target, prob)
        sure, possible = links
        yield PharaohLine(
            [sure[k] for k in sorted(sure)],
            [possible[k] for k in sorted(possible) if k not in sure],
        )


def write_pharaoh(
    lines: Iterable[PharaohLine | Iterable[Link]],
    path: str | Path,
    *,
    base: int = 0,
    probabilities: bool = False,
) -> int:
    """Write links, one line per sentence pair.

    Args:
        lines: Per pair, its links (all sure) or a :class:`PharaohLine`.
        path: The file to write.
        base: The number that the first word gets: 0 or 1.
        probabilities: Whether to write ``i-j:probability``.

    Returns:
        The number of lines written.
    """
    pairs = each(lines, "write_pharaoh: the lines of links")
    return write_lines(path, (pharaoh_line(pair, base, probabilities) + "\n" for pair in pairs))


def pharaoh_line(
    line: PharaohLine | Iterable[Link], base: int = 0, probabilities: bool = False
) -> str:
    """Return the links of one pair as :func:`write_pharaoh` writes them."""
    pair = line if isinstance(line, PharaohLine) else PharaohLine(list(line))
    marked = [(k, "-") for k in pair.sure] + [(k, "p") for k in pair.possible]
    marked.sort(key=lambda m: (m[0].source, m[0].target))
    return " ".join(
        f"{k.source + base}{mark}{k.target + base}" + (f":{k.prob:.6g}" if probabilities else "")
        for k, mark in marked
    )
