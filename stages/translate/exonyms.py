"""What places and languages are called in other languages: Germany, Deutschland (CLDR, by Babel).

So a name that has another form in the target language is not taken for lost, and where a name has
to be written into a translation, it is written as it is called there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from pipeline.languages import canonical

if TYPE_CHECKING:
    from babel import Locale

_BRACKETED = re.compile(r"\s*\(([^)]*)\)\s*$")


@dataclass(frozen=True, slots=True)
class Exonyms:
    """Names of one language in another; keys are case-folded.

    Attributes:
        places: Countries, territories and cities, by their names in the source language.
        languages: Languages, likewise. As adjectives they are inflected, so that they are known
            where they stand, but never written.
    """

    places: Mapping[str, str] = field(default_factory=dict)
    languages: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str) -> list[str]:
        """Return what a name may be called in the target language; none where it is unknown."""
        key = name.casefold()
        found = (self.places.get(key), self.languages.get(key))
        return [other for other in found if other is not None]


@cache
def exonyms(source: str, target: str) -> Exonyms:
    """Return what is known of two languages; nothing for those that CLDR lacks."""
    here, there = _locale(source), _locale(target)
    if here is None or there is None:
        return Exonyms()
    places = _both(here.territories, there.territories)
    for name, other in _both(_cities(here, there), _cities(there, here)).items():
        places.setdefault(name, other)
    return Exonyms(places, _both(here.languages, there.languages))


def _locale(lang: str) -> Locale | None:
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(canonical(lang).replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return None


def _cities(locale: Locale, other: Locale) -> dict[str, str]:
    """Return the cities that time zones are called after, by zone, of all that either names."""
    zones = locale.time_zones.keys() | other.time_zones.keys()
    # Where a language names none, the city is called as in the name of the zone.
    plain = {zone: zone.rpartition("/")[2].replace("_", " ") for zone in zones if "/" in zone}
    return {zone: locale.time_zones.get(zone, {}).get("city", city) for zone, city in plain.items()}


def _both(here: Mapping[str, str], there: Mapping[str, str]) -> dict[str, str]:
    """Return names by names, of what both languages name; of ``Myanmar (Burma)`` both names."""
    found: dict[str, str] = {}
    for key in sorted(here.keys() & there.keys()):
        names = [_BRACKETED.sub("", here[key]), *_BRACKETED.findall(here[key])]
        for name in names:
            found.setdefault(name.casefold(), _BRACKETED.sub("", there[key]))
    return found
