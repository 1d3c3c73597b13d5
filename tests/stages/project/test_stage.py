"""The stage: tables in, decided rows out."""

from __future__ import annotations

import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from pipeline.config import StageConfig, config_model
from pipeline.errors import DataError
from pipeline.schema import PROJECTED, span_row, table
from pipeline.stage import Part
from stages.experiment import Experiment
from stages.project import STAGE
from stages.project.batch import Batch, LabelledPair
from stages.project.config import ProjectConfig
from stages.project.words import Vocabulary
from stages.project.worker import ProjectWorker, collect_statistics
from stages.translate.config import TranslateConfig
from tests.stages.project.examples import VISIT, pair

ROWS = [
    VISIT,
    pair("We agree .", "", "Wir stimmen zu .", "0-0 1-1 2-3"),
    pair("Merkel left .", "0-1:PER", "", ""),
    pair(
        "the President of Ulm spoke", "3-4:LOC", "der Präsident von Ulm sprach", "0-0 1-1 3-3 4-4"
    ),
]


def tables(pairs: list[LabelledPair]) -> tuple[pa.Table, pa.Table]:
    translations, alignments = [], []
    for k, p in enumerate(pairs):
        reason = None if p.words else "empty_translation"
        translations.append(
            {
                "id": f"s{k}",
                "lang": "de",
                "source_id": f"s{k}",
                "source_lang": "en",
                "source_words": list(p.source_words),
                "source_spans": [span_row(s) for s in p.source_spans],
                "text": " ".join(p.words),
                "words": list(p.words),
                "score": None,
                "rank": 0,
                "marked": p.marked,
                "reason": reason,
            }
        )
        alignments.append(
            {
                "id": f"s{k}",
                "lang": "de",
                "source_lang": "en",
                "links": [
                    {"source": x.source, "target": x.target, "prob": x.prob} for x in p.links
                ],
                "aligner": "test",
                "reason": reason,
            }
        )
    return table("translations", translations), table("alignments", alignments)


def run(config: ProjectConfig, folder: Path, pairs: list[LabelledPair] = ROWS) -> pa.Table:
    translations, alignments = tables(pairs)
    collect_statistics(config, None, [(translations, alignments)], folder)
    factory = pickle.loads(pickle.dumps(partial(ProjectWorker, config, None, folder)))
    return factory()({"translations": translations, "alignments": alignments}, Part(0, 1))


def test_rows_are_projected_and_decided(tmp_path: Path) -> None:
    result = run(ProjectConfig(), tmp_path)
    assert result.schema.equals(PROJECTED)
    rows = result.to_pylist()
    assert [r["id"] for r in rows] == ["s0", "s1", "s2", "s3"]
    assert [(s["start"], s["end"], s["source"]) for s in rows[0]["spans"]] == [
        (0, 2, 0),
        (4, 6, 1),
        (7, 8, 2),
    ]
    assert all(s["kept"] and s["method"] == "candidates" for s in rows[0]["spans"])
    assert (rows[1]["spans"], rows[1]["lost"], rows[1]["kept"]) == ([], [], True)
    assert rows[2]["lost"] == [{"source": 0, "reason": "untranslated"}]
    assert (rows[2]["kept"], rows[2]["reason"]) == (False, "untranslated")


def test_filters_of_the_config_are_applied(tmp_path: Path) -> None:
    config = ProjectConfig.model_validate({"method": "span", "filters": {"comp_source": True}})
    unaligned = pair("New Ulm", "0-2:LOC", "Neu Ulm", "1-1")
    rows = run(config, tmp_path, [*ROWS, unaligned]).to_pylist()
    assert [r["reason"] for r in rows] == [None, None, "untranslated", None, "comp_source"]


