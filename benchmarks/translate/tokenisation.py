"""How often text is split into the words that a corpus has: ours, Moses and spaCy.

The gold words of a corpus are joined into text (by our ``detokenise`` for all) and split again.
Prints the share of sentences that come out identical, recall and precision of the words, and
sentences per second.

    python benchmarks/translate/tokenisation.py de=conll/de/test.txt sw=masakhaner2/swa/test.txt
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+", metavar="LANG=FILE", help="CoNLL files")
    parser.add_argument("--limit", type=int, default=2500, help="sentences per corpus")
    arguments = parser.parse_args()

    from stages.tokenise import detokenise

    print(
        f"{'':4}{'':8}{'sentences':>10}{'identical':>10}{'recall':>8}{'precision':>10}{'per s':>9}"
    )
    for corpus in arguments.corpora:
        lang, _, path = corpus.partition("=")
        gold = read(Path(path))[: arguments.limit]
        texts = [detokenise(words, lang) for words in gold]
        for name, split in splitters(lang).items():
            start = time.perf_counter()
            found = [split(text) for text in texts]
            seconds = time.perf_counter() - start
            same = sum(a == b for a, b in zip(gold, found, strict=True)) / len(gold)
            recall, precision = agreement(gold, found)
            print(
                f"{lang:4}{name:8}{len(gold):10}{same:10.3f}{recall:8.4f}{precision:10.4f}"
                f"{len(gold) / seconds:9.0f}"
            )


def read(path: Path) -> list[list[str]]:
    """Return the words of each sentence of a CoNLL file (word first, tag last)."""
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    return [[x.rsplit(" ", 1)[0] for x in b.split("\n") if x.strip()] for b in blocks if b.strip()]


def splitters(lang: str) -> dict[str, Callable[[str], list[str]]]:
    from sacremoses import MosesTokenizer

    from stages.tokenise import tokenise

    moses = MosesTokenizer(lang)
    found: dict[str, Callable[[str], list[str]]] = {
        "ours": lambda text: tokenise(text, lang),
        "moses": lambda text: list(moses.tokenize(text, escape=False)),
    }
    try:
        import spacy
    except ImportError:  # a peer, not needed otherwise
        return found
    try:
        blank = spacy.blank(lang)
    except ImportError:
        blank = spacy.blank("xx")
    found["spacy"] = lambda text: [t.text for t in blank.tokenizer(text) if not t.is_space]
    return found


def agreement(gold: list[list[str]], found: list[list[str]]) -> tuple[float, float]:
    """Return recall and precision of words, as ranges of the characters without spaces."""
    both = of_gold = of_found = 0
    for a, b in zip(gold, found, strict=True):
        one, two = ranges(a), ranges(b)
        both += len(one & two)
        of_gold += len(one)
        of_found += len(two)
    return both / of_gold, both / of_found


def ranges(words: list[str]) -> set[tuple[int, int]]:
    found, position = set(), 0
    for word in words:
        found.add((position, position + len(word)))
        position += len(word)
    return found


if __name__ == "__main__":
    main()
