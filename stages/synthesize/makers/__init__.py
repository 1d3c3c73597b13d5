"""Makers of synthetic target text; see :class:`stages.synthesize.makers.base.Maker`."""
