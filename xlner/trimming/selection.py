"""Which subwords to keep: all that the words need, or the most useful so many.

To get down to a number, the least useful are dropped a share at a time, and the words that had them
are tokenised anew with what is left, as SentencePiece's trainer prunes (Kudo 2018). A subword is
useful by its count times what each occurrence would cost without it
(:meth:`~xlner.trimming.kinds.SubwordModel.loss`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Set
from typing import Any, Final

from pipeline.errors import ConfigError
from xlner.trimming.kinds import SubwordModel, kind_of

_SHARE: Final = 0.2
"""Of the subwords that are still there, dropped at most in one round."""


class Segmenter:
    """Cuts words, as they are after pre-tokenisation, into the subwords of a model section."""

    def __init__(self, model: dict[str, Any]) -> None:
        from tokenizers import Tokenizer

        bare = {"version": "1.0", "added_tokens": [], "model": model}
        self._model = Tokenizer.from_str(json.dumps(bare, ensure_ascii=False)).model

    def __call__(self, word: str) -> tuple[str, ...]:
        """Return the subwords of one word."""
        return tuple(token.value for token in self._model.tokenize(word))


def added_tokens(tokenizer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the special and other added tokens, in the order of their numbers."""
    return sorted(tokenizer.get("added_tokens") or [], key=lambda token: int(token["id"]))


def choose(
    tokenizer: Mapping[str, Any],
    words: Mapping[str, float],
    size: int | None,
    *,
    required: Set[str] | None = None,
    name: str = "tokenizer",
) -> set[str]:
    """Return the subwords to keep.

    Args:
        tokenizer: A parsed ``tokenizer.json``.
        words: Words after normalisation and pre-tokenisation, with their weights.
        size: How many subwords to keep, added tokens included; ``None``: all that `words` need.
        required: Kept in any case; default: what no text can be written without.
        name: What messages call the tokenizer.

    Raises:
        ConfigError: If `size` is smaller than what must be kept.
    """
    kind = kind_of(dict(tokenizer), name)
    added = [token["content"] for token in added_tokens(tokenizer)]
    outside = sum(content not in kind.subwords for content in added)
    always = kind.closed(set(kind.required() if required is None else required))
    always |= {content for content in added if content in kind.subwords}
    full = Segmenter(kind.model)
    cut = {word: full(word) for word in words}
    kept = kind.closed(always | {s for parts in cut.values() for s in parts if s in kind.subwords})
    if size is None:
        return kept
    if len(always) + outside > size:
        raise ConfigError(
            f"{size} subwords are fewer than the {len(always) + outside} that must be kept: added "
            "tokens, single characters, and what they are built from; ask for more"
        )
    return _prune(kind, kept, always, cut, words, size - outside)


def _prune(
    kind: SubwordModel,
    kept: set[str],
    always: set[str],
    cut: dict[str, tuple[str, ...]],
    words: Mapping[str, float],
    size: int,
) -> set[str]:
    while len(kept) > size:
        counts: Counter[str] = Counter()
        for word, parts in cut.items():
            for part in parts:
                counts[part] += words[word]  # type: ignore[assignment]
        numbers = kind.subwords
        useful = {
            subword: counts[subword] * kind.loss(subword, kept) if counts[subword] else 0.0
            for subword in kind.droppable(kept) - always
        }
        # Of two that are as useful, the later one is the rarer in the text of the model's makers.
        worst = sorted(useful, key=lambda subword: (useful[subword], -numbers[subword]))
        share = max(1, int(len(kept) * _SHARE))
        dropped = set(worst[: min(len(kept) - size, share)])
        kept -= dropped
        segment = Segmenter(kind.cut(kept))
        for word, parts in cut.items():
            if not dropped.isdisjoint(parts):
                cut[word] = segment(word)
    return kept
