from __future__ import annotations

import json
import re
from pathlib import Path
from unicodedata import normalize

import pytest
from rich.cells import cell_len

from pipeline.schema import Sentence, Span
from stages.inspect.selection import RowSelection
from stages.inspect.view import View
from tests.calling import result_of
from tests.stages.inspect.fake_run import write_run
from tests.tiny.encoders import build_family
from xlner.commands.inspect_labels import inspect_labels

ODD = [
    Sentence("odd-1", "en", ["<script>alert(1)</script>", "東京", "ירושלים"], [Span(1, 2, "LOC")]),
    Sentence(
        "odd-2",
        "en",
        ["e\u0301te\u0301", "\U0001f469\u200d\U0001f680", "القاهرة"],
        [Span(2, 3, "LOC")],
    ),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs"), tests=10, extra=ODD)


def call(*arguments: object, code: int = 0) -> str:
    result = result_of(inspect_labels, *arguments)
    assert result.exit_code == code, result.output
    return result.output


def records(*arguments: object) -> list[dict]:
    return [json.loads(line) for line in call(*arguments, "--json").splitlines()]


def test_source_and_target_stand_one_above_the_other(run: Path) -> None:
    text = call(run, "--lang", "de", "--id", "odd-1")
    lines = [line.rstrip() for line in text.splitlines()]
    source = next(line for line in lines if line.startswith("  en"))
    target = next(line for line in lines if line.startswith("  de"))
    assert source == "  en  <script>alert(1)</script> [東京]LOC \u2068ירושלים\u2069"
    assert target.startswith("  de  der >tpircs/<)1(trela>tpircs<")
    assert "\x1b" not in text


def test_columns_line_up_with_wide_and_right_to_left_text(run: Path) -> None:
    for sentence in ("odd-1", "odd-2"):
        rows = call(run, "--lang", "de", "--id", sentence, "--links").splitlines()
        (row,) = (r for r in rows if r.startswith("  LOC"))
        before, _, after = row[5:].strip().partition("  ")
        # The second column begins where the first one's cells (not characters) end.
        assert cell_len(row[: row.index(after.strip())]) == 7 + cell_len(before) + 2


def test_the_run_is_found_by_name(run: Path) -> None:
    assert "sentences" in call(run.name, "--runs-dir", run.parent)
    text = call("fakee", "--runs-dir", run.parent, code=2)
    assert "no run 'fakee'" in text and "did you mean 'fake'?" in text


def test_dropped_and_kept_part_the_sentences(run: Path) -> None:
    every = records(run, "--lang", "de")
    kept = records(run, "--lang", "de", "--only", "kept")
    dropped = records(run, "--lang", "de", "--only", "dropped")
    assert len(every) == 122
    assert {r["id"] for r in kept} == {r["id"] for r in every if r["kept"]}
    assert {r["id"] for r in dropped} == {
        r["id"]
        for r in every
        if not r["kept"] or r["lost"] or any(not s["kept"] for s in r["spans"])
    }


def test_conditions_hold_for_one_and_the_same_span(run: Path) -> None:
    found = records(run, "--lang", "sw", "--only", "dropped", "--type", "ORG")
    assert found
    for row in found:
        dropped = [s["type"] for s in row["spans"] if not s["kept"]]
        lost = [row["source_spans"][x["source"]]["type"] for x in row["lost"]]
        assert "ORG" in dropped + lost
    for row in records(run, "--lang", "sw", "--reason", "low_score", "--type", "PER"):
        assert any(s["reason"] == "low_score" and s["type"] == "PER" for s in row["spans"])
    low = records(run, "--lang", "sw", "--only", "low-score", "--below", "0.3")
    assert low and all(any(s["score"] < 0.3 for s in row["spans"]) for row in low)


def test_disagree_and_contains(run: Path) -> None:
    for row in records(run, "--lang", "de", "--only", "disagree"):
        kept = sorted(s["type"] for s in row["spans"] if s["kept"])
        assert kept != sorted(s["type"] for s in row["source_spans"])
    found = records(run, "--lang", "de", "--contains", "NAIROBI")
    assert found and all("Nairobi" in row["words"] for row in found)


def test_text_is_found_composed_or_not() -> None:
    row = View(id="x", lang="vi", words=[normalize("NFD", "Việt"), "Nam"])
    assert "Việt" not in row.words
    assert row in RowSelection(contains="việt nam") and row not in RowSelection(contains="viet")


def test_a_sample_is_drawn_by_its_seed_and_keeps_the_order(run: Path) -> None:
    ids = [
        [r["id"] for r in records(run, "--lang", "de", "--sample", 10, "--seed", seed)]
        for seed in (0, 0, 1)
    ]
    assert ids[0] == ids[1] != ids[2]
    order = [r["id"] for r in records(run, "--lang", "de")]
    assert sorted(ids[2], key=order.index) == ids[2] and len(set(ids[2])) == 10
    assert "20 of 122 sentences; --all or --sample N for more" in call(run, "--lang", "de")


def test_conll_says_where_it_came_from(run: Path) -> None:
    text = call(run, "--lang", "de", "--format", "conll", "--sample", 200, "--only", "dropped")
    first = text.split("\n\n")[0].splitlines()
    assert first[0].startswith("# id = ")
    assert first[1].startswith("# source = ") and first[2].startswith("# dropped = ")


def test_other_stages(run: Path) -> None:
    aligned = records(run, "--lang", "de", "--stage", "align", "--id", "en-3")
    assert aligned[0]["links"][0] == [0, 1, 0.9]
    assert records(run, "--lang", "de", "--stage", "translate", "--id", "en-3")[0]["links"] == []
    unit = "fused/seed-13/test/de"
    assert len(records(run, "--stage", "predict", "--unit", unit)) == 10
    text = call(run, "--stage", "predict", "--lang", "de", code=2)
    assert "--unit: name one of the units of predict" in " ".join(text.split())
    assert len(records(run, "--stage", "prepare", "--unit", "train/en")) == 122


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "droped"], "did you mean 'dropped'?"),
        (["--reason", "lowscore"], "did you mean 'low_score'?"),
        (["--stage", "projekt"], "did you mean 'project'?"),
        (["--lang", "fr"], "--lang: 'fr' is not allowed; allowed: de, sw"),
        (["--format", "xml"], "'xml' is not allowed; allowed: pretty, conll, jsonl"),
        (["--stage", "predict", "--unit", "fusd/seed-13/test/de"], "mean 'fused/seed-13/test/de'?"),
        (["--import", "x.json"], "-o labelled.jsonl"),
        (["--type", "PERS", "--lang", "de"], "type 'PERS' (did you mean 'PER'?); types: LOC, ORG"),
        (["--type", "PER", "--summary"], "--summary and --import look at all sentences"),
        (["--stage", "align", "--summary"], "of the stage project: leave out"),
        (["--below", "0.3"], "--below: is for --only low-score"),
        (["--all", "--seed", "3"], "--seed: does nothing beside --all"),
        (["--summary", "--sample", "3"], "--sample: does nothing beside --summary"),
        (["--json", "--format", "conll"], "--format: does nothing beside --json"),
        (["--links", "--format", "conll"], "--links: is for --format pretty"),
        (["--links", "--json"], "--links: does nothing beside --json"),
        (["--import-format", "conll"], "--import-format: is for --import"),
        (["--summary", "--export", "jsonl", "x"], "--summary and --export: one at a time"),
        (["--format", "jsonl", "-o", "x"], "--out: is for --import"),
        (["--only", "wrong"], "this run has no gold labels on the target side (data.parallel)"),
    ],
)
def test_bad_usage_is_exit_code_2(run: Path, arguments: list[str], message: str) -> None:
    text = " ".join(call(run, *arguments, code=2).split())
    assert message in text


