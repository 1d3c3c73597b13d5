"""The encoder's vocabulary: cased WordPiece over all languages."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import BertTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_ALPHABET = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßŒœ"
    "ĆćČčĐđĘęĞğİıŁłŃńŇňŐőŘřŚśŞşŠšŻżŽžāăąēėěīňōţťūůűźș"
    ".,;:!?\"'()[]/&%$€£+-*=@#_°«»¿¡“”„‘’–…"
)


def train_wordpiece(
    sentences: Sequence[tuple[str, str]], *, pieces: int, per_language: int, seed: int
) -> str:
    """Trains a WordPiece vocabulary on equally many sentences of each language.

    Args:
        sentences: `(language, sentence)`.
        pieces: Size of the vocabulary.
        per_language: At most so many sentences of each language are used.
        seed: Decides which.

    Returns:
        The tokenizer as the JSON text of `tokenizer.json`.
    """
    from tokenizers import BertWordPieceTokenizer

    by_language: dict[str, list[str]] = {}
    for language, sentence in sentences:
        by_language.setdefault(language, []).append(sentence)
    rng = random.Random(seed)
    text: list[str] = []
    for _, lines in sorted(by_language.items()):
        rng.shuffle(lines)
        text += lines[:per_language]
    tokenizer = BertWordPieceTokenizer(
        lowercase=False, strip_accents=False, handle_chinese_chars=True
    )
    tokenizer.train_from_iterator(
        text,
        vocab_size=pieces,
        min_frequency=2,
        limit_alphabet=400,
        initial_alphabet=list(_ALPHABET),
        special_tokens=SPECIAL,
        show_progress=False,
    )
    return str(tokenizer.to_str())


def load_wordpiece(text: str, max_length: int) -> BertTokenizer:
    """The tokenizer of `train_wordpiece` in Transformers' clothes."""
    from tokenizers import Tokenizer
    from transformers import BertTokenizer

    vocabulary = Tokenizer.from_str(text).get_vocab()
    return BertTokenizer(
        vocab=vocabulary,
        tokenizer_object=Tokenizer.from_str(text),
        do_lower_case=False,
        strip_accents=False,
        model_max_length=max_length,
    )


def save_wordpiece(text: str, folder: Path, max_length: int) -> None:
    """Writes the tokenizer files that `AutoTokenizer` loads."""
    folder.mkdir(parents=True, exist_ok=True)
    load_wordpiece(text, max_length).save_pretrained(str(folder))
