"""Language codes: ISO 639-1 where there is one, ISO 639-3 otherwise; either is accepted."""

from __future__ import annotations

import re

from pipeline.errors import ConfigError


def canonical(code: str) -> str:
    """Return the canonical code of a language: ``swa`` and ``swh`` → ``sw``, ``DE`` → ``de``.

    Raises:
        ConfigError: If ``code`` is not an ISO 639-1, 639-2 or 639-3 code.
    """
    import langcodes

    text = code.strip()
    if not re.fullmatch(r"[A-Za-z]{2,3}", text):
        raise ConfigError(f"{code!r} is not an ISO 639 language code, such as 'de' or 'swa'")
    language = langcodes.Language.get(text.lower())
    if not language.is_valid():
        raise ConfigError(f"{code!r} is not a known ISO 639 language code")
    # macro=True turns an individual language into its macrolanguage's two-letter code (swh -> sw).
    short = langcodes.standardize_tag(text.lower(), macro=True)
    return short.split("-")[0]


def alpha3(code: str) -> str:
    """Return the ISO 639-3 (terminological) code of a language: ``sw`` → ``swa``."""
    import langcodes

    return langcodes.Language.get(canonical(code)).to_alpha3(variant="T")


def english_name(code: str) -> str:
    """Return the English name of a language: ``sw`` → ``Swahili``."""
    import langcodes

    return langcodes.Language.get(canonical(code)).language_name("en")