def test_collected_files_do_not_depend_on_the_parts(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    collect_statistics(ProjectConfig(), None, [tables(ROWS)], whole)
    t, a = tables(ROWS)
    collect_statistics(ProjectConfig(), None, [(t[:1], a[:1]), (t[1:], a[1:])], cut)
    names = sorted(p.name for p in (whole / "statistics").iterdir())
    assert names == sorted(p.name for p in (cut / "statistics").iterdir())
    assert ProjectWorker(ProjectConfig(), None, cut) is not None


def test_no_first_pass_where_the_method_has_none(tmp_path: Path) -> None:
    run(ProjectConfig(method="span"), tmp_path)
    run(ProjectConfig(corpus_statistics=False), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_tables_and_pairs_give_the_same_batch() -> None:
    left, right = Batch.from_tables(*tables(ROWS)), Batch.from_pairs(ROWS)
    for name in ("entity_row", "entity_start", "entity_end", "link_source", "link_target"):
        assert getattr(left, name).tolist() == getattr(right, name).tolist()
    assert left.target.codes.tolist() == right.target.codes.tolist()
    assert left.entity_type == right.entity_type


def test_tables_that_do_not_belong_together(tmp_path: Path) -> None:
    translations, alignments = tables(ROWS)
    with pytest.raises(DataError, match="4 translations but 3 alignments"):
        Batch.from_tables(translations, alignments[:3])
    with pytest.raises(DataError, match="'s1' stands beside alignment 's0'"):
        Batch.from_tables(translations[1:], alignments[:3])


def test_one_task_per_unit_in_both_directions() -> None:
    from stages.registry import STAGES

    config = STAGES.config_type().model_validate(
        {
            "name": "t",
            "languages": ["de", "es"],
            "translate": {"directions": ["to_target", "to_source"]},
        }
    )
    tasks = STAGE.tasks(config)
    assert [t.unit for t in tasks] == ["de", "es", "to_source/de", "to_source/es"]
    assert str(tasks[2].inputs["alignments"]) == "align/to_source/de"
    assert str(tasks[2].inputs["translations"]) == "translate/to_source/de"
    assert [t.lang for t in tasks] == ["de", "es", "en", "en"]


def test_problems_are_found_before_anything_runs(tmp_path: Path) -> None:
    sections: dict[str, type[StageConfig]] = {
        "project": ProjectConfig,
        "translate": TranslateConfig,
    }
    bad = tmp_path / "w.json"
    bad.write_text('{"first": 3}')
    config = config_model(sections, Experiment).model_validate(
        {
            "name": "t",
            "project": {"method": "markers", "weights": str(bad), "markers": ["", "]"]},
            "translate": {"markers": "brackets"},
        }
    )
    problems = [str(p) for p in STAGE.check(config, [])]
    assert len(problems) == 2
    assert "w.json: not a file of projection weights" in problems[0]
    assert "project.markers" in problems[1]


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({}, True),
        ({"method": "ensemble", "members": ["candidates"]}, True),
        ({"method": "ensemble"}, False),
        ({"method": "span"}, False),
        ({"filters": {"comp_source": True}}, False),
    ],
)
def test_a_threshold_that_nothing_reads_is_a_problem(more: dict[str, Any], refused: bool) -> None:
    model = config_model({"project": ProjectConfig, "translate": TranslateConfig}, Experiment)
    section = {"min_link": 0.3} | more
    config = model.model_validate({"name": "t", "project": section})
    found = [str(p) for p in STAGE.check(config, [])]
    assert [p.split(":")[0] for p in found] == ["project.min_link"] * refused


def test_what_was_kept_and_dropped_is_told() -> None:
    def artifact(total: int, **drops: dict[str, int]) -> Any:
        return SimpleNamespace(num_rows=total, manifest=SimpleNamespace(drops=drops))

    config = config_model({"project": ProjectConfig}, Experiment)(name="run", languages=["de"])
    found = [
        artifact(900, rows={"repetition": 17, "copied_source": 40}, spans={"low_score": 12}),
        artifact(1100, rows={"repetition": 30}, lost={"conflict": 1_200, "no_link": 3}),
    ]
    assert list(STAGE.notices(config, found)) == [
        "project: 1,913 of 2,000 sentences kept; dropped 87: repetition 47, copied_source 40",
        "project: of the entities dropped 12: low_score 12; lost 1,203: conflict 1,200, no_link 3; "
        "by language: inspect_labels RUN --summary",
    ]
    assert list(STAGE.notices(config, [artifact(5)])) == ["project: 5 of 5 sentences kept"]


def test_importing_the_stage_loads_nothing_heavy() -> None:
    code = (
        "import sys, stages.project; "
        "print([m for m in ('numpy', 'scipy', 'pyarrow', 'rapidfuzz') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_parts_share_one_vocabulary_and_look_at_each_word_once() -> None:
    vocabulary = Vocabulary()
    translations, alignments = tables(ROWS)
    first = Batch.from_tables(translations, alignments, vocabulary)
    assert first.vocabulary is vocabulary
    size = len(vocabulary)
    assert size == len({w for p in ROWS for w in (*p.source_words, *p.words)})
    again = Batch.from_tables(translations, alignments, vocabulary)
    assert len(vocabulary) == size
    assert again.target.codes.tolist() == first.target.codes.tolist()
    names = list(vocabulary.codes)
    for row, p in enumerate(ROWS):
        assert again.source.words(row, names) == list(p.source_words)
        assert again.target.words(row, names) == list(p.words)
    assert Batch.from_pairs(ROWS, fresh := Vocabulary()).vocabulary is fresh
