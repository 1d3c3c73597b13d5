"""A report of many sentences, and how quickly a browser opens, filters and pages through it.

Used by the test and by ``benchmarks/inspect/report_speed.py``.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.artifacts import Artifact, part_name, write_part
from pipeline.schema import Sentence, Span
from pipeline.stage import Ref
from stages.report import STAGE
from tests.stages.inspect.fake_run import NAMES, write_manifest, write_run
from tests.stages.inspect.stage_run import evaluated, make_config, run_stage
from tests.stages.report.browser import Page

ROWS = 1000

FILTERS = (
    ("text", "nairobi", "text: in many sentences"),
    ("text", "e", "text: in every sentence"),
    ("text", "nothing has this", "text: in no sentence"),
    ("text", "49-en-99", "text: an id"),
    ("state", "likely", "state: likely wrong"),
    ("state", "dropped", "state: dropped"),
    ("type", "0", "type"),
    ("reason", "0", "reason"),
    ("most", "0.4", "score"),
    ("sort", "doubt", "order: most doubtful"),
    ("sort", "low", "order: lowest score"),
    ("sort", "high", "order: highest score"),
    ("sort", "long", "order: longest"),
)
"""Each kind of filter by itself: field, value, what it is. Search in text is the slowest."""

# From the event to the frame after the one that was changed: what a reader waits for, the 60 ms
# for which a text field waits for further typing included.
_TIMED = """
const [act, done] = [arguments[0], arguments[arguments.length - 1]];
const root = document.getElementById("browser"), form = root.querySelector("form");
const begin = performance.now();
const finish = () => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => done(performance.now() - begin);
  channel.port2.postMessage(null);
});
const observer = new MutationObserver(() => { observer.disconnect(); finish(); });
observer.observe(root.querySelector(".list"), { childList: true });
if (act === "set") {
  const field = form[arguments[1]];
  field.value = arguments[2];
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
} else root.querySelector(`[data-go=${act}]`).click();
"""


def large_report(folder: Path, sentences: int) -> Path:
    """Write a run of ``sentences`` projected sentences with its report; return the page."""
    setting: dict[str, Any] = {
        "languages": ["de"],
        "arms": ["projected", "zero_shot"],
        "seeds": [13],
    }
    texts = list(_sentences())
    run = write_run(folder, sentences=0, extra=texts, tests=20, part_rows=ROWS, **setting)
    for stage in ("translate", "align", "project"):
        _multiply(run, stage, sentences // ROWS)
    evaluated(run, **setting)
    return run_stage(STAGE, make_config(**setting), run).folder / "report.html"


def _sentences() -> Iterator[Sentence]:
    """Yield sentences of 8 to 30 words out of 20,000, as news has them, with one to four names."""
    rng = random.Random(5)
    letters = "etaoinshrdlucmfwygpbvk"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(20_000)]
    for number in range(ROWS):
        text = rng.choices(words, k=rng.randint(8, 30))
        spans: list[Span] = []
        for place in sorted(rng.sample(range(8), rng.randint(1, 4)), reverse=True):
            kind = rng.choice(list(NAMES))
            name = rng.choice(NAMES[kind]).split()
            spans = [Span(s.start + len(name), s.end + len(name), s.type) for s in spans]
            spans.insert(0, Span(place, place + len(name), kind))
            text[place:place] = name
        yield Sentence(f"en-{number}", "en", [*text, "."], spans, "train.txt", number + 1)


def _multiply(run: Path, stage: str, times: int) -> None:
    """Repeat the only part of a dataset under new ids."""
    artifact = Artifact(run / stage / "de")
    data = artifact.read()
    parts = []
    for number in range(times):
        ids = pa.array([f"{number}-{i}" for i in data.column("id").to_pylist()])
        copy = data.set_column(0, data.schema.field("id"), ids)
        parts.append(write_part(copy, artifact.folder / part_name(number)))
    kind = artifact.manifest.kind
    ref = Ref(stage, "de")
    write_manifest(artifact.folder, ref, kind, parts=parts, rows_out=times * data.num_rows)


@dataclass(slots=True)
class Times:
    """Milliseconds by what was done.

    Attributes:
        opened: From asking for the file until the first sentences stand there, by wall clock.
        searchable: Until all sentences are unpacked, by wall clock.
        filters: From the event to the painted answer, by kind of filter.
        pages: The same for turning pages.
        work: Processor time of the page's thread for each of both, which does not depend on what
            else the machine does.
    """

    opened: list[float] = field(default_factory=list)
    searchable: list[float] = field(default_factory=list)
    filters: dict[str, list[float]] = field(default_factory=dict)
    pages: dict[str, list[float]] = field(default_factory=dict)
    work: dict[str, list[float]] = field(default_factory=dict)

    def rows(self) -> list[tuple[str, list[float], float]]:
        """Return what was done, its times, and the limit for it."""
        found = [("open: first sentences", self.opened, 2000.0)]
        found.append(("open: all can be searched", self.searchable, float("inf")))
        found += [(name, times, 200.0) for name, times in self.filters.items()]
        return found + [(name, times, 200.0) for name, times in self.pages.items()]

    def slowest(self) -> float:
        """Return the median of the slowest kind of filter or page."""
        return max(statistics.median(t) for t in (*self.filters.values(), *self.pages.values()))

    def hardest(self) -> float:
        """Return the processor time of the filter or page that takes most of it."""
        return max(statistics.median(t) for t in self.work.values())


def measure(page: Page, html: Path, sentences: int, repeats: int) -> Times:
    """Open the page, filter and turn pages ``repeats`` times each."""
    found = Times()
    ready = "return document.getElementById('browser').dataset.ready"
    page.driver.set_script_timeout(30)
    page.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    for _ in range(repeats):
        page.driver.get("about:blank")
        begin = time.perf_counter()
        page.driver.get(html.resolve().as_uri())
        page.wait(page.ids, 30)
        found.opened.append(1000 * (time.perf_counter() - begin))
        page.wait(lambda: page.js(ready) == "true", 60)
        found.searchable.append(1000 * (time.perf_counter() - begin))
    assert page.count() == sentences
    for _ in range(repeats):
        for name, value, what in FILTERS:
            _time(page, found.filters, found.work, what, "set", name, value)
            page.reset()
        for where in ("next", "last", "first"):
            _time(page, found.pages, found.work, f"page: {where}", where)
    return found


def _time(
    page: Page,
    times: dict[str, list[float]],
    work: dict[str, list[float]],
    what: str,
    *arguments: str,
) -> None:
    before = _worked(page)
    told = page.driver.execute_async_script(_TIMED, *arguments)
    times.setdefault(what, []).append(float(told))
    work.setdefault(what, []).append(_worked(page) - before)


def _worked(page: Page) -> float:
    """Return the processor time of all tasks of the page so far, in milliseconds."""
    found = page.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return 1000 * float(next(m["value"] for m in found if m["name"] == "TaskDuration"))
