"""The stage prepare, through the runner."""

from __future__ import annotations

import json
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.config import RunConfig, parse_config
from pipeline.errors import ConfigError, DataError
from pipeline.formats import FORMATS
from pipeline.progress import Progress
from pipeline.registry import Registry
from pipeline.runner import Result
from pipeline.schema import Sentence
from stages.prepare import STAGE
from tests.pipeline.formats.helpers import save, triples
from tests.pipeline.formats.hub_cache import COMMIT, add_dataset, go_offline
from tests.shared_data import shared_data
from xlner.api import Runner

REGISTRY = Registry({"prepare": STAGE})
LABELLED = ", ".join(name for name in FORMATS if FORMATS[name].has_labels)
TRAIN = "Ann B-PER\nLee I-PER\nin O\nBonn B-LOC\n\nACME B-ORG\n. O\n\nyes O\n"


def config(root: Path | None, data: dict[str, Any], **more: Any) -> RunConfig:
    raw = {
        "name": "run",
        "languages": ["de"],
        "stages": ["prepare"],
        "data": {**({"root": str(root)} if root else {}), **data},
        **more,
    }
    return parse_config(raw, model=REGISTRY.config_type())


def run(root: Path | None, data: dict[str, Any], **more: Any) -> Result:
    home = root or Path(more.pop("home"))
    progress = Progress(Console(file=StringIO()))
    return Runner(config(root, data, **more), home / "runs", progress, REGISTRY).run()


def outputs(result: Result) -> dict[str, list[Sentence]]:
    return {a.manifest.unit: [Sentence.from_row(r) for r in a.rows()] for a in result.done}


def failure(root: Path, data: dict[str, Any], **more: Any) -> str:
    with pytest.raises((ConfigError, DataError)) as error:
        run(root, data, **more)
    return str(error.value)


def test_every_data_key_becomes_a_dataset(tmp_path: Path) -> None:
    save(tmp_path / "en.train", TRAIN)
    save(tmp_path / "en.txt", "Hello, Ann!\n")
    save(tmp_path / "swa.test", "Nairobi B-LOC\n")
    save(tmp_path / "sw.txt", "Ndiyo.\n")
    save(tmp_path / "gold", "Ann B-PER\n\nACME B-ORG\n\nndiyo O\n")
    found = outputs(
        run(
            tmp_path,
            {
                "train": {"path": "{lang}.train"},
                "dev": {"path": "en.train", "limit": 1},
                "source_test": {"path": "en.train"},
                "source_unlabelled": {"path": "{lang}.txt"},
                "test": {"path": "{lang3}.test"},
                "target_dev": {"swa": {"path": "swa.test"}},
                "target_train": {"de": {"path": "no such file"}, "sw": {"path": "swa.test"}},
                "unlabelled": {"path": "{lang}.txt"},
                "parallel": {"sw": {"path": "gold"}},
            },
            languages=["swa"],
        )
    )
    assert sorted(found) == [
        "dev/en",
        "parallel/sw",
        "source_test/en",
        "source_unlabelled/en",
        "target_dev/sw",
        "target_train/sw",
        "test/sw",
        "train/en",
        "unlabelled/sw",
    ]
    (first, _, _) = found["train/en"]
    assert (first.id, first.lang, first.origin, first.line) == ("train-0", "en", "en.train", 1)
    assert (first.words, triples(first.spans)) == (
        ["Ann", "Lee", "in", "Bonn"],
        [(0, 2, "PER"), (3, 4, "LOC")],
    )
    assert [s.id for s in found["dev/en"]] == ["dev-0"]
    assert found["test/sw"][0].words == ["Nairobi"] and found["test/sw"][0].lang == "sw"
    assert found["source_unlabelled/en"][0].words == ["Hello", ",", "Ann", "!"]


