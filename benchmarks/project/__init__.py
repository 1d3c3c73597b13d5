"""Benchmarks of projection."""
