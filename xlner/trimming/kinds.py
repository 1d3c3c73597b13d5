"""The kinds of subword vocabulary in a ``tokenizer.json``: what each must keep, and how it is cut.

A kind is asked for the subwords that can never go (:meth:`SubwordModel.required`), for those that a
kept one hangs on (:meth:`SubwordModel.closed`), for what a word costs without a subword
(:meth:`SubwordModel.loss`), and for the cut model. Whatever is cut, a word whose subwords are all
kept is tokenised as before.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Set
from typing import Any, Final

from pipeline.errors import ModelError

_BYTE: Final = re.compile(r"<0x[0-9A-F]{2}>")
_LONGEST: Final = 32
"""Characters of a subword within which Unigram's next best segmentation is looked for."""


class SubwordModel(ABC):
    """A vocabulary of one kind, from the section ``model`` of a ``tokenizer.json``."""

    def __init__(self, model: dict[str, Any]) -> None:
        self.model = model
        vocab = model["vocab"]  # Unigram's is a list of subwords with their scores
        self.subwords: dict[str, int] = (
            vocab if isinstance(vocab, dict) else {s: n for n, (s, _) in enumerate(vocab)}
        )
        """Every subword with its number."""

    @abstractmethod
    def required(self) -> set[str]:
        """Subwords without which some text could not be written any more."""

    def closed(self, kept: Set[str]) -> set[str]:
        """Return ``kept`` with the subwords that these are built from."""
        return set(kept)

    def droppable(self, kept: Set[str]) -> set[str]:
        """Return those of ``kept`` that no other of them is built from."""
        return set(kept)

    @abstractmethod
    def loss(self, subword: str, kept: Set[str]) -> float:
        """Return what each occurrence costs if ``subword`` were no longer among ``kept``."""

    def cut(self, kept: Set[str]) -> dict[str, Any]:
        """Return the section ``model`` with ``kept`` only, numbered from 0 in the old order."""
        return {**self.model, "vocab": {s: n for n, s in enumerate(self.in_order(kept))}}

    def in_order(self, kept: Set[str]) -> list[str]:
        """Return ``kept`` by their old numbers."""
        numbers = self.subwords
        return sorted(kept, key=numbers.__getitem__)


class Unigram(SubwordModel):
    """SentencePiece's unigram model (XLM-R, e5, mT5): the most probable segmentation of a word."""

    def __init__(self, model: dict[str, Any]) -> None:
        super().__init__(model)
        self._scores = {subword: float(score) for subword, score in model["vocab"]}

    def required(self) -> set[str]:
        """The unknown word, single characters, byte fallbacks, what holds a character alone."""
        unknown = self.model.get("unk_id")
        kept = set() if unknown is None else {self.model["vocab"][unknown][0]}
        return kept | _writing(self.subwords) | {s for s in self.subwords if _BYTE.fullmatch(s)}

    def loss(self, subword: str, kept: Set[str]) -> float:
        """The log-likelihood that the best segmentation into other kept subwords has less."""
        best = [0.0] + [float("-inf")] * len(subword)
        for end in range(1, len(subword) + 1):
            for start in range(max(0, end - _LONGEST), end):
                part = subword[start:end]
                if part != subword and part in kept:
                    best[end] = max(best[end], best[start] + self._scores[part])
        return self._scores[subword] - best[-1]

    def cut(self, kept: Set[str]) -> dict[str, Any]:
        """Return the section with the entries of `kept`; scores stay."""
        vocab = [entry for entry in self.model["vocab"] if entry[0] in kept]
        unknown = self.model.get("unk_id")
        if unknown is not None:
            name = self.model["vocab"][unknown][0]
            unknown = next(n for n, entry in enumerate(vocab) if entry[0] == name)
        return {**self.model, "vocab": vocab, "unk_id": unknown}


