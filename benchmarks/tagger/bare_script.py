"""What an encoder gives under a bare Transformers script, on a run's sentences, beside the run.

    python -m benchmarks.tagger.bare_script artifacts/runs/deepl [--updates 300] [--seeds 13 14 15]

Transformers' `Trainer` on `AutoModelForTokenClassification`, as its `run_ner` example has it: the
first subword of a word bears its label, 32 sentences an update, warm-up over the first tenth, then
a linear fall. The learning rate is the best of several on the source dev set (one seed); then as
many seeds as asked for. Tests are scored by seqeval, as the run's own `zero_shot` beside them is.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from pipeline.artifacts import RunFolder
from pipeline.formats.schemes import tags_from_spans
from pipeline.schema import spans_of
from pipeline.stage import Ref

Rows = list[tuple[list[str], list[str]]]


def sentences(run: RunFolder, stage: str, unit: str) -> Rows:
    """Words and IOB2 tags that a stage of the run wrote."""
    made = run.artifact(Ref(stage, unit))
    if made is None:
        raise SystemExit(f"{run.path}: no {stage}/{unit}")
    return [(r["words"], tags_from_spans(spans_of(r), len(r["words"]))) for r in made.rows()]


class Bare:
    """The script: an encoder, its tokenizer, and the run's sentences in subwords."""

    def __init__(self, encoder: Path, train: Rows, updates: int, precision: str) -> None:
        from transformers import AutoTokenizer

        self._encoder, self._updates, self._precision = encoder, updates, precision
        self._tokenizer = AutoTokenizer.from_pretrained(encoder)
        self._labels = sorted({tag for _, tags in train for tag in tags})
        self._train = self._encoded(train)

    def _encoded(self, rows: Rows) -> list[dict[str, list[int]]]:
        made = []
        for words, tags in rows:
            found = self._tokenizer(
                words, is_split_into_words=True, truncation=True, max_length=512
            )
            ids = found.word_ids()
            firsts = [k for k, w in enumerate(ids) if w is not None and w != ids[k - 1]]
            labels = [-100] * len(ids)
            for k in firsts:
                labels[k] = self._labels.index(tags[ids[k]])
            made.append({"input_ids": found["input_ids"], "labels": labels})
        return made

    def trained(self, rate: float, seed: int) -> Any:
        """A trainer that has trained."""
        import torch
        from transformers import (
            AutoModelForTokenClassification,
            DataCollatorForTokenClassification,
            Trainer,
            TrainingArguments,
            set_seed,
        )

        set_seed(seed)
        names = dict(enumerate(self._labels))
        model = AutoModelForTokenClassification.from_pretrained(
            self._encoder, id2label=names, label2id={v: k for k, v in names.items()},
            dtype=torch.float32,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as work:
            trainer = Trainer(
                model,
                TrainingArguments(
                    work,
                    max_steps=self._updates,
                    per_device_train_batch_size=32,
                    per_device_eval_batch_size=32,
                    learning_rate=rate,
                    warmup_steps=self._updates // 10,
                    weight_decay=0.01,
                    save_strategy="no",
                    logging_strategy="no",
                    report_to=[],
                    disable_tqdm=True,
                    use_cpu=not torch.cuda.is_available(),
                    bf16=self._precision == "bfloat16",
                    seed=seed,
                ),
                train_dataset=self._train,  # type: ignore[arg-type]  # a list serves
                data_collator=DataCollatorForTokenClassification(self._tokenizer),
            )
            trainer.train()
        return trainer

    def score(self, trainer: Any, rows: Rows) -> float:
        """Strict F1 of spans; words behind the model's longest input are tagged `O`."""
        from seqeval.metrics import f1_score
        from seqeval.scheme import IOB2

        encoded = [
            {**row, "labels": [0 if x != -100 else x for x in row["labels"]]}
            for row in self._encoded([(words, [self._labels[0]] * len(words)) for words, _ in rows])
        ]
        best = trainer.predict(encoded)
        gold, found = [], []
        for (_, tags), logits, label in zip(rows, best.predictions, best.label_ids, strict=True):
            said = [self._labels[int(k)] for k in logits.argmax(-1)[label != -100]]
            gold.append(tags)
            found.append(said + ["O"] * (len(tags) - len(said)))
        return 100 * float(f1_score(gold, found, mode="strict", scheme=IOB2))


def main() -> None:
    """Choose the rate, train with each seed, and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--encoder", type=Path, default=Path("artifacts/models/encoder"))
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--rates", type=float, nargs="+", default=[5e-5, 1e-4, 2e-4, 4e-4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[13, 14, 15])
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    given = parser.parse_args()
    run = RunFolder(given.run)
    config = json.loads((given.run / "config.json").read_text(encoding="utf-8"))
    source, targets = config["source"], config["languages"]
    bare = Bare(
        given.encoder, sentences(run, "prepare", f"train/{source}"), given.updates, given.precision
    )
    dev = sentences(run, "prepare", f"dev/{source}")
    tests = {lang: sentences(run, "prepare", f"test/{lang}") for lang in targets}
    trainers = {rate: bare.trained(rate, given.seeds[0]) for rate in given.rates}
    scores = {rate: bare.score(trainer, dev) for rate, trainer in trainers.items()}
    for rate, score in scores.items():
        print(f"learning rate {rate:g}: {score:.1f} on {source} dev", flush=True)
    rate = max(scores, key=lambda r: scores[r])
    print(f"chosen: {rate:g}\n\n| seed |", " | ".join(targets), "| mean |")
    table = []
    for seed in given.seeds:
        trainer = trainers[rate] if seed == given.seeds[0] else bare.trained(rate, seed)
        found = [bare.score(trainer, rows) for rows in tests.values()]
        table.append([*found, statistics.mean(found)])
        print(f"| {seed} |", " | ".join(f"{x:.1f}" for x in table[-1]), "|", flush=True)
    columns = [(statistics.mean(c), statistics.stdev(c)) for c in zip(*table, strict=True)]
    print("| mean |", " | ".join(f"{m:.1f} ± {s:.1f}" for m, s in columns), "|")


if __name__ == "__main__":
    main()
