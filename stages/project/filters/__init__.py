"""The filters of projected labels that there are, by name; one module each.

Where several object, the first in this order is the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipeline.kinds import Kinds

if TYPE_CHECKING:
    from stages.project.filters.base import Filter

_OWN = (
    *("low_score", "restrict_target", "span_length"),
    *("repetition", "doubled_names", "copied", "language", "length_ratio", "lost_names"),
    *("comp_source", "comp_target", "comp_instances", "require_all"),
)

FILTERS: Final[Kinds[type[Filter[Any]]]] = Kinds(
    "filter", "xlner.filters", {name: f"stages.project.filters.{name}:Filter" for name in _OWN}
)
