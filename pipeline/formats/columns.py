"""Records with columns (JSON, Parquet rows, HF data sets, tables) to sentences.

A record has words (``tokens`` or ``words``) with tags (``ner_tags``, ``tags``, ``labels``) or with
spans, or it has a text with spans. Words and tags may be lists, or lists written as one string
(``O O B-PER``). In what spans count is found out over the whole file, unless it is the words that
they are given with; see :mod:`pipeline.formats.offsets`.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.errors import DataError
from pipeline.formats.foreign import ROW_OF_A_WORD, hint, is_row_of_a_word
from pipeline.formats.format import Request
from pipeline.formats.report import EVENTS, RELATIONS, CharSpan, Fields, RawSentence, ReadReport
from pipeline.yaml_text import scalar

# Spans that end with their last word: always in GLiNER's records, and in what DyGIE's become.
_GLINER: Final = "tokenized_text"
_DYGIE: Final = "ner"
WORDS: Final = ("tokens", "words", _GLINER)
# Beside "ner", "tags" are often parts of speech.
TAGS: Final = ("ner_tags", "ner", "word_labels", "bio_tags", "iob_tags", "tags", "labels", "label")
TEXT: Final = ("text", "sentence", "content")
SPANS: Final = ("spans", "entities", "ents", "labels", "label", "ner", "annotation")
IDS: Final = ("id", "sent_id", "guid")
BESIDE: Final = (RELATIONS, EVENTS)
"""Fields with what is annotated beside entities, which is counted and not read."""
OFFSETS: Final = "offsets"
"""A record's own word for what its spans count; our exports for doccano have it."""

TYPES: Final = ("type", "label", "entity_group", "tag", "entity_type", "category", "ner", "entity")
_STARTS: Final = (
    *(("start", "end"), ("start_offset", "end_offset"), ("begin", "end")),
    *(("start_char", "end_char"), ("start_pos", "end_pos"), ("start_idx", "end_idx")),
    *(("startOffset", "endOffset"), ("beginOffset", "endOffset"), ("BeginOffset", "EndOffset")),
)
_LENGTHS: Final = (("offset", "length"), ("start", "length"))
_SURFACES: Final = ("text", "word", "surface", "mention", "surface_form", "entity")
_FORMS: Final = ("text", "word", "form", "token", "orth")
_TOKEN_TAGS: Final = ("ner", "ner_tag", "entity", "tag", "label")
_SHOWN: Final = ("spans", "entities", "labels", "label")
ADVICE: Final = "; if one of them holds the {what}, name it as {key}"
"""What errors add that list fields or columns."""
_NAMED: Final = ("ner_tags", "tags", "labels", "ner", "label", "spans", "entities")


