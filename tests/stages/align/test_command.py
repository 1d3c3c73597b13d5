"""The command ``align_words``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.calling import called
from xlner.commands.align_words import align_words

Pairs = list[tuple[list[str], list[str]]]


def run(*args: Any) -> tuple[int, str, str]:
    return called(align_words, *args)


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_plain_text_pairs_and_conll_give_the_same_links(
    tmp_path: Path, bert: Path, made_up: Pairs
) -> None:
    pairs = [*made_up[:6], ([], ["a"]), *made_up[6:9]]
    source = write(tmp_path / "s.txt", [" ".join(a) for a, _ in pairs])
    target = write(tmp_path / "t.txt", [" ".join(b) for _, b in pairs])
    both = write(tmp_path / "st.txt", [f"{' '.join(a)} ||| {' '.join(b)}" for a, b in pairs])
    common = ("--aligner", "simalign", "--model", bert, "--layer", 3)
    code, shown, error = run(source, target, "-o", tmp_path / "a", *common)
    assert code == 0, error
    assert not shown, "messages are no data"
    assert "simalign-inter: 10 pairs" in error
    assert "1 pairs unaligned (1 with an empty side)" in error
    lines = (tmp_path / "a").read_text().split("\n")
    assert len(lines) == 11 and lines[6] == "" and all(lines[:6])
    code, shown, _ = run(both, *common)
    assert code == 0 and shown.splitlines() == lines[:-1]
    conll = [write(tmp_path / f"{k}.conll", _conll([p[k] for p in made_up[:6]])) for k in (0, 1)]
    code, shown, _ = run(*conll, *common)
    assert code == 0 and shown.splitlines() == lines[:6]


def _conll(sentences: list[list[str]]) -> list[str]:
    return [line for s in sentences for line in [*(f"{w} O" for w in s), ""]]


def test_probabilities(tmp_path: Path, bert: Path) -> None:
    both = write(tmp_path / "p", ["a b c ||| a b c"])
    code, shown, _ = run(both, "--aligner", "simalign", "--model", bert, "--probs")
    assert code == 0
    probs = [float(item.split(":")[1]) for item in shown.split()]
    assert len(probs) >= 3 and all(0.05 <= p <= 1 for p in probs)


def test_the_statistical_aligner_needs_neither_languages_nor_further_text(
    tmp_path: Path, made_up: Pairs
) -> None:
    pairs = [f"{' '.join(a)} ||| {' '.join(b)}" for a, b in made_up[:20]]
    code, shown, error = run(write(tmp_path / "p", pairs), "--aligner", "statistical")
    assert code == 0, error
    assert len(shown.splitlines()) == 20 and any(shown.splitlines())


def test_json(tmp_path: Path, bert: Path) -> None:
    both = write(tmp_path / "p", ["a b ||| a b", "a b ||| a b"])
    gold = write(tmp_path / "g", ["1-1 2-2", "1-1 2p2 1-2"])
    options = ("--aligner", "simalign", "--model", bert, "--layer", 0, "--gold", gold, "--json")
    code, shown, error = run(both, *options)
    assert code == 0, error
    found = json.loads(shown)
    assert (found["pairs"], found["links"], found["unaligned"], found["gold_links"]) == (2, 4, 0, 4)
    assert found["alignments"] == [["0-0", "1-1"], ["0-0", "1-1"]]
    assert found["precision"] == 1 and found["recall"] == 0.75
    code, shown, error = run(both, *options, "-o", tmp_path / "o")
    assert json.loads(shown)["out"] == str(tmp_path / "o")
    assert (tmp_path / "o").read_text() == "0-0 1-1\n0-0 1-1\n"


def test_zero_width_words_count_as_words(tmp_path: Path, bert: Path) -> None:
    rows = write(tmp_path / "s.conll", ["\u200b\tO", "kaba\tO", "da\tO", ""])
    text = write(tmp_path / "t.txt", ["kaba \u200b da"])
    code, shown, _ = run(rows, text, "--aligner", "simalign", "--model", bert, "--layer", 0)
    assert (code, shown.strip()) == (0, "1-0 2-2")


def test_gold(tmp_path: Path, bert: Path) -> None:
    both = write(tmp_path / "p", ["a b ||| a b", "a b ||| a b"])
    gold = write(tmp_path / "g", ["1-1 2-2", "1-1 2p2 1-2"])
    options = ("--aligner", "simalign", "--model", bert, "--layer", 0)
    code, _, shown = run(both, "-o", tmp_path / "o", "--gold", gold, *options)
    # 4 links, all possible; 3 of 4 sure ones found: AER = 1 - (3 + 4) / (4 + 4).
    assert code == 0
    assert "precision 100.00 recall 75.00 AER 12.50" in " ".join(shown.split())


def test_counts_that_differ_name_both(tmp_path: Path, bert: Path) -> None:
    source = write(tmp_path / "s.txt", ["a", "b", "c"])
    target = write(tmp_path / "t.txt", ["a", "b"])
    code, _, error = run(source, target, "--aligner", "simalign", "--model", bert)
    assert code == 1
    assert f"{source} (read as text) has 3 sentences but {target} (read as text) has 2" in error
    pairs = write(tmp_path / "p", ["a ||| b"])
    gold = write(tmp_path / "g", ["1-1", "1-1"])
    code, _, error = run(pairs, "--gold", gold, "--aligner", "simalign", "--model", bert)
    assert code == 1 and f"1 sentence pairs but {gold} has 2 lines" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--aligner", "simalin"],
            "--aligner: 'simalin' is not allowed (did you mean 'simalign'?)",
        ),
        (["--aligner", "ensemble"], "--aligner ensemble: needs members"),
        (["--method", "argmax"], "--method: 'argmax' is not allowed"),
        (["--layer", "5"], "--layer: layer 5 does not exist"),
        (["--model", "no/such/folder"], "--model: model folder not found"),
    ],
)
def test_bad_usage_is_exit_code_2(
    tmp_path: Path, bert: Path, options: list[str], message: str
) -> None:
    pairs = write(tmp_path / "p", ["a ||| b"])
    code, _, error = run(pairs, "--aligner", "simalign", "--model", bert, *options)
    assert code == 2 and message in error


def test_a_file_of_pairs_without_a_separator(tmp_path: Path, bert: Path) -> None:
    source = write(tmp_path / "s.txt", ["a ||| b", "a b"])
    code, _, error = run(source, "--aligner", "simalign", "--model", bert)
    assert code == 1 and f"{source}:2: 0 times '|||'" in error


def test_missing_file(tmp_path: Path, bert: Path) -> None:
    code, _, error = run(tmp_path / "none", "--aligner", "simalign", "--model", bert)
    assert code == 1 and "file not found" in error


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--option", "floor"], "--option 'floor': expected key=value, for example floor=0.1"),
        (["--option", "flor=1"], "unknown key '--option flor' (did you mean 'floor'?)"),
        (["--option", "floor=x"], "--option floor: Input should be a valid number"),
        (["--option", "floor=["], "--option floor: the value is not valid YAML"),
        (["--option", "device.x=1"], "--option device.x: 'device' is not a section"),
        (["--layer", "99"], "--layer: layer 99 does not exist"),
        (["--option", "layer=99"], "--option layer: layer 99 does not exist"),
        (["--target-lang", "xx"], "Invalid value for '--target-lang': 'xx' is not a known"),
        (["--aligner", "translator"], "--target-lang: aligner 'translator' must be told both"),
        (["--aligner", "back_translation"], "--target-lang: aligner 'back_translation' must"),
    ],
)
def test_errors_name_what_was_typed(tmp_path: Path, options: list[str], told: str) -> None:
    both = write(tmp_path / "p", ["a b ||| a b"])
    code, _, error = run(both, "--aligner", "simalign", *options)
    assert code == 2
    assert told in error.replace("│ ", "").replace(" │", "")


def test_further_text_needs_no_languages(tmp_path: Path, made_up: Pairs) -> None:
    pairs = [f"{' '.join(a)} ||| {' '.join(b)}" for a, b in made_up[:6]]
    both, more = write(tmp_path / "p", pairs[:2]), write(tmp_path / "more", pairs)
    code, alone, error = run(both, "--aligner", "statistical", "--probs")
    assert code == 0, error
    code, helped, error = run(both, "--aligner", "statistical", "--probs", "--parallel", more)
    assert code == 0, error
    assert helped != alone, "the further text was not read"
    mined = ["\t".join(["1.09", *pair.split(" ||| ")]) for pair in pairs]
    more = write(tmp_path / "mined.tsv", mined)
    assert run(both, "--aligner", "statistical", "--probs", "--parallel", more)[1] == helped
