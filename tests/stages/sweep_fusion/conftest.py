"""Fixtures of the tagger's tests, which these share."""

from tests.stages.train.conftest import family

__all__ = ["family"]
