"""Builds aligners that read a model: its layers, its tokenizer, its special tokens."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import ConfigError
from pipeline.loaded import loaded
from pipeline.models import read_config
from stages.align.backends import encoder_layers, independent
from stages.align.embedding_aligner import EmbeddingAligner, Extraction
from stages.align.embeddings import Embed, Embedder
from stages.align.layers import Dtype, Layers, layer_to_read, max_subwords
from stages.align.remembered import StateMemory
from stages.align.setting import EncoderOptions, Setting
from stages.align.subwords import (
    Specials,
    SubwordCutter,
    space_marks,
    transformers_cut,
    transformers_specials,
)
from stages.machine import torch_device
from stages.tagger.encoding import load_tokenizer


class Reader(NamedTuple):
    """How a model reads sentences.

    Attributes:
        layer: Whose states links are made by.
        sides: Cuts words into subwords, and the special tokens around them: source, then target.
        room: Subwords that fit beside the special tokens.
    """

    layer: int
    sides: tuple[tuple[SubwordCutter, Specials], tuple[SubwordCutter, Specials]]
    room: int


def reader(folder: Path, options: EncoderOptions, setting: Setting, of_translator: bool) -> Reader:
    """Return how a model reads sentences.

    Args:
        folder: The model.
        options: Which states.
        setting: What goes for every aligner.
        of_translator: Whether the model is a translator.

    Raises:
        ConfigError: If the layer does not exist, or the translator does not know a language.
        ModelError: If the tokenizer cannot be loaded.
    """
    config = read_config(folder)
    layer = layer_to_read(options.layer, config, str(folder), translator=of_translator)
    if of_translator:
        source, target, limit = _translator_sides(folder, setting.source, setting.target)
    else:
        source, limit = _encoder_side(folder)
        target = source
    longest = max(len(s.before) + len(s.after) for _, s in (source, target))
    return Reader(layer, (source, target), max_subwords(config, limit, longest))


def contextual_aligner(
    name: str,
    folder: Path,
    reads: Reader,
    dtype: Dtype,
    setting: Setting,
    extraction: Extraction,
    learnt: Path | None,
) -> EmbeddingAligner:
    """Build an aligner that links words by the states of an encoder.

    Args:
        name: What it is called in the column ``aligner``.
        folder: The model.
        reads: How it reads sentences.
        dtype: The precision of its states.
        setting: What goes for every aligner.
        extraction: How links come from the states.
        learnt: Weights that take the place of the model's own (:mod:`stages.align.fine_tuning`).

    Raises:
        ModelError: If the model cannot be loaded.
    """
    how = reads.layer, dtype, torch_device(setting.device), setting.batch_tokens, learnt
    encoder = loaded(folder, how, lambda: _Encoder(encoder_layers(folder, *how)))
    embed = encoder.embed((folder, how, reads.room), reads.room, setting)
    return EmbeddingAligner(name, embed, *reads.sides, extraction)


class _Encoder:
    """An encoder, and what it has computed where that may be taken for other corpora, too."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._memory: StateMemory | None = None

    def embed(self, whose: Hashable, room: int, setting: Setting) -> Embed:
        """Return what embeds sentences, windows of at most ``room`` subwords.

        Args:
            whose: Tells the states from those of other models.
            room: Subwords that fit beside the special tokens.
            setting: What goes for every aligner.
        """
        embed = Embedder(self._layers, room, setting.batch_tokens)
        memory = setting.memory
        if memory is None:
            return embed if self._memory is None else self._memory.looking(whose, embed)
        if self._memory is not None:
            memory.take_over(self._memory)
        # Otherwise links would tell which other tasks this process has done.
        if self._independent:
            self._memory = memory
        return memory.keeping(whose, embed)

    @cached_property
    def _independent(self) -> bool:
        return independent(self._layers)


def _encoder_side(folder: Path) -> tuple[tuple[SubwordCutter, Specials], int | None]:
    tokenizer: Any = load_tokenizer(folder)
    cutter = SubwordCutter(transformers_cut(tokenizer), space_marks(tokenizer))
    side = cutter, transformers_specials(tokenizer)
    return side, tokenizer.model_max_length


def _translator_sides(
    folder: Path, source: str | None, target: str | None
) -> tuple[tuple[SubwordCutter, Specials], tuple[SubwordCutter, Specials], int | None]:
    """Return subwords and special tokens of both sides, as the translator reads each language."""
    from stages.translate.codes import Languages
    from stages.translate.conversion import load_tokenizer as load_translator_tokenizer
    from stages.translate.subwords import Subwords

    if source is None or target is None:
        raise ConfigError("align.aligner: 'translator' must be told the languages of both sides")
    languages = Languages(folder)
    tokenizer: Any = load_translator_tokenizer(folder, languages.family)
    sides = []
    cutter: SubwordCutter | None = None
    for read, written in ((source, target), (target, source)):
        subwords = Subwords(folder, languages.direction(read, written))
        if cutter is None:

            def cut(words: list[str], subwords: Subwords = subwords) -> list[list[int]]:
                return [tokenizer.convert_tokens_to_ids(p) for p in subwords.cut(words)]

            cutter = SubwordCutter(cut)
        *before, after = tokenizer.convert_tokens_to_ids(subwords.source([]))
        sides.append((cutter, Specials(tuple(before), (after,))))
    return sides[0], sides[1], tokenizer.model_max_length
