"""Tag schemes (IOB1, IOB2, BIOES, BILOU, IO): detection, and conversion to and from spans.

Tags exist only at the edges; inside, spans are half-open word ranges ``[start, end)``. What breaks
a scheme's rules but not its tag set is repaired as ``conlleval`` does (Tjong Kim Sang & De Meulder
2003): an ``I-`` with nothing before it to continue begins an entity. Every repair is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pipeline.schema import Span, overlapping

Scheme = Literal["iob1", "iob2", "bioes", "bilou", "io"]
RepairKind = Literal["inside_without_begin", "end_without_begin", "unclosed"]

SCHEMES: Final[tuple[Scheme, ...]] = ("iob1", "iob2", "bioes", "bilou", "io")

# Prefixes of a scheme and what each stands for in terms of BIOES. BMES and BIOEW are BIOES under
# other letters.
_PREFIXES: Final[dict[Scheme, dict[str, str]]] = {
    "iob1": {"B": "B", "I": "I"},
    "iob2": {"B": "B", "I": "I"},
    "bioes": {"B": "B", "I": "I", "M": "I", "E": "E", "S": "S", "W": "S"},
    "bilou": {"B": "B", "I": "I", "L": "E", "U": "S"},
    "io": {"I": "I"},
}
_ALLOWED: Final[dict[Scheme, str]] = {
    "iob1": "O, B-TYPE, I-TYPE",
    "iob2": "O, B-TYPE, I-TYPE",
    "bioes": "O, B-TYPE, I-TYPE, E-TYPE, S-TYPE",
    "bilou": "O, B-TYPE, I-TYPE, L-TYPE, U-TYPE",
    "io": "O, TYPE or I-TYPE",
}
_ANY_PREFIX: Final = frozenset("BIESLUMW")


@dataclass(frozen=True, slots=True)
class Repair:
    """A tag that broke its scheme's rules: which word, and how."""

    index: int
    kind: RepairKind


class TagError(ValueError):
    """A tag that its scheme does not have.

    Attributes:
        index: The word in the sentence.
        tag: The tag.
        scheme: The scheme.
    """

    def __init__(self, index: int, tag: str, scheme: Scheme) -> None:
        self.index = index
        self.tag = tag
        self.scheme = scheme
        super().__init__(
            f"tag {tag!r} is not in the scheme {scheme} (allowed: {_ALLOWED[scheme]}); "
            "correct the tag, or set the scheme or the tag_column of this data source"
        )


def looks_like_tag(text: str) -> bool:
    """Whether ``text`` is ``O`` or a prefixed tag of any scheme."""
    return text == "O" or (len(text) > 2 and text[1] == "-" and text[0] in _ANY_PREFIX)


class TagDecoder:
    """Turns the tags of sentences into spans; remembers the tags it has seen.

    Args:
        scheme: The scheme of the tags.
    """

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        self._known: dict[str, tuple[str, str]] = {"O": ("O", "")}

    def __call__(self, tags: Sequence[str]) -> tuple[list[Span], list[Repair]]:
        """Return the spans of one sentence and what had to be repaired.

        Raises:
            TagError: If a tag is not in the scheme.
        """
        if tags.count("O") == len(tags):
            return [], []
        parsed = [self._known.get(t) or self._parse(i, t) for i, t in enumerate(tags)]
        if self.scheme in ("bioes", "bilou"):
            return _from_closed(parsed)
        return _from_open(parsed, strict=self.scheme == "iob2")

    def _parse(self, index: int, tag: str) -> tuple[str, str]:
        prefix, dash, name = tag.partition("-")
        meaning = _PREFIXES[self.scheme].get(prefix) if dash and name else None
        if meaning is None and self.scheme == "io" and tag and not looks_like_tag(tag):
            meaning, name = "I", tag
        # A type becomes a column of a file again, so white space in it would not survive.
        if meaning is None or name != name.strip() or any(c.isspace() for c in name):
            raise TagError(index, tag, self.scheme)
        self._known[tag] = meaning, name
        return meaning, name


def _from_open(
    parsed: Sequence[tuple[str, str]], *, strict: bool
) -> tuple[list[Span], list[Repair]]:
    """Decode schemes that do not mark the end of an entity."""
    spans: list[Span] = []
    repairs: list[Repair] = []
    start, current = 0, ""
    for i, (prefix, name) in enumerate(parsed):
        if prefix == "I" and name == current:
            continue
        if current:
            spans.append(Span(start, i, current))
        current = name
        start = i
        if strict and prefix == "I":
            repairs.append(Repair(i, "inside_without_begin"))
    if current:
        spans.append(Span(start, len(parsed), current))
    return spans, repairs