def test_doubts_by_the_labels_of_other_sentences(run: Path, tmp_path: Path) -> None:
    folder = build_family("bert", tmp_path)
    chosen = [run, "--lang", "de", "--only", "likely-wrong", "--all"]
    plain, more = records(*chosen), records(*chosen, "--encoder", folder)
    assert {r["id"] for r in plain} <= {r["id"] for r in more}
    told = call(run, "--lang", "de", "--encoder", folder, code=2)
    assert "--encoder: is for --only likely-wrong" in told


def test_only_languages_with_gold_labels_can_be_proved_wrong(tmp_path: Path) -> None:
    run = write_run(tmp_path, sentences=40, tests=5, parallel_gold=["sw"])
    found = records(run, "--only", "wrong")
    assert found and {row["lang"] for row in found} == {"sw"}


def test_nothing_is_folded_where_there_is_room(run: Path) -> None:
    unit = "fused/seed-13/test/de"
    text = call(run, "--stage", "predict", "--unit", unit, "--all")
    rows = [line for line in text.splitlines() if line.strip().startswith(("PER ", "LOC ", "ORG "))]
    assert any("Angela Merkel" in row and "0.90" in row for row in rows)
    spans = [
        s for r in records(run, "--stage", "predict", "--unit", unit, "--all") for s in r["spans"]
    ]
    assert len(rows) == len(spans) and all(" 0.90" in row for row in rows)
    assert "1 sentence\n" in call(run, "--lang", "de", "--id", "odd-1")


