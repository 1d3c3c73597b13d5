"""Build the shipped CoNLL files of the sample corpus from its hand-written sources.

Run ``python artifacts/sample/build.py`` after editing a file under ``source/``; with ``--check``
it writes nothing and fails when a shipped file differs from what the sources give. The markup of
the sources and the rules that sentences follow are described in ``README.md`` beside this file.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TYPES = ("PER", "ORG", "LOC")
TARGETS = ("de", "es", "fr", "nl", "sw")
FIRST_NATIVE = 101  # translated sentences keep the number of the English one, natives start here
TEMPLATE_SEED = 13
TEMPLATE_COUNT = 400


class SourceError(ValueError):
    """A source line does not follow the markup; the message names file, line and remedy."""


@dataclass(frozen=True)
class Sentence:
    """One tokenised sentence: words, IOB2 tags of the same length, and its comment fields."""

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...]
    fields: tuple[tuple[str, str], ...] = ()

    def entities(self) -> list[tuple[str, str]]:
        """Return (type, surface string) of each entity, in order."""
        found: list[tuple[str, list[str]]] = []
        for word, tag in zip(self.words, self.tags, strict=True):
            if tag.startswith("B-"):
                found.append((tag[2:], [word]))
            elif tag.startswith("I-"):
                found[-1][1].append(word)
        return [(kind, " ".join(words)) for kind, words in found]

    def conll(self) -> str:
        """Return the sentence as a CoNLL block without the blank line that ends it."""
        lines = [f"# id = {self.id}", *(f"# {key} = {value}" for key, value in self.fields)]
        lines += [f"{word}\t{tag}" for word, tag in zip(self.words, self.tags, strict=True)]
        return "\n".join(lines)


def parse(markup: str, where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Turn ``[PER Maria Keller] met ...`` into words and IOB2 tags.

    Raises:
        SourceError: a bracket is unbalanced, nested or empty, or a type is unknown.
    """
    words: list[str] = []
    tags: list[str] = []
    kind: str | None = None
    begin = False
    for token in markup.split():
        if token.startswith("["):
            if kind is not None or token[1:] not in TYPES:
                raise SourceError(f"{where}: {token!r} must open one of {TYPES}, not nested")
            kind, begin = token[1:], True
            continue
        closes = token.endswith("]")
        word = token.removesuffix("]")
        if not word or "[" in word or "]" in word or (closes and kind is None):
            raise SourceError(f"{where}: stray bracket at {token!r}; write [PER First Last]")
        words.append(word)
        tags.append("O" if kind is None else f"{'B' if begin else 'I'}-{kind}")
        begin = False
        if closes:
            kind = None
    if kind is not None:
        raise SourceError(f"{where}: an entity is not closed; add the missing ']'")
    if not words:
        raise SourceError(f"{where}: empty sentence; remove the line")
    return tuple(words), tuple(tags)


def source_lines(name: str) -> list[tuple[str, str]]:
    """Return (place, text) of the lines of ``source/<name>`` that are not blank."""
    text = (ROOT / "source" / name).read_text(encoding="utf-8")
    return [
        (f"source/{name}:{number}", line.strip())
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip()
    ]


def read_english(part: str) -> list[Sentence]:
    """Read an English part; test sentences carry their own number, the others are counted."""
    sentences = []
    for index, (where, line) in enumerate(source_lines(f"en-{part}.txt"), 1):
        number = f"{index:03d}"
        if part == "test":
            number, line = split_number(line, where)
        sentences.append(Sentence(f"en-{part}-{number}", *parse(line, where)))
    return sentences


def split_number(line: str, where: str) -> tuple[str, str]:
    """Split ``017: text`` into its number and its text."""
    match = re.match(r"(\d{3}): (.+)", line)
    if match is None:
        raise SourceError(f"{where}: a three-digit number and ': ' must come first")
    return match[1], match[2]


def read_target(lang: str, english: dict[str, Sentence]) -> list[Sentence]:
    """Read a target test set: numbered lines translate that English test sentence."""
    sentences = []
    native = FIRST_NATIVE
    for where, line in source_lines(f"{lang}-test.txt"):
        if re.match(r"\d{3}: ", line):
            number, line = split_number(line, where)
            if f"en-test-{number}" not in english:
                raise SourceError(f"{where}: there is no English test sentence {number}")
            fields: tuple[tuple[str, str], ...] = (("parallel", f"en-test-{number}"),)
        else:
            number, native, fields = f"{native:03d}", native + 1, ()
        sentences.append(Sentence(f"{lang}-test-{number}", *parse(line, where), fields))
    return sentences


