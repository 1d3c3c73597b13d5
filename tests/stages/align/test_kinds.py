"""Each aligner has its own options; a key that would do nothing is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import parse_config
from pipeline.errors import ConfigError
from pipeline.kinds import Kinds
from stages.align import STAGE
from stages.align.build import build, learn
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.kinds import ALIGNERS
from stages.align.kinds.base import PairsToLearn
from stages.align.kinds.member import Choice
from stages.align.planning import plan, resolve
from stages.registry import STAGES

MODEL = STAGES.config_type()


def message(**section: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config({"name": "t", "align": section}, model=MODEL)
    return str(caught.value)


def test_a_key_that_does_nothing_is_refused_with_the_kinds_that_have_it() -> None:
    found = message(aligner="statistical", layer=3)
    assert (
        "align.layer: aligner 'statistical' has no such key; those that have it: auto, simalign, "
        "softmax, translator, simalign_reference" in found
    )
    assert "auto" not in message(method="itermax").partition("have it: ")[2]
    members = [{"aligner": "softmax", "method": "inter"}, {"aligner": "statistical"}]
    found = message(aligner="ensemble", members=members)
    assert "align.members.0.method: aligner 'softmax' has no such key" in found
    members = [{"aligner": "auto"}, {"aligner": "statistical"}]
    assert "members.0.aligner: 'auto' is not allowed" in message(
        aligner="ensemble", members=members
    )


def test_only_options_of_the_kind_are_in_the_fingerprint() -> None:
    assert AlignConfig(aligner="statistical").identity().keys() == {*AlignConfig.model_fields}
    assert AlignConfig(aligner="softmax", threshold=0.01).identity()["threshold"] == 0.01
    config = parse_config(
        {"name": "t", "languages": ["de"], "align": {"aligner": "simalign", "layer": 2}},
        model=MODEL,
    )
    (task,) = STAGE.tasks(config)
    assert task.options["members"][0]["layer"] == 2
    assert "threshold" not in task.options["members"][0]


def test_auto_hands_its_options_to_what_reads_an_encoder(bert: Path) -> None:
    config = AlignConfig(layer=1, dtype="bfloat16")
    members = resolve(config, AlignmentContext("en", "de", str(bert))).members
    given = {m.aligner: m.chosen("aligner").model_dump(exclude_unset=True) for m in members}
    assert given == {"statistical": {}, "simalign": {"layer": 1, "dtype": "bfloat16"}}
    with pytest.raises(ConfigError, match="align.dtype: auto takes statistical here, and none"):
        resolve(config, AlignmentContext("en", "de"))


@pytest.mark.parametrize("name", list(ALIGNERS))
def test_every_kind_says_what_it_is_and_what_its_options_are(name: str) -> None:
    kind = ALIGNERS[name]
    assert 10 < len(kind.about) < 90 and "\n" not in kind.about
    assert all(f.description for f in kind.Options.model_fields.values())
    assert issubclass(kind, Choice) or kind.needs in (None, "encoder", "translator")


def test_members_that_learn_alike_learn_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from stages.align.kinds.statistical import Statistical

    places = []
    whole = Statistical.learn

    def counted(self: Any, pairs: Any, setting: Any, model: Any, to: Path) -> None:
        places.append(to.name)
        whole(self, pairs, setting, model, to)

    monkeypatch.setattr(Statistical, "learn", counted)
    assert isinstance(ALIGNERS, Kinds)
    two = [{"aligner": "statistical"}, {"aligner": "statistical"}]
    config = AlignConfig.model_validate({"aligner": "ensemble", "members": two, "combine": "vote"})
    planned = plan(config, AlignmentContext("en", "de"))
    pairs = [(["a", "b"], ["x", "y"]), (["a"], ["x"]), (["b"], ["y"])]
    learn(planned, PairsToLearn(lambda: iter(pairs), lambda: iter(())), tmp_path)
    assert places == ["0"]
    assert len(build(planned, tmp_path).align(pairs)) == 3
