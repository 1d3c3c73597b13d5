"""Keeping evaluation text out of training text, and putting a fixed share aside.

Both work on a *key* of the sentence that ignores case, spaces and punctuation, so that a
tokenised copy of a sentence is still recognised.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

from stages.text_sources import TextSource, read_rows


def sentence_key(text: str) -> str:
    """The letters and digits of `text`, compatibility-normalised and case-folded, without gaps."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if c.isalnum())


def held_out(text: str, per_mille: int) -> bool:
    """Whether the sentence belongs to the held-out part, by a hash of its key.

    Corpora of several languages share their English sides, so the English sentence decides: then
    no held-out sentence is seen in training through another language.
    """
    digest = hashlib.blake2b(sentence_key(text).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 1000 < per_mille


def keys_of(sources: Sequence[TextSource]) -> set[str]:
    """The keys of every sentence, on every side, of the evaluation sources."""
    keys: set[str] = set()
    for source in sources:
        for row in read_rows(source):
            keys.update(sentence_key(cell) for cell in row)
    keys.discard("")
    return keys


def any_key(keys: set[str], sentences: Iterable[str]) -> bool:
    """Whether one of the sentences has one of the keys."""
    return any(sentence_key(sentence) in keys for sentence in sentences)