def test_manifest_says_what_was_found(tmp_path: Path) -> None:
    save(tmp_path / "en.jsonl", json.dumps({"tokens": [], "ner_tags": []}) + "\n")
    with (tmp_path / "en.jsonl").open("a") as file:
        file.write(json.dumps({"tokens": ["España", "x"], "ner_tags": ["B-LOC", "O"]}) + "\n")
        file.write(json.dumps({"tokens": ["\u200b", "x"], "ner_tags": ["O", "I-PER"]}) + "\n")
    (artifact,) = run(tmp_path, {"train": {"path": "en.jsonl"}}).done
    manifest = artifact.manifest
    assert manifest.drops == {"rows": {"empty_sentence": 1}}
    assert manifest.counts == {
        "sentences": 2,
        "tokens": 3,
        "invisible_words": 1,
        "repaired_tags_inside_without_begin": 1,
    }
    assert manifest.notes["scheme"] == "iob2"
    assert manifest.notes["spans"] == manifest.notes["types"] == {"LOC": 1, "PER": 1}
    assert manifest.notes["examples"]["inside_without_begin"] == ["en.jsonl:3"]
    assert manifest.rows_out == 2


def test_labels_are_mapped_and_compared(tmp_path: Path) -> None:
    save(tmp_path / "en", TRAIN)
    save(tmp_path / "de", "Bonn B-GPE\nMai B-DATE\n")
    data = {"train": {"path": "en"}, "test": {"path": "de"}}
    assert failure(tmp_path, data) == (
        "data.test: has the entity types DATE, GPE, which data.train does not have "
        "(LOC, ORG, PER); rename or drop them, for example labels.map: {DATE: O, GPE: LOC}"
    )
    result = run(tmp_path, data, labels={"map": {"DATE": "O", "GPE": "LOC"}})
    assert triples(outputs(result)["test/de"][0].spans) == [(0, 1, "LOC")]
    notes = {a.manifest.unit: a.manifest for a in result.done}
    assert notes["test/de"].notes["spans"] == {"DATE": 1, "GPE": 1}
    assert notes["test/de"].notes["types"] == {"LOC": 1}
    assert notes["test/de"].counts["spans_mapped_to_o"] == 1
    types = ["PER", "LOC", "ORG"]
    assert failure(tmp_path, {"train": {"path": "de"}}, labels={"types": types}) == (
        "data.train: has the entity types DATE, GPE, which labels.types does not have "
        "(LOC, ORG, PER); rename or drop them, for example labels.map: {DATE: O, GPE: LOC}"
    )


def test_a_type_that_no_corpus_has_is_told(tmp_path: Path) -> None:
    save(tmp_path / "en", TRAIN)
    save(tmp_path / "de", "Bonn B-LOC\nMai B-DATE\n")
    data: dict[str, Any] = {"train": {"path": "en"}, "test": {"path": "de"}}
    labels = {"map": {"DATE": "O", "ORG": "O"}, "ignore": ["PER"]}

    def told(**more: Any) -> tuple[list[str], list[str]]:
        runner = Runner(
            config(tmp_path, data, **more), tmp_path / "runs", Progress(Console(file=StringIO())),
            REGISTRY,
        )  # fmt: skip
        before = list(runner.previews(runner.plan(runner.tasks())))
        return [t for t in before if "labels" in t], list(runner.notices(runner.run().steps))

    assert told(labels=labels) == ([], [])  # each is in one of the corpora
    labels["map"] = {"DATES": "O", "DATE": "O", "MISC": "Z"}
    labels["ignore"] = ["Z", "PERS"]
    expected = [
        "labels.map: no corpus of this run has the type 'DATES' (did you mean 'DATE'?); "
        "types: DATE, LOC, ORG, PER",
        "labels.map: no corpus of this run has the type 'MISC'; types: DATE, LOC, ORG, PER",
        "labels.ignore: no corpus of this run has the type 'PERS' (did you mean 'PER'?); "
        "types: DATE, LOC, ORG, PER",
    ]
    assert told(labels=labels) == (expected, expected)
    assert told(labels=labels)[1] == expected, "of what is up to date, too"


def test_data_of_another_code_of_the_language_is_told(tmp_path: Path) -> None:
    save(tmp_path / "en", TRAIN)
    data = {"train": {"path": "en"}, "test": {code: {"path": "en"} for code in ("nb", "de")}}

    def told(*languages: str) -> list[str]:
        given = config(tmp_path, data, languages=languages)
        runner = Runner(given, tmp_path / "runs", Progress(Console(file=StringIO())), REGISTRY)
        before = [t for t in runner.previews(runner.plan(runner.tasks())) if "not for" in t]
        assert [t for t in runner.notices(runner.run().steps) if "not for" in t] == before
        return before

    assert told("de", "no") == [
        "data.test: has nothing for no; it has data for nb, which the run is not for"
    ]
    assert told("de") == told("de", "nb") == [], "part of the data is enough"


