"""Writes a run's projected labels with the doubted ones set apart, as rivals to train on.

    python -m benchmarks.inspect.cleaner_silver RUN OUT [--least 0.9]

Confident learning (Northcutt et al. 2021; :mod:`stages.inspect.out_of_sample`) names the kept spans
that a classifier of the other sentences does not believe in. ``OUT/<lang>.tsv`` holds the sentences
of ``project/<lang>`` in their order, in CoNLL's two columns; a doubted span has the type ``DOUBT``.
A run that names the file as a rival, with ``labels.ignore: [DOUBT]``, trains on what is left: see
docs/notes/2026-11-28-outside.md.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from pipeline.artifacts import RunFolder
from pipeline.schema import Span
from stages.inspect.out_of_sample import OutOfSample, WordStates
from stages.inspect.reading import languages, views
from stages.inspect.view import View
from stages.tagger.labels import LabelSet

ENCODER = Path(__file__).resolve().parents[2] / "artifacts" / "models" / "encoder"
DOUBT = "DOUBT"


def cleaned(view: View, least: float) -> list[Span]:
    """Return the kept spans of a sentence; doubted ones have the type :data:`DOUBT`."""
    return [
        replace(item.span, type=DOUBT) if view.unlikely.get(index, 0.0) >= least else item.span
        for index, item in enumerate(view.spans)
        if item.kept
    ]


def main() -> None:
    """Write one file per language, and print how many spans of it are doubted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--encoder", type=Path, default=ENCODER)
    parser.add_argument("--least", type=float, default=0.9, help="doubt of spans to set apart")
    options = parser.parse_args()
    run = RunFolder(options.run)
    options.out.mkdir(parents=True, exist_ok=True)
    states = WordStates(options.encoder)
    for lang in languages(run):
        found = list(views(run, "project", lang))
        learnt = OutOfSample.learn(found, states)
        if learnt is None:
            raise SystemExit(f"{options.run}: too few labelled sentences of {lang}")
        spans = [cleaned(view, options.least) for view in learnt.judged(found)]
        labels = LabelSet.of_types(sorted({s.type for mine in spans for s in mine}))
        with (options.out / f"{lang}.tsv").open("w", encoding="utf-8") as file:
            for view, mine in zip(found, spans, strict=True):
                tags = [labels.names[i] for i in labels.encode(mine, len(view.words))]
                file.writelines(f"{w}\t{t}\n" for w, t in zip(view.words, tags, strict=True))
                file.write("\n")
        doubted = sum(s.type == DOUBT for mine in spans for s in mine)
        print(f"{lang}: {doubted} of {sum(map(len, spans))} kept spans doubted", flush=True)


if __name__ == "__main__":
    main()
