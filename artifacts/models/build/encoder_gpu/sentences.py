"""The packed text as subword identifiers, and the batches that are made of it in threads."""

from __future__ import annotations

import json
import lzma
import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

BOS, PAD, EOS, UNKNOWN = 0, 1, 2, 3
"""As in every tokenizer of XLM-R's make; the last identifier is the mask's."""
IGNORED = -100
LONGEST = 256
MOST_WORDS = 120
MOST_PAIRS = 3000
POOL = 4096
Row = tuple[np.ndarray, np.ndarray]


def read_packed(path: Path) -> str:
    """Return the text of a compressed file."""
    return lzma.decompress(path.read_bytes()).decode("utf-8")


def _rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in read_packed(path).split("\n") if line]


class _Subwords:
    """The subwords of every word type, one after the other."""

    def __init__(self, segments: Sequence[Sequence[int]]) -> None:
        self.starts = np.cumsum([0, *(len(s) for s in segments)])
        self.ids = np.array([i for s in segments for i in s], np.int64)

    def __call__(self, types: np.ndarray) -> Row:
        """Return the subwords of a sentence of word types, and the number of each one's word."""
        counts = self.starts[types + 1] - self.starts[types]
        where = np.repeat(np.arange(len(types)), counts)
        within = np.arange(len(where)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.ids[self.starts[types][where] + within], where


class Text:
    """Sentences as word types, which student and teacher cut into subwords each in their way.

    The student's vocabulary is the beginning of the teacher's but for the subwords that only the
    teacher has, which come after the mask.
    """

    def __init__(self, folder: Path) -> None:
        from tokenizers.models import Unigram

        noted = json.loads(read_packed(folder / "vocabulary.xz"))
        own = [tuple(entry) for entry in noted["student"]]
        more = [tuple(entry) for entry in noted["teacher"]]
        self.size, self.teacher_size = len(own), len(own) + len(more)
        self.mask = self.size - 1
        self.lone = [subword for subword, _ in own].index("▁")
        self._types: dict[str, int] = {}
        pairs, single, listed = (
            _rows(folder / f"{name}.xz") for name in ("pairs", "sentences", "words")
        )
        self.source = [self._words(row[1]) for row in pairs]
        self.target = [self._words(row[2]) for row in pairs]
        self.single = [self._words(row[1]) for row in single]
        self.listed = [self._words(row[1]) for row in listed]
        self.languages = sorted({row[0] for row in pairs})
        numbers = {code: k for k, code in enumerate(self.languages)}
        self.pair_language = np.array([numbers[row[0]] for row in pairs])
        self.links = [
            np.array([link.split("-") for link in row[3].split()], np.int64).reshape(-1, 2)
            for row in pairs
        ]
        words = [f"▁{word}" for word in self._types]
        self.student, self.teacher = (
            _Subwords([[t.id for t in model.tokenize(word)] for word in words])
            for model in (Unigram(own, UNKNOWN, False), Unigram(own + more, UNKNOWN, False))
        )

    def _words(self, text: str) -> np.ndarray:
        types = self._types
        return np.array([types.setdefault(word, len(types)) for word in text.split(" ")], np.int64)

    def counts(self) -> np.ndarray:
        """Return how often each of the student's subwords occurs, and one more."""
        words = np.bincount(
            np.concatenate(self.source + self.target + self.single), minlength=len(self._types)
        )
        each = np.repeat(words, np.diff(self.student.starts))
        return np.bincount(self.student.ids, weights=each, minlength=self.size) + 1.0

    def summary(self) -> str:
        """Return a line of counts."""
        linked = sum(len(links) > 0 for links in self.links)
        return (
            f"{len(self.source):,} pairs ({linked:,} with statistical links), {len(self.single):,} "
            f"sentences, {len(self.listed)} lists, {len(self._types):,} word types; "
            f"{self.size:,} subwords, the teacher's {self.teacher_size:,}"
        )


class CleanBatch(NamedTuple):
    """Unmasked sentences, as the student and as the teacher cut them.

    Word numbers count through the batch, -1 where there is none.
    """

    ids: np.ndarray
    word: np.ndarray
    teacher_ids: np.ndarray
    teacher_word: np.ndarray
    whole: np.ndarray
    """Whether both see the word: the longest rows are cut off."""
    source: np.ndarray
    """Pairs by words: word numbers."""
    target: np.ndarray
    links: np.ndarray
    """Pairs by source words by target words: statistical links."""
    linked: np.ndarray
    """Whether a pair has such links."""
    language: np.ndarray


class MaskedBatch(NamedTuple):
    """Subwords of which some are masked, and those that were there (elsewhere ``IGNORED``)."""

    ids: np.ndarray
    labels: np.ndarray


def pad_rows(rows: Sequence[Row]) -> Row:
    """Return rows of subwords and word numbers as two arrays, cut off at ``LONGEST``."""
    width = min(LONGEST, (max(len(ids) for ids, _ in rows) + 15) // 16 * 16)
    ids = np.full((len(rows), width), PAD, np.int64)
    word = np.full((len(rows), width), -1, np.int64)
    for k, (a, b) in enumerate(rows):
        ids[k, : len(a)] = a[:width]
        word[k, : len(b)] = b[:width]
    return ids, word


class Batches:
    """Makes masked and clean batches in threads; languages are drawn by size to the power 0.7."""

    def __init__(
        self,
        text: Text,
        *,
        masked_tokens: int,
        clean_tokens: int,
        seed: int,
        threads: int,
        held: int = 256,
    ) -> None:
        self.text = text
        self._masked_tokens, self._clean_tokens = masked_tokens, clean_tokens
        order = np.random.default_rng(0).permutation(len(text.source))
        held = min(held, len(order) // 4)
        self.held, self._pairs = order[:held], order[held:]
        self._lengths = np.array(
            [len(a) + len(b) for a, b in zip(text.source, text.target, strict=True)]
        )
        language = text.pair_language[self._pairs]
        weights = np.bincount(language)[language] ** -0.3
        self._weights = weights / weights.sum()
        self.queue: queue.Queue[tuple[MaskedBatch, CleanBatch]] = queue.Queue(8)
        for k in range(threads):
            threading.Thread(target=self._work, args=(seed + k,), daemon=True).start()

    def _work(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        while True:
            self.queue.put((self.masked(rng, None), self.clean(rng, None)))

    def _some_pairs(self, rng: np.random.Generator, tokens: int) -> np.ndarray:
        """Return pairs of like length, of about so many subwords in all."""
        pool = rng.choice(self._pairs, POOL, p=self._weights)
        pool = pool[np.argsort(self._lengths[pool], kind="stable")]
        pool = pool[rng.integers(0, len(pool)) :][:MOST_PAIRS]
        before = np.cumsum(self._lengths[pool] * 1.5 + 4) - (self._lengths[pool] * 1.5 + 4)
        return pool[before < tokens]

    def _subwords(self, rng: np.random.Generator, types: np.ndarray) -> Row:
        """Return a sentence in the student's subwords, in half of the cases without lone marks."""
        ids, word = self.text.student(types)
        keep = (ids != self.text.lone) | (rng.random() < 0.5)
        return (ids[keep], word[keep]) if keep.any() else (ids, word)

    def masked(self, rng: np.random.Generator, pairs: np.ndarray | None) -> MaskedBatch:
        """Return pairs and joined sentences, 15 to 35 % of the words of each row masked."""
        text = self.text
        rows = []
        for i in self._some_pairs(rng, self._masked_tokens * 2 // 3) if pairs is None else pairs:
            first, second = (
                self._subwords(rng, types) for types in (text.source[i], text.target[i])
            )
            if rng.random() < 0.5:
                first, second = second, first
            after = second[1] + first[1].max() + 1
            ids = np.concatenate([[BOS], first[0], [EOS, EOS], second[0], [EOS]])
            rows.append((ids, np.concatenate([[-1], first[1], [-1, -1], after, [-1]])))
        longest = max(len(ids) for ids, _ in rows)
        total = 0
        while text.single and total < self._masked_tokens // 3:
            rows.append(self._joined(rng, longest))
            total += len(rows[-1][0])
        ids, word = pad_rows(rows)
        chosen = np.zeros(ids.shape, bool)
        for k, row in enumerate(word):
            pick = rng.random(row.max() + 1) < 0.15 + 0.2 * rng.random()
            chosen[k] = np.append(pick, False)[row]  # -1 is the last
        dice = rng.random(ids.shape)
        seen = np.where(chosen & (dice < 0.8), text.mask, ids)
        seen = np.where(
            chosen & (dice >= 0.8) & (dice < 0.9),
            rng.integers(UNKNOWN + 1, text.mask, ids.shape),
            seen,
        )
        return MaskedBatch(seen, np.where(chosen, ids, IGNORED))

    def _joined(self, rng: np.random.Generator, longest: int) -> Row:
        """Return single sentences in one row, about as long as the longest pair."""
        ids, word, words, size = [np.array([BOS])], [np.array([-1])], 0, 1
        while size < longest * 0.8:
            a, b = self._subwords(rng, self.text.single[rng.integers(len(self.text.single))])
            if size > 1 and size + len(a) > longest + 8:
                break
            ids += [a, np.array([EOS])]
            word += [b + words, np.array([-1])]
            words += b.max() + 1
            size += len(a) + 1
        return np.concatenate(ids), np.concatenate(word)

    def clean(self, rng: np.random.Generator, pairs: np.ndarray | None) -> CleanBatch:
        """Return pairs, and unless they are given, also single sentences and words of lists."""
        text = self.text
        chosen = self._some_pairs(rng, self._clean_tokens * 5 // 6) if pairs is None else pairs
        sentences = [text.source[i] for i in chosen] + [text.target[i] for i in chosen]
        if pairs is None:
            sentences += self._beside(rng, max(8, int(np.mean([len(s) for s in sentences]))))
        counts = np.array([len(s) for s in sentences])
        base = np.cumsum(counts) - counts
        cut = []
        for subwords in (text.student, text.teacher):
            rows = [subwords(types) for types in sentences]
            ids, word = pad_rows(
                [(np.array([BOS, *a, EOS]), np.array([-1, *b, -1])) for a, b in rows]
            )
            cut.append((ids, np.where(word >= 0, word + base[:, None], -1)))
        whole = np.ones(counts.sum(), bool)
        for _, word in cut:
            whole &= np.bincount(word[word >= 0], minlength=len(whole)) > 0
        source, target, links = self._places(chosen, counts, base)
        linked = np.array([len(text.links[i]) > 0 for i in chosen])
        language = text.pair_language[chosen]
        return CleanBatch(*cut[0], *cut[1], whole, source, target, links, linked, language)

    def _beside(self, rng: np.random.Generator, size: int) -> list[np.ndarray]:
        """Return single sentences and random words of the lists, a twelfth of the batch each."""
        text = self.text
        found = []
        for rows, share in ((text.single, 1.5), (text.listed, 1.8)):
            total = 0.0
            while rows and total < self._clean_tokens // 12:
                row = rows[rng.integers(len(rows))]
                found.append(row[: 2 * size] if rows is text.single else rng.choice(row, size))
                total += len(found[-1]) * share
        return found

    def _places(
        self, pairs: np.ndarray, counts: np.ndarray, base: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the word numbers of both sides of the pairs, and their statistical links."""
        number = len(pairs)
        width = int(min(MOST_WORDS, counts[: 2 * number].max()))
        sides = []
        for first in (0, number):
            size, start = counts[first : first + number, None], base[first : first + number, None]
            sides.append(np.where(np.arange(width) < size, start + np.arange(width), -1))
        links = np.zeros((number, width, width), bool)
        for k, i in enumerate(pairs):
            found = self.text.links[i]
            found = found[(found < width).all(1)]
            links[k, found[:, 0], found[:, 1]] = True
        return sides[0], sides[1], links