def test_ignored_types_stay_where_they_are_projected_from(tmp_path: Path) -> None:
    save(tmp_path / "en", "Bonn B-LOC\nGerman B-MISC\nCup B-EVENT\n")
    data = {"train": {"path": "en"}, "dev": {"path": "en"}, "test": {"path": "en"}}
    labels = {"ignore": ["MISC"], "map": {"EVENT": "MISC"}}
    found = outputs(run(tmp_path, data, labels=labels))
    assert triples(found["train/en"][0].spans) == [
        (0, 1, "LOC"), (1, 2, "MISC"), (2, 3, "MISC"),
    ]  # fmt: skip
    for unit in ("dev/en", "test/de"):
        assert triples(found[unit][0].spans) == [(0, 1, "LOC")]
    found = outputs(run(tmp_path, data, labels={"ignore": ["MISC", "EVENT"], "types": ["LOC"]}))
    assert [s.type for s in found["train/en"][0].spans] == ["LOC", "MISC", "EVENT"]


def test_limit_and_labels_make_it_stale_and_nothing_else(tmp_path: Path) -> None:
    save(tmp_path / "en", TRAIN)
    data = {"train": {"path": "en"}, "test": {"path": "en"}}
    assert len(run(tmp_path, data).done) == 2
    assert run(tmp_path, data, seed=7, seeds=[7]).done == []
    limited = {"train": {"path": "en"}, "test": {"path": "en", "limit": 1}}
    assert [a.manifest.unit for a in run(tmp_path, limited).done] == ["test/de"]
    save(tmp_path / "en", TRAIN + "\nno O\n")
    assert len(run(tmp_path, limited).done) == 2


def test_path_or_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_dataset(tmp_path / "hub", "some-org/tiny", "en", {"train": [(["hub"], ["B-PER"])]})
    go_offline(monkeypatch, tmp_path / "hub")
    path = save(tmp_path / "local.conll", "local B-PER\n")
    both = {"train": {"path": str(path), "hub": "some-org/tiny", "hub_config": "{lang}"}}
    result = run(None, both, home=tmp_path)
    (sentence,) = outputs(result)["train/en"]
    assert (sentence.words, sentence.origin) == (["hub"], "hub:some-org/tiny[en]/train")
    assert result.done[0].manifest.notes["commit"] == COMMIT
    assert outputs(run(tmp_path, both))["train/en"][0].words == ["local"]
    both["train"]["hub_config"] = "fr"
    with pytest.raises(ConfigError) as error:
        run(None, both, home=tmp_path)
    assert str(error.value) == (
        "data.train.hub_config: offline, and the local cache has 'some-org/tiny' only for en"
    )


def test_text_is_cut_as_configured(tmp_path: Path) -> None:
    save(tmp_path / "de.txt", "Ann wohnt in Bonn.\n")
    data = {"unlabelled": {"path": "{lang}.txt"}}
    assert outputs(run(tmp_path, data))["unlabelled/de"][0].words[-2:] == ["Bonn", "."]
    plain = run(tmp_path, data, prepare={"tokenise": False})
    assert outputs(plain)["unlabelled/de"][0].words[-1] == "Bonn."


def test_unlabelled_data_never_has_labels(tmp_path: Path) -> None:
    save(tmp_path / "de.conll", TRAIN)
    found = outputs(run(tmp_path, {"unlabelled": {"path": "{lang}.conll"}}))
    assert [s.spans for s in found["unlabelled/de"]] == [[], [], []]


