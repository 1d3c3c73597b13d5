"""Text to the tokens that a translation model reads, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.translate.codes import TranslationDirection
from stages.translate.conversion import load_tokenizer
from stages.translate.tags import from_subwords, to_subwords


class Subwords:
    """The tokeniser of a translation model, for one direction.

    The tokeniser of transformers is loaded; where it wraps a SentencePiece model, whole batches go
    to SentencePiece itself, which gives the same subwords many times faster (a test compares).

    Args:
        folder: Folder with the tokeniser files.
        direction: What the model calls the languages.
    """

    def __init__(self, folder: Path, direction: TranslationDirection) -> None:
        self.direction = direction
        self.tokenizer: Any = load_tokenizer(folder, direction.family)
        self._eos = self.tokenizer.eos_token
        special = set(self.tokenizer.all_special_tokens) - {self.tokenizer.unk_token}
        special |= {"<s>", "</s>", "<pad>"}
        if direction.target:
            special.add(direction.target)
        self._special = frozenset(special)
        # Translators that have learnt tags as subwords have them with the space before them.
        self._before: list[str] = []
        self._tagged = "\u2581<a>" in self.tokenizer.get_vocab()
        self._source: Any = None
        self._target: Any = None
        if direction.family == "marian":
            # As the tokeniser does it: text that looks like a tag is not given to SentencePiece.
            self._source = self.tokenizer.spm_source
            self._target = self.tokenizer.spm_target
        elif direction.family == "m2m100":
            self._source = self._target = self.tokenizer.sp_model
        else:
            self._backend: Any = self.tokenizer._tokenizer
        if direction.family == "t5":
            self._before = self.cut([str(direction.target)])[0]

    @property
    def knows_slots(self) -> bool:
        """Whether the slots of CROP are subwords of their own, which the model has learnt."""
        return "\u2581__SLOT0__" in self.tokenizer.get_vocab()

    @property
    def overhead(self) -> int:
        """Number of tokens that :meth:`source` adds to a text's own subwords."""
        return len(self.source([]))

    @property
    def prefix(self) -> list[str] | None:
        """Tokens that every target sequence begins with, or ``None``."""
        if self.direction.family in ("marian", "t5", "bart") or self.direction.target is None:
            return None
        if self.direction.family == "m2m100":
            return [f"__{self.direction.target}__"]
        return [self.direction.target]

    def cut(self, texts: Sequence[str]) -> list[list[str]]:
        """Split texts into subwords, without special tokens."""
        if self._tagged:
            texts = [to_subwords(text) for text in texts]
        if self._source is not None:
            encoded: list[list[str]] = self._source.encode(list(texts), out_type=str)
            return encoded
        batch = self._backend.encode_batch(list(texts), add_special_tokens=False)
        return [e.tokens for e in batch]

    def unknown(self, text: str) -> list[str]:
        """Return the subwords of a text that the model does not know, and reads all alike.

        Args:
            text: What it might get to read.
        """
        ids = self.tokenizer.convert_tokens_to_ids
        nothing = self.tokenizer.unk_token_id
        return [p for p in self.cut([text])[0] if ids(p) == nothing]

    def source(self, subwords: Sequence[str]) -> list[str]:
        """Add the special tokens of the source side to the subwords of a text."""
        family, direction = self.direction.family, self.direction
        if family in ("marian", "bart"):
            tag = [direction.target] if direction.target else []
            return [*tag, *subwords, self._eos]
        if family == "t5":
            return [*self._before, *subwords, self._eos]
        source = f"__{direction.source}__" if family == "m2m100" else str(direction.source)
        return [source, *subwords, self._eos]

    def ended(self, tokens: Sequence[str]) -> bool:
        """Return whether a target sequence ends with the end token."""
        return bool(tokens) and tokens[-1] == self._eos

    def decode(self, tokens: Sequence[str]) -> str:
        """Join target tokens into text; special tokens are left out."""
        kept = [t for t in tokens if t not in self._special]
        if self._target is not None:
            text: str = self._target.decode_pieces(kept)
        else:
            text = "".join(kept).replace("\u2581", " ")
        if self._tagged:
            text = from_subwords(text)
        return " ".join(text.replace("\u2581", " ").split())
