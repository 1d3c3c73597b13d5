"""An encoder learns from the pairs at hand which words are each other's translations.

As awesome-align's self-training (Dou and Neubig 2021): linked words are to find each other among
all words of the other sentence, and the links are those that were found before it learnt. Here
they are all members' of an ensemble, and **no pair is aligned by an encoder that learnt from it**:
one learns from each half of the pairs and aligns the other half, so that it cannot just repeat
what it was told.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch.nn import functional

from pipeline.schema import Link
from pipeline.task import Advance
from stages.align.contextual import Reader
from stages.align.embedding_aligner import Extraction
from stages.align.layers import TorchLayers, load_encoder, padded
from stages.align.subwords import SentenceSubwords, Specials
from stages.encoder_layers import layer_stack
from stages.word_alignment.aligner import ASSERTED, Aligner, WordPair
from stages.word_alignment.pair_source import digest

HALVES: Final = 2
# Pairs of words that are learnt from: some 1,000 sentence pairs of 20 words.
CELLS: Final = 400_000
_PAIRS: Final = 8
_RATE: Final = 5e-5
_WARM: Final = 0.1
# What lies below this share of the layers that are computed stays as it is, and costs less.
_STAYS: Final = 3 / 7
_SEED: Final = 13
# Of what is not linked, so that its logarithm is finite.
_NONE: Final = 1e-6


def half_of(pair: WordPair) -> int:
    """Return the half that a pair belongs to: the same wherever it stands, and for all its like."""
    return digest(*pair)[0] % HALVES


class Halves(Aligner):
    """Aligns each half of the pairs by an aligner of its own.

    Args:
        members: The aligners, by the number of the half.
    """

    def __init__(self, members: Sequence[Aligner]) -> None:
        self._members = list(members)
        self.name = members[0].name

    def _align(self, pairs: Sequence[WordPair], advance: Advance) -> list[list[Link]]:
        """Align sentence pairs (see :meth:`Aligner.align`)."""
        halves = [half_of(pair) for pair in pairs]
        links: list[list[Link]] = [[] for _ in pairs]
        for number, member in enumerate(self._members):
            mine = [k for k, half in enumerate(halves) if half == number]
            found = member.align([pairs[k] for k in mine], advance)
            for k, of_pair in zip(mine, found, strict=True):
                links[k] = of_pair
        return links


@dataclass(frozen=True, slots=True)
class LinkedPair:
    """A sentence pair to learn from.

    Attributes:
        source: Its source side in subwords; at most as many as the encoder takes.
        target: Its target side.
        links: What linked its words.
    """

    source: SentenceSubwords
    target: SentenceSubwords
    links: Sequence[Link]


def fine_tune(
    folder: Path,
    reads: Reader,
    pairs: Sequence[LinkedPair],
    how: Extraction,
    passes: int,
    device: str,
    advance: Advance,
) -> dict[str, torch.Tensor]:
    """Let the upper layers of an encoder learn links.

    The loss of a unit (subword or word, as ``how`` says) that has an asserted link is
    ``-log sum_j q[j] p(j)``, with ``p`` the softmax over the units of the other sentence that
    links are made by, and ``q`` the probability of its link to each, as a share of its largest.

    Args:
        folder: The encoder.
        reads: How it reads sentences; of a layer above the embeddings.
        pairs: What to learn from.
        how: How links are read off the states; ``centre`` is taken off while it learns, too.
        passes: How many times all pairs are seen.
        device: A torch device.
        advance: Told the number of updates since the last call.

    Returns:
        The weights that learnt, by their names in the encoder.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        encoder = load_encoder(folder)
        learning = _learning(encoder, reads.layer)
        layers = TorchLayers(folder, reads.layer, device=device, encoder=encoder)
        layers.encoder.train()
        optimizer = torch.optim.AdamW(learning.values(), lr=_RATE, weight_decay=0.0)
        batches = [b for k in range(passes) for b in _batches(pairs, random.Random(_SEED + k))]
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: _share(step, max(1, len(batches)))
        )
        for batch in batches:
            loss = _loss(layers, reads, batch, how)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learning.values(), 1.0)
            optimizer.step()
            schedule.step()
            advance(1)
    return {name: weight.detach().cpu() for name, weight in learning.items()}


