"""Trains one tagger from files, alone or in several processes.

    accelerate launch --num_processes 4 -m stages.train.launch \
        --encoder bert-base-multilingual-cased --train train.conll --dev dev.conll \
        --out tagger --set max_steps=2000

A run trains in one process; this is the way to several GPUs (or, with ``--cpu``, processes). Each
process takes ``batch_size`` sentences of an update; the loss is that of all of them together.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.config import DataSource, apply_override
from pipeline.errors import XlnerError
from pipeline.explain import read_as
from stages.train.config import TrainConfig
from stages.train.recipe import head_fields


def main(arguments: Sequence[str] | None = None) -> None:
    """Train; leaves with the exit code of an error and its message."""
    try:
        _train(_parse(arguments))
    except XlnerError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m stages.train.launch", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("--encoder", required=True, help="folder or hub id")
    parser.add_argument("--train", type=Path, required=True, help="labelled sentences, any format")
    parser.add_argument("--dev", type=Path, help="labelled sentences to choose the weights on")
    parser.add_argument("--lang", default="en", help="their language")
    parser.add_argument("--out", type=Path, required=True, help="folder of the tagger")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the section train: learning_rate=3e-5, fusion=none …",
    )
    return parser.parse_args(arguments)


def _train(given: argparse.Namespace) -> None:
    options = options_of(given.set, given.dev is not None)

    from stages.tagger.labels import LabelSet
    from stages.train.data import TrainingSentence
    from stages.train.training import train_tagger

    train = _read(given.train, given.lang)
    dev = _read(given.dev, given.lang) if given.dev is not None else []
    types = sorted({span.type for sentence in train for span in sentence.spans})
    train_tagger(
        options,
        (TrainingSentence(s.words, s.spans, id=s.id) for s in train),
        [(s.words, s.spans) for s in dev],
        given.out,
        given.out.with_name(given.out.name + ".work"),
        encoder=given.encoder,
        labels=LabelSet.of_types(types).names,
        seed=given.seed,
        head=head_fields(options, fused=options.fusion != "none"),
        provenance={
            "encoder": Path(given.encoder).name if Path(given.encoder).is_dir() else given.encoder,
            "source": given.lang,
            "languages": [given.lang],
            "data": {"train": f"{len(train)} sentences", "dev": f"{len(dev)} sentences"},
        },
    )


def options_of(overrides: Sequence[str], has_dev: bool) -> Any:
    """Return the section ``train`` that ``key=value`` settings make.

    Raises:
        ConfigError: If one is unknown or does not fit.
    """
    values: dict[str, Any] = {} if has_dev else {"select": "last"}
    for override in overrides:
        apply_override(values, override)
    return read_as(TrainConfig, values, lambda key: f"--set {key}")


def _read(path: Path, lang: str) -> list[Any]:
    from pipeline.formats import read_labelled

    return [s for s in read_labelled(DataSource(path=str(path)), lang, path=path) if s.words]


if __name__ == "__main__":
    main()
