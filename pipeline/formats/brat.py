"""brat standoff: a folder of ``.txt`` and ``.ann`` documents, one line of text per sentence.

brat slows down on long documents, so a document holds :data:`PER_DOCUMENT` sentences. Ids and
words, for which brat has no place, are in ``index.jsonl``, which brat ignores.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

from pipeline.errors import DataError
from pipeline.formats.label_studio import char_ranges
from pipeline.formats.report import CharSpan, RawSentence
from pipeline.schema import Sentence

PER_DOCUMENT: Final = 50
INDEX: Final = "index.jsonl"
_ENTITY: Final = re.compile(r"T\d+\t(\S+) ([\d; ]+)(?:\t|$)")
# brat's type names are restricted; ours are turned into such and back by the index.
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")


def write_brat(items: Iterable[tuple[Sentence, str | None]], folder: Path) -> int:
    """Write sentences as a brat collection.

    Args:
        items: Sentences, each with its source sentence (shown as a note) if there is one.
        folder: The folder; must be new or empty.

    Returns:
        The number of sentences written.

    Raises:
        DataError: If the folder holds something.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise DataError(f"{folder} is not empty; a brat collection needs a folder of its own")
    stream = iter(items)
    types: dict[str, str] = {}
    count = 0
    with (folder / INDEX).open("w", encoding="utf-8", newline="\n") as index:
        while chunk := list(islice(stream, PER_DOCUMENT)):
            name = f"{count // PER_DOCUMENT:05d}"
            position, number = 0, 0
            texts, notes = [], []
            for sentence, source in chunk:
                text = " ".join(sentence.words)
                ranges = char_ranges(sentence.words)
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
            _write(folder / f"{name}.txt", "".join(f"{t}\n" for t in texts))
            _write(folder / f"{name}.ann", "".join(notes))
            count += len(chunk)
    listed = "".join(f"{kind}\n" for kind in sorted(set(types.values())))
    _write(folder / "annotation.conf", f"[entities]\n{listed}[relations]\n[events]\n[attributes]\n")
    _write(folder / "types.json", json.dumps(types, ensure_ascii=False, indent=1))
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


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def read_brat(folder: Path) -> Iterator[RawSentence]:
    """Yield the sentences of a brat collection that :func:`write_brat` wrote.

    A discontinuous entity counts from its first to its last character. Relations, events,
    attributes and notes are not looked at.

    Raises:
        DataError: If files are missing or an annotation does not fit, with file and line.
    """
    index = folder / INDEX
    if not index.is_file():
        raise DataError(f"{folder}: no {INDEX}: only collections that were exported here are read")
    types_file = folder / "types.json"
    back: dict[str, str] = {}
    if types_file.is_file():
        back = {kind: name for name, kind in json.loads(_read(types_file)).items()}
    with index.open(encoding="utf-8") as file:
        records: Iterator[dict[str, Any]] = map(json.loads, file)
        for name, group in groupby(records, key=lambda r: str(r["document"])):
            yield from _document(folder, name, list(group), back)


def _document(
    folder: Path, name: str, records: list[dict[str, Any]], back: dict[str, str]
) -> Iterator[RawSentence]:
    path = folder / f"{name}.ann"
    if not path.is_file():
        raise DataError(f"{path} is missing")
    found: list[tuple[int, int, str]] = []
    for number, line in enumerate(_read(path).split("\n"), 1):
        if not line.startswith("T"):
            continue
        match = _ENTITY.match(line)
        positions = [int(n) for n in re.findall(r"\d+", match[2])] if match else []
        if match is None or len(positions) < 2:
            raise DataError(f"{path}:{number}: not an entity: {line!r}")
        found.append((min(positions), max(positions), back.get(match[1], match[1])))
    for record in records:
        text = " ".join(record["words"])
        start, end = record["start"], record["start"] + len(text)
        yield RawSentence(
            id=record["id"],
            words=record["words"],
            text=text,
            char_spans=[
                CharSpan(max(a, start) - start, min(b, end) - start, kind)
                for a, b, kind in found
                if a < end and start < b
            ],
        )
