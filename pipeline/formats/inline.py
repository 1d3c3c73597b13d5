"""Sentences on one line, each word with its tag: ``Ann|NNP|I-PER left|VBD|O`` (WikiNER).

The tag comes last; what lies between word and tag is left aside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar, Final

from pipeline.errors import DataError
from pipeline.formats.files import read_lines
from pipeline.formats.format import ENCODED, TAGGED, Format, Request, Sample
from pipeline.formats.notation import OUTSIDE, fit
from pipeline.formats.report import RawSentence, ReadReport

_SEPARATORS: Final = "|/"
_ENOUGH: Final = 4


class Inline(Format):
    """Words with their tags, a sentence per line."""

    about: ClassVar[str] = "a sentence per line, words with tags: Ann|NNP|B-PER left|VBD|O"
    options: ClassVar[frozenset[str]] = TAGGED | ENCODED

    def __init__(self, request: Request, report: ReadReport) -> None:
        super().__init__(request, report)
        sample = Sample(request.file, encoding=request.source.encoding)
        found = _parts(sample)
        if found is None:
            raise DataError(f"{request.file}: its words have no tags, parted by | or /")
        self.separator, self.count = found
        report.layout = (
            f"word{self.separator}…{self.separator}tag"
            if self.count > 2
            else (f"word{self.separator}tag")
        )

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether nearly all words have the same number of parts, and tags for the last of them."""
        return not sample.is_folder and _parts(sample) is not None

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield a sentence per line; a blank line is an empty sentence.

        Raises:
            DataError: For a word without its tag, with file and line.
        """
        for number, line in read_lines(self.request.file, self.request.source.encoding):
            words, tags = [], []
            for token in line.split():
                parts = token.rsplit(self.separator, self.count - 1)
                if len(parts) != self.count or not parts[0]:
                    raise DataError(
                        f"{self.request.file}:{number}: {token[:80]!r} has {len(parts)} parts, not "
                        f"{self.count} ({report.layout}); correct it"
                    )
                words.append(parts[0])
                tags.append(parts[-1])
            yield RawSentence(words, tags if self.request.labelled else None, line=number)


def _parts(sample: Sample) -> tuple[str, int] | None:
    """Return what parts word and tag, and into how many parts; ``None`` if nothing does."""
    lines = [line.split() for _, line in sample.lines if line.strip() and "\t" not in line]
    tokens = [t for line in lines for t in line]
    if len(tokens) < max(_ENOUGH, 2 * len(lines)):  # a word a line is CoNLL
        return None
    for separator in _SEPARATORS:
        counts = Counter(t.count(separator) for t in tokens)
        count, n = counts.most_common(1)[0]
        if count and n >= 0.9 * len(tokens):
            tags = Counter(t.rsplit(separator, 1)[1] for t in tokens if separator in t)
            match = fit(tags)
            if match and match.strength > 1 and any(t in OUTSIDE for t in tags):
                return separator, count + 1
    return None
