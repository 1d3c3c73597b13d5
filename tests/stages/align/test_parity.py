"""In float32, the batched aligner gives the links of the simalign package, on real text."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import Any

import pytest

from pipeline.schema import Link
from stages.align.build import Surroundings, build, plan
from stages.align.config import AlignConfig

Pairs = list[tuple[list[str], list[str]]]
NAMES = {
    "inter": "inter",
    "itermax": "itermax",
    "match": "mwmf",
    "forward": "fwd",
    "reverse": "rev",
}
LETTERS = {"inter": "a", "itermax": "i", "match": "m", "forward": "f", "reverse": "r"}


def links_of(model: Path, pairs: Pairs, **options: Any) -> list[list[tuple[int, int]]]:
    config = AlignConfig(model=str(model), soft=False, **({"aligner": "simalign"} | options))
    aligner = build(plan(config, Surroundings("en", "de")))
    return [[(k.source, k.target) for k in found] for found in aligner.align(pairs)]


def simalign_links(
    model: Path, pairs: Pairs, methods: str, layer: int, token_type: str, distortion: float
) -> list[dict[str, list[tuple[int, int]]]]:
    import simalign

    logging.getLogger("simalign.simalign").handlers.clear()
    aligner = simalign.SentenceAligner(str(model), token_type, distortion, methods, "cpu", layer)
    return [aligner.get_word_aligns(a, b) for a, b in pairs]


@pytest.mark.parametrize(
    ("token_type", "distortion", "layer"), [("bpe", 0.0, 3), ("word", 0.0, 2), ("bpe", 0.5, 4)]
)
def test_every_method_gives_simaligns_links_on_500_real_pairs(
    real_bert: Path, real_pairs: Pairs, token_type: str, distortion: float, layer: int
) -> None:
    assert len(real_pairs) >= 500
    # One pass of simalign for all methods; it takes most of the time.
    reference = simalign_links(real_bert, real_pairs, "maifr", layer, token_type, distortion)
    for method, name in NAMES.items():
        ours = links_of(
            real_bert,
            real_pairs,
            method=method,
            layer=layer,
            token_type=token_type,
            distortion=distortion,
        )
        assert ours == [r[name] for r in reference], method


def test_long_sentences_give_simaligns_links(real_bert: Path, long_pairs: Pairs) -> None:
    short_enough = [p for p in long_pairs if max(map(len, p)) < 60]
    assert len(short_enough) > 60 and max(len(a) for a, _ in short_enough) > 40
    reference = simalign_links(real_bert, short_enough, "ai", 3, "bpe", 0.0)
    for method in ("inter", "itermax"):
        ours = links_of(real_bert, short_enough, method=method, layer=3)
        assert ours == [r[NAMES[method]] for r in reference]


@pytest.mark.parametrize("method", NAMES)
def test_the_reference_backend_gives_the_same_links(
    xlmr: Path, made_up: Pairs, method: str
) -> None:
    pairs = [*made_up[:25], ([], ["a"]), (["a"], [])]
    options = {"method": method, "layer": 2}
    theirs = links_of(xlmr, pairs, aligner="simalign_reference", **options)
    assert links_of(xlmr, pairs, **options) == theirs
    assert theirs[-2:] == [[], []] and all(theirs[:25])


def test_batches_and_order_do_not_change_links(bert: Path, made_up: Pairs) -> None:
    whole = links_of(bert, made_up, layer=3)
    assert links_of(bert, made_up, layer=3, batch_tokens=64) == whole
    order = list(range(len(made_up)))
    random.Random(5).shuffle(order)
    shuffled = links_of(bert, [made_up[i] for i in order], layer=3)
    assert shuffled == [whole[i] for i in order]
    alone = [links_of(bert, [pair], layer=3)[0] for pair in made_up[:10]]
    assert alone == whole[:10]


def test_the_reference_backend_keeps_the_log_quiet(
    bert: Path, made_up: Pairs, capfd: pytest.CaptureFixture[str]
) -> None:
    links_of(bert, made_up[:1], aligner="simalign_reference", layer=1)
    assert "INFO" not in capfd.readouterr().err


def test_links_are_sorted_and_asserted(bert: Path, made_up: Pairs) -> None:
    config = AlignConfig(aligner="simalign", model=str(bert), method="itermax", soft=False)
    for found in build(plan(config, Surroundings("en", "de"))).align(made_up):
        assert found == sorted(found, key=lambda k: (k.source, k.target))
        assert all(isinstance(k, Link) and 0.5 <= k.prob <= 1 for k in found)
