"""From words to subwords: flat arrays, windows for long sentences, padded batches.

Sentences keep their words through everything: a word without subwords (zero-width characters) stays
in place, a word that the vocabulary cannot write is respelt if that helps, a word with more
subwords than the model can take keeps the first ones and is counted, and a sentence with more
subwords than fit is read through overlapping windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelError
from pipeline.formats.encoding import without_halves
from pipeline.formats.words import composed, invisible
from stages.encoder_facts import OFFSET_POSITIONS
from stages.ranges import offsets, ranges
from stages.tagger.spelling import respell

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_UNLIMITED = 100_000  # tokenizers without a limit say 1e30
_NO_LIMIT_WINDOW = 512
_KEPT = 100_000  # spellings that are remembered


@dataclass(frozen=True, slots=True)
class EncodedSentences:
    """The subwords of many sentences.

    Attributes:
        ids: (subwords) subword ids, without special tokens.
        words: (words + 1) where the subwords of each word start in ``ids``.
        sentences: (sentences + 1) where the words of each sentence start in ``words``.
        cut_words: Words that had more subwords than a window holds and lost the last ones.
        respelt_words: Words that the vocabulary cannot write, read in a spelling that it can.
        unknown_words: Words with an unknown subword, as no spelling helps.
    """

    ids: NDArray[np.int32]
    words: NDArray[np.int64]
    sentences: NDArray[np.int64]
    cut_words: int
    respelt_words: int
    unknown_words: int


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows over the words of :class:`EncodedSentences`; every word is owned by one of them.

    Attributes:
        first: (windows) index of the first word.
        end: (windows) index after the last word.
        own_first: (windows) index of the first word that this window decides.
        own_end: (windows) index after the last word that it decides.
    """

    first: NDArray[np.int64]
    end: NDArray[np.int64]
    own_first: NDArray[np.int64]
    own_end: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)


