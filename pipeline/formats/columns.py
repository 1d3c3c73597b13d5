"""Records with columns (JSONL lines, Parquet rows, HF data sets) to sentences.

A record has words (``tokens`` or ``words``) with tags (``ner_tags``, ``tags``, ``labels``) or with
spans in words, or it has a text with spans in characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.errors import DataError
from pipeline.formats.report import CharSpan, RawSentence
from pipeline.schema import Span

WORDS: Final = ("tokens", "words")
TAGS: Final = ("ner_tags", "tags", "labels", "ner", "label")
TEXT: Final = ("text", "sentence")
SPANS: Final = ("spans", "entities", "labels", "label")
IDS: Final = ("id", "sent_id", "guid")
_TYPES: Final = ("type", "label", "entity_group", "tag")


class RecordReader:
    """Turns records into sentences.

    Args:
        origin: What to name in messages; the record's line or row number is added.
        names: Names of integer tags by column, as far as the file tells.
        default_names: Names of integer tags in any column (``label_names`` of a data source).
        labelled: Whether to read labels.
    """

    def __init__(
        self,
        origin: str,
        *,
        names: Mapping[str, Sequence[str]] | None = None,
        default_names: Sequence[str] | None = None,
        labelled: bool = True,
    ) -> None:
        self.origin = origin
        self.names = dict(names or {})
        self.default_names = default_names
        self.labelled = labelled

    def __call__(self, record: Mapping[str, Any], line: int) -> RawSentence:
        """Return the sentence of one record.

        Raises:
            DataError: If the record has no words or text, or its labels do not fit them.
        """
        own = next((record[k] for k in IDS if record.get(k) is not None), None)
        sentence = RawSentence(id=None if own is None else str(own), line=line)
        key = next((k for k in WORDS if isinstance(record.get(k), Sequence)), None)
        if key is not None and not isinstance(record[key], str):
            sentence.words = self._words(record[key], key, line)
            if self.labelled:
                self._label_words(record, sentence, line)
            return sentence
        text = next((record[k] for k in TEXT if isinstance(record.get(k), str)), None)
        if text is None:
            raise self._error(
                line,
                f"neither words ({' or '.join(WORDS)}) nor text ({' or '.join(TEXT)}); "
                f"the record has {', '.join(record) or 'nothing'}",
            )
        sentence.text = text
        if self.labelled:
            found = next((record[k] for k in SPANS if isinstance(record.get(k), list)), None)
            if found is None:
                raise self._error(
                    line, f"a text without its entities ({', '.join(SPANS)}); add an empty list"
                )
            sentence.char_spans = [CharSpan(*self._span(item, line)) for item in found]
        return sentence

    def _words(self, words: Sequence[Any], key: str, line: int) -> list[str]:
        for word in words:
            if not isinstance(word, str):
                raise self._error(line, f"{key} holds {word!r}, which is not a string")
        return list(words)

    def _label_words(self, record: Mapping[str, Any], sentence: RawSentence, line: int) -> None:
        words = sentence.words or []
        for key in TAGS:
            tags = record.get(key)
            if not tags and words and key in SPANS:  # no entities, rather than no tags
                continue
            if isinstance(tags, list) and all(type(t) in (str, int) for t in tags):
                if len(tags) != len(words):
                    raise self._error(line, f"{len(words)} words but {len(tags)} {key}")
                sentence.tags = [self._name(t, key, line) for t in tags]
                return
        for key in SPANS:
            spans = record.get(key)
            if isinstance(spans, list):
                sentence.spans = sorted(
                    (Span(*self._span(item, line)) for item in spans), key=lambda s: s.start
                )
                return
        raise self._error(
            line,
            f"words without labels: none of the columns {', '.join(dict.fromkeys(TAGS + SPANS))}",
        )

    def _name(self, tag: str | int, key: str, line: int) -> str:
        if isinstance(tag, str):
            return tag
        names = self.names.get(key) or self.default_names
        if names is None:
            raise self._error(
                line,
                f"{key} holds integers and the file does not name them; "
                "set label_names of this data source",
            )
        if not 0 <= tag < len(names):
            raise self._error(line, f"{key} holds {tag}, but there are only {len(names)} labels")
        return names[tag]

    def _span(self, item: Any, line: int) -> tuple[int, int, str]:
        if isinstance(item, Mapping):
            start, end = item.get("start"), item.get("end")
            kind = next((item[k] for k in _TYPES if item.get(k) is not None), None)
        elif isinstance(item, Sequence) and not isinstance(item, str) and len(item) == 3:
            start, end, kind = item
        else:
            start = end = kind = None
        # By type(): for Python, True is an integer.
        if type(start) is not int or type(end) is not int or not isinstance(kind, str):
            raise self._error(
                line,
                f"entity {item!r} is not {{start, end, label}} or [start, end, label] "
                "with integer positions",
            )
        return start, end, kind

    def _error(self, line: int, message: str) -> DataError:
        return DataError(f"{self.origin}:{line}: {message}")