def read_fillers() -> dict[str, list[str]]:
    """Read ``source/fillers.txt``: ``slot: a | b | c``, the same slot may come again."""
    fillers: dict[str, list[str]] = {}
    for where, line in source_lines("fillers.txt"):
        slot, colon, values = line.partition(": ")
        if not colon:
            raise SourceError(f"{where}: write 'slot: a | b | c'")
        fillers.setdefault(slot, []).extend(value.strip() for value in values.split("|"))
    return fillers


def from_templates(count: int, seed: int) -> list[Sentence]:
    """Fill the hand-written templates; deterministic, templates in turn, no sentence twice."""
    rng = random.Random(seed)
    fillers = read_fillers()
    templates = source_lines("templates.txt")
    decks: dict[str, list[str]] = {}

    def draw(slot: str, used: set[str], where: str) -> str:
        if slot not in fillers:
            raise SourceError(f"{where}: no fillers for slot {{{slot}}} in source/fillers.txt")
        while True:  # shuffled decks, so that every filler is used before one comes again
            if not decks.get(slot):
                decks[slot] = rng.sample(fillers[slot], len(fillers[slot]))
            value = decks[slot].pop()
            if value not in used:
                used.add(value)
                return value

    sentences: list[Sentence] = []
    seen: set[str] = set()
    tries = 0
    while len(sentences) < count:
        tries += 1
        if tries > 50 * count:
            raise SourceError(
                f"source/fillers.txt: too few fillers for {count} different sentences"
            )
        where, template = templates[len(sentences) % len(templates)]
        used: set[str] = set()
        line = re.sub(r"\{(\w+)\}", lambda m: draw(m[1], used, where), template)  # noqa: B023
        if line in seen:
            continue
        seen.add(line)
        fields = (("made", "template"),)
        sentence_id = f"en-template-{len(sentences) + 1:03d}"
        sentences.append(Sentence(sentence_id, *parse(line, where), fields))
    return sentences


def build() -> dict[str, list[Sentence]]:
    """Return every shipped file, by its path relative to this folder, as its sentences.

    Raises:
        SourceError: a source breaks the markup, or the translated sentences of two languages
            differ, or a template filler is an entity that only the test sets may hold.
    """
    test = read_english("test")
    by_id = {sentence.id: sentence for sentence in test}
    files = {
        "en/train.conll": [
            *read_english("train"),
            *from_templates(TEMPLATE_COUNT, TEMPLATE_SEED),
        ],
        "en/dev.conll": read_english("dev"),
        "en/test.conll": test,
    }
    parallel: dict[str, list[str]] = {}
    for lang in TARGETS:
        sentences = read_target(lang, by_id)
        translated = [sentence for sentence in sentences if sentence.fields]
        files[f"{lang}/test.conll"] = sentences
        files[f"parallel/{lang}.conll"] = translated
        parallel[lang] = [dict(sentence.fields)["parallel"] for sentence in translated]
        if parallel[lang] != parallel[TARGETS[0]]:
            odd = set(parallel[lang]) ^ set(parallel[TARGETS[0]])
            raise SourceError(
                f"source/{lang}-test.txt: must translate the same English sentences, in the same "
                f"order, as source/{TARGETS[0]}-test.txt; look at {sorted(odd) or 'the order'}"
            )
    files["parallel/en.conll"] = [by_id[key] for key in parallel[TARGETS[0]]]
    check_templates(files)
    return files


def check_templates(files: dict[str, list[Sentence]]) -> None:
    """Raise SourceError when a template brings a test entity into training."""

    def strings(sentences: Iterable[Sentence]) -> set[str]:
        return {text for s in sentences for _, text in s.entities()}

    tests = strings(s for name in files if name.endswith("test.conll") for s in files[name])
    train = files["en/train.conll"]
    made = strings(s for s in train if dict(s.fields).get("made") == "template")
    written = strings(s for s in train if "made" not in dict(s.fields))
    leaked = (made & tests) - written
    if leaked:
        raise SourceError(f"source/fillers.txt: only the test sets may hold {sorted(leaked)}")


def render(sentences: list[Sentence]) -> str:
    """Return the text of one CoNLL file."""
    return "\n\n".join(sentence.conll() for sentence in sentences) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Write (or with ``--check`` compare) the shipped files and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args(argv).check
    stale = 0
    for name, sentences in build().items():
        path, text = ROOT / name, render(sentences)
        if check:
            same = path.is_file() and path.read_text(encoding="utf-8") == text
            stale += not same
            print(f"{'ok   ' if same else 'STALE'} {name}")
            continue
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        kinds = [kind for sentence in sentences for kind, _ in sentence.entities()]
        counts = " ".join(f"{kind} {kinds.count(kind):4d}" for kind in TYPES)
        empty = sum(not sentence.entities() for sentence in sentences)
        print(f"{name:26s} {len(sentences):4d} sentences  {counts}  {empty:3d} without entities")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
