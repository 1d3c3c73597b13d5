"""Pseudo-labels by way of the translation: CROP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ConfigError, DataError
from pipeline.formats import write_conll
from pipeline.schema import Sentence, table
from pipeline.stage import Ref
from stages.project.config import FilterConfig, ProjectConfig
from stages.self_train.crop import Crop
from stages.self_train.marked import MarkedBackTranslation, find_entities
from stages.tagger.labels import LabelSet
from tests.stages.predict.toys import make_runner
from tests.stages.train.toys import write_corpus
from tests.tiny.text import toy_rows

LABELS = LabelSet.of_types(["LOC", "PER"])


class KnowsNames:
    """A teacher that is sure of capitalised words: PER if long, else LOC."""

    label_set = LABELS

    def distributions(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        found = []
        for words in sentences:
            probs = np.zeros((len(words), 5), np.float32)
            for i, word in enumerate(words):
                name = "O" if word.islower() else ("B-PER" if len(word) > 4 else "B-LOC")
                probs[i] = 0.025
                probs[i, LABELS.names.index(name)] = 0.9
            found.append(probs)
        return found


class Rows:
    def __init__(self, kind: str, rows: list[dict[str, Any]]) -> None:
        self._rows = table(kind, rows).to_pylist()

    def rows(self) -> Any:
        return iter(self._rows)


def translations(*pairs: tuple[str, str]) -> tuple[Any, Any]:
    """Return the artifacts of pairs of a sentence and its word-by-word translation."""
    rows, links = [], []
    for i, (target, source) in enumerate(pairs):
        there, here = target.split(), source.split()
        ids = {"id": f"u{i}", "lang": "en", "source_lang": "de"}
        rows.append(
            {
                **ids,
                "source_id": f"u{i}",
                "source_words": there,
                "source_spans": [],
                "text": source,
                "words": here,
                "score": None,
                "rank": 0,
                "marked": None,
                "reason": None if here else "empty_translation",
            }
        )
        found = [{"source": k, "target": k, "prob": 1.0} for k in range(min(len(there), len(here)))]
        reason = None if found else "empty_translation"
        links.append({**ids, "links": found, "aligner": "a", "reason": reason})
    return Rows("translations", rows), Rows("alignments", links)


PAIRS = [
    ("Hanna wohnt jetzt in Bonn", "Hanna lives now in Bonn"),
    ("gestern regnete es", "yesterday it rained"),
    ("Peter schläft", ""),
    ("sie sah Rom", "she saw Rom"),
]


def test_labels_follow_the_alignment(tmp_path: Path) -> None:
    crop = Crop(*translations(*PAIRS), ProjectConfig(method="span"))
    teachers: Any = KnowsNames()
    # The gate has kept some of what was translated.
    wanted = [(f"u{i}", PAIRS[i][0].split()) for i in (0, 2, 3)]
    done: list[int] = []
    found = list(crop.label(teachers, wanted, tmp_path, done.append))
    assert [reason for _, reason in found] == [None, "empty_translation", None]
    assert sum(done) == 3
    spans = [LABELS.decode(p, np.array([0, len(p)]))[0] for p, _ in found]
    assert [[(s.start, s.end, s.type) for s in x] for x in spans] == [
        [(0, 1, "PER"), (4, 5, "LOC")],
        [],
        [(2, 3, "LOC")],
    ]
    assert all(len(p) == len(words) for (p, _), (_, words) in zip(found, wanted, strict=True))
    np.testing.assert_allclose(found[0][0].sum(1), 1, atol=1e-6)


def test_filters_drop_sentences_with_a_reason(tmp_path: Path) -> None:
    options = ProjectConfig(method="span", filters=FilterConfig(min_score=1.0, require_all=True))
    longer = ("Hanna wohnt jetzt in", "Hanna lives now in Bonn")  # Bonn has no word to go to
    crop = Crop(*translations(longer, PAIRS[3]), options)
    teachers: Any = KnowsNames()
    wanted = [("u0", longer[0].split()), ("u1", PAIRS[3][0].split())]
    found = list(crop.label(teachers, wanted, tmp_path))
    assert [reason for _, reason in found] == ["lost_span", None]


def test_what_was_not_translated_is_an_error(tmp_path: Path) -> None:
    teachers: Any = KnowsNames()
    crop = Crop(*translations(*PAIRS), ProjectConfig(method="span"))
    with pytest.raises(DataError, match="sentence 'u9' has no translation"):
        list(crop.label(teachers, [("u9", ["x"])], tmp_path))
    with pytest.raises(DataError, match="'u1' is not the one that was translated"):
        list(crop.label(teachers, [("u1", ["x"])], tmp_path))


def test_marked_back_translation(tmp_path: Path) -> None:
    asked: list[str] = []

    def back(texts: Sequence[str]) -> list[str | None]:
        asked.extend(texts)
        answers = {
            "[ Hanna ] lives now in [ Bonn ]": "[Hannah] lebt nun in [Bonn]",
            "she saw [ Rom ]": None,
        }
        return [answers[" ".join(t.replace("[", "[ ").replace("]", " ]").split())] for t in texts]

    crop = Crop(*translations(*PAIRS), ProjectConfig(), back_translate=back)
    teachers: Any = KnowsNames()
    wanted = [(f"u{i}", PAIRS[i][0].split()) for i in range(4)]
    found = list(crop.label(teachers, wanted, tmp_path))
    assert len(asked) == 2  # sentences without entities are not asked about
    spans = [LABELS.decode(p, np.array([0, len(p)]))[0] for p, _ in found]
    assert [[(s.start, s.end, s.type) for s in x] for x in spans] == [
        [(0, 1, "PER"), (4, 5, "LOC")],
        [],
        [],
        [],
    ]
    assert [reason for _, reason in found] == [None, None, "empty_translation", None]


def test_rows_of_marked_back_translation_say_what_was_lost() -> None:
    projector = MarkedBackTranslation(lambda texts: ["[Wien] und mehr"])
    row = {
        "id": "x",
        "lang": "en",
        "source_id": "x",
        "source_lang": "de",
        "source_words": ["Rom", "und", "mehr"],
        "source_spans": [],
        "text": None,
        "words": ["Rome", "and", "more"],
        "score": None,
        "rank": 0,
        "marked": None,
        "reason": None,
    }
    data = table("translations", [row])
    spans = [{"start": 0, "end": 1, "type": "LOC", "score": 0.5}]
    tagged = {"id": "x", "lang": "en", "words": row["words"], "spans": spans, "probs": []}
    given = (data, table("alignments", []), table("predictions", [tagged]))
    (made,) = projector(*given).to_pylist()
    assert made["spans"] == [] and made["lost"] == [{"source": 0, "reason": "no_candidate"}]
    lost = MarkedBackTranslation(lambda texts: [None])
    (made,) = lost(*given).to_pylist()
    assert made["lost"] == [{"source": 0, "reason": "marker_lost"}]


def test_entities_are_found_by_their_spelling() -> None:
    words = "In New York trafen sich Annas Vater und Ana Müller , sagte York .".split()  # noqa: SIM905
    found = find_entities(
        [(0, ["Anna", "Mueller"]), (1, ["New", "York"]), (2, ["York"]), (3, ["Madrid"])], words
    )
    assert [(n, s.start, s.end) for n, s in found] == [(1, 1, 3), (0, 8, 10), (2, 12, 13)]
    assert found[0][1].score == 1.0 and 0.7 <= (found[1][1].score or 0) < 1
    assert find_entities([(0, ["..."])], words) == []
    assert find_entities([(0, ["x"])], []) == []


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    # Words put in between keep it apart from the test set, but for one sentence: that must go.
    raw = []
    for i, (words, _) in enumerate(toy_rows(40)):
        apart = [x for k, w in enumerate(words) for x in ((w,) if k % 2 else (w, f"heute{i}"))]
        raw.append(Sentence(f"u{i}", "de", apart))
    raw.insert(7, Sentence("planted", "de", toy_rows(23)[1][0], []))
    write_conll(raw, folder / "raw.conll")
    return folder


def test_the_arm_in_a_run(corpus: Path, bert: Path) -> None:
    changes = {
        "arms": ["crop"],
        "languages": ["de"],
        "train": {"max_steps": 60, "learning_rate": 5e-3},
        "data": {"unlabelled": {"path": str(corpus / "raw.conll")}},
        "synthesize": {"gate": {"language": None, "near_duplicate": None, "test_overlap": 0.9}},
    }
    runner = make_runner(corpus, bert, **changes)
    units = {str(t.ref) for t in runner.tasks()}
    assert "synthesize/unlabelled/de" in units and "synthesize/de" not in units
    assert not any(u.startswith(("project/", "translate/de")) for u in units)
    runner.run()
    student = runner.folder.artifact(Ref("self_train", "crop/seed-13"))
    gated = runner.folder.artifact(Ref("synthesize", "unlabelled/de"))
    assert student is not None and gated is not None
    kept = [r for r in gated.rows() if r["kept"]]
    assert gated.manifest.drops["rows"]["test_overlap"] >= 1
    assert not any(r["words"] == toy_rows(23)[1][0] for r in kept)
    counts = student.manifest.counts
    dropped = student.manifest.drops["rows"]
    assert dropped["empty_translation"] == 1 and dropped.get("unaligned", 1) == 1
    assert counts["sentences/synthetic/de"] == len(kept) - sum(dropped.values())
    assert counts["entities_pseudo_labelled"] > 10
    assert make_runner(corpus, bert, **changes).run().done == []


def test_other_arms_by_config(corpus: Path, bert: Path) -> None:
    def units(**changes: Any) -> set[str]:
        raw = {"unlabelled": {"path": str(corpus / "raw.conll")}}
        runner = make_runner(
            corpus, bert, arms=["self_trained"], languages=["de"], data=raw, **changes
        )
        return {str(t.ref) for t in runner.tasks()}

    assert "align/to_source/unlabelled/de" in units(self_train={"labelling": "crop"})
    assert "align/to_source/unlabelled/de" not in units()


def test_problems(corpus: Path, bert: Path) -> None:
    runner = make_runner(corpus, bert, arms=["crop"], languages=["de"])
    with pytest.raises(ConfigError, match=r"data\.unlabelled is not set"):
        runner.tasks()
    raw = {"unlabelled": {"path": str(corpus / "raw.conll")}}
    runner = make_runner(
        corpus, bert, arms=["crop"], languages=["de"], data=raw, project={"method": "markers"}
    )
    with pytest.raises(ConfigError, match=r"project\.method: 'markers' cannot project"):
        runner.check(runner.tasks())
    runner = make_runner(
        corpus,
        bert,
        arms=["crop"],
        languages=["de"],
        data=raw,
        models={"translator": {"de-en": "a/b"}},
        self_train={"crop_projection": "markers"},
    )
    with pytest.raises(ConfigError, match=r"no translator is named for en to de"):
        runner.check(runner.tasks())
