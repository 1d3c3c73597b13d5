"""Alignment learnt from the sentence pairs alone: hidden Markov models on several granularities.

Needs no model and no package beyond numpy and scipy. See
:mod:`stages.word_alignment.statistical.aligner`.
"""