def test_labels_are_not_shown_with_links_of_other_translations(tmp_path: Path) -> None:
    run = write_run(tmp_path, languages=["de"], arms=[], sentences=5)

    def told(stage: str, **changes: object) -> None:
        path = run / stage / "de" / "_manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    shown = ("--lang", "de", "--json")
    made_from = {"translations": "0" * 64, "alignments": "0" * 64}
    for stage in ("project", "align"):
        told(stage, identity={"inputs": made_from})
    before = records(run, *shown[:2])
    assert len(before) == 5 and any(record["links"] for record in before)

    part = run / "translate" / "de" / "part-00000.parquet"
    part.write_bytes(content := part.read_bytes()[:-1])
    result = result_of(inspect_labels, run, *shown)
    assert [json.loads(line) for line in result.stdout.splitlines()] == before
    assert f"{part} has {len(content):,} bytes instead of" in result.stderr

    told("align", fingerprint="1" * 64)
    result = result_of(inspect_labels, run, *shown)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows == [record | {"links": []} for record in before]
    assert "align/de was made anew since; run the pipeline again" in result.stderr
    told("translate", fingerprint="1" * 64)
    assert "translate/de was made anew since" in call(run, *shown, "--stage", "align", code=1)


def test_the_summary_counts_what_the_rows_hold(run: Path) -> None:
    rows = records(run, "--lang", "de")
    (found,) = json.loads(call(run, "--lang", "de", "--summary", "--json"))
    assert found["sentences"] == len(rows)
    assert found["kept"] == sum(r["kept"] for r in rows)
    assert found["spans"]["source"] == sum(len(r["source_spans"]) for r in rows)
    assert found["spans"]["kept"] == sum(s["kept"] for r in rows for s in r["spans"])
    assert found["spans_lost"]["no_link"] == sum(len(r["lost"]) for r in rows)
    assert sum(found["scores_kept"]) == found["spans"]["kept"]
    steps = {s["stage"]: s["sentences"] for s in found["funnel"]}
    kept = found["kept"]
    expected = {"prepare": 122, "translate": 122, "align": 122, "project": kept, "synthesize": 97}
    assert steps == expected
    assert found["frequent"][0]["count"] >= found["frequent"][1]["count"]
    text = call(run, "--summary")
    assert "projected sentences kept for training" in text and "low_score" in text


