"""Given translations: of which sentence each is, and what does not match."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError, DataError
from pipeline.schema import Sentence, Span
from stages.prepare import STAGE
from stages.prepare.damage import damaged
from stages.prepare.matching import OrderCheck, match
from tests.pipeline.formats.helpers import save, triples
from tests.shared_data import shared_data
from tests.stages.prepare.test_prepare import config, failure, outputs, run

STARTS, ENDS = ("Kal", "Mor", "Ste"), ("dan", "rup", "nek")
NAMES = [f"{a}{b}{c}" for a in STARTS for b in "aeiou" for c in ENDS]


def corpus(size: int, *, other: bool = False, seed: int = 3) -> list[Sentence]:
    """Sentences that share a few names with their translations, and nothing else."""
    draw = random.Random(seed)
    found = []
    for n in range(size):
        names = draw.sample(NAMES, 2)
        rest = [("wort" if other else "word") + "abcdefghij"[draw.randrange(10)] for _ in range(4)]
        draw.shuffle(rest)
        found.append(Sentence(f"s-{n}", "x", [*rest, *names], origin="f", line=n + 1))
    return found


def write(path: Path, sentences: list[list[str]], *, tag: str = "O") -> None:
    save(path, "".join("".join(f"{w} {tag}\n" for w in s) + "\n" for s in sentences))


def test_systems_stand_side_by_side_under_their_names(tmp_path: Path) -> None:
    write(tmp_path / "en", [["Ann"], ["yes"]])
    write(tmp_path / "a.de", [["Anna"], ["ja"]], tag="B-WHATEVER")
    (tmp_path / "b.de").write_text("Anna .\nJawohl\n")
    systems = [{"system": "DeepL", "path": "a.{lang}"}, {"system": "M2M-100", "path": "b.{lang}"}]
    found = outputs(run(tmp_path, {"train": {"path": "en"}, "parallel": systems}))
    assert list(found) == ["train/en", "parallel/DeepL/de", "parallel/M2M-100/de"]
    deepl = found["parallel/DeepL/de"]
    # The labels of what a machine translated are nobody's gold: they are not even looked at.
    assert [(s.id, s.words, s.spans) for s in deepl] == [
        ("train-0", ["Anna"], []),
        ("train-1", ["ja"], []),
    ]
    assert [s.words for s in found["parallel/M2M-100/de"]] == [["Anna", "."], ["Jawohl"]]


def test_what_is_told_and_counted_is_what_the_limit_leaves(tmp_path: Path) -> None:
    # Ids of their own on both sides, none in common: all translations are read to find that out.
    for lang, texts in {"en": ["Ann slept", "yes"], "de": ["Anna schlief gut", "ja ja"]}.items():
        rows = (
            f"# id = {lang}-{n}\n" + "".join(f"{w}\tB-PER\n" for w in text.split())
            for n, text in enumerate(texts)
        )
        save(tmp_path / lang, "\n".join(rows))
    data = {"train": {"path": "en", "limit": 1}, "parallel": {"path": "{lang}"}}
    run(tmp_path, data)
    (manifest,) = tmp_path.rglob("parallel/de/_manifest.json")
    made = json.loads(manifest.read_text(encoding="utf-8"))
    assert made["counts"] == {"sentences": 1, "tokens": 3}
    assert made["notes"]["sentences"] == 1 and made["notes"]["total"] == 2
    assert made["notes"]["spans"] == {"PER": 3}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"parallel": [{"path": "x"}]}, "in a list of translations each names its system"),
        (
            {"parallel": [{"system": "A", "path": "x"}, {"system": "a", "path": "x"}]},
            "systems: 'a' is there twice",
        ),
        ({"parallel": {"path": "x", "limit": 3}}, "limit that alone"),
        ({"parallel": {"path": "x", "damage": 0.5}}, "damage: name the system"),
        ({"rivals": {"a/b": {"path": "x"}}}, "data.rivals.a/b"),
        ({"test_parallel": {"path": "x"}}, "translations of data.test, which is not set"),
        ({"rivals": {"r": {"path": "gone"}}}, "data.rivals.r.path: file not found"),
        ({"parallel": [{"system": "de", "path": "x"}]}, "'de' is a language"),
        ({"parallel": [{"system": "A", "path": "gone"}]}, "data.parallel.0.path: file not found"),
    ],
)
def test_what_is_wrong_with_translations_is_said_by_key(
    data: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write(tmp_path / "x", [["Ann"]])
    assert message in failure(tmp_path, {"train": {"path": "x"}, **data})


def test_translations_of_test_and_unlabelled_data(tmp_path: Path) -> None:
    save(tmp_path / "en", "Ann B-PER\n\nBonn B-LOC\n")
    save(tmp_path / "de", "Anna B-PER\n\nBonn B-LOC\n\nja O\n")
    data = {
        "train": {"path": "en"},
        "test": {"path": "{lang}", "limit": 2},
        "test_parallel": {"path": "en"},
        "unlabelled": {"path": "de"},
        "unlabelled_parallel": {"de": {"path": "de"}},
    }
    found = outputs(run(tmp_path, data))
    back = found["test_parallel/de"]
    # In the source language, under the ids of the test sentences, without their labels.
    assert [(s.id, s.lang, s.words, s.spans) for s in back] == [
        ("test-0", "en", ["Ann"], []),
        ("test-1", "en", ["Bonn"], []),
    ]
    assert [s.id for s in found["unlabelled_parallel/de"]] == [f"unlabelled-{n}" for n in range(3)]


def test_rivals_are_read_with_their_labels(tmp_path: Path) -> None:
    save(tmp_path / "en", "Ann B-PER\nhere O\n\nBonn B-LOC\n")
    save(tmp_path / "theirs", "hier O\nAnna B-PER\n\nBonn B-LOC\n")
    data = {"train": {"path": "en"}, "rivals": {"awesome": {"de": {"path": "theirs"}}}}
    found = outputs(run(tmp_path, data))["rivals/awesome/de"]
    assert [(s.id, triples(s.spans)) for s in found] == [
        ("train-0", [(1, 2, "PER")]),
        ("train-1", [(0, 1, "LOC")]),
    ]
    save(tmp_path / "theirs", "hier O\nAnna B-GPE\n\nBonn B-LOC\n")
    assert "data.rivals.awesome.de: has the entity types GPE" in failure(tmp_path, data)


@pytest.mark.parametrize("limit", [None, 2])
@pytest.mark.parametrize("words", [["-DOCSTART-"], ["Der", "Beginn-"]])
def test_a_docstart_that_was_translated_is_dropped_by_its_place(
    limit: int | None, words: list[str], tmp_path: Path
) -> None:
    start = ["-DOCSTART-"]
    write(tmp_path / "en", [start, ["Ann"], ["yes"], start, ["Bonn"], ["no"]], tag="B-X")
    write(tmp_path / "de", [words, ["Anna"], ["ja"], words, ["Bonn"], ["nein"]], tag="B-X")
    data = {"train": {"path": "en", "limit": limit}, "parallel": {"path": "{lang}"}}
    texts = [["Anna"], ["ja"], ["Bonn"], ["nein"]]
    expected = [(f"train-{n}", text) for n, text in enumerate(texts)][:limit]
    found = outputs(run(tmp_path, data))
    assert [(s.id, s.words) for s in found["parallel/de"]] == expected
    assert [s.id for s in found["train/en"]] == [s.id for s in found["parallel/de"]]
    # Translations of the first sentences alone, with their document's beginning.
    write(tmp_path / "de", [words, ["Anna"], ["ja"]], tag="B-X")
    if limit:
        found = outputs(run(tmp_path, data))
        assert [(s.id, s.words) for s in found["parallel/de"]] == expected
    else:
        assert "the two must match one to one" in failure(tmp_path, data)
    write(tmp_path / "de", texts, tag="B-X")  # no beginnings at all
    found = outputs(run(tmp_path, data))
    assert [(s.id, s.words) for s in found["parallel/de"]] == expected


@pytest.mark.parametrize("then", [1, None])
def test_another_limit_makes_the_translations_again(tmp_path: Path, then: int | None) -> None:
    write(tmp_path / "en", [["Ann"], ["yes"], ["no"]])
    write(tmp_path / "de", [["Anna"], ["ja"], ["nein"]])
    for limit in (2, then):
        systems = [{"system": "A", "path": "{lang}"}]
        data = {"train": {"path": "en", "limit": limit}, "parallel": systems}
        made = {a.manifest.unit: a.manifest.rows_out for a in run(tmp_path, data).done}
        assert made == {"train/en": limit or 3, "parallel/A/de": limit or 3}


@settings(max_examples=30)
@given(seed=st.integers(0, 999), shift=st.sampled_from([-2, -1, 1, 3]), at=st.integers(0, 220))
def test_shifted_translations_are_found_where_they_begin(seed: int, shift: int, at: int) -> None:
    source, target = corpus(240, seed=seed), corpus(240, other=True, seed=seed)
    check = OrderCheck("data.parallel.de")
    for one, two in zip(source, target, strict=True):
        check.feed(one, two)
    assert check.told
    moved = target[:at] + (target[at + shift :] if shift > 0 else target[:-shift] + target[at:])
    moved = [replace(t, line=n + 1) for n, t in enumerate(moved)]
    check = OrderCheck("data.parallel.de")
    with pytest.raises(
        DataError, match=r"data.parallel.de: f:\d+ to \d+: the translations"
    ) as told:
        for one, two in zip(source, moved, strict=False):
            check.feed(one, two)
    assert f"{abs(shift)} sentence" in str(told.value)
    assert ("too early" if shift > 0 else "too late") in str(told.value)
    found = int(re.findall(r"f:(\d+)", str(told.value))[0])
    assert abs(found - (at + 1 + max(0, -shift))) <= 4, str(told.value)


def test_what_is_not_checked_is_said(tmp_path: Path) -> None:
    write(tmp_path / "en", [["Ann", str(n % 3)] for n in range(9)])
    write(tmp_path / "de", [["Anna", str(n % 3)] for n in range(9)])
    data = {"train": {"path": "en"}, "parallel": {"path": "{lang}"}}
    (told,) = [a.manifest.notes["mismatches"] for a in run(tmp_path, data).done[1:]]
    assert "is not checked: both sides share 9 names and numbers" in told
    write(tmp_path / "en", [["Ann", str(n)] for n in range(20)])
    write(tmp_path / "de", [["Anna", str(n)] for n in range(20)])
    assert "mismatches" not in run(tmp_path, data).done[1].manifest.notes


def test_the_check_of_the_order_can_be_left_out(tmp_path: Path) -> None:
    words = [s.words for s in corpus(60)]
    write(tmp_path / "en", words)
    write(tmp_path / "de", [*words[1:], ["Ende"]])
    data = {"train": {"path": "en"}, "parallel": {"path": "{lang}"}}
    assert "set check_order: false there: no shift is looked for" in failure(tmp_path, data)
    data["parallel"]["check_order"] = False  # type: ignore[assignment]
    done = run(tmp_path, data).done
    assert "is not checked, as asked" in done[-1].manifest.notes["mismatches"]
    assert done[-1].manifest.rows_out == 60


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (0, "de has no text, but en has 40 (data.train); give their translations"),
        (20, "must match one to one; if these are of the first 20, set data.train.limit: 20"),
        (38, "must match one to one; where some have no translation, set incomplete: true"),
        (41, "must match one to one"),
    ],
)
@pytest.mark.parametrize("incomplete", [False, True])
def test_only_what_would_help_is_advised(
    rows: int, told: str, incomplete: bool, tmp_path: Path
) -> None:
    write(tmp_path / "en", [s.words for s in corpus(40)])
    save(tmp_path / "de", "".join(f"{' '.join(s.words)}\n" for s in corpus(rows, other=True)))
    data = {"train": {"path": "en"}, "parallel": {"path": "{lang}", "incomplete": incomplete}}
    if rows == 38 and incomplete:
        assert run(tmp_path, data).done[1].manifest.counts["untranslated"] == 2
        return
    error = failure(tmp_path, data)
    if not incomplete or not rows:
        assert told in error
    if rows != 38 and not incomplete:
        assert "incomplete" not in error
    if rows == 20 and not incomplete:  # the advice helps
        data["train"]["limit"] = 20  # type: ignore[assignment]
        assert run(tmp_path, data).done[1].manifest.rows_out == 20


@settings(max_examples=30)
@given(seed=st.integers(0, 999), gone=st.sets(st.integers(0, 199), max_size=12))
def test_missing_translations_are_matched_up(seed: int, gone: set[int]) -> None:
    source, target = corpus(200, seed=seed), corpus(200, other=True, seed=seed)
    place, sure = match(source, [t for n, t in enumerate(target) if n not in gone], key="k")
    there = [n for n in range(200) if n not in gone]
    # Two sentences with the same names may change places; nearly all are found where they were.
    right = [p == n for p, n, s in zip(place, there, sure, strict=True) if s]
    assert len(right) == len(there) and sum(right) >= len(right) - 3
    assert place == sorted(set(place))


def test_incomplete_translations_keep_their_rows(tmp_path: Path) -> None:
    source, target = corpus(40), corpus(40, other=True)
    write(tmp_path / "en", [s.words for s in source])
    write(tmp_path / "de", [t.words for n, t in enumerate(target) if n not in (3, 20)])
    data = {"train": {"path": "en"}, "parallel": {"path": "{lang}"}}
    assert "data.parallel: 38 sentences in de, but 40 in en (data.train)" in failure(tmp_path, data)
    data["parallel"]["incomplete"] = True  # type: ignore[assignment]
    result = run(tmp_path, data)
    found = outputs(result)["parallel/de"]
    expected = [[] if n in (3, 20) else t.words for n, t in enumerate(target)]
    assert [s.words for s in found] == expected and len({s.id for s in found}) == 40
    assert result.done[-1].manifest.counts["untranslated"] == 2
    data["train"]["limit"] = 10  # type: ignore[assignment]
    assert [s.words for s in outputs(run(tmp_path, data))["parallel/de"]] == expected[:10]
    write(tmp_path / "de", [t.words for t in target[:20]])
    data["train"].pop("limit")
    assert "20 translations of 40 sentences" in failure(tmp_path, data)


def test_blank_lines_at_the_end_are_no_translations(tmp_path: Path) -> None:
    write(tmp_path / "en", [["Ann"], ["yes"]])
    data = {"train": {"path": "en"}, "parallel": {"path": "{lang}"}}
    for text in ("Anna\nja\n\n\n", "Anna\nja\n", "Anna\n\n"):
        save(tmp_path / "de", text)
        found = outputs(run(tmp_path, data))["parallel/de"]
        assert [s.words for s in found] == [["Anna"], ["ja"] if "ja" in text else []]
    for text in ("\n\n", "\n"):
        save(tmp_path / "de", text)
        assert "de has no text, but en has 2 (data.train)" in failure(tmp_path, data)
    save(tmp_path / "de", "Anna\n\nja\n")
    assert "3 sentences in de, but 2 in en" in failure(tmp_path, data)


def test_odd_lengths_are_counted_and_named(tmp_path: Path) -> None:
    source, target = corpus(40), corpus(40, other=True)
    target[7].words = target[7].words * 9
    write(tmp_path / "en", [s.words for s in source])
    write(tmp_path / "de", [t.words for t in target])
    result = run(tmp_path, {"train": {"path": "en"}, "parallel": {"path": "{lang}"}})
    manifest = result.done[1].manifest
    assert manifest.counts["odd_lengths"] == 1
    assert "(train-7)" in manifest.notes["mismatches"] and "de:50" in manifest.notes["mismatches"]


@settings(max_examples=20)
@given(seed=st.integers(0, 99), share=st.floats(0, 1))
def test_damage_grows_and_loses_no_sentence(seed: int, share: float) -> None:
    clean = [Sentence(s.id, "x", s.words, [Span(0, 1, "PER")]) for s in corpus(100)]
    some, more = (list(damaged(clean, x, seed)) for x in (share, min(1.0, share + 0.2)))
    assert [s.id for s in some] == [s.id for s in clean] and all(s.words for s in some)
    for a, b, c in zip(clean, some, more, strict=True):
        assert not b.spans and (b.words == a.words or b.words == c.words)
    assert list(damaged(clean, 0.0, seed)) == [Sentence(s.id, "x", s.words) for s in clean]
    hit = sum(a.words != b.words for a, b in zip(clean, damaged(clean, 1.0, seed), strict=True))
    assert hit > 90


def test_damage_depends_on_the_seed_and_nothing_else_does(tmp_path: Path) -> None:
    write(tmp_path / "x", [["Ann"]])
    system = {"system": "A", "path": "x", "damage": 0.5}
    whole = {"system": "B", "path": "x"}
    made = config(tmp_path, {"train": {"path": "x"}, "parallel": [system, whole]})
    uses = {t.unit: "seed" in t.uses for t in STAGE.tasks(made)}
    assert uses == {"train/en": False, "parallel/A/de": True, "parallel/B/de": False}


def test_real_translations_of_conll_by_four_systems(tmp_path: Path) -> None:
    """The first documents: systems put ``-DOCSTART-`` into words, each in its own way."""
    root = shared_data("projected", "conll-elp")
    names = {"DeepL": "DeepL", "OPUS-MT": "MarianMT", "M2M100": "m2m100"}
    data = {
        "train": {"path": "original/en/en.conll.dev.tsv.xz", "limit": 200},
        "parallel": [
            {"system": k, "path": f"en2{{lang}}/{v}.awesome.dev.tsv.xz"} for k, v in names.items()
        ],
        "rivals": {"mgiza": {"path": "en2{lang}/DeepL.mgiza.dev.tsv.xz"}},
    }
    found = outputs(run(None, {"root": str(root), **data}, home=tmp_path))
    ids = [s.id for s in found["train/en"]]
    assert len(found) == 5 and len(ids) == 200
    for unit, sentences in found.items():
        assert [s.id for s in sentences] == ids, unit
        assert "CRICKET" in map(str.upper, sentences[0].words), unit
    assert any(s.spans for s in found["rivals/mgiza/de"])


def test_data_keys_are_read_as_they_are_written() -> None:
    with pytest.raises(ConfigError, match="unknown key 'data.parallel.0.pth'"):
        config(None, {"parallel": [{"system": "A", "pth": "x"}]})
