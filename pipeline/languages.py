"""Language codes: ISO 639-1 where there is one, ISO 639-3 otherwise; either is accepted.

A code may have a script or a region, as BCP 47 writes them (``zh-Hant``, ``sr-Latn``, ``pt-PT``;
``_`` for ``-`` is accepted). What goes without saying is left out: Chinese is written in simplified
characters, Serbian in Cyrillic letters, and Portuguese is mostly Brazil's, so ``zh-Hans`` is
``zh``, ``sr-Cyrl`` is ``sr`` and ``pt-BR`` is ``pt``; ``zh-TW`` is ``zh-Hant``.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache

from pipeline.errors import ConfigError

# CLDR calls Tagalog Filipino and counts Twi as Akan; corpora go by the codes of ISO 639-1.
_ISO = {"tl": "tl", "tgl": "tl", "fil": "tl", "tw": "tw", "twi": "tw"}
_TAG = re.compile(r"([A-Za-z]{2,3})(?:-([A-Za-z]{4}))?(?:-([A-Za-z]{2}|\d{3}))?")
NO_LANGUAGE = {
    "mis": "languages without a code",
    "mul": "several languages",
    "und": "a language that is not known",
    "zxx": "what is no language",
}
"""Codes of ISO 639-3 that no text of one language has."""
# As a code stands beside another one: only scripts and regions have capitals.
_WRITTEN = re.compile(r"[A-Za-z]{2,3}|[a-z]{2,3}([-_][A-Z][a-z]{3})?([-_]([A-Z]{2}|\d{3}))?")


@lru_cache(maxsize=4096)
def canonical(code: str) -> str:
    """Return the canonical code of a language: ``swa`` and ``swh`` → ``sw``, ``DE`` → ``de``.

    A script that is not the usual one of the language stays (``zh-Hant``), else a region that is
    not (``pt-PT``).

    Raises:
        ConfigError: If ``code`` is not an ISO 639-1, 639-2 or 639-3 code, or has a script or region
            that there is not.
    """
    import langcodes

    match = _TAG.fullmatch(str(code).strip().replace("_", "-"))
    if match is None:
        raise ConfigError(
            f"{code!r} is not an ISO 639 language code, such as 'de' or 'swa', 'zh-Hant' with a "
            f"script or 'pt-PT' with a region{_meant(str(code))}"
        )
    language, script, region = match.groups()
    if not langcodes.Language.get(language.lower()).is_valid():
        raise ConfigError(f"{code!r} is not a known ISO 639 language code{_meant(language)}")
    # macro=True turns an individual language into its macrolanguage's two-letter code (swh -> sw);
    # what it says of the script or region stays (sh -> sr-Latn, prs -> fa-AF).
    known = _ISO.get(language.lower()) or langcodes.standardize_tag(language.lower(), macro=True)
    standard = langcodes.Language.get(known, normalize=False)
    short = standard.language or "und"
    script, region = script or standard.script, region or standard.territory
    if script is None and region is None:
        return short
    given = langcodes.Language.get("-".join(filter(None, (short, script, region))))
    if not given.is_valid():
        raise ConfigError(
            f"{code!r} names a script or a region that there is not; scripts are written as "
            "'Latn', 'Cyrl', 'Hant', regions as 'BR'"
        )
    usual, full = langcodes.Language.get(short).maximize(), given.maximize()
    if full.script and full.script != usual.script:
        return f"{short}-{full.script}"
    if region and full.territory != usual.territory:
        return f"{short}-{full.territory}"
    return short


def _meant(word: str) -> str:
    """Return whose code it may be: the language of a country (``jp``), or one of that name."""
    import langcodes

    language = None
    if len(word) == 2:
        country = langcodes.Language.make(territory=word.upper())
        # English is the answer for codes of no country, too.
        found = country.maximize().language if country.is_valid() else "en"
        language = found if found != "en" else None
    elif len(word) > 3:
        with suppress(LookupError):
            language = langcodes.find(word.strip()).language
    if language is None:
        return ""
    return f" (did you mean {language!r}, {english_name(language)}?)"


def canonical_direction(key: str) -> str:
    """Return ``*``, a language or a pair of them with canonical codes: ``eng-swa`` → ``en-sw``.

    Whether ``pt-BR`` is a language or a pair is told by its capitals.

    Raises:
        ConfigError: If it is none of these.
    """
    if key == "*":
        return key
    parts = key.split("-")
    splits = [
        ("", key),
        *(("-".join(parts[:k]), "-".join(parts[k:])) for k in range(1, len(parts))),
    ]
    for sides in splits:
        named = [side for side in sides if side]
        if all(_WRITTEN.fullmatch(side) for side in named):
            try:
                return "-".join(map(canonical, named))
            except ConfigError:
                continue
    raise ConfigError(
        f"{key!r} is neither a language ('de'), nor a direction ('de-en'), nor '*' for all others"
    )


def base(code: str) -> str:
    """Return a code without its script or region: ``zh-Hant`` → ``zh``."""
    return code.partition("-")[0]


def script_of(code: str) -> str | None:
    """Return the script that a canonical code states, if it is not the usual one: ``Hant``."""
    rest = code.partition("-")[2]
    return rest if len(rest) == 4 else None


def alpha3(code: str) -> str:
    """Return the ISO 639-3 (terminological) code of a language: ``sw`` → ``swa``."""
    import langcodes

    return langcodes.Language.get(base(canonical(code)), normalize=False).to_alpha3(variant="T")


def english_name(code: str) -> str:
    """Return the English name: ``sw`` → ``Swahili``, ``zh-Hant`` → ``Chinese (Traditional)``."""
    import langcodes

    return langcodes.Language.get(canonical(code), normalize=False).display_name("en")
