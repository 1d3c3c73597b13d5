"""The loss of a tagger: hard labels, soft labels, weights."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from stages.train.data import IGNORED


def tagging_loss(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    soft: Tensor | None = None,
    temperature: float = 1.0,
) -> Tensor:
    """Return the summed loss of a batch, float32.

    Cross-entropy where the label is hard; where it is soft, the divergence KL(teacher ‖ student) of
    the distributions tempered by ``temperature``, times its square (Hinton et al. 2015), so that
    gradients keep their size.

    Args:
        logits: (B, T, labels).
        labels: (B, T), :data:`stages.train.data.IGNORED` where nothing is learnt.
        weights: (B, T).
        soft: (B, T, labels) distributions; all zero where the label is hard.
        temperature: Above 1 softens both sides.
    """
    scores = logits.float()
    hard = functional.cross_entropy(
        scores.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    ).view_as(labels)
    if soft is None:
        losses = hard
    else:
        target = soft
        if temperature != 1:
            target = soft.clamp(min=0).pow(1 / temperature)
            target = target / target.sum(-1, keepdim=True).clamp(min=1e-30)
        student = functional.log_softmax(scores / temperature, dim=-1)
        divergence = functional.kl_div(student, target, reduction="none").sum(-1)
        divergence = divergence * (temperature**2) * (labels != IGNORED)
        losses = hard.where(soft.sum(-1) == 0, divergence)
    if weights is not None:
        losses = losses * weights
    return losses.sum()
