"""Taggers in float32 and in bfloat16: the same labels, the same F1, how much quicker.

    python benchmarks/tagger/precision.py ../shared/data/ner/conll/de/dev.txt TAGGER [TAGGER …]

For held-out text that nothing is reported on (dev sets): what decides on a default must not be a
test set. Taggers are folders of ``train`` or ``self_train``; runs alternate.
"""

from __future__ import annotations

import statistics
from itertools import chain

from common import alternate, arguments, read_sentences, show


def main() -> None:
    """Measure and print."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("taggers", nargs="+", help="folders of taggers")
    args = parser.parse_args()

    import torch

    from stages.machine import hardware, has_bfloat16
    from stages.tagger.tagger import Tagger

    if args.threads:
        torch.set_num_threads(args.threads)
    sentences = read_sentences(args.data, args.sentences)
    words = [s.words for s in sentences]
    gold = [{(e.start, e.end, e.type) for e in s.spans} for s in sentences]
    print(f"{hardware()}; bfloat16 {'' if has_bfloat16('cpu') else 'not '}in the processor")
    print(
        f"{len(words)} sentences, {sum(map(len, words))} words; {torch.get_num_threads()} threads"
    )
    for folder in args.taggers:
        taggers = {d: Tagger.from_pretrained(folder, dtype=d) for d in ("float32", "bfloat16")}
        labels = {d: [p.argmax(1) for p in t.distributions(words)] for d, t in taggers.items()}
        pairs = zip(chain(*labels["float32"]), chain(*labels["bfloat16"]), strict=True)
        same = [bool(a == b) for a, b in pairs]
        found = {d: [{(s.start, s.end, s.type) for s in f} for f in t.predict(words)]
                 for d, t in taggers.items()}  # fmt: skip
        entities = sum(a == b for a, b in zip(*found.values(), strict=True))
        print(f"\n{folder}: {taggers['float32'].model.num_parameters() / 1e6:.1f}M parameters")
        print(
            f"words with the same label: {statistics.mean(same):.4%} ({same.count(False)} differ)"
        )
        print(f"sentences with the same entities: {entities / len(words):.4%}")
        for name, spans in found.items():
            hits = sum(len(a & b) for a, b in zip(gold, spans, strict=True))
            f1 = 200 * hits / max(1, sum(map(len, gold)) + sum(map(len, spans)))
            print(f"F1 in {name}: {f1:.2f}")
        times = alternate(
            {d: (lambda t=t: t.distributions(words)) for d, t in taggers.items()},
            args.runs,
            args.clock,
        )
        show(times, len(words), "sentences", "float32")


if __name__ == "__main__":
    main()
