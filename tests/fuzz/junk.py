"""What the fuzzers are fed: odd text, and valid files with something broken in them."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

CASES = int(os.environ.get("XLNER_FUZZ_CASES", "60"))
"""Cases of each property. The long job: ``XLNER_FUZZ_CASES=4000 pytest --timeout 0 tests/fuzz``."""

fuzzed = settings(
    max_examples=CASES,
    # In the long job every run looks elsewhere; the normal tests are the same every time.
    derandomize=CASES <= 200,
    suppress_health_check=list(HealthCheck),
    database=None,
)

ODD = [
    "",
    " ",
    "\t",
    "\u00a0",  # no-break space
    "\u200b",  # zero-width space
    "\u200d",
    "\u200f",  # a mark for right-to-left
    "\u2028",  # a line separator that is none here
    "\u0085",
    "\ufeff",
    "\u0301",  # a combining mark on its own
    "e\u0301",
    "\U0001f469\u200d\U0001f680",
    "ירושלים",
    "القاهرة",
    "東京",
    "นิวยอร์ก",
    "subrayÃ³",
    "#",
    "# id = 1",
    "# global.columns = FORM NER",
    "-DOCSTART-",
    "de:",
    "de:Haus",
    "1-2",
    "1.1",
    "{",
    "[",
    '"',
    "\\",
    "|||",
    "<script>",
    "\x1b[31m",
    "\x00",
    "\x0c",
    "O",
    "B-",
    "B-PER",
    "I-PER",
    "E-LOC",
    "S-ORG",
    "L-ORG",
    "U-",
    "-",
    "B-PER-X",
    "NaN",
    "1e999",
    "-1",
    "9" * 5000,
    "a" * 3000,
]

odd_text = st.lists(
    st.sampled_from(ODD) | st.text(max_size=6) | st.sampled_from(["Anna", "Bonn", "in"]),
    max_size=4,
).map("".join)


@st.composite
def mutated(draw: st.DrawFn, valid: list[bytes]) -> bytes:
    """A valid file with up to six things wrong with it; sometimes none."""
    data = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(
            st.sampled_from(["cut", "insert", "byte", "line", "swap", "end", "crlf", "bom"])
        )
        if kind == "crlf":
            data = data.replace(b"\n", draw(st.sampled_from([b"\r\n", b"\r", b"\n\n"])))
        elif kind == "bom":
            data = draw(st.sampled_from([b"\xef\xbb\xbf", b"\xff\xfe", b"PK\x03\x04"])) + data
        elif kind in ("line", "swap"):
            lines = data.split(b"\n")
            i, j = (draw(st.integers(0, len(lines) - 1)) for _ in "ab")
            if kind == "line":
                lines.insert(i, lines[j])
            else:
                lines[i], lines[j] = lines[j], lines[i]
            data = b"\n".join(lines)
        else:
            at = draw(st.integers(0, len(data)))
            if kind == "cut":
                data = data[:at] + data[at + draw(st.integers(1, 30)) :]
            elif kind == "end":
                data = data[:at] if draw(st.booleans()) else data[at:]
            elif kind == "byte":
                data = data[:at] + draw(st.binary(min_size=1, max_size=4)) + data[at + 1 :]
            else:
                data = data[:at] + draw(odd_text).encode("utf-8", "surrogatepass") + data[at:]
    return data


def files(valid: list[bytes]) -> st.SearchStrategy[bytes]:
    """Broken files of a kind, files of odd text, and bytes."""
    lines = st.lists(st.lists(odd_text, max_size=4).map("\t".join), max_size=12)
    text = lines.map(lambda rows: "\n".join(rows).encode("utf-8", "surrogatepass"))
    return st.one_of(mutated(valid), mutated(valid), mutated(valid), text, st.binary(max_size=200))


def json_values(keys: list[str]) -> st.SearchStrategy[Any]:
    """JSON of any shape whose objects have keys that mean something to a reader."""
    leaf = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 40),
        st.integers(),
        st.floats(),
        odd_text,
        st.sampled_from(["O", "B-PER", "I-PER", "PER", "\ud800"]),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.sampled_from(keys) | odd_text, inner, max_size=5),
        ),
        max_leaves=14,
    )
