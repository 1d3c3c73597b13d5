"""Renaming, dropping and comparing labels."""

from __future__ import annotations

import pytest

from pipeline.errors import DataError
from pipeline.formats import map_spans, require_known_types
from pipeline.schema import Span


def test_map() -> None:
    spans = [Span(0, 1, "A", 0.5), Span(1, 2, "B"), Span(2, 3, "C"), Span(3, 4, "D")]
    mapped = map_spans(spans, {"A": "B", "B": "X", "C": "O"})
    assert mapped == [Span(0, 1, "B", 0.5), Span(1, 2, "X"), Span(3, 4, "D")]


def test_unknown_types() -> None:
    require_known_types({"A"}, {"A", "B"}, key="data.test", reference="data.train")
    with pytest.raises(DataError) as error:
        require_known_types(["A", "Z", "Y"], ["B", "A"], key="data.test", reference="data.train")
    assert str(error.value) == (
        "data.test: has the entity types Y, Z, which data.train does not have (A, B); rename or "
        "drop them, for example labels.map: {Y: O, Z: O}"
    )
