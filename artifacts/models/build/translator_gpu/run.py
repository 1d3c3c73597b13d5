"""Trains the translator on one GPU in a few minutes, from what `pack.py` packed.

    python3 run.py --minutes 8 --out OUT [--smoke] [--device cpu]

Processes make batches while the GPU works; where it is quicker than they are, it takes old ones
again. Writes OUT/weights-1.safetensors and weights-2.safetensors (also every minute in between),
log.txt and report.json. The whole takes M minutes; `--smoke` does everything once in about 20 s.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import queue
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from batches import HERE, Tokenizer, settings, unpack, work

sys.path.insert(0, str(HERE))
_WARM = 0.05
"""Share of the time in which the learning rate rises; then it falls along a half cosine."""


class Log:
    """Lines with seconds, on the screen and in a file."""

    def __init__(self, path: Path) -> None:
        self.began = time.time()
        self._file = path.open("a", encoding="utf-8")

    def __call__(self, text: str) -> None:
        """Write a line."""
        line = f"{time.time() - self.began:7.1f} {text}"
        print(line, flush=True)
        print(line, file=self._file, flush=True)


class Held:
    """Held-out text: its loss, and the chrF of greedy translations."""

    def __init__(self, subwords: Tokenizer, each: int, device: Any) -> None:
        self._subwords = subwords
        self.rows: dict[str, list[tuple[str, str]]] = {}
        for line in unpack("held.xz").split("\n"):
            code, english, other = line.split("\t")
            self.rows.setdefault(f"en-{code}", []).append((english, other))
            self.rows.setdefault(f"{code}-en", []).append((other, english))
        self.rows = {name: rows[:each] for name, rows in sorted(self.rows.items())}
        self.arrays = {name: self._arrays(name, device) for name in self.rows}

    def _arrays(self, name: str, device: Any) -> tuple[Any, Any]:
        import torch

        tag = self._subwords.vocabulary[f">>{name.split('-')[1]}<<"]
        pad = len(self._subwords) - 1
        sources = [[tag, *ids] for ids in self._subwords.encode([a for a, _ in self.rows[name]])]
        targets = self._subwords.encode([b for _, b in self.rows[name]])

        def padded(rows: list[list[int]]) -> Any:
            width = max(map(len, rows))
            return torch.tensor([r + [pad] * (width - len(r)) for r in rows], device=device)

        return padded(sources), padded(targets)

    def losses(self, model: Any) -> dict[str, float]:
        """Mean loss without smoothing, by direction."""
        import torch

        model.training = False
        with torch.no_grad():
            found = {name: float(model.loss(s, t, 0.0)) for name, (s, t) in self.arrays.items()}
        model.training = True
        return found

    def chrf(self, model: Any, name: str) -> tuple[float, list[str]]:
        """ChrF of greedy translations, and the translations."""
        from sacrebleu.metrics import CHRF

        model.training = False
        texts = [self._subwords.decode(r) for r in model.greedy(self.arrays[name][0], 60).tolist()]
        gold = [b for _, b in self.rows[name]]
        return round(CHRF().corpus_score(texts, [gold]).score, 1), texts


class Batches:
    """Batches as they come; a shard once more, in another order, where none has come."""

    def __init__(self, shards: Any, most: int = 400) -> None:
        self._shards, self._most = shards, most
        self._kept: list[list[Any]] = []
        self.fresh = self.again = 0

    def __iter__(self) -> Iterator[Any]:
        """Never ends."""
        rng = random.Random(1)
        while True:
            try:
                shard = self._shards.get(timeout=0.001 if self._kept else 120)
                self.fresh += 1
                self._kept.append(shard)
                if len(self._kept) > self._most:
                    self._kept.pop(rng.randrange(self._most))
            except queue.Empty:
                if not self._kept:
                    raise RuntimeError("no batches within two minutes") from None
                self.again += 1
                shard = rng.choice(self._kept)
            yield from rng.sample(shard, len(shard))


def factor(progress: float) -> float:
    """Of the learning rate, by the share of the time that is over."""
    if progress < _WARM:
        return progress / _WARM + 0.002
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - _WARM) / (1 - _WARM)))


class Trainer:
    """Adam over the flat weights, with their moving mean, and a way back where it diverges."""

    def __init__(self, model: Any, rate: float, fused: bool) -> None:
        import torch

        self.model, self._rate, self._scale = model, rate, 1.0
        model.master.grad = torch.zeros_like(model.master)
        self._optimizer = torch.optim.Adam(
            [model.master], lr=rate, betas=(0.9, 0.98), eps=1e-9, fused=fused
        )
        self.mean = model.master.clone()
        self._good, self._best = model.master.clone(), float("inf")
        self.steps = 0
        self.norm: Any = None

    def step(self, source: Any, target: Any, progress: float) -> Any:
        """One update; returns the loss."""
        import torch

        model = self.model
        self._optimizer.param_groups[0]["lr"] = self._rate * self._scale * factor(progress)
        model.grad.zero_()
        loss = model.loss(source, target, 0.1)
        loss.backward()
        with torch.no_grad():
            gradient = model.master.grad
            gradient.copy_(model.grad)
            model.padding(gradient).zero_()
            self.norm = gradient.norm()
            gradient.mul_(torch.clamp(1.0 / (self.norm + 1e-6), max=1.0))
        self._optimizer.step()
        with torch.no_grad():
            model.sync()
            keep = min(0.998, (self.steps + 1) / (self.steps + 10))
            self.mean.lerp_(model.master, 1 - keep)
        self.steps += 1
        return loss.detach()

    def judge(self, loss: float, held: float) -> bool:
        """Whether all is well; if not, the last good weights are back, and half the rate."""
        import torch

        if math.isfinite(loss) and not (held > self._best + 1.5 and self.steps > 300):
            if held < self._best:
                self._best = held
                self._good.copy_(self.model.master)
            return True
        self._scale *= 0.5
        with torch.no_grad():
            self.model.master.copy_(self._good)
            self.mean.copy_(self._good)
            self.model.sync()
        self._optimizer.state.clear()
        return False


def main() -> None:
    """Train, save, look at the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=32_000, help="positions of a batch")
    parser.add_argument("--examples", type=int, default=24_000, help="of a shard")
    parser.add_argument("--rate", type=float, default=1.3e-3)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    log = Log(arguments.out / "log.txt")
    seconds = 20.0 if arguments.smoke else 60 * arguments.minutes
    examples = 2000 if arguments.smoke else arguments.examples
    # Forked before anything touches the GPU.
    context = multiprocessing.get_context("fork")
    shards = context.Queue(maxsize=2 * arguments.workers)
    stop = context.Event()
    processes = [
        context.Process(
            target=work, args=(n, examples, arguments.tokens, shards, stop), daemon=True
        )
        for n in range(arguments.workers)
    ]
    for process in processes:
        process.start()
    report = train(arguments, log, shards, seconds)
    (arguments.out / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    stop.set()
    for process in processes:
        process.kill()
    log("done")
    os._exit(0)  # what is left in the queue need not be waited for


def train(arguments: argparse.Namespace, log: Log, shards: Any, seconds: float) -> dict[str, Any]:
    """Train for so long, the look at the result included; returns what was done."""
    import numpy as np
    import torch
    from model import Model, Shape, save

    torch.manual_seed(1)
    cuda = arguments.device == "cuda"
    device = torch.device(arguments.device)
    subwords = Tokenizer()
    dtype = torch.bfloat16 if cuda else torch.float32
    model = Model(Shape(**settings()["shape"]), len(subwords), device, dtype)
    held = Held(subwords, 8 if arguments.smoke or not cuda else 200, device)
    trainer = Trainer(model, arguments.rate, fused=cuda)
    log(f"{model.parameters:,} parameters, {len(subwords):,} subwords, {device}")
    batches = Batches(shards)
    end = log.began + seconds - (6 if arguments.smoke else 25)
    start = reported = saved = 0.0
    running: list[Any] = []
    positions = 0

    def on_device(array: Any) -> Any:
        tensor = torch.from_numpy(array.astype(np.int64))
        return tensor.pin_memory().to(device, non_blocking=True) if cuda else tensor

    for source, target in batches:
        now = time.time()
        if now >= end and trainer.steps >= 10:
            break
        if not start:
            start = reported = saved = now
        progress = min(1.0, (now - start) / max(1e-6, end - start))
        running.append(trainer.step(on_device(source), on_device(target), progress))
        positions += target.size
        if now - reported > (2 if arguments.smoke else 8):
            reported = now
            loss = float(torch.stack(running).mean())
            running.clear()
            losses = held.losses(model)
            average = sum(losses.values()) / len(losses)
            log(
                f"step {trainer.steps} loss {loss:.3f} held {average:.3f} norm "
                f"{float(trainer.norm):.2f} {positions / (now - start) / 1000:.0f}k positions/s "
                f"shards {batches.fresh} new {batches.again} again {progress:.0%}"
            )
            if not trainer.judge(loss, average):
                log("diverged: back to the last good weights, with half the rate")
        if now - saved > 60:
            saved = now
            save(model, trainer.mean, arguments.out)
    took = time.time() - start
    plain = held.losses(model)
    model.sync(trainer.mean)
    averaged = held.losses(model)
    best = trainer.mean
    if sum(averaged.values()) > sum(plain.values()):
        log("the last weights are better than their mean")
        best, averaged = model.master, plain
        model.sync()
    save(model, best, arguments.out)
    report: dict[str, Any] = {
        "steps": trainer.steps,
        "target_positions_with_padding": positions,
        "seconds": round(took, 1),
        "parameters": model.parameters,
        "shards": batches.fresh,
        "shards_again": batches.again,
        "held_out_loss": averaged,
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "chrF": {},
    }
    for name, rows in held.rows.items():
        if time.time() > log.began + seconds and not arguments.smoke:
            break
        score, texts = held.chrf(model, name)
        report["chrF"][name] = score
        log(f"chrF greedy {name} {score}")
        for (source, target), text in list(zip(rows, texts, strict=True))[:3]:
            log(f"   {source} | {text} | {target}")
    return report


if __name__ == "__main__":
    main()
