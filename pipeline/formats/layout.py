"""How the rows of a CoNLL-like file are built: separator, words, tags, and what ends a sentence.

The layout is detected on the first 2,000 lines, on 200,000 where those do not decide, and then
holds for the whole file.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from pipeline.config import DataSource
from pipeline.errors import DataError, suggest
from pipeline.formats.evidence import (
    Columns,
    TagColumn,
    choose_tags,
    is_header,
    no_tags,
    refuse_other_name,
)
from pipeline.formats.files import read_lines
from pipeline.formats.word_columns import choose_word, sentence_columns
from pipeline.yaml_text import scalar

_SNIFFED: Final = 2000
_LOOKED_AT: Final = 200_000
_OTHER_ENDS: Final = re.compile("[\x85\u2028\u2029]")
COMMENT: Final = re.compile(r"#\s*[\w.:-]+(?:\s+id)?\s*=")
_COLUMN_NAMES: Final = re.compile(r"#\s*global\.columns\s*=\s*(.*\S)")
_QUOTING: Final = ",;"
QUOTED: Final = re.compile('"(?:[^"]|"")*"')
_SEPARATORS: Final = {"\t": "tab", " ": "space", ",": "comma", ";": "semicolon", "|": "bar"}
_REGULAR: Final = 0.9
DOCSTART: Final = "-DOCSTART-"
BYTE_ORDER_MARK: Final = "\ufeff"
MARK: Final = "EndOfSentence"
MARKS: Final = frozenset({MARK, "<EOS>", "<eos>", "</s>"})
"""Lines that hold no word but end a sentence."""


@dataclass(frozen=True, slots=True)
class Layout:
    r"""How the rows of a file are built.

    Attributes:
        separator: ``"\t"``, ``" "`` for runs of spaces and tabs, or a comma, semicolon or bar.
        width: Number of columns of every row.
        word: Index of the word.
        tag: Index of the tag; ``None`` where labels are not read.
        key: The key of the tag where its column holds ``key=value`` pairs, as MISC of CoNLL-U does.
        ids: Index of a column that counts the words of each sentence, as in CoNLL-U; ``#`` then
            always begins a comment.
        sentence: Columns that have another value in every sentence.
        flags: Column in which ``EndOfSentence`` may stand.
        header: Line of a header row, if there is one.
        explicit: Whether a ``# global.columns`` comment describes the file.
        open_width: Whether rows may have more columns, as in OntoNotes.
        quoted: Whether cells between tabs are in quotation marks, as CSV has them.
        known: The corpus or tool whose known layout decided between several columns of tags.
    """

    separator: str
    width: int
    word: int
    tag: int | None
    key: str | None = None
    ids: int | None = None
    sentence: tuple[int, ...] = ()
    flags: int | None = None
    header: int | None = None
    explicit: bool = False
    open_width: bool = False
    quoted: bool = False
    known: str | None = None

    def __str__(self) -> str:
        columns = f"word in column {self.word}"
        if self.tag is not None:
            where = f"{self.key}= of column {self.tag}" if self.key else f"column {self.tag}"
            columns += f", tag in {where} of {self.width}"
        remarks = [f"{_SEPARATORS[self.separator]}-separated, {columns}"]
        if self.quoted:
            remarks.append("in quotation marks")
        if self.ids is not None:
            remarks.append("CoNLL-U rows")
        if self.sentence:
            remarks.append(f"a sentence per value of column {', '.join(map(str, self.sentence))}")
        if self.flags is not None:
            remarks.append(f"EndOfSentence in column {self.flags}")
        if self.known:
            remarks.append(f"as in {self.known}")
        return ", ".join(remarks)

    def split(self, line: str) -> list[str]:
        """Return the columns of a row; only ASCII white space separates."""
        separator = self.separator
        if separator == " ":
            parts = line.split(" ")
            if len(parts) != self.width or "\t" in line:
                parts = [p for p in re.split("[ \t]+", line) if p]
            return parts
        if (separator in _QUOTING or self.quoted) and '"' in line:
            spaces = separator != "\t"
            try:
                found = next(csv.reader([line], delimiter=separator, skipinitialspace=spaces))
            except csv.Error:  # a carriage return in the middle of the line
                found = line.split(separator)
        else:
            found = line.split(separator)
        return found if separator == "\t" else [p.strip(" ") for p in found]

    def fits(self, parts: Sequence[str]) -> bool:
        """Whether a row has the right number of columns."""
        return len(parts) == self.width or (self.open_width and len(parts) > self.width)


@dataclass(slots=True)
class _Sample:
    """The lines of a file that are looked at.

    Attributes:
        rows: Line number and text of the rows.
        first: Positions in ``rows`` before which there is a blank line, and 0.
        names: Names of the columns that a comment gives.
        header: Line and names of a comment that is a header row.
        ontonotes: Whether documents begin as in the CoNLL-2012 files of OntoNotes.
        whole: Whether this is all of the file.
    """

    rows: list[tuple[int, str]]
    first: set[int]
    names: list[str] | None
    ontonotes: bool
    whole: bool
    header: tuple[int, list[str]] | None = None


def without_mark(line: str, *, at_start: bool) -> str:
    """Return a line without the byte order mark of a file that was appended to another.

    Args:
        line: The line.
        at_start: Whether nothing of a sentence stands before it: elsewhere a word may begin so.
    """
    rest = line.removeprefix(BYTE_ORDER_MARK)
    begins = at_start or not rest.strip() or rest[:10].upper() == DOCSTART or COMMENT.match(rest)
    return rest if begins else line


def _read_sample(path: Path, encoding: str, limit: int | None) -> _Sample:
    sample = _Sample([], {0}, None, False, True)
    hashes: list[tuple[int, str]] = []
    lines = read_lines(path, encoding)
    blank = True
    for number, line in islice(lines, limit):
        line, blank = without_mark(line, at_start=blank), not line.strip()
        if not line or line.isspace() or line[:10].upper() == DOCSTART or line in MARKS:
            sample.first.add(len(sample.rows))
        elif line.startswith("#"):
            found = _COLUMN_NAMES.match(line)
            named = line.lstrip("# ").split()
            if found and not sample.rows:
                sample.names = found[1].split()
            elif not (sample.rows or sample.header or COMMENT.match(line)) and is_header(named, ()):
                sample.header = number, named
            else:
                sample.ontonotes = sample.ontonotes or line.startswith("#begin document")
                hashes.append((number, line))
        else:
            sample.rows.append((number, line))
    sample.whole = next(lines, None) is None
    if not sample.rows:  # then a word that begins with # may be all there is
        sample.rows = [(n, h) for n, h in hashes if "\t" in h or not COMMENT.match(h)]
    return sample


def detect_layout(
    path: Path,
    source: DataSource,
    *,
    labelled: bool = True,
    quick: bool = False,
) -> Layout:
    """Find out how the rows of a file are built, from its lines and what the user says of it.

    The tags are in the one column whose values fit a notation of tags. Where several do, a header,
    ``# global.columns`` or the known layout of a corpus decides.

    Raises:
        DataError: If the file has no rows, no such column, or if it is not clear which it is.
    """
    sample = _read_sample(path, source.encoding, _SNIFFED)
    try:
        layout, sure = _layout(path, sample, source, labelled)
        if sure or quick or sample.whole:
            return layout
    except DataError:
        if quick or sample.whole:
            raise
    return _layout(path, _read_sample(path, source.encoding, _LOOKED_AT), source, labelled)[0]


def _layout(path: Path, sample: _Sample, wanted: DataSource, labelled: bool) -> tuple[Layout, bool]:
    """Return the layout, and whether the sample decided it."""
    names = wanted.columns or sample.names
    if not sample.rows and names is None:
        raise DataError(f"{path}: no rows: the file is empty or has only blank lines and comments")
    texts = [line for _, line in sample.rows]
    if names is None and len(texts) == 1 and (end := _OTHER_ENDS.search(texts[0])):
        raise DataError(
            f"{path}:{sample.rows[0][0]}: one line, with U+{ord(end[0]):04X} where lines may end; "
            "have its lines end with line feeds"
        )
    named = [w for w in (wanted.word_column, wanted.tag_column) if isinstance(w, str)]
    separator = _separator(texts, named)
    base = Layout(separator, 0, 0, None, explicit=wanted.columns is None and names is not None)
    if separator == "\t" and not base.explicit:
        base = replace(base, quoted=_is_quoted(texts))
    rows = [[cell.strip(" ") for cell in base.split(line)] for line in texts]
    headed = False
    widths = Counter(map(len, rows))
    if names is None and sample.header and widths[len(sample.header[1])] * 2 > len(rows):
        names, base = sample.header[1], replace(base, header=sample.header[0])
    if rows and (names is None or wanted.columns):
        headed = is_header(rows[0], named)
        if headed:
            names = wanted.columns or rows[0]
            base = replace(base, header=sample.rows[0][0])
            if len(rows) == 1:
                raise DataError(f"{path}:{base.header}: a header row, but no rows after it")
    width = len(names) if names else widths.most_common(1)[0][0]
    if sample.ontonotes and not names:
        width = min(map(len, rows))
    base = replace(base, width=width, open_width=sample.ontonotes and width > 2)
    kept = [
        (n, r, i in sample.first)
        for i, ((n, _), r) in enumerate(zip(sample.rows, rows, strict=True))
    ]
    fitting = [k for k in kept[headed:] if base.fits(k[1])]
    if names and not fitting and rows and base.header is None:
        raise DataError(
            f"{path}:{kept[0][0]}: {len(names)} columns are named ({', '.join(names)}), but rows "
            f"have {widths.most_common(1)[0][0]}"
        )
    found = Columns(
        path,
        [r for _, r, _ in fitting],
        [n for n, _, _ in fitting],
        [f for _, _, f in fitting],
        width,
        names,
        conllu=separator == "\t" and width == 10,
        ontonotes=base.open_width,
        blank_lines=len(sample.first) > 1,
    )
    regular = len(fitting) >= _REGULAR * (len(rows) - headed)
    return _with_columns(base, found, wanted, labelled, regular)


def _with_columns(
    base: Layout, found: Columns, wanted: DataSource, labelled: bool, regular: bool
) -> tuple[Layout, bool]:
    word = _column(found, "word_column", wanted.word_column)
    given: TagColumn | None = None
    if wanted.tag_column is not None and labelled:
        given = _tag_column(found, wanted.tag_column)
    tags = given
    if tags is None and labelled:
        tags = choose_tags(found, word)
        if tags is not None and base.header is None:
            _refuse_sentence_rows(found, word, tags)
            _refuse_unknown_header(found, tags)
        if tags is not None and wanted.columns:
            refuse_other_name(found, tags)
    # The same words and sentences with labels and without: links count them.
    beside = tags if labelled else _probable_tags(found, word)
    at = beside.index if beside else None
    if word is None:
        word = choose_word(found, at)
    ids, sentence, flags = sentence_columns(found, word, at)
    layout = replace(base, word=word, ids=ids, sentence=sentence, flags=flags)
    if not labelled:
        return layout, True
    if tags is None:
        raise no_tags(found, regular)
    if tags.index == word and tags.key is None:
        raise DataError(
            f"{found.path}: words and tags are both looked for in column {word} of {found.width}; "
            "set another word_column or tag_column of this data source"
        )
    sure = given is not None or tags.strength > 0
    return replace(layout, tag=tags.index, key=tags.key, known=tags.known), sure


def _refuse_sentence_rows(found: Columns, word: int | None, tags: TagColumn) -> None:
    """Refuse rows that hold a sentence each, with its words in one cell and its tags in another.

    Raises:
        DataError: If there are such rows, with what makes the file a table.
    """
    tag = tags.index
    rows = [row for row in found.rows if " " in row[tag].strip()]
    if tags.key or not rows:
        return
    word = choose_word(found, tag) if word is None else word
    alike = sum(len(row[word].split()) == len(row[tag].split()) for row in rows)
    if alike < _REGULAR * len(rows):
        return
    known = {word: "text", tag: "tags"}
    names = ", ".join(known.get(i, f"column{i}") for i in range(found.width))
    raise DataError(
        f"{found.path}:{found.lines[0]}: a sentence per row, with its words in column {word} and "
        f"its tags in column {tag}; have the first row name the columns ({names}; separated as the "
        "others are), and the file is read as a table"
    )


def _probable_tags(found: Columns, word: int | None) -> TagColumn | None:
    """Return the column of tags of a file whose labels are not read, if it is plain."""
    try:
        return choose_tags(found, word)
    except DataError:  # several; which of them matters to labels alone
        return None


def _refuse_unknown_header(found: Columns, tags: TagColumn) -> None:
    values = found.values(tags.index)
    match = found.fit(tags.index) or found.fit(tags.index, share=0.5)
    if tags.key or match is None or len(values) < 3 or match.holds(values[0]):
        return
    if all(match.holds(v) for v in values[1:]):
        raise DataError(
            f"{found.path}:{found.lines[0]}: the first row has {values[0]!r} where all others have "
            f"a tag: if it names the columns, set tag_column: {scalar(values[0])} (and "
            "word_column); if not, correct the tag"
        )


def _tag_column(found: Columns, wanted: int | str) -> TagColumn:
    if isinstance(wanted, str) and wanted not in (found.names or ()):
        at = found.misc_column()
        if at is not None and any(wanted in pairs for pairs in found.misc()):
            return TagColumn(at, wanted, strength=1)
    index = _column(found, "tag_column", wanted)
    assert index is not None
    return TagColumn(index, strength=1)


def _column(found: Columns, key: str, wanted: int | str | None) -> int | None:
    names, width, path = found.names, found.width, found.path
    if wanted is None:
        return None
    if isinstance(wanted, str):
        if not names or wanted not in names:
            raise DataError(
                f"{path}: {key}: there is no column {wanted!r}{suggest(wanted, names or ())}; "
                f"the columns are {', '.join(names or ()) or 'not named'}"
            )
        return names.index(wanted)
    if not -width <= wanted < width:
        raise DataError(f"{path}: {key}: there is no column {wanted}; rows have {width} columns")
    return wanted % width


def _is_quoted(lines: Iterable[str]) -> bool:
    """Whether cells between tabs are quoted as CSV is.

    Then all that have a quotation mark are quoted by the rules of CSV, and not without need; or all
    cells of a column are quoted. A word that is a quotation mark, as it is, breaks those rules.
    """
    rows = [line.split("\t") for line in lines]
    marked = [cell for row in rows for cell in row if '"' in cell]
    if not marked or not all(map(QUOTED.fullmatch, marked)):
        return False
    if all('"' in cell[1:-1] for cell in marked):
        return True
    width = min(map(len, rows))
    return any(all(row[i][:1] == '"' for row in rows) for i in range(width))


def _separator(lines: Sequence[str], named: Sequence[str] = ()) -> str:
    """Return what separates columns: what gives rows of the same width, more than one.

    A first row that names the columns decides: "Sentence: 1,Eva" has a space in every row, too.

    Args:
        lines: The rows.
        named: Names of columns that the user knows.
    """
    for sign in "\t,;|":
        first = Layout(sign, 0, 0, None).split(lines[0]) if lines else []
        if len(first) > 1 and is_header(first, named) and _regularity(lines, sign) >= _REGULAR:
            return sign
    tabs = sum("\t" in line for line in lines)
    usual = "\t" if tabs * 2 > len(lines) else " "
    for sign in ",;|":  # "Eva, B-PER" is no word with a comma
        if (
            tabs == 0
            and lines
            and all(sign in li and li.split(" ")[0][-1:] == sign for li in lines)
        ):
            usual = sign
    if _regularity(lines, usual) >= _REGULAR:
        return usual
    others = [" "] if usual == "\t" else []
    if tabs == 0:
        others += [c for c in ",;|" if sum(c in line for line in lines) * 2 > len(lines)]
    better = max(others, key=lambda c: _regularity(lines, c), default=usual)
    return better if _regularity(lines, better) >= _REGULAR else usual


def _regularity(lines: Iterable[str], separator: str) -> float:
    """Return the share of rows that have the commonest width, if that is more than one."""
    split = Layout(separator, 0, 0, None).split
    widths = Counter(len(split(line)) for line in lines)
    width, n = widths.most_common(1)[0] if widths else (0, 0)
    return n / widths.total() if width > 1 else 0.0
