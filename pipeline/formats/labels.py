"""What labels are called: renaming and dropping them, and comparing the labels of two data sets."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pipeline.errors import DataError
from pipeline.listed import each, listed
from pipeline.schema import Span


def map_spans(spans: Iterable[Span], mapping: Mapping[str, str]) -> list[Span]:
    """Rename the types of ``spans``; those mapped to ``O`` are left out.

    A type is looked up once: ``{A: B, B: C}`` turns A into B.
    """
    named = (
        replace(s, type=mapping.get(s.type, s.type)) for s in each(spans, "map_spans: the spans")
    )
    return [s for s in named if s.type != "O"]


_SAME = (
    {"PER", "PERS", "PERSON", "PRS", "PERSONNE", "PERSONA", "PEOPLE"},
    {"LOC", "LOCATION", "PLACE", "GPE", "LUG", "LIEU", "ORT"},
    {"ORG", "ORGANIZATION", "ORGANISATION", "COMPANY", "ORGANIZACION"},
    {"MISC", "MISCELLANEOUS", "OTH", "OTHER"},
    {"DATE", "TIME"},
)
"""What one type is called in different corpora."""


def nearest_type(name: str, known: Iterable[str]) -> str | None:
    """Return what a type is called among ``known``, or the one most like it; ``None`` for neither.

    ``PERS`` and ``person`` are ``PER``, ``B-LOC`` with a slip is ``LOC``.
    """
    by_form = {k.casefold(): k for k in sorted(listed(known, "nearest_type: the known types"))}
    form = name.casefold()
    if form in by_form:
        return by_form[form]
    for names in _SAME:
        if name.upper() in names:
            for other in sorted(names):
                if other.casefold() in by_form:
                    return by_form[other.casefold()]
    close = difflib.get_close_matches(form, by_form, n=1, cutoff=0.6)
    if close:
        return by_form[close[0]]
    starts = [k for k in by_form if len(k) > 2 and (form.startswith(k) or k.startswith(form))]
    return by_form[starts[0]] if len(starts) == 1 and len(form) > 2 else None


def require_known_types(
    found: Iterable[str], known: Iterable[str], *, key: str, reference: str
) -> None:
    """Check that a data set has no entity type that the tagger will not know.

    Args:
        found: The types of the data set, after mapping.
        known: The types of the tagger.
        key: The key of the data set, such as ``data.test.de``.
        reference: Where the known types come from, such as ``data.train``.

    Raises:
        DataError: Naming the types, and the key to map them with if there is any type to map to.
    """
    known = listed(known, f"{key}: the known types")
    unknown = sorted(set(each(found, f"{key}: the types found")) - set(known))
    if not unknown:
        return
    has = f"{key}: has the entity types {', '.join(unknown)}"
    if not known:
        raise DataError(
            f"{has}, and {reference} has no entity at all: see whether labels.map takes them away, "
            "or tag_column names another column"
        )
    example = ", ".join(f"{t}: {nearest_type(t, known) or 'O'}" for t in unknown)
    raise DataError(
        f"{has}, which {reference} does not have ({', '.join(sorted(known))}); rename or drop "
        f"them, for example labels.map: {{{example}}}"
    )
