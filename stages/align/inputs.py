"""Sentence pairs from the files that ``align_words`` is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.config import DataSource
from pipeline.errors import DataError
from pipeline.formats import detect_format, whitespace_offsets
from pipeline.formats.conll import PrefixEvidence
from pipeline.formats.files import read_lines
from pipeline.formats.reading import open_source, other_numbers
from stages.word_alignment.aligner import WordPair

SEPARATOR = "|||"


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
        target: The target side.
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
    pairs = []
    for number, line in read_lines(path, encoding):
        sides = line.split(SEPARATOR)
        if len(sides) != 2:
            raise DataError(
                f"{path}:{number}: {len(sides) - 1} times {SEPARATOR!r}; a line of a file of pairs "
                f"is 'source {SEPARATOR} target'. For two files, name both"
            )
        pairs.append((_words(sides[0]), _words(sides[1])))
    return pairs


def _read_side(path: Path, how: DataSource) -> list[list[str]]:
    if how.format == "conll":
        return _read_conll(path, how)
    if how.format == "text":
        return [_words(line) for _, line in read_lines(path, how.encoding)]
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


def _words(line: str) -> list[str]:
    return [line[a:b] for a, b in whitespace_offsets(line)]
