"""The one timing harness of the benchmarks: turns, rounds, ratios of the same round."""

from __future__ import annotations

from benchmarks.timing import Times, alternate, ratios, spread, turns


def test_candidates_take_turns_and_another_one_begins_each_round() -> None:
    said: list[str] = []
    candidates = {name: (lambda n=name: said.append(n) or n) for name in "abc"}
    times: dict[str, Times] = {}
    rounds = list(turns(candidates, 2, times))
    assert said == list("abcbca")
    assert rounds[3] == (1, "b", "b")
    assert all(len(t.wall) == len(t.cpu) == 2 and min(t.wall) >= 0 for t in times.values())
    said.clear()
    alternate(candidates, 1)
    assert said == list("abcabc"), "one run each to warm up is not counted"


def test_ratios_are_of_the_same_round() -> None:
    assert ratios([2, 9], [1, 3]) == [2, 3]
    assert spread([2, 3, 7]) == "3.000 (2.000 to 7.000)"