def test_an_id_that_no_sentence_has_is_told(run: Path) -> None:
    text = call(run, "--lang", "de", "--id", "en-3000", code=2)
    assert "--id: there is no sentence 'en-3000'; the first one is 'odd-1'" in text
    assert "0 sentences" in call(run, "--lang", "de", "--id", "en-3", "--contains", "qqqq")


def test_export_and_import_through_the_command(run: Path, tmp_path: Path) -> None:
    out, back = tmp_path / "out.json", tmp_path / "labelled.jsonl"
    text = call(run, "--lang", "de", "--type", "PERS", "--export", "doccano", out, code=2)
    assert "there is no entity of type 'PERS'" in " ".join(text.split()) and not out.exists()
    text = call(run, "--lang", "de", "--export", "label-studio", out)
    kept = sum(r["kept"] for r in records(run, "--lang", "de"))
    assert f"wrote {kept} sentences" in text
    dropped = sum(not r["kept"] for r in records(run, "--lang", "de"))
    assert dropped and f"; {dropped} dropped ones are left out" in " ".join(text.split())
    tasks = json.loads(out.read_text(encoding="utf-8"))
    tasks[0]["annotations"] = [{"result": []}]
    out.write_text(json.dumps(tasks), encoding="utf-8")
    removed = len(tasks[0]["predictions"][0]["result"])
    changes = json.loads(call(run, "--lang", "de", "--import", out, "-o", back, "--json"))
    assert changes["sentences"] == kept and changes["changed"] == 1
    assert changes["removed"] == removed and changes["not_reviewed"] == kept - 1
    lines = [json.loads(line) for line in back.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == kept and set(lines[0]["ner_tags"]) == {"O"}
    assert lines[0]["id"] == tasks[0]["data"]["sentence_id"]
    repeated = call(run, "--import", out, "-o", back, code=2)
    assert "name the one to import" in repeated


def test_a_corrected_file_in_another_encoding(run: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "a.conll", tmp_path / "b.conll"
    call(run, "--lang", "de", "--export", "conll", path)
    path.write_text(path.read_text(encoding="utf-8"), encoding="utf-16")
    shown = call(run, "--lang", "de", "--import", path, "-o", out, code=1)
    assert "(--encoding utf-16 on the command line)" in " ".join(shown.split())
    shown = call(run, "--lang", "de", "--import", path, "--encoding", "utf-16", "-o", out)
    assert "changed: 0" in shown and out.read_text(encoding="utf-8").count("\n# id = ") > 9


def test_a_corrected_file_with_the_tags_in_a_column_that_is_named(
    run: Path, tmp_path: Path
) -> None:
    path, out = tmp_path / "a.conll", tmp_path / "b.conll"
    call(run, "--lang", "de", "--export", "conll", path)
    text = re.sub(r"^# .*columns.*\n", "", path.read_text(encoding="utf-8"))
    beside = re.sub(r"\t(\S+)\n", lambda m: f"{m[0][:-1]}\t{'B-X' if m[1] == 'O' else 'O'}\n", text)
    path.write_text(beside, encoding="utf-8")
    given = (run, "--lang", "de", "--import", path, "-o", out)
    assert "(on the command line: --data tag_column=" in " ".join(call(*given, code=1).split())
    assert "changed: 0" in call(*given, "--data", "tag_column=1")
    idle = call(*given, "--data", "tag_column=1", "--data", "offsets=words", code=1)
    assert "--data offsets: does nothing for" in " ".join(idle.split())
    idle = call(*given, "--import-format", "conll", "--data", "format=conll", code=1)
    assert "--data format: does nothing for" in " ".join(idle.split())
    assert "--data: is for --import" in call(run, "--data", "scheme=io", code=2)


def test_export_takes_what_the_filters_choose(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "dropped.jsonl"
    call(run, "--lang", "sw", "--only", "dropped", "--type", "PER", "--export", "doccano", out)
    ids = [json.loads(line)["sentence_id"] for line in out.read_text().splitlines()]
    expected = records(run, "--lang", "sw", "--only", "dropped", "--type", "PER")
    assert ids == [r["id"] for r in expected]
