"""Trains the cut encoder further on one GPU in a few minutes, from what `pack.py` packed.

    python3 run.py --minutes 6 --out OUT [--smoke] [--device cpu] [--resume]

Masked LM on single sentences, translation LM on pairs, an alignment objective, and distillation of
the word states of the same layers before vocabulary and weights changed. Threads make batches while
the GPU works. Writes the weights (see `blocks.py`) every minute and at the end, and log.txt. The
whole takes M minutes; `--smoke` does everything once in about 15 s. `--resume` goes on from the
`state.pt` in OUT (written with the weights), with the minutes that were left.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from blocks import read_blocks, write_blocks
from losses import (
    Head,
    LanguageMeans,
    alignment_loss,
    teacher_probabilities,
    word_means,
)
from sentences import IGNORED, PAD, Batches, CleanBatch, MaskedBatch, Text
from torch.nn import functional

HERE = Path(__file__).resolve().parent
WORDS = "embeddings.word_embeddings.weight"
TOP_WEIGHTS = (0.7, 0.5, 0.25)
"""Of the distillation of the uppermost layers, which alignment and masked LM are to change."""
NEXT_LAYER = 0.5
"""Weight of the alignment objective in the layer above the aligner's, whose weight is 1."""
STATISTICS, SURE = 0.5, 0.5
"""A statistical link's weight beside the teacher's 1, and the mean that a link to learn has."""
PARTS = 4
"""Of a batch on a CPU, where padding costs time."""
WARM, WARM_STEPS = 0.04, 100
SHOWN = ("masked", "right", "distil", "align", "found")


class Log:
    """Lines with seconds since the start, on the screen and in a file."""

    def __init__(self, path: Path) -> None:
        self.began = time.time()
        self._file = path.open("a", encoding="utf-8")

    def __call__(self, text: str) -> None:
        """Write a line."""
        line = f"{time.time() - self.began:7.1f} {text}"
        print(line, flush=True)
        print(line, file=self._file, flush=True)


def make_model(
    config: dict[str, Any], state: dict[str, torch.Tensor], subwords: int, device: torch.device
) -> Any:
    """Return a BERT without dropout, with the first so many of the embeddings."""
    from transformers import BertConfig, BertModel

    # On CPUs plain products are the quicker for short rows in bfloat16.
    attention = "eager" if device.type == "cpu" else "sdpa"

    changes = {
        "vocab_size": subwords,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "attn_implementation": attention,
    }
    model = BertModel(BertConfig(**config | changes), add_pooling_layer=False)
    model.load_state_dict(state | {WORDS: state[WORDS][:subwords].clone()})
    return model.to(device)


