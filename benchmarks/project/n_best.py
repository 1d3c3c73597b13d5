"""Several translations of a sentence: is the one that labels project best on to a better one?

    PYTHONPATH=. python benchmarks/project/n_best.py es de [--sentences 400]

The first training sentences of CoNLL with entities are translated by the translator that ships,
four hypotheses each, and their labels projected on to all of them (statistical links of these pairs
alone). DeepL's translation of the same sentence (Easy-Label-Projection's files, with the labels of
awesome-align) is the measure: chrF, and F1 of the labelled strings, where a projected entity is
right if DeepL's sentence has the same string with the same type.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.project.corpora import load_links
from benchmarks.project.judged import TRANSLATOR
from benchmarks.project.linking import link
from benchmarks.project.pair_filters import Labelled, chrf, read
from pipeline.schema import Span
from stages.project.batch import Batch, LabelledPair
from stages.project.build import project_batches
from stages.project.config import FilterConfig, ProjectConfig
from stages.project.decide import best_translations
from stages.tokenise import detokenise, tokenise
from stages.translate.decoding import DecodingConfig
from stages.translate.translator import Translator

HYPOTHESES = 4
Row = dict[str, Any]


def projected(source: Sequence[Labelled], lang: str, model: Path) -> list[Row]:
    """Return a row for each hypothesis of each sentence, with what is kept of its labels."""
    options = DecodingConfig(beam_size=HYPOTHESES, num_hypotheses=HYPOTHESES)
    translator = Translator(model, "en", lang, options)
    found = translator.translate([detokenise(s.words, "en") for s in source])
    rows: list[Row] = []
    for number, hypotheses in enumerate(found):
        for hypothesis in hypotheses:
            words = tokenise(hypothesis.text, lang) if hypothesis.reason is None else []
            if words:
                rows.append({"source_id": number, "words": words, "kept": True, "reason": None})
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "links")
        pairs = [(source[r["source_id"]].words, r["words"]) for r in rows]
        link(pairs, lang, out, "statistical")
        links = load_links(out)
    batch = Batch.from_pairs(
        LabelledPair(
            source[row["source_id"]].words,
            [Span(s["start"], s["end"], s["type"]) for s in source[row["source_id"]].spans],
            row["words"],
            mine,
            id=str(number),
        )
        for number, (row, mine) in enumerate(zip(rows, links, strict=True))
    )
    least = FilterConfig().value("min_score")
    for row, (spans, _) in zip(rows, project_batches([batch], ProjectConfig()), strict=True):
        row["spans"] = [s for s in spans if s["score"] >= least]
    return rows


def strings(words: Sequence[str], spans: Sequence[Row]) -> Counter[tuple[str, str]]:
    """Return the labelled strings of a sentence."""
    return Counter((" ".join(words[s["start"] : s["end"]]).casefold(), s["type"]) for s in spans)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("languages", nargs="+")
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--translator", type=Path, default=TRANSLATOR)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/projected/conll-elp"))
    options = parser.parse_args()
    for lang in options.languages:
        source = read(options.data / "original/en/en.conll.train.tsv.xz")
        reference = read(options.data / f"en2{lang}/DeepL.awesome.train.tsv.xz")
        taken = [
            i
            for i, s in enumerate(source)
            if s.spans and len(s.words) >= 5 and not s.words[0].startswith("-DOCSTART")
        ][: options.sentences]
        references = [reference[i] for i in taken]
        rows = projected([source[i] for i in taken], lang, options.translator)
        first = [
            r for n, r in enumerate(rows) if not n or rows[n - 1]["source_id"] != r["source_id"]
        ]
        best = [r for r in best_translations(rows) if r["kept"]]
        for title, chosen in (("the first", first), ("best_translation", best)):
            show(f"{lang} {title}", chosen, references)
        wanted = sum(len(source[taken[r["source_id"]]].spans) for r in first)
        kept = (100 * sum(len(r["spans"]) for r in side) / wanted for side in (first, best))
        print(f"{lang} entities projected: " + ", ".join(f"{k:.1f} %" for k in kept), flush=True)


def show(title: str, chosen: Sequence[Row], references: Sequence[Labelled]) -> None:
    """Print chrF and F1 of the labelled strings."""
    same = ours = theirs = 0
    quality = []
    for row in chosen:
        there = references[row["source_id"]]
        quality.append(chrf(row["words"], there.words))
        one, two = strings(row["words"], row["spans"]), strings(there.words, there.spans)
        same += (one & two).total()
        ours += one.total()
        theirs += two.total()
    print(
        f"{title:<22} {len(chosen)} sentences, chrF {100 * sum(quality) / len(quality):.1f}, "
        f"labelled strings F1 {200 * same / (ours + theirs):.1f}"
    )


if __name__ == "__main__":
    main()
