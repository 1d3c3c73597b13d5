"""doccano: JSONL with character spans, for sequence labelling projects.

doccano gives every document an ``id`` of its own, so ours travels as ``sentence_id``, one of the
extra fields that it keeps as metadata and exports again.

Positions are counted as JavaScript counts, in UTF-16 units (doccano/doccano #2290, #2484): a
character beyond U+FFFF, an emoji say, is two. The field ``offsets`` says so; files without it were
written by us before, in code points. The project's option "Count grapheme clusters as one
character" has to stay off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from pipeline.errors import DataError
from pipeline.formats.columns import RecordReader
from pipeline.formats.format import ENCODED, RECORDS, Format, Sample
from pipeline.formats.json_text import read_records, write_json_lines
from pipeline.formats.offsets import Unit, unit_edges
from pipeline.formats.report import RawSentence, ReadReport
from pipeline.formats.words import joined
from pipeline.schema import Sentence

UTF16: Final[Unit] = "utf-16"
"""Value of the field ``offsets``."""

_LABELS: Final = ("label", "labels", "entities", "annotations")
_FIELDS: Final = (*_LABELS, "spans")


class Doccano(Format):
    """Exports of doccano: JSONL with ``label``, ``labels`` or ``entities``, and the older JSON."""

    about: ClassVar[str] = "doccano: JSONL or JSON with label, labels, entities or annotations"
    options: ClassVar[frozenset[str]] = (RECORDS | ENCODED) - {"word_column"}

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether its first record has a text and spans as doccano writes them."""
        record = sample.record
        if not isinstance(record, dict) or not isinstance(_text(record), str):
            return False
        if record.get("offsets") == UTF16 or "Comments" in record:
            return True
        return any(_is_span(item) for key in _LABELS for item in _first(record.get(key)))

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield one sentence or document per record."""
        path, source = self.request.file, self.request.source
        reader = RecordReader(self.request, report, keep_longest=True, spans=_FIELDS)
        fields = (str(source.tag_column),) if source.tag_column else _FIELDS
        for line, record in read_records(path, source.encoding):
            if not isinstance(record, dict) or not isinstance(_text(record), str):
                raise DataError(f"{path}:{line}: no text; export as JSONL")
            labels = {k: record[k] for k in fields if isinstance(record.get(k), list)}
            if not labels and self.request.labelled:
                raise DataError(
                    f"{path}:{line}: no labels ({', '.join(fields)}); the record has "
                    f"{', '.join(record)}"
                )
            plain = {"text": _text(record), "offsets": record.get("offsets")} | labels
            plain["id"] = record.get("sentence_id", record.get("id"))
            if isinstance(record.get("words"), list):
                plain["words"] = record["words"]
            reader.count_beside(record)
            yield reader(plain, line)


def _text(record: Mapping[str, Any]) -> Any:
    return record.get("text", record.get("data"))


def _first(items: Any) -> list[Any]:
    return items[:1] if isinstance(items, list) else []


def _is_span(item: Any) -> bool:
    if isinstance(item, Mapping):
        return "start_offset" in item and "end_offset" in item
    return isinstance(item, list) and [type(part) for part in item] in (
        [int, int, str],
        [int, int, int],
    )


def write_doccano(items: Iterable[tuple[Sentence, str | None]], path: Path) -> int:
    """Write sentences as doccano JSONL.

    Args:
        items: Sentences, each with its source sentence (shown as metadata) if there is one.
        path: The file.

    Returns:
        The number of sentences written.
    """
    return write_json_lines(path, (_record(sentence, source) for sentence, source in items))


def _record(sentence: Sentence, source: str | None) -> dict[str, Any]:
    text, ranges = joined(sentence.words)
    units = unit_edges(text, UTF16)
    return {
        "text": text,
        "label": [
            [units[ranges[s.start][0]], units[ranges[s.end - 1][1]], s.type] for s in sentence.spans
        ],
        "offsets": UTF16,
        "sentence_id": sentence.id,
        "lang": sentence.lang,
        "source": source or "",
        "words": sentence.words,
    }
