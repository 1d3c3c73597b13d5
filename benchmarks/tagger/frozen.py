"""What a training with frozen layers costs, with their states kept and without.

    python -m benchmarks.tagger.frozen ENCODER [--freeze 6] [--updates 100] [--runs 3]

CoNLL-2003 English of ../shared/data. Trainings of the same seed take turns: states kept, computed
every time, and with nothing frozen. A first kept training fills the store and is timed by itself;
the others find what it left, as further epochs, seeds and arms do. Processor seconds of whole
trainings; prints ratios of medians and the largest relative difference of a loss between kept and
computed (unless ``--dropout`` is given it is off, so that nothing but rounding differs).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.project.corpora import DATA
from pipeline.config import DataSource
from pipeline.formats import read_labelled
from stages.tagger.labels import LabelSet
from stages.train.config import TrainConfig
from stages.train.data import TrainingSentence
from stages.train.frozen import FrozenPrefix
from stages.train.training import train_tagger


def train(
    given: argparse.Namespace, sentences: list[Any], freeze: int, kept: bool
) -> tuple[float, list[float]]:
    """Return processor seconds and the losses of one training."""
    options = TrainConfig(
        learning_rate=2e-4,
        freeze_layers=freeze,
        max_steps=given.updates,
        dropout=given.dropout,
        select="last",
        checkpoint_steps=0,
    )
    types = sorted({span.type for s in sentences for span in s.spans})
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        same = FrozenPrefix._same
        with mock.patch.object(
            FrozenPrefix, "_same", lambda self, sample: kept and same(self, sample)
        ):
            result = train_tagger(
                options,
                (TrainingSentence(s.words, s.spans, id=s.id) for s in sentences),
                [],
                Path(folder) / "tagger",
                Path(folder) / "work",
                encoder=given.encoder,
                labels=LabelSet.of_types(types).names,
                seed=13,
                head={"fusion": given.fusion, "fusion_layer": -3}
                if given.fusion != "none"
                else None,
            )
        seconds = time.process_time() - begin
    return seconds, [e["loss"] for e in result.history if "loss" in e]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("--freeze", type=int, default=6)
    parser.add_argument("--sentences", type=int, default=640)
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--fusion", default="none")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    path = options.data / "ner/conll/en/train.txt"
    sentences = list(
        islice(read_labelled(DataSource(format="conll"), "en", path=path), options.sentences)
    )

    def once(freeze: int, kept: bool) -> tuple[float, list[float]]:
        return train(options, sentences, freeze, kept)

    first, losses = once(options.freeze, True)
    kept, computed, everything, worst = [], [], [], 0.0
    for _ in range(options.runs):
        kept.append(once(options.freeze, True)[0])
        seconds, others = once(options.freeze, False)
        computed.append(seconds)
        worst = max(worst, *(abs(a - b) / b for a, b in zip(losses, others, strict=True)))
        everything.append(once(0, False)[0])
    print(f"{options.updates} updates of 32, {options.freeze} layers frozen, states kept:")
    for name, base in (("computed every time", computed), ("nothing frozen", everything)):
        ratios = sorted(a / b for a, b in zip(kept, base, strict=True))
        middle = statistics.median(base)
        print(
            f"  {statistics.median(kept) / middle:.2f} of the time of {name} (pairs "
            f"{ratios[0]:.2f} to {ratios[-1]:.2f}); the training that computes them "
            f"{first / middle:.2f}"
        )
    print(f"  largest relative difference of a loss from computed every time: {worst:.1e}")


if __name__ == "__main__":
    main()