@pytest.mark.parametrize(
    ("data", "more", "message"),
    [
        (
            {"train": {"path": "trian.conll"}},
            {},
            "data.train.path: file not found: {root}/trian.conll (did you mean 'train.conll'?)",
        ),
        (
            {"test": {"de": {"path": "no/such/{lang3}"}}},
            {},
            "data.test.de.path: file not found: {root}/no/such/deu",
        ),
        ({"train": {}}, {}, "data.train: names neither a path nor a hub data set; set one of them"),
        (
            {"train": {"path": "train.conll", "format": "text"}},
            {},
            f"data.train.format: plain text has no labels; allowed: auto, {LABELLED}",
        ),
        (
            {"train": {"path": "train.conll", "encoding": "utf-9"}},
            {},
            "data.train.encoding: 'utf-9' is not an encoding that Python knows",
        ),
        (
            {"train": {"path": "empty", "format": "conll"}},
            {},
            "data.train.path: {root}/empty is a folder, but format conll is a file",
        ),
        (
            {"test": {"path": "train.conll"}},
            {"languages": ["de", "es"]},
            "data.test: the same data would stand for de, es; put {lang} into its path, or give a "
            "mapping from language to data",
        ),
        (
            {"train": {"path": "train.conll"}, "test": {"es": {"path": "train.conll"}}},
            {},
            "data.test: has data for es, and the run is for de; name theirs, or leave data.test "
            "out",
        ),
        (
            {"train": {"path": "train.conll"}, "dev": {"es": {"path": "train.conll"}}},
            {},
            "data.dev: has data for es, and the run is for en; name theirs, or leave data.dev out",
        ),
        (
            {"parallel": {"path": "train.conll"}},
            {},
            "data.parallel: these are translations of data.train, which is not set",
        ),
        (
            {"train": {"path": "train.conll"}},
            {"labels": {"map": {"B-PER": "X"}}},
            "labels.map.B-PER: name the entity type, 'PER', not the tag 'B-PER'",
        ),
        (
            {"train": {"path": "train.conll"}},
            {"labels": {"map": {"PER": "A B"}, "types": ["O", "A", "A"]}},
            "labels.map.PER: 'A B' is not a label: it is empty or has white space\n"
            "labels.types: O is not an entity type: leave it out\n"
            "labels.types: a type is named twice: O, A, A",
        ),
        (
            {"train": {"path": "train.conll"}},
            {"labels": {"map": {"ORG": "O"}, "types": ["PER"], "ignore": ["PER", "ORG", "LOC"]}},
            "labels.ignore: 'PER' is in labels.types as well: learn it or not\n"
            "labels.ignore: labels.map makes 'ORG' into 'O': take it from one",
        ),
    ],
)
def test_problems_are_found_before_anything_runs(
    data: dict[str, Any], more: dict[str, Any], message: str, tmp_path: Path
) -> None:
    save(tmp_path / "train.conll", TRAIN)
    (tmp_path / "empty").mkdir()
    assert failure(tmp_path, data, **more) == message.replace("{root}", str(tmp_path))
    assert not (tmp_path / "runs").exists()


def test_missing_root(tmp_path: Path) -> None:
    root = tmp_path / "none"
    with pytest.raises(ConfigError) as error:
        run(root, {"train": {"path": "x"}})
    assert str(error.value) == f"data.root: folder not found: {root}"


@pytest.mark.parametrize(("label", "better"), [("First Name", "First_Name"), ("", "ENTITY")])
def test_types_that_tags_cannot_have(tmp_path: Path, label: str, better: str) -> None:
    record = {"text": "Ann left", "spans": [{"start": 0, "end": 3, "label": label}]}
    save(tmp_path / "en.jsonl", json.dumps(record))
    data = {"train": {"path": "en.jsonl"}}
    told = failure(tmp_path, data)
    assert told.startswith(f"data.train: en.jsonl:1: {label!r} is no entity type")
    assert told.endswith(f"rename it: labels.map: {{{label!r}: {better}}}")
    renamed = outputs(run(tmp_path, data, labels={"map": {label: better}}))
    assert [s.type for s in renamed["train/en"][0].spans] == [better]


def test_a_source_without_words(tmp_path: Path) -> None:
    save(tmp_path / "en.jsonl", json.dumps({"tokens": [], "ner_tags": []}))
    assert failure(tmp_path, {"train": {"path": "en.jsonl"}}) == (
        "data.train: en.jsonl has no sentence with words"
    )


def test_repair_encoding_reaches_the_reader(tmp_path: Path) -> None:
    save(tmp_path / "en", "EspaÃ±a B-LOC\naÃ±o O\n")
    assert outputs(run(tmp_path, {"train": {"path": "en"}}))["train/en"][0].words[0] == "EspaÃ±a"
    repaired = run(tmp_path, {"train": {"path": "en"}}, repair_encoding=True)
    assert outputs(repaired)["train/en"][0].words == ["España", "año"]
    assert repaired.done[0].manifest.counts["repaired_words"] == 2