def _from_closed(parsed: Sequence[tuple[str, str]]) -> tuple[list[Span], list[Repair]]:
    """Decode schemes that mark the end of an entity."""
    spans: list[Span] = []
    repairs: list[Repair] = []
    start, current = 0, ""
    for i, (prefix, name) in enumerate(parsed):
        if current and name == current and prefix in "IE":
            if prefix == "E":
                spans.append(Span(start, i + 1, current))
                current = ""
            continue
        if current:
            spans.append(Span(start, i, current))
            repairs.append(Repair(i - 1, "unclosed"))
            current = ""
        if prefix in "SE":
            spans.append(Span(i, i + 1, name))
            if prefix == "E":
                repairs.append(Repair(i, "end_without_begin"))
        elif prefix in "BI":
            start, current = i, name
            if prefix == "I":
                repairs.append(Repair(i, "inside_without_begin"))
    if current:
        spans.append(Span(start, len(parsed), current))
        repairs.append(Repair(len(parsed) - 1, "unclosed"))
    return spans, repairs


def spans_from_tags(tags: Sequence[str], scheme: Scheme = "iob2") -> list[Span]:
    """Return the spans that ``tags`` stand for, repairing what breaks the scheme's rules.

    Raises:
        TagError: If a tag is not in the scheme.
    """
    return TagDecoder(scheme)(tags)[0]


def tags_from_spans(spans: Iterable[Span], length: int, scheme: Scheme = "iob2") -> list[str]:
    """Return one tag per word of a sentence of ``length`` words.

    IO cannot tell two adjacent entities of one type apart; all other schemes lose nothing.

    Raises:
        ValueError: If a span is empty, leaves the sentence, or overlaps another.
    """
    ordered = sorted(spans, key=lambda s: s.start)
    clash = overlapping(ordered)
    if clash:
        raise ValueError(f"spans {clash[0]} and {clash[1]} overlap")
    tags = ["O"] * length
    previous: Span | None = None
    for span in ordered:
        if not 0 <= span.start < span.end <= length:
            raise ValueError(f"span {span} does not fit a sentence of {length} words")
        touches = previous is not None and (previous.end, previous.type) == (span.start, span.type)
        prefixes = _prefixes(scheme, span.end - span.start, touches)
        for i, prefix in enumerate(prefixes, span.start):
            tags[i] = prefix + span.type
        previous = span
    return tags


def _prefixes(scheme: Scheme, length: int, touches: bool) -> list[str]:
    if scheme == "io":
        return [""] * length
    if scheme == "iob1":
        return ["B-" if touches else "I-", *["I-"] * (length - 1)]
    if scheme == "iob2":
        return ["B-", *["I-"] * (length - 1)]
    end, single = ("E-", "S-") if scheme == "bioes" else ("L-", "U-")
    return [single] if length == 1 else ["B-", *["I-"] * (length - 2), end]


class SchemeEvidence:
    """Gathers, over the sentences of a source, which scheme its tags are in.

    Only pairs of neighbouring tags are counted, so memory does not grow with the corpus.
    """

    def __init__(self) -> None:
        self._pairs: Counter[tuple[str, str]] = Counter()

    def feed(self, tags: Sequence[str]) -> None:
        """Look at the tags of one sentence."""
        if tags.count("O") != len(tags):
            self._pairs.update(zip(["O", *tags], tags, strict=False))

    def scheme(self) -> Scheme:
        """Return the scheme: the one that the tags need and break least often.

        The letters decide first (E or S: BIOES; L or U: BILOU; no prefixes: IO). With B and I only,
        it is IOB1 if more entities begin with an I- than with a B- that IOB1 would not need.
        Without any entity it is IOB2. Tags that belong to none are left for the decoder to name.
        """
        prefixes: Counter[str] = Counter()
        plain = stray = unneeded = 0
        for (before, tag), n in self._pairs.items():
            if tag == "O":
                continue
            if not looks_like_tag(tag):
                plain += n
                continue
            prefixes[tag[0]] += n
            continues = before != "O" and before[2:] == tag[2:]
            if not continues:
                stray += n * (tag[0] == "I")
                unneeded += n * (tag[0] == "B")
        if plain > prefixes.total():
            return "io"
        closing = prefixes["E"] + prefixes["S"] + prefixes["M"] + prefixes["W"]
        other = prefixes["L"] + prefixes["U"]
        # Every longer entity of these schemes has an end, so a lone E- among many B- is an error.
        if max(closing, other) * 2 > prefixes["B"]:
            return "bioes" if closing >= other else "bilou"
        return "iob1" if stray > unneeded else "iob2"
