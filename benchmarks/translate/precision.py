"""What a precision of CTranslate2 costs: chrF and processor time per compute type, side by side.

``DNNL_MAX_CPU_ISA=AVX2`` shows what a processor without VNNI would do (AMD's before Zen 4).

    export DNNL_MAX_CPU_ISA=AVX2
    python benchmarks/translate/precision.py MODEL --target sw --pairs FILE.tsv
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, help="checkpoint")
    parser.add_argument("--source", default="en")
    parser.add_argument("--target", default="de")
    parser.add_argument("--pairs", type=Path, required=True, help="source<TAB>reference lines")
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--types", nargs="+", default=["float32", "int8"])
    arguments = parser.parse_args()

    from sacrebleu.metrics import CHRF

    from stages.translate.decoding import DecodingConfig
    from stages.translate.translator import Translator

    lines = arguments.pairs.read_text(encoding="utf-8").splitlines()[: arguments.rows]
    pairs = [line.split("\t")[:2] for line in lines]
    print(f"{len(pairs)} pairs of {arguments.pairs.name}")
    first: list[str] = []
    for compute_type in arguments.types:
        config = DecodingConfig(compute_type=compute_type, device="cpu")
        translator = Translator(arguments.model, arguments.source, arguments.target, config)
        translator.translate([pairs[0][0]])  # warm
        start = time.process_time()
        texts = [h[0].text for h in translator.translate([source for source, _ in pairs])]
        taken = time.process_time() - start
        first = first or texts
        chrf = CHRF().corpus_score(texts, [[reference for _, reference in pairs]]).score
        same = sum(a == b for a, b in zip(first, texts, strict=True)) / len(texts)
        print(
            f"{compute_type:14} chrF {chrf:5.2f}  {taken:6.1f} s of processor time"
            f"  {same:6.1%} as with {arguments.types[0]}"
        )


if __name__ == "__main__":
    main()
