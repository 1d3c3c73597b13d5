"""Alignment error rate in languages and scripts that nothing was chosen on before 2026-11-27.

    python benchmarks/align/languages.py                      # French in other scripts
    python benchmarks/align/languages.py --examples FOLDER    # and Romanian, Japanese, Chinese
    python benchmarks/align/languages.py --pairs 25           # so many pairs at a time

FOLDER is ``examples/`` of the repository neulab/awesome-align: gold links of Romanian, Japanese and
Chinese with English, and that tool's own output. They are turned round, English being the source.
The French side of the 447 Hansards pairs (``alignments/`` beside the checkout) is rewritten letter
by letter, or as Chinese characters, a word staying a word. All learn from the pairs alone, with the
encoder that ships and without a translator. Figures in brackets: first and second half.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.project.rewriting import in_characters, in_cyrillic, without_case
from pipeline.formats import PharaohLine, read_pharaoh
from pipeline.schema import Link
from stages.align.build import build, learn
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.inputs import read_word_pairs
from stages.align.kinds.base import PairsToLearn
from stages.align.kinds.eflomal import eflomal_installed
from stages.align.planning import plan
from stages.align.scoring import score
from stages.word_alignment.aligner import WordPair, asserted
from xlner.commands.shared import quiet_libraries

ROOT = Path(__file__).resolve().parents[2]
HANSARDS = ROOT.parent / "shared" / "data" / "alignments"
EXAMPLES = {"Romanian": "roen", "Japanese": "jaen", "Chinese": "zhen"}
Links = list[list[Link]]


SCRIPTS: dict[str, Callable[[str], str]] = {
    "French": str,
    "French, Cyrillic": in_cyrillic,
    "French, Georgian": without_case,
    "French, characters": lambda word: in_characters(word, random.Random(0))[0],
}


def turned(links: list[Link]) -> list[Link]:
    """Return links from the other side."""
    return [Link(k.target, k.source, k.prob) for k in links]


def corpora(
    examples: Path | None,
) -> Iterator[tuple[str, list[WordPair], list[PharaohLine], Links]]:
    """Yield name, pairs, gold links and what awesome-align made of them (or nothing)."""
    gold = list(read_pharaoh(HANSARDS / "enfr.gold", base=1))
    pairs = read_word_pairs(HANSARDS / "enfr.src-tgt")
    for name, written in SCRIPTS.items():
        yield name, [(a, [written(w) for w in b]) for a, b in pairs], gold, []
    for name, file in EXAMPLES.items() if examples else ():
        assert examples is not None
        own = read_word_pairs(examples / f"{file}.src-tgt")
        read = read_pharaoh(examples / f"{file}.gold", base=1)
        gold = [PharaohLine(turned(x.sure), turned(x.possible)) for x in read]
        theirs = [turned(x.sure) for x in read_pharaoh(examples / f"{file}.awesome-align.out")]
        yield name, [(b, a) for a, b in own], gold, theirs


def align(name: str, pairs: list[WordPair], size: int, encoder: str) -> Links:
    """Align so many pairs at a time, learning from these alone."""
    around = AlignmentContext("en", None, encoder, None)
    planned = plan(AlignConfig.model_validate({"aligner": name}), around)
    links: Links = []
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        with tempfile.TemporaryDirectory() as folder:
            learn(planned, PairsToLearn(lambda p=part: iter(p), lambda: iter(())), Path(folder))
            links += build(planned, Path(folder)).align(part)
    return links


def report(title: str, links: Links, gold: list[PharaohLine], seconds: float = 0.0) -> None:
    """Print a line of the table; in brackets the first and the second half."""
    hard = [asserted(found) for found in links]
    result, half = score(hard, gold), len(gold) // 2
    first, second = (
        100 * score(hard[part], gold[part]).aer for part in (slice(half), slice(half, None))
    )
    print(
        f"{title:52} precision {100 * result.precision:5.1f}  recall {100 * result.recall:5.1f}  "
        f"AER {100 * result.aer:5.2f} ({first:.2f}, {second:.2f})"
        + (f"  {seconds:6.1f} s of processor time" * (seconds > 0)),
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", type=Path, help="awesome-align's folder examples/")
    parser.add_argument("--pairs", type=int, help="align so many pairs at a time, each by itself")
    parser.add_argument("--encoder", default=str(ROOT / "artifacts" / "models" / "encoder"))
    arguments = parser.parse_args()
    quiet_libraries()
    aligners = ["statistical", "simalign", "auto", *(["eflomal"] if eflomal_installed() else [])]
    for corpus, pairs, gold, theirs in corpora(arguments.examples):
        print(f"{corpus}: {len(pairs)} pairs")
        for name in aligners:
            links = align(name, pairs, arguments.pairs or len(pairs), arguments.encoder)
            report(f"{corpus}, {name}", links, gold)
        if theirs:
            report(f"{corpus}, awesome-align", theirs, gold)


if __name__ == "__main__":
    main()