def test_real_corpora(tmp_path: Path) -> None:
    root = shared_data("ner")
    data = {
        "train": {"path": "uner-pud/{lang}.iob2"},
        "test": {"path": "conll/{lang}/test.txt"},
        "parallel": {"path": "uner-pud/{lang}.iob2"},
    }
    started = time.monotonic()
    settings = config(root, data)
    progress = Progress(Console(file=StringIO()))
    runner = Runner(settings, tmp_path, progress, REGISTRY)
    rows = {a.manifest.unit: a for a in runner.run().done}
    assert rows["test/de"].num_rows == 3005
    source, target = rows["train/en"].rows(), rows["parallel/de"].rows()
    assert [r["id"] for r in source] == [r["id"] for r in target]
    assert rows["parallel/de"].manifest.notes["types"] == {"LOC": 429, "ORG": 192, "PER": 418}
    assert time.monotonic() - started < 60


def test_importing_the_stage_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import sys, stages.prepare;"
        "heavy = {'torch', 'transformers', 'datasets', 'pandas', 'pyarrow'} & sys.modules.keys();"
        "sys.exit(f'imports {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_splits_and_globs_of_local_files(tmp_path: Path) -> None:
    for name, word in (("train-0-of-2", "a"), ("train-1-of-2", "b"), ("test", "c"), ("dev", "d")):
        save(
            tmp_path / "data" / f"{name}.jsonl", f'{{"tokens": ["{word}"], "ner_tags": ["B-PER"]}}'
        )
    found = outputs(
        run(
            tmp_path,
            {
                "train": {"path": "data", "split": "train"},
                "dev": {"path": "data/dev*"},
                "test": {"path": "data", "split": "test"},
                "target_train": {"de": {"path": "data/train-*.jsonl", "limit": 1}},
            },
        )
    )
    assert {k: [s.words[0] for s in v] for k, v in found.items()} == {
        "train/en": ["a", "b"],
        "dev/en": ["d"],
        "test/de": ["c"],
        "target_train/de": ["a"],
    }
    said = failure(tmp_path, {"train": {"path": "data"}, "dev": {"path": "data", "split": "tets"}})
    assert "data.train.path: " in said and "holds several splits (train: " in said
    assert "data.dev.split: " in said and "no split 'tets' (did you mean 'test'?)" in said
    assert "no file with such a name" in failure(tmp_path, {"train": {"path": "data/eval-*"}})


def test_what_was_understood_is_said_before_and_after(tmp_path: Path) -> None:
    save(tmp_path / "en", (TRAIN.replace(" O", " 0") + "\n") * 700)
    save(tmp_path / "de", "Bonn B-LOC\n")
    said = StringIO()
    data = {"train": {"path": "en"}, "test": {"path": "de"}, "unlabelled": {"hub": "some/set"}}
    data["dev"] = {"path": "en", "limit": 30}
    runner = Runner(
        config(tmp_path, data), tmp_path / "runs", Progress(Console(file=said, width=40)), REGISTRY
    )
    with_hub = list(runner.previews(runner.plan(runner.tasks())))
    train = (
        "data.train: en: conll (space-separated, word in column 0, tag in column 1 of 2), scheme "
        "iob2, outside '0'; {}; LOC {n}, ORG {n}, PER {n}"
    )
    assert with_hub == [
        train.format("the first 2,000 sentences, 4,668 words", n=667),
        train.format("30 of the first 2,000 sentences, 70 words", n=10).replace("train", "dev"),
        "data.test: de: conll (space-separated, word in column 0, tag in column 1 of 2), scheme "
        "iob2; 1 sentence, 1 word; LOC 1",
        "data.unlabelled: some/set: on the hub, read when prepare runs",
    ]
    del data["unlabelled"], data["dev"]
    runner = Runner(
        config(tmp_path, data), tmp_path / "runs", Progress(Console(file=said)), REGISTRY
    )
    runner.run()
    assert "  " + train.format("2,100 sentences, 4,900 words", n=700) + "\n" in said.getvalue()


def test_a_preview_refuses_what_cannot_be_read(tmp_path: Path) -> None:
    save(tmp_path / "en", "Ann NNP\nleft VBD\n")
    runner = Runner(config(tmp_path, {"train": {"path": "en"}}), tmp_path / "runs", None, REGISTRY)
    with pytest.raises(DataError, match="no column holds tags"):
        list(runner.previews(runner.plan(runner.tasks())))


