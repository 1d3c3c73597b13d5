"""Labels of sentence pairs by the default method and filters."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.schema import Span
from stages.project.batch import Batch, LabelledPair
from stages.project.build import project_batches
from stages.project.config import ProjectConfig
from stages.project.decide import decide_row


def labels_of(pairs: Sequence[LabelledPair]) -> list[tuple[bool, list[Span]]]:
    """Return for each pair whether the filters keep it, and its kept spans."""
    config = ProjectConfig()
    found = []
    projected = list(project_batches([Batch.from_pairs(pairs)], config))
    for pair, (spans, lost) in zip(pairs, projected, strict=True):
        row = {
            "id": pair.id,
            "lang": "",
            "source_words": list(pair.source_words),
            "source_spans": [{"start": s.start, "end": s.end} for s in pair.source_spans],
            "words": list(pair.words),
            "spans": spans,
            "lost": lost,
        }
        decided = decide_row(row, config.filters)
        kept = [Span(s["start"], s["end"], s["type"]) for s in decided["spans"] if s["kept"]]
        found.append((bool(decided["kept"]), kept))
    return found