class WordEncoder:
    """Turns words into subwords.

    Args:
        tokenizer: The tokenizer of the encoder.
        window: Longest input in subwords, special tokens included.

    Raises:
        ModelError: If the window has no room for a subword.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, window: int) -> None:
        self.tokenizer = tokenizer
        self.window = window
        self.prefix, self.suffix = special_subwords(tokenizer)
        self.room = window - len(self.prefix) - len(self.suffix)
        self.pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        # No subword has the number -1: byte-level vocabularies write everything.
        unknown = -1 if tokenizer.unk_token_id is None else tokenizer.unk_token_id
        self._unknown = unknown
        # SentencePiece turns what cannot be seen into a space, and a space into a subword.
        space = tokenizer.convert_tokens_to_ids("\u2581")
        self._space = space if isinstance(space, int) and space != unknown else None
        self._special = [i for i in tokenizer.all_special_ids if unknown not in (-1, i)]
        self._respelt = lru_cache(_KEPT)(self._respell)
        self._writes = lru_cache(_KEPT)(lambda letter: unknown not in self._subwords(2 * letter))
        if self.room < 1:
            raise ModelError(f"a window of {window} subwords has no room beside the special tokens")

    def __reduce__(self) -> tuple[type[WordEncoder], tuple[PreTrainedTokenizerBase, int]]:
        # What is remembered cannot be sent to another process, and need not be.
        return WordEncoder, (self.tokenizer, self.window)

    def encode(self, sentences: Sequence[Sequence[str]]) -> EncodedSentences:
        """Encode sentences, each a list of words."""
        ids: list[NDArray[np.int32]] = []
        counts: list[NDArray[np.int64]] = []
        cut = respelt = unknown = 0
        for words, (subwords, owners) in zip(sentences, self._split(sentences), strict=True):
            if self._space is not None:
                subwords, owners = self._without_lone_space(words, subwords, owners)
            odd = np.unique(owners[subwords == self._unknown]).tolist()
            if odd:
                subwords, owners, helped = self._respell_words(words, subwords, owners, odd)
                respelt, unknown = respelt + helped, unknown + len(odd) - helped
            count = np.bincount(owners, minlength=len(words)).astype(np.int64)
            if len(count) and count.max() > self.room:
                rank = np.arange(len(owners)) - (np.cumsum(count) - count)[owners]
                subwords = subwords[rank < self.room]
                cut += int((count > self.room).sum())
                count = np.minimum(count, self.room)
            ids.append(subwords)
            counts.append(count)
        lengths = np.array([len(c) for c in counts], dtype=np.int64)
        flat = np.concatenate([np.zeros(0, np.int32), *ids])
        # SentencePiece keeps "</s>" in its vocabulary; a word that reads so is unknown, no more.
        flat[np.isin(flat, self._special)] = self.tokenizer.unk_token_id
        return EncodedSentences(
            flat,
            offsets(np.concatenate([np.zeros(0, np.int64), *counts])),
            offsets(lengths),
            cut,
            respelt,
            unknown,
        )

    def _without_lone_space(
        self, words: Sequence[str], subwords: NDArray[np.int32], owners: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Leave out the subwords of words that are a space to the vocabulary and cannot be seen."""
        at = np.flatnonzero(subwords == self._space)
        counts = np.bincount(owners, minlength=len(words))
        gone = [k for k in at.tolist() if counts[owners[k]] == 1 and invisible(words[owners[k]])]
        if not gone:
            return subwords, owners
        return np.delete(subwords, gone), np.delete(owners, gone)

    def _respell_words(
        self,
        words: Sequence[str],
        subwords: NDArray[np.int32],
        owners: NDArray[np.int64],
        odd: Sequence[int],
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], int]:
        """Return subwords and owners with the odd words respelt, and how many that helped."""
        found = {w: ids for w in odd if (ids := self._respelt(words[w])) is not None}
        if not found:
            return subwords, owners, 0
        first = np.searchsorted(owners, np.arange(len(words) + 1))
        parts = [found.get(w, subwords[first[w] : first[w + 1]]) for w in range(len(words))]
        return (
            np.concatenate(parts).astype(np.int32),
            np.repeat(np.arange(len(words)), [len(p) for p in parts]),
            len(found),
        )

    def _respell(self, word: str) -> NDArray[np.int32] | None:
        """Return the subwords of a word in letters that can be written, or ``None``."""
        subwords = self._subwords(respell(word, self._writes))
        if not subwords or self._unknown in subwords:
            return None
        return np.array(subwords, dtype=np.int32)

    def _subwords(self, word: str) -> list[int]:
        ((subwords, _),) = self._split([[word]])
        ids: list[int] = subwords.tolist()
        return ids

    def _split(
        self, sentences: Sequence[Sequence[str]]
    ) -> Iterable[tuple[NDArray[np.int32], NDArray[np.int64]]]:
        """Yield the subwords of each sentence, and the word that each of them belongs to.

        Words are composed first, so that decomposed text has the subwords of composed text.
        """
        sentences = [[composed(w) for w in s] for s in sentences]
        backend: Any = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            for words in sentences:
                split = [
                    self.tokenizer.encode(without_halves(w), add_special_tokens=False)
                    for w in words
                ]
                flat = np.array([p for subwords in split for p in subwords], dtype=np.int32)
                yield flat, np.repeat(np.arange(len(split)), [len(p) for p in split])
            return
        backend.no_truncation()
        backend.no_padding()
        # A word that reads "[SEP]" is a word.
        backend.encode_special_tokens = True
        try:
            encodings = backend.encode_batch(
                [list(s) for s in sentences], is_pretokenized=True, add_special_tokens=False
            )
        except TypeError:  # what it says of half a surrogate pair; to look for them costs time
            encodings = backend.encode_batch(
                [[without_halves(w) for w in s] for s in sentences],
                is_pretokenized=True,
                add_special_tokens=False,
            )
        backend.encode_special_tokens = False
        for encoding in encodings:
            yield (
                np.array(encoding.ids, dtype=np.int32),
                np.array(encoding.word_ids, dtype=np.int64),
            )

    def windows(self, subwords: EncodedSentences, overlap: int | None = None) -> Windows:
        """Lay windows over sentences; one that fits is one window.

        Args:
            subwords: The sentences.
            overlap: Least number of subwords that neighbouring windows of a sentence share, as far
                as whole words allow; default: a quarter of the window. In the shared part each word
                belongs to the window in which it has more context.
        """
        overlap = self.room // 4 if overlap is None else min(overlap, self.room // 2)
        rows: list[tuple[int, int, int, int]] = []
        starts, words = subwords.sentences, subwords.words
        fits = words[starts[1:]] - words[starts[:-1]] <= self.room
        for sentence in range(len(starts) - 1):
            first, last = int(starts[sentence]), int(starts[sentence + 1])
            if fits[sentence]:
                if last > first:
                    rows.append((first, last, first, last))
                continue
            own = first
            while True:
                end = int(np.searchsorted(words, words[first] + self.room, side="right")) - 1
                end = min(end, last)
                if end == last:
                    rows.append((first, end, own, end))
                    break
                following = int(np.searchsorted(words, words[end] - overlap, side="right")) - 1
                following = min(max(following, first + 1), end)
                middle = (following + end) // 2
                rows.append((first, end, own, middle))
                own, first = middle, following
        columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
        return Windows(*(np.ascontiguousarray(c) for c in columns))

    def lengths(self, subwords: EncodedSentences, windows: Windows) -> NDArray[np.int64]:
        """Return the input length of every window, special tokens included."""
        extra = len(self.prefix) + len(self.suffix)
        return subwords.words[windows.end] - subwords.words[windows.first] + extra

    def pad_batch(
        self, subwords: EncodedSentences, windows: Windows, chosen: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return ``input_ids`` and ``attention_mask``, (windows chosen, longest), int64."""
        begin, end = subwords.words[windows.first[chosen]], subwords.words[windows.end[chosen]]
        extra = len(self.prefix) + len(self.suffix)
        lengths = end - begin + extra
        longest = int(lengths.max())
        ids = np.full((len(chosen), longest), self.pad, dtype=np.int64)
        mask = (np.arange(longest) < lengths[:, None]).astype(np.int64)
        lead = len(self.prefix)
        ids[:, :lead] = self.prefix
        for row, (b, e) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
            ids[row, lead : lead + e - b] = subwords.ids[b:e]
            ids[row, lead + e - b : lead + e - b + len(self.suffix)] = self.suffix
        return ids, mask

    def places(
        self,
        subwords: EncodedSentences,
        windows: Windows,
        chosen: NDArray[np.int64],
        all_subwords: bool,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return where the words that the windows own stand in the arrays of :meth:`pad_batch`.

        Returns:
            The words that have subwords, how many each has, and the rows and columns to read: of
            the first subword of each word, or of all of them.
        """
        own_first, own_end = windows.own_first[chosen], windows.own_end[chosen]
        owned = own_end - own_first
        words = ranges(own_first, owned)
        rows = np.repeat(np.arange(len(chosen)), owned)
        counts = subwords.words[words + 1] - subwords.words[words]
        columns = subwords.words[words] - subwords.words[windows.first[chosen]][rows]
        columns += len(self.prefix)
        visible = counts > 0
        words, rows, columns, counts = (a[visible] for a in (words, rows, columns, counts))
        if all_subwords:
            rows = np.repeat(rows, counts)
            columns = ranges(columns, counts)
        return words, counts, rows, columns


def unreadable(seen: Mapping[str, int]) -> str | None:
    """Return a warning if more than one word in twenty is unknown to a vocabulary.

    Args:
        seen: What :attr:`stages.tagger.tagger.Tagger.seen` has counted.
    """
    unknown, words = seen.get("words_unknown", 0), seen.get("words", 0)
    if not unknown or 20 * unknown <= words:
        return None
    return (
        f"{unknown} of {words} words are unknown to the encoder's vocabulary and look alike to it, "
        "so their labels are guesses; take an encoder that knows the script"
    )


def special_subwords(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return what the tokenizer puts before and after a sequence.

    Raises:
        ModelError: If it puts something between as well.
    """
    bare = tokenizer.encode("a", add_special_tokens=False)
    full = tokenizer.encode("a", add_special_tokens=True)
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return full[:start], full[start + len(bare) :]
    raise ModelError(
        f"{type(tokenizer).__name__}: special tokens do not simply surround a sequence"
    )


def load_tokenizer(path: str | Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer so that words given one by one become the subwords of running text.

    A byte-level tokenizer (RoBERTa, ModernBERT) marks the space before a word; it is told to put it
    before each word of a list too.

    Raises:
        ModelError: If the folder holds no tokenizer.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: cannot load its tokenizer ({error})") from error
    # Whether the hub could be asked (HF_HUB_OFFLINE) would be saved with it: other bytes elsewhere.
    tokenizer.init_kwargs.pop("local_files_only", None)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None and backend.pre_tokenizer is not None:
        _prefix_spaces(backend)
    return tokenizer


def _prefix_spaces(backend: Any) -> None:
    from tokenizers import normalizers
    from tokenizers.pre_tokenizers import ByteLevel, Sequence

    splitter = backend.pre_tokenizer
    if isinstance(splitter, ByteLevel):
        splitter.add_prefix_space = True
        backend.pre_tokenizer = splitter
    elif isinstance(splitter, Sequence) and b"ByteLevel" in splitter.__getstate__():
        # Behind another splitter, it would put a space before each part of a word.
        space = normalizers.Prepend(" ")
        before = backend.normalizer
        if before is None:
            backend.normalizer = space
        elif not before.normalize_str("a").startswith(" "):  # else one of ours, saved
            backend.normalizer = normalizers.Sequence([before, space])


def longest_window(config: Any, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the longest input in subwords that a model and its tokenizer take.

    Args:
        config: The model's configuration object (that of its encoder, if nested).
        tokenizer: Its tokenizer.
    """
    config = getattr(config, "encoder", config)
    limits = []
    positions = getattr(config, "max_position_embeddings", None)
    if positions and positions > 0:
        # RoBERTa's kin count positions from the padding index + 1.
        shifted = config.model_type in OFFSET_POSITIONS
        limits.append(positions - (config.pad_token_id + 1 if shifted else 0))
    if tokenizer.model_max_length < _UNLIMITED:
        limits.append(int(tokenizer.model_max_length))
    return min(limits) if limits else _NO_LIMIT_WINDOW
