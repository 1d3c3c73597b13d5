"""Every projector: what it finds, and what always holds."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.schema import Link, Span
from stages.project.batch import Batch, LabelledPair
from stages.project.build import build_projector, gather, span_rows
from stages.project.config import ProjectConfig, method_of
from stages.project.features import character_rows
from stages.project.matching import chunks, default_weights
from stages.project.methods import METHODS
from stages.project.projector import Projection
from stages.registry import STAGES
from tests.stages.project.examples import VISIT, pair, pairs


def project(
    listed: list[LabelledPair], method: str = "candidates", **options: object
) -> Projection:
    config = ProjectConfig.model_validate({"method": method, **options})
    batch = Batch.from_pairs(listed)
    statistics = gather(iter([batch])) if method_of(config).first_pass else None
    return build_projector(config, statistics).project(batch)


def texts(
    listed: list[LabelledPair], method: str = "candidates", **options: object
) -> list[list[str]]:
    config = ProjectConfig.model_validate({"method": method, **options})
    batch = Batch.from_pairs(listed)
    statistics = gather(iter([batch])) if method_of(config).first_pass else None
    rows = span_rows(batch, build_projector(config, statistics).project(batch))
    return [
        [f"{s['type']}:{' '.join(p.words[s['start'] : s['end']])}" for s in spans]
        for p, (spans, _) in zip(listed, rows, strict=True)
    ]


@pytest.mark.parametrize("method", list(METHODS))
@settings(max_examples=60)
@given(listed=st.lists(pairs(), min_size=1, max_size=3), greedy=st.booleans())
def test_invariants(method: str, listed: list[LabelledPair], greedy: bool) -> None:
    solver = "greedy" if greedy else "exact"
    has = "solver" in METHODS[method].Options.model_fields
    config = ProjectConfig.model_validate({"method": method} | ({"solver": solver} if has else {}))
    batch = Batch.from_pairs(listed)
    statistics = gather(iter([batch])) if method_of(config).first_pass else None
    for row, (spans, lost) in zip(
        listed, span_rows(batch, build_projector(config, statistics).project(batch)), strict=True
    ):
        words: set[int] = set()
        for span in spans:
            assert 0 <= span["start"] < span["end"] <= len(row.words)
            mine = set(range(span["start"], span["end"]))
            assert not words & mine, "overlap"
            words |= mine
            assert 0 <= span["score"] <= 1
            assert span["type"] == row.source_spans[span["source"]].type
            assert span["method"] in METHODS
        sources = [s["source"] for s in spans]
        if method != "merged_runs":
            assert len(set(sources)) == len(sources), "not one to one"
        missing = [item["source"] for item in lost]
        assert sorted(set(sources)) + sorted(missing) == sorted({*sources}) + sorted(missing)
        assert set(sources) | set(missing) == set(range(len(row.source_spans)))
        assert not set(sources) & set(missing)
        assert all(item["reason"] in STAGES.reasons for item in lost)


@pytest.mark.parametrize("method", list(METHODS))
def test_plain_sentence(method: str) -> None:
    expected = [["PER:Angela Merkel", "ORG:Europäische Parlament", "LOC:Straßburg"]]
    assert texts([VISIT], method) == expected


@pytest.mark.parametrize("method", list(METHODS))
def test_nothing_to_project(method: str) -> None:
    empty = pair("", "", "", "")
    no_entity = pair("We agree .", "", "Wir stimmen zu .", "0-0 1-1")
    assert texts([empty, no_entity], method) == [[], []]
    assert len(project([], method)) == 0


def test_span_goes_from_the_smallest_to_the_largest_link() -> None:
    scattered = pair("New York", "0-2:LOC", "a New b c York d", "0-1 1-4 0-5:0.3")
    assert texts([scattered], "span") == [["LOC:New b c York"]]


def test_merged_runs_follow_distance_and_ratio() -> None:
    gap = pair("Bank of England", "0-3:ORG", "die Bank x England und y z England", "0-1 2-3 2-7")
    assert texts([gap], "merged_runs") == [["ORG:Bank x England"]]
    assert texts([gap], "merged_runs", merge_distance=0) == [[]]
    assert texts([gap], "merged_runs", merge_distance=0, merge_ratio=0.3) == [
        ["ORG:Bank", "ORG:England", "ORG:England"]
    ]
    lost = project([gap], "merged_runs", merge_distance=0).lost
    assert lost == {0: "length_ratio"}


def all_ranges_score(p: LabelledPair, span: Span, start: int, end: int) -> float:
    if any(w in "!?" for w in p.words[start:end]):
        return 0.0
    inside = sum(
        x.prob >= 0.5 and span.start <= x.source < span.end and start <= x.target < end
        for x in p.links
    )
    return 2 * inside / (span.end - span.start + end - start)


@settings(max_examples=80)
@given(pairs())
def test_published_score_is_exact_over_all_sub_ranges(p: LabelledPair) -> None:
    best = [0.0]

    def search(k: int, used: frozenset[int], total: float) -> None:
        if k == len(p.source_spans):
            best[0] = max(best[0], total)
            return
        search(k + 1, used, total)
        for start in range(len(p.words)):
            for end in range(start + 1, len(p.words) + 1):
                value = all_ranges_score(p, p.source_spans[k], start, end)
                mine = frozenset(range(start, end))
                if value > 0 and not used & mine:
                    search(k + 1, used | mine, total + value)

    search(0, frozenset(), 0.0)
    batch = Batch.from_pairs([p])
    found = build_projector(ProjectConfig(method="published")).project(batch)
    total = sum(
        all_ranges_score(p, p.source_spans[int(batch.entity_index[e])], int(s), int(t))
        for e, s, t in zip(found.entity, found.start, found.end, strict=True)
    )
    assert total == pytest.approx(best[0])


def test_reasons_for_lost_entities() -> None:
    no_words = pair("Ulm", "0-1:LOC", "", "")
    no_link = pair("Ulm", "0-1:LOC", "xyz abc", "")
    assert project([no_words, no_link]).lost == {0: "untranslated", 1: "no_link"}
    clash = pair("Ulm Bonn", "0-1:LOC 1-2:LOC", "Stadt", "0-0 1-0:0.9")
    assert project([clash], "span").lost == {1: "conflict"}


def test_spelling_finds_what_has_no_link() -> None:
    p = pair("Kori Schulman wrote .", "0-2:PER", "Gestern schrieb Kori Schulman .", "2-1 3-4")
    assert texts([p]) == [["PER:Kori Schulman"]]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("Вчера Владимир Путин приехал .", "Владимир Путин"),
        ("Χθες ο Βλαντιμίρ ήρθε .", "Βλαντιμίρ"),
    ],
)
def test_other_scripts_are_transliterated(target: str, expected: str) -> None:
    source = "Yesterday Vladimir Putin came ." if "Путин" in target else "Then Vladimir came ."
    spans = "1-3:PER" if "Путин" in target else "1-2:PER"
    assert texts([pair(source, spans, target, "0-0")]) == [[f"PER:{expected}"]]


def test_script_without_case() -> None:
    p = pair(
        "Xi Jinping visited Moscow yesterday .",
        "0-2:PER 3-4:LOC",
        "习近平 昨天 访问 了 莫斯科 。",
        "0-0 1-0 2-2 3-4 4-1 5-5",
    )
    assert texts([p]) == [["PER:习近平", "LOC:莫斯科"]]


def test_text_cut_into_characters() -> None:
    p = pair(
        "Xi Jinping visited Moscow yesterday .",
        "0-2:PER 3-4:LOC",
        "习 近 平 昨 天 访 问 了 莫 斯 科 。",
        "0-0 1-1 1-2 2-5 2-6 3-8 3-9 3-10 4-3 4-4 5-11",
    )
    assert texts([p]) == [["PER:习 近 平", "LOC:莫 斯 科"]]
    words = pair("He met Xi .", "2-3:PER", "他 见到 了 习近平 。", "0-0 1-1 2-3 3-4")
    back = pair("他 见到 了 习近平 。", "3-4:PER", "He met Xi .", "0-0 1-1 3-2 4-3")
    mixed = pair("He met Xi .", "2-3:PER", "他 said NATO and EU", "0-0 1-1 2-2")
    latin = pair("I met A .", "2-3:PER", "I o A .", "0-0 1-1 2-2 3-3")
    hindi = pair("Modi visited Delhi .", "0-1:PER", "मोदी ने दिल्ली का दौरा किया ।", "0-0 1-4 2-2")
    rows = Batch.from_pairs([p, words, back, mixed, latin, hindi])
    assert character_rows(rows).tolist() == [True, True, True, False, False, False]
    main = default_weights()
    assert main.characters is not None and main.uncased is not None
    assert main.characters.second != main.uncased.second


def test_renderings_elsewhere_help_where_links_fail() -> None:
    seen = [
        pair(
            f"The Netherlands voted {k} times .",
            "1-2:LOC",
            f"Die Niederlande stimmten {k} mal .",
            "0-0 1-1 2-2 3-3 4-4 5-5",
            id=str(k),
        )
        for k in range(8)
    ]
    unlinked = pair(
        "We thank the Netherlands again .",
        "3-4:LOC",
        "Wir danken erneut den Niederlande .",
        "0-0 1-1",
    )
    assert texts([*seen, unlinked])[-1] == ["LOC:Niederlande"]
    assert texts([unlinked], corpus_statistics=False) != [["LOC:den Niederlande"]]


def test_a_sentence_of_5000_words_is_quick() -> None:
    n, every = 5000, 50
    words = [f"word{k}" for k in range(n)]
    spans = [Span(k, k + 2, "PER") for k in range(0, n - 2, every)]
    links = [Link(k, k, 1.0) for k in range(n)]
    started = time.process_time()
    found = project([LabelledPair(words, spans, words, links)])
    assert time.process_time() - started < 10
    assert found.start.tolist() == [s.start for s in spans]
    assert found.end.tolist() == [s.end for s in spans]


def test_the_result_does_not_depend_on_how_rows_are_batched() -> None:
    listed = [VISIT, pair("Ulm", "0-1:LOC", "in Ulm", "0-1"), VISIT]
    batch = Batch.from_pairs(listed)
    statistics = gather(iter([batch]))
    projector = build_projector(ProjectConfig(), statistics)
    whole = span_rows(batch, projector.project(batch))
    single = [
        span_rows(b, projector.project(b))[0] for b in (Batch.from_pairs([p]) for p in listed)
    ]
    assert whole == single


def test_large_batches_are_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [VISIT] * 20
    batch = Batch.from_pairs(listed)
    statistics = gather(iter([batch]))
    projector = build_projector(ProjectConfig(), statistics)
    whole = projector.project(batch)
    monkeypatch.setattr("stages.project.matching.MAX_CELLS", 30)
    cut = projector.project(batch)
    assert np.array_equal(whole.start, cut.start)
    assert np.allclose(whole.score, cut.score)


def test_a_text_in_one_row_is_scored_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [w for k in range(60) for w in (f"Name{k}", "und")]
    spans = [Span(k, k + 1, "PER") for k in range(0, 120, 2)]
    text = LabelledPair(words, spans, words, [Link(k, k, 1.0) for k in range(120)])
    batch = Batch.from_pairs([VISIT, text, VISIT])
    assert len(chunks(batch)) == 1
    monkeypatch.setattr("stages.project.matching.MAX_CELLS", 1_000)
    assert max(map(len, chunks(batch))) >= len(spans), "a row is not cut"
    monkeypatch.setattr("stages.project.matching.MAX_ROW_CELLS", 5_000)
    parts = chunks(batch)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(batch.n_entities))
    assert max(batch.target.lengths[batch.entity_row[p]].sum() for p in parts) <= 1_000 + 120
    found = project([VISIT, text, VISIT])
    assert [s for s in found.start.tolist() if 9 <= s < 129] == [9 + s.start for s in spans]


def test_bad_input_is_named() -> None:
    with pytest.raises(DataError, match=r"'x'.*link 0-7.*1 source and 1 target"):
        project([pair("Ulm", "0-1:LOC", "Ulm", "0-7")])
    with pytest.raises(DataError, match=r"span \[0, 3\) is outside its 1 source words"):
        project([pair("Ulm", "0-3:LOC", "Ulm", "")])
    with pytest.raises(DataError, match="two source spans overlap"):
        project([pair("a b c", "0-2:LOC 1-3:PER", "a b c", "")])
