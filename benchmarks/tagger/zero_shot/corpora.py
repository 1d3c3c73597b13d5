"""The corpora of the comparison: labelled sets, translations of CoNLL, and rivals' labels of these.

Everything is read from ``../shared/data`` (see its README) and nothing is written there. Labels
are PER, ORG and LOC; other types (MISC, DATE) count as no entity, in training and in scoring.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.project.corpora import DATA
from pipeline.config import DataSource
from pipeline.formats import read_labelled
from pipeline.schema import Sentence, Span

TYPES = ("LOC", "ORG", "PER")
Labelled = list[tuple[list[str], list[Span]]]
RIVALS = ("awesome", "simalign", "mgiza", "fast_align")
DEEPL = ("de", "es", "nl")
NLLB = {"sw": "swa", "ha": "hau", "yo": "yor"}


def gold(path: str, lang: str, limit: int | None = None) -> Labelled:
    """Return words and spans of a labelled set."""
    sentences = read_labelled(DataSource(), lang, path=DATA / path)
    return [
        (list(s.words), of_types(s.spans)) for s, _ in zip(sentences, _counter(limit), strict=False)
    ]


def of_types(spans: list[Span]) -> list[Span]:
    """Return the spans of :data:`TYPES`."""
    return [s for s in spans if s.type in TYPES]


def _counter(limit: int | None) -> Iterator[int]:
    yield from range(limit if limit is not None else 1 << 60)


@dataclass(slots=True)
class Translated:
    """English sentences, their translations, and labels of these by others.

    Attributes:
        source: English sentences with gold labels.
        words: Their translations.
        rivals: By rival: words and spans, in the same order; words may differ in a few sentences.
    """

    source: Labelled
    words: list[list[str]]
    rivals: dict[str, Labelled]


def deepl(lang: str) -> Translated:
    """Return CoNLL English train in DeepL's translation with the labels of four projectors.

    ``-DOCSTART-`` sentences are left out by their place in the English file.
    """
    folder = DATA / "projected/conll-elp"
    english = read_tsv(folder / "original/en/en.conll.train.tsv.xz")
    keep = [k for k, (words, _) in enumerate(english) if words[0] != "-DOCSTART-"]
    rivals: dict[str, Labelled] = {}
    for name in RIVALS:
        rows = read_tsv(folder / f"en2{lang}/DeepL.{name}.train.tsv.xz")
        if len(rows) != len(english):
            raise SystemExit(f"{lang}/{name}: {len(rows)} sentences for {len(english)}")
        rivals[name] = [rows[k] for k in keep]
    source = gold("ner/conll/en/train.txt", "en")
    if [w for w, _ in source] != [english[k][0] for k in keep]:
        raise SystemExit("conll-elp's English is not that of ner/conll/en")
    return Translated(source, [w for w, _ in rivals["awesome"]], rivals)


def nllb(lang: str) -> Translated:
    """Return CoNLL English train in NLLB's translation with T-Projection's labels."""
    from benchmarks.project.conll_translations import load

    matched = load(NLLB[lang])
    theirs = [(list(s.words), of_types(s.spans)) for s in matched.target]
    source = [(list(s.words), of_types(s.spans)) for s in matched.source]
    return Translated(source, [w for w, _ in theirs], {"t_projection": theirs})


def translated(lang: str) -> Translated:
    """Return :func:`deepl` or :func:`nllb`."""
    return deepl(lang) if lang in DEEPL else nllb(lang)


def read_tsv(path: Path) -> Labelled:
    """Read lines of a token and its tag in xz, IOB2, a blank line between sentences."""
    found: Labelled = []
    words: list[str] = []
    tags: list[str] = []
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in [*lines, ""]:
            fields = line.split()
            if fields:
                words.append(fields[0])
                tags.append(fields[-1])
            elif words:
                found.append((words, of_types(spans_of_tags(tags))))
                words, tags = [], []
    return found


def spans_of_tags(tags: list[str]) -> list[Span]:
    """Return the spans of IOB2 tags; an ``I-`` that continues nothing starts an entity."""
    spans: list[Span] = []
    start, kind = 0, ""
    for k, tag in enumerate([*tags, "O"]):
        prefix, _, this = tag.partition("-")
        if kind and (prefix != "I" or this != kind):
            spans.append(Span(start, k, kind))
            kind = ""
        if this and (prefix == "B" or not kind):
            start, kind = k, this
    return spans


def sentences_of(source: Labelled) -> list[Sentence]:
    """Return sentences with ids, for the projector."""
    return [Sentence(f"conll-{k}", words, spans) for k, (words, spans) in enumerate(source)]
