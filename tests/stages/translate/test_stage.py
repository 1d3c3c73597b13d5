from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import RunConfig, config_model, parse_config
from pipeline.errors import ConfigError, DataError
from pipeline.schema import TRANSLATIONS, Sentence, Span, table
from pipeline.stage import Part, Task
from stages.experiment import Experiment
from stages.tokenise import tokenise
from stages.translate import STAGE
from stages.translate.config import TranslateConfig
from stages.translate.markers import mark, unmark
from tests.test_end_to_end import lay_out
from tests.tiny.text import sentences


def _config(tmp_path: Path, translator: str | dict[str, str], **keys: Any) -> RunConfig:
    raw = {
        "name": "t",
        "languages": ["de", "sw"],
        "data": {"train": {"path": "train.txt"}, "test": {"path": "{lang}.txt"}},
        "models": {"translator": translator},
        **keys,
    }
    return parse_config(raw, model=config_model({"translate": TranslateConfig}, Experiment))


def _task(config: RunConfig, unit: str) -> Task:
    return next(t for t in STAGE.tasks(config) if t.unit == unit)


def _rows(texts: list[str], lang: str = "en") -> Any:
    made = [
        Sentence(f"s{i}", lang, tokenise(t, lang), [Span(0, 1, "PER")] if t else []).to_row()
        for i, t in enumerate(texts)
    ]
    return table("labelled", made)


def test_tasks_by_direction(models: Path, tmp_path: Path) -> None:
    config = _config(
        tmp_path,
        {"*": str(models / "multi"), "en-sw": "other/name"},
        translate={"directions": ["to_target", "to_source"]},
        data={
            "train": {"path": "x"},
            "test": {"path": "{lang}"},
            "parallel": {"sw": {"path": "y"}},
        },
    )
    tasks = {t.unit: t for t in STAGE.tasks(config)}
    assert list(tasks) == ["de", "sw", "to_source/de", "to_source/sw"]
    assert {k: str(v) for k, v in tasks["de"].inputs.items()} == {"source": "prepare/train/en"}
    assert {k: str(v) for k, v in tasks["sw"].inputs.items()} == {
        "source": "prepare/train/en",
        "given": "prepare/parallel/sw",
    }
    back = tasks["to_source/sw"]
    assert str(back.inputs["source"]) == "prepare/test/sw" and back.lang == "en"
    assert back.options["source"] == "sw" and back.options["target"] == "en"
    assert STAGE.files(config, tasks["sw"]) == {}
    assert STAGE.files(config, tasks["de"]) == {"model": models / "multi"}


def test_search_does_not_depend_on_the_seed_but_sampling_does(models: Path, tmp_path: Path) -> None:
    config = _config(tmp_path, str(models / "multi"))
    assert _task(config, "de").uses == ()
    sampling = {"beam_size": 1, "sampling_topk": 10}
    config = _config(tmp_path, str(models / "multi"), translate=sampling)
    assert _task(config, "de").uses == ("seed",)
    assert "threads" not in TranslateConfig().identity()
    assert {"device", "compute_type", "max_batch_tokens"} <= TranslateConfig().identity().keys()


def test_problems_are_found_without_loading(models: Path, tmp_path: Path) -> None:
    config = _config(tmp_path, str(models / "multi"), languages=["de", "fr"])
    found = [str(p) for p in STAGE.check(config, STAGE.tasks(config))]
    assert found == [
        f"models.translator: {models / 'multi'} does not know 'fr'; available: de, en, sw, zh"
    ]
    config = _config(tmp_path, {"de": str(models / "multi")})
    (problem,) = set(STAGE.check(config, STAGE.tasks(config)))
    assert problem.key == "models.translator"
    assert "no translator is named for en to sw" in problem.message
    config = _config(tmp_path, str(tmp_path / "nowhere"))
    (problem,) = set(STAGE.check(config, STAGE.tasks(config)))
    assert f"model folder not found: {tmp_path / 'nowhere'}" in problem.message
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.json").write_text("{}")
    config = _config(tmp_path, str(empty))
    (problem,) = set(STAGE.check(config, STAGE.tasks(config)))
    assert "a model folder without weights" in problem.message
    config = _config(tmp_path, "Helsinki-NLP/opus-mt-{source}-{target}")
    assert list(STAGE.check(config, STAGE.tasks(config))) == []
    config = _config(tmp_path, "Helsinki-NLP/opus-mt-en-de")
    (problem,) = set(STAGE.check(config, STAGE.tasks(config)))
    assert "translates en to de, not en to sw" in problem.message


