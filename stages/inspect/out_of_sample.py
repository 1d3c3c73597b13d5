"""Confident learning (Northcutt et al. 2021): labels that nothing learns from the others.

A softmax regression over an encoder's states is fitted on the projected labels of four fifths of
the sentences and asked about the fifth, so that it has not seen what it judges. What it holds
unlikely is more often wrong than what the projector is unsure of (docs/report.md has the figures).
cleanlab ranks sentences and words by such probabilities; it neither makes them nor knows spans.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.listed import batched
from pipeline.models import read_config
from pipeline.schema import Span
from pipeline.task import Advance, no_advance
from stages.align.embeddings import Embedder
from stages.align.layers import TorchLayers, max_subwords
from stages.align.subwords import SubwordCutter, transformers_cut, transformers_specials
from stages.inspect.view import View
from stages.machine import has_bfloat16, torch_device
from stages.tagger.encoding import load_tokenizer
from stages.tagger.labels import LabelSet

FOLDS: Final = 5
LEARNT: Final = 5_000
"""Sentences that are learnt from, at most: their states are held in memory."""
DEPTH: Final = 0.75
"""How far up the encoder the states are read."""
PENALTY: Final = 3e-4
_CHUNK = 500
Floats = NDArray[np.float32]


class WordStates:
    """The states of words: those of their first subwords, in one layer of an encoder.

    Args:
        folder: The encoder.
        layer: The layer; default: :data:`DEPTH` of all of them.

    Raises:
        ModelError: If it cannot be loaded.
    """

    def __init__(self, folder: Path, layer: int | None = None) -> None:
        config = read_config(folder)
        layer = round(DEPTH * config["num_hidden_layers"]) if layer is None else layer
        tokenizer: Any = load_tokenizer(folder)
        device = torch_device("auto")
        self._cut = SubwordCutter(transformers_cut(tokenizer))
        self._specials = transformers_specials(tokenizer)
        around = len(self._specials.before) + len(self._specials.after)
        self._embedder = Embedder(
            TorchLayers(folder, layer, "bfloat16" if has_bfloat16(device) else "float32", device),
            max_subwords(config, tokenizer.model_max_length, around),
            2048,
        )

    def __call__(self, sentences: Sequence[Sequence[str]]) -> Floats:
        """Return ``(words of all sentences, width)``; zeros for a word without subwords."""
        cut = self._cut(sentences)
        found = self._embedder([(subwords, self._specials) for subwords in cut])
        states = found.states.cpu().numpy()
        out = np.zeros((sum(map(len, sentences)), states.shape[1]), np.float32)
        first = 0
        for subwords, start, words in zip(cut, found.starts, sentences, strict=False):
            owner, place = np.unique(subwords.words, return_index=True)
            out[first + owner] = states[start + place]
            first += len(words)
        return out


@dataclass(slots=True)
class OutOfSample:
    """Classifiers of the words, each of which has not seen a fifth of the sentences.

    Attributes:
        states: What they look at.
        labels: What they tell apart.
        centre: Mean of the states.
        scale: Their deviation.
        weights: ``(folds, width, labels)``.
        bias: ``(folds, labels)``.
        read: The states of the sentences that were learnt from.
    """

    states: WordStates
    labels: LabelSet
    centre: Floats
    scale: Floats
    weights: torch.Tensor
    bias: torch.Tensor
    read: dict[tuple[str, ...], Floats]

    @classmethod
    def learn(
        cls, views: Iterable[View], states: WordStates, advance: Advance = no_advance
    ) -> OutOfSample | None:
        """Learn from projected sentences, the first :data:`LEARNT` that training uses.

        Args:
            views: All sentences.
            states: What is looked at.
            advance: Called with numbers of sentences that were read.

        Returns:
            ``None`` where there are too few to leave some out, or none has a label.
        """
        used = list(islice((v for v in views if v.kept and v.words), LEARNT))
        types = sorted({s.type for v in used for s in v.kept_spans()})
        folds = np.array([fold_of(v) for v in used])
        if not types or len(set(folds.tolist())) < FOLDS:
            return None
        labels = LabelSet.of_types(types)
        given = np.concatenate([labels.encode(v.kept_spans(), len(v.words)) for v in used])
        parts = []
        for part in batched(used, _CHUNK):
            parts.append(states([v.words for v in part]))
            advance(len(part))
        found = np.concatenate(parts)
        read = _by_sentence([v.words for v in used], found)
        centre, scale = found.mean(0), found.std(0) + 1e-6
        x, y = torch.from_numpy((found - centre) / scale), torch.from_numpy(given)
        of_words = np.repeat(folds, [len(v.words) for v in used])
        fitted = [
            _softmax_regression(x[others], y[others], len(labels))
            for others in (torch.from_numpy(of_words != fold) for fold in range(FOLDS))
        ]
        weights, bias = (torch.stack([f[i] for f in fitted]) for i in (0, 1))
        return cls(states, labels, centre, scale, weights, bias, read)

    def judged(self, views: Iterable[View]) -> Iterator[View]:
        """Yield the sentences with :attr:`View.unlikely` filled in for their kept spans."""
        for part in batched(views, _CHUNK):
            asked = [v for v in part if v.words and v.kept_spans()]
            probs = self._probabilities(asked) if asked else np.zeros((0, 1), np.float32)
            first = 0
            for view in asked:
                mine = probs[first : first + len(view.words)]
                first += len(view.words)
                view.unlikely = {
                    index: self._doubt(mine, item.span)
                    for index, item in enumerate(view.spans)
                    if item.kept and item.span.type in self.labels.types
                }
            yield from part

    def _probabilities(self, views: Sequence[View]) -> Floats:
        words = [tuple(v.words) for v in views]
        states = self.read
        if new := [each for each in dict.fromkeys(words) if each not in states]:
            states = states | _by_sentence(new, self.states(new))
        found = (np.concatenate([states[each] for each in words]) - self.centre) / self.scale
        fold = np.repeat([fold_of(v) for v in views], [len(v.words) for v in views])
        x, out = torch.from_numpy(found), np.zeros((len(found), len(self.labels)), np.float32)
        for number in range(FOLDS):
            mine = fold == number
            score = x[torch.from_numpy(mine)] @ self.weights[number] + self.bias[number]
            out[mine] = torch.softmax(score, -1).numpy()
        return out

    def _doubt(self, probs: Floats, span: Span) -> float:
        """Return 1 − the least probability of a span's labels, that it ends there included."""
        ids = self.labels.encode([span], len(probs))[span.start : span.end]
        least = float(probs[np.arange(span.start, span.end), ids].min())
        if span.end < len(probs):
            goes_on = self.labels.names.index(f"I-{span.type}")
            least = min(least, 1.0 - float(probs[span.end, goes_on]))
        return 1.0 - least


def _by_sentence(
    sentences: Sequence[Sequence[str]], states: Floats
) -> dict[tuple[str, ...], Floats]:
    ends = np.cumsum([len(words) for words in sentences])
    return dict(zip(map(tuple, sentences), np.split(states, ends[:-1]), strict=True))


def fold_of(view: View) -> int:
    """Return which fifth a sentence is in; hypotheses of one source sentence are in the same."""
    return crc32((view.source_id or view.id).encode()) % FOLDS


def _softmax_regression(
    x: torch.Tensor, y: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weights and bias; the loss is convex, so that nothing is drawn at random."""
    weights = torch.zeros(x.shape[1], size, requires_grad=True)
    bias = torch.zeros(size, requires_grad=True)
    optimiser: Any = torch.optim.LBFGS(
        [weights, bias], max_iter=60, history_size=8, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(x @ weights + bias, y)
        loss = loss + PENALTY * (weights * weights).sum()
        torch.autograd.backward(loss)
        return loss

    optimiser.step(closure)
    return weights.detach(), bias.detach()
