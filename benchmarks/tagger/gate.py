"""What the gate of AIF (arXiv 2205.08497) has learnt: its weights, and whether it needs to look.

    python -m benchmarks.tagger.gate ../shared/data/ner/conll/en/dev.txt TAGGER [TAGGER …]

For each ``dlfa_aif`` tagger: the mean weight of the last layer over subwords and dimensions, how
far it varies between dimensions, and within a dimension between subwords (standard deviations); and
strict F1 with the gate as it is, with every dimension held at its mean, with the last layer alone
and with the lower one alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.tagger.common import f1, read_sentences
from stages.tagger.fusion import LayerFusion
from stages.tagger.tagger import Tagger


class Gate(nn.Module):
    """Stands in for a tagger's fusion: notes the gate's weights, or mixes by given ones."""

    def __init__(self, fusion: LayerFusion) -> None:
        super().__init__()
        self.fusion, self.needs_layers, self.lower = fusion, True, fusion.lower
        self.fixed: Tensor | None = None  # (H,): the weights of the last layer
        self.seen: list[Tensor] = []  # (subwords, H)

    def forward(self, layers: Sequence[Tensor], mask: Tensor) -> Tensor:
        """See :meth:`stages.tagger.fusion.LayerFusion.forward`."""
        last, lower = layers[-1], layers[self.fusion.layer]
        if self.fixed is not None:
            return torch.lerp(lower, last, self.fixed.expand_as(last))
        weights = self.fusion.gate(last + lower, mask)
        self.seen.append(weights[mask.bool()].detach())
        return torch.lerp(lower, last, weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("taggers", type=Path, nargs="+")
    parser.add_argument("--sentences", type=int, default=400)
    given = parser.parse_args()
    sentences = read_sentences(given.data, given.sentences)
    print("| tagger | weight of last | by dimension | by subword | F1 | held | last | lower |")
    for folder in given.taggers:
        tagger = Tagger.from_pretrained(folder, dtype="float32")
        gate = Gate(tagger.model.fusion)
        tagger.model.fusion = gate
        scores = [f1(tagger, sentences)]
        seen = torch.cat(gate.seen)
        mean = seen.mean(0)
        for fixed in (mean, torch.ones_like(mean), torch.zeros_like(mean)):
            gate.fixed = fixed
            scores.append(f1(tagger, sentences))
        cells = [f"{mean.mean():.2f}", f"{mean.std():.3f}", f"{seen.std(0).mean():.3f}"]
        cells += [f"{score:.1f}" for score in scores]
        print(f"| {folder.parent.name}/{folder.name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
