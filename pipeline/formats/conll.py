"""CoNLL-like files: one word per line with its tag, sentences separated by blank lines.

Reads what circulates under that name: columns separated by tabs or by spaces, the tag in the last
or any other column, CoNLL-U rows with ids and ``#`` comments, ``-DOCSTART-`` lines, ``lang:word``
prefixes (WikiANN), separator lines of white space, CRLF, a byte order mark. The layout is detected
on the first lines and then holds for the whole file: a row that does not fit it is an error.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar, Final

from pipeline.errors import DataError, suggest
from pipeline.formats.files import read_lines
from pipeline.formats.format import Format, Request, Sample
from pipeline.formats.report import RawSentence, ReadReport
from pipeline.formats.schemes import looks_like_tag, tags_from_spans
from pipeline.schema import Sentence

_SNIFFED: Final = 2000
_ROW_ID: Final = re.compile(r"\d+(?:[-.]\d+)?")
_COMMENT: Final = re.compile(r"#\s*[\w.:-]+(?:\s+id)?\s*=")
_OWN_ID: Final = re.compile(r"#\s*(?:sent_id|id)(?:\s*=\s*(.*\S)|\s+([^=\s]\S*))")
_COLUMN_NAMES: Final = re.compile(r"#\s*global\.columns\s*=\s*(.*\S)")
_PREFIX: Final = re.compile(r"[a-z]{2,}(?:-[a-z]+)*:")
_WORD_NAMES: Final = frozenset({"form", "word", "words", "token", "tokens", "text"})
_TAG_SHARE: Final = 0.9


class Conll(Format):
    """CoNLL-like columns; see :func:`detect_layout`."""

    about: ClassVar[str] = "CoNLL and CoNLL-U: a word per line with its tag, a blank line between"
    suffixes: ClassVar[frozenset[str]] = frozenset(
        {".conll", ".conll02", ".conll03", ".conllu", ".iob", ".iob2", ".bio"}
    )
    last_resort: ClassVar[bool] = True

    def __init__(self, request: Request, report: ReadReport) -> None:
        super().__init__(request, report)
        source = request.source
        self.layout = detect_layout(
            request.file,
            encoding=source.encoding,
            columns=source.columns,
            word_column=source.word_column,
            tag_column=source.tag_column,
            labelled=request.labelled,
        )
        report.layout = str(self.layout)
        self.may_have_prefix = not self.layout.explicit

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether labels are asked for, its name says so, or nearly all rows end in a tag."""
        return sample.labelled or sample.suffix in cls.suffixes or _looks_like_conll(sample)

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield one sentence per block of rows."""
        encoding = self.request.source.encoding
        return read_raw(self.request.file, self.layout, encoding=encoding, report=report)


def _looks_like_conll(sample: Sample) -> bool:
    rows = [line for _, line in sample.lines if line.strip() and line[0] != "#"]
    parts = [r.split("\t") if "\t" in r else r.split(" ") for r in rows]
    tagged = sum(any(looks_like_tag(p) for p in columns[1:]) for columns in parts)
    return bool(rows) and tagged >= _TAG_SHARE * len(rows)


@dataclass(frozen=True, slots=True)
class Layout:
    r"""How the rows of a file are built.

    Attributes:
        separator: ``"\t"``, or ``" "`` for runs of spaces and tabs.
        width: Number of columns of every row.
        word: Index of the word.
        tag: Index of the tag; ``None`` where labels are not read.
        rows_have_ids: Whether column 0 counts the words, as in CoNLL-U; ``#`` then always begins a
            comment.
        header: Line of a header row, if there is one.
        explicit: Whether a ``# global.columns`` comment describes the file.
    """

    separator: str
    width: int
    word: int
    tag: int | None
    rows_have_ids: bool = False
    header: int | None = None
    explicit: bool = False

    def __str__(self) -> str:
        columns = f"word in column {self.word}"
        if self.tag is not None:
            columns += f", tag in column {self.tag} of {self.width}"
        separator = "tab" if self.separator == "\t" else "space"
        return f"{separator}-separated, {columns}" + (", CoNLL-U rows" * self.rows_have_ids)

    def split(self, line: str) -> list[str]:
        """Return the columns of a row; only ASCII white space separates."""
        if self.separator == "\t":
            return line.split("\t")
        parts = line.split(" ")
        if len(parts) != self.width or "\t" in line:
            parts = [p for p in re.split("[ \t]+", line) if p]
        return parts


def detect_layout(
    path: Path,
    *,
    encoding: str = "utf-8",
    columns: list[str] | None = None,
    word_column: int | str | None = None,
    tag_column: int | str | None = None,
    labelled: bool = True,
) -> Layout:
    """Find out how the rows of a file are built, from its first lines and what the user knows.

    The tag is the last column whose values are tags; where there is none, the last column.

    Raises:
        DataError: If the file has no rows, or no such column.
    """
    rows: list[tuple[int, str]] = []
    hashes: list[tuple[int, str]] = []
    names, explicit = columns, False
    for number, line in islice(read_lines(path, encoding), _SNIFFED):
        if not line or line.isspace() or line.startswith("-DOCSTART-"):
            continue
        if line.startswith("#"):
            found = _COLUMN_NAMES.match(line)
            if found and not rows and columns is None:
                names, explicit = found[1].split(), True
            else:
                hashes.append((number, line))
            continue
        rows.append((number, line))
    if not rows:  # then a word that begins with # may be all there is
        rows = [(n, h) for n, h in hashes if "\t" in h or not _COMMENT.match(h)]
    if not rows and names is None:
        raise DataError(f"{path}: no rows: the file is empty or has only blank lines and comments")
    tabs = sum("\t" in line for _, line in rows)
    separator = "\t" if tabs * 2 > len(rows) else " "
    parts = [Layout(separator, 0, 0, None).split(line) for _, line in rows]
    header = None
    if names is None and (isinstance(word_column, str) or isinstance(tag_column, str)):
        names, header = parts[0], rows[0][0]
        rows, parts = rows[1:], parts[1:]
    if not parts and not names:
        raise DataError(f"{path}:{header}: a header row, but no rows after it")
    width = len(names) if names else Counter(map(len, parts)).most_common(1)[0][0]
    fitting = [p for p in parts if len(p) == width]
    has_ids = (
        width >= 3 and bool(fitting) and all(_ROW_ID.fullmatch(p[0]) for p in fitting)
    ) and fitting[0][0] in ("0", "1", "1-2")
    word = _column(path, "word_column", word_column, names, width)
    if word is None:
        named = [i for i, n in enumerate(names or ()) if n.lower() in _WORD_NAMES]
        word = named[0] if named else int(has_ids)
    tag = _column(path, "tag_column", tag_column, names, width)
    if tag is None:
        tagged = [
            i
            for i in range(width)
            if i != word
            and sum(looks_like_tag(p[i]) for p in fitting) >= max(1, _TAG_SHARE * len(fitting))
        ]
        tag = tagged[-1] if tagged else width - 1
    if not labelled:
        return Layout(separator, width, word, None, has_ids, header, explicit)
    if tag == word:
        raise DataError(
            f"{path}:{rows[0][0] if rows else header}: {width} column where a word and its tag "
            "were expected; set format, columns, word_column or tag_column of this data source"
        )
    return Layout(separator, width, word, tag, has_ids, header, explicit)


def _column(
    path: Path, key: str, wanted: int | str | None, names: list[str] | None, width: int
) -> int | None:
    if wanted is None:
        return None
    if isinstance(wanted, str):
        if not names or wanted not in names:
            raise DataError(
                f"{path}: {key}: there is no column {wanted!r}{suggest(wanted, names or ())}; "
                f"the columns are {', '.join(names or ())}"
            )
        return names.index(wanted)
    if not -width <= wanted < width:
        raise DataError(f"{path}: {key}: there is no column {wanted}; rows have {width} columns")
    return wanted % width


def read_raw(
    path: Path, layout: Layout, *, encoding: str = "utf-8", report: ReadReport | None = None
) -> Iterator[RawSentence]:
    """Yield the sentences of a file as they are written.

    A ``#`` line is a comment if the layout has CoNLL-U rows; otherwise only where a sentence
    begins, and only if it is not a row itself (``# O`` is a word with its tag) or has the form
    ``# key = value``. A comment that gives an id but is followed by no word is an empty sentence.

    Raises:
        DataError: For a row with another number of columns, with file and line.
    """
    words: list[str] = []
    tags: list[str] = []
    lines: list[int] = []
    own_id: str | None = None
    id_line = comments = docstarts = 0
    width, word_at, tag_at, separator = layout.width, layout.word, layout.tag, layout.separator
    careful = layout.rows_have_ids or width == 1
    spaced = separator != "\t"

    def finish() -> RawSentence:
        return RawSentence(
            words=words,
            tags=tags if tag_at is not None else None,
            id=own_id,
            line=lines[0] if lines else id_line,
            lines=lines,
        )

    for number, line in read_lines(path, encoding):
        parts = line.split(separator)
        odd = careful or len(parts) != width or line[0] in "#-" or not parts[word_at]
        if odd or (spaced and "\t" in line):
            # The uncommon lines, and those of which a space-separated file may have double spaces.
            if not line or line.isspace() or line.startswith("-DOCSTART-"):
                if line.startswith("-DOCSTART-"):
                    docstarts += 1
                if words or own_id is not None:
                    yield finish()
                    words, tags, lines, own_id = [], [], [], None
                continue
            if number == layout.header:
                continue
            parts = layout.split(line)
            if line[0] == "#" and _is_comment(line, parts, layout, at_start=not words):
                comments += 1
                found = _OWN_ID.match(line)
                if found and not words:
                    own_id, id_line = found[1] or found[2], number
                continue
            if len(parts) != width:
                raise DataError(
                    f"{path}:{number}: {len(parts)} columns where {width} were expected "
                    f"({layout}): {line[:80]!r}; correct the row"
                )
            # Multi-word tokens (1-2) and empty nodes (1.1) repeat or add to the words themselves.
            if layout.rows_have_ids and not parts[0].isdecimal():
                continue
        elif number == layout.header:
            continue
        words.append(parts[word_at])
        if tag_at is not None:
            tags.append(parts[tag_at])
        lines.append(number)
    if words or own_id is not None:
        yield finish()
    if report is not None:
        report.comments, report.docstarts = comments, docstarts


def _is_comment(line: str, parts: list[str], layout: Layout, *, at_start: bool) -> bool:
    if layout.rows_have_ids:
        return True
    if not at_start:
        return False
    if len(parts) != layout.width:
        return True
    if layout.separator == "\t":
        return False
    is_row = layout.tag is None or looks_like_tag(parts[layout.tag])
    return not is_row or _COMMENT.match(line) is not None


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


def write_conll(sentences: Iterable[Sentence], path: str | Path) -> int:
    """Write sentences as CoNLL IOB2: ``word<TAB>tag`` rows, each sentence after its ``# id = ``.

    The first line, ``# global.columns = FORM NER``, describes the columns as CoNLL-U Plus does.

    Returns:
        The number of sentences written.

    Raises:
        DataError: If a word, id or type cannot be written: it is empty, has a tab or a line break,
            or would be read as something else.
    """
    count = 0
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        file.write("# global.columns = FORM NER\n")
        for sentence in sentences:
            _refuse_unwritable(sentence)
            tags = tags_from_spans(sentence.spans, len(sentence.words))
            file.write(f"# id = {sentence.id}\n")
            file.writelines(f"{w}\t{t}\n" for w, t in zip(sentence.words, tags, strict=True))
            file.write("\n")
            count += 1
    return count


def _refuse_unwritable(sentence: Sentence) -> None:
    texts = [sentence.id, *sentence.words, *(s.type for s in sentence.spans)]
    bad = next((t for t in texts if not t or any(c in t for c in "\t\n\r\0")), None)
    if bad is None and sentence.id != sentence.id.strip():
        bad = sentence.id
    if bad is None:
        bad = next((s.type for s in sentence.spans if any(c.isspace() for c in s.type)), None)
    if bad is None:
        bad = next((w for w in sentence.words if w.startswith("-DOCSTART-")), None)
    if bad is not None:
        raise DataError(
            f"sentence {sentence.id!r}: {bad!r} cannot be written to a CoNLL file; "
            "write JSONL or Parquet instead"
        )