def test_worker_keeps_every_row(models: Path, tmp_path: Path) -> None:
    config = _config(tmp_path, str(models / "multi"), translate={"beam_size": 2})
    factory = pickle.loads(pickle.dumps(STAGE.worker(config, _task(config, "de"), {})))
    worker = factory()
    texts = [*sentences(12, seed=6), "", "* * *"]
    done: list[int] = []
    out = worker({"source": _rows(texts)}, Part(0, seed=5, advance=done.append))
    assert out.schema == TRANSLATIONS
    rows = out.to_pylist()
    assert [r["id"] for r in rows] == [f"s{i}" for i in range(14)]
    assert [r["reason"] for r in rows[-2:]] == ["empty_source"] * 2
    assert sum(done) == 14
    for row in rows:
        assert (row["lang"], row["source_lang"], row["rank"]) == ("de", "en", 0)
        assert row["words"] == ([] if row["reason"] else tokenise(row["text"], "de"))
        assert row["marked"] is None
    assert any(r["words"] for r in rows)
    assert rows[0]["source_spans"][0]["type"] == "PER"


def test_what_goes_to_the_source_language_follows_from_the_arms(
    models: Path, tmp_path: Path
) -> None:
    data = {"test": {"path": "{lang}"}, "train": {"path": "x"}, "unlabelled": {"de": {"path": "u"}}}

    def units(*arms: str) -> list[str]:
        config = _config(tmp_path, str(models / "multi"), arms=list(arms), data=data)
        return [t.unit for t in STAGE.tasks(config)]

    assert units("fused", "self_trained") == ["de", "sw"]
    both = ["de", "sw", "to_source/de", "to_source/sw"]
    assert units("translate_test") == units("ensemble_train_test") == both
    assert units("crop") == ["de", "sw", "to_source/unlabelled/de"]
    assert units("crop", "translate_test") == [*both, "to_source/unlabelled/de"]


def test_labels_of_test_data_do_not_go_with_its_translation(models: Path, tmp_path: Path) -> None:
    """Not as spans, not as markers, and one row stays one row whatever the other direction does."""
    options = {"beam_size": 2, "num_hypotheses": 2, "markers": "brackets"}
    config = _config(tmp_path, str(models / "multi"), translate=options, arms=["translate_test"])
    factory = pickle.loads(pickle.dumps(STAGE.worker(config, _task(config, "to_source/de"), {})))
    rows = factory()({"source": _rows(sentences(6, seed=6), "de")}, Part(0, seed=5)).to_pylist()
    assert [r["id"] for r in rows] == [f"s{i}" for i in range(6)]
    assert all(r["source_spans"] == [] and r["marked"] is None for r in rows)
    assert all((r["lang"], r["source_lang"]) == ("en", "de") for r in rows)


def test_n_best_rows_have_their_rank_in_the_id(models: Path, tmp_path: Path) -> None:
    options = {"beam_size": 1, "sampling_topk": 10, "num_hypotheses": 3}
    config = _config(tmp_path, str(models / "multi"), translate=options)
    worker = STAGE.worker(config, _task(config, "sw"), {})()
    rows = worker({"source": _rows(sentences(2))}, Part(3, seed=1)).to_pylist()
    assert [r["id"] for r in rows] == ["s0", "s0#1", "s0#2", "s1", "s1#1", "s1#2"]
    assert [r["source_id"] for r in rows] == ["s0"] * 3 + ["s1"] * 3
    other = worker({"source": _rows(sentences(2))}, Part(4, seed=2)).to_pylist()
    assert [r["text"] for r in other] != [r["text"] for r in rows]


