"""The gold corpora and their links, for the benchmarks of projection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import DataSource
from pipeline.formats import read_labelled, read_pharaoh
from pipeline.schema import Link, Sentence, Span
from stages.project.batch import Pair

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CORPORA = {
    "europarl-de": ("ner/europarl/en.conll02", "ner/europarl/de.conll02", "de"),
    "europarl-es": ("ner/europarl/en.conll02", "ner/europarl/es.conll02", "es"),
    "uner-pud-de": ("ner/uner-pud/en.iob2", "ner/uner-pud/de.iob2", "de"),
}
"""Source file, target file and target language of each corpus."""


@dataclass(slots=True)
class Corpus:
    """The same sentences with gold labels on both sides.

    Attributes:
        name: Key of :data:`CORPORA`.
        source: The English side.
        target: The other side.
    """

    name: str
    source: list[Sentence]
    target: list[Sentence]

    @property
    def gold(self) -> list[list[Span]]:
        """Gold spans of the target side."""
        return [s.spans for s in self.target]

    def pairs(self, links: Sequence[Sequence[Link]]) -> list[Pair]:
        """Return the pairs to project, with these links."""
        return [
            Pair(s.words, s.spans, t.words, link, id=s.id)
            for s, t, link in zip(self.source, self.target, links, strict=True)
        ]


def load_corpus(name: str, data: Path = DATA) -> Corpus:
    """Read both sides of a corpus."""
    source, target, lang = CORPORA[name]
    sides = [
        list(read_labelled(DataSource(), language, path=data / file))
        for file, language in ((source, "en"), (target, lang))
    ]
    if len(sides[0]) != len(sides[1]):
        raise SystemExit(f"{name}: {len(sides[0])} and {len(sides[1])} sentences")
    return Corpus(name, *sides)


def load_links(path: Path) -> list[list[Link]]:
    """Read a Pharaoh file with probabilities."""
    return [line.sure for line in read_pharaoh(path)]


def harden(links: Sequence[Sequence[Link]], least: float) -> list[list[Link]]:
    """Return the links of at least this probability as certain ones: what a hard aligner gives."""
    return [[Link(x.source, x.target, 1.0) for x in row if x.prob >= least] for row in links]
