"""Labels that the other sentences speak against, by a classifier that has not seen their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.schema import Span
from stages.inspect.doubts import Renderings, doubts_of
from stages.inspect.out_of_sample import FOLDS, OutOfSample, WordStates, fold_of
from stages.inspect.view import View, ViewedSpan
from tests.tiny.encoders import build_family

NAMES = ["Bonn", "Rom", "Wien"]
OTHERS = ["wir", "waren", "oft", "in", "dort", "heute"]


class Spelled(WordStates):
    """States that say which word it is, and nothing else."""

    def __init__(self) -> None:
        self.known = [*NAMES, *OTHERS]

    def __call__(self, sentences: Sequence[Sequence[str]]) -> np.ndarray:
        words = [self.known.index(w) for s in sentences for w in s]
        return np.eye(len(self.known), dtype=np.float32)[words]


def view(number: int, words: list[str], *spans: Span) -> View:
    found = [ViewedSpan(s) for s in spans]
    return View(str(number), "de", words, found, kept=True, source_id=f"s{number}")


def corpus() -> list[View]:
    found = []
    for number in range(60):
        name = NAMES[number % 3]
        words = ["wir", "waren", "oft", "in", name, "heute"]
        found.append(view(number, words, Span(4, 5, "LOC")))
    return found


def test_a_label_that_no_other_sentence_bears_out() -> None:
    views = corpus()
    wrong = view(100, ["wir", "waren", "dort", "in", "Bonn"], Span(1, 2, "LOC"), Span(4, 5, "LOC"))
    short = view(101, ["oft", "in", "Rom", "Rom"], Span(2, 3, "LOC"))
    long = view(102, ["in", "Wien", "heute"], Span(1, 3, "LOC"))
    views += [wrong, short, long]
    learnt = OutOfSample.learn(views, Spelled())
    assert learnt is not None
    judged = list(learnt.judged(views))
    assert judged == views
    assert all(v.unlikely[0] < 0.5 for v in views[:60])
    assert wrong.unlikely[0] > 0.9 > 0.5 > wrong.unlikely[1]
    assert long.unlikely[0] > 0.9  # no name goes on with "heute"
    kinds = {d.kind for d in doubts_of(wrong, Renderings()) if d.span == 0}
    assert "unlike_others" in kinds
    assert not [d for d in doubts_of(views[0], Renderings()) if d.kind == "unlike_others"]
    again = OutOfSample.learn(corpus(), Spelled())
    assert again is not None
    first, second = corpus()[0], corpus()[0]
    assert [v.unlikely for v in again.judged([first])] == [
        v.unlikely for v in again.judged([second])
    ]


def test_its_own_label_does_not_speak_for_a_sentence() -> None:
    views = corpus()
    only = view(7, ["dort", "dort"], Span(0, 1, "PER"))
    learnt = OutOfSample.learn([*views, only], Spelled())
    assert learnt is not None
    list(learnt.judged([only]))
    assert only.unlikely[0] > 0.9  # no other sentence has a PER


def test_what_was_learnt_from_is_read_once() -> None:
    asked: list[Sequence[str]] = []

    class Counted(Spelled):
        def __call__(self, sentences: Sequence[Sequence[str]]) -> np.ndarray:
            asked.extend(sentences)
            return super().__call__(sentences)

    views = corpus()
    done: list[int] = []
    learnt = OutOfSample.learn(views, Counted(), done.append)
    assert learnt is not None and sum(done) == len(asked) == len(views)
    other = view(200, ["dort", "in", "Rom"], Span(2, 3, "LOC"))
    list(learnt.judged([*views, other]))
    assert asked[len(views) :] == [("dort", "in", "Rom")]
    assert 0 <= other.unlikely[0] < 0.5


def test_hypotheses_of_a_sentence_are_left_out_together() -> None:
    one, two = view(1, ["in", "Rom"]), view(2, ["in", "Rom"])
    two.source_id = one.source_id
    assert fold_of(one) == fold_of(two)
    assert {fold_of(v) for v in corpus()} == set(range(FOLDS))


def test_too_little_to_learn_from() -> None:
    assert OutOfSample.learn(corpus()[:2], Spelled()) is None
    unlabelled = [view(n, ["in", "Rom"]) for n in range(50)]
    assert OutOfSample.learn(unlabelled, Spelled()) is None
    dropped = [View(str(n), "de", ["in", "Rom"], kept=False) for n in range(50)]
    assert OutOfSample.learn(dropped, Spelled()) is None


def test_types_that_were_not_learnt_are_not_judged() -> None:
    learnt = OutOfSample.learn(corpus(), Spelled())
    assert learnt is not None
    other = view(200, ["in", "Rom"], Span(1, 2, "ORG"))
    assert [v.unlikely for v in learnt.judged([other, view(201, [])])] == [{}, {}]


def test_states_are_those_of_first_subwords(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = build_family("bert", tmp_path)
    sentences = [["the", "governments", "saw"], ["\u200b", "cat"], []]
    states = WordStates(folder, layer=3)(sentences)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    given = tokenizer(sentences[0], is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model.eval()(**given).last_hidden_state[0].numpy()
    words = given.word_ids()
    wanted = np.stack([hidden[words.index(n)] for n in range(3)])
    assert states.shape == (5, wanted.shape[1])
    assert states[:3] == pytest.approx(wanted, abs=0.1)  # bfloat16, where it is quick
    assert np.abs(states[4]).sum() > 0
