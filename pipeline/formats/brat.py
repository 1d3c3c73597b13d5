"""brat standoff: a folder of ``.txt`` and ``.ann`` documents.

What we write has one line of text per sentence. brat slows down on long documents, so a document
holds :data:`PER_DOCUMENT` sentences. Ids and words, for which brat has no place, are in
``index.jsonl``, which brat ignores.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import ClassVar, Final

from pipeline.disk import folder_whole
from pipeline.errors import DataError
from pipeline.formats.files import read_lines
from pipeline.formats.format import ENCODED, POSITIONED, Format, Sample
from pipeline.formats.json_text import parse_json
from pipeline.formats.report import EVENTS, RELATIONS, CharSpan, RawSentence, ReadReport
from pipeline.formats.words import joined
from pipeline.listed import batched
from pipeline.schema import Sentence

PER_DOCUMENT: Final = 50
INDEX: Final = "index.jsonl"
_KINDS: Final = {
    "R": RELATIONS,
    "*": RELATIONS,
    "E": EVENTS,
    "A": "attributes",
    "M": "attributes",
    "N": "normalisations",
    "#": "notes",
}
_ENTITY: Final = re.compile(r"T\d+\t(\S+) ([\d; ]+)(?:\t|$)")
# brat's type names are restricted; ours are turned into such and back by the index.
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")


class Brat(Format):
    """A folder of ``.txt`` files with their ``.ann`` files, or one such pair."""

    about: ClassVar[str] = "brat: a folder of .txt files with their .ann files"
    suffixes: ClassVar[frozenset[str]] = frozenset({".ann"})
    takes_folders: ClassVar[bool] = True
    options: ClassVar[frozenset[str]] = POSITIONED | ENCODED

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether there are ``.ann`` files in the folder, or one that belongs to the text."""
        path = sample.path
        if sample.is_folder:
            return any(path.glob("*.ann"))
        if sample.suffix == ".txt" and sample.labelled:
            return path.with_suffix(".ann").is_file()
        return sample.suffix in cls.suffixes

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield one document per file; of what we exported, one sentence per line."""
        path, labelled = self.request.file, self.request.labelled
        if path.is_dir() and (path / INDEX).is_file():
            names = _type_names(path / "types.json")
            for name, group in groupby(_records(path / INDEX), key=itemgetter(0)):
                records = list(group)
                if labelled:
                    _label(records, path / f"{name}.ann", names, report)
                yield from (raw for _, _, raw in records)
            return
        texts = sorted(path.glob("*.ann")) if path.is_dir() else [path.with_suffix(".ann")]
        alone = sorted(p.name for p in path.glob("*.txt") if not p.with_suffix(".ann").is_file())
        if alone and labelled:
            report.leave_out("texts without an .ann file", len(alone))
        if path.is_dir() and labelled:
            deeper = sum(1 for _ in path.rglob("*.ann")) - len(texts)
            report.leave_out("annotation files in folders below", deeper)
        for notes in texts:
            yield self._document(notes, report)

    def _document(self, notes: Path, report: ReadReport) -> RawSentence:
        encoding = self.request.source.encoding
        text = _read(notes.with_suffix(".txt"), encoding)
        raw = RawSentence(text=text, id=notes.stem, line=1, file=notes, keep_longest=True)
        if self.request.labelled:
            raw.char_spans = _entities(notes, encoding, text, report)
        return raw


def _entities(notes: Path, encoding: str, text: str, report: ReadReport) -> list[CharSpan]:
    whole: list[CharSpan] = []
    parted: list[CharSpan] = []
    for number, line in enumerate(_read(notes, encoding).split("\n"), 1):
        line = line.rstrip("\r")
        if not line.strip():
            continue
        if line[0] != "T":
            report.leave_out(_KINDS.get(line[0], "other annotations"), 1)
            continue
        match = _ENTITY.match(line)
        positions = _positions(match[2]) if match else []
        if match is None or not positions:
            raise DataError(f"{notes}:{number}: not an entity: {line!r}")
        start, end = positions[0][0], positions[-1][1]
        # Entities over a line break are written in parts, too.
        gaps = [text[a:b] for (_, a), (b, _) in pairwise(positions)]
        said = line.split("\t", 2)[2] if line.count("\t") >= 2 else None
        if any(g.strip() for g in gaps):
            report.count("discontinuous_spans")
            parted.append(CharSpan(start, end, match[1], None, number))
        else:
            whole.append(CharSpan(start, end, match[1], said, number))
    # From its first part to its last, an entity may take in others, which are surer.
    kept = [p for p in parted if not any(p.start < w.end and w.start < p.end for w in whole)]
    report.count("overlapping_spans", len(parted) - len(kept))
    return whole + kept


def _positions(text: str) -> list[tuple[int, int]]:
    parts = [p.split(" ") for p in text.strip().split(";")]
    # At most nine digits: a text of a gigabyte is none.
    if not all(len(p) == 2 and all(re.fullmatch(r"\d{1,9}", n) for n in p) for p in parts):
        return []
    return sorted((int(a), int(b)) for a, b in parts)


def write_brat(items: Iterable[tuple[Sentence, str | None]], folder: Path) -> int:
    """Write sentences as a brat collection.

    Args:
        items: Sentences, each with its source sentence (shown as a note) if there is one.
        folder: The folder; must be new or empty.

    Returns:
        The number of sentences written.

    Raises:
        ConfigError: If the folder holds something.
    """
    types: dict[str, str] = {}
    count = 0
    with (
        folder_whole(folder) as new,
        (new / INDEX).open("w", encoding="utf-8", newline="\n") as index,
    ):
        for chunk in batched(items, PER_DOCUMENT):
            name = f"{count // PER_DOCUMENT:05d}"
            position, number = 0, 0
            texts, notes = [], []
            for sentence, source in chunk:
                text, ranges = joined(sentence.words)
                for span in sentence.spans:
                    number += 1
                    start, end = ranges[span.start][0], ranges[span.end - 1][1]
                    kind = types.setdefault(span.type, _brat_type(span.type, types))
                    said = re.sub(r"\s", " ", text[start:end])
                    notes.append(f"T{number}\t{kind} {position + start} {position + end}\t{said}\n")
                record = {
                    "document": name,
                    "start": position,
                    "id": sentence.id,
                    "lang": sentence.lang,
                    "words": sentence.words,
                    "source": source or "",
                }
                index.write(json.dumps(record, ensure_ascii=False) + "\n")
                texts.append(text)
                position += len(text) + 1
            _write(new / f"{name}.txt", "".join(f"{t}\n" for t in texts))
            _write(new / f"{name}.ann", "".join(notes))
            count += len(chunk)
        listed = "".join(f"{kind}\n" for kind in sorted(set(types.values())))
        _write(
            new / "annotation.conf", f"[entities]\n{listed}[relations]\n[events]\n[attributes]\n"
        )
        _write(new / "types.json", json.dumps(types, ensure_ascii=False, indent=1))
    return count


def _brat_type(name: str, known: Mapping[str, str]) -> str:
    plain = _ODD.sub("_", name)
    others = {kind for other, kind in known.items() if other != name}
    number = 2
    kind = plain
    while kind in others:
        kind, number = f"{plain}_{number}", number + 1
    return kind


def _write(path: Path, text: str) -> None:
    # newline="" keeps a carriage return within a word as it is: positions depend on it.
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)


def _read(path: Path, encoding: str = "utf-8") -> str:
    try:
        with path.open(encoding=encoding, newline="") as file:
            return file.read().removeprefix("\ufeff")
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None
    except UnicodeError as error:
        raise DataError(f"{path}: not {encoding} ({error}); set encoding") from None


def _type_names(path: Path) -> dict[str, str]:
    """Return our names of brat's types, as :func:`write_brat` left them."""
    if not path.is_file():
        return {}
    named = parse_json(_read(path), str(path))
    if not isinstance(named, dict) or not all(isinstance(k, str) for k in named.values()):
        raise DataError(f"{path}: not the types that the export wrote")
    return {kind: name for name, kind in named.items()}