class RecordReader:
    """Turns records into sentences; counts what they hold beside entities.

    Args:
        request: What is to be read: whether labels, and what the data source says of the records.
        report: What is told of that.
        where: What errors name, if not the path; the record's line or row number is added.
        names: Names of integer tags by column, as far as the file tells.
        keep_longest: Whether of spans that overlap the longest is kept, rather than all refused.
        spans: The fields in which spans are looked for, the likeliest first.
        fields: The fields to read, if not those of the request; ``None``: the first usual name.
        unread: Names of other columns that the file has, which its records come without.
    """

    def __init__(
        self,
        request: Request,
        report: ReadReport,
        where: str | None = None,
        *,
        names: Mapping[str, Sequence[str]] | None = None,
        keep_longest: bool = False,
        spans: Sequence[str] = SPANS,
        fields: Fields | None = None,
        unread: Sequence[str] = (),
    ) -> None:
        self.report = report
        self._unread = unread
        self._read = 0
        self.origin = where or str(request.path)
        self.labelled = labelled = request.labelled
        tags, words = fields or request.fields
        named = {"word_column": words} | ({"tag_column": tags} if labelled else {})
        self._named = [(key, name) for key, name in named.items() if name]
        self._tags: Sequence[str] = (tags,) if tags else TAGS
        self._spans: Sequence[str] = (tags,) if tags else spans
        self._words_in: Sequence[str] = (words,) if words else WORDS
        self._text_in: Sequence[str] = (words,) if words else TEXT
        self.names = dict(names or {})
        self.default_names = request.source.label_names
        self.keep_longest = keep_longest

    def __call__(self, record: Mapping[str, Any], line: int) -> RawSentence:
        """Return the sentence of one record.

        Raises:
            DataError: If the record has no words or text, or its labels do not fit them.
        """
        if missing := [(key, name) for key, name in self._named if name not in record]:
            raise self._error(
                line,
                f"no {missing[0][1]!r}, which {missing[0][0]} names; the record has "
                f"{self._names_in(record)}",
            )
        self.count_beside(record)
        own = next((record[k] for k in IDS if record.get(k) is not None), None)
        sentence = RawSentence(
            id=None if own is None else str(own), line=line, keep_longest=self.keep_longest
        )
        text = next((record[k] for k in self._text_in if isinstance(record.get(k), str)), None)
        key = next((k for k in self._words_in if isinstance(record.get(k), Sequence)), None)
        if key is None and text is None:  # {"text": ["Anna", "slept"]}
            key = next((k for k in self._text_in if isinstance(record.get(k), list)), None)
        self._read += 1
        content = text if key is None else record[key]
        if self._read == 1 and isinstance(content, str) and len(split_list(content)) == 1:
            self._refuse_row_of_a_word(record, line)
        if key is not None and not (isinstance(record[key], str) and text is not None):
            sentence.words = self._words(record[key], key, text or "", line)
            if self.labelled:
                self._label_words(record, sentence, text, key, line)
            return sentence
        if text is None:
            usual = ADVICE.format(what="words or text", key="word_column")
            raise self._error(
                line,
                "neither words (tokens or words) nor text (text or sentence); the record has "
                f"{self._names_in(record)}{hint(self._columns(record)) or usual}",
            )
        sentence.text = text
        if self.labelled:
            self._label_text(record, sentence, line)
        return sentence

    def _columns(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record with the columns that it came without; of these the names alone."""
        return {**record, **dict.fromkeys(self._unread)}

    def _names_in(self, record: Mapping[str, Any]) -> str:
        return ", ".join(self._columns(record)) or "nothing"

    def _refuse_row_of_a_word(self, record: Mapping[str, Any], line: int) -> None:
        """Refuse a first record of one word with one tag, whose sentence a column names."""
        tags = next((record[k] for k in self._tags if isinstance(record.get(k), str)), None)
        if tags is None or len(split_list(tags)) != 1:
            return
        if is_row_of_a_word(self._columns(record)):
            has = f"the record has {self._names_in(record)}"
            raise self._error(line, f"one word with one tag; {has}{ROW_OF_A_WORD}")

    def _words(self, words: Sequence[Any], key: str, text: str, line: int) -> list[str]:
        found = split_list(words) if isinstance(words, str) else words
        found = [_form(w, text) if isinstance(w, Mapping) else w for w in found]
        for word in found:
            if not isinstance(word, str):
                raise self._error(line, f"{key} holds {word!r}, which is not a string")
        return list(found)

    def _label_words(
        self,
        record: Mapping[str, Any],
        sentence: RawSentence,
        text: str | None,
        words_key: str,
        line: int,
    ) -> None:
        words = sentence.words or []
        for key in self._tags:
            tags = record.get(key)
            if not tags and words and key in self._spans:  # no entities, rather than no tags
                continue
            if isinstance(tags, str):
                tags = split_list(tags)
            if isinstance(tags, list) and all(type(t) in (str, int) for t in tags):
                if len(tags) != len(words):
                    raise self._error(line, f"{len(words)} words but {len(tags)} {key}")
                sentence.tags = [self._name(t, key, line) for t in tags]
                return
        if (spans := self._spans_of(record, line)) is not None:
            key, items = spans
            sentence.char_spans = [self.span(item, key, line) for item in items]
            sentence.text = text
            sentence.unit = self._stated_unit(record, line)
            if key == _DYGIE:
                sentence.usual_end = "inclusive" if words_key == _GLINER else "unknown"
            return
        if tags := _tags_of(record[words_key]):
            sentence.tags = tags
            return
        self._refuse_other_tags(record, len(words), line)
        raise self._error(
            line,
            f"words without labels: none of the columns {', '.join(_NAMED)}; the record has "
            f"{self._names_in(record)}{ADVICE.format(what='labels', key='tag_column')}",
        )

    def _refuse_other_tags(self, record: Mapping[str, Any], count: int, line: int) -> None:
        """Refuse a list with something for each word that is no tag, rather than not to find it."""
        for key in self._tags:
            tags = record.get(key)
            if isinstance(tags, list) and len(tags) == count:
                odd = next((t for t in tags if type(t) not in (str, int)), None)
                raise self._error(
                    line, f"{key} holds {odd!r:.60}, which is neither a tag nor the number of one"
                )

    def _label_text(self, record: Mapping[str, Any], sentence: RawSentence, line: int) -> None:
        spans = self._spans_of(record, line)
        if spans is not None and not (spans[1] and _are_strings(record[spans[0]])):
            key, items = spans
            sentence.char_spans = [self.span(item, key, line) for item in items]
            sentence.unit = self._stated_unit(record, line)
            return
        found = (k for k in self._tags if record.get(k) and isinstance(record[k], str | list))
        key = next(found, "")
        tags = split_list(record[key]) if key and isinstance(record[key], str) else record.get(key)
        words = (sentence.text or "").split()
        if key and tags and all(type(t) in (str, int) for t in tags):
            if len(tags) != len(words):
                raise self._error(
                    line,
                    f"{key} holds {len(tags)} tags, but its text has {len(words)} words between "
                    "spaces; give the words as a list (tokens)",
                )
            sentence.words, sentence.text = words, None
            sentence.tags = [self._name(t, key, line) for t in tags]
            return
        raise self._error(
            line,
            f"a text without its entities (none of {', '.join(_SHOWN)}); the record has "
            f"{self._names_in(record)}{ADVICE.format(what='labels', key='tag_column')}; "
            "a text that has no entities says so with an empty list",
        )

    def _spans_of(self, record: Mapping[str, Any], line: int) -> tuple[str, list[Any]] | None:
        """Return the field and the items of the spans of a record; ``None`` if it has none.

        A field without any says nothing where another has some.
        """
        fields: dict[str, list[Any]] = {}
        for key in self._spans:
            items = record.get(key)
            items = _flat(items) if isinstance(items, Mapping) else items
            if isinstance(items, list):
                fields[key] = items
        if not fields:
            return None
        filled = [k for k, v in fields.items() if v and not _are_strings(v)]
        places = {k: self._places(fields[k], k, line) for k in filled} if filled[1:] else {}
        several = [k for k in filled if places.get(k)]
        if len({frozenset(places[k]) for k in several}) > 1:
            raise self._error(
                line,
                f"{' and '.join(several)} hold entities, and not the same; name the field to read "
                f"as tag_column, for example tag_column: {scalar(several[0])}",
            )
        key = next(iter(several or filled or fields))
        return key, fields[key]

    def _places(self, items: list[Any], key: str, line: int) -> list[tuple[int, int, str]]:
        """Return where the entities of a field are; an empty list if it holds something else."""
        try:
            spans = [self.span(item, key, line) for item in items]
        except DataError:
            return []
        return [(s.start, s.end, s.type) for s in spans]

    def _stated_unit(self, record: Mapping[str, Any], line: int) -> str | None:
        from pipeline.formats.offsets import UNITS

        stated = record.get(OFFSETS)
        if stated is None or stated in UNITS:
            return stated
        if isinstance(stated, str):
            raise self._error(line, f"offsets {stated!r} is none of {', '.join(UNITS)}")
        return None

    def _name(self, tag: str | int, key: str, line: int) -> str:
        of_file, default = self.names.get(key), self.default_names
        if default and isinstance(tag, str) and tag.isdecimal():  # a number in a cell of a table
            tag = int(tag)
        if default and (isinstance(tag, str) or (of_file and list(of_file) != list(default))):
            names_itself = f"holds {tag!r}" if isinstance(tag, str) else "has names in the file"
            raise self._error(
                line, f"{key} {names_itself}, so that label_names does nothing; remove label_names"
            )
        if isinstance(tag, str):
            return tag
        names = of_file or default
        if names is None:
            raise self._error(
                line,
                f"{key} holds integers and the file does not name them; "
                "set label_names of this data source",
            )
        if not 0 <= tag < len(names):
            raise self._error(line, f"{key} holds {tag}, but there are only {len(names)} labels")
        return names[tag]

    def span(self, item: Any, key: str, line: int) -> CharSpan:
        """Return a span of a record, in the unit of the file.

        Raises:
            DataError: If it is none.
        """
        surface = None
        if isinstance(item, Mapping) and isinstance(item.get("points"), list) and item["points"]:
            # Dataturks: {"label": ["PER"], "points": [{"start": 0, "end": 3, "text": "Anna"}]}.
            item = item["points"][0] | {"type": _one_label(item.get("label"))}
        if isinstance(item, Mapping):
            start, end = next(
                ((item[a], item[b]) for a, b in _STARTS if a in item and b in item), (None, None)
            )
            if start is None:
                start, end = _by_length(item)
            kind = next((item[k] for k in TYPES if item.get(k) is not None), None)
            kind = _one_label(item.get("labels")) if kind is None else kind
            strings = (item[k] for k in _SURFACES if isinstance(item.get(k), str))
            surface = next((s for s in strings if s is not kind), None)
        elif isinstance(item, Sequence) and not isinstance(item, str) and len(item) == 3:
            start, end, kind = item
            if isinstance(start, str) and type(kind) is int:  # ["PER", 0, 4]
                kind, start, end = item
        else:
            start = end = kind = None
        if type(start) is type(end) is int and (type(kind) is int or isinstance(kind, str)):
            kind = self._name(kind, key, line)
        # By type(): for Python, True is an integer.
        if type(start) is not int or type(end) is not int or not isinstance(kind, str):
            raise self._error(
                line,
                f"entity {item!r} is not {{start, end, label}} or [start, end, label] "
                "with integer positions and one label",
            )
        return CharSpan(start, end, kind, surface)

    def count_beside(self, record: Mapping[str, Any]) -> None:
        """Count what a record holds beside entities, where labels are read."""
        for kind in BESIDE if self.labelled else ():
            found = record.get(kind)
            if isinstance(found, Mapping):  # by columns
                found = next((v for v in found.values() if isinstance(v, list)), None)
            self.report.leave_out(kind, len(found) if isinstance(found, list) else 0)

    def _error(self, line: int, message: str) -> DataError:
        return DataError(f"{self.origin}:{line}: {message}")


def _one_label(label: Any) -> Any:
    """Return the label where there is a list of one, as Label Studio and Dataturks write it."""
    return label[0] if isinstance(label, list) and len(label) == 1 else label


def _are_strings(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(item, str) for item in items)


def _form(token: Mapping[str, Any], text: str) -> Any:
    """Return the word of a token that is an object, as Prodigy and spaCy write them."""
    for key in _FORMS:
        if key in token:
            return token[key]
    start, end = token.get("start"), token.get("end")
    if type(start) is type(end) is int and 0 <= start < end <= len(text):
        return text[start:end]
    return None


def _tags_of(tokens: Any) -> list[str]:
    """Return the tags of tokens that are objects with one each; empty if they are not."""
    if not isinstance(tokens, list) or not all(isinstance(t, Mapping) for t in tokens):
        return []
    for key in _TOKEN_TAGS:
        tags = [t.get(key) for t in tokens]
        if tags and all(isinstance(t, str) for t in tags):
            return [str(t) for t in tags]
    return []


def _flat(value: Mapping[str, Any]) -> list[Any]:
    """Return the spans of an object: by type, by type and surface (CLUENER), or by columns.

    ``{"PER": [[0, 4]]}``, ``{"PER": {"Anna": [[0, 3]]}}``, ``{"start": [0], "end": [4], "type":
    ["PER"]}``. What is no place is an item all the same, for :meth:`RecordReader.span` to refuse.
    """
    if any(a in value and b in value for a, b in (*_STARTS, *_LENGTHS)):
        columns = [v if isinstance(v, list) else [v] for v in value.values()]
        if len(set(map(len, columns))) > 1:
            return [dict(value)]
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    items: list[Any] = []
    for kind, found in value.items():
        places = found if isinstance(found, Mapping) else {None: found}
        for surface, ranges in places.items():
            given = ranges if isinstance(ranges, list) else [ranges]
            for item in [given] if [type(r) for r in given] == [int, int] else given:
                if isinstance(item, list | tuple) and len(item) == 2:
                    item = {"start": item[0], "end": item[1], "type": kind, "text": surface}
                items.append(item)
    return items


def _by_length(item: Mapping[str, Any]) -> tuple[Any, Any]:
    for start, length in _LENGTHS:
        if type(item.get(start)) is type(item.get(length)) is int:
            return item[start], item[start] + item[length]
    return None, None


def _python_list(text: str) -> Any:
    # Arrays of numpy have no commas: ['O' 'B-PER'].
    return ast.literal_eval(re.sub(r"(['\"])\s+(?=['\"])", r"\1, ", text))


def split_list(text: str) -> list[Any]:
    """Return the items of a list that is written as one string: ``O O B-PER``, ``B-per,I-per,O``.

    A list of Python or JSON (``['O', 'B-PER']``) is read as such.
    """
    bare = text.strip()
    if bare[:1] == "[" and bare[-1:] == "]":
        value = None
        for parse in (_python_list, json.loads):
            with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
                value = value or parse(bare)
        if value is None and re.fullmatch(r"\[[\d\s]+\]", bare):  # [1 0], as numpy writes it
            value = [int(number) for number in bare[1:-1].split()]
        if isinstance(value, list):
            return value
    return bare.split() if " " in bare or "," not in bare else [p.strip() for p in bare.split(",")]
