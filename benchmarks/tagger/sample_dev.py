"""What a short training on the sample gives on dev sets: settings of the default run are chosen so.

    python -m benchmarks.tagger.sample_dev ENCODER --set max_steps=120 --set freeze_layers=3 …

Trains on the sample's English training part, chooses weights on its English dev part, and scores
the first sentences of dev parts of other corpora in ../shared/data: CoNLL English, German, Spanish
and Dutch, MasakhaNER Hausa, Yoruba and Swahili. The sample's test parts are not read. ``--set`` is
an option of the section ``train``. Prints F1 (PER, LOC, ORG), processor seconds of the training.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import fmean

from benchmarks.project.corpora import DATA
from benchmarks.tagger.common import f1
from pipeline.config import DataSource
from pipeline.formats import read_labelled
from pipeline.schema import Sentence
from stages.tagger.labels import LabelSet
from stages.tagger.tagger import Tagger
from stages.train.data import TrainingSentence
from stages.train.launch import options_of
from stages.train.recipe import head_fields
from stages.train.training import train_tagger

SAMPLE = Path(__file__).resolve().parents[2] / "artifacts/sample/en"
TYPES = ["LOC", "ORG", "PER"]
SETS = {
    "conll/en": ("en", 250),
    "masakhaner2/hau": ("ha", 250),
    "masakhaner2/yor": ("yo", 250),
    "masakhaner2/swa": ("sw", 200),
    "conll/de": ("de", 200),
    "conll/es": ("es", 200),
    "conll/nl": ("nl", 200),
}
"""Language and number of sentences by folder of ``ner/``."""


def read(path: Path, lang: str, limit: int | None = None) -> list[Sentence]:
    """Return the first sentences of a labelled file that have words."""
    stream = read_labelled(DataSource(path=str(path)), lang, path=path)
    return [s for s in islice(stream, limit) if s.words]


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    options = options_of(["fusion=none", "checkpoint_steps=0", *given.set], has_dev=True)
    dev = read(SAMPLE / "dev.conll", "en")
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        result = train_tagger(
            options,
            [
                TrainingSentence(s.words, s.spans, id=s.id)
                for s in read(SAMPLE / "train.conll", "en")
            ],
            [(s.words, s.spans) for s in dev],
            Path(folder) / "tagger",
            Path(folder) / "work",
            encoder=given.encoder,
            labels=LabelSet.of_types(TYPES).names,
            seed=given.seed,
            head=head_fields(options, fused=options.fusion != "none"),
        )
        seconds = time.process_time() - begin
        tagger = Tagger.from_pretrained(Path(folder) / "tagger")
        found = {
            name: f1(tagger, read(given.data / "ner" / name / "dev.txt", lang, limit))
            for name, (lang, limit) in SETS.items()
        }
    curve = [f"{100 * e['eval_f1']:.1f}" for e in result.history if "eval_f1" in e]
    print(f"{' '.join(given.set)}: rate {result.learning_rate:g}, {seconds:.0f} processor seconds")
    print(f"  sample dev {' '.join(curve)}; {', '.join(f'{k} {v:.1f}' for k, v in found.items())}")
    print(f"  mean of the {len(found)} dev sets {fmean(found.values()):.1f}")


if __name__ == "__main__":
    main()
