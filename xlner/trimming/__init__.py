"""Cutting a pre-trained encoder's vocabulary to the subwords that some languages need.

Most of a multilingual encoder is embeddings of subwords that a user's languages never have: 96 of
118 million parameters of multilingual-e5-small. Without them the encoder takes less memory and less
time to fine-tune, and what is kept computes the same to the bit.
"""

from xlner.trimming.trim import TrimReport, trim_encoder

__all__ = ["TrimReport", "trim_encoder"]
