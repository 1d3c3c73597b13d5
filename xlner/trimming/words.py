"""The words that a vocabulary is to serve: counted in files of text, and from frequency lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pipeline.config import DataSource
from pipeline.errors import ConfigError, DataError
from pipeline.languages import base, script_of

LISTED: Final = 30_000
"""Words taken of each frequency list: they cover some 97 % of running text in English."""
_CAPITALISED: Final = 0.2
"""Share of a listed word's frequency given to its capitalised form: the lists have no case."""


def count_file(path: Path, backend: Any, source: DataSource) -> Counter[str]:
    """Count the words of a file after normalisation and pre-tokenisation by `backend`.

    Args:
        path: Plain text, one sentence a line, or any format of labelled data.
        backend: The tokenizer.
        source: How it is read.

    Raises:
        DataError: If it cannot be read or has no words.
    """
    from pipeline.formats.reading import open_source

    opened, report = open_source(source, "en", path=path)
    rows = opened.read(report)
    texts = (row.text if row.text is not None else " ".join(row.words or ()) for row in rows)
    counts = count_words(texts, backend)
    if not counts:
        raise DataError(f"{path}: there is no word in it")
    return counts


def count_words(texts: Iterable[str], backend: Any) -> Counter[str]:
    """Count the words of `texts` after normalisation and pre-tokenisation by `backend`."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(pre_tokenised(text, backend))
    return counts


def pre_tokenised(text: str, backend: Any) -> list[str]:
    """Return what the subword model of `backend` is given of `text`, one word after the other."""
    normal = text if backend.normalizer is None else backend.normalizer.normalize_str(text)
    if backend.pre_tokenizer is None:
        return [normal] if normal else []
    return [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal)]


def listed_languages(languages: Sequence[str]) -> list[str]:
    """Return those of `languages` that have a frequency list.

    Raises:
        ConfigError: If the package with the lists is not installed.
    """
    try:
        from wordfreq import available_languages
    except ImportError:
        raise ConfigError(
            "frequency lists come from the package wordfreq, which is not installed: "
            "pip install 'xlner[trim]', or give text of the languages with --text"
        ) from None
    import langcodes

    available = list(available_languages("small"))
    asked = {code: code if script_of(code) else base(code) for code in languages}
    # It calls Tagalog fil, Norwegian nb, and Serbian in Latin letters sh.
    return [
        code
        for code, name in asked.items()
        if langcodes.closest_supported_match(name, available, max_distance=4)
    ]


def listed_words(language: str, backend: Any, most: int = LISTED) -> dict[str, float]:
    """Return words of a frequency list with their frequencies, in small and with a capital."""
    from wordfreq import get_frequency_dict

    # The whole list, as it is: a look-up of one word would cut it into words first, for which some
    # languages need further packages.
    listed = sorted(get_frequency_dict(language, "best").items(), key=lambda item: -item[1])
    found: dict[str, float] = {}
    for word, frequency in listed[:most]:
        capital = word[:1].upper() + word[1:]
        share = _CAPITALISED if capital != word else 0.0
        for form, weight in ((word, 1 - share), (capital, share)):
            for part in pre_tokenised(form, backend) if weight else ():
                found[part] = found.get(part, 0.0) + frequency * weight
    return found


def together(
    texts: Mapping[str, Mapping[str, float]], weights: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Add up counts, each text's brought to one total (or its weight): none outweighs another."""
    found: dict[str, float] = {}
    for name, counts in texts.items():
        share = (weights or {}).get(name, 1.0) / sum(counts.values())
        for word, count in counts.items():
            found[word] = found.get(word, 0.0) + count * share
    return found
