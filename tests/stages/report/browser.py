"""Headless Chromium for tests; skips where there is none."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
)


def start(profile: Path, *flags: str) -> Any:
    """Return a WebDriver on a new profile, or skip the test."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("Debian's chromium and chromium-driver are not installed")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1200,900", *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    found.get("about:blank")
    found.get_log("performance")  # what the browser did on its own before is none of ours
    found.get_log("browser")
    return found


class Page:
    """A report in a browser."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path) -> None:
        """Open a file and wait until all sentences are unpacked."""
        self.driver.get(path.resolve().as_uri())
        self.wait(
            lambda: self.js("return document.getElementById('browser').dataset.ready") == "true"
        )

    def js(self, script: str, *arguments: object) -> Any:
        """Run JavaScript and return its result."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: Callable[[], object], seconds: float = 20) -> None:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "the page did not get there in time"
            time.sleep(0.02)

    def set(self, name: str, value: str, root: str = "#browser") -> None:
        """Set a filter as a user would, and let the page react."""
        self.js(
            "const field = document.querySelector(arguments[0] + ' [name=' + arguments[1] + ']');"
            "field.value = arguments[2];"
            "field.dispatchEvent(new Event('input', {bubbles: true}));"
            "field.dispatchEvent(new Event('change', {bubbles: true}));",
            root,
            name,
            value,
        )
        time.sleep(0.25)  # text fields wait for 60 ms without typing

    def option(self, name: str, label: str, root: str = "#browser") -> str:
        """Return the value of the option of a select that begins with ``label``."""
        script = (
            "return [...document.querySelector(arguments[0] + ' [name=' + arguments[1] + ']')"
            ".options].find((o) => o.text.startsWith(arguments[2])).value"
        )
        return str(self.js(script, root, name, label))

    def reset(self, root: str = "#browser") -> None:
        """Clear the filters."""
        self.js("document.querySelector(arguments[0] + ' [type=reset]').click()", root)
        time.sleep(0.1)

    def count(self, root: str = "#browser") -> int:
        """Return how many rows the filters leave, as the page tells it."""
        text = str(self.js("return document.querySelector(arguments[0] + ' output').value", root))
        number = text.split(" of ")[-1] if " of " in text else text
        return int(number.split()[0].replace(",", ""))

    def ids(self, root: str = "#browser") -> list[str]:
        """Return the ids on the page."""
        script = "return [...document.querySelectorAll(arguments[0] + ' .card .id')]"
        return list(self.js(f"{script}.map((e) => e.textContent)", root))

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the last call."""
        events = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        return [
            e["params"]["request"]["url"]
            for e in events
            if e["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """Return what the console said."""
        return [e["message"] for e in self.driver.get_log("browser")]