class Training:
    """Student, teacher and head, and one step of what the student learns."""

    def __init__(self, text: Text, arguments: argparse.Namespace) -> None:
        device = torch.device(arguments.device)
        config = json.loads((HERE / "config.json").read_text(encoding="utf-8"))
        state = {k: torch.from_numpy(v) for k, v in read_blocks(HERE).items()}
        self.text, self.device = text, device
        self.student = make_model(config, state, text.size, device)
        self.teacher = make_model(config, state, text.teacher_size, device).eval()
        self.teacher.requires_grad_(False)
        counts = torch.from_numpy(text.counts()).float()
        self.head = Head(counts, config["hidden_size"], config["layer_norm_eps"]).to(device)
        self.layers: int = config["num_hidden_layers"]
        self.aligned: int = config["alignment_layer"]
        lower = max(0, self.layers - len(TOP_WEIGHTS))
        self._weights = [*[1.0] * lower, *TOP_WEIGHTS[-self.layers :]]
        self._variance: dict[int, torch.Tensor] = {}
        self._embeddings = self.student.embeddings.word_embeddings.weight
        self._means = LanguageMeans(len(text.languages))
        self._weighed = arguments.distillation, arguments.alignment, arguments.masked
        self._head_only: float = arguments.head_only
        self.optimizer = self._optimizer(arguments.rate)
        self._rates = [group["lr"] for group in self.optimizer.param_groups]
        self.parameters = [p for g in self.optimizer.param_groups for p in g["params"]]

    def _optimizer(self, rate: float) -> torch.optim.Optimizer:
        inner = [p for p in self.student.parameters() if p is not self._embeddings]
        vectors = [p for p in inner if p.ndim < 2]
        matrices = [p for p in inner if p.ndim == 2]
        groups = [
            {"params": matrices, "lr": rate, "weight_decay": 0.01},
            {"params": vectors, "lr": rate, "weight_decay": 0.0},
            {"params": [self._embeddings], "lr": rate * 0.5, "weight_decay": 0.0},
            {"params": list(self.head.parameters()), "lr": rate * 5, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-8, fused=True)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _put(self, batch: MaskedBatch | CleanBatch) -> list[torch.Tensor]:
        return [torch.from_numpy(np.ascontiguousarray(a)).to(self.device) for a in batch]

    def masked(self, batch: MaskedBatch, head_only: bool = False) -> list[torch.Tensor]:
        """Return the loss of masked subwords, and the share that is guessed."""
        ids, labels = self._put(batch)
        states, wanted = [], []
        for rows, width in self._alike(ids):
            part, goal = ids[rows, :width], labels[rows, :width]
            with torch.set_grad_enabled(torch.is_grad_enabled() and not head_only):
                found = self.student(part, attention_mask=(part != PAD).long()).last_hidden_state
            states.append(found[goal != IGNORED])
            wanted.append(goal[goal != IGNORED])
        logits, goals = self.head(torch.cat(states), self._embeddings).float(), torch.cat(wanted)
        right = (logits.argmax(-1) == goals).float().mean()
        return [functional.cross_entropy(logits, goals), right]

    def _alike(self, ids: torch.Tensor) -> list[tuple[torch.Tensor, int]]:
        """Return rows of like length and their width; a GPU takes all at once."""
        lengths = (ids != PAD).sum(1)
        order = lengths.argsort()
        parts = order.tensor_split(1 if self.device.type == "cuda" else min(PARTS, len(order)))
        return [(rows, int(lengths[rows].max())) for rows in parts]

    def _words(
        self, model: Any, ids: torch.Tensor, word: torch.Tensor, words: int
    ) -> list[torch.Tensor]:
        """Return the mean state of the subwords of each word (words, hidden), layer by layer."""
        found: list[list[torch.Tensor]] = [[] for _ in range(self.layers + 1)]
        numbers = []
        for rows, width in self._alike(ids):
            part = ids[rows, :width]
            mask = (part != PAD).long()
            states = model(part, attention_mask=mask, output_hidden_states=True).hidden_states
            numbers.append(word[rows, :width].reshape(-1))
            for layer, state in enumerate(states):
                found[layer].append(state.reshape(-1, state.shape[-1]))
        return [word_means(torch.cat(layer), torch.cat(numbers), words) for layer in found]

    def clean(self, batch: CleanBatch) -> list[torch.Tensor]:
        """Return the losses of distillation and of alignment, and the share of links found."""
        data = CleanBatch(*self._put(batch))
        with torch.no_grad():
            goal = self._words(self.teacher, data.teacher_ids, data.teacher_word, len(data.whole))
        states = self._words(self.student, data.ids, data.word, len(data.whole))
        distilled = []
        for layer in range(1, self.layers + 1):
            theirs = goal[layer]
            if layer not in self._variance:
                self._variance[layer] = theirs[data.whole].var(0).mean()
            error = ((states[layer] - theirs) ** 2).mean(1)[data.whole].mean()
            distilled.append(self._weights[layer - 1] * error / self._variance[layer])
            if layer == self.aligned:
                links = self._links(theirs, data)
        align, found = alignment_loss(states[self.aligned], data.source, data.target, links)
        if self.aligned < self.layers:
            above, _ = alignment_loss(states[self.aligned + 1], data.source, data.target, links)
            align = (align + NEXT_LAYER * above) / (1 + NEXT_LAYER)
        return [torch.stack(distilled).sum() / sum(self._weights), align, found]

    def _links(self, states: torch.Tensor, data: CleanBatch) -> torch.Tensor:
        """Return what statistics and teacher find together, the teacher's alone elsewhere."""
        a, b = self._means(states, data.source, data.target, data.language)
        found = teacher_probabilities(a, b, data.source, data.target)
        both = (STATISTICS * data.links + found) / (STATISTICS + 1)
        return torch.where(data.linked[:, None, None], both, found) >= SURE

    def step(self, masked: MaskedBatch, clean: CleanBatch, share: float, step: int) -> torch.Tensor:
        """Learn from two batches; return the figures of ``SHOWN`` and the gradient's norm.

        Where the gradient is not finite, nothing is learnt.
        """
        warm = min((step + 1) / WARM_STEPS, max(share, 1e-3) / WARM, 1.0)
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * warm * max(0.0, 1 - share) ** 0.8
        with self._autocast():
            first = self.masked(masked, head_only=share < self._head_only)
        distillation, alignment, weight = self._weighed
        (weight * first[0]).backward()
        with self._autocast():
            second = self.clean(clean)
            loss = distillation * second[0] + alignment * second[1]
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, 5.0)
        if torch.isfinite(norm):
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return torch.stack([x.detach().float() for x in (*first, *second, norm)])

    def evaluate(self, held: list[tuple[MaskedBatch, CleanBatch]]) -> str:
        """Return the figures on batches that are not learnt from."""
        self.student.eval()
        with torch.no_grad(), self._autocast():
            rows = [torch.stack([*self.masked(m), *self.clean(c)]) for m, c in held]
        self.student.train()
        return shown(torch.stack(rows).mean(0))

    def save(self, folder: Path, note: str) -> None:
        """Write the weights under the names of ``BertForMaskedLM``."""
        tensors = {f"bert.{k}": v for k, v in self.student.state_dict().items()}
        names = {"dense": "transform.dense", "norm": "transform.LayerNorm", "bias": "bias"}
        for name, value in self.head.state_dict().items():
            part, *rest = name.split(".")
            tensors[".".join(["cls.predictions", names[part], *rest])] = value
        arrays = {k: v.detach().float().cpu().numpy() for k, v in tensors.items()}
        write_blocks(folder, arrays, note)

    def state(self) -> dict[str, Any]:
        """Return all that going on needs, but for the place in the text."""
        return {
            "student": self.student.state_dict(),
            "head": self.head.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "means": self._means.state,
            "variance": self._variance,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` returned."""
        self.student.load_state_dict(state["student"])
        self.head.load_state_dict(state["head"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._means.state, self._variance = state["means"], state["variance"]


def shown(figures: torch.Tensor) -> str:
    """Return a line of the figures that a step or an evaluation gives."""
    return " ".join(f"{k} {v:.3f}" for k, v in zip(SHOWN, figures.tolist(), strict=False))


class Progress(NamedTuple):
    """How far a training is."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    """Of work, until the state was written."""


def train(
    training: Training, batches: Batches, log: Log, begun: Progress, arguments: argparse.Namespace
) -> None:
    """Train for the minutes since the log began; watch, and write the weights in between."""
    smoke, out, steps = arguments.smoke, arguments.out, arguments.steps
    seconds = 15 if smoke else arguments.minutes * 60
    rng = np.random.default_rng(7)
    parts = [batches.held[k : k + 32] for k in range(0, len(batches.held), 32)]
    parts = parts[:2] if smoke else parts
    held = [(batches.masked(rng, part), batches.clean(rng, part)) for part in parts]
    step, tokens, past = begun
    log(f"held out, step {step}: {training.evaluate(held)}")
    start = time.time() - past
    end = log.began + seconds - (3 if smoke else min(10, seconds * 0.1))
    logged = watched = saved = time.time()
    skipped, figures = 0, []
    share = step / steps if steps else past / max(1e-3, end - start)

    def save(note: str) -> None:
        training.save(out, note)
        progress = Progress(step, tokens, time.time() - start)
        torch.save(training.state() | {"progress": tuple(progress)}, out / ".state.pt")
        (out / ".state.pt").replace(out / "state.pt")

    while share < 1:
        masked, clean = batches.queue.get()
        figures.append(training.step(masked, clean, share, step))
        step += 1
        tokens += masked.ids.size + clean.ids.size
        now = time.time()
        share = step / steps if steps else (now - start) / max(1e-3, end - start)
        if now - logged > arguments.log_seconds or step == 1:
            rows = torch.stack(figures)
            skipped += int((~torch.isfinite(rows[:, -1])).sum())
            log(
                f"step {step}: {shown(rows.mean(0))} norm {float(rows[:, -1].mean()):.2f} tokens "
                f"{tokens:,} queue {batches.queue.qsize()} steps without finite gradient {skipped}"
            )
            figures, logged = [], now
        if now - watched > arguments.watch_seconds:
            log(f"held out, step {step}: {training.evaluate(held)}")
            watched = time.time()
        if now - saved > arguments.save_seconds:
            save(f"step {step}")
            saved = time.time()
    log(f"held out, step {step}: {training.evaluate(held)}")
    save(f"final, step {step}, {tokens} subwords")
    log(f"done: {step} steps, {tokens:,} subwords")


def main() -> None:
    """Load, train, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--steps", type=int, help="so many steps, whatever the time")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--masked-tokens", type=int, default=16_384, help="of a masked batch")
    parser.add_argument("--clean-tokens", type=int, default=24_576, help="of a clean batch")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--threads", type=int, default=4, help="that make batches")
    parser.add_argument("--distillation", type=float, default=4.0, help="its weight")
    parser.add_argument("--alignment", type=float, default=1.0, help="its weight")
    parser.add_argument("--masked", type=float, default=1.0, help="weight of masked LM")
    parser.add_argument(
        "--head-only",
        type=float,
        default=0.07,
        help="share of the time in which masked LM teaches its head only, which begins empty",
    )
    parser.add_argument("--held", type=int, default=256, help="pairs that are not learnt from")
    parser.add_argument("--log-seconds", type=float, default=5)
    parser.add_argument("--watch-seconds", type=float, default=30)
    parser.add_argument("--save-seconds", type=float, default=60)
    parser.add_argument("--resume", action="store_true", help="go on from OUT/state.pt")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    log = Log(arguments.out / "log.txt")
    torch.manual_seed(arguments.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    text = Text(HERE)
    log(text.summary())
    training = Training(text, arguments)
    begun = Progress()
    if arguments.resume:
        state = torch.load(arguments.out / "state.pt", map_location=arguments.device)
        begun = Progress(*state.pop("progress"))
        training.load(state)
        log.began -= begun.seconds
    log(f"on {arguments.device}: {sum(p.numel() for p in training.parameters):,} parameters learn")
    batches = Batches(
        text,
        masked_tokens=arguments.masked_tokens,
        clean_tokens=arguments.clean_tokens,
        # What was read before is not read again.
        seed=arguments.seed + 1000 * begun.step,
        threads=arguments.threads,
        held=arguments.held,
    )
    train(training, batches, log, begun, arguments)
    os._exit(0)  # The threads are still making batches.


if __name__ == "__main__":
    main()
