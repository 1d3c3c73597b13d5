"""Distributions on their way from a translation's words to those of the sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.schema import table
from stages.project.back_projection import word_distributions
from stages.project.batch import Batch
from stages.project.build import pair_columns, project_tables
from stages.project.config import FilterConfig, ProjectConfig
from stages.project.span import RunsProjector
from stages.tagger.labels import LabelSet
from stages.tagger.predictions import distributions_of

LABELS = LabelSet.of_types(["LOC", "PER"])  # O B-LOC I-LOC B-PER I-PER


def span(start: int, end: int, source: int, *, kept: bool = True) -> dict[str, Any]:
    return {"start": start, "end": end, "source": source, "kept": kept, "type": "PER"}


def link(source: int, target: int, prob: float) -> dict[str, Any]:
    return {"source": source, "target": target, "prob": prob}


def test_an_entity_takes_its_mean_distribution_along() -> None:
    probs = np.array(
        [[0.2, 0, 0, 0.6, 0.2], [0.0, 0.2, 0, 0, 0.8], [1, 0, 0, 0, 0]], dtype=np.float32
    )
    row = {
        "words": ["a", "b", "c", "d"],
        "source_spans": [{"start": 0, "end": 2}],
        "spans": [span(1, 4, 0)],
    }
    # By hand: mean (0.1, 0.1, 0, 0.3, 0.5), so LOC 0.1 and PER 0.8: B- first, I- after.
    found = word_distributions(row, [link(1, 0, 1.0)], probs, LABELS)
    np.testing.assert_allclose(
        found,
        [
            [1, 0, 0, 0, 0],
            [0.1, 0.1, 0, 0.8, 0],
            [0.1, 0, 0.1, 0, 0.8],
            [0.1, 0, 0.1, 0, 0.8],
        ],
        atol=1e-6,
    )


def test_other_words_follow_their_links() -> None:
    probs = np.array([[0.6, 0, 0, 0.4, 0], [0.8, 0.2, 0, 0, 0], [0, 0, 0, 1, 0]], np.float32)
    row = {
        "words": ["a", "b", "c", "d"],
        "source_spans": [{"start": 2, "end": 3}],
        "spans": [span(3, 4, 0, kept=False)],
    }
    # From the words of the sentence to those of its translation.
    links = [link(0, 0, 0.5), link(1, 0, 1.0), link(1, 1, 0.6), link(2, 2, 1.0)]
    found = word_distributions(row, links, probs, LABELS)
    np.testing.assert_allclose(
        found,
        [
            [0.8, 0, 0, 0.2, 0],  # half of word 0, half O
            [(0.6 + 0.48) / 1.6, 0.12 / 1.6, 0, 0.4 / 1.6, 0],
            [1, 0, 0, 0, 0],  # word 2 is an entity: its probability went elsewhere, or nowhere
            [1, 0, 0, 0, 0],  # the span was dropped
        ],
        atol=1e-6,
    )
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)


def test_nothing_known_is_outside() -> None:
    row = {"words": ["a", "b"], "source_spans": [], "spans": []}
    found = word_distributions(row, [], np.zeros((0, 5), np.float32), LABELS)
    assert found.tolist() == [[1, 0, 0, 0, 0]] * 2


def test_distributions_of_a_column_with_empty_rows() -> None:
    rows = [
        {"id": str(i), "lang": "de", "words": ["w"] * len(p), "spans": [], "probs": p}
        for i, p in enumerate([[], [[0.25, 0.75]], [], [[1.0, 0.0], [0.5, 0.5]]])
    ]
    data = table("predictions", rows, ["O", "B-X"])
    found = distributions_of(data)
    assert [f.tolist() for f in found] == [[], [[0.25, 0.75]], [], [[1.0, 0.0], [0.5, 0.5]]]
    sliced = distributions_of(data.slice(1, 2))
    assert [f.tolist() for f in sliced] == [[[0.25, 0.75]], []]
    assert all(f.size == 0 for f in distributions_of(data.slice(0, 1)))


def test_the_labelled_side_becomes_the_source() -> None:
    translation = {
        "id": "x",
        "lang": "en",
        "source_id": "x",
        "source_lang": "de",
        "source_words": ["Anna", "kam"],
        "source_spans": [{"start": 0, "end": 2, "type": "LOC", "score": None}],
        "text": "came Anna",
        "words": ["came", "Anna"],
        "score": -1.0,
        "rank": 0,
        "marked": None,
        "reason": None,
    }
    alignment = {
        "id": "x",
        "lang": "en",
        "source_lang": "de",
        "links": [link(0, 1, 0.5), link(1, 0, 0.7)],
        "aligner": "a",
        "reason": None,
    }
    tagged = {
        "id": "x",
        "lang": "en",
        "words": ["came", "Anna"],
        "spans": [{"start": 1, "end": 2, "type": "PER", "score": 0.5}],
        "probs": [[0.5] * 2] * 2,
    }
    data = table("translations", [translation])
    links = table("alignments", [alignment])
    predictions = table("predictions", [tagged])
    (row,) = pair_columns(data, predictions).to_pylist()
    assert (row["source_words"], row["words"]) == (["came", "Anna"], ["Anna", "kam"])
    assert row["source_spans"] == tagged["spans"]  # the labels of the test set are not there
    assert (row["source_lang"], row["lang"]) == ("en", "de")
    batch = Batch.from_tables(data, links, labelled=predictions)
    names = list(batch.vocabulary.codes)
    assert batch.source.words(0, names) == ["came", "Anna"]
    assert batch.target.words(0, names) == ["Anna", "kam"]
    assert (batch.entity_start.tolist(), batch.entity_type) == ([1], ["PER"])
    assert (batch.link_source.tolist(), batch.link_target.tolist()) == ([0, 1], [1, 0])
    assert batch.link_prob.tolist() == pytest.approx([0.7, 0.5])  # in the order of the translation
    # COMP-SRC asks for links of the labelled side.
    filters = FilterConfig(comp_source=True)
    projected = project_tables(data, links, RunsProjector("span"), filters, labelled=predictions)
    assert projected.column("reason").to_pylist() == [None]
    assert [(s["start"], s["end"]) for s in projected.to_pylist()[0]["spans"]] == [(0, 1)]
    weak = table("alignments", [{**alignment, "links": [link(0, 1, 0.1), link(1, 0, 0.7)]}])
    projected = project_tables(data, weak, RunsProjector("span"), filters, labelled=predictions)
    assert projected.column("reason").to_pylist() == ["comp_source"]
    other = table("predictions", [{**tagged, "words": ["came", "Hanna"]}])
    with pytest.raises(DataError, match="'x' is not what was labelled"):
        Batch.from_tables(data, links, labelled=other)


def test_no_test_sentence_is_filtered_away() -> None:
    options = ProjectConfig(
        filters={"require_all": True, "comp_source": True, "min_score": 0.4}  # type: ignore[arg-type]
    )
    filters = options.filters.spans_only()
    assert [filters.value(k) for k in ("require_all", "comp_source", "min_score")] == [
        False,
        False,
        0.4,
    ]
