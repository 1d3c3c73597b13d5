"""What the student learns by: masked subwords, the teacher's word states, alignment."""

from __future__ import annotations

import torch
from torch.nn import functional

TEMPERATURE = 0.05


def word_means(states: torch.Tensor, word: torch.Tensor, words: int) -> torch.Tensor:
    """Return the mean state of each word's subwords (words, hidden) in float32."""
    where = torch.where(word >= 0, word, words)
    total = torch.zeros(words + 1, states.shape[-1], device=states.device)
    total = total.index_add(0, where, states.float())
    return (total / torch.bincount(where, minlength=words + 1).clamp(min=1)[:, None])[:words]


def padded(states: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Return (pairs, width, hidden) of (words, hidden) by word numbers, -1 for none."""
    return states[place.clamp(min=0)] * (place >= 0).unsqueeze(-1)


class LanguageMeans:
    """Takes off each language's mean of all word states so far."""

    def __init__(self, languages: int) -> None:
        self._languages = languages
        self.state: tuple[torch.Tensor, torch.Tensor] | None = None
        """Sums of states (languages + 1, hidden; English last) and numbers of words."""

    def __call__(
        self,
        states: torch.Tensor,
        source: torch.Tensor,
        target: torch.Tensor,
        language: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the centred states of both sides (pairs, width, hidden)."""
        a, b = padded(states, source), padded(states, target)
        in_a, in_b = (source >= 0).unsqueeze(-1), (target >= 0).unsqueeze(-1)
        sums = torch.zeros(self._languages + 1, a.shape[-1], device=a.device)
        number = torch.zeros(self._languages + 1, device=a.device)
        sums.index_add_(0, language, b.sum(1))
        number.index_add_(0, language, in_b.sum((1, 2)).float())
        sums[-1] = a.sum((0, 1))
        number[-1] = in_a.sum()
        if self.state is not None:
            sums, number = sums + self.state[0], number + self.state[1]
        self.state = sums, number
        mean = sums / number.clamp(min=1)[:, None]
        return (a - mean[-1]) * in_a, (b - mean[language][:, None]) * in_b


def teacher_probabilities(
    a: torch.Tensor, b: torch.Tensor, source: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """Return the mean of both directions' softmax over cosines (pairs, width, width)."""
    inside = (source >= 0).unsqueeze(2) & (target >= 0).unsqueeze(1)
    similar = functional.normalize(a, dim=-1) @ functional.normalize(b, dim=-1).transpose(1, 2)
    similar = (similar / TEMPERATURE).masked_fill(~inside, -1e4)
    return (similar.softmax(2) + similar.softmax(1)) / 2 * inside


def alignment_loss(
    states: torch.Tensor, source: torch.Tensor, target: torch.Tensor, links: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Linked words must find each other in the other sentence; also the share of those that do."""
    a = functional.normalize(padded(states, source), dim=-1)
    b = functional.normalize(padded(states, target), dim=-1)
    similar = a @ b.transpose(1, 2) / TEMPERATURE
    similar = similar.masked_fill((source < 0).unsqueeze(2) | (target < 0).unsqueeze(1), -1e4)
    number = links.sum().clamp(min=1)
    found = (similar.log_softmax(2) + similar.log_softmax(1))[links].sum() / number
    best = functional.one_hot(similar.argmax(2), similar.shape[2]).bool()
    return -found / 2, (best & links).sum() / number


class Head(torch.nn.Module):
    """BERT's masked-LM head; the decoder is the embeddings, which learn by their input side only.

    Begins at how often each subword occurs; the rest has only to say what context adds.
    """

    def __init__(self, counts: torch.Tensor, hidden: int, epsilon: float) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(hidden, hidden)
        torch.nn.init.eye_(self.dense.weight)
        torch.nn.init.zeros_(self.dense.bias)
        self.norm = torch.nn.LayerNorm(hidden, eps=epsilon)
        torch.nn.init.constant_(self.norm.weight, 0.3)
        self.bias = torch.nn.Parameter(torch.log(counts / counts.sum()))

    def forward(self, states: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        """Return the logits of states."""
        hidden = self.norm(functional.gelu(self.dense(states)))
        return functional.linear(hidden, embeddings.detach()) + self.bias
