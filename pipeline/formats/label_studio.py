"""Label Studio: JSON with one task per sentence, the projected labels as predictions.

Positions are counted in Unicode code points, as Label Studio does since version 1.5; older versions
counted UTF-16 units (HumanSignal/label-studio #1008, #1347), so each region's own text is compared
and the other way of counting tried where it does not fit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from pipeline.disk import write_atomic, write_lines
from pipeline.errors import ConfigError, DataError, suggest
from pipeline.formats.format import ENCODED, POSITIONED, Format, Sample
from pipeline.formats.json_text import read_records
from pipeline.formats.report import RELATIONS, CharSpan, RawSentence, ReadReport
from pipeline.formats.words import joined
from pipeline.schema import Sentence

MODEL_VERSION = "xlner"
CANCELLED: Final = "cancelled tasks"
UNLABELLED: Final = "tasks without annotation"
REGIONS: Final = "regions that are no entities"
OTHER_CONTROLS: Final = "regions of other controls"
CONTROL: Final = "from_name"
"""What in a region names the control of the labelling interface that made it."""
OTHERS: Final = "annotations beside the one that counts"

_MIN: Final = frozenset({"annotation_id", "annotator"})
_NO_TEXT: Final = frozenset(
    {"id", "sentence_id", "lang", "source", "created_at", "updated_at", "meta", "inner_id"}
)


def write_label_studio(items: Iterable[tuple[Sentence, str | None]], path: Path) -> int:
    """Write sentences as Label Studio tasks, and the labelling interface beside them (``.xml``).

    Args:
        items: Sentences, each with its source sentence (shown to the annotator) if there is one.
        path: The JSON file.

    Returns:
        The number of sentences written.

    Raises:
        ConfigError: If there is no place for the interface, or something else is there.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(
            f"{path}: is no file that the labelling interface could stand beside; name one, such "
            "as tasks.json"
        )
    beside = path.with_suffix(".xml")
    if beside == path:
        raise ConfigError(f"{path}: the labelling interface gets this name; call the file .json")
    if beside.exists() and not _is_interface(beside):
        raise ConfigError(
            f"{beside} holds something else than a labelling interface of ours, which would "
            f"take its place; name another file than {path.name}"
        )
    types: set[str] = set()

    def tasks() -> Iterator[str]:
        before = "["
        for sentence, source in items:
            types.update(s.type for s in sentence.spans)
            yield f"{before}\n{json.dumps(_task(sentence, source), ensure_ascii=False)}"
            before = ","
        yield "\n]\n" if before == "," else "[\n]\n"

    count = write_lines(path, tasks()) - 1
    write_atomic(beside, interface(sorted(types)).encode())
    return count


def _is_interface(path: Path) -> bool:
    """Whether a file is a labelling interface of ours that nobody has changed."""
    text = path.read_bytes()
    try:
        found = ElementTree.fromstring(text).iter("Label")
    except ElementTree.ParseError:
        return False
    return text == interface(label.get("value", "") for label in found).encode()


def interface(types: Iterable[str]) -> str:
    """Return the labelling interface (Label Studio's XML) for entity types."""
    labels = "\n".join(f"    <Label value={quoteattr(t)}/>" for t in types)
    return (
        '<View>\n  <Text name="source" value="$source"/>\n'
        f'  <Labels name="label" toName="text">\n{labels}\n  </Labels>\n'
        '  <Text name="text" value="$text" granularity="word"/>\n</View>\n'
    )


def _task(sentence: Sentence, source: str | None) -> dict[str, Any]:
    text, ranges = joined(sentence.words)
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
    options: ClassVar[frozenset[str]] = POSITIONED | ENCODED | {"tag_column"}

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
        """Yield one sentence or document per annotated task, with the spans of its last annotation.

        Tasks that nobody annotated keep the labels that they came with, and are left out if they
        have none and labels are to be read; what was cancelled is left out. All are counted. Of
        several controls of the labelling interface, the one that ``tag_column`` names is read, or
        all.

        Raises:
            DataError: If it is not such a file, with the line, or has no such control.
        """
        path, chosen = self.request.file, self.request.source.tag_column
        controls: set[str] = set()
        for line, task in read_records(path, self.request.source.encoding):
            where = f"{path}:{line}"
            if not isinstance(task, dict):
                raise DataError(f"{where}: a task was expected, not {task!r:.80}")
            if isinstance(task.get("data"), dict):
                data = task["data"]
                regions = _regions(task, where, report, self.request.labelled)
            else:
                data, regions = task, _minimal_regions(task) or []
            if regions is None:
                continue
            entities = [r for r in regions if _is_entity(r)]
            relations = sum("from_id" in r for r in regions)
            report.leave_out(RELATIONS, relations)
            report.leave_out(REGIONS, len(regions) - len(entities) - relations)
            controls.update(str(r[CONTROL]) for r in entities if CONTROL in r)
            if chosen is not None:
                other = [r for r in entities if r.get(CONTROL) != chosen]
                report.leave_out(OTHER_CONTROLS, len(other))
                entities = [r for r in entities if r.get(CONTROL) == chosen]
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
        if chosen is not None and controls and chosen not in controls:
            raise DataError(
                f"{path}: no region is labelled by {chosen!r}, which tag_column names"
                f"{suggest(str(chosen), controls)}; there are {', '.join(sorted(controls))}"
            )
        if chosen is None and len(controls) > 1 and self.request.labelled:
            report.warn(
                f"{report.origin}: the labels of {', '.join(sorted(controls))} are read together; "
                "tag_column names one of them"
            )
        if report.unreviewed:
            report.warn(
                f"{report.origin}: {report.unreviewed:,} tasks have no annotation; they are "
                "read with the labels that they were imported with (predictions)"
            )


def _are_words(words: Any) -> bool:
    return isinstance(words, list) and bool(words) and all(isinstance(w, str) for w in words)


def _minimal_regions(record: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return the regions in a record of JSON-MIN, under whatever names its label config gave."""
    found = [
        (k, v) for k, v in record.items() if isinstance(v, list) and v and all(map(_is_region, v))
    ]
    return [{**region, CONTROL: name} for name, regions in found for region in regions] or None


def _is_region(value: Any) -> bool:
    return isinstance(value, Mapping) and "labels" in value and "start" in value


def _regions(
    task: Mapping[str, Any], where: str, report: ReadReport, labelled: bool
) -> list[Mapping[str, Any]] | None:
    """Return the regions of a task's ground truth, else of its last annotation.

    ``None`` if the task is to be left out; where no labels are read, that is what was cancelled.
    """
    done = _objects(task.get("annotations") or task.get("completions"), where)
    valid = [a for a in done if not a.get("was_cancelled")]
    if done and not valid:
        report.leave_out(CANCELLED)
        return None
    if not valid and not labelled:
        return []
    if not valid:
        valid = _objects(task.get("predictions"), where)
        report.unreviewed += bool(valid)
        report.leave_out(UNLABELLED, int(not valid))
    if not valid:
        return None
    report.leave_out(OTHERS, len(valid) - 1)
    counts = [a for a in valid if a.get("ground_truth")] or valid
    return list(_objects(counts[-1].get("result"), where))


def _is_entity(region: Mapping[str, Any]) -> bool:
    value = region.get("value", region)
    # Relations have labels, too.
    return "from_id" not in region and isinstance(value, Mapping) and _labels(value) is not None


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


def _objects(found: Any, where: str) -> list[Mapping[str, Any]]:
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(f, Mapping) for f in found):
        raise DataError(f"{where}: a list of annotations was expected, not {found!r:.80}")
    return found
