"""The tagger: its model, what it reads and says; :mod:`stages.train` trains it.

``modeling``, ``fusion``, ``layers`` and ``card`` are saved beside the weights.
"""
