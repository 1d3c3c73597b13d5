"""Any data set, written in any form of CoNLL, is read as it was; a damaged row is named."""

from __future__ import annotations

import csv
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.formats.schemes import Scheme, tags_from_spans
from pipeline.schema import Span
from tests.pipeline.formats.helpers import read, save

WORDS = st.text("abcäßйш東ก0123'!?", min_size=1, max_size=5)
TYPES = ["PER", "LOC", "work_of_art", "ORG"]
Labelled = tuple[list[str], list[Span]]


@st.composite
def data_sets(draw: st.DrawFn) -> list[Labelled]:
    """Sentences with spans, two entities at least, most words outside."""
    first = [Span(1, 3, draw(st.sampled_from(TYPES))), Span(5, 8, draw(st.sampled_from(TYPES)))]
    sentences: list[Labelled] = [(["a", "b", "c", "d"] * 3, first)]
    for _ in range(draw(st.integers(1, 4))):
        words = draw(st.lists(WORDS, min_size=1, max_size=8))
        spans, at = [], 0
        while at < len(words) and draw(st.booleans()):
            start = draw(st.integers(at, len(words) - 1))
            end = draw(st.integers(start + 1, len(words)))
            spans.append(Span(start, end, draw(st.sampled_from(TYPES))))
            at = end + 1  # a word between entities: io cannot tell neighbours apart
        sentences.append((words, spans))
    words = ["x", "y"] * sum(len(w) for w, _ in sentences)
    return [*sentences, (words[:150], [])]


@dataclass
class Form:
    """A way to write tags in rows."""

    scheme: Scheme
    spelling: str
    outside: str
    separator: str
    columns: str  # p: part of speech, i: position, s: number of the sentence, w: word, t: tag
    borders: str  # what is between sentences

    def tag(self, tag: str) -> str:
        if tag == "O":
            return self.outside
        if self.scheme == "io":
            return tag
        return self.spelling.format(p=tag[0], t=tag[2:])


FORMS = st.builds(
    Form,
    scheme=st.sampled_from(["iob2", "iob1", "bioes", "bilou", "io"]),
    spelling=st.sampled_from(["{p}-{t}", "{p}_{t}", "{p}:{t}", "{t}-{p}", "{t}_{p}"]),
    outside=st.sampled_from(["O", "0", "_", "-", "OUT"]),
    separator=st.sampled_from(["\t", " ", ",", ";"]),
    columns=st.sampled_from(["wt", "wpt", "iwt", "swt", "siwt", "wpts", "iwpt", "tw", "wtp"]),
    borders=st.sampled_from(["\n", "\n\n\n", "\n-DOCSTART- -X- O\n\n", "\n# a = b\n"]),
)


def written(data: list[Labelled], form: Form) -> list[str]:
    """The lines of a file."""
    lines = []
    for number, (words, spans) in enumerate(data, 1):
        tags = tags_from_spans(spans, len(words), form.scheme)
        for i, (word, tag) in enumerate(zip(words, tags, strict=True)):
            cells = {"w": word, "t": form.tag(tag), "p": "NN" if i % 2 else "VB"}
            cells |= {"i": str(i + 1), "s": str(number)}
            out = io.StringIO()
            if form.separator in ",;":
                csv.writer(out, delimiter=form.separator).writerow(cells[c] for c in form.columns)
                lines.append(out.getvalue().rstrip("\r\n"))
            else:
                lines.append(form.separator.join(cells[c] for c in form.columns))
        lines += form.borders.split("\n")[:-1]
    return lines


@settings(max_examples=300)
@given(data=data_sets(), form=FORMS)
def test_what_was_written_is_read(data: list[Labelled], form: Form) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "a.txt", "\n".join(written(data, form)) + "\n")
        found = read(path)
    assert [(s.words, s.spans) for s in found] == data


@settings(max_examples=200)
@given(
    data=data_sets(),
    form=FORMS,
    kind=st.sampled_from(["short", "long", "tag", "two tags"]),
    at=st.integers(0, 200),
)
def test_a_damaged_row_is_named(data: list[Labelled], form: Form, kind: str, at: int) -> None:
    lines = written(data, form)
    rows = [i for i, line in enumerate(lines) if line and line[0] not in "#-"]
    index = rows[at % len(rows)]
    # In a file with ids a # line is a comment, and a row that begins with one is not damaged.
    cells = lines[index].split(form.separator)
    if kind == "short":
        cells.pop()
    elif kind == "long":
        cells.append("x")
    else:
        several = "|".join([form.tag("B-PER"), form.tag("B-LOC")])
        # Types without prefix are no tags beside just any sign, so that no one value is damaged.
        assume(form.scheme != "io" or (kind == "tag" and form.outside not in "_-"))
        # Where one of two tags that end an entity is damaged, the other is as strange.
        assume(form.scheme not in ("bioes", "bilou") or sum(len(spans) for _, spans in data) > 2)
        cells[form.columns.index("t")] = "???" if kind == "tag" else several
    lines[index] = form.separator.join(cells)
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "a.txt", "\n".join(lines) + "\n")
        with pytest.raises(DataError) as error:
            read(path)
    assert str(error.value).startswith(f"{path}:{index + 1}: ")
