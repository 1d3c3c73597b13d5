"""The encoder's vocabulary: cased WordPiece over all languages."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tokenizers import BertWordPieceTokenizer, Tokenizer
from transformers import BertTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_ALPHABET = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßŒœ"
    "ĆćČčĐđĘęĞğİıŁłŃńŇňŐőŘřŚśŞşŠšŻżŽžāăąēėěīňōţťūůűźș"
    ".,;:!?\"'()[]/&%$€£+-*=@#_°«»¿¡“”„‘’–…"
)
_ALPHABET_SIZE = 300


def train_wordpiece(
    sentences: Sequence[tuple[str, str]], *, subwords: int, per_language: int, seed: int
) -> str:
    """Trains a WordPiece vocabulary on equally many sentences of each language.

    Args:
        sentences: `(language, sentence)`.
        subwords: Size of the vocabulary; little text gives a smaller one.
        per_language: At most so many sentences of each language are used.
        seed: Decides which.

    Returns:
        The tokenizer as the JSON text of `tokenizer.json`.
    """
    by_language: dict[str, list[str]] = {}
    for language, sentence in sentences:
        by_language.setdefault(language, []).append(sentence)
    rng = random.Random(seed)
    text: list[str] = []
    for _, lines in sorted(by_language.items()):
        rng.shuffle(lines)
        text += lines[:per_language]
    alphabet = _alphabet(text)
    tokenizer = _tokenizer({})
    tokenizer.train_from_iterator(
        text,
        vocab_size=subwords,
        min_frequency=2,
        limit_alphabet=len(alphabet),
        initial_alphabet=alphabet,
        # The trainer numbers letters inside words in the order of a hash table, and breaks ties by
        # these numbers. Named as special tokens they get fixed ones, and so do all merges.
        special_tokens=[*SPECIAL, *(f"##{letter}" for letter in alphabet)],
        show_progress=False,
    )
    # A fresh one, in which only the first five are special.
    return str(_tokenizer(tokenizer.get_vocab()).to_str())


def _alphabet(text: Sequence[str]) -> list[str]:
    """The letters that become subwords of their own, in the order of their code points."""
    counts = Counter(c for line in text for c in line if not c.isspace())
    frequent = sorted(counts, key=lambda c: (-counts[c], c))[:_ALPHABET_SIZE]
    return sorted({*_ALPHABET, *frequent})


def _tokenizer(vocabulary: dict[str, int]) -> BertWordPieceTokenizer:
    return BertWordPieceTokenizer(
        vocabulary or None, lowercase=False, strip_accents=False, handle_chinese_chars=True
    )


def load_wordpiece(text: str, max_length: int) -> BertTokenizer:
    """The tokenizer of `train_wordpiece` in Transformers' clothes."""
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
