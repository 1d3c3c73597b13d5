"""Any text through the tagger and the aligners: nothing falls over, places are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.schema import overlapping
from stages.align.build import build
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.planning import plan
from stages.tagger.modeling import LayerFusedForTokenClassification
from stages.tagger.tagger import Tagger
from tests.fuzz.junk import CASES, ODD, fuzzed
from tests.tiny.encoders import build_bert, build_family, build_xlmr

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]

modelled = settings(fuzzed, max_examples=max(25, CASES // 3))

# Whatever a Python string can hold, half surrogate pairs included.
anything = st.text(st.characters(exclude_categories=[]), max_size=8)
pieces = st.sampled_from(ODD) | anything | st.sampled_from(["Anna", "Bonn", "in", "\ud800"])
word_lists = st.lists(st.lists(pieces, max_size=8), max_size=4)
raw_texts = st.lists(
    st.lists(pieces | st.sampled_from([" ", "\n", ". "]), max_size=8).map("".join), max_size=4
)


@pytest.fixture(scope="module", params=["bert", "xlmr", "modernbert"])
def tagger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tagger:
    """A tagger that was never trained: it labels nearly everything."""
    import torch
    from transformers import AutoTokenizer

    folder = build_family(request.param, tmp_path_factory.mktemp("fuzzed"))
    torch.manual_seed(5)
    model = LayerFusedForTokenClassification.from_encoder(folder, LABELS)
    with torch.no_grad():
        model.classifier.weight.normal_(0, 2)
    return Tagger(model, AutoTokenizer.from_pretrained(folder), device="cpu")


@modelled
@given(sentences=word_lists)
def test_tagging_any_words(tagger: Tagger, sentences: list[list[str]]) -> None:
    found = tagger.predict(sentences)
    assert len(found) == len(sentences)
    for words, entities in zip(sentences, found, strict=True):
        assert overlapping(entities) is None
        for e in entities:
            assert 0 <= e.start < e.end <= len(words)
            assert e.text == " ".join(words[e.start : e.end])
            assert e.type in ("PER", "LOC")
            assert e.score is not None and 0 <= e.score <= 1


@modelled
@given(texts=raw_texts, lang=st.sampled_from(["en", "de", "zh", "th", "ar"]))
def test_tagging_any_text(tagger: Tagger, texts: list[str], lang: str) -> None:
    found = tagger.predict(texts, lang=lang)
    assert len(found) == len(texts)
    for text, entities in zip(texts, found, strict=True):
        end = 0
        for e in entities:
            assert e.chars is not None
            assert end <= e.chars[0] < e.chars[1] <= len(text)
            assert text[e.chars[0] : e.chars[1]] == e.text
            end = e.chars[1]


@pytest.fixture(scope="module", params=["bert", "xlmr"])
def aligner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    text = ["Anna wohnt in Bonn", "Anna lives in Bonn", "東京 ירושלים القاهرة"] * 30
    make = build_bert if request.param == "bert" else build_xlmr
    folder: Path = make(tmp_path_factory.mktemp("fuzzed") / "encoder", text)
    config = AlignConfig(model=str(folder), aligner="simalign", soft=request.param == "bert")
    return build(plan(config, AlignmentContext("en", "de")))


@modelled
@given(pairs=st.lists(st.tuples(st.lists(pieces, max_size=8), st.lists(pieces, max_size=8)),
                      max_size=4))  # fmt: skip
def test_aligning_any_words(aligner: Any, pairs: list[tuple[list[str], list[str]]]) -> None:
    found = aligner.align(pairs)
    assert len(found) == len(pairs)
    for (source, target), links in zip(pairs, found, strict=True):
        places = [(k.source, k.target) for k in links]
        assert places == sorted(set(places))
        for k in links:
            assert 0 <= k.source < len(source) and 0 <= k.target < len(target)
            assert 0 <= k.prob <= 1
