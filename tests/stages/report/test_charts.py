from __future__ import annotations

import re

from stages.report.charts import Interval, difference_chart, interval_chart


def test_names_that_differ_at_their_end_can_be_told_apart() -> None:
    names = [f"few_shot_projected_and_{'x' * 40}-gold_sentences-{k}" for k in (10, 200)]
    chart = interval_chart("F1", [Interval(name, 70.0, 68.0, 72.0) for name in names])
    told = re.findall(r'class="label">([^<]+)<', chart)
    assert [name.rpartition("-")[2] for name in told] == ["10", "200"]
    assert all("…" in name for name in told)


def test_names_of_a_sweep_stand_whole_within_the_picture() -> None:
    name = "few_shot_projected-gold_sentences-200"
    chart = interval_chart("F1", [Interval(name, 70.0, 68.0, 72.0)])
    end = re.search(r'x="([\d.]+)" y="[\d.]+" text-anchor="end" class="label">([^<]+)<', chart)
    assert end is not None and end[2] == name
    assert float(end[1]) >= 7 * len(name)


def test_a_pair_too_long_for_a_line_takes_two() -> None:
    pair = ("few_shot_projected-gold_sentences-200", "few_shot-gold_sentences-200")
    rows = [Interval("German", -1.0, -2.0, 0.5, arms=pair)]
    told = re.findall(r'class="group">([^<]+)<', difference_chart("differences", rows))
    assert told == ["few_shot_projected-gold_sentences-200", "− few_shot-gold_sentences-200"]
