"""Tagger against transformers' token-classification pipeline; the cost of fusion.

Same model, machine, sentences and decisions. The pipeline gets the same word lists
(``is_split_into_words``) and groups subwords by the first one (``aggregation_strategy="first"``;
its groups are its own, the labels of first subwords are compared before); the tagger decodes
without constraint, as the pipeline does. The pipeline computes in float32, as "tagger, float32"
does; "tagger" in what ``--dtype`` says, by default in bfloat16 where the processor has it.

    python benchmarks/tagger/inference.py ../shared/data/ner/conll/en/test.txt
"""

from __future__ import annotations

import statistics
from itertools import chain

from common import alternate, arguments, label_set, random_encoder, read_sentences, show


def main() -> None:
    """Measure and print."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4, 8, 16, 32, 64])
    parser.add_argument("--train-steps", type=int, default=150, help="so that it finds something")
    parser.add_argument("--dtype", choices=["auto", "float32", "bfloat16"], default="auto")
    parser.add_argument("--fusion-layer", type=int, default=-3)
    args = parser.parse_args()

    import torch
    from transformers import pipeline

    from stages.quiet import quiet
    from stages.tagger.modeling import LayerFusedForTokenClassification
    from stages.tagger.tagger import Tagger
    from stages.train.config import TrainConfig
    from stages.train.data import TrainingSentence
    from stages.train.training import train_tagger

    if args.threads:
        torch.set_num_threads(args.threads)
    sentences = read_sentences(args.data, args.sentences)
    labels = label_set(sentences)
    encoder = args.encoder or random_encoder(args.work, sentences, args.layers, args.width)
    folder = args.work / f"tagger-{args.layers}x{args.width}"
    if args.encoder or not (folder / "training.json").exists():
        train_tagger(
            TrainConfig(max_steps=args.train_steps, select="last", learning_rate=5e-4),
            [TrainingSentence(s.words, s.spans) for s in sentences],
            [],
            folder,
            folder.with_suffix(".work"),
            encoder=encoder,
            labels=labels.names,
            seed=1,
            head={"fusion": "dlfa_aif", "fusion_layer": args.fusion_layer},
        )
    words = [s.words for s in sentences]
    exact = Tagger.from_pretrained(folder, constrained=False, dtype="float32")
    tagger = Tagger.from_pretrained(folder, constrained=False, dtype=args.dtype)
    pipe = pipeline(
        "token-classification",
        model=tagger.model,
        tokenizer=tagger.encoder.tokenizer,
        aggregation_strategy="first",
        device=-1,
    )

    def piped(batch_size: int) -> list[list[dict[str, object]]]:
        return pipe(words, is_split_into_words=True, batch_size=batch_size)

    by_subword = pipeline(
        "token-classification",
        model=tagger.model,
        tokenizer=tagger.encoder.tokenizer,
        aggregation_strategy="none",
        ignore_labels=[],
        device=-1,
    )
    theirs = decisions(words, by_subword(words, is_split_into_words=True, batch_size=16))
    ours = [[labels.names[i] for i in d.argmax(1)] for d in exact.distributions(words)]
    same = sum(a == b for a, b in zip(chain(*ours), chain(*theirs), strict=True))
    total = sum(map(len, words))
    exactly, found = (
        {(i, s.start, s.end, s.type) for i, p in enumerate(t.predict(words)) for s in p}
        for t in (exact, tagger)
    )
    print(
        f"{len(words)} sentences, {sum(map(len, words))} words; torch threads "
        f"{torch.get_num_threads()}; {tagger.model.num_parameters() / 1e6:.1f}M parameters"
    )
    print(f"words with the same label: {same} of {total}")
    print(
        f"entities found: {len(exactly)} in float32, {len(found)} in {args.dtype}, "
        f"{len(exactly & found)} the same\n"
    )

    sizes = alternate({str(n): (lambda n=n: piped(n)) for n in args.batch_sizes}, 1, args.clock)
    best = int(min(sizes, key=lambda n: statistics.median(sizes[n])))
    listing = ", ".join(f"{n}: {t[0]:.2f} s" for n, t in sizes.items())
    print(f"pipeline by batch size: {listing}\n")
    times = alternate(
        {
            "tagger": lambda: tagger.predict(words),
            "tagger, float32": lambda: exact.predict(words),
            "pipeline, default call": lambda: piped(1),
            f"pipeline, batch size {best}": lambda: piped(best),
        },
        args.runs,
        args.clock,
    )
    show(times, len(words), "sentences", "tagger")

    print("\nfusion (the same encoder, fresh heads)")
    heads = {"none": {"fusion": "none"}}
    for ratio in (0.25, 1.0):
        heads[f"dlfa_aif, ratio {ratio}"] = {
            "fusion": "dlfa_aif",
            "fusion_layer": args.fusion_layer,
            "aif_ratio": ratio,
        }
    for kind in ("dlfa_sum", "concat", "scalar_mix"):
        heads[kind] = {"fusion": kind, "fusion_layer": args.fusion_layer}
    with quiet():
        taggers = {
            name: Tagger(
                LayerFusedForTokenClassification.from_encoder(encoder, labels.names, **head),
                tagger.encoder.tokenizer,
                constrained=False,
                dtype=args.dtype,
            )
            for name, head in heads.items()
        }
    fused = alternate(
        {name: (lambda t=t: t.distributions(words)) for name, t in taggers.items()},
        args.runs,
        args.clock,
    )
    show(fused, len(words), "sentences", "none")


def decisions(words: list[list[str]], found: list[list[dict[str, object]]]) -> list[list[str]]:
    """Read the label of each word off its first subword in the pipeline's subword-wise output."""
    labels = []
    for sentence, subwords in zip(words, found, strict=True):
        at_start = {}
        for subword in subwords:
            at_start.setdefault(subword["start"], str(subword["entity"]))
        starts, at = [], 0
        for word in sentence:
            starts.append(at)
            at += len(word) + 1
        labels.append([at_start.get(start, "O") for start in starts])
    return labels


if __name__ == "__main__":
    main()
