"""spaCy's training data as JSON: tuples of text and entities, and the ``paragraphs`` of version 2.

``[["Anna slept", {"entities": [[0, 4, "PER"]]}], …]`` circulates as JSON, as JSON Lines, as Python
source (``TRAIN_DATA = [("Anna slept", {…})]``) and within ``{"classes": …, "annotations": […]}``,
as web annotators write it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from pipeline.errors import DataError
from pipeline.formats.columns import RecordReader
from pipeline.formats.files import read_lines
from pipeline.formats.format import ENCODED, POSITIONED, TAGGED, Format, Sample
from pipeline.formats.json_text import read_records
from pipeline.formats.report import RawSentence, ReadReport

UNANNOTATED: Final = "sentences with words without entity annotation"
UNREVIEWED: Final = "texts that nobody annotated (null)"
_MISSING: Final = "-"
"""What spaCy writes for a word of which nobody has said whether it is in an entity."""
_PYTHON: Final = re.compile(r"(?:\w+\s*(?::[^=\n]+)?=\s*)?\[\s*\(")


class SpacyJson(Format):
    """Training data for spaCy, other than a DocBin."""

    about: ClassVar[str] = 'spaCy training tuples ["text", {"entities": …}], and its JSON of v2'
    options: ClassVar[frozenset[str]] = TAGGED | POSITIONED | ENCODED

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether its first record is such a tuple or has ``paragraphs``."""
        record = sample.record
        if isinstance(record, dict):
            return isinstance(record.get("paragraphs"), list) or (
                isinstance(record.get("annotations"), list) and "classes" in record
            )
        if isinstance(record, list):
            return [type(part) for part in record] == [str, dict]
        return _is_python(sample) and any("entities" in line for _, line in sample.lines)

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield one sentence or document per tuple, or one per sentence of the older JSON."""
        path = self.request.file
        reader = RecordReader(self.request, report, keep_longest=True)
        read, before = 0, report.left_out[UNANNOTATED]
        for line, record in self._records():
            if record is None:
                report.leave_out(UNREVIEWED)
                continue
            if isinstance(record, dict) and isinstance(record.get("paragraphs"), list):
                for raw in self._paragraphs(record, line, report):
                    read += 1
                    yield raw
                continue
            read += 1
            if _is_of_texts(record):
                raise DataError(
                    f"{path}:{line}: categories of a text (cats), but no entities: training data "
                    "for a text classifier, which no tagger can learn from"
                )
            if not _is_tuple(record):
                raise DataError(
                    f'{path}:{line}: not ["text", {{"entities": [[start, end, label], …]}}]: '
                    f"{record!r:.80}"
                )
            reader.count_beside(record[1])
            entities = [list(e) if isinstance(e, tuple) else e for e in record[1]["entities"]]
            yield reader({"text": record[0], "spans": entities}, line)
        left = report.left_out[UNANNOTATED] - before
        if left and not read:
            raise DataError(
                f"{path}: none of its {left} sentences has entities annotated (ner) for all its "
                "words; is it training data for another component? O says that a word is in none"
            )

    def _records(self) -> Iterator[tuple[int, Any]]:
        path, encoding = self.request.file, self.request.source.encoding
        if _is_python(Sample(path, encoding=encoding)):
            yield from _python_tuples(
                "\n".join(line for _, line in read_lines(path, encoding)), str(path)
            )
            return
        for line, record in read_records(path, encoding):
            if isinstance(record, dict) and isinstance(record.get("annotations"), list):
                yield from ((line, item) for item in record["annotations"])
            else:
                yield line, record

    def _paragraphs(
        self, record: Mapping[str, Any], line: int, report: ReadReport
    ) -> Iterator[RawSentence]:
        try:
            for paragraph in record["paragraphs"]:
                for sentence in paragraph["sentences"]:
                    tokens = sentence["tokens"]
                    words = [str(t["orth"]) for t in tokens]
                    tags = [str(t.get("ner", _MISSING)) for t in tokens]
                    if self.request.labelled and _MISSING in tags:
                        report.leave_out(UNANNOTATED)
                        continue
                    yield RawSentence(
                        words=words, tags=tags if self.request.labelled else None, line=line
                    )
        except (KeyError, TypeError, AttributeError):
            raise DataError(
                f"{self.request.path}:{line}: paragraphs without sentences of tokens (orth, ner)"
            ) from None


def _is_of_texts(record: Any) -> bool:
    pair = isinstance(record, list | tuple) and len(record) == 2 and record[1]
    return isinstance(pair, Mapping) and "cats" in pair and "entities" not in pair


def _is_tuple(record: Any) -> bool:
    if not isinstance(record, list | tuple) or len(record) != 2 or not isinstance(record[0], str):
        return False
    return isinstance(record[1], Mapping) and isinstance(record[1].get("entities"), list | tuple)


def _is_python(sample: Sample) -> bool:
    head = "\n".join(line for _, line in sample.lines[:20] if not line.startswith(("#", "import ")))
    return _PYTHON.match(head.lstrip()) is not None


def _python_tuples(text: str, where: str) -> Iterator[tuple[int, Any]]:
    """Yield the elements of the first list in a Python source; nothing of it is run."""
    try:
        lists = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.List)]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise DataError(f"{where}:{line}: not a Python list of tuples: {error}") from None
    for element in lists[0].elts if lists else ():
        try:
            yield element.lineno, ast.literal_eval(element)
        except (ValueError, SyntaxError, RecursionError):
            raise DataError(f"{where}:{element.lineno}: not a plain tuple of values") from None
