"""Trains the translator from what `pack.py` packed: on a GPU in minutes, or on a CPU in legs.

    python3 run.py --minutes 8 --out OUT [--smoke]
    python3 run.py --device cpu --threads 1 --hours 2 --of 20 --out OUT    # again, to go on

On a GPU, processes make batches while it works; where it is quicker than they are, it takes old
ones again. On a CPU (`--workers 0`) they are made in between. Writes OUT/weights-1.safetensors and
weights-2.safetensors, log.txt and report.json, and on a CPU OUT/state.pt: every five minutes, at
the end, and at SIGTERM or Ctrl-C. The same command takes a training up again from there. `--of` is
the whole training, in hours of processor, over which the learning rate falls; it may be changed
between legs. With `--hold` it stays high, and a short training with `--cool OUT/state.pt`, in which
it falls to nothing, makes good weights of any state, which itself stays as it is (Hu et al.,
arXiv 2404.06395). `--smoke` does everything once in seconds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batches import HERE, Maker, Tokenizer, counted, settings, tokenizer, unpack, work

sys.path.insert(0, str(HERE))
_STATE = "state.pt"
_COUNTED = 999_999_937
"""Number of the shard whose subwords are counted; no training comes so far."""


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


class Made:
    """Batches made here, one shard after the other; known by the numbers of shard and batch.

    Attributes:
        place: Of the next batch: number of the shard, and of the batch in it.
    """

    def __init__(self, examples: int, tokens: int, place: tuple[int, int]) -> None:
        self._examples, self._tokens, self.place = examples, tokens, place

    def __iter__(self) -> Iterator[Any]:
        """Never ends."""
        maker = Maker()
        while True:
            number, first = self.place
            for index, batch in enumerate(maker.shard(number, self._examples, self._tokens)):
                if index >= first:
                    self.place = number, index + 1
                    yield batch
            self.place = number + 1, 0

    def __str__(self) -> str:
        return f"shard {self.place[0]}"


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

    def __str__(self) -> str:
        return f"shards {self.fresh} new {self.again} again"


@dataclass
class Clock:
    """How far the training is.

    Attributes:
        leg: Seconds of this leg by the clock on the wall.
        whole: Seconds of the whole training, by :attr:`counted`.
        before: Seconds of earlier legs.
        counted: Which clock counts: that of the wall, or the processor's, which stands still while
            others have it.
    """

    leg: float
    whole: float
    before: float
    counted: Callable[[], float]

    def __post_init__(self) -> None:
        self._began, self._first = time.time(), self.counted()
        self.stopped = False

    @property
    def trained(self) -> float:
        """Seconds of training, all legs together."""
        return self.before + self.counted() - self._first

    @property
    def progress(self) -> float:
        """Share of the training that is over."""
        return min(1.0, self.trained / self.whole)

    @property
    def over(self) -> bool:
        """Whether the leg, or the whole training, is over."""
        return self.stopped or time.time() - self._began >= self.leg or self.progress >= 1

    def stop(self, *_: object) -> None:
        """Say that the leg is to end (a signal)."""
        self.stopped = True


def frequencies(size: int) -> Any:
    """Counts of the subwords of targets, the padding left out; the same for every leg."""
    import torch

    counts = torch.zeros(size - 1, dtype=torch.int64)
    for _, target in Maker().shard(_COUNTED, 8_000, 4_000):
        flat = torch.from_numpy(target.astype("int64")).flatten()
        counts += flat[flat < size - 1].bincount(minlength=size - 1)
    return counts


def main() -> None:
    """Train, save, look at the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=8.0, help="of the run, or leg")
    length.add_argument("--hours", type=float, help="the same in hours")
    parser.add_argument("--of", type=float, help="hours of all legs; default: this one")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--threads", type=int, help="of a CPU")
    parser.add_argument("--workers", type=int, help="processes that make batches; GPU 7, CPU 0")
    parser.add_argument("--tokens", type=int, help="positions of a batch; GPU 32,000, CPU 4,000")
    parser.add_argument("--examples", type=int, default=24_000, help="of a shard")
    parser.add_argument("--rate", type=float, help="learning rate; GPU 1.3e-3, CPU 8e-4")
    parser.add_argument("--warm", type=float, default=0.05, help="share in which the rate rises")
    parser.add_argument("--hold", action="store_true", help="the rate stays, once it has risen")
    parser.add_argument("--cool", type=Path, help="a state to go on from, the rate falling to 0")
    parser.add_argument("--slow-rate", type=float, default=0.4, help="of a pretrained encoder")
    parser.add_argument("--slow-wait", type=float, default=0.01, help="share before it learns")
    parser.add_argument(
        "--sample",
        type=int,
        nargs=2,
        metavar=("ALWAYS", "DRAWN"),
        help="look at so many frequent subwords a step, and so many others, in place of all",
    )
    parser.add_argument("--held", type=int, help="pairs a direction to watch; GPU 200, CPU 32")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], help="GPU: bfloat16")
    arguments = parser.parse_args()
    cuda = arguments.device == "cuda"
    for key, gpu, cpu in (
        ("workers", 7, 0),
        ("tokens", 32_000, 4_000),
        ("rate", 1.3e-3, 8e-4),
        ("precision", "bfloat16", "float32"),
    ):
        if getattr(arguments, key) is None:
            setattr(arguments, key, gpu if cuda else cpu)
    if arguments.cool and (cuda or arguments.workers or not arguments.cool.is_file()):
        parser.error("--cool goes on from a state.pt: of a training on a CPU, without workers")
    arguments.out.mkdir(parents=True, exist_ok=True)
    log = Log(arguments.out / "log.txt")
    seconds = 60 * arguments.minutes if arguments.hours is None else 3600 * arguments.hours
    seconds = 8.0 if arguments.smoke else seconds
    examples = 2000 if arguments.smoke else arguments.examples
    # Forked before anything touches the GPU.
    context = multiprocessing.get_context("fork")
    shards = context.Queue(maxsize=2 * max(1, arguments.workers))
    stop = context.Event()
    processes = [
        context.Process(
            target=work, args=(n, examples, arguments.tokens, shards, stop), daemon=True
        )
        for n in range(arguments.workers)
    ]
    for process in processes:
        process.start()
    report = train(arguments, log, shards if processes else None, seconds, examples)
    (arguments.out / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    stop.set()
    for process in processes:
        process.kill()
    log("done")
    os._exit(0)  # what is left in the queue need not be waited for


def train(
    arguments: argparse.Namespace, log: Log, shards: Any, seconds: float, examples: int
) -> dict[str, Any]:
    """Train for so long, the look at the result included; returns what was done."""
    import numpy as np
    import torch
    from bart import Bart
    from model import Model, Shape, save
    from sampling import Sampler
    from trainer import Schedule, Trainer, read_state, write_state

    torch.manual_seed(1)
    cuda = arguments.device == "cuda"
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    subwords = tokenizer()
    dtype = getattr(torch, arguments.precision)
    shape = Shape(**settings()["shape"])
    kind = Bart if settings().get("family") == "bart" else Model
    model = kind(shape, len(subwords), device, dtype)
    if (HERE / "start.safetensors").is_file():
        model.start_from(HERE / "start.safetensors")
    else:
        model.start(counted(len(subwords)))
    if arguments.sample:
        model.sampler = Sampler(frequencies(len(subwords)), *arguments.sample)
    each = arguments.held or (200 if cuda else 8 if arguments.smoke else 32)
    held = Held(subwords, each, device)
    schedule = Schedule(
        arguments.rate, arguments.warm, arguments.hold, arguments.slow_rate, arguments.slow_wait
    )
    trainer = Trainer(model, schedule, fused=True)
    log(f"{model.parameters:,} parameters, {len(subwords):,} subwords, {device}")
    # Batches of other processes come in no order that could be found again.
    kept = None if cuda or shards is not None else arguments.out / _STATE
    found = read_state(arguments.cool or kept) if kept else None
    if arguments.cool:
        kept = None
    noted = found["noted"] if found else {"positions": 0, "trained": 0.0, "place": (0, 0)}
    if found:
        trainer.restore(found["trainer"])
        log(f"goes on at step {trainer.steps}, {noted['trained'] / 3600:.2f} hours of processor")
    made = Made(examples, arguments.tokens, tuple(noted["place"]))
    batches = Batches(shards) if shards is not None else made
    # A cool-down is counted in seconds of processor, a leg in those of the clock on the wall.
    spent = 0 if arguments.cool else time.time() - log.began
    spent += 6 if arguments.smoke else 0 if arguments.cool else 25
    leg = max(1.0, seconds - spent)
    whole = 3600 * arguments.of if arguments.of else noted["trained"] + leg
    positions = noted["positions"]
    every_report, every_save = (0.5, 60) if arguments.smoke else (8, 60) if cuda else (150, 300)

    def on_device(array: Any) -> Any:
        tensor = torch.from_numpy(array.astype(np.int64))
        return tensor.pin_memory().to(device, non_blocking=True) if cuda else tensor

    def keep() -> None:
        save(model, trainer.mean, arguments.out)
        if kept:
            noted.update(positions=positions, trained=clock.trained, place=made.place)
            write_state(kept, {"trainer": trainer.state(), "noted": noted})

    clock = Clock(leg, whole, noted["trained"], time.time if cuda else time.process_time)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, clock.stop)
    started = reported = saved = time.time()
    first, running = positions, []
    for source, target in batches:
        cooled = min(1.0, (clock.trained - clock.before) / leg) if arguments.cool else 0.0
        running.append(trainer.step(on_device(source), on_device(target), clock.progress, cooled))
        positions += target.size
        over = (cooled >= 1 if arguments.cool else clock.over) or clock.stopped
        over = over and (trainer.steps >= 10 or clock.stopped)
        now = time.time()
        if now - reported > every_report:
            reported = now
            loss = float(torch.stack(running).mean())
            running.clear()
            losses = held.losses(model)
            average = sum(losses.values()) / len(losses)
            log(
                f"step {trainer.steps} loss {loss:.3f} held {average:.3f} norm "
                f"{float(trainer.norm):.2f} {(positions - first) / (now - started):.0f} "
                f"positions/s {batches} {clock.progress:.1%}"
            )
            if not trainer.judge(loss, average):
                log("diverged: back to the last good weights, with half the rate")
        if over:
            break
        if now - saved > every_save:
            saved = now
            keep()
    took, trained, progress = time.time() - started, clock.trained, clock.progress
    keep()
    plain = held.losses(model)
    model.sync(trainer.mean)
    averaged = held.losses(model)
    if sum(averaged.values()) > sum(plain.values()):
        log("the last weights are better than their mean")
        averaged = plain
        model.sync()
        save(model, model.master, arguments.out)
    report: dict[str, Any] = {
        "steps": trainer.steps,
        "target_positions_with_padding": positions,
        "seconds_of_this_leg": round(took, 1),
        "hours_of_training": round(trained / 3600, 3),
        "share_of_the_training": round(progress, 4),
        "parameters": model.parameters,
        "batches": str(batches),
        "held_out_loss": averaged,
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "chrF": {},
    }
    for name, rows in held.rows.items():
        if (cuda and time.time() > log.began + seconds) or clock.stopped:
            break
        score, texts = held.chrf(model, name)
        report["chrF"][name] = score
        log(f"chrF greedy {name} {score}")
        for (source, target), text in list(zip(rows, texts, strict=True))[:3]:
            log(f"   {source} | {text} | {target}")
    return report


if __name__ == "__main__":
    main()
