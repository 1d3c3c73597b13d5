"""The same tagger trained on our projection and on T-Projection's labels of the same translations.

    python -m benchmarks.project.downstream --encoder ENCODER [--seeds 3] [--languages swa,hau,yor]
    python -m benchmarks.project.downstream --encoder ENCODER --subset 300 --seeds 1 --languages swa

The sentences are NLLB's translations of CoNLL-2003 English train
(``projected/t-projection-conll``), paired with the English sentences they translate
(:mod:`benchmarks.project.conll_translations`). *Ours*: the English gold labels, links by
``align_words`` over these pairs alone, and the default projection; the labels in the files are not
read. *Theirs*: the labels in the files. Both taggers see the same sentences in the same order, with
the same options and seeds, and are scored on the test set of MasakhaNER 2.0, where DATE counts as
no entity (CoNLL has none). Weights are those after the last update: no labels of the target
language choose anything.

Our decisions drop spans and sentences as in a run; a sentence that ours drops stays in theirs.
``--same-sentences`` trains both on the sentences that ours keeps.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.project.conll_translations import LANGUAGES, Matched, load
from benchmarks.project.corpora import DATA, load_links
from benchmarks.project.labels import labels_of
from benchmarks.project.linking import link
from pipeline.config import DataSource, apply_override
from pipeline.formats import read_labelled
from pipeline.schema import Sentence, Span
from stages.project.batch import LabelledPair

TYPES = ("LOC", "ORG", "PER")
Labelled = list[tuple[list[str], list[Span]]]


def project(matched: Matched, links: Path) -> tuple[Labelled, list[bool]]:
    """Return our labels for the translations, and which sentences the default filters keep."""
    pairs = [
        LabelledPair(s.words, s.spans, t.words, x, id=s.id)
        for s, t, x in zip(matched.source, matched.target, load_links(links), strict=True)
    ]
    found = labels_of(pairs)
    out = [(list(pair.words), spans) for pair, (_, spans) in zip(pairs, found, strict=True)]
    return out, [kept for kept, _ in found]


def without_dates(sentences: Sequence[Sentence]) -> Labelled:
    """Return words and the spans of the three types."""
    return [(s.words, [x for x in s.spans if x.type in TYPES]) for s in sentences]


def agreement(ours: Labelled, theirs: Labelled) -> float:
    """Return F1 of one labelling against the other, in percent."""
    from stages.tagger.labels import span_f1

    return 100 * span_f1([s for _, s in ours], [s for _, s in theirs])["f1"]


def train_and_score(
    sentences: Labelled, test: Labelled, encoder: str, seed: int, options: dict[str, Any]
) -> float:
    """Train one tagger; return its F1 on ``test`` in percent."""
    from stages.tagger.labels import LabelSet, span_f1
    from stages.tagger.tagger import Tagger
    from stages.train.config import TrainConfig
    from stages.train.data import TrainingSentence
    from stages.train.recipe import head_fields
    from stages.train.training import train_tagger

    chosen = TrainConfig(select="last", **options)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "tagger")
        train_tagger(
            chosen,
            (
                TrainingSentence(words, spans, id=str(k))
                for k, (words, spans) in enumerate(sentences)
            ),
            [],
            folder,
            Path(scratch, "work"),
            encoder=encoder,
            labels=LabelSet.of_types(list(TYPES)).names,
            seed=seed,
            head=head_fields(chosen, fused=chosen.fusion != "none"),
        )
        found = Tagger.from_pretrained(folder).predict([words for words, _ in test])
    return 100 * span_f1(found, [spans for _, spans in test])["f1"]


def compare(lang: str, options: argparse.Namespace, training: dict[str, Any]) -> list[float]:
    """Print what both labellings give for a language; return the differences, one per seed."""
    begin = time.time()
    matched = load(lang, options.data, subset=options.subset)
    print(
        f"{lang}: {len(matched.source)} pairs; of the whole file {matched.missing} English "
        f"sentences have no translation, {matched.uncertain} translations no certain place",
        flush=True,
    )
    links = options.links / f"{lang}.{len(matched.source)}.{options.aligner}.links"
    if not links.exists():
        options.links.mkdir(parents=True, exist_ok=True)
        pairs = ((s.words, t.words) for s, t in zip(matched.source, matched.target, strict=True))
        link(pairs, lang, links, options.aligner, options.parallel)
    ours, kept = project(matched, links)
    theirs = without_dates(matched.target)
    if options.same_sentences:
        theirs = [x for x, k in zip(theirs, kept, strict=True) if k]
    ours = [x for x, k in zip(ours, kept, strict=True) if k]
    print(
        f"  ours {len(ours)} sentences, {sum(len(s) for _, s in ours)} spans; "
        f"theirs {len(theirs)}, {sum(len(s) for _, s in theirs)}"
        + (f"; agreement F1 {agreement(ours, theirs):.1f}" if len(ours) == len(theirs) else "")
        + f"; {time.time() - begin:.0f} s",
        flush=True,
    )
    file = options.data / f"ner/masakhaner2/{lang}/test.txt"
    test = without_dates(list(read_labelled(DataSource(), lang, path=file)))[: options.test_subset]
    scores: dict[str, list[float]] = {"ours": [], "T-Projection": []}
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for name, sentences in (("ours", ours), ("T-Projection", theirs)):
            start = time.time()
            scores[name].append(train_and_score(sentences, test, options.encoder, seed, training))
            print(
                f"  seed {seed} {name:<13} {scores[name][-1]:6.2f}  {time.time() - start:.0f} s",
                flush=True,
            )
    for name, values in scores.items():
        print(f"  {name:<13} {_spread(values)}")
    differences = [a - b for a, b in zip(scores["ours"], scores["T-Projection"], strict=True)]
    print(f"  difference    {_spread(differences)}", flush=True)
    return differences


def _spread(values: Sequence[float]) -> str:
    deviation = f"{statistics.stdev(values):.2f}" if len(values) > 1 else "–"
    return f"mean {statistics.mean(values):6.2f}  sd {deviation}  over {len(values)} seeds"


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", required=True, help="folder or hub id")
    parser.add_argument("--languages", default=",".join(LANGUAGES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=13)
    parser.add_argument("--subset", type=int, default=None, help="train on the first N pairs only")
    parser.add_argument("--test-subset", type=int, default=None, help="score on the first N")
    parser.add_argument("--aligner", default="auto")
    parser.add_argument("--parallel", action="append", default=[], help="see align_words")
    parser.add_argument("--links", type=Path, default=Path("downstream-links"), help="cache")
    parser.add_argument("--same-sentences", action="store_true")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="an option of train"
    )
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    training: dict[str, Any] = {}
    for override in options.set:
        apply_override(training, override)
    everything: list[list[float]] = []
    for lang in options.languages.split(","):
        everything.append(compare(lang, options, training))
    if len(everything) > 1:
        means = [statistics.mean(x) for x in zip(*everything, strict=True)]
        print(f"mean of {options.languages}: difference {_spread(means)}")


if __name__ == "__main__":
    main()
