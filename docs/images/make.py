"""Takes the pictures of the README from a finished run, in headless Chromium.

    python docs/images/make.py                      # from artifacts/runs/default
    python docs/images/make.py RUN --lang de        # another run folder, another language

Needs Debian's chromium and chromium-driver, and selenium (`pip install -e ".[test]"`). Run it again
whenever the models or the look of the report change; the pictures show what the run holds.
"""

from __future__ import annotations

import argparse
import base64
import io
import re
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))
from pipeline.artifacts import Artifact, RunFolder  # noqa: E402
from stages.inspect.doubts import Renderings, judged, weight  # noqa: E402
from stages.inspect.pretty import pretty  # noqa: E402
from stages.inspect.reading import views  # noqa: E402
from tests.stages.report.browser import Page, start  # noqa: E402

LIMIT = 200_000  # bytes of a picture
WIDTH = 1200


def shoot(page: Page, path: Path, first: str, last: str, margin: int = 12) -> None:
    """Save the strip from the top of ``first`` to the bottom of ``last`` (CSS selectors)."""
    top, bottom = page.js(
        "const at = (s) => document.querySelector(s).getBoundingClientRect();"
        "return [at(arguments[0]).top + scrollY, at(arguments[1]).bottom + scrollY]",
        first,
        last,
    )
    top = max(0, top - margin)
    clip = {"x": 0, "y": top, "width": WIDTH, "height": bottom + margin - top, "scale": 1}
    shot = page.driver.execute_cdp_cmd(
        "Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True}
    )
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
    picture.quantize(128).save(path, optimize=True)  # text and few colours: a palette is enough


def of_the_report(run: Path, lang: str) -> None:
    """Take the answer with the comparison, and the most doubtful sentence."""
    with tempfile.TemporaryDirectory() as profile:
        driver = start(Path(profile))
        try:
            driver.execute_cdp_cmd(
                "Emulation.setEmulatedMedia",
                {"features": [{"name": "prefers-color-scheme", "value": "light"}]},
            )
            size = {"width": WIDTH, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            page = Page(driver)
            page.open(run / "report" / "all" / "report.html")
            shoot(page, HERE / "answer.png", "header", "#comparison table")
            page.js(f"location.hash = '#sentences?lang={lang}&show=likely'")
            page.wait(lambda: page.js("return document.querySelector('#browser .doubts')"))
            page.js("document.querySelector('#browser .card button').click()")
            page.wait(lambda: page.js("return document.querySelector('#browser .matrix')"))
            # Without the bar that sticks to the top, and with one sentence only.
            page.js("document.querySelector('nav').style.position = 'static'")
            page.js("[...document.querySelectorAll('#browser .card')].slice(1)"
                    ".forEach((c) => c.remove());"
                    "document.querySelector('#browser [data-more]').remove()")  # fmt: skip
            time.sleep(0.3)
            shoot(page, HERE / "sentence.png", "#browser", "#browser .card")
        finally:
            driver.quit()


def of_the_terminal(run: Path, lang: str) -> None:
    """Draw what ``inspect_labels`` shows of the two most doubtful sentences."""
    from rich.console import Console
    from rich.terminal_theme import DEFAULT_TERMINAL_THEME

    found = judged(
        views(RunFolder(run), "project", lang), Renderings.of(Artifact(run / "project" / lang))
    )
    worst = sorted((v for v in found if v.kept and v.doubts), key=lambda v: -weight(v.doubts))
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=110, file=nowhere, force_terminal=True, emoji=False)
        for view in worst[:2]:
            console.print(pretty(view))
        title = f"inspect_labels {run.name} --lang {lang} --only likely-wrong"
        drawn = console.export_svg(title=title, theme=DEFAULT_TERMINAL_THEME, unique_id="xlner")
    # No fonts from the network: any monospaced one will do.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    (HERE / "terminal.svg").write_text(drawn, encoding="utf-8")


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("run", nargs="?", type=Path, default=Path("artifacts/runs/default"))
    parser.add_argument("--lang", default="de")
    options = parser.parse_args()
    of_the_report(options.run, options.lang)
    of_the_terminal(options.run, options.lang)
    for path in (HERE / "answer.png", HERE / "sentence.png", HERE / "terminal.svg"):
        size = path.stat().st_size
        print(f"{path.name}: {size:,} bytes")
        if size > LIMIT:
            raise SystemExit(f"{path} is larger than {LIMIT:,} bytes")


if __name__ == "__main__":
    main()
