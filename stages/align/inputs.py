"""Sentence pairs from the files that ``align_words`` is given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pipeline.config import DataSource
from pipeline.errors import DataError
from pipeline.formats import detect_format, whitespace_offsets
from pipeline.formats.conll import PrefixEvidence
from pipeline.formats.files import read_lines
from pipeline.formats.foreign import refuse_xml
from pipeline.formats.format import Sample
from pipeline.formats.reading import open_source, other_numbers
from pipeline.formats.words import UNSPACED
from stages.tokenise import tokenise
from stages.word_alignment.aligner import WordPair

SEPARATOR = "|||"
_UNSPACED: Final = re.compile(f"[{UNSPACED}]")
_SAMPLE: Final = 200
_WORDS: Final = 0.5
"""Words between spaces for each word of a text that was cut into words, at the least. Text as it is
written has a space for every fifth word at most (Thai, between phrases)."""


Reading = Callable[[Path, str | None, str], DataSource]
"""Says how a file is read, given its format where that is known, and its side where it has one."""


def _plainly(path: Path, known: str | None, side: str) -> DataSource:
    return DataSource(format=known or detect_format(path, labelled=False))


def read_word_pairs(
    source: Path, target: Path | None = None, how: Reading = _plainly
) -> list[WordPair]:
    """Read the pairs from two files, line by line, or from one with ``source ||| target`` lines.

    Every word is kept, those without a visible character too: links count words as the files do.

    Args:
        source: The source side, or the file of pairs.
        target: The target side; without it, there is one file, with ``|||`` or a tab between sides.
        how: Says how a file is read.

    Raises:
        DataError: If a file cannot be read, the numbers of sentences differ, or a line of a file of
            pairs does not have one separator.
    """
    if target is None:
        return _read_one_file(source, how(source, "text", "").encoding)
    ways = [how(source, None, "source"), how(target, None, "target")]
    first, second = map(_read_side, (source, target), ways)
    if len(first) != len(second):
        forms = [way.format for way in ways]
        raise DataError(other_numbers((source, target), forms, (len(first), len(second))))
    return list(zip(first, second, strict=True))


def _read_one_file(path: Path, encoding: str) -> list[WordPair]:
    sample = Sample(path, encoding=encoding, labelled=False)
    refuse_xml(sample)
    tabs = SEPARATOR not in sample.first_line and "\t" in sample.first_line
    separator = "\t" if tabs else SEPARATOR
    pairs = []
    uncut = [Uncut(path), Uncut(path)]
    for number, line in read_lines(path, encoding):
        sides = line.split(separator)
        if len(sides) != 2:
            times = f"{len(sides) - 1} times {'a tab' if tabs else repr(separator)}"
            raise DataError(
                f"{path}:{number}: {times}; a line of a file of pairs is 'source {SEPARATOR} "
                "target' or both sides with a tab between them, and no more columns. For two "
                "files, name both"
            )
        pairs.append((_words(sides[0]), _words(sides[1])))
        for side, words in zip(uncut, pairs[-1], strict=True):
            side.feed(words)
    for side in uncut:
        side.refuse()
    return pairs


def _read_side(path: Path, how: DataSource) -> list[list[str]]:
    if how.format == "conll":
        return _read_conll(path, how)
    if how.format == "text":
        sentences, uncut = [_words(line) for _, line in read_lines(path, how.encoding)], Uncut(path)
        for words in sentences:
            uncut.feed(words)
        uncut.refuse()
        return sentences
    raise DataError(
        f"{path}: is {how.format}; allowed: plain tokenised text with a sentence per line, CoNLL, "
        f"or one file of 'source {SEPARATOR} target' lines"
    )


def _read_conll(path: Path, how: DataSource) -> list[list[str]]:
    file, report = open_source(how, "und", path=path)
    evidence = PrefixEvidence()
    sentences = [raw.words or [] for raw in file.read(report)]
    for words in sentences:
        evidence.feed(words)
    if evidence.prefix and file.may_have_prefix:
        start = len(evidence.prefix)
        sentences = [[w[start:] for w in words] for words in sentences]
    return sentences


class Uncut:
    """Notices plain text in a script without spaces that nobody has cut into words.

    Each of its sentences would be a word or two, and their labels and links no use to anybody.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sentences = self._given = self._found = 0
        self._example: list[str] = []

    def feed(self, words: Sequence[str]) -> None:
        """Look at a sentence, if it is one of the first."""
        if self._sentences == _SAMPLE or not any(map(_UNSPACED.search, words)):
            return
        self._sentences += 1
        for word in words:
            found = tokenise(word, "und") if _UNSPACED.search(word) else [word]
            self._given, self._found = self._given + 1, self._found + len(found)
            if len(found) > len(self._example):
                self._example = found

    def refuse(self) -> None:
        """Refuse the file if its words are none.

        Raises:
            DataError: If they are not.
        """
        if self._given >= _WORDS * self._found:
            return
        words = self._example[:8]
        raise DataError(
            f"{self._path}: is not cut into words: {''.join(words)!r} stands there for "
            f"{' '.join(words)!r}. Cut it first, with a tool of yours or as runs do: "
            'python -c "import sys; from stages.tokenise import tokenise; [print('
            "' ||| '.join(' '.join(tokenise(side, 'und')) for side in line.split('|||'))) "
            f'for line in sys.stdin]" < {shlex.quote(str(self._path))} > NEW; '
            "CoNLL (a word per line) is taken as it is"
        )


def _words(line: str) -> list[str]:
    return [line[a:b] for a, b in whitespace_offsets(line)]
