"""The translator's vocabulary: SentencePiece, shared by all languages and both sides."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece
from transformers import MarianTokenizer

# Typographic variants of the same mark, so that none of them costs subwords or is unknown.
CHARACTER_MAP = {
    "\u2018": "'",
    "\u2019": "'",
    "\u02bc": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u201e": '"',
    "\u2013": "-",
    "\u2026": "...",
    "\u00a0": " ",
    "\u202f": " ",
    "\u2009": " ",
    "\u00ad": "",
    "\u200b": "",
}
LETTERS = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßŒœ"
    "ĀāĂăĄąĆćČčĎďĐđĒēĖėĘęĚěĞğĢģĪīĮįİıĶķĹĺĻļĽľŁłŃńŅņŇňŌōŐőŔŕŘřŚśŞşŠšŢţŤťŪūŮůŰűŲųŹźŻżŽžȘșȚțƒ"
    ".,;:!?\"'()[]/&%$€£+-*=@#_°«»¿¡"
)
_MAX_SENTENCES = 400_000


def train_sentencepiece(
    sentences: Iterable[str],
    model_prefix: Path,
    *,
    subwords: int,
    seed: int,
    symbols: Sequence[str] = (),
) -> Path:
    """Trains a unigram model of at most `subwords` subwords and writes `<model_prefix>.model`.

    Quotation marks and dashes are unified, nothing else is normalised: names keep their letters.
    Digits are subwords of their own, so that figures are copied, not guessed. `symbols` are
    subwords that are never cut, nor part of another.
    """
    pool = list(sentences)
    random.Random(seed).shuffle(pool)
    rules = model_prefix.with_suffix(".rules.tsv")
    rules.write_text(
        "".join(
            f"{ord(old):X}\t{' '.join(f'{ord(c):X}' for c in new)}\n"
            for old, new in CHARACTER_MAP.items()
        ),
        encoding="utf-8",
    )
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(pool[:_MAX_SENTENCES]),
        model_prefix=str(model_prefix),
        vocab_size=subwords,
        model_type="unigram",
        normalization_rule_tsv=str(rules),
        character_coverage=0.9995,
        required_chars=LETTERS,
        split_digits=True,
        hard_vocab_limit=False,  # little text gives fewer subwords, not an error
        max_sentence_length=2000,
        num_threads=2,
        user_defined_symbols=list(symbols),
        minloglevel=1,
    )
    return model_prefix.with_suffix(".model")


def marian_vocabulary(model: Path, languages: Sequence[str]) -> dict[str, int]:
    """Marian's order: end, unknown, `>>xx<<` tags, subwords, and the padding last."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    words = ["</s>", "<unk>", *(tag(code) for code in languages)]
    words += [
        processor.id_to_piece(i)
        for i in range(processor.get_piece_size())
        if not (processor.is_control(i) or processor.is_unknown(i))
    ]
    words.append("<pad>")
    return {word: index for index, word in enumerate(words)}


def tag(language: str) -> str:
    """The token at the start of a source that names the language to translate into."""
    return f">>{language}<<"


def write_tokenizer(model: Path, vocabulary: dict[str, int], folder: Path) -> None:
    """Writes a `MarianTokenizer` folder; source and target share the subwords."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary_file = folder / "vocab.json"
    vocabulary_file.write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    tokenizer = MarianTokenizer(
        source_spm=str(model),
        target_spm=str(model),
        vocab=str(vocabulary_file),
        source_lang="mul",
        target_lang="mul",
        model_max_length=256,
    )
    tokenizer.save_pretrained(str(folder))
