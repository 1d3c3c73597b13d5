"""Numbers as people read them."""

from __future__ import annotations

from stages.evaluate.results import Comparison


def percent(value: float) -> str:
    """Return a fraction as percent with one digit."""
    return f"{100 * value:.1f}"


def signed(value: float) -> str:
    """Return a difference of fractions in points, with its sign; a true minus for width."""
    text = f"{100 * value:+.1f}"
    return text.replace("-", "−")


def p_text(p: float) -> str:
    """Return a p-value with as many digits as matter."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def verdict_text(comparison: Comparison) -> str:
    """Return the verdict of a comparison in words."""
    return {"better": "better", "worse": "worse", "same": "unclear"}[comparison.verdict]
