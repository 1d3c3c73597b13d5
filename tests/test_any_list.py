"""Where a list is wanted, anything that can be gone through will do, and one string will not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from copy import copy
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pandas
import pyarrow as pa
import pytest

import xlner
from pipeline import formats
from pipeline.errors import ConfigError, DataError
from pipeline.formats import PharaohLine
from pipeline.schema import Link, Sentence, Span
from stages.align.scoring import score
from stages.evaluate.grading import Graded, count_spans, pair_up, seqeval_scores
from stages.project.batch import Batch, LabelledPair
from stages.project.build import project_batches
from stages.project.config import FilterConfig, ProjectConfig
from stages.project.decide import decide_rows
from stages.tagger.labels import span_f1
from stages.tokenise import detokenise
from stages.translate.translator import Translator
from stages.word_alignment.statistical.aligner import StatisticalAligner
from tests.stages.align.fixed import Fixed
from tests.stages.train.test_tagger import tagger
from tests.tiny.encoders import build_family
from tests.tiny.translators import build_marian

TEXTS = ["Anna Kovac visited Lisbon.", "Oslo is cold."]
WORDS = [["Anna", "visited", "Oslo", "."], ["So", "it", "is"]]
TAGS = ["B-PER", "I-PER", "O", "B-LOC"]
SPANS = [Span(0, 2, "PER"), Span(3, 4, "LOC")]
SENTENCES = [Sentence(f"s{i}", "en", words, [Span(0, 1, "PER")]) for i, words in enumerate(WORDS)]
LINKS = [[Link(0, 0, 1.0)], [Link(1, 1, 0.8), Link(2, 2, 0.8)]]
PAIRS = [(words, [w.upper() for w in words]) for words in WORDS] * 12
GRADED = [Graded("a", ["x", "y"], [Span(0, 1, "PER")], [Span(0, 1, "PER"), Span(1, 2, "LOC")])]


def objects(values: list[Any]) -> np.ndarray[Any, Any]:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def handle(values: list[str]) -> Iterable[str]:
    import io

    return io.StringIO("".join(f"{v}\n" for v in values))


PLAIN: dict[str, Callable[[list[Any]], Any]] = {
    "iterator": iter,
    "generator": lambda values: (v for v in values),
    "map": lambda values: map(copy, values),
    "tuple": tuple,
    "deque": deque,
    "dict values": lambda values: dict(enumerate(values)).values(),
    "filter": lambda values: filter(lambda _: True, values),
    "object array": objects,
    "Series": lambda values: pandas.Series(values, index=range(7, 7 + len(values)), dtype=object),
}
COLUMNS: dict[str, Callable[[list[Any]], Any]] = {
    "datasets column": lambda values: datasets.Dataset.from_dict({"x": values})["x"],
    "Arrow array": pa.array,
    "chunked Arrow array": lambda values: pa.chunked_array([values]),
}
STRINGS: dict[str, Callable[[list[Any]], Any]] = {"array": np.array}


def fit(pairs: Any) -> Any:
    aligner = StatisticalAligner.fit(lambda: iter(PAIRS), lambda: iter(()))
    return aligner.align(pairs)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    root = tmp_path_factory.mktemp("models")
    return SimpleNamespace(
        tagger=tagger(build_family("bert", root / "encoder")),
        translator=Translator(build_marian(root / "marian"), "en", "de", cache=root / "cache"),
    )


def written(write: Callable[[Any, Path], int], folder: Path, values: Any) -> tuple[int, bytes]:
    return write(values, folder / "out"), (folder / "out").read_bytes()


def pairs_to_project() -> list[LabelledPair]:
    return [
        LabelledPair(w, [Span(0, 1, "PER")], [x.upper() for x in w], [Link(0, 0, 1.0)], id=f"p{k}")
        for k, w in enumerate(WORDS)
    ]


def projected(batches: Any) -> Any:
    return list(project_batches(batches, ProjectConfig()))


def rows() -> list[dict[str, Any]]:
    span = {"start": 0, "end": 1, "type": "PER", "score": 0.9}
    more = {"method": "span", "source": 0, "kept": True, "reason": None}
    names = ("id", "lang", "source_id", "source_lang")
    return [
        dict.fromkeys(names, "x")
        | {"source_words": ["a"], "words": ["a"], "source_spans": [span], "lost": [], "scores": []}
        | {"spans": [span | more], "kept": True, "reason": None}
    ]


def overridden(values: Any) -> Any:
    return xlner.load_config("default", values).model_dump()


Case = tuple[Callable[[Any], Any], list[Any], dict[str, Callable[[list[Any]], Any]]]


def cases(models: SimpleNamespace, folder: Path) -> dict[str, Case]:
    """The functions, each with a list that it takes, and what else that may come in."""
    found, text = models.tagger, {**PLAIN, **COLUMNS, **STRINGS}
    arrays = found.distributions(WORDS)
    gold = [{"id": s.id, "words": s.words, "spans": s.to_row()["spans"]} for s in SENTENCES]
    return {
        "Tagger.predict texts": (found.predict, TEXTS, {**text, "handle": handle}),
        "Tagger.predict words": (found.predict, WORDS, {**PLAIN, **COLUMNS}),
        "Tagger.distributions": (found.distributions, WORDS, {**PLAIN, **COLUMNS}),
        "Tagger.decode": (found.decode, arrays, PLAIN),
        "Translator.translate": (models.translator.translate, TEXTS, {**text, "handle": handle}),
        "Aligner.align": (fit, PAIRS, {**PLAIN, **COLUMNS}),
        "Aligner.align, any": (Fixed("x", (0, 0, 0.9)).align, PAIRS, PLAIN),
        "Batch.from_pairs": (
            lambda pairs: list(project_batches([Batch.from_pairs(pairs)], ProjectConfig())),
            pairs_to_project(),
            PLAIN,
        ),
        "project_batches": (projected, [Batch.from_pairs(pairs_to_project())], PLAIN),
        "decide_rows": (lambda x: decide_rows(x, FilterConfig()).to_pylist(), rows(), PLAIN),
        "write_conll": (partial(written, formats.write_conll, folder), SENTENCES, PLAIN),
        "write_jsonl": (partial(written, formats.write_jsonl, folder), SENTENCES, PLAIN),
        "write_parquet": (partial(written, formats.write_parquet, folder), SENTENCES, PLAIN),
        "write_pharaoh": (partial(written, formats.write_pharaoh, folder), LINKS, PLAIN),
        "spans_from_tags": (formats.spans_from_tags, TAGS, text),
        "tags_from_spans": (lambda x: formats.tags_from_spans(x, 4), SPANS, PLAIN),
        "map_spans": (lambda x: formats.map_spans(x, {"LOC": "O"}), SPANS, PLAIN),
        "require_known_types": (
            lambda x: formats.require_known_types(x, x, key="k", reference="r"),
            ["PER"],
            {"tuple": tuple, "set": set, "Series": PLAIN["Series"], **COLUMNS},
        ),
        "detokenise": (lambda x: detokenise(x, "en"), WORDS[0], text),
        "score": (
            lambda x: score(x, (PharaohLine(list(k)) for k in LINKS)),
            LINKS,
            PLAIN,
        ),
        "seqeval_scores": (seqeval_scores, GRADED, PLAIN),
        "count_spans": (lambda x: count_spans(x, iter(["LOC", "PER"])).tolist(), GRADED, PLAIN),
        "pair_up": (lambda x: pair_up(x, iter(gold), what="x"), gold, PLAIN),
        "span_f1": (lambda x: span_f1(x, iter([SPANS])), [SPANS], PLAIN),
        "load_config": (overridden, ["seed=5", "languages=[de]"], text),
    }


NAMES = [
    *("Tagger.predict texts", "Tagger.predict words", "Tagger.distributions", "Tagger.decode"),
    *("Translator.translate", "Aligner.align", "Aligner.align, any", "Batch.from_pairs"),
    *("project_batches", "decide_rows", "write_conll", "write_jsonl", "write_parquet"),
    *("write_pharaoh", "spans_from_tags", "tags_from_spans", "map_spans"),
    *("require_known_types", "detokenise", "score", "seqeval_scores", "count_spans", "pair_up"),
    *("span_f1", "load_config"),
]
OTHERS = {
    "no list goes in": {
        *("ConfigError", "DataError", "ModelError", "XlnerError", "Link", "Span", "Sentence"),
        *("Entity", "Tagger", "Runner", "LayerFusedConfig", "LayerFusedForTokenClassification"),
        *("DOCSTART", "Format", "PharaohLine", "ReadReport", "Request", "Sample", "SentenceStream"),
        *("__version__", "FORMATS", "SCHEMES", "Tokenizer"),
    },
    "a file or a text goes in": {
        *("detect_format", "read_labelled", "read_pharaoh", "repair", "whitespace_offsets"),
        "offsets_by",
    },
}
"""Public names that are not in :data:`NAMES`, by the reason."""


@pytest.fixture(scope="module")
def table(models: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    return cases(models, tmp_path_factory.mktemp("out"))


def test_every_public_function_is_here(table: dict[str, Case]) -> None:
    assert set(table) == set(NAMES)
    public = {*xlner.__all__, *formats.__all__}
    tried = {name.split(",")[0].split(".")[-1].split(" ")[0] for name in NAMES}
    assert public <= tried | set().union(*OTHERS.values())


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return bool(np.allclose(one, other, atol=1e-5))
    return bool(one == other)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_can_be_gone_through_is_a_list(table: dict[str, Case], name: str) -> None:
    function, values, carriers = table[name]
    expected = function(list(values))
    for carrier, carry in carriers.items():
        found = function(carry(values))
        if carrier == "handle":  # its lines end in line breaks
            assert len(found) == len(expected), carrier
            continue
        assert same(found, expected), carrier


@pytest.mark.parametrize("name", NAMES)
def test_one_string_is_no_list_of_its_characters(table: dict[str, Case], name: str) -> None:
    function, values, _ = table[name]
    if name == "load_config":
        assert function(values[0]) == function([values[0]]), "one override is one"
        return
    for wrong in ("Anna visited Oslo .", b"Anna", {"text": ["Anna"]}):
        with pytest.raises(DataError, match="a list is wanted, not"):
            function(wrong)
    with pytest.raises(DataError, match="a list is wanted, not 7"):
        function(7)


@pytest.mark.parametrize("name", ["Tagger.predict words", "Tagger.distributions", "Aligner.align"])
def test_a_sentence_is_not_one_string(table: dict[str, Case], name: str) -> None:
    function = table[name][0]
    mixed: list[Any] = [("Anna", "Anna")] if name == "Aligner.align" else [["Anna"], "Oslo"]
    with pytest.raises(DataError, match=r"not both at once|not one string"):
        function(mixed)
    worse: list[Any] = [(["a", None], ["b"])] if name == "Aligner.align" else [["a", None]]
    with pytest.raises(DataError, match="word 1 is None, not a string"):
        function(worse)


def test_tables_are_no_lists(models: SimpleNamespace) -> None:
    frame = pandas.DataFrame({"text": TEXTS})
    for wrong in (frame, datasets.DatasetDict(train=datasets.Dataset.from_pandas(frame))):
        with pytest.raises(DataError, match="choose one of its columns"):
            models.tagger.predict(wrong)
    with pytest.raises(DataError, match="item 0 is None, not a string"):
        models.translator.translate([None])


def test_the_case_of_the_folder(models: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "two.txt"
    path.write_text("Anna Kovac visited Lisbon.\nOslo is cold.\n", encoding="utf-8")
    predict = models.tagger.predict
    with path.open(encoding="utf-8") as lines:
        assert len(predict(lines)) == 2
    assert len(predict(x for x in ["Anna slept."])) == 1
    assert len(predict(map(str, ["Anna slept."]))) == 1
    assert predict(iter([])) == []


def test_paths_may_be_strings(tmp_path: Path) -> None:
    config = xlner.load_config(Path("configs") / "default.yaml")
    assert xlner.Runner(config, str(tmp_path)).folder.path == tmp_path / "default"
    with pytest.raises(ConfigError, match="expected key=value"):
        xlner.load_config("default", iter(["seed"]))
