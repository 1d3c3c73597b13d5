"""The command ``project_labels``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import Result

from tests.calling import result_of
from tests.pipeline.formats.helpers import brief, read
from xlner.commands.project_labels import project_labels

SOURCE = "Angela B-PER\nMerkel I-PER\nleft O\nBonn B-LOC\n\nYes O\n\nUlm B-LOC\nwaits O\n"
TARGET = "Angela B-PER\nMerkel I-PER\nverließ O\nBonn B-LOC\n\nJa O\n\nUlm O\nwartet O\n"
LINKS = "0-0 1-1:0.9 2-2 3-3\n\n0-0 1-1\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    paths = {n: tmp_path / n for n in ("source.conll", "target.conll", "links", "out.conll")}
    paths["source.conll"].write_text(SOURCE)
    paths["target.conll"].write_text(TARGET)
    paths["links"].write_text(LINKS)
    return paths


def run(files: dict[str, Path], *options: str) -> Result:
    names = ("source.conll", "target.conll", "links")
    given = (files[name] for name in names)
    return result_of(project_labels, *given, "-o", files["out.conll"], *options)


def test_labels_are_written(files: dict[str, Path]) -> None:
    result = run(files)
    assert result.exit_code == 0, result.output
    assert "3 sentences, 3 entities: 3 projected; dropped: none" in result.output
    lines = files["out.conll"].read_text().splitlines()
    tags = [line.split()[-1] for line in lines if line and line[0] != "#"]
    assert tags == ["B-PER", "I-PER", "O", "B-LOC", "O", "B-LOC", "O"]


def test_a_threshold_of_links_is_for_methods_that_do_not_weigh_them(files: dict[str, Path]) -> None:
    for least, tag in (("0.9", "I-PER"), ("0.95", "O")):  # of Merkel
        assert run(files, "--method", "span", "--min-link", least).exit_code == 0
        assert f"Merkel {tag}\n" in files["out.conll"].read_text().replace("\t", " ")
    for given in (("--min-link", "0.5"), ("--option", "min_link=0.3")):
        result = run(files, *given)
        assert result.exit_code == 2, given
        told = " ".join(result.stderr.split())
        assert "min_link: does nothing" in told.replace("min-link", "min_link")
        assert "it is for span, merged_runs, published, ensemble, and for filters" in told


@pytest.mark.parametrize("name", ["new.jsonl", "new.parquet", "new.conll", "new.it"])
def test_a_name_says_what_is_written(files: dict[str, Path], name: str) -> None:
    out = files["out.conll"].with_name(name)
    assert run(files).exit_code == run(files, "-o", str(out)).exit_code == 0
    assert brief(read(out)) == brief(read(files["out.conll"]))
    heads = {".jsonl": b"{", ".parquet": b"P"}
    assert out.read_bytes()[:1] == heads.get(out.suffix, b"#")
    for other in ("new.csv", "new.conll.gz"):
        result = run(files, "-o", str(out.with_name(other)))
        assert result.exit_code == 2 and "are not written; the name must end in" in result.stderr


@pytest.mark.parametrize(
    "target",
    [
        "Angela\nMerkel\nverließ\nBonn\n\nJa\n\nUlm\nwartet\n",
        "Angela Merkel verließ Bonn\nJa\nUlm wartet\n",
    ],
)
def test_the_target_may_be_a_word_or_a_sentence_a_line(files: dict[str, Path], target: str) -> None:
    files["target.conll"] = files["target.conll"].with_name("target.txt")
    files["target.conll"].write_text(target)
    result = run(files)
    assert result.exit_code == 0, result.output
    assert "3 sentences, 3 entities: 3 projected; dropped: none" in result.output


def test_words_that_look_like_tags_make_no_tags(files: dict[str, Path]) -> None:
    files["source.conll"].write_text("The O\nS-Bahn B-PRO\nleaves O\nBonn B-LOC\n. O\n")
    files["target.conll"].with_name("target.txt").write_text("Die S-Bahn verlässt Bonn .\n")
    files["target.conll"] = files["target.conll"].with_name("target.txt")
    files["links"].write_text("0-0 1-1 2-2 3-3 4-4\n")
    result = run(files)
    assert result.exit_code == 0, result.output
    assert "1 sentences, 2 entities: 2 projected; dropped: none" in result.output


def test_links_that_count_from_one_are_not_read_from_zero(files: dict[str, Path]) -> None:
    files["source.conll"].write_text("The O\nLyon B-LOC\nwon O\n. O\n\n" * 3)
    files["target.conll"].write_text("Da O\nsiegte O\nLyon B-LOC\n. O\n\n" * 3)
    files["links"].write_text("1-1 2-3 3-2\n" * 3)  # the full stop is not linked: all is in range
    result = run(files)
    assert result.exit_code == 1
    assert "no link of its 3 linked pairs is to a word 0" in result.stderr
    assert "--links-base 1" in result.stderr
    for base, word in (("1", 2), ("0", 1)):
        result = run(files, "--method", "span", "--links-base", base)
        assert result.exit_code == 0, result.output
        assert [s.spans[0].start for s in read(files["out.conll"])] == [word] * 3
    files["links"].write_text("1-1 2-3 3-2 4-4\n" * 3)
    result = run(files)
    assert "the link 4-4 is outside its 4 source" in result.stderr
    assert "give --links-base 1" in result.stderr
    files["links"].write_text("0-0\n1-1 4-4\n\n")
    assert "--links-base" not in run(files).stderr


def test_score_is_seqevals(files: dict[str, Path]) -> None:
    result = run(files, "--score")
    lines = {x.split()[0]: x.split()[1:] for x in result.output.splitlines()[3:]}
    assert lines == {
        "LOC": ["50.0", "100.0", "66.7", "1"],
        "PER": ["100.0", "100.0", "100.0", "1"],
        "all": ["66.7", "100.0", "80.0", "2"],
    }


def test_without_a_file_the_labels_go_to_standard_output_and_messages_elsewhere(
    files: dict[str, Path],
) -> None:
    run(files)
    names = (files[n] for n in ("source.conll", "target.conll", "links"))
    result = result_of(project_labels, *names)
    assert result.exit_code == 0, result.output
    assert result.stdout == files["out.conll"].read_text()
    assert "3 entities: 3 projected" in result.stderr


def test_json(files: dict[str, Path]) -> None:
    result = run(files, "--score", "--json")
    found = json.loads(result.stdout)
    assert (found["sentences"], found["entities"], found["projected"]) == (3, 3, 3)
    assert found["scores"]["all"] == {
        "precision": pytest.approx(2 / 3),
        "recall": 1.0,
        "f1": pytest.approx(0.8),
        "gold": 2,
    }
    assert found["out"] == str(files["out.conll"])


@pytest.mark.parametrize("method", ["candidates", "span", "merged_runs", "published", "ensemble"])
def test_plain_text_target_and_report(files: dict[str, Path], method: str) -> None:
    files["target.conll"] = files["out.conll"].with_name("target.txt")
    files["target.conll"].write_text("Angela Merkel verließ Bonn\nJa\nUlm wartet\n")
    report = files["out.conll"].with_name("report.jsonl")
    result = run(files, "--method", method, "--report", str(report))
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert [s["text"] for r in rows for s in r["spans"]] == ["Angela Merkel", "Bonn", "Ulm"]
    assert rows[0]["spans"][0]["source_text"] == "Angela Merkel"
    assert {"score", "method", "source", "reason"} <= rows[0]["spans"][0].keys()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("target.conll", "Ja O\n", r"\(read as conll\) has 3 sentences but"),
        ("links", "0-0\n", "but .* has 1 lines"),
        ("links", "0-0\n0-9\n\n", "the link 0-9 is outside its 1 source and 1 target words"),
        ("links", "0-0\nx\n\n", "'x' is not a link"),
    ],
)
def test_files_that_do_not_fit(files: dict[str, Path], file: str, text: str, message: str) -> None:
    import re

    files[file].write_text(text)
    result = run(files)
    assert result.exit_code == 1
    assert re.search(message, " ".join(result.output.split()))
    assert not files["out.conll"].exists()


def test_scoring_needs_labels(files: dict[str, Path]) -> None:
    files["target.conll"] = files["out.conll"].with_name("target.txt")
    files["target.conll"].write_text("Angela Merkel verließ Bonn\nJa\nUlm wartet\n")
    result = run(files, "--score")
    assert result.exit_code == 1
    assert "which has no labels" in " ".join(result.output.split())


@pytest.mark.parametrize(
    "options", [["--method", "magic"], ["--method", "markers"], ["--min-score", "2"]]
)
def test_bad_options(files: dict[str, Path], options: list[str]) -> None:
    assert run(files, *options).exit_code == 2


def test_a_translator_must_know_the_languages(files: dict[str, Path]) -> None:
    model = str(Path(__file__).parents[3] / "artifacts" / "models" / "translator")
    result = run(files, "--score", "--translator", model, "--target-lang", "xx")
    assert result.exit_code == 2
    assert "'xx'" in result.stderr
    known = run(files, "--score", "--translator", model, "--target-lang", "de")
    assert known.exit_code == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--option", "filters.nix=1"], "unknown key '--option filters.nix'"),
        (["--option", "filters.max_length_ratio=0"], "--option filters.max_length_ratio: Input"),
        (["--min-score", "2"], "--min-score: Input should be less than or equal to 1"),
        (["--target-lang", "xx"], "'--target-lang': 'xx' is not a known ISO 639"),
        (["--translator", "no/such/folder"], "model folder not found"),
        (["--translator", "artifacts/models/translator"], "--translator: "),
        (["--translator", "m", "--method", "span"], "--translator: method 'span' has no such key"),
        (["--option", "translate_entities=true"], "translate_entities: give --translator MODEL"),
    ],
)
def test_errors_name_what_was_typed(files: dict[str, Path], options: list[str], told: str) -> None:
    result = run(files, *options)
    assert result.exit_code in (1, 2)
    assert told in " ".join(result.stderr.replace("│", "").split())


def test_text_that_is_not_cut_into_words_is_refused(files: dict[str, Path]) -> None:
    files["target.conll"] = files["target.conll"].with_name("target.txt")
    files["target.conll"].write_text("玛丽亚星期一访问了柏林。\n是。\n乌尔姆在等。\n")
    files["links"].write_text("0-0\n\n0-0\n")
    result = run(files)
    assert result.exit_code == 1 and "target.txt: is not cut into words" in result.stderr
    assert not files["out.conll"].exists()
