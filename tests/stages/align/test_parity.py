"""In float32, the batched aligner gives the links of the simalign package, on real text."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.schema import Link
from stages.align.build import build
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.planning import plan

Pairs = list[tuple[list[str], list[str]]]
NAMES = {
    "inter": "inter",
    "itermax": "itermax",
    "match": "mwmf",
    "forward": "fwd",
    "reverse": "rev",
}


def links_of(model: Path, pairs: Pairs, **options: Any) -> list[list[tuple[int, int]]]:
    exact = {} if "aligner" in options else {"aligner": "simalign", "dtype": "float32"}
    config = AlignConfig(model=str(model), soft=False, **(exact | options))
    aligner = build(plan(config, AlignmentContext("en", "de")))
    return [[(k.source, k.target) for k in found] for found in aligner.align(pairs)]


class Reference:
    """The simalign package, and how to tell whether rounding decides what it links.

    Both compute in float32, in matrices of other shapes, and how the products are rounded depends
    on the processor. Where two similarities differ by less than that, either may be the larger.
    """

    def __init__(
        self, model: Path, methods: str, layer: int, token_type: str = "bpe", distortion: float = 0
    ) -> None:
        import simalign

        logging.getLogger("simalign.simalign").handlers.clear()
        self._aligner = simalign.SentenceAligner(
            str(model), token_type, distortion, methods, "cpu", layer
        )

    def links(self, pairs: Pairs) -> list[dict[str, list[tuple[int, int]]]]:
        return [self._aligner.get_word_aligns(a, b) for a, b in pairs]

    def check(
        self,
        pairs: Pairs,
        found: list[list[tuple[int, int]]],
        expected: list[dict[str, list[tuple[int, int]]]],
        name: str,
    ) -> None:
        """Fail unless the links are simalign's: all of them, save where rounding decides."""
        assert len(found) == len(expected) == len(pairs)
        differ = [i for i, links in enumerate(found) if links != expected[i][name]]
        assert len(differ) <= len(pairs) / 100, (name, differ)
        for i in differ:
            assert self._gives(pairs[i], found[i], name), (name, pairs[i], found[i], expected[i])

    def _gives(
        self, pair: tuple[list[str], list[str]], links: list[tuple[int, int]], name: str
    ) -> bool:
        """Whether simalign gives these links once its similarities are moved by up to 2e-6."""
        exact, draws = self._aligner.get_similarity, np.random.default_rng(0)

        def rounded(a: Any, b: Any) -> Any:
            similarity = exact(a, b)
            return similarity + draws.uniform(-2e-6, 2e-6, similarity.shape)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self._aligner, "get_similarity", rounded)
            return any(self.links([pair])[0][name] == links for _ in range(100))


@pytest.mark.parametrize(
    ("token_type", "distortion", "layer", "part"),
    [
        ("bpe", 0.0, 3, slice(None)),
        ("word", 0.0, 2, slice(0, None, 2)),
        ("bpe", 0.5, 4, slice(1, None, 2)),
    ],
)
def test_every_method_gives_simaligns_links_on_500_real_pairs(
    real_bert: Path, real_pairs: Pairs, token_type: str, distortion: float, layer: int, part: slice
) -> None:
    assert len(real_pairs) >= 500
    real_pairs = real_pairs[part]
    # One pass of simalign for all methods; it takes most of the time.
    reference = Reference(real_bert, "maifr", layer, token_type, distortion)
    expected = reference.links(real_pairs)
    for method, name in NAMES.items():
        ours = links_of(
            real_bert,
            real_pairs,
            method=method,
            layer=layer,
            token_type=token_type,
            distortion=distortion,
        )
        reference.check(real_pairs, ours, expected, name)


def test_long_sentences_give_simaligns_links(real_bert: Path, long_pairs: Pairs) -> None:
    short_enough = [p for p in long_pairs if max(map(len, p)) < 60]
    assert len(short_enough) > 60 and max(len(a) for a, _ in short_enough) > 40
    reference = Reference(real_bert, "ai", 3)
    expected = reference.links(short_enough)
    for method in ("inter", "itermax"):
        ours = links_of(real_bert, short_enough, method=method, layer=3)
        reference.check(short_enough, ours, expected, NAMES[method])


def test_links_that_rounding_does_not_explain_are_told_apart(
    real_bert: Path, real_pairs: Pairs
) -> None:
    pairs = real_pairs[-100:]
    reference = Reference(real_bert, "ai", 3)
    expected = reference.links(pairs)
    ours = links_of(real_bert, pairs, method="inter", layer=3)
    reference.check(pairs, ours, expected, "inter")
    with pytest.raises(AssertionError):
        reference.check(pairs, [ours[0][1:], *ours[1:]], expected, "inter")
    with pytest.raises(AssertionError):
        reference.check(
            pairs, [[(i, j + 1) for i, j in links] for links in ours], expected, "inter"
        )


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
    for found in build(plan(config, AlignmentContext("en", "de"))).align(made_up):
        assert found == sorted(found, key=lambda k: (k.source, k.target))
        assert all(isinstance(k, Link) and 0.5 <= k.prob <= 1 for k in found)
