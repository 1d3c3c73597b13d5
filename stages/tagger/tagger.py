"""The word-level API: words or raw text in, entities out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerBase

from pipeline.errors import ModelError
from pipeline.models import bin_allowed, refuse_pickled_weights
from pipeline.task import Advance, no_advance
from stages.machine import compute_in_forked_processes, fastest_precision, torch_device
from stages.quiet import quiet
from stages.tagger import modeling
from stages.tagger.adapter import is_adapter
from stages.tagger.adapter import load as load_adapter
from stages.tagger.encoding import WordEncoder, load_tokenizer, longest_window
from stages.tagger.inference import tokens_per_batch, word_distributions
from stages.tagger.labels import LabelSet
from stages.tagger.word_tagger import Entity, WordTagger

__all__ = ["Entity", "Tagger"]

Rename = Callable[[list[str]], list[str]]


class Tagger(WordTagger):
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
            machine has it. The weights stay in float32.

    Attributes:
        temperature: What makes its probabilities calibrated (:mod:`stages.tagger.calibration`).
        seen: How many ``words`` were read so far, and of these ``words_respelt`` and
            ``words_unknown`` (see :class:`stages.tagger.encoding.EncodedSentences`).

    Raises:
        ConfigError: If there is no such device.
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
        dtype: str = "auto",
    ) -> None:
        if dtype not in ("auto", "float32", "bfloat16"):
            raise ValueError(f"dtype {dtype!r} is not one of: auto, float32, bfloat16")
        compute_in_forked_processes()
        where = torch.device(torch_device(device))
        if dtype == "auto":
            dtype = fastest_precision(where.type)
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
        self.temperature = float(getattr(config, "score_temperature", 1.0))
        self._fitted = float(getattr(config, "fitted_temperature", None) or self.temperature)
        self._autocast: torch.dtype | None = torch.bfloat16 if dtype == "bfloat16" else None

    @classmethod
    def from_pretrained(
        cls, path: str | Path, *, rename: Rename | None = None, **options: Any
    ) -> Tagger:
        """Load a tagger: one of ours, or any token classifier of transformers with IOB2 labels.

        Args:
            path: Local folder or hub id.
            rename: Gives the labels of a token classifier IOB2 names, where it has others.
            **options: See the class.

        Raises:
            ModelError: If there is no model, it is of another kind, or its labels are not IOB2.
        """
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
        names = [config.id2label[i] for i in range(len(config.id2label))]
        fused = isinstance(config, modeling.LayerFusedConfig)
        if rename is not None and not fused:
            names = rename(names)
        LabelSet(names)
        try:
            with quiet():
                model: Any
                if is_adapter(path):
                    model = load_adapter(path)
                elif fused:
                    model = modeling.LayerFusedForTokenClassification.from_pretrained(
                        path, dtype=torch.float32, use_safetensors=safe
                    )
                else:
                    model = modeling.LayerFusedForTokenClassification.from_encoder(
                        path, names, use_safetensors=safe
                    )
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: cannot load the tagger ({error})") from error
        return cls(model, load_tokenizer(path), **options)

    def __getstate__(self) -> dict[str, Any]:
        # Transformers hangs functions on a model that has been used, which cannot be pickled.
        model = (type(self.model), self.model.config, self.model.state_dict())
        return {**self.__dict__, "model": model}

    def __setstate__(self, state: dict[str, Any]) -> None:
        kind, config, weights = state["model"]
        model = kind(config)
        model.load_state_dict(weights)
        model.to(next(iter(weights.values())).device).eval()
        self.__dict__.update(state, model=model)

    def save_pretrained(self, folder: str | Path) -> None:
        """Save weights, configuration, tokenizer, the code of the model, and a model card."""
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

    def as_teacher(self) -> float:
        """Answer with the temperature that was fitted; return by what scores are softer."""
        softening = self.temperature / self._fitted
        self.temperature = self._fitted
        return softening

    def flat(
        self, sentences: Sequence[Sequence[str]], advance: Advance = no_advance
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return (words, labels) of all sentences, and (sentences + 1) where each one starts."""
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
            temperature=self.temperature,
            advance=advance,
        )
        self.seen.update(
            words=len(subwords.words) - 1,
            words_respelt=subwords.respelt_words,
            words_unknown=subwords.unknown_words,
        )
        return probs, subwords.sentences
