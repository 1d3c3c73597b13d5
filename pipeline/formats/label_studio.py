"""Label Studio: JSON with one task per sentence, the projected labels as predictions.

Positions are counted in Unicode code points, as Label Studio does since version 1.5; older versions
counted UTF-16 units (HumanSignal/label-studio #1008, #1347), so each region's own text is compared
and the other way of counting tried where it does not fit.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final
from xml.sax.saxutils import quoteattr

from pipeline.errors import DataError
from pipeline.formats.files import read_lines
from pipeline.formats.format import Format, Sample
from pipeline.formats.json_text import annotated, parse_json, read_records
from pipeline.formats.report import CharSpan, RawSentence, ReadReport
from pipeline.schema import Sentence

MODEL_VERSION = "xlner"

_MIN: Final = frozenset({"annotation_id", "annotator"})
_NO_TEXT: Final = frozenset(
    {"id", "sentence_id", "lang", "source", "created_at", "updated_at", "meta", "inner_id"}
)


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


class LabelStudio(Format):
    """Exports of Label Studio: JSON and JSON-MIN."""

    about: ClassVar[str] = "Label Studio: JSON or JSON-MIN; of several annotations the last"
    holds_documents: ClassVar[bool] = True

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether its first record is a task, or one of JSON-MIN."""
        record = sample.record
        if not isinstance(record, dict):
            return False
        if isinstance(record.get("data"), dict):
            return bool(record.keys() & {"annotations", "completions", "predictions"})
        return record.keys() >= _MIN or _minimal_regions(record) is not None

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield one sentence or document per annotated task.

        Tasks that nobody annotated keep the labels that they came with, and are left out if they
        have none; what was cancelled is left out. Both are counted.
        """
        path, source = self.request.file, self.request.source
        counts: Counter[str] = Counter()
        for line, task in read_records(path, source.encoding):
            where = f"{path}:{line}"
            if not isinstance(task, dict):
                raise DataError(f"{where}: a task was expected, not {task!r:.80}")
            if isinstance(task.get("data"), dict):
                data, regions = task["data"], _regions(task, where, counts)
            else:
                data, regions = task, list(_minimal_regions(task) or ())
            if regions is None:
                continue
            entities = [r for r in regions if _is_entity(r)]
            counts["other_regions"] += len(regions) - len(entities)
            spans = [s for r in entities for s in _char_spans(r, where)]
            own = data.get("sentence_id", task.get("id"))
            words = data.get("words")
            yield RawSentence(
                id=None if own is None else str(own),
                text=_text_of(data, spans, where),
                words=words if _are_words(words) else None,
                char_spans=spans if self.request.labelled else None,
                line=line,
                keep_longest=True,
            )
        report.leave_out("cancelled tasks", counts["skipped"])
        report.leave_out("tasks without annotation", counts["unlabelled"])
        report.leave_out("regions that are no entities", counts["other_regions"])
        if counts["not_reviewed"]:
            report.warn(
                f"{report.origin}: {counts['not_reviewed']:,} tasks have no annotation; they are "
                "read with the labels that they were imported with (predictions)"
            )


def _are_words(words: Any) -> bool:
    return isinstance(words, list) and bool(words) and all(isinstance(w, str) for w in words)


def _minimal_regions(record: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return the regions in a record of JSON-MIN, under whatever name its label config gave."""
    for value in record.values():
        if not isinstance(value, list) or not value:
            continue
        if all(isinstance(v, Mapping) and "labels" in v and "start" in v for v in value):
            return value
    return None


def _regions(
    task: Mapping[str, Any], where: str, counts: Counter[str]
) -> list[Mapping[str, Any]] | None:
    """Return the regions of a task's last annotation; ``None`` if the task is to be left out."""
    done = _objects(task.get("annotations") or task.get("completions"), where)
    valid = [a for a in done if not a.get("was_cancelled")]
    if done and not valid:
        counts["skipped"] += 1
        return None
    if not valid:
        valid = _objects(task.get("predictions"), where)
        counts["not_reviewed" if valid else "unlabelled"] += 1
    return list(_objects(valid[-1].get("result"), where)) if valid else None


def _is_entity(region: Mapping[str, Any]) -> bool:
    value = region.get("value", region)
    return isinstance(value, Mapping) and _labels(value) is not None


def _labels(value: Mapping[str, Any]) -> list[Any] | None:
    found = value.get("labels", value.get("hypertextlabels"))
    return found if isinstance(found, list) else None


def _char_spans(region: Mapping[str, Any], where: str) -> list[CharSpan]:
    """Return one span per label of a region."""
    value = region.get("value", region)
    # In HTML, start and end are paths, and the positions stand beside them.
    at = value.get("globalOffsets", value)
    said = value.get("text")
    try:
        start, end = int(at["start"]), int(at["end"])
        labels = [str(label) for label in _labels(value) or ()]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DataError(f"{where}: a region without start, end and labels: {region!r}") from None
    if not labels:
        raise DataError(f"{where}: a region without a label: {region!r}")
    surface = said if isinstance(said, str) else None
    return [CharSpan(start, end, label, surface) for label in labels]


def _text_of(data: Mapping[str, Any], spans: Sequence[CharSpan], where: str) -> str:
    """Return the text of a task: the field of that name, or the one that the regions quote."""
    if isinstance(data.get("text"), str):
        return str(data["text"])
    texts = {k: v for k, v in data.items() if isinstance(v, str) and k not in _NO_TEXT}
    quoted = [s.surface for s in spans if s.surface]
    fitting = [k for k, v in texts.items() if all(q in v for q in quoted)]
    if len(texts) == 1 or (quoted and len(fitting) == 1):
        return texts[fitting[0] if fitting else next(iter(texts))]
    raise DataError(
        f"{where}: no text; the task has {', '.join(data) or 'nothing'}: name its text 'text'"
    )


def read_label_studio(path: Path, counts: Counter[str]) -> Iterator[RawSentence]:
    """Yield the sentences of a Label Studio export (JSON), with words, text and character spans.

    Of several annotations of a task the last one counts. A task without any keeps the labels that
    it was exported with.

    Args:
        path: The JSON file.
        counts: Is told ``not_reviewed``, ``skipped`` (cancelled; left out), ``utf16`` regions,
            ``other_regions`` (no entities; left out), ``other_text`` (regions whose own text is
            another than at their positions, which count) and ``other_labels`` (regions with several
            labels, of which the first counts).

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
    if len(value["labels"]) > 1:
        counts["other_labels"] += 1
    if isinstance(said, str) and 0 <= start <= end and text[start:end] != said:
        units = text.encode("utf-16-le", "surrogatepass")
        before = units[: 2 * start].decode("utf-16-le", "replace")
        inside = units[2 * start : 2 * end].decode("utf-16-le", "replace")
        if inside == said:
            counts["utf16"] += 1
            return CharSpan(len(before), len(before) + len(inside), kind)
        counts["other_text"] += 1
    return CharSpan(start, end, kind)