def updates(pairs: int, passes: int) -> int:
    """Return how many updates :func:`fine_tune` takes."""
    return passes * -(-pairs // _PAIRS)


def save(weights: dict[str, torch.Tensor], file: Path) -> None:
    """Write weights that learnt; :func:`stages.align.layers.load_encoder` reads them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, file)


def _learning(encoder: Any, layer: int) -> dict[str, torch.nn.Parameter]:
    """Return the weights that learn: of the upper layers, or of all where they cannot be told."""
    found = layer_stack(encoder)
    numbers = range(int(_STAYS * layer), layer)
    learning = tuple(f"{found[0]}.{k}." for k in numbers) if found else ("",)
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(name.startswith(learning))
    return {name: p for name, p in encoder.named_parameters() if p.requires_grad}


def _share(step: int, steps: int) -> float:
    """Return the learning rate as a share of its highest."""
    return min(1.0, (step + 1) / (_WARM * steps + 1)) * (1 - step / steps)


def _batches(pairs: Sequence[LinkedPair], rng: random.Random) -> Iterator[list[LinkedPair]]:
    """Yield pairs of like length together, in another order each time."""
    order = sorted(range(len(pairs)), key=lambda k: len(pairs[k].source) + 8 * rng.random())
    starts = list(range(0, len(order), _PAIRS))
    rng.shuffle(starts)
    for start in starts:
        yield [pairs[k] for k in order[start : start + _PAIRS]]


def _loss(
    layers: TorchLayers, reads: Reader, batch: Sequence[LinkedPair], how: Extraction
) -> torch.Tensor:
    sides = [[p.source for p in batch], [p.target for p in batch]]
    states = [_states(layers, s, around) for s, (_, around) in zip(sides, reads.sides, strict=True)]
    lost = []
    for k, pair in enumerate(batch):
        source, target = (_Units(states[side][k], sides[side][k], how, side) for side in (0, 1))
        similar = source.vectors @ target.vectors.T
        linked = torch.zeros(source.word_count, target.word_count, device=similar.device)
        for link in pair.links:
            if link.source < source.word_count and link.target < target.word_count:
                linked[link.source, link.target] = link.prob
        linked = linked[source.words][:, target.words]
        for there, wanted in ((similar, linked), (similar.T, linked.T)):
            most = wanted.amax(1)
            has = most >= ASSERTED
            shares = wanted[has] / most[has, None]
            found = torch.log_softmax(there[has], 1) + torch.log(shares.clamp(min=_NONE))
            lost.append(-torch.logsumexp(found, 1) * most[has])
    every = torch.cat(lost)
    return every.sum() / max(1, len(every))


def _states(
    layers: TorchLayers, sentences: Sequence[SentenceSubwords], around: Specials
) -> list[torch.Tensor]:
    """Return the states ``(subwords, width)`` of each sentence."""
    rows = [[*around.before, *s.ids, *around.after] for s in sentences]
    ids, mask = padded(rows, layers.pad)
    given = {"input_ids": ids, "attention_mask": mask}
    states = layers.states(**{k: torch.from_numpy(v).to(layers.device) for k, v in given.items()})
    first = len(around.before)
    return [of[first : first + len(s)] for of, s in zip(states, sentences, strict=True)]


class _Units:
    """What is matched on one side of a pair.

    Attributes:
        vectors: ``(units, width)``; dot products of both sides' are what softmax is taken of.
        words: The word of each ``(units,)``.
        word_count: One more than the last word that has one.
    """

    def __init__(
        self, states: torch.Tensor, subwords: SentenceSubwords, how: Extraction, side: int
    ) -> None:
        words = torch.from_numpy(subwords.words).to(states.device)
        if not how.marks:
            kept = torch.from_numpy(~subwords.marks).to(states.device)
            states, words = states[kept], words[kept]
        if how.token_type == "word":
            words, owner = torch.unique_consecutive(words, return_inverse=True)
            counts = torch.bincount(owner)[:, None]
            sums = states.new_zeros(len(words), states.shape[1]).index_add(0, owner, states)
            states = sums / counts
        if how.centre is not None:
            states = states - torch.from_numpy(how.centre[side]).to(states.device)
        if how.method != "softmax":
            # Half of the temperature's division on either side.
            states = functional.normalize(states, dim=-1) / how.temperature**0.5
        self.vectors, self.words = states, words
        self.word_count = int(words.max()) + 1 if len(words) else 0
