"""Prodigy: JSONL with ``tokens`` and ``spans`` that give characters and tokens.

``token_end`` is the last token of a span, not the one after it. Records that the annotator rejected
or ignored are left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from pipeline.errors import DataError
from pipeline.formats.columns import RecordReader
from pipeline.formats.format import ENCODED, POSITIONED, Format, Sample
from pipeline.formats.json_text import read_records
from pipeline.formats.report import CharSpan, RawSentence, ReadReport

_MARKS: Final = frozenset({"_input_hash", "_task_hash", "_view_id", "_session_id", "answer"})
_ANSWERS: Final = {"reject": "rejected records", "ignore": "ignored records"}


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
        """Yield one sentence or document per record that was accepted."""
        path, source = self.request.file, self.request.source
        reader = RecordReader(str(path), labelled=self.request.labelled, keep_longest=True)
        for line, record in read_records(path, source.encoding):
            if not isinstance(record, dict) or not isinstance(record.get("text"), str):
                raise DataError(f"{path}:{line}: no text; export with prodigy db-out")
            if record.get("answer") in _ANSWERS:
                report.leave_out(_ANSWERS[record["answer"]], 1)
                continue
            plain = {"text": record["text"], "spans": record.get("spans") or []}
            tokens = record.get("tokens")
            if isinstance(tokens, list) and tokens:
                plain["tokens"] = tokens
            if not self.request.labelled or _in_characters(plain):
                if self.request.labelled:
                    _refuse_contradictions(plain, f"{path}:{line}")
                raw = reader(plain | {"id": record.get("id")}, line)
                raw.may_be_document = True
                yield raw
            else:
                yield _by_tokens(plain, f"{path}:{line}", line)


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


def _by_tokens(record: Mapping[str, Any], where: str, line: int) -> RawSentence:
    """Return the sentence of a record whose spans name tokens only."""
    tokens = record.get("tokens", ())
    words: list[Any] = [t.get("text") if isinstance(t, Mapping) else t for t in tokens]
    spans = []
    for item in record["spans"]:
        try:
            start, end, kind = item["token_start"], item["token_end"], item["label"]
        except (KeyError, TypeError):
            raise DataError(f"{where}: a span without positions or label: {item!r:.80}") from None
        if type(start) is not int or type(end) is not int or not isinstance(kind, str):
            raise DataError(f"{where}: a span whose tokens are no numbers: {item!r:.80}")
        spans.append(CharSpan(start, end + 1, kind))
    if not all(isinstance(w, str) for w in words) or any(s.end > len(words) for s in spans):
        raise DataError(f"{where}: spans that name tokens, but {len(words)} tokens")
    return RawSentence(words=words, char_spans=spans, unit="words", line=line, keep_longest=True)
