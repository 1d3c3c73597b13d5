"""Rows of labelled sentences to rows of translations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.errors import ConfigError
from pipeline.schema import Span, spans_of, table
from pipeline.stage import Part
from stages.tokenise import detokenise, tokenise
from stages.translate.base import BaseTranslator, Hypothesis
from stages.translate.cleaning import clean
from stages.translate.config import TranslateConfig
from stages.translate.exonyms import exonyms
from stages.translate.kinds.base import TranslatorKind
from stages.translate.markers import mark, unmark, went_wrong
from stages.translate.mending import Mender


def load_worker(
    model: Path,
    name: str,
    source: str,
    target: str,
    config: TranslateConfig,
    workers: int = 1,
    *,
    keep_spans: bool = True,
) -> TranslateWorker:
    """Load a translator.

    Raises:
        ConfigError: If entities are to be marked with what the model cannot read.
    """
    kind: TranslatorKind[Any] = config.kind("translator")
    translator = kind.load(model, source, target, name=name, workers=workers)
    if config.markers != "none":
        text = mark(["x"], [Span(0, 1, "X")], source, config.markers) or ""
        if unknown := translator.unknown(text):
            raise ConfigError(
                f"translate.markers: {name} does not know "
                f"{' and '.join(dict.fromkeys(unknown))}, which {config.markers!r} marks "
                "entities with; choose another style, or 'none'"
            )
    return TranslateWorker(translator, source, target, config, keep_spans=keep_spans)


class TranslateWorker:
    """Translates the sentences of one part.

    Args:
        translator: The model.
        source: ISO code of the input rows.
        target: ISO code to translate to.
        config: The options of the stage.
        keep_spans: Whether the labels of the input rows go with them.
    """

    def __init__(
        self,
        translator: BaseTranslator,
        source: str,
        target: str,
        config: TranslateConfig,
        *,
        keep_spans: bool = True,
    ) -> None:
        self._translator = translator
        self._source = source
        self._target = target
        self._style = None if config.markers == "none" else config.markers
        self._keep_spans = keep_spans
        self._mender = None
        if config.mend and self._style in (None, "xml") and translator.n_best(1) is not None:
            types = config.keep_names if translator.knows_slots else ()
            tagged = self._style == "xml"
            known = exonyms(source, target)
            self._mender = Mender(translator, source, types, tagged=tagged, known=known)

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return the translations of ``inputs["source"]``, n-best of a sentence together."""
        rows = inputs["source"].select(["id", "words", "spans"]).to_pylist()
        texts, marked = [], []
        for row in rows:
            row["spans"] = row["spans"] if self._keep_spans else []
            row["read"] = self._cleaned(row["words"], part)
            text = None
            if self._style is not None:
                text = mark(row["read"], spans_of(row), self._source, self._style)
            marked.append(text)
            if text is None or self._style == "replace":
                text = detokenise(row["read"], self._source)
            texts.append(text)
        before = self._translator.seen.copy()
        results = self._translator.translate(texts, seed=part.seed, advance=part.advance)
        part.notes.update(self._translator.seen - before)
        self._make_again(rows, results, marked, part.seed)
        if self._mender is not None:
            mended = self._mender.mend([(row["read"], spans_of(row)) for row in rows], results)
            searched = len(mended.changed) - mended.by_slots - mended.in_place
            part.notes["mended_by_search"] = searched
            part.notes["mended_in_place"] = mended.in_place
            part.notes["mended_by_slots"] = mended.by_slots
            part.notes["faulty"] = mended.faulty
            part.notes["unknown_words"] = mended.unknown_words
            for k in mended.changed if self._style == "xml" else ():
                marked[k] = results[k][0].text
        slotted = self._slotted(marked, part.seed) if self._style == "replace" else {}
        return table(
            "translations",
            [
                self._row(row, rank, hypothesis, slotted.get(index), marked[index] is not None)
                for index, (row, hypotheses) in enumerate(zip(rows, results, strict=True))
                for rank, hypothesis in enumerate(hypotheses)
            ],
        )

    def _cleaned(self, words: Sequence[str], part: Part) -> list[str]:
        """Return the words as the translator should read them; count what was repaired."""
        read, repairs = clean(words)
        unknown = self._translator.unknown_quotes
        repairs["quotes"] += sum(not unknown.isdisjoint(w) for w in read)
        if repairs := +repairs:
            for kind, count in repairs.items():
                part.notes[f"cleaned_{kind}"] = part.notes.get(f"cleaned_{kind}", 0) + count
            part.notes["cleaned_sentences"] = part.notes.get("cleaned_sentences", 0) + 1
        return read

    def _make_again(
        self,
        rows: Sequence[Mapping[str, Any]],
        results: list[list[Hypothesis]],
        marked: list[str | None],
        seed: int,
    ) -> None:
        """Translate those sentences without markers whose translation the markers have spoiled."""
        style = self._style
        if style is None or style == "replace":
            return
        again = [
            k
            for k, text in enumerate(marked)
            if text is not None
            and (
                results[k][0].reason is not None
                or went_wrong(results[k][0].text, len(rows[k]["spans"]), style)
            )
        ]
        plain = [detokenise(rows[k]["read"], self._source) for k in again]
        for k, hypotheses in zip(again, self._translator.translate(plain, seed=seed), strict=True):
            results[k], marked[k] = hypotheses, None

    def _slotted(self, marked: Sequence[str | None], seed: int) -> dict[int, str]:
        """Return, by row, the best translation of the sentence with slots for its entities."""
        rows = [k for k, text in enumerate(marked) if text is not None]
        results = self._translator.translate([marked[k] or "" for k in rows], seed=seed)
        return {
            k: hypotheses[0].text
            for k, hypotheses in zip(rows, results, strict=True)
            if hypotheses[0].reason is None
        }

    def _row(
        self,
        row: Mapping[str, Any],
        rank: int,
        hypothesis: Hypothesis,
        slotted: str | None,
        is_marked: bool,
    ) -> dict[str, Any]:
        reason = hypothesis.reason
        text, marked = hypothesis.text, slotted
        if is_marked and self._style is not None and self._style != "replace":
            text, marked = unmark(hypothesis.text, self._style), hypothesis.text
        words = tokenise(text, self._target) if reason is None else []
        if reason is None and not words:
            reason = "empty_translation"
        return translation_row(
            row,
            self._source,
            self._target,
            text=text,
            words=words,
            score=hypothesis.score,
            rank=rank,
            marked=marked,
            reason=reason,
        )


def translation_row(
    row: Mapping[str, Any],
    source: str,
    target: str,
    *,
    text: str,
    words: list[str],
    score: float | None,
    rank: int = 0,
    marked: str | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    """Return a row of ``translations`` for a labelled row."""
    return {
        "id": row["id"] if rank == 0 else f"{row['id']}#{rank}",
        "lang": target,
        "source_id": row["id"],
        "source_lang": source,
        "source_words": row["words"],
        "source_spans": row["spans"],
        "text": text,
        "words": words,
        "score": score,
        "rank": rank,
        "marked": marked,
        "reason": reason,
    }
