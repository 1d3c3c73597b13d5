"""Masked-LM training of an encoder on text of the target languages.

Gururangan et al. 2020 ("Don't Stop Pretraining") call it domain- and task-adaptive pre-training,
Pfeiffer et al. 2020 (MAD-X) do it per language.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    PrinterCallback,
    Trainer,
)

from pipeline.errors import DataError, ModelError
from pipeline.listed import batched
from pipeline.progress import Progress
from stages.adapt.config import AdaptConfig
from stages.hf_training import ProgressBar, last_checkpoint, training_arguments
from stages.quiet import quiet
from stages.tagger.encoding import WordEncoder, load_tokenizer, longest_window

IGNORED: Final = -100
"""The label of what is not guessed: what PyTorch's cross entropy leaves out."""
_CHUNK: Final = 1000
_LEAST: Final = 3  # subwords of a sentence that something can be learnt from


@dataclass(frozen=True, slots=True)
class Adapted:
    """What came of a training.

    Attributes:
        sentences: Sentences that it saw.
        subwords: Their subwords, special ones included.
        new_head: Whether the encoder brought no masked-LM head, so that one was begun with.
        losses: Mean loss at the beginning and at the end, in nats per masked subword.
    """

    sentences: int
    subwords: int
    new_head: bool
    losses: tuple[float, float]


def adapt_encoder(
    sentences: Iterable[Sequence[str]],
    encoder: Path | str,
    folder: Path,
    work_dir: Path,
    options: AdaptConfig,
    *,
    seed: int,
    progress: Progress,
    title: str,
) -> Adapted:
    """Train an encoder on sentences; write it with its head and tokenizer into a folder.

    Args:
        sentences: Their words.
        encoder: Folder or hub id.
        folder: Where it goes.
        work_dir: For checkpoints: a stopped training continues there.
        options: The options.
        seed: For masks, order, dropout and a new head.
        progress: Shows how far it is.
        title: What the progress bar says.

    Raises:
        DataError: If there is no text.
        ModelError: If the encoder cannot be loaded, or knows no mask.
    """
    tokenizer = load_tokenizer(encoder)
    if tokenizer.mask_token_id is None:
        raise ModelError(f"{encoder}: its tokenizer has no mask, so it cannot be adapted")
    torch.manual_seed(seed)
    try:
        with quiet():
            model, told = AutoModelForMaskedLM.from_pretrained(
                encoder, output_loading_info=True, trust_remote_code=False
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        kind = getattr(
            AutoConfig.from_pretrained(encoder, trust_remote_code=False), "model_type", "?"
        )
        raise ModelError(f"{encoder}: a {kind!r} has no masked-LM head: {error}") from error
    limit = longest_window(model.config, tokenizer)
    words = WordEncoder(tokenizer, min(options.max_length, limit))
    data = list(_encoded(sentences, words))
    if not data:
        raise DataError(f"{title}: there is no text to train the encoder on; see adapt.text")
    trainer = Trainer(
        model=model,
        args=training_arguments(
            work_dir / "checkpoints",
            options.max_steps,
            seed,
            save_steps=options.checkpoint_steps,
            warmup=options.warmup,
            precision=options.precision,
            per_device_train_batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            report_to="none",
        ),
        train_dataset=MaskedText(data, words, options, seed),
        data_collator=partial(padded, pad=words.pad),
    )
    trainer.remove_callback(PrinterCallback)
    with progress.task(title, total=options.max_steps, unit="updates") as bar, quiet():
        trainer.add_callback(ProgressBar(bar))
        trainer.train(resume_from_checkpoint=last_checkpoint(work_dir / "checkpoints"))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    losses = [float(e["loss"]) for e in trainer.state.log_history if "loss" in e]
    return Adapted(
        sentences=len(data),
        subwords=sum(map(len, data)),
        new_head=bool(told["missing_keys"]),
        losses=(losses[0], losses[-1]),
    )


class MaskedText(Dataset[dict[str, NDArray[np.int64]]]):
    """Sentences with masks, as many as a training takes: each at a random place, over and over.

    Masks go by the place alone, so that a training that continues sees what it would have seen.

    Args:
        sentences: Their subwords, special ones included.
        words: What encoded them.
        options: The options.
        seed: For places and masks.
    """

    def __init__(
        self,
        sentences: Sequence[NDArray[np.int64]],
        words: WordEncoder,
        options: AdaptConfig,
        seed: int,
    ) -> None:
        self._sentences, self._masked, self._seed = sentences, options.masked, seed
        self._size = options.max_steps * options.batch_size
        self._edges = (len(words.prefix), len(words.suffix))
        self._mask, self._subwords = words.tokenizer.mask_token_id, len(words.tokenizer)

        self._order = lru_cache(4)(
            lambda turn: np.random.default_rng((seed, turn)).permutation(len(sentences))
        )

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: int) -> dict[str, NDArray[np.int64]]:
        """Return ``input_ids`` and ``labels`` (IGNORED where nothing is guessed)."""
        count = len(self._sentences)
        ids = self._sentences[int(self._order(place // count)[place % count])].copy()
        draw = np.random.default_rng((self._seed, place, 1))
        first, last = self._edges[0], len(ids) - self._edges[1]
        hit = np.zeros(len(ids), bool)
        hit[first:last] = draw.random(last - first) < self._masked
        if not hit.any():
            hit[draw.integers(first, last)] = True
        labels = np.where(hit, ids, IGNORED)
        fate = draw.random(len(ids))  # BERT's: 80 % masks, 10 % other subwords, 10 % as they are
        ids[hit & (fate < 0.8)] = self._mask
        other = hit & (fate >= 0.9)
        ids[other] = draw.integers(0, self._subwords, int(other.sum()))
        return {"input_ids": ids, "labels": labels}


def padded(items: Sequence[dict[str, NDArray[np.int64]]], *, pad: int) -> dict[str, torch.Tensor]:
    """Return a batch: (B, T) ids, attention mask and labels."""
    ids, labels = ([torch.from_numpy(i[name]) for i in items] for name in ("input_ids", "labels"))
    seen = [torch.ones_like(i) for i in ids]
    return {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=pad),
        "attention_mask": pad_sequence(seen, batch_first=True),
        "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED),
    }


def _encoded(sentences: Iterable[Sequence[str]], words: WordEncoder) -> Iterator[NDArray[np.int64]]:
    """Yield the subwords of each sentence, cut to the window."""
    for chunk in batched(sentences, _CHUNK):
        found = words.encode(chunk)
        for n in range(len(chunk)):
            first, last = (int(found.words[found.sentences[n + k]]) for k in (0, 1))
            inner = found.ids[first:last][: words.room].tolist()
            if len(inner) >= _LEAST:
                yield np.array([*words.prefix, *inner, *words.suffix], np.int64)
