"""CoNLL-like files: one word per line with its tag, sentences separated by blank lines.

Reads what circulates under that name: columns separated by tabs or by spaces, the tag in the last
or any other column, CoNLL-U rows with ids and ``#`` comments, ``-DOCSTART-`` lines, ``lang:word``
prefixes (WikiANN), separator lines of white space, CRLF, a byte order mark. The layout is detected
on the first lines and then holds for the whole file: a row that does not fit it is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Final

from pipeline.config import DataSource
from pipeline.disk import write_lines
from pipeline.errors import DataError
from pipeline.formats.evidence import NOTHING, pairs_of
from pipeline.formats.files import read_lines
from pipeline.formats.format import ENCODED, TAGGED, Format, Request, Sample
from pipeline.formats.layout import (
    BYTE_ORDER_MARK,
    COMMENT,
    DOCSTART,
    MARK,
    MARKS,
    Layout,
    detect_layout,
    without_mark,
)
from pipeline.formats.notation import OUTSIDE
from pipeline.formats.report import RawSentence, ReadReport
from pipeline.formats.schemes import looks_like_tag, tags_from_spans
from pipeline.formats.words import UNSPACED
from pipeline.listed import each
from pipeline.schema import Sentence

_OWN_ID: Final = re.compile(r"#\s*(?:sent_id|id)(?:\s*=\s*(.*\S)|\s+([^=\s]\S*))")
NO_WORDS: Final = "tags of multiword tokens (1-2) or empty nodes (1.1) whose words have none"
_PREFIX: Final = re.compile(r"[a-z]{2,}(?:-[a-z]+)*:")
_ODD_STARTS: Final = f"#-<E{BYTE_ORDER_MARK}"
_LONG_WORD: Final = 40
_ENOUGH: Final = 8
_FINAL: Final = frozenset(".!?…。！？؟।॥")
# A line in a script without spaces is a sentence, not a word.
_UNSPACED: Final = re.compile(f"[{UNSPACED}]")
_UNSPACED_WORD: Final = 8


class Conll(Format):
    """CoNLL-like columns; see :func:`detect_layout`."""

    about: ClassVar[str] = "CoNLL and CoNLL-U: a word per line with its tag, a blank line between"
    suffixes: ClassVar[frozenset[str]] = frozenset(
        {".conll", ".conll02", ".conll03", ".conllu", ".iob", ".iob2", ".bio"}
    )
    options: ClassVar[frozenset[str]] = TAGGED | ENCODED | {"tag_column", "word_column", "columns"}
    last_resort: ClassVar[bool] = True

    def __init__(self, request: Request, report: ReadReport) -> None:
        super().__init__(request, report)
        self.layout = detect_layout(request.file, request.source, labelled=request.labelled)
        report.layout = str(self.layout)
        self.may_have_prefix = not self.layout.explicit

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether labels are asked for, its name says so, or its rows do."""
        return sample.labelled or sample.suffix in cls.suffixes or looks_like_conll(sample)

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield the sentences as they are written.

        A ``#`` line is a comment if the layout has CoNLL-U rows; otherwise only where a sentence
        begins, and only if it is not a row itself (``# O`` is a word with its tag) or has the form
        ``# key = value``. A comment that gives an id but is followed by no word is an empty
        sentence. ``-DOCSTART-`` lines are counted, and yielded where ``docstarts`` says so.

        Raises:
            DataError: For a row with another number of columns, with file and line.
        """
        path, layout, docstarts = self.request.file, self.layout, self.request.docstarts
        words: list[str] = []
        tags: list[str] = []
        lines: list[int] = []
        own_id: str | None = None
        id_line = comments = documents = 0
        width, word_at, tag_at, separator = layout.width, layout.word, layout.tag, layout.separator
        borders = _Borders(layout)
        careful = layout.ids is not None or width == 1 or layout.key is not None or borders.any
        careful = careful or layout.quoted or separator in ",;|"
        skipped: list[str] = []
        spaced = separator == " "

        def finish() -> RawSentence:
            if skipped:
                report.leave_out(NO_WORDS, _lost(skipped, tags))
                skipped.clear()
            return RawSentence(
                words=words,
                tags=tags if tag_at is not None else None,
                id=own_id,
                line=lines[0] if lines else id_line,
                lines=lines,
            )

        for number, line in read_lines(path, self.request.source.encoding):
            parts = line.split(separator)
            odd = careful or len(parts) != width or line[0] in _ODD_STARTS or not parts[word_at]
            ends = False
            if odd or (spaced and "\t" in line):
                # The uncommon lines, and those of which a file with spaces may have double ones.
                if line[:1] == BYTE_ORDER_MARK:
                    line = without_mark(line, at_start=not words and own_id is None)
                    report.count("byte_order_marks", line[:1] != BYTE_ORDER_MARK)
                parts = layout.split(line)
                docstart = is_docstart(line, parts, word_at)
                if not line or line.isspace() or docstart or is_mark(line, parts, layout):
                    documents += docstart
                    if words or own_id is not None:
                        yield finish()
                        words, tags, lines, own_id = [], [], [], None
                    if docstart and docstarts:
                        yield RawSentence(words=[], line=number, docstart=True)
                    continue
                if number == layout.header:
                    continue
                if line[0] == "#" and _is_comment(line, parts, layout, at_start=not words):
                    comments += 1
                    found = _OWN_ID.match(line)
                    if found and not words:
                        own_id, id_line = found[1] or found[2], number
                    continue
                if not layout.fits(parts):
                    raise DataError(
                        f"{path}:{number}: {len(parts)} columns where {width} were expected "
                        f"({layout}): {line[:80]!r}; correct the row"
                    )
                # Multi-word tokens (1-2) and empty nodes (1.1) repeat or add to the words.
                if layout.ids is not None and not parts[layout.ids].isdecimal():
                    cell = "O" if tag_at is None else parts[tag_at]
                    if layout.key is not None:
                        cell = pairs_of(cell).get(layout.key, "O")
                    if cell.strip() not in OUTSIDE:
                        skipped.append(parts[layout.ids])
                    continue
                if borders.any:
                    if borders.before(parts, first=not words) and words:
                        yield finish()
                        words, tags, lines, own_id = [], [], [], None
                    ends = borders.after(parts)
            elif number == layout.header:
                continue
            words.append(parts[word_at])
            if tag_at is not None:
                cell = parts[tag_at]
                if layout.key is not None:
                    cell = pairs_of(cell).get(layout.key, "O")
                tags.append(cell.strip())
            lines.append(number)
            if ends:
                yield finish()
                words, tags, lines, own_id = [], [], [], None
        if words or own_id is not None:
            yield finish()
        report.comments += comments
        report.docstarts += documents


def _lost(skipped: Iterable[str], tags: Sequence[str]) -> int:
    """Return how many rows with a tag that are no words stand for no word with one.

    Args:
        skipped: The ids of these rows: ``1-2``, ``1.1``.
        tags: The tags of the words of the sentence, whose ids begin with 1.
    """
    lost = 0
    for row in skipped:
        first, _, last = row.partition("-")
        inside = tags[int(first) - 1 : int(last)] if f"{first}{last}".isdecimal() and last else ()
        lost += not any(tag not in OUTSIDE for tag in inside)
    return lost


def is_docstart(line: str, parts: Sequence[str], word: int) -> bool:
    """Whether a line says that a document begins: ``-DOCSTART-`` in any form."""
    if line[:10].upper() == DOCSTART:
        return True
    return len(parts) > word and parts[word].upper() == DOCSTART


def is_mark(line: str, parts: Sequence[str], layout: Layout) -> bool:
    """Whether a row says that a sentence ends, and nothing else."""
    if layout.width > 1 and line in MARKS:
        return True
    if layout.explicit or not layout.fits(parts) or parts[layout.word] != MARK:
        return False
    return layout.tag is None or parts[layout.tag] in (*OUTSIDE, MARK)


class _Borders:
    """Finds the sentences of a file that has columns for them."""

    def __init__(self, layout: Layout) -> None:
        self._sentence, self._ids, self._flags = layout.sentence, layout.ids, layout.flags
        self.any = bool(layout.sentence) or layout.ids is not None or layout.flags is not None
        self._values: list[str] = [""] * len(layout.sentence)
        self._previous = -1

    def before(self, parts: Sequence[str], *, first: bool) -> bool:
        """Whether a sentence begins with this row, if it is not the first of one anyway."""
        # An empty cell stands for the value above it.
        cells = [parts[i] for i in self._sentence]
        values = [b if a in NOTHING else a for a, b in zip(cells, self._values, strict=True)]
        changed = values != self._values
        self._values = values
        if self._ids is not None:
            count = int(parts[self._ids])
            changed = changed or (not first and count < 2 and count <= self._previous)
            self._previous = count
        return changed

    def after(self, parts: Sequence[str]) -> bool:
        """Whether the sentence ends with this row."""
        return self._flags is not None and "EndOfSentence" in parts[self._flags]


def _is_comment(line: str, parts: list[str], layout: Layout, *, at_start: bool) -> bool:
    if layout.ids is not None:
        return True
    if not layout.fits(parts) and COMMENT.match(line):
        return True
    if not at_start:
        return False
    if not layout.fits(parts) or (layout.open_width and line.startswith(("#begin ", "#end "))):
        return True
    if layout.separator != " ":
        return False
    is_row = layout.tag is None or looks_like_tag(parts[layout.tag])
    return not is_row or COMMENT.match(line) is not None


class PrefixEvidence:
    """Finds the prefix (``de:``) that every word of a file has, if there is one."""

    def __init__(self) -> None:
        self.prefix: str | None = None
        self._open = True

    def feed(self, words: list[str]) -> None:
        """Look at the words of one sentence."""
        if not self._open or not words:
            return
        if self.prefix is None:
            found = _PREFIX.match(words[0])
            self.prefix = found[0] if found else None
        prefix = self.prefix
        if prefix is None or not all(w.startswith(prefix) for w in words):
            self.prefix, self._open = None, False


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


def write_conll(sentences: Iterable[Sentence], path: str | Path) -> int:
    """Write sentences as CoNLL IOB2: ``word<TAB>tag`` rows, each sentence after its ``# id = ``.

    The first line, ``# global.columns = FORM NER``, describes the columns as CoNLL-U Plus does.

    Returns:
        The number of sentences written.

    Raises:
        DataError: If a word, id or type cannot be written: it is empty, has a tab or a line break,
            or would be read as something else.
    """
    return write_lines(path, conll_lines(each(sentences, "write_conll: the sentences"))) - 1


def conll_lines(sentences: Iterable[Sentence]) -> Iterator[str]:
    """Yield what :func:`write_conll` writes, from its first line on; it raises the same."""
    yield "# global.columns = FORM NER\n"
    yield from map(conll_rows, sentences)


def conll_rows(sentence: Sentence) -> str:
    """Return the rows of a sentence as :func:`write_conll` writes them; it raises the same."""
    _refuse_unwritable(sentence)
    tags = tags_from_spans(sentence.spans, len(sentence.words))
    rows = (f"{w}\t{t}\n" for w, t in zip(sentence.words, tags, strict=True))
    return f"# id = {sentence.id}\n{''.join(rows)}\n"


def _refuse_unwritable(sentence: Sentence) -> None:
    texts = [sentence.id, *sentence.words]
    bad = next((t for t in texts if not t or any(c in t for c in "\t\n\r\0")), None)
    if bad is None and sentence.id != sentence.id.strip():
        bad = sentence.id
    if bad is None:
        bad = next((w for w in sentence.words if w[:10].upper() == DOCSTART), None)
    if bad is not None:
        raise DataError(
            f"sentence {sentence.id!r}: {bad!r} cannot be written to a CoNLL file; "
            "write JSONL or Parquet instead"
        )
