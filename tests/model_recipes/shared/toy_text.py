"""A toy language pair that models of a few thousand parameters can be trained on."""

from __future__ import annotations

import random
from pathlib import Path

from model_recipes.shared.corpus import CorpusConfig
from model_recipes.shared.loop import LoopConfig
from stages.text_sources import TextSource

NOUNS = {
    "dog": ("Hund", "perro"),
    "cat": ("Katze", "gato"),
    "house": ("Haus", "casa"),
    "tree": ("Baum", "arbol"),
    "book": ("Buch", "libro"),
    "river": ("Fluss", "rio"),
    "king": ("Konig", "rey"),
}
VERBS = {"sees": ("sieht", "ve"), "finds": ("findet", "halla"), "wants": ("will", "quiere")}
NAMES = ("Tom", "Mary", "Boston", "Kendra")


def toy_rows(count: int, column: int, seed: int = 0) -> list[tuple[str, str]]:
    """Sentences such as `Tom sees a dog .` with their word-by-word translation."""
    rng = random.Random(seed)
    words = {word: forms[column] for word, forms in (NOUNS | VERBS).items()}
    rows = []
    for _ in range(count):
        english = [
            rng.choice(NAMES),
            rng.choice(list(VERBS)),
            rng.choice(list(NOUNS)),
            rng.choice("0123456789"),
            rng.choice(list(NOUNS)),
        ]
        other = [words.get(word, word) for word in english]
        rows.append((" ".join(english) + ".", " ".join(other) + "."))
    return rows


def write_tsv(path: Path, rows: list[tuple[str, str]]) -> Path:
    """Writes `source<TAB>target` lines."""
    path.write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    return path


def toy_corpus(folder: Path, count: int = 400) -> CorpusConfig:
    """Two languages against English; nothing is held out."""
    sources = tuple(
        TextSource(
            path=write_tsv(folder / f"en-{code}.tsv", toy_rows(count, column)),
            format="tsv",
            languages=("en", code),
        )
        for column, code in enumerate(("de", "es"))
    )
    return CorpusConfig(parallel=sources)


def toy_gazetteer(folder: Path) -> TextSource:
    """A labelled file with a few names."""
    path = folder / "names.conll"
    people = ("Angela Merkel", "Kofi Annan", "Sanna Marin", "Olof Palme")
    lines = []
    for name in people:
        first, last = name.split()
        lines.append(f"{first}\tB-PER\n{last}\tI-PER\nspoke\tO\n\n")
    path.write_text("".join(lines), encoding="utf-8")
    return TextSource(path=path, format="labelled", languages=("en",))


def steps(number: int) -> LoopConfig:
    """A budget in steps on one thread, exactly repeatable."""
    return LoopConfig(
        max_steps=number,
        warmup_steps=5,
        learning_rate=3e-3,
        device="cpu",
        precision="fp32",
        threads=1,
        log_every=5,
    )
