"""Parallel text to learn from, beside the pairs that are to be aligned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pipeline.errors import DataError
from pipeline.languages import canonical
from pipeline.resources import located, paths_in
from stages.align.context import AlignmentContext
from stages.text_sources import TextSource, read_rows
from stages.word_alignment.aligner import WordPair

_UNKNOWN: Final = "und"  # as ISO 639-2 calls a language that is not told


def _fitting(
    sources: Sequence[TextSource], context: AlignmentContext
) -> Iterator[tuple[TextSource, bool]]:
    """Yield the sources in the languages at hand, and whether their sides must be swapped."""
    here = _languages(context)
    for source in sources:
        codes = tuple(canonical(c) for c in source.languages)
        if codes == here:
            yield source, False
        elif codes == here[::-1]:
            yield source, True


def _languages(context: AlignmentContext) -> tuple[str, str]:
    return context.source or _UNKNOWN, context.target or _UNKNOWN


def used_files(sources: Sequence[TextSource], context: AlignmentContext) -> dict[str, Path]:
    """Return the files that :func:`read_pairs` would read."""
    files: dict[str, Path] = {}
    for index, (source, _) in enumerate(_fitting(sources, context)):
        for key, path in paths_in(located(source, context.config_dir)):
            files[f"parallel {index}" + (" second" if key == "second_path" else "")] = path
    return files


def read_pairs(sources: Sequence[TextSource], context: AlignmentContext) -> Iterator[WordPair]:
    """Yield the sentence pairs in the languages at hand, split into words.

    Raises:
        DataError: If a file is missing or cannot be read as configured.
    """
    from stages.tokenise import tokenise

    left, right = _languages(context)
    for source, swapped in _fitting(sources, context):
        try:
            for first, second in read_rows(located(source, context.config_dir)):
                if swapped:
                    first, second = second, first
                yield tokenise(first, left), tokenise(second, right)
        except (FileNotFoundError, ValueError) as error:
            raise DataError(f"align.parallel: {error}") from error
