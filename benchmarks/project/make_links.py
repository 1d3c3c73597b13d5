"""Links for the projection benchmarks: by the project's own aligners, or by eflomal.

    python -m benchmarks.project.make_links OUT_DIR --aligner auto [--parallel]

writes ``<corpus>.<aligner>.links`` by ``align_words``, learnt from the corpus alone (German to
Spanish as well), or ``<corpus>.<aligner>-text.links``, learnt from all of Tatoeba as well.

    pip install eflomal
    python -m benchmarks.project.make_links OUT_DIR [--extra 120000]

takes eflomal as an external tool: three granularities (lower-cased words, the first five and the
first four letters without diacritics), both directions, several samples; the share of runs that has
a link is its probability. Writes ``<corpus>.own.links`` (trained on the corpus alone) and, with
``--extra N``, ``<corpus>.big.links`` (trained with N Tatoeba pairs as well).
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.project.corpora import CORPORA, DATA, languages, load_corpus
from benchmarks.project.linking import link

TATOEBA = {"de": "deu", "es": "spa"}
Pairs = list[tuple[list[str], list[str]]]


def tatoeba(lang: str, limit: int, data: Path) -> Pairs:
    """Return sentence pairs in a random but fixed order."""
    archive = zipfile.ZipFile(data / f"parallel/tatoeba/eng-{TATOEBA[lang]}.zip")
    name = next(n for n in archive.namelist() if n.endswith(".txt") and not n.startswith("_"))
    lines = archive.read(name).decode("utf-8").splitlines()
    random.Random(1).shuffle(lines)
    cut = [[re.findall(r"\w+(?:['’]\w+)?|[^\w\s]", t) for t in x.split("\t")[:2]] for x in lines]
    return [(x[0], x[1]) for x in cut[:limit] if x[0] and x[1]]


def granularities() -> list[Callable[[str], str]]:
    """Return the ways to write a word."""

    def stem(size: int) -> Callable[[str], str]:
        def cut(word: str) -> str:
            plain = unicodedata.normalize("NFKD", word.lower())
            return "".join(c for c in plain if not unicodedata.combining(c))[:size] or word

        return cut

    return [str.lower, stem(5), stem(4)]


def align(pairs: Pairs, first: int, samples: int) -> list[Counter[tuple[int, int]]]:
    """Return, for the first pairs, how many of the runs have each link."""
    import eflomal

    found: list[Counter[tuple[int, int]]] = [Counter() for _ in range(first)]
    for write in granularities():
        left, right = (
            [" ".join(write(w).replace(" ", "_") for w in p[side]) for p in pairs]
            for side in (0, 1)
        )
        for _ in range(samples):
            with tempfile.TemporaryDirectory() as folder:
                files = [str(Path(folder, f)) for f in ("forward", "reverse")]
                eflomal.Aligner(n_samplers=1).align(
                    left, right, links_filename_fwd=files[0], links_filename_rev=files[1]
                )
                for file in files:
                    with Path(file).open() as lines:
                        for row, line in zip(found, lines, strict=False):
                            row.update(tuple(map(int, x.split("-"))) for x in line.split())  # type: ignore[misc]
    return found


def write_links(found: Sequence[Counter[tuple[int, int]]], runs: int, path: Path) -> None:
    """Write the share of runs per link."""
    lines = (" ".join(f"{i}-{j}:{n / runs:.4f}" for (i, j), n in sorted(x.items())) for x in found)
    path.write_text("".join(line + "\n" for line in lines))


def main() -> None:
    """Align the gold corpora."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--aligner", default="eflomal", help="eflomal, or one of align_words")
    parser.add_argument("--parallel", action="store_true", help="learn from Tatoeba as well")
    parser.add_argument("--extra", type=int, default=0, help="Tatoeba pairs to train with")
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    runs = len(granularities()) * 2 * options.samples
    more_text = options.extra or options.parallel
    for name in CORPORA if more_text else [*CORPORA, "europarl-de-es"]:
        source, lang = languages(name)
        corpus = load_corpus(name, options.data)
        own = [(s.words, t.words) for s, t in zip(corpus.source, corpus.target, strict=True)]
        if options.aligner != "eflomal":
            kind = options.aligner + ("-text" if options.parallel else "")
            file = options.data / f"parallel/tatoeba/eng-{TATOEBA[lang]}.zip"
            text = [str(file)] if options.parallel else []
            out = options.out / f"{name}.{kind}.links"
            link(own, lang, out, options.aligner, text, source)
            continue
        more = tatoeba(lang, options.extra, options.data) if options.extra else []
        kind = "big" if more else "own"
        found = align(own + more, len(own), options.samples)
        write_links(found, runs, options.out / f"{name}.{kind}.links")
        print(f"{name}: {len(own)} pairs, trained with {len(more)} more")


if __name__ == "__main__":
    main()
