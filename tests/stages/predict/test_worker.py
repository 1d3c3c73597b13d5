"""The worker of predict: what it notes about words that the encoder cannot read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from pipeline.stage import Part
from stages.predict import STAGE
from stages.predict.worker import PredictWorker
from stages.tagger.encoding import load_tokenizer
from stages.tagger.modeling import LayerFusedForTokenClassification
from stages.tagger.tagger import Tagger
from tests.tiny.text import LABELS


def test_unknown_words_are_noted_part_by_part(bert: Path) -> None:
    model = LayerFusedForTokenClassification.from_encoder(bert, LABELS)
    tagger = Tagger(model, load_tokenizer(bert))
    worker = PredictWorker(tagger)

    def notes(*sentences: list[str]) -> dict[str, int]:
        rows = [{"id": str(k), "lang": "yo", "words": s} for k, s in enumerate(sentences)]
        part = Part(0, 1)
        table = worker({"rows": pa.Table.from_pylist(rows)}, part)
        assert table.column("words").to_pylist() == list(sentences)
        return part.notes

    assert notes(["Tom", "met"]) == {}
    assert notes(["Tọ̀m", "met", "木"], ["木"]) == {
        "words": 4,
        "words_respelt": 1,
        "words_unknown": 2,
    }
    assert notes(["Tom", "met"]) == {}
    assert tagger.seen == {"words": 8, "words_respelt": 1, "words_unknown": 2}
    assert "2 of 4 words" in str(STAGE.remark({"words": 4, "words_unknown": 2}))
    assert STAGE.remark({"words": 4, "words_respelt": 1}) is None