def test_given_translations_need_no_model(tmp_path: Path) -> None:
    config = _config(
        tmp_path,
        str(tmp_path / "nowhere"),
        languages=["de"],
        data={"train": {"path": "x"}, "parallel": {"path": "{lang}"}},
    )
    task = _task(config, "de")
    assert list(STAGE.check(config, [task])) == []
    worker = STAGE.worker(config, task, {})()
    source, given = _rows(["He came.", "Yes.", ""]), _rows(["Er kam.", "", "Nein."], "de")
    rows = worker({"source": source, "given": given}, Part(0, 1)).to_pylist()
    assert [r["words"] for r in rows] == [["Er", "kam", "."], [], []]
    assert [r["text"] for r in rows] == ["Er kam.", "", ""]
    assert [r["reason"] for r in rows] == [None, "empty_translation", "empty_source"]
    assert [r["score"] for r in rows] == [None] * 3
    with pytest.raises(DataError, match=r"part 0: 3 en sentences but 2 de ones"):
        worker({"source": source, "given": given.slice(1)}, Part(0, 1))
    with pytest.raises(DataError, match=r"'s0' stands beside de sentence 's1'"):
        worker({"source": source.slice(0, 2), "given": given.slice(1)}, Part(0, 1))


def test_markers() -> None:
    words = ["Anna", "Lee", "lives", "in", "London", "."]
    spans = [Span(0, 2, "PER"), Span(4, 5, "LOC")]
    assert mark(words, spans, "en") == "[Anna Lee] lives in [London]."
    assert unmark("[ Anna Lee ] wohnt in [London].") == "Anna Lee wohnt in London."
    assert mark(words, [], "en") is None
    assert mark(["Anna", "[", "1", "]"], [Span(0, 1, "PER")], "en") is None


def test_marked_rows(models: Path, tmp_path: Path) -> None:
    config = _config(tmp_path, str(models / "multi"), translate={"markers": "brackets"})
    worker = STAGE.worker(config, _task(config, "de"), {})()
    given = {"source": _rows([*sentences(8, seed=3), "[ Bo ] da."])}
    rows = worker(given, Part(0, 1)).to_pylist()
    plain = _config(tmp_path, str(models / "multi"), translate={"mend": False})
    bare = STAGE.worker(plain, _task(plain, "de"), {})()(given, Part(0, 1)).to_pylist()
    assert rows[-1]["marked"] is None
    # The model was never trained: what it makes of markers is as good as chance.
    for row, other in zip(rows, bare, strict=True):
        if row["marked"] is None:
            assert row["text"] == other["text"]
        else:
            assert row["text"] == unmark(row["marked"])
            assert 0 < row["marked"].count("[") == row["marked"].count("]")
            assert not any("[" in w or "]" in w for w in row["words"])


def test_markers_that_the_model_cannot_read(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.translate.markers.OPEN", "\u2180")
    config = _config(tmp_path, str(models / "multi"), translate={"markers": "brackets"})
    with pytest.raises(ConfigError, match="multi.* does not know \u2180, which 'brackets' marks"):
        STAGE.worker(config, _task(config, "de"), {})()


HUB = """
import sys
from pathlib import Path
from pipeline.models import locate
from stages.translate.decoding import DecodingConfig
from stages.translate.translator import Translator
source = locate("Helsinki-NLP/opus-mt-en-de")
config = DecodingConfig(beam_size=1)
translator = Translator(source.download(), "en", "de", config, name=source.name)
print(translator.translate(["Bo da."])[0][0].score is not None)
"""


def test_hub_id_from_a_local_hub_cache(
    models: Path, tmp_path: Path, warm_python: Path, hub_cache: Path
) -> None:
    """A checkpoint laid out as the hub cache does is found by its id, with no network."""
    lay_out(hub_cache, "Helsinki-NLP/opus-mt-en-de", models / "opus-mt-en-de")
    environment = {"HF_HUB_OFFLINE": "1", "XLNER_CACHE": str(tmp_path / "cache")}
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [warm_python, "-c", HUB], cwd=root, env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "True", done.stderr


def test_the_stage_imports_quickly() -> None:
    code = (
        "import json, sys, stages.translate; heavy = {'torch', 'ctranslate2', 'transformers'}; "
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert json.loads(done.stdout) == []
