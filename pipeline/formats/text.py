"""Plain text: one sentence per line, without labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pipeline.errors import DataError
from pipeline.formats.files import read_lines
from pipeline.formats.format import Format, Request, Sample
from pipeline.formats.report import RawSentence, ReadReport


class PlainText(Format):
    """Plain text; for unlabelled data."""

    about: ClassVar[str] = "plain text, one sentence per line, for unlabelled data"
    suffixes: ClassVar[frozenset[str]] = frozenset({".txt"})
    has_labels: ClassVar[bool] = False
    last_resort: ClassVar[bool] = True

    def __init__(self, request: Request, report: ReadReport) -> None:
        super().__init__(request, report)
        if request.labelled:
            raise DataError(
                f"{request.path}: plain text has no labels; set format to one that has them"
            )

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether it is any text: what nothing else is."""
        return not sample.labelled

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield one sentence per line; a blank line is an empty sentence."""
        for number, line in read_lines(self.request.file, self.request.source.encoding):
            yield RawSentence(text=line, line=number)
