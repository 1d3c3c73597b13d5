"""A pip-installed package adds kinds: they are listed, completed, checked and used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with the toy package in it, and a Python to run it."""

    folder: Path
    python: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, warm_python: Path) -> Site:
    """Have the toy package built and installed by pip, offline."""
    pytest.importorskip("setuptools", reason="setuptools, which builds the toy, is not installed")
    place = tmp_path_factory.mktemp("toys")
    source = shutil.copytree(ROOT / "tests" / "toy_package", place / "source")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    command += ["--no-build-isolation", "--target", str(place / "site"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No module named pip" in done.stderr:
        pytest.skip("pip is not installed")
    assert done.returncode == 0, done.stderr
    return Site(place / "site", warm_python)


def run(site: Site, code: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}:{site.folder}",
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }
    return subprocess.run(
        [site.python, "-c", code, *words],
        env=environment | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def command(site: Site, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    module = name if name != "run_pipeline" else "run"
    code = f"import sys; sys.argv[0] = {name!r}; from xlner.commands.{module} import main; main()"
    return run(site, code, *words)


def test_they_are_listed_after_those_that_ship(site: Site) -> None:
    done = command(site, "run_pipeline", "list", "--kinds", "--json")
    listed = json.loads(done.stdout)
    last = {sort: rows[-1]["name"] for sort, rows in listed.items() if sort in LAST}
    assert last == LAST
    assert listed["aligners"][-1] == {
        "name": "diagonal",
        "about": "links the n-th word with the n-th",
        "options": {"shift": "words that the target begins with"},
    }
    assert "diagonal" in command(site, "align_words", "--help").stdout
    assert "same_words" in command(site, "project_labels", "--help").stdout


LAST = {
    "formats": "shouted",
    "translators": "louder",
    "aligners": "diagonal",
    "projectors": "same_words",
    "taggers": "capitals",
    "filters": "long_names",
    "makers": "reversed",
    "metrics": "sentences_right",
    "fusions": "weighted",
}


def test_they_are_completed(site: Site) -> None:
    code = (
        "from xlner.commands.options import completing\n"
        "from stages.align.kinds import ALIGNERS\n"
        "print(completing(lambda: ALIGNERS)('dia'))"
    )
    assert run(site, code).stdout.strip() == "['diagonal']"


WRONG = [
    (
        "align: {aligner: diagonal, shift: -1}",
        "align.shift: Input should be greater than or equal to 0",
    ),
    (
        "align: {aligner: simalign, shift: 1}",
        "aligner 'simalign' has no such key; the one that has it: diagonal",
    ),
    (
        "align: {aligner: diagonal, layer: 1}",
        "aligner 'diagonal' has no such key",
    ),
    (
        "align: {aligner: diagnal}",
        "'diagnal' is not allowed (did you mean 'diagonal'?)",
    ),
    (
        "translate: {translator: louder, marks: 0}",
        "translate.marks: Input should be greater",
    ),
    (
        "translate: {translator: bergamot, beam_size: 2}",
        "translator 'bergamot' has no such key; those that have it: auto, ctranslate2",
    ),
    (
        "translate: {marks: 2}",
        "the one that has it: louder",
    ),
    (
        "project: {method: same_words, scor: 1}",
        "unknown key 'project.scor' (did you mean 'score'?)",
    ),
    (
        "project: {filters: {max_words: 0}}",
        "project.filters.max_words: Input should be greater than or equal to 1",
    ),
    (
        "project: {filters: {max_word: 1}}",
        "unknown key 'project.filters.max_word' (did you mean 'max_words'?)",
    ),
    (
        "evaluate: {metrics: [{metric: sentences_right, least: -1}]}",
        "evaluate.metrics.0.least: Input should be greater",
    ),
    (
        "evaluate: {metrics: [{metric: exact, least: 1}]}",
        "has no such key; the one that has it: sentences_right",
    ),
    (
        "train: {fusion: concat, share: 1}",
        "the one that has it: weighted",
    ),
    (
        "synthesize: {weights: {reversed: 1}, reversed: {times: 0}}",
        "synthesize.reversed.times: Input should be greater",
    ),
    (
        "data: {train: {path: x, format: shoutd}}",
        "did you mean 'shouted'",
    ),
]
CHECK_ALL = """
import sys
from xlner.commands.run import main
for config in sys.argv[1:]:
    sys.argv = ["run_pipeline", config, "--dry-run"]
    try:
        main()
    except SystemExit as left:
        print(left.code, file=sys.stderr)
    print("----", file=sys.stderr)
"""


def test_their_options_are_checked(site: Site, tmp_path: Path) -> None:
    configs = [tmp_path / f"{number}.yaml" for number in range(len(WRONG))]
    for path, (text, _) in zip(configs, WRONG, strict=True):
        path.write_text(text)
    done = run(site, CHECK_ALL, *map(str, configs))
    *told, last = done.stderr.split("----\n")
    assert not last and len(told) == len(WRONG), done.stderr
    for said, (text, message) in zip(told, WRONG, strict=True):
        assert message in said and said.endswith("\n2\n"), text


def test_an_aligner_and_a_projector_in_the_commands(site: Site, tmp_path: Path) -> None:
    source, target, links = (tmp_path / n for n in ("s.conll", "t.txt", "links"))
    source.write_text("Anna B-PER\nsleeps O\n\n")
    target.write_text("Oh Anna schläft\n", encoding="utf-8")
    done = command(
        site,
        "align_words",
        str(source),
        str(target),
        "--aligner",
        "diagonal",
        "--option",
        "shift=1",
    )
    assert done.stdout.strip() == "0-1 1-2", done.stderr
    links.write_text(done.stdout)
    files = [str(p) for p in (source, target, links)]
    done = command(
        site, "project_labels", *files, "--method", "same_words", "--option", "score=0.5", "--json"
    )
    (row,) = json.loads(done.stdout)["rows"]
    assert [(s["start"], s["end"], s["type"], s["score"]) for s in row["spans"]] == [
        (1, 2, "PER", 0.5)
    ], done.stderr


def test_a_run_reads_their_format_and_uses_their_aligner_and_method(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "en.shout").write_text("ANNA sleeps\nwe saw ANNA\n")
    (tmp_path / "de.txt").write_text("ANNA schläft\nwir sahen ANNA\n", encoding="utf-8")
    (tmp_path / "c.yaml").write_text(
        "{name: c, languages: [de], arms: [],\n"
        "stages: [prepare, translate, align, project, synthesize],\n"
        "data: {train: {path: en.shout}, parallel: {path: de.txt}},\n"
        "align: {aligner: ensemble, members: [{aligner: diagonal}, {aligner: statistical}]},\n"
        "project: {method: ensemble, members: [{method: same_words, score: 0.7}, span]},\n"
        "synthesize: {sentences: 2, weights: {reversed: 1}, reversed: {times: 1},\n"
        "gate: {min_words: 1, length_ratio: null}}}"
    )
    runs = tmp_path / "runs"
    done = command(site, "run_pipeline", str(tmp_path / "c.yaml"), "--runs-dir", str(runs))
    assert done.returncode == 0, done.stdout + done.stderr
    import pyarrow.parquet as pq

    rows = pq.read_table(next((runs / "c" / "project" / "de").glob("*.parquet"))).to_pylist()
    assert [[(s["start"], s["type"]) for s in r["spans"]] for r in rows] == [
        [(0, "NAME")],
        [(2, "NAME")],
    ]
    made = pq.read_table(next((runs / "c" / "synthesize" / "de").glob("*.parquet"))).to_pylist()
    assert [(r["maker"], r["words"]) for r in made] == [
        ("reversed", ["schläft", "ANNA"]),
        ("reversed", ["ANNA", "sahen", "wir"]),
    ]


def test_a_stage_of_theirs_runs(site: Site, tmp_path: Path) -> None:
    (tmp_path / "en.conll").write_text("Anna B-PER\nsleeps O\n\nOh O\n\n")
    config = tmp_path / "c.yaml"
    config.write_text(
        "{name: c, languages: [de], stages: [prepare, tally], data: {train: {path: en.conll}},\n"
        "tally: {least: 2}}"
    )
    more = ["--runs-dir", str(tmp_path)]
    done = command(site, "run_pipeline", str(config), *more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "c/tally/all/total.txt").read_text() == "1"
    wrong = command(site, "run_pipeline", str(config), "--set", "tally.least=0", *more)
    assert "tally.least: Input should be greater" in wrong.stdout + wrong.stderr


def test_a_tagger_of_theirs_labels_words(site: Site, tmp_path: Path) -> None:
    code = f"""
import json
from pathlib import Path
from stages.external.loading import load_tagger
written = dict(tagger="capitals", options={{"label": "NAME"}}, model="-", lang="en",
               labels=["O", "B-PER", "I-PER"], map={{"NAME": "PER"}})
Path({str(tmp_path)!r}, "external.json").write_text(json.dumps(written))
print([(e.text, e.type) for e in load_tagger({str(tmp_path)!r}).predict(["so ANNA said."])[0]])
"""
    done = run(site, code)
    assert done.stdout.strip() == "[('ANNA', 'PER')]", done.stderr


def test_a_filter_and_a_metric_over_stored_rows(site: Site) -> None:
    code = """
import json
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.grading import Graded
from stages.evaluate.measuring import Measurer
from stages.project import STAGE
from stages.project.config import FilterConfig, ProjectConfig
from stages.project.decide import decide_row
from pipeline.schema import Span
words = "Anna Lee Kim sleeps".split()
span = {"start": 0, "end": 3, "type": "PER"}
row = {"id": "1", "source_words": words, "source_spans": [span], "words": words, "scores": [],
       "spans": [{**span, "source": 0, "score": 0.9}]}
options = EvaluateConfig(metrics=["sentences_right", {"metric": "exact"}])
measurer = Measurer(options.named_metrics, 100, 0.95, 1)
right = [Span(0, 1, "PER")]
measurer.add("de", "test", "fused", 1, [Graded("1", words, right, right),
                                        Graded("2", words, right, [Span(0, 1, "LOC")])])
plain, off = ProjectConfig(), ProjectConfig(filters={"max_words": None})
same = plain.model_dump_json() == off.model_dump_json()
strict = FilterConfig(max_words=2)
print(json.dumps([
    [decide_row(row, one)["spans"][0]["reason"] for one in (FilterConfig(), strict)],
    STAGE.reasons["long_name"],
    {m.metric: m.value for m in measurer.summarise()},
    "max_words" in FilterConfig().model_dump(), strict.model_dump()["max_words"], same,
]))
"""
    done = run(site, code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        [None, "long_name"],
        "the name is long",
        {"sentences_right": 0.5, "exact": 1.0},
        False,
        2,
        True,
    ]


def test_a_run_translates_by_theirs(site: Site, tmp_path: Path) -> None:
    (tmp_path / "en.shout").write_text("ANNA sleeps\nwe saw ANNA\n")
    (tmp_path / "c.yaml").write_text(
        "{name: c, languages: [de], arms: [], stages: [prepare, translate],\n"
        "data: {train: {path: en.shout}}, translate: {translator: louder, marks: 2}}"
    )
    runs = tmp_path / "runs"
    done = command(site, "run_pipeline", str(tmp_path / "c.yaml"), "--runs-dir", str(runs))
    assert done.returncode == 0, done.stdout + done.stderr
    import pyarrow.parquet as pq

    rows = pq.read_table(next((runs / "c" / "translate" / "de").glob("*.parquet"))).to_pylist()
    assert [r["text"] for r in rows] == ["ANNA SLEEPS !!", "WE SAW ANNA !!"]


@pytest.mark.slow
def test_a_tagger_with_their_fusion(site: Site, tmp_path: Path) -> None:
    from tests.tiny.encoders import build_family

    folder = build_family("bert", tmp_path)
    code = f"""
from stages.tagger.modeling import LayerFusedForTokenClassification as Model
from stages.train.config import TrainConfig
from stages.train.recipe import head_fields
head = head_fields(TrainConfig(fusion="weighted", fusion_layer=0, share=0.25), fused=True)
model = Model.from_encoder({str(folder)!r}, ["O", "B-X", "I-X"], **head).eval()
model.save_pretrained({str(tmp_path / "tagger")!r})
again = Model.from_pretrained({str(tmp_path / "tagger")!r}).eval()
import torch
ids = torch.tensor([[2, 5, 6, 3]])
assert torch.equal(model(ids).logits, again(ids).logits)
other = dict(head, fusion_options=head["fusion_options"] | {{"share": 1.0}})
print(again.config.fusion, again.config.fusion_options, again.fusion.lower)
"""
    done = run(site, code)
    expected = "weighted {'fusion_layer': 0, 'share': 0.25} (0,)"
    assert done.stdout.strip().endswith(expected), done.stderr


def test_the_tables_in_the_docs_are_those_of_the_registries() -> None:
    from xlner.kinds import with_tables

    pages = list((ROOT / "docs").glob("*.md"))
    with_blocks = [p for p in pages if "<!-- kinds: " in p.read_text(encoding="utf-8")]
    assert len(with_blocks) >= 3
    for page in with_blocks:
        text = page.read_text(encoding="utf-8")
        assert with_tables(text) == text, f"python -m xlner.kinds {page}"
