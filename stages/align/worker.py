"""Rows of translations to rows of alignments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from pipeline.schema import table
from pipeline.stage import Part
from stages.align.build import build
from stages.align.planning import Plan
from stages.translate.cleaning import clean_words
from stages.word_alignment.aligner import Aligner


def load_worker(plan: Plan, collected: Path) -> AlignWorker:
    """Load the models of a plan."""
    return AlignWorker(build(plan, collected))


class AlignWorker:
    """Aligns the translations of one part.

    Args:
        aligner: The aligner.
    """

    def __init__(self, aligner: Aligner) -> None:
        self._aligner = aligner

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return the alignment of each row of ``inputs["translations"]``.

        A row that has no links says why: what kept it from being translated, else ``unaligned``.
        """
        columns = ["id", "lang", "source_lang", "source_words", "words", "reason"]
        data = inputs["translations"].select(columns).to_pydict()
        # Aligned is what a model can read, word for word, so that links point at the user's words.
        sides = zip(data["source_words"], data["words"], strict=True)
        pairs = [(clean_words(source), clean_words(target)) for source, target in sides]
        links = self._aligner.align(pairs, part.advance)
        rows = (
            {
                "id": row_id,
                "lang": lang,
                "source_lang": source_lang,
                "links": [{"source": k.source, "target": k.target, "prob": k.prob} for k in found],
                "aligner": self._aligner.name,
                "reason": None if found else (reason or "unaligned"),
            }
            for row_id, lang, source_lang, reason, found in zip(
                data["id"], data["lang"], data["source_lang"], data["reason"], links, strict=True
            )
        )
        return table("alignments", rows)
