"""Endpoints: asked once, patiently, in secret; what comes back is checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ModelError
from pipeline.models import locate
from pipeline.schema import Sentence, Span
from stages.endpoint.client import Endpoint, Question
from stages.endpoint.settings import problem_of, read_settings
from stages.external.config import ExternalConfig
from stages.synthesize.makers.base import TextRequest
from stages.synthesize.makers.generation import GenerationMaker
from stages.synthesize.makers.generation_options import GenerationConfig
from stages.translate.config import TranslateConfig
from tests.stages.endpoint.conftest import Server


def endpoint(
    server: Server, place: Path, waits: list[float] | None = None, **more: Any
) -> Endpoint:
    settings = read_settings(server.folder(place / "e", **more))
    return Endpoint(settings, sleep=(waits if waits is not None else []).append)


def user(body: dict[str, Any]) -> str:
    return str(body["messages"][1]["content"])


def test_a_second_run_asks_nothing(server: Server, tmp_path: Path) -> None:
    server.reply = lambda body: user(body).upper()
    questions = [Question("s", "a"), Question("s", "b"), Question("s", "a", seed=1)]
    first = endpoint(server, tmp_path, price_in=2.0, price_out=10.0)
    assert list(first.ask(questions)) == ["A", "B", "A"]
    assert first.seen == {
        "questions": 3,
        "asked": 3,
        "question_tokens": 30,
        "answer_tokens": 9,
        "cost_millionths": 3 * (10 * 2 + 3 * 10),
    }
    second = endpoint(server, tmp_path)
    assert list(second.ask(questions)) == ["A", "B", "A"]
    assert second.seen == {"questions": 3, "answers_stored": 3} and len(server.asked) == 3
    files = sorted((tmp_path / "answers").rglob("*.json"))
    kept = [json.loads(f.read_text()) for f in files]
    assert {k["body"]["messages"][1]["content"]: k["answer"] for k in kept} == {"a": "A", "b": "B"}
    assert list(endpoint(server, tmp_path, model="other").ask(questions[:1])) == ["A"]
    assert len(server.asked) == 4, "another model is asked"


def test_order_is_that_of_the_questions_whatever_comes_first(
    server: Server, tmp_path: Path
) -> None:
    server.reply = user
    asked = [Question("s", str(i)) for i in range(30)]
    assert list(endpoint(server, tmp_path, parallel=8).ask(asked)) == [str(i) for i in range(30)]


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    replies = iter([(429, {"Retry-After": "7"}), 503, "at last"])
    server.reply = lambda body: next(replies)
    waits: list[float] = []
    found = endpoint(server, tmp_path, waits)
    assert list(found.ask([Question("s", "x")])) == ["at last"]
    assert waits == [7.0, 2.0] and found.seen["asked_again"] == 2


def test_what_never_answers_is_told_of_and_keeps_what_came(server: Server, tmp_path: Path) -> None:
    server.reply = lambda body: "fine" if user(body) == "good" else 500
    found = endpoint(server, tmp_path, retries=1)
    with pytest.raises(ModelError, match=r"asked 2 times \(500 .*answers so far are stored"):
        list(found.ask([Question("s", "good"), Question("s", "bad")]))
    server.reply = lambda body: "now"
    again = endpoint(server, tmp_path)
    assert list(again.ask([Question("s", "good"), Question("s", "bad")])) == ["fine", "now"]
    assert again.seen["answers_stored"] == 1


def test_the_rate_is_kept(server: Server, tmp_path: Path) -> None:
    waits: list[float] = []
    found = endpoint(server, tmp_path, waits, per_minute=1)
    list(found.ask([Question("s", str(i)) for i in range(3)]))
    assert len(waits) == 2 and 50 < waits[0] <= 60 and 110 < waits[1] <= 120


def test_the_key_goes_to_the_server_and_nowhere_else(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = server.folder(tmp_path / "e", key_env="TOY_KEY")
    monkeypatch.delenv("TOY_KEY", raising=False)
    assert "TOY_KEY holds no key" in str(problem_of(folder))
    monkeypatch.setenv("TOY_KEY", "s3cret")
    assert problem_of(folder) is None
    list(Endpoint(read_settings(folder)).ask([Question("s", "x")]))
    assert server.headers[0]["Authorization"] == "Bearer s3cret"
    assert not any(b"s3cret" in f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    far = tmp_path / "far"
    far.mkdir()
    told = {"url": "http://example.org/v1", "model": "m", "key_env": "TOY_KEY"}
    (far / "endpoint.json").write_text(json.dumps(told))
    assert "unencrypted" in str(problem_of(far))
    with pytest.raises(ModelError, match="unencrypted"):
        list(Endpoint(read_settings(far)).ask([Question("s", "x")]))


def test_a_refusal_says_what_to_do(server: Server, tmp_path: Path) -> None:
    server.reply = lambda body: 401
    with pytest.raises(ModelError, match="refuses: 401 .*is the key in the environment"):
        list(endpoint(server, tmp_path).ask([Question("s", "x")]))
    assert len(server.asked) == 1
    many = [Question("s", str(i)) for i in range(50)]
    with pytest.raises(ModelError, match="refuses"):
        list(endpoint(server, tmp_path).ask(many))
    assert len(server.asked) < 10, "after an error, nothing more is asked"


@pytest.mark.parametrize(
    ("told", "match"),
    [
        ('{"url": "localhost", "model": "m"}', "expected an address"),
        ('{"url": "http://u:p@h/v1", "model": "m"}', "no key in the address"),
        ('{"url": "http://h/v1"}', "model: this key is required"),
        ('{"url": "http://h/v1", "model": "m", "api_key": "x"}', "unknown key 'api_key'"),
        ("{", "not valid JSON"),
    ],
)
def test_wrong_settings_are_told_of(tmp_path: Path, told: str, match: str) -> None:
    (tmp_path / "endpoint.json").write_text(told)
    with pytest.raises(ModelError, match=match):
        read_settings(tmp_path)


def test_it_translates_and_marks_must_come_back(server: Server, tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> str:
        text, stricter = user(body), "exactly as often" in body["messages"][0]["content"]
        if "Bob" in text:
            return "Bob schläft ."  # whatever it is told
        if "Eve" in text and not stricter:
            return "Eve schläft ."
        return text.replace("sleeps", "schläft")

    server.reply = reply
    folder = server.folder(tmp_path / "e")
    kind = TranslateConfig().kind("translator")
    model = locate(str(folder))
    model.require_weights()
    assert kind.of(model).problem(model, "en", "de") is None
    translator = kind.load(folder, "en", "de", name="e")
    texts = ["<a>Ann</a> sleeps .", "<a>Eve</a> sleeps .", "<a>Bob</a> sleeps .", "…"]
    found = translator.translate(texts)
    assert [h[0].text for h in found] == [
        "<a>Ann</a> schläft .",
        "<a>Eve</a> schläft .",
        "Bob schläft .",
        "",
    ]
    assert found[3][0].reason == "empty_source"
    assert translator.seen["marks_lost"] == 1 and translator.seen["asked"] == 5
    assert "from English to German" in server.asked[0]["messages"][0]["content"]


def test_it_annotates_and_what_is_not_in_the_text_is_counted(
    server: Server, tmp_path: Path
) -> None:
    answers = {
        "Ann met Ann in Bonn.": 'Sure: [{"text": "Ann", "type": "PER"}, {"text": "Ann", "type": '
        '"PER"}, {"text": "Berlin", "type": "LOC"}, {"text": "Bonn", "type": "CITY"}]',
        "No.": "I cannot.",
    }
    server.reply = lambda body: answers[user(body)]
    config = ExternalConfig.model_validate(
        {"tagger": "endpoint", "model": str(server.folder(tmp_path / "e")), "names": {"PER": "you"}}
    )
    kind = config.tagger_kind()
    assert list(kind.problems(str(config.model), None)) == []
    tagger = kind.open(str(config.model), None, "en", ["LOC", "PER"])
    sentences = [["Ann", "met", "Ann", "in", "Bonn", "."], ["No", "."], []]
    one, two, three = tagger.distributions(sentences, lambda n: None)
    names = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert [names[i] for i in one.argmax(1)] == ["B-PER", "O", "B-PER", "O", "O", "O"]
    assert two.argmax(1).tolist() == [0, 0] and three.shape == (0, 5)
    assert "- PER: you" in server.asked[0]["messages"][0]["content"]
    seen = tagger.seen
    assert seen["entities_not_in_text"] == seen["entities_of_other_types"] == 1
    assert seen["answers_unreadable"] == 1 and seen["asked"] == 2 and seen["words"] == 8


def test_it_writes_sentences_for_rare_types(server: Server, tmp_path: Path) -> None:
    server.reply = lambda body: f"=> Oh {user(body).splitlines()[-1].split(': ')[1][:-3]} !"
    common = [Sentence(f"p{i}", "de", ["Ann", "lacht"], [Span(0, 1, "PER")]) for i in range(30)]
    rare = [Sentence("l", "de", ["in", "Bonn"], [Span(1, 2, "LOC")])]
    config = GenerationConfig(shots=1, balance=True)
    maker = GenerationMaker(server.folder(tmp_path / "e"), config)
    made = maker.make(TextRequest("de", "en", 40, 7, projected=[*common, *rare]), 0)
    kinds = [m.spans[0].type for m in made]
    assert len(made) == 40 and 10 < kinds.count("LOC") < 30
    assert all(m.words[0] == "Oh" and m.scores["entities_found"] == 1.0 for m in made)
    assert maker.seen["questions"] == 40 and len({b["seed"] for b in server.asked}) == 40
