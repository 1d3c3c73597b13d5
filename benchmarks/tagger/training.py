"""Training through the Trainer against a bare loop of the same model and batches.

python benchmarks/tagger/training.py ../shared/data/ner/conll/en/train.txt

Twice: as it is, building the model and what is done once included; and for an update alone, by the
difference to a training of two updates.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

from common import alternate, arguments, label_set, random_encoder, read_sentences, show


def main() -> None:
    """Measure and print."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    args = parser.parse_args()

    import torch
    from rich.console import Console
    from transformers import get_linear_schedule_with_warmup

    from pipeline.progress import Progress
    from stages.quiet import quiet
    from stages.tagger.encoding import WordEncoder, load_tokenizer
    from stages.tagger.modeling import LayerFusedForTokenClassification
    from stages.train.config import TrainConfig
    from stages.train.data import TrainingSentence, TrainingSet, plan_batches
    from stages.train.trainer import TaggerTrainer

    if args.threads:
        torch.set_num_threads(args.threads)
    sentences = read_sentences(args.data, args.sentences)
    labels = label_set(sentences)
    encoder = args.encoder or random_encoder(args.work, sentences, args.layers, args.width)
    words = WordEncoder(load_tokenizer(encoder), 256)
    data = TrainingSet.build((TrainingSentence(s.words, s.spans) for s in sentences), words, labels)
    some = TrainConfig(
        max_steps=args.steps,
        batch_size=args.batch_size,
        select="last",
        precision=args.precision,
        checkpoint_steps=0,
        learning_rate=5e-5,
        layer_decay=1.0,
    )

    def model() -> LayerFusedForTokenClassification:
        torch.manual_seed(1)
        with quiet():
            return LayerFusedForTokenClassification.from_encoder(
                encoder, labels.names, fusion="dlfa_aif", fusion_layer=-3
            )

    def bare(steps: int) -> None:
        net = model().train()
        optimizer = torch.optim.AdamW(net.parameters(), lr=5e-5, weight_decay=0.01, fused=True)
        scheduler = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
        bf16 = args.precision == "bfloat16"
        for chosen in plan_batches(data.lengths, args.batch_size, steps, 1):
            batch = data.batch(chosen)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = net(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()

    def trained(steps: int) -> None:
        options = some.model_copy(update={"max_steps": steps})
        work = Path(tempfile.mkdtemp())
        net = model()
        trainer = TaggerTrainer(net, data, None, options, work, seed=1)
        trainer.run(Progress(Console(file=io.StringIO())))
        shutil.rmtree(work)

    times = alternate(
        {
            "bare loop": lambda: bare(args.steps),
            "Trainer": lambda: trained(args.steps),
            "bare loop, 2": lambda: bare(2),
            "Trainer, 2": lambda: trained(2),
        },
        args.runs,
        args.clock,
    )
    updates = {
        name: [a - b for a, b in zip(times[name], times[f"{name}, 2"], strict=True)]
        for name in ("bare loop", "Trainer")
    }
    print(
        f"{args.steps} updates of {args.batch_size} sentences, {args.precision}, "
        f"torch threads {torch.get_num_threads()}; model building included in both"
    )
    show(times, args.steps * args.batch_size, "sentences", "bare loop")
    print(f"\nwithout what is done once ({args.steps - 2} updates)")
    show(updates, (args.steps - 2) * args.batch_size, "sentences", "bare loop")


if __name__ == "__main__":
    main()
