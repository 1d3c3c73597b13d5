"""The word-level API: words or raw text in, entities out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError, ModelError
from pipeline.listed import listed, sentences_of
from pipeline.models import bin_allowed, refuse_pickled_weights
from pipeline.schema import Span
from stages.machine import has_bfloat16
from stages.tagger.encoding import WordEncoder, load_tokenizer, longest_window
from stages.tagger.inference import tokens_per_batch, word_distributions
from stages.tagger.labels import LabelSet

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Entity(Span):
    """A span of words with its text, and its place in the raw string where one was given.

    Attributes:
        text: The words joined by spaces, or the stretch of the raw string.
        chars: ``(start, end)``, half-open, in characters of the raw string.
    """

    text: str = ""
    chars: tuple[int, int] | None = None


class Tagger:
    """A trained tagger.

    Args:
        model: A token classifier with IOB2 labels.
        tokenizer: Its tokenizer.
        device: Where to run; default: a GPU if there is one.
        batch_tokens: Most subwords in a batch, padding included; default: 1024, on a GPU 32768.
        batch_size: Most windows in a batch.
        window: Longest input in subwords; default: what the model takes.
        overlap: Subwords that neighbouring windows of a long sentence share; default: a quarter.
        constrained: Decode into the most probable valid IOB2 sequence.
        dtype: Precision to compute in: ``float32``, ``bfloat16``, or ``auto``: the latter where the
            machine has it.

    Attributes:
        seen: How many ``words`` were read so far, and of these ``words_respelt`` and
            ``words_unknown`` (see :class:`stages.tagger.encoding.EncodedSentences`).

    Raises:
        ModelError: If the model's labels are not IOB2 labels.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        device: str | None = None,
        batch_tokens: int | None = None,
        batch_size: int = 256,
        window: int | None = None,
        overlap: int | None = None,
        constrained: bool = True,
        dtype: str = "float32",
    ) -> None:
        import torch

        if dtype not in ("auto", "float32", "bfloat16"):
            raise ValueError(f"dtype {dtype!r} is not one of: auto, float32, bfloat16")
        where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if dtype == "auto":
            dtype = "bfloat16" if has_bfloat16(where.type) else "float32"
        module: Any = model
        self.model = module.to(where).eval()
        config: Any = model.config
        names = [config.id2label[i] for i in range(config.num_labels)]
        self.label_set = LabelSet(names)
        limit = longest_window(config, tokenizer)
        self.encoder = WordEncoder(tokenizer, min(window or limit, limit))
        self.seen: Counter[str] = Counter()
        self.batch_tokens = batch_tokens or tokens_per_batch(where)
        self.batch_size = batch_size
        self.overlap = overlap
        self.constrained = constrained
        self._all_subwords = getattr(config, "label_subwords", "first") == "all"
        self._autocast: torch.dtype | None = torch.bfloat16 if dtype == "bfloat16" else None

    @classmethod
    def from_pretrained(cls, path: str | Path, **options: Any) -> Tagger:
        """Load a tagger: one of ours, or any token classifier of transformers with IOB2 labels.

        Args:
            path: Local folder or hub id.
            **options: See the class.

        Raises:
            ModelError: If there is no model, it is of another kind, or its labels are not IOB2.
        """
        import torch
        from transformers import AutoConfig

        from stages.quiet import quiet
        from stages.tagger import modeling

        modeling.register()
        refuse_pickled_weights(path)
        safe = None if bin_allowed() else True  # for hub ids; a folder was looked at
        try:
            config = AutoConfig.from_pretrained(path, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: not a model folder or hub id ({error})") from error
        named = set(config.id2label.values())
        if all(n.startswith("LABEL_") for n in named):
            raise ModelError(
                f"{path}: a {config.model_type!r} checkpoint without label names: an encoder or "
                "language model, not a tagger (train one, or see the checkpoint's id2label)"
            )
        LabelSet(list(config.id2label.values()))
        try:
            with quiet():
                model: Any
                if isinstance(config, modeling.LayerFusedConfig):
                    model = modeling.LayerFusedForTokenClassification.from_pretrained(
                        path, dtype=torch.float32, use_safetensors=safe
                    )
                else:
                    model = modeling.LayerFusedForTokenClassification.from_encoder(
                        path, use_safetensors=safe
                    )
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: cannot load the tagger ({error})") from error
        return cls(model, load_tokenizer(path), **options)

    def save_pretrained(self, folder: str | Path) -> None:
        """Save weights, configuration, tokenizer, the code of the model, and a model card."""
        from stages.quiet import quiet

        with quiet():
            self.model.save_pretrained(folder)
            self.encoder.tokenizer.save_pretrained(folder)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Upload everything that :meth:`save_pretrained` writes to the Hugging Face hub.

        Args:
            repo_id: ``owner/name``; made if it does not exist.
            **options: ``private``, ``token``, ``revision``, ``commit_message`` … of
                ``PreTrainedModel.push_to_hub``.

        Returns:
            The address of the commit of the model.
        """
        self.encoder.tokenizer.push_to_hub(repo_id, **options)
        return str(self.model.push_to_hub(repo_id, **options))

    @property
    def labels(self) -> list[str]:
        """The labels, in the order of the distributions' columns."""
        return self.label_set.names

    def distributions(
        self,
        sentences: Iterable[Iterable[str]],
        advance: Callable[[int], None] = lambda windows: None,
    ) -> list[NDArray[np.float32]]:
        """Return the label distribution of every word: one (words, labels) array per sentence.

        Args:
            sentences: Lists of words; an empty one gives an array of shape (0, labels).
            advance: Called with the number of windows done (one per sentence, as a rule).
        """
        words = sentences_of(sentences, "distributions")
        probs, starts = self._flat(words, advance)
        return [probs[a:b] for a, b in pairwise(starts.tolist())]

    def decode(self, distributions: Iterable[NDArray[np.float32]]) -> list[list[Span]]:
        """Decode word-level distributions into spans."""
        distributions = listed(distributions, "decode: the distributions")
        lengths = [len(d) for d in distributions]
        starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
        empty = np.zeros((0, len(self.labels)), np.float32)
        return self.label_set.decode(
            np.concatenate([empty, *distributions]), starts, constrained=self.constrained
        )

    def predict(
        self, sentences: Iterable[str] | Iterable[Iterable[str]], *, lang: str = "en"
    ) -> list[list[Entity]]:
        """Find the entities of sentences.

        Args:
            sentences: Raw strings (the lines of a file, say), or lists of words.
            lang: ISO 639 code of raw strings, for splitting them into words.

        Returns:
            The entities of each sentence, in order; with character offsets for raw strings.

        Raises:
            DataError: If one string is given instead of a list, or strings and lists are mixed.
        """
        given = listed(sentences, "predict: the sentences")
        raw = [isinstance(s, str) for s in given]
        if any(raw) and not all(raw):
            raise DataError(
                f"predict takes raw strings or lists of words, not both at once: sentence "
                f"{raw.index(not raw[0])} is {'no string' if raw[0] else 'a string'}"
            )
        if any(raw):
            return self._predict_texts([str(text) for text in given], lang)
        words = sentences_of(given, "predict")
        probs, starts = self._flat(words)
        spans = self.label_set.decode(probs, starts, constrained=self.constrained)
        return [
            [
                Entity(s.start, s.end, s.type, s.score, " ".join(sentence[s.start : s.end]))
                for s in found
            ]
            for sentence, found in zip(words, spans, strict=True)
        ]

    def _predict_texts(self, texts: Sequence[str], lang: str) -> list[list[Entity]]:
        word_ranges = word_splitter(lang)
        ranges = [word_ranges(text) for text in texts]
        words = [[text[a:b] for a, b in r] for text, r in zip(texts, ranges, strict=True)]
        probs, starts = self._flat(words)
        spans = self.label_set.decode(probs, starts, constrained=self.constrained)
        return [
            [_with_characters(s, text, where) for s in found]
            for text, where, found in zip(texts, ranges, spans, strict=True)
        ]

    def _flat(
        self,
        sentences: Sequence[Sequence[str]],
        advance: Callable[[int], None] = lambda windows: None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        subwords = self.encoder.encode(sentences)
        probs = word_distributions(
            self.model,
            self.encoder,
            subwords,
            self.encoder.windows(subwords, self.overlap),
            neutral=self.label_set.neutral,
            all_subwords=self._all_subwords,
            batch_tokens=self.batch_tokens,
            batch_size=self.batch_size,
            autocast=self._autocast,
            advance=advance,
        )
        self.seen.update(
            words=len(subwords.words) - 1,
            words_respelt=subwords.respelt_words,
            words_unknown=subwords.unknown_words,
        )
        return probs, subwords.sentences


def word_splitter(lang: str) -> Callable[[str], Sequence[tuple[int, int]]]:
    """Return a function that gives the character ranges of the words of a text.

    The words are those of :func:`stages.tokenise.tokenise`, as in translated training
    data.
    """
    from pipeline.formats import offsets_by
    from stages.tokenise import tokenise

    return offsets_by(partial(tokenise, lang=lang))


def _with_characters(span: Span, text: str, words: Sequence[tuple[int, int]]) -> Entity:
    start, end = words[span.start][0], words[span.end - 1][1]
    return Entity(span.start, span.end, span.type, span.score, text[start:end], (start, end))