_Record = tuple[str, int, RawSentence]
"""The document of a sentence, where its text begins there, and the sentence."""


def _records(index: Path) -> Iterator[_Record]:
    for number, line in read_lines(index):
        where = f"{index}:{number}"
        if not line.strip():
            continue
        record = parse_json(line, where)
        if not isinstance(record, Mapping):
            raise DataError(f"{where}: not a line that the export wrote")
        own, words = record.get("id"), record.get("words")
        if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
            raise DataError(f"{where}: no list of words; keep the fields that the export wrote")
        name, start = record.get("document"), record.get("start")
        # The name becomes that of a file, so it must not lead out of the folder.
        if (
            not isinstance(own, str | int)
            or not isinstance(name, str)
            or not re.fullmatch(r"[\w-]+", name)
            or type(start) is not int
            or start < 0
        ):
            raise DataError(f"{where}: document, start or id is missing or was changed")
        yield name, start, RawSentence(id=str(own), words=words, keep_longest=True)


def _label(
    records: list[_Record], notes: Path, names: Mapping[str, str], report: ReadReport
) -> None:
    """Give the sentences of one document their text, and each its share of the entities."""
    texts = [" ".join(raw.words or ()) for _, _, raw in records]
    starts = [start for _, start, _ in records]
    places = [(start, start + len(text)) for start, text in zip(starts, texts, strict=True)]
    found = _entities(notes, "utf-8", "".join(f"{text}\n" for text in texts), report)
    for span in found:
        if not any(span.start < stop and start < span.end for start, stop in places):
            raise DataError(
                f"{notes}:{span.line}: an entity that lies in no sentence of {notes.stem}.txt: "
                f"{span.type} {span.start} {span.end}; remove it, or put it where it belongs"
            )
    for (_, _, raw), text, (begin, end) in zip(records, texts, places, strict=True):
        raw.text = text
        raw.char_spans = [
            CharSpan(
                max(s.start, begin) - begin, min(s.end, end) - begin, names.get(s.type, s.type)
            )
            for s in found
            if s.start < end and begin < s.end
        ]
