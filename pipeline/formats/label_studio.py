"""Label Studio: JSON with one task per sentence, the projected labels as predictions.

Positions are counted in Unicode code points, as Label Studio does since version 1.5; older versions
counted UTF-16 units (HumanSignal/label-studio #1008, #1347), so each region's own text is compared
and the other way of counting tried where it does not fit.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from pipeline.errors import DataError
from pipeline.formats.files import read_lines
from pipeline.formats.json_text import annotated, parse_json
from pipeline.formats.report import CharSpan, RawSentence
from pipeline.schema import Sentence

MODEL_VERSION = "xlner"


def char_ranges(words: list[str]) -> list[tuple[int, int]]:
    """Return the character range of each word in ``" ".join(words)``."""
    ranges, position = [], 0
    for word in words:
        ranges.append((position, position + len(word)))
        position += len(word) + 1
    return ranges


def write_label_studio(items: Iterable[tuple[Sentence, str | None]], path: Path) -> int:
    """Write sentences as Label Studio tasks, and the labelling interface beside them (``.xml``).

    Args:
        items: Sentences, each with its source sentence (shown to the annotator) if there is one.
        path: The JSON file.

    Returns:
        The number of sentences written.
    """
    count = 0
    types: set[str] = set()
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for sentence, source in items:
            types.update(s.type for s in sentence.spans)
            file.write(",\n" if count else "\n")
            file.write(json.dumps(_task(sentence, source), ensure_ascii=False))
            count += 1
        file.write("\n]\n")
    path.with_suffix(".xml").write_text(interface(sorted(types)), encoding="utf-8")
    return count


def interface(types: Iterable[str]) -> str:
    """Return the labelling interface (Label Studio's XML) for entity types."""
    labels = "\n".join(f"    <Label value={quoteattr(t)}/>" for t in types)
    return (
        '<View>\n  <Text name="source" value="$source"/>\n'
        f'  <Labels name="label" toName="text">\n{labels}\n  </Labels>\n'
        '  <Text name="text" value="$text" granularity="word"/>\n</View>\n'
    )


def _task(sentence: Sentence, source: str | None) -> dict[str, Any]:
    text = " ".join(sentence.words)
    ranges = char_ranges(sentence.words)
    regions = []
    for number, span in enumerate(sentence.spans):
        start, end = ranges[span.start][0], ranges[span.end - 1][1]
        region: dict[str, Any] = {
            "id": f"e{number}",
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {"start": start, "end": end, "text": text[start:end], "labels": [span.type]},
        }
        if span.score is not None:
            region["score"] = round(span.score, 4)
        regions.append(region)
    return {
        "data": {
            "text": text,
            "source": source or "",
            "sentence_id": sentence.id,
            "lang": sentence.lang,
            "words": sentence.words,
        },
        "predictions": [{"model_version": MODEL_VERSION, "result": regions}],
    }


def read_label_studio(path: Path, counts: Counter[str]) -> Iterator[RawSentence]:
    """Yield the sentences of a Label Studio export (JSON), with words, text and character spans.

    Of several annotations of a task the last one counts. A task without any keeps the labels that
    it was exported with.

    Args:
        path: The JSON file.
        counts: Is told ``not_reviewed``, ``skipped`` (cancelled; left out), ``utf16`` regions, and
            ``other_regions`` (no entities; left out).

    Raises:
        DataError: If it is not such a file, with the number of the task.
    """
    # A byte order mark, binary files and other encodings are told apart there.
    tasks = parse_json("\n".join(line for _, line in read_lines(path)), str(path))
    if not isinstance(tasks, list):
        raise DataError(f"{path}: a Label Studio export is a JSON array of tasks; use 'JSON'")
    for number, task in enumerate(tasks, 1):
        where = f"{path}: task {number}"
        data = task.get("data") if isinstance(task, Mapping) else None
        if not isinstance(data, Mapping) or not isinstance(data.get("text"), str):
            raise DataError(f"{where}: no data.text; export as 'JSON', not 'JSON-MIN'")
        own_id, words = annotated(data, "sentence_id", where)
        done = _objects(task.get("annotations") or task.get("completions"), where)
        valid = [a for a in done if not a.get("was_cancelled")]
        if done and not valid:
            counts["skipped"] += 1
            continue
        if not valid:
            counts["not_reviewed"] += 1
            valid = _objects(task.get("predictions"), where)
        text = data["text"]
        regions = _objects(valid[-1].get("result"), where) if valid else []
        entities = [r for r in regions if r.get("type") == "labels"]
        counts["other_regions"] += len(regions) - len(entities)
        yield RawSentence(
            id=own_id,
            words=words,
            text=text,
            char_spans=[_char_span(text, region, where, counts) for region in entities],
        )


def _objects(found: Any, where: str) -> list[Mapping[str, Any]]:
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(f, Mapping) for f in found):
        raise DataError(f"{where}: a list of annotations was expected, not {found!r:.80}")
    return found


def _char_span(text: str, region: Mapping[str, Any], where: str, counts: Counter[str]) -> CharSpan:
    try:
        value = region["value"]
        start, end, kind = int(value["start"]), int(value["end"]), str(value["labels"][0])
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        raise DataError(f"{where}: a region without start, end and label: {region!r}") from None
    said = value.get("text")
    if isinstance(said, str) and 0 <= start <= end and text[start:end] != said:
        units = text.encode("utf-16-le", "surrogatepass")
        before = units[: 2 * start].decode("utf-16-le", "replace")
        inside = units[2 * start : 2 * end].decode("utf-16-le", "replace")
        if inside == said:
            counts["utf16"] += 1
            return CharSpan(len(before), len(before) + len(inside), kind)
    return CharSpan(start, end, kind)
