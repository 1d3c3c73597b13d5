"""doccano: JSONL with character spans, for sequence labelling projects.

doccano gives every document an ``id`` of its own, so ours travels as ``sentence_id``, one of the
extra fields that it keeps as metadata and exports again.

Positions are counted as JavaScript counts, in UTF-16 units (doccano/doccano #2290, #2484): a
character beyond U+FFFF, an emoji say, is two. The field ``offsets`` says so; files without it were
written by us before, in code points. The project's option "Count grapheme clusters as one
character" has to stay off.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar, Final

from pipeline.errors import DataError
from pipeline.formats.columns import RecordReader
from pipeline.formats.files import read_lines
from pipeline.formats.format import Format, Sample
from pipeline.formats.json_text import annotated, parse_json, read_records
from pipeline.formats.label_studio import char_ranges
from pipeline.formats.report import CharSpan, RawSentence, ReadReport
from pipeline.schema import Sentence

UTF16: Final = "utf-16"
"""Value of the field ``offsets``."""

_LABELS: Final = ("label", "labels", "entities", "annotations")


class Doccano(Format):
    """Exports of doccano: JSONL with ``label``, ``labels`` or ``entities``, and the older JSON."""

    about: ClassVar[str] = "doccano: JSONL or JSON with label, labels, entities or annotations"
    holds_documents: ClassVar[bool] = True

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
        reader = RecordReader(
            str(path),
            default_names=source.label_names,
            labelled=self.request.labelled,
            keep_longest=True,
        )
        for line, record in read_records(path, source.encoding):
            if not isinstance(record, dict) or not isinstance(_text(record), str):
                raise DataError(f"{path}:{line}: no text; export as JSONL")
            spans = next((record[k] for k in _LABELS if isinstance(record.get(k), list)), None)
            if spans is None and self.request.labelled:
                raise DataError(
                    f"{path}:{line}: no labels ({', '.join(_LABELS)}); the record has "
                    f"{', '.join(record)}"
                )
            plain = {"text": _text(record), "spans": spans, "offsets": record.get("offsets")}
            plain["id"] = record.get("sentence_id", record.get("id"))
            if isinstance(record.get("words"), list):
                plain["words"] = record["words"]
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
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for sentence, source in items:
            ranges = char_ranges(sentence.words)
            text = " ".join(sentence.words)
            units = _units(text)
            record = {
                "text": text,
                "label": [
                    [units[ranges[s.start][0]], units[ranges[s.end - 1][1]], s.type]
                    for s in sentence.spans
                ],
                "offsets": UTF16,
                "sentence_id": sentence.id,
                "lang": sentence.lang,
                "source": source or "",
                "words": sentence.words,
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
    return count


def read_doccano(path: Path) -> Iterator[RawSentence]:
    """Yield the sentences of a doccano export, with words, text and character spans.

    Both of doccano's layouts are read: ``label``/``labels`` with ``[start, end, type]``, and
    ``entities`` with ``start_offset``, ``end_offset`` and ``label``.

    Raises:
        DataError: If a line does not fit, with file and line.
    """
    for number, line in read_lines(path):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        record = parse_json(line, where)
        if not isinstance(record, Mapping) or not isinstance(record.get("text"), str):
            raise DataError(f"{where}: no text; export as JSONL")
        found = next((record[k] for k in ("label", "labels", "entities") if k in record), None)
        if not isinstance(found, list):
            raise DataError(f"{where}: no labels ('label', 'labels' or 'entities')")
        own_id, words = annotated(record, "sentence_id", where)
        spans = [_char_span(item, where) for item in found]
        if record.get("offsets") == UTF16:
            spans = _in_code_points(record["text"], spans)
        yield RawSentence(
            id=own_id,
            line=number,
            words=words,
            text=record["text"],
            char_spans=spans,
        )


def _units(text: str) -> list[int]:
    """Return for each position between code points where it is in UTF-16 units."""
    return [0, *accumulate(2 if c > "\uffff" else 1 for c in text)]


def _in_code_points(text: str, spans: list[CharSpan]) -> list[CharSpan]:
    """Return spans in UTF-16 units as spans in code points.

    A border in the middle of a character takes in the character; what lies outside of the text
    stays outside of it.
    """
    units = _units(text)
    found = []
    for span in spans:
        start = bisect_right(units, span.start) - 1  # −1 if it is negative
        beyond = max(0, span.end - units[-1])
        end = bisect_left(units, span.end - beyond) + beyond if span.end > 0 else span.end
        found.append(CharSpan(start, end, span.type))
    return found


def _char_span(item: Any, where: str) -> CharSpan:
    try:
        if isinstance(item, Mapping):
            return CharSpan(int(item["start_offset"]), int(item["end_offset"]), str(item["label"]))
        start, end, kind = item
        return CharSpan(int(start), int(end), str(kind))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DataError(f"{where}: not an entity: {item!r}; expected [start, end, type]") from None
