"""Quality on real gold sentences, with spelling alone or links as weak as word order."""

from __future__ import annotations

import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from benchmarks.project.scoring import f1
from pipeline.config import DataSource
from pipeline.formats import read_labelled, tags_from_spans
from pipeline.schema import Link, Sentence, Span
from stages.project.batch import Batch, LabelledPair
from stages.project.build import project_batches
from stages.project.config import ProjectConfig
from tests.shared_data import shared_data


def read(*parts: str, lang: str) -> list[Sentence]:
    return list(read_labelled(DataSource(), lang, path=shared_data(*parts)))


def score(lang: str, config: ProjectConfig, identical_words: bool) -> float:
    source = read("ner", "europarl", "en.conll02", lang="en")
    target = read("ner", "europarl", f"{lang}.conll02", lang=lang)
    pairs = []
    for s, t in zip(source, target, strict=True):
        links = [
            Link(i, j, 1.0)
            for i, a in enumerate(s.words)
            for j, b in enumerate(t.words)
            if identical_words and a == b
        ]
        pairs.append(LabelledPair(s.words, s.spans, t.words, links))
    spans = [
        [
            (x["start"], x["end"], x["type"])
            for x in row
            if x["score"] >= config.filters.value("min_score")
        ]
        for row, _ in project_batches([Batch.from_pairs(pairs)], config)
    ]
    ours = f1([t.spans for t in target], spans, range(len(pairs)))
    truth = [tags_from_spans(t.spans, len(t.words)) for t in target]
    found = [
        tags_from_spans([Span(*x) for x in row], len(t.words))
        for row, t in zip(spans, target, strict=True)
    ]
    assert ours == pytest.approx(100 * f1_score(truth, found, mode="strict", scheme=IOB2))
    return ours


@pytest.mark.parametrize(("lang", "least"), [("de", 45.0), ("es", 45.0)])
def test_two_passes_are_better_than_one_even_without_an_aligner(lang: str, least: float) -> None:
    two = score(lang, ProjectConfig(), identical_words=True)
    one = score(lang, ProjectConfig(corpus_statistics=False), identical_words=True)
    assert two >= least
    assert two >= one - 1.0