def test_training_data_without_entities_is_warned_of(tmp_path: Path) -> None:
    save(tmp_path / "en", "Ann B-PER\nslept O\n")
    save(tmp_path / "none", "It O\nrained O\n")
    for name, number in (("en", 0), ("none", 1)):
        (made,) = run(tmp_path, {"train": {"path": name}}).done
        told = made.manifest.notes.get("warnings", [])
        assert len(told) == number and all("none has no entity" in t for t in told)
    labels = {"map": {"PER": "O"}}
    (made,) = run(tmp_path, {"train": {"path": "en"}}, labels=labels).done
    assert "no tagger can learn from it" in made.manifest.notes["warnings"][0]


def test_gold_without_entities_is_warned_of(tmp_path: Path) -> None:
    save(tmp_path / "en", "Ann B-PER\nslept O\n")
    save(tmp_path / "none", "It O\nrained O\n")
    data = {"train": {"path": "en"}, "dev": {"path": "none"}, "test": {"de": {"path": "none"}}}
    made = {a.manifest.unit: a.manifest.notes for a in run(tmp_path, data).done}
    for unit, key in (("dev/en", "data.dev"), ("test/de", "data.test.de")):
        (told,) = made[unit]["warnings"]
        assert told.startswith(key) and told.endswith("F1 on it is 0 whatever a tagger does")
    assert "warnings" not in made["train/en"]


def test_types_are_not_mapped_away_because_training_data_has_none(tmp_path: Path) -> None:
    save(tmp_path / "en", "Ann B-PER\nslept O\n")
    save(tmp_path / "none", "It O\nrained O\n")
    told = failure(tmp_path, {"train": {"path": "none"}, "dev": {"path": "en"}})
    assert "data.dev: has the entity types PER, and data.train has no entity at all" in told
    assert "labels.map: {" not in told


def test_words_that_are_cut_otherwise_than_text_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["安娜", "住", "在", "上海", "的", "办事处", "附近", "。"]
    tags = ["B-PER", "O", "O", "B-LOC", "O", "O", "O", "O"]
    save(tmp_path / "en", TRAIN)
    save(tmp_path / "words", "".join(f"{w} {t}\n" for w, t in zip(words, tags, strict=True)))
    inside = [(c, t if n == 0 else t.replace("B-", "I-"))
              for w, t in zip(words, tags, strict=True) for n, c in enumerate(w)]  # fmt: skip
    save(tmp_path / "letters", "".join(f"{c} {t}\n" for c, t in inside))

    def told(test: str, **more: Any) -> list[str]:
        caplog.clear()
        data = {"train": {"path": "en"}, "test": {"path": test}}
        run(tmp_path, data, languages=["zh"], **more)
        return [m for m in caplog.messages if "is split here" in m]

    assert told("words") == []
    (line,) = told("letters")
    assert line.startswith("data.test: letters: only 23% of its words are words of Chinese text")
    assert "'安 娜 住 在 上 海 的 办', which is '安娜 住在 上海 的 办事 处 附近 。' there" in line
    assert told("letters", prepare={"tokenise": False}) == []


def test_words_between_spaces_that_are_split_again_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path / "en", TRAIN)

    def told(lang: str, text: str, **more: Any) -> list[str]:
        caplog.clear()
        save(tmp_path / "text", f"{text}\n")
        data = {"train": {"path": "en"}, "unlabelled": {lang: {"path": "text"}}}
        run(tmp_path, data, languages=[lang], **more)
        return [m for m in caplog.messages if "words between spaces were" in m]

    (line,) = told("zh", "安娜 住 在 上海 的 办事处 附近 。")
    assert line.startswith("data.unlabelled.zh: text: its 8 words between spaces were split into 9")
    assert "'安娜 住 在 上海 的 办事处 附近 。' as '安娜 住 在 上海 的 办事 处 附近'" in line
    assert told("zh", "安娜 住 在 上海 的 办事处 附近 。", prepare={"tokenise": False}) == []
    assert told("zh", "安娜住在上海的办事处附近。 她 很好。") == []
    assert told("th", "ในปี 2019 ทาโร่ ยามาดะเดินทางจากกรุงเทพไปเบอร์ลิน") == []
    (line,) = told("th", "ใน ปี 2019 ทาโร่ ยามาดะ เดินทาง จาก กรุงเทพ ไป เบอร์ลิน")
    assert "ทา โร่ ยา มา ดะ" in line
    assert told("de", "Anna wohnt in Bonn.") == []
