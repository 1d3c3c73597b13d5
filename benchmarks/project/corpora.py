"""The gold corpora and their links, for the benchmarks of projection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import DataSource
from pipeline.formats import read_labelled, read_pharaoh
from pipeline.schema import Link, Sentence, Span
from stages.project.batch import LabelledPair

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CORPORA = {
    "europarl-de": ("ner/europarl/en.conll02", "ner/europarl/de.conll02", "de"),
    "europarl-es": ("ner/europarl/en.conll02", "ner/europarl/es.conll02", "es"),
    "uner-pud-de": ("ner/uner-pud/en.iob2", "ner/uner-pud/de.iob2", "de"),
}
"""Source file, target file and target language of each corpus; the source is English."""
DIRECTIONS = {
    "europarl-de-es": ("ner/europarl/de.conll02", "ner/europarl/es.conll02", "de", "es"),
    "europarl-es-de": ("ner/europarl/es.conll02", "ner/europarl/de.conll02", "es", "de"),
    "europarl-de-en": ("ner/europarl/de.conll02", "ner/europarl/en.conll02", "de", "en"),
    "europarl-es-en": ("ner/europarl/es.conll02", "ner/europarl/en.conll02", "es", "en"),
    "uner-pud-de-en": ("ner/uner-pud/de.iob2", "ner/uner-pud/en.iob2", "de", "en"),
}
"""The same corpora in other directions, for fitting: source and target file and language."""
_REVERSE = {
    "europarl-es-de": "europarl-de-es",
    "europarl-de-en": "europarl-de",
    "europarl-es-en": "europarl-es",
    "uner-pud-de-en": "uner-pud-de",
}


@dataclass(slots=True)
class GoldBitext:
    """The same sentences with gold labels on both sides.

    Attributes:
        name: Key of :data:`CORPORA` or :data:`DIRECTIONS`.
        source: The labelled side.
        target: The other side.
    """

    name: str
    source: list[Sentence]
    target: list[Sentence]

    @property
    def gold(self) -> list[list[Span]]:
        """Gold spans of the target side."""
        return [s.spans for s in self.target]

    def pairs(self, links: Sequence[Sequence[Link]]) -> list[LabelledPair]:
        """Return the pairs to project, with these links."""
        return [
            LabelledPair(s.words, s.spans, t.words, link, id=s.id)
            for s, t, link in zip(self.source, self.target, links, strict=True)
        ]


def languages(name: str) -> tuple[str, str]:
    """Return the source and the target language of a corpus."""
    return ("en", CORPORA[name][2]) if name in CORPORA else DIRECTIONS[name][2:]


def load_corpus(name: str, data: Path = DATA) -> GoldBitext:
    """Read both sides of a corpus."""
    source, target, *_ = CORPORA.get(name) or DIRECTIONS[name]
    sides = [
        list(read_labelled(DataSource(), language, path=data / file))
        for file, language in zip((source, target), languages(name), strict=True)
    ]
    if len(sides[0]) != len(sides[1]):
        raise SystemExit(f"{name}: {len(sides[0])} and {len(sides[1])} sentences")
    return GoldBitext(name, *sides)


def load_links(path: Path) -> list[list[Link]]:
    """Read a Pharaoh file with probabilities."""
    return [line.sure for line in read_pharaoh(path)]


def corpus_links(folder: Path, name: str, kind: str) -> list[list[Link]] | None:
    """Return the links of a corpus, those of the other direction turned round, or ``None``."""
    path = folder / f"{_REVERSE.get(name, name)}.{kind}.links"
    if name in DIRECTIONS and not path.exists():
        return None
    rows = load_links(path)
    if name in _REVERSE:
        rows = [[Link(x.target, x.source, x.prob) for x in row] for row in rows]
    return rows


def harden(links: Sequence[Sequence[Link]], least: float) -> list[list[Link]]:
    """Return the links of at least this probability as certain ones: what a hard aligner gives."""
    return [[Link(x.source, x.target, 1.0) for x in row if x.prob >= least] for row in links]
