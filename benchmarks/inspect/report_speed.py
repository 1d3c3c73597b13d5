"""How quickly headless Chromium opens a large report, filters it, and turns its pages.

    python benchmarks/inspect/report_speed.py                          # 50,000 sentences
    python benchmarks/inspect/report_speed.py --sentences 200000 --repeats 3

The run is made up (no model is needed). Times of filters go from the event to the painted answer
and hold the 60 ms for which a text field waits for further typing; opening is wall clock, from
asking for the file. Needs Debian's chromium and chromium-driver, and selenium. Exit code 1 if a
median is over its limit (2 s to open, 200 ms to answer).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.stages.report.browser import Page, start
from tests.stages.report.large import large_report, measure


def main() -> int:
    """Make the report, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sentences", type=int, default=50_000, help="in thousands")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    if options.sentences < 1000 or options.sentences % 1000:
        parser.error("--sentences: a multiple of 1000")
    with tempfile.TemporaryDirectory() as folder:
        driver = start(Path(folder) / "profile")
        try:
            begin = time.perf_counter()
            html = large_report(Path(folder), options.sentences)
            made = time.perf_counter() - begin
            times = measure(Page(driver), html, options.sentences, options.repeats)
        finally:
            driver.quit()
        size = html.stat().st_size / 1e6
    print(f"{options.sentences:,} sentences, {size:.1f} MB, made in {made:.0f} s")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"{'milliseconds':30} {'median':>8} {'slowest':>8} {'limit':>8}")
    failed = False
    for what, found, limit in times.rows():
        median = statistics.median(found)
        failed |= median >= limit
        told = "" if limit == float("inf") else f"{limit:,.0f}"
        print(f"{what:30} {median:8,.0f} {max(found):8,.0f} {told:>8}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
