"""``run_pipeline init``: the config that it writes says what the folder holds, and can be run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import ConfigError
from pipeline.resources import resolve_path
from xlner.api import Runner, load_config
from xlner.scaffold import SHIPPED_LANGUAGES, look_into, write_config

PLAIN = "Heute kam Angela Merkel nach Berlin .\n"


def touch(folder: Path, *names: str, text: str = "Berlin B-LOC\n") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def checked(path: Path) -> list[str]:
    """Check a config as --dry-run does; return its tasks."""
    config = load_config(str(path), [])
    planner = Runner(config, path.parent / "runs")
    tasks = planner.tasks()
    planner.check(tasks)
    return [str(t.ref) for t in tasks]


def test_splits_and_languages_are_told_from_names(tmp_path: Path) -> None:
    touch(tmp_path, "en/train.txt", "dev.en.conll", "masakha/swa/test.txt", "de-test.tsv", "x.txt")
    touch(tmp_path, "README.txt", ".hidden/de/test.txt", "test.de.tsv", "train.swe.weird")
    found = look_into(tmp_path)
    assert found.files == {
        ("train", "en"): "en/train.txt",
        ("dev", "en"): "dev.en.conll",
        ("test", "sw"): "masakha/swa/test.txt",
        ("test", "de"): "de-test.tsv",
    }
    assert found.unused == {
        "x.txt": "its name tells no split (train, dev, test)",
        "test.de.tsv": "de-test.tsv is used as test of de",
        "README.txt": "a text about the data",
        "train.swe.weird": "files that end in .weird are not read",
    }


def test_plain_text_is_known_by_what_it_holds(tmp_path: Path) -> None:
    touch(tmp_path, "news.sw.txt", "de/corpus.txt", "test.es.txt", "notes.txt", text=PLAIN)
    touch(tmp_path, "train.conll", "fr/unlabelled.txt")
    found = look_into(tmp_path)
    assert found.files == {
        ("train", "en"): "train.conll",
        ("unlabelled", "sw"): "news.sw.txt",
        ("unlabelled", "de"): "de/corpus.txt",
    }
    assert found.unused == {
        "test.es.txt": "plain text without labels, though its name says otherwise",
        "notes.txt": "its name tells no language",
        "fr/unlabelled.txt": "it has labels, though its name says otherwise",
    }


def test_the_config_is_valid_and_complete(tmp_path: Path) -> None:
    touch(tmp_path, "train.txt", "dev.txt", "de/train.txt", "de/test: final.txt", "odd.txt")
    touch(tmp_path, "de/dev.txt", "en/test.txt")
    path = write_config(tmp_path)
    text = path.read_text()
    raw = yaml.safe_load(text)
    assert raw["languages"] == ["de"]
    assert raw["data"]["train"] == {"path": "train.txt"}
    assert raw["data"]["source_test"] == {"path": "en/test.txt"}
    assert raw["data"]["target_train"] == {"de": {"path": "de/train.txt"}}
    assert raw["data"]["test"]["de"] == {"path": "de/test: final.txt"}
    assert raw["arms"][-1] == "supervised" and "train" not in raw
    assert "#   odd.txt: its name tells no split" in text
    assert "# target_dev: {de: {path: de/dev.txt}}" in text
    assert "beginning of the files: LOC." in text
    assert "train/supervised/seed-13" in checked(path)


@pytest.mark.parametrize(
    "names",
    [
        ("train.conll",),
        ("train.conll", "test.de.conll"),
        ("train.conll", "dev.conll", "test.sw.conll", "train.de.conll"),
        ("train.jsonl", "de/test.conll", "sw/test.conll", "es/train.conll"),
    ],
)
def test_what_is_written_can_be_run(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *(n for n in names if not n.endswith("jsonl")))
    touch(tmp_path, "news.fr.txt", text=PLAIN)
    row = json.dumps({"tokens": ["Berlin"], "ner_tags": ["B-LOC"]})
    touch(tmp_path, *(n for n in names if n.endswith("jsonl")), text=row + "\n")
    path = write_config(tmp_path)
    tasks = checked(path)
    assert any(t.startswith("train/projected/") for t in tasks), "with test data or without"
    assert any(t.startswith("self_train/") for t in tasks) and "project/fr" in tasks


def test_a_language_that_the_models_do_not_know(tmp_path: Path) -> None:
    touch(tmp_path, "train.conll", "yor/test.conll")
    raw = yaml.safe_load(write_config(tmp_path).read_text())
    assert raw["languages"] == ["yo"]
    assert raw["models"]["translator"] == "facebook/nllb-200-distilled-600M"


def test_the_languages_of_the_shipped_translator() -> None:
    file = resolve_path("artifacts/models/translator/tokenizer.json")
    words = [token["content"] for token in json.loads(file.read_text())["added_tokens"]]
    assert {w[2:-2] for w in words if w.startswith(">>")} == SHIPPED_LANGUAGES


def test_what_cannot_be_read_is_said_with_the_reason(tmp_path: Path) -> None:
    touch(tmp_path, "train.conll")
    touch(tmp_path, "dev.conll", text="")
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "test.conll").write_bytes(b"\0\1\2" * 50)
    (tmp_path / "es").mkdir()
    (tmp_path / "es" / "test.conll").write_bytes("Córdoba B-LOC\n".encode("latin-1"))
    text = write_config(tmp_path).read_text()
    assert "#   dev.conll: cannot be read: the file is empty" in text
    assert "#   de/test.conll: cannot be read: line 1: a binary file" in text
    assert "#   es/test.conll: cannot be read: line 1: byte 0xf3" in text
    assert "encoding: latin-1" in text and yaml.safe_load(text)["train"] == {"select": "last"}


def test_a_file_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "train.conll", "dev.conll")
    opened = Path.open

    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.name == "dev.conll":
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    found = look_into(tmp_path)
    assert "Permission denied" in found.unused["dev.conll"]
    assert found.files == {("train", "en"): "train.conll"}


def test_without_training_data_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no labelled English training data.*train.conll"):
        write_config(tmp_path)
    touch(tmp_path, "train.txt", text=PLAIN)
    with pytest.raises(ConfigError, match=r"Not used:\n  train.txt: plain text without labels"):
        write_config(tmp_path)
    assert not (tmp_path / "xlner.yaml").exists()


def test_another_source_language(tmp_path: Path) -> None:
    touch(tmp_path, "train.conll", "en/test.conll")
    raw = yaml.safe_load(write_config(tmp_path, "es").read_text())
    assert (raw["source"], raw["languages"]) == ("es", ["en"])


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    touch(tmp_path, "train.conll")
    write_config(tmp_path)
    with pytest.raises(ConfigError, match="exists already"):
        write_config(tmp_path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder not found"):
        write_config(tmp_path / "no")
    touch(tmp_path, "train.conll")
    with pytest.raises(ConfigError, match="is a file; name the folder"):
        write_config(tmp_path / "train.conll")


CODES = [
    *("no", "on", "y", "yes", "off", "n", "null", "nan", "true", "nb", "nn", "sr-Latn", "zh-Hant"),
    *("pt-PT", "yor", "fil", "zh_TW", "uz_Cyrl", "ja", "he", "id", "is", "it", "as", "or", "be"),
]


@pytest.mark.parametrize("code", CODES)
def test_init_and_dry_run_agree_for_every_language_code(tmp_path: Path, code: str) -> None:
    from pipeline.languages import canonical

    touch(tmp_path, "train.en.conll", "dev.en.conll")
    touch(tmp_path, f"{code}/test.conll")
    path = write_config(tmp_path)
    config = load_config(str(path), ["arms=[zero_shot]"])
    try:
        wanted = canonical(code)
    except ConfigError:  # "yes" and "off" are no languages: the file is in the source language
        assert config.languages == ["de"]
        return
    assert config.languages == [wanted]
    assert f"prepare/test/{wanted}" in checked(path) or wanted not in SHIPPED_LANGUAGES
    touch(tmp_path / "o", f"train.{code}.conll", "test.de.conll")
    other = write_config(tmp_path / "o", wanted)
    assert load_config(str(other)).source == wanted


@pytest.mark.parametrize(
    "name", ["a, b", "{x}", "no", "1e3", "null", "a: b", "# c", "'q'", "ü", "[1]", "&x", "*", "%d"]
)
def test_init_and_dry_run_agree_for_every_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    touch(folder, "train.conll", f"{name}/de/test.conll")
    path = write_config(folder)
    assert "prepare/test/de" in checked(path)
    config = load_config(str(path))
    assert isinstance(config.name, str)
    source = config.data.per_language("test", "de")
    assert source is not None and source.path == f"{name}/de/test.conll"


@pytest.mark.parametrize("text", ["[no]", "[No, on]", "[y]"])
def test_norwegian_is_no_truth_value(tmp_path: Path, text: str) -> None:
    touch(tmp_path, "train.conll")
    path = tmp_path / "c.yaml"
    path.write_text(
        f"languages: {text}\ndata: {{train: {{path: train.conll}}, test: {{no: {{path: x}}}}}}\n"
        "repair_encoding: yes\n"
    )
    try:
        config = load_config(str(path))
    except ConfigError as error:
        assert "known ISO 639" in str(error) or "is not an ISO" in str(error)
        return
    assert config.languages == ["no"] and config.repair_encoding is True
    assert config.data.per_language("test", "no") is not None


def test_every_file_is_named_as_used_or_not(tmp_path: Path) -> None:
    touch(tmp_path, "train.en.conll", "LICENSE", "notes.docx", "de/test.conll", "x.yaml")
    touch(tmp_path, *(f"images/{k}.png" for k in range(9)))
    found = look_into(tmp_path)
    assert found.unused["*.png, 9 files"] == "files that end in .png are not read"
    assert {"LICENSE", "notes.docx", "x.yaml"} <= set(found.unused)
    text = write_config(tmp_path, "en", found).read_text()
    assert all(f"#   {name}: " in text for name in found.unused)


def test_files_that_are_packed_or_have_the_names_of_conll_are_seen(tmp_path: Path) -> None:
    import gzip

    names = ("eng.train", "eng.testa", "deu.testb", "ned.testa", "esp.testb")
    touch(tmp_path, *names, text="Berlin NN B-LOC\n\n" * 3)
    with gzip.open(tmp_path / "test.es.conll.gz", "wt") as file:
        file.write("Berlin B-LOC\n\n" * 3)
    found = look_into(tmp_path)
    assert found.files == {
        ("train", "en"): "eng.train",
        ("dev", "en"): "eng.testa",
        ("test", "de"): "deu.testb",
        ("dev", "nl"): "ned.testa",
        ("test", "es"): "esp.testb",
    }
    assert found.unused == {"test.es.conll.gz": "esp.testb is used as test of es"}


def test_another_labelled_language_is_found_and_named(tmp_path: Path) -> None:
    touch(tmp_path, "train.de.conll", "test.es.conll")
    with pytest.raises(ConfigError) as caught:
        write_config(tmp_path)
    told = str(caught.value)
    assert "Found: test.es.conll (test of es), train.de.conll (train of de)." in told
    assert "If the labelled language is German: --source-lang de." in told
    assert load_config(str(write_config(tmp_path, "de"))).languages == ["es"]


def test_labels_that_the_training_data_lacks_get_the_nearest_name(tmp_path: Path) -> None:
    touch(tmp_path, "train.en.conll", text="Anna B-PER\nOslo B-LOC\n\n")
    touch(tmp_path, "test.de.conll", text="Anna B-PERS\nOslo B-LOC\n1963 B-DATE\n\n")
    text = write_config(tmp_path).read_text()
    assert yaml.safe_load(text)["labels"] == {"map": {"PERS": "PER"}}
    assert "Not among the types of the training data: DATE, PERS." in text


@pytest.mark.parametrize(
    ("name", "known", "nearest"),
    [
        ("PERS", ["PER", "LOC"], "PER"),
        ("person", ["PER", "LOC"], "PER"),
        ("per", ["PER"], "PER"),
        ("GPE", ["PER", "LOC", "ORG"], "LOC"),
        ("organisation", ["Organization", "LOC"], "Organization"),
        ("LOCATON", ["LOCATION"], "LOCATION"),
        ("DATE", ["PER", "LOC"], None),
        ("PER", [], None),
    ],
)
def test_the_nearest_name(name: str, known: list[str], nearest: str | None) -> None:
    from pipeline.formats import require_known_types
    from pipeline.formats.labels import nearest_type

    assert nearest_type(name, known) == nearest
    if name not in known:
        from pipeline.errors import DataError

        way_out = f"{name}: {nearest or 'O'}}}" if known else "data.train has no entity at all"
        with pytest.raises(DataError, match=way_out):
            require_known_types([name], known, key="data.test.de", reference="data.train")


def test_shards_are_one_source_and_shared_tasks_have_names_of_their_own(tmp_path: Path) -> None:
    shard = "data/en/train-0000{}-of-00002.jsonl"
    row = '{"tokens": ["Bonn"], "ner_tags": ["B-LOC"]}'
    touch(tmp_path, shard.format(0), shard.format(1), "data/en/dev-00000-of-00001.jsonl", text=row)
    touch(tmp_path, "esp.testb", "ned.testa")
    found = look_into(tmp_path)
    assert found.files == {
        ("train", "en"): "data/en/train-*-of-00002.jsonl",
        ("dev", "en"): "data/en/dev-00000-of-00001.jsonl",
        ("test", "es"): "esp.testb",
        ("dev", "nl"): "ned.testa",
    }
    assert "2 sentences" in found.read["data/en/train-*-of-00002.jsonl"]
    assert "prepare/train/en" in checked(write_config(tmp_path))


def test_scripts_beside_the_split_and_plain_text_in_tables(tmp_path: Path) -> None:
    touch(tmp_path, "en_train.conll", "sr_Latn-test.conll", "zh-Hant_test.conll", "de_Gold.conll")
    (tmp_path / "unlabelled.de.csv").write_text("id,text\n1,Anna ist da.\n")
    (tmp_path / "fr.raw.jsonl").write_text('{"text": "Anna est ici."}\n')
    found = look_into(tmp_path)
    assert found.files == {
        ("train", "en"): "en_train.conll",
        ("test", "sr-Latn"): "sr_Latn-test.conll",
        ("test", "zh-Hant"): "zh-Hant_test.conll",
        ("unlabelled", "de"): "unlabelled.de.csv",
        ("unlabelled", "fr"): "fr.raw.jsonl",
    }
    assert found.unused == {"de_Gold.conll": "its name tells no split (train, dev, test)"}