class WordPiece(SubwordModel):
    """BERT's: the longest subword that fits, from left to right."""

    def __init__(self, model: dict[str, Any]) -> None:
        super().__init__(model)
        self._prefix: str = model.get("continuing_subword_prefix") or "##"

    def required(self) -> set[str]:
        """Single characters at the beginning and within words, and what holds one that has none.

        Words of which a part cannot be written become unknown as a whole, so that a character
        needs its subword at both places where the full vocabulary has it there.
        """
        first = {s for s in self.subwords if not s.startswith(self._prefix)}
        later = {s[len(self._prefix) :] for s in self.subwords if s.startswith(self._prefix)}
        kept = {self.model["unk_token"]}
        for subword in first:
            if len(subword) == 1 or not (subword[0] in first and set(subword[1:]) <= later):
                kept.add(subword)
        for rest in later:
            if len(rest) == 1 or not set(rest) <= later:
                kept.add(self._prefix + rest)
        return kept

    def loss(self, subword: str, kept: Set[str]) -> float:
        """How many more subwords the longest others make of it."""
        inside = subword.startswith(self._prefix)
        rest = subword[len(self._prefix) :] if inside else subword
        number, start = 0, 0
        while start < len(rest):
            for end in range(len(rest), start, -1):
                part = (self._prefix if inside or start else "") + rest[start:end]
                if part != subword and part in kept:
                    break
            else:
                return float("inf")
            number, start = number + 1, end
        return number - 1.0


class BPE(SubwordModel):
    """Merges of two subwords into one, in their order (GPT-2, RoBERTa, BLOOM, Llama)."""

    def __init__(self, model: dict[str, Any]) -> None:
        super().__init__(model)
        self._prefix: str = model.get("continuing_subword_prefix") or ""
        self._merges = [self._pair(merge) for merge in model["merges"]]
        self._made: dict[str, list[tuple[str, str]]] = {}
        for left, right in self._merges:
            self._made.setdefault(self._joined(left, right), []).append((left, right))

    @staticmethod
    def _pair(merge: str | list[str]) -> tuple[str, str]:
        left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
        return left, right

    def _joined(self, left: str, right: str) -> str:
        return left + right.removeprefix(self._prefix)

    def required(self) -> set[str]:
        """What no merge makes: characters, bytes, and entries of other use."""
        unknown = self.model.get("unk_token")
        return ({unknown} if unknown else set()) | (self.subwords.keys() - self._made.keys())

    def closed(self, kept: Set[str]) -> set[str]:
        """Return `kept` and the parts of every merge that makes one of them."""
        found, todo = set(kept), list(kept)
        while todo:
            for parts in self._made.get(todo.pop(), ()):
                for part in parts:
                    if part in self.subwords and part not in found:
                        found.add(part)
                        todo.append(part)
        return found

    def droppable(self, kept: Set[str]) -> set[str]:
        """Return what a merge makes and no kept subword is merged from."""
        needed = {part for whole in kept for parts in self._made.get(whole, ()) for part in parts}
        return {subword for subword in kept if subword in self._made and subword not in needed}

    def loss(self, subword: str, kept: Set[str]) -> float:
        """One more subword: the two that it is merged from."""
        return 1.0

    def cut(self, kept: Set[str]) -> dict[str, Any]:
        """Return the section with `kept`, and the merges whose parts and result are all kept."""
        merges = [
            merge
            for merge, (left, right) in zip(self.model["merges"], self._merges, strict=True)
            if left in kept and right in kept and self._joined(left, right) in kept
        ]
        return {**super().cut(kept), "merges": merges}


def _writing(subwords: Iterable[str]) -> set[str]:
    """Single characters, and the subwords with a character that is no subword by itself."""
    names = set(subwords)
    alone = {s for s in names if len(s) == 1}
    return alone | {s for s in names if not _BYTE.fullmatch(s) and not set(s) <= alone}


KINDS: Final[dict[str, type[SubwordModel]]] = {
    "Unigram": Unigram,
    "WordPiece": WordPiece,
    "BPE": BPE,
}


def kind_of(tokenizer: dict[str, Any], name: str) -> SubwordModel:
    """Return the vocabulary of a parsed ``tokenizer.json``.

    Raises:
        ModelError: If it is of another kind.
    """
    model = tokenizer.get("model", {})
    kind = KINDS.get(model.get("type", ""))
    if kind is None:
        raise ModelError(
            f"{name}: the tokenizer is of kind {model.get('type')!r}; "
            f"vocabularies of the kinds {', '.join(KINDS)} can be cut"
        )
    return kind(model)
