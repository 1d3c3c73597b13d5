"""Prodigy: JSONL with ``tokens`` and ``spans`` that give characters and tokens.

``token_end`` is the last token of a span, not the one after it. Records that the annotator rejected
or ignored are left out and counted, and so are answers to a single span (``ner.teach``), which say
nothing of the other words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from pipeline.errors import DataError
from pipeline.formats.columns import RecordReader
from pipeline.formats.format import ENCODED, POSITIONED, Format, Sample
from pipeline.formats.json_text import read_records
from pipeline.formats.report import RawSentence, ReadReport

_MARKS: Final = frozenset({"_input_hash", "_task_hash", "_view_id", "_session_id", "answer"})
_ANNOTATOR: Final = ("_annotator_id", "_session_id")
_ANSWERS: Final = {"reject": "rejected records", "ignore": "ignored records"}
BINARY: Final = "answers yes or no to single spans"
REPEATED: Final = "annotations that say what another annotator's says"


class Prodigy(Format):
    """Annotations as ``prodigy db-out`` writes them."""

    about: ClassVar[str] = "Prodigy: JSONL with spans, by characters or by tokens (token_start)"
    options: ClassVar[frozenset[str]] = POSITIONED | ENCODED

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether its first record has a text and the marks of Prodigy."""
        record = sample.record
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            return False
        spans = record.get("spans")
        first = spans[0] if isinstance(spans, list) and spans else None
        return bool(_MARKS & record.keys()) or (
            isinstance(first, Mapping) and "token_start" in first
        )

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield one sentence or document per text that was accepted.

        Raises:
            DataError: If a record does not fit, two annotators label one text differently, or all
                records are answers to single spans; with file and line.
        """
        path, source, labelled = self.request.file, self.request.source, self.request.labelled
        reader = RecordReader(self.request, report, keep_longest=True)
        annotators = _Annotators(str(path), labelled=labelled)
        read = binary = 0
        for line, record in read_records(path, source.encoding):
            if not isinstance(record, dict) or not isinstance(record.get("text"), str):
                raise DataError(f"{path}:{line}: no text; export with prodigy db-out")
            if labelled and _is_binary(record):
                report.leave_out(BINARY)
                binary += 1
                continue
            read += 1
            if record.get("answer") in _ANSWERS:
                report.leave_out(_ANSWERS[record["answer"]])
                continue
            if annotators.said(record, line):
                report.leave_out(REPEATED)
                continue
            reader.count_beside(record)
            plain = {"text": record["text"], "spans": record.get("spans") or []}
            tokens = record.get("tokens")
            if isinstance(tokens, list) and tokens:
                plain["tokens"] = tokens
            if not labelled or _in_characters(plain):
                if labelled:
                    _refuse_contradictions(plain, f"{path}:{line}")
                raw = reader(plain | {"id": record.get("id")}, line)
                raw.may_be_document = True
                yield raw
            else:
                yield reader(_by_tokens(plain), line)
        if binary and not read:
            raise DataError(
                f"{path}: all {binary} records are answers yes or no to one span (ner.teach), "
                "which say nothing of the other words; correct the same texts with ner.correct, "
                "and export that"
            )


def _is_binary(record: Mapping[str, Any]) -> bool:
    """Whether a record asks whether one span, suggested by a model, is right."""
    # Older versions do not say so; a model that makes suggestions ranks them.
    spans = record.get("spans")
    ranked = isinstance(spans, list) and [isinstance(s, Mapping) and "rank" in s for s in spans]
    return record.get("_is_binary") is True or record.get("_view_id") == "ner" or ranked == [True]


class _Annotators:
    """Finds texts that several annotators have labelled.

    Args:
        where: What errors name.
        labelled: Whether labels are read; without, all annotations of a text say the same.
    """

    def __init__(self, where: str, *, labelled: bool) -> None:
        self._where, self._labelled = where, labelled
        self._first: dict[Any, tuple[str, int, frozenset[str]]] = {}

    def said(self, record: Mapping[str, Any], line: int) -> bool:
        """Whether another annotator has said the same of the text before.

        Raises:
            DataError: If another one has labelled it differently.
        """
        key = next((k for k in _ANNOTATOR if record.get(k)), None)
        if key is None:
            return False
        name = str(record[key])
        spans = record.get("spans") if self._labelled else None
        said = frozenset(
            str([s.get(k) for k in ("start", "end", "token_start", "token_end", "label")])
            for s in (spans if isinstance(spans, list) else ())
            if isinstance(s, Mapping)
        )
        first = self._first.setdefault(record["text"], (name, line, said))
        if first[0] == name:
            return False
        if said != first[2]:
            raise DataError(
                f"{self._where}:{line}: {name} labels this text otherwise than {first[0]} does on "
                f"line {first[1]}; decide with prodigy review and export that, or write the "
                f"records of one of them to a file: jq -c 'select(.{key} == \"{name}\")'"
            )
        return True


def _in_characters(record: Mapping[str, Any]) -> bool:
    return all(isinstance(s, Mapping) and "start" in s for s in record["spans"])


def _refuse_contradictions(record: Mapping[str, Any], where: str) -> None:
    """Refuse a span whose tokens are not where its characters are.

    ``token_end`` may be the last token, as Prodigy has it, or the one after.
    """
    tokens = [t for t in record.get("tokens", ()) if isinstance(t, Mapping)]
    for span in record["spans"]:
        first, last = span.get("token_start"), span.get("token_end")
        if not tokens or type(first) is not int or type(last) is not int:
            continue
        starts = [t.get("start") for t in tokens[first : first + 1]]
        ends = [t.get("end") for t in tokens[max(0, last - 1) : last + 1]]
        if first < 0 or starts != [span.get("start")] or span.get("end") not in ends:
            raise DataError(
                f"{where}: a span of characters [{span.get('start')}, {span.get('end')}) and "
                f"tokens {first} to {last}, which are not in the same place; correct one of them, "
                "or remove token_start and token_end"
            )


def _by_tokens(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record whose spans name tokens only, the last included, as one of spans in words."""
    spans = []
    for span in record["spans"]:
        if isinstance(span, Mapping):
            start, last = span.get("token_start"), span.get("token_end")
            end = last + 1 if type(last) is int else last
            span = {"start": start, "end": end, "label": span.get("label")}
        spans.append(span)
    return {"tokens": record.get("tokens", []), "spans": spans, "offsets": "words"}
