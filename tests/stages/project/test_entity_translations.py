"""Entities translated alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.config import RunConfig
from pipeline.progress import Progress
from pipeline.stage import Part
from stages.project import STAGE
from stages.project import entity_translations as alone
from stages.project.batch import Batch, LabelledPair
from stages.project.build import project_batches
from stages.project.config import ProjectConfig
from stages.project.entity_translations import EntityTranslations, entities_of, entities_of_tables
from stages.registry import STAGES
from tests.stages.project.examples import pair
from tests.stages.project.test_stage import tables

LAKE = pair("We saw our Lake Constance .", "3-5:LOC", "Wir sahen den Bodensee .", "0-0 1-1 2-2 5-4")
OTHER = pair(
    "Merkel saw our Lake Constance", "0-1:PER 3-5:LOC", "Merkel sah unseren Bodensee", "1-1 2-2"
)
KNOWN = {("Lake", "Constance"): ["Bodensee"]}


def translate(entities: Sequence[tuple[str, ...]]) -> list[list[str]]:
    return [KNOWN.get(entity, []) for entity in entities]


def found(pairs: list[LabelledPair], known: EntityTranslations | None) -> list[list[str]]:
    batch = Batch.from_pairs(pairs)
    if known is not None:
        known.attach(batch)
    return [
        [" ".join(p.words[s["start"] : s["end"]]) for s in spans if s["score"] >= 0.2]
        for p, (spans, _) in zip(pairs, project_batches([batch], ProjectConfig()), strict=True)
    ]


def test_a_translation_finds_what_neither_links_nor_spelling_do() -> None:
    assert found([LAKE, OTHER], None) == [[], ["Merkel"]]
    batch = Batch.from_pairs([LAKE, OTHER])
    known = EntityTranslations.of_entities(entities_of(batch), translate)
    assert found([LAKE, OTHER], known) == [["Bodensee"], ["Merkel", "Bodensee"]]


def test_no_translation_changes_nothing() -> None:
    pairs = [LAKE, OTHER]
    batch = Batch.from_pairs(pairs)
    plain = list(project_batches([batch], ProjectConfig()))
    assert list(project_batches([EntityTranslations({}).attach(batch)], ProjectConfig())) == plain


def test_each_entity_is_translated_once_in_one_order_and_kept(tmp_path: Path) -> None:
    asked: list[tuple[str, ...]] = []

    def counted(entities: Sequence[tuple[str, ...]]) -> list[list[str]]:
        asked.extend(entities)
        return translate(entities)

    translations, _ = tables([OTHER, LAKE, OTHER])
    entities = entities_of_tables([translations[:1], translations[1:]])
    made = EntityTranslations.of_entities(entities, counted)
    assert asked == [("Lake", "Constance"), ("Merkel",)]
    made.save(tmp_path)
    loaded = EntityTranslations.load(tmp_path)
    assert loaded is not None
    assert loaded.words == {("Lake", "Constance"): ["Bodensee"], ("Merkel",): []}
    assert EntityTranslations.load(tmp_path / "none") is None


class Stored:
    """What ``collect`` needs of an artifact."""

    def __init__(self, table: Any) -> None:
        self.table, self.num_rows = table, len(table)

    def tables(self) -> list[Any]:
        return [self.table[:1], self.table[1:]]


def config_of(models: dict[str, str], **project: Any) -> RunConfig:
    return STAGES.config_type().model_validate(
        {
            "name": "t",
            "languages": ["de"],
            "models": {"translator": models},
            "project": {"translate_entities": True, **project},
        }
    )


@pytest.mark.parametrize("corpus_statistics", [True, False])
def test_the_stage_translates_with_the_translator_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corpus_statistics: bool
) -> None:
    model = Path(__file__).parents[3] / "artifacts" / "models" / "translator"
    seen: list[tuple[Any, ...]] = []

    def fake(folder: Path, name: str, source: str, target: str, decoding: Any) -> Any:
        seen.append((folder, source, target))
        return translate

    monkeypatch.setattr(alone, "translator", fake)
    config = config_of({"en-de": str(model)}, corpus_statistics=corpus_statistics)
    task = next(t for t in STAGE.tasks(config) if t.unit == "de")
    assert task.sections == ("translate",)  # how it decodes decides the result
    assert "translator" in STAGE.files(config, task)
    translations, alignments = tables([LAKE, OTHER])
    inputs: Any = {"translations": Stored(translations), "alignments": Stored(alignments)}
    STAGE.collect(config, task, inputs, tmp_path, Progress(Console(quiet=True)))
    assert seen == [(model, "en", "de")]
    worker = STAGE.worker(config, task, {"collected": tmp_path})()
    rows = worker({"translations": translations, "alignments": alignments}, Part(0, 1)).to_pylist()
    assert [
        " ".join(r["words"][s["start"] : s["end"]]) for r in rows for s in r["spans"] if s["kept"]
    ] == ["Bodensee", "Merkel", "Bodensee"]


def test_without_a_translator_it_says_so_and_goes_on(tmp_path: Path) -> None:
    config = config_of({"en-fr": "some/model"})
    task = next(t for t in STAGE.tasks(config) if t.unit == "de")
    assert STAGE.files(config, task) == {}
    translations, alignments = tables([LAKE, OTHER])
    inputs: Any = {"translations": Stored(translations), "alignments": Stored(alignments)}
    console = Console(width=300, file=io.StringIO())
    STAGE.collect(config, task, inputs, tmp_path, Progress(console))
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert "project de: entities are not translated alone" in told
    assert "no translator is named for en to de" in told
    assert EntityTranslations.load(tmp_path) is None
    assert (tmp_path / "statistics").is_dir()


def test_switched_off_nothing_of_it_enters_the_fingerprint() -> None:
    config = config_of({"en-de": "some/model"}, translate_entities=False)
    task = next(t for t in STAGE.tasks(config) if t.unit == "de")
    assert task.sections == () and STAGE.files(config, task) == {}


def test_the_translator_that_ships_translates_entities_the_same_each_time() -> None:
    model = Path(__file__).parents[3] / "artifacts" / "models" / "translator"
    entities = [("Germany",), ("Angela", "Merkel"), ("Germany",)]
    made = alone.translator(model, "translator", "en", "de")(entities)
    assert made == alone.translator(model, "translator", "en", "de")(entities)
    assert made[0] == made[2] and made[1] == ["Angela", "Merkel"]
