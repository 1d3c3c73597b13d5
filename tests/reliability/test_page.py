"""The page on reliability names tests; they must be there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = "tests/reliability"


def test_every_test_that_the_page_names_exists() -> None:
    page = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    named = 0
    for line in page.splitlines():
        if not line.startswith("|"):
            continue
        file = ""
        for path, name in re.findall(r"`([\w/]*\.py)?(?:::(\w+))?`", line):
            if not path and not name:
                continue
            file = (path if "/" in path else f"{HERE}/{path}") if path else file
            text = (ROOT / file).read_text(encoding="utf-8")
            assert not name or f"def {name}(" in text, f"{file}::{name}"
            named += 1
    assert named >= 30
