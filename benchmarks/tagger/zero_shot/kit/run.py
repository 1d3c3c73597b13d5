"""Trains and scores the taggers of :mod:`trials`, the most important first, until time is up.

    python3 run.py --minutes 9 --out OUT            # on a GPU
    python3 run.py --smoke --out OUT                # a few updates of each kind, and how fast
    python3 run.py --minutes 900 --device cpu --workers 1 --only 'arms sw' --out OUT

Writes ``results.jsonl``, a line per scored tagger, at once; ``counts.bin``, the correct and
predicted spans of every test sentence (see ``analyse.py``); a finished job is not done again.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import queue
import signal
import statistics
import sys
import time
import traceback
import zlib
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.multiprocessing as mp  # noqa: E402
from trials import DEPTH, DEV, TUNING, Chosen, Job, comparison, fill, tuning  # noqa: E402

RESERVE = 10.0  # seconds at the end for what is being scored


def load_classifier() -> Any:
    """Return a token classifier with the encoder's weights and a head that is never used."""
    import io
    import lzma

    from packed import config, put_back, weights
    from sets import LABELS
    from transformers import BertConfig, BertForTokenClassification

    with np.load(io.BytesIO(lzma.decompress((HERE / "encoder.npz.xz").read_bytes()))) as stored:
        tensors = {name: stored[name] for name in stored.files}
    beside = HERE / "beside.txt"
    if beside.exists():
        tensors = put_back(tensors, HERE / beside.read_text(encoding="utf-8").strip())
    model = BertForTokenClassification(BertConfig(**config(tensors), num_labels=len(LABELS)))
    state = {f"bert.{k}": torch.from_numpy(v) for k, v in weights(tensors).items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or set(missing) != {"classifier.weight", "classifier.bias"}:
        raise SystemExit(f"encoder.npz.xz does not fit: {missing} {unexpected}")
    return model


class Worker:
    """What one process trains with.

    Args:
        options: Of the command line.
        number: Which worker.
        end: When to stop (``time.time()``).
    """

    def __init__(self, options: argparse.Namespace, number: int, end: float) -> None:
        from scoring import Scorer
        from sets import Pool, read_sets

        torch.set_num_threads(options.threads)
        if options.device == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = True
            torch.backends.cudnn.allow_tf32 = True
        self.options = options
        self.number = number
        self.end = end
        self.device = torch.device(options.device)
        self.classifier = load_classifier()
        self.sets = read_sets(HERE / "texts.npz.xz")
        training = [n for n in self.sets if not n.startswith(("dev/", "test/", "wikiann/"))]
        training += [n for n in self.sets if n.startswith("wikiann/train/")]
        self.pool = Pool.of(self.sets, training)
        self.scorer = Scorer(
            self.sets, options.decoders, 4096 if options.device == "cpu" else 32768
        )
        self.graphs = options.device == "cuda" and not options.eager
        self.stack: Any = None

    def run(self, job: Job, tell: Any) -> dict[str, Any]:
        """Train and score a job; rows are told as they come. Returns what it took."""
        from scoring import f1, fusion_facts
        from stack import Stack, shape_of

        begin = time.time()
        shapes = [shape_of(t) for t in job.trials]
        if self.stack is None or self.stack.shapes != shapes or self.stack.graphs != self.graphs:
            self.stack = None
            gc.collect()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            self.stack = Stack(
                self.classifier,
                self.pool,
                job.trials,
                self.device,
                graphs=self.graphs,
                batch_size=32,
                bfloat16=self.options.bfloat16,
            )
        stack = self.stack
        stack.load(job.trials)
        built = time.time() - begin
        scoring = 0.0
        waiting: list[tuple[dict[str, Any], dict[str, Any]]] = []

        def score(updates: int) -> None:
            nonlocal scoring
            start = time.time()
            for trial, model, loss in zip(job.trials, stack.models, stack.losses(), strict=True):
                row = {
                    "job": job.name,
                    "arm": trial.arm,
                    "data": list(trial.data),
                    "seed": trial.seed,
                    "fusion": trial.fusion,
                    "layer": trial.layer,
                    "rate": trial.rate,
                    "decay": trial.decay,
                    "frozen": trial.frozen,
                    "warmup": trial.warmup,
                    "weight_decay": trial.weight_decay,
                    "updates": trial.updates,
                    "at": updates,
                    "loss": round(loss, 5),
                }
                if trial.fusion == "dlfa_aif":
                    row["aif"] = {
                        name: fusion_facts(model, self.sets[name]) for name in trial.scored[:2]
                    }
                names = [n for n in trial.scored if n in self.sets]
                waiting.append((row, self.scorer.score(model, names, self.options.limit)))
            scoring += time.time() - start

        seconds = stack.train(job.trials, lambda: time.time() > self.end, score)
        wall = time.time()
        for row, counts in waiting:
            found = {name: future.result() for name, future in counts.items()}
            row["f1"] = {name: round(f1(c), 3) for name, c in found.items()}
            tell(("row", row, found))
        done = sum(t.updates for t in job.trials) if waiting else 0
        return {
            "job": job.name,
            "taggers": len(job.trials),
            "updates": done,
            "train_s": round(seconds, 2),
            "build_s": round(built, 2),
            "capture_s": round(stack.capture_seconds, 2),
            "score_s": round(scoring, 2),
            "wait_s": round(time.time() - wall, 2),
            "rate": round(done / max(seconds, 1e-3), 1),
            "problems": stack.problems,
            "finished": bool(waiting),
        }


def work(options: argparse.Namespace, number: int, end: float, inbox: Any, outbox: Any) -> None:
    """Serve jobs until ``None`` comes."""
    os.setpgrp()  # one group with what decodes, so that all can be ended
    try:
        begin = time.time()
        worker = Worker(options, number, end)
        outbox.put((number, ("ready", time.time() - begin)))
        while (job := inbox.get()) is not None:
            try:
                facts = worker.run(job, lambda message: outbox.put((number, message)))
                outbox.put((number, ("done", job.name, facts)))
            except Exception:
                worker.stack = None
                outbox.put((number, ("failed", job.name, traceback.format_exc()[-1500:])))
        worker.scorer.close()
    except Exception:
        outbox.put((number, ("dead", traceback.format_exc()[-1500:])))


class Ledger:
    """Results on disk.

    Args:
        out: Folder.
    """

    def __init__(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.rows: list[dict[str, Any]] = []
        self._results = out / "results.jsonl"
        self._counts = out / "counts.bin"
        if self._results.exists():
            for line in self._results.read_text(encoding="utf-8").splitlines():
                self.rows.append(json.loads(line))
        self._gold: set[str] = set()

    def done(self) -> set[str]:
        """Return the jobs that an earlier call finished."""
        return {r["done"]["job"] for r in self.rows if r.get("done", {}).get("finished")}

    def add(self, row: dict[str, Any], counts: dict[str, Any] | None = None) -> None:
        """Append a row; ``counts`` of test sets go to the other file."""
        places: dict[str, list[int]] = {}
        with self._counts.open("ab") as file:
            for name, values in (counts or {}).items():
                if row.get("arm") in ("tuning", None) or name.startswith("dev/"):
                    continue
                if name not in self._gold:
                    self._gold.add(name)
                    self._append({"gold": name, "at": self._put(file, values[:, 2])})
                places[name] = self._put(file, values[:, :2])
        if places:
            row["counts"] = places
        self._append(row)

    def _put(self, file: Any, values: np.ndarray) -> list[int]:
        packed = zlib.compress(np.ascontiguousarray(values.T).tobytes(), 9)
        place = [file.tell(), len(packed)]
        file.write(packed)
        return place

    def _append(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        with self._results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def choose(rows: list[dict[str, Any]]) -> Chosen:
    """Return what the dev sets choose: options by target dev sets, the layer by source dev.

    ``why`` holds, for each language, what the dev sets of the two others choose.
    """
    chosen = Chosen()
    for arm, keys in (("tuning", ("rate", "decay", "frozen")), ("bare", ("rate", "updates"))):
        scores: dict[tuple[Any, ...], list[list[float]]] = defaultdict(list)
        for row in rows:
            if row.get("arm") == arm and row["seed"] in TUNING and set(DEV) <= set(row["f1"]):
                scores[tuple(row[k] for k in keys)].append([row["f1"][d] for d in DEV])
        if not scores:
            continue
        most = max(map(len, scores.values()))
        means = {
            k: [statistics.mean(c) for c in zip(*v, strict=True)]
            for k, v in scores.items()
            if len(v) == most
        }
        best = max(means, key=lambda k: sum(means[k][1:]))
        others = {
            d: max(
                means,
                key=lambda k, d=d: sum(
                    m for n, m in zip(DEV, means[k], strict=True) if n not in (d, DEV[0])
                ),
            )
            for d in DEV[1:]
        }
        picked = dict(zip(keys, best, strict=True))
        if arm == "tuning":
            chosen.recipe = picked
        else:
            chosen.bare = picked
        chosen.why[arm] = {
            "best": picked,
            "without": {d: dict(zip(keys, k, strict=True)) for d, k in others.items()},
            "source_dev": dict(zip(keys, max(means, key=lambda k: means[k][0]), strict=True)),
            "means": [[*k, *(round(x, 2) for x in m)] for k, m in sorted(means.items())],
        }
    layers: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        if (
            row.get("arm") == "sweep"
            and row["fusion"] == "dlfa_aif"
            and row["at"] == row["updates"]
        ):
            layers[row["layer"]].append(row["f1"]["dev/en"])
    if layers:
        most = max(map(len, layers.values()))
        whole = {k: statistics.mean(v) for k, v in layers.items() if len(v) == most}
        chosen.layer = max(whole, key=lambda k: whole[k])
        chosen.why["layers"] = {str(k): round(v, 3) for k, v in sorted(whole.items())}
    return chosen


class Parent:
    """Hands out jobs and writes down what comes back.

    Args:
        options: Of the command line.
        ledger: Where results go.
        jobs: What is to be done, in order.
    """

    def __init__(self, options: argparse.Namespace, ledger: Ledger, jobs: list[Job]) -> None:
        self.options = options
        self.ledger = ledger
        self.todo = [job for job in jobs if job.trials and job.name not in ledger.done()]
        self.end = time.time() + 60 * options.minutes - RESERVE
        self.rate = 100.0 if options.device == "cuda" else 1.0
        self.chosen: dict[str, Chosen] = {}
        context = mp.get_context("spawn")
        self.outbox = context.Queue()
        self.inboxes = [context.Queue() for _ in range(options.workers)]
        self.workers = [
            context.Process(target=work, args=(options, k, self.end, inbox, self.outbox))
            for k, inbox in enumerate(self.inboxes)
        ]
        self.busy: dict[int, str] = {}
        self.idle: list[int] = []

    def run(self) -> None:
        """Work until all is done or time is up."""
        for process in self.workers:
            process.start()
        try:
            self._serve()
        finally:
            for inbox in self.inboxes:
                inbox.put(None)
            for process in self.workers:
                process.join(timeout=1)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # what it started, too

    def _serve(self) -> None:
        alive = len(self.workers)
        while alive and (self.busy or self.todo) and time.time() < self.end + RESERVE - 4:
            self._hand_out()
            if not self.busy and len(self.idle) == alive:
                break
            try:
                number, message = self.outbox.get(timeout=1.0)
            except queue.Empty:
                alive = sum(p.is_alive() for p in self.workers)
                continue
            alive -= self._hear(number, message)

    def _hear(self, number: int, message: tuple[Any, ...]) -> int:
        kind = message[0]
        if kind == "row":
            self.ledger.add(message[1], message[2])
            return 0
        if kind == "ready":
            print(f"worker {number} ready after {message[1]:.1f} s", flush=True)
        elif kind == "done":
            self.busy.pop(number, None)
            self.ledger.add({"done": message[2]})
            if message[2]["updates"] >= 3000:
                self.rate = message[2]["rate"]
            print(json.dumps(message[2]), flush=True)
        elif kind == "failed":
            self.busy.pop(number, None)
            self.ledger.add({"failed": message[1], "why": message[2]})
            print(f"FAILED {message[1]}: {message[2]}", flush=True)
        else:
            self.ledger.add({"dead": number, "why": message[1]})
            print(f"worker {number} died: {message[1]}", flush=True)
            return 1
        self.idle.append(number)
        return 0

    def _hand_out(self) -> None:
        while self.idle and (job := self._next()) is not None:
            number = self.idle.pop(0)
            self.busy[number] = job.name
            self.inboxes[number].put(job)

    def _next(self) -> Job | None:
        """Return the first job that may start and can end in time."""
        left = self.end - time.time()
        names = [job.name for job in self.todo] + list(self.busy.values())
        for job in self.todo:
            updates = [self.options.updates or t.updates for t in job.trials]
            if not self.options.smoke and 5 + sum(updates) / self.rate > left:
                continue
            if job.needs and any(n.startswith("tuning") for n in names):
                continue
            first = [n for n in names if n in ("sweep conll 13", "sweep conll 14")]
            if job.needs == "layer" and first:
                continue
            self.todo.remove(job)
            job = fill(job, self._choose(job.needs)) if job.needs else job
            if self.options.updates:
                job.trials = [replace(t, updates=self.options.updates) for t in job.trials]
            return job
        return None

    def _choose(self, needs: str) -> Chosen:
        key = "layer" if needs == "layer" else "recipe"
        if key not in self.chosen:
            self.chosen[key] = choose(self.ledger.rows)
            self.ledger.add({"chosen": key, **asdict(self.chosen[key])})
            print(f"chosen: {self.chosen[key]}", flush=True)
        return self.chosen[key]


def smoke_jobs(sets: set[str]) -> list[Job]:
    """Return a small job of each kind, then larger ones that show the speed."""
    every = [*tuning(), *comparison(sets, tuple(range(DEPTH)))]
    kinds = [
        next(j for j in every if j.name.startswith(n))
        for n in ("tuning frozen", "arms", "sweep wikiann", "bare")
    ]
    small = [
        Job(f"smoke {j.name}", [replace(t, updates=10, evaluations=(5,)) for t in j.trials[:3]])
        for j in kinds
    ]
    full = [
        Job(
            f"speed {len(j.trials)} {j.name}",
            [replace(t, updates=300, scored=()) for t in j.trials],
        )
        for j in (every[0], next(j for j in every if j.name == "sweep conll 13"))
    ]
    return small + full


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=None, help="processes that train")
    parser.add_argument(
        "--decoders", type=int, default=None, help="processes per worker that score"
    )
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--bfloat16", action="store_true", help="train in it")
    parser.add_argument("--eager", action="store_true", help="no CUDA graphs")
    parser.add_argument("--only", default=None, help="jobs whose name starts so, comma-separated")
    parser.add_argument("--updates", type=int, default=None, help="of every trial, to try it")
    parser.add_argument("--limit", type=int, default=None, help="score on the first N sentences")
    options = parser.parse_args()
    cuda = options.device == "cuda"
    if options.smoke:
        options.limit = options.limit or 200
    if options.workers is None:
        options.workers = 3 if cuda else 1
    if options.decoders is None:
        options.decoders = 3 if cuda else 0
    facts = json.loads((HERE / "facts.json").read_text(encoding="utf-8"))
    sets = set(facts["sets"])
    jobs = (
        smoke_jobs(sets) if options.smoke else [*tuning(), *comparison(sets, tuple(range(DEPTH)))]
    )
    if options.only:
        starts = tuple(options.only.split(","))
        jobs = [job for job in jobs if job.name.startswith(starts)]
    ledger = Ledger(options.out)
    name = torch.cuda.get_device_name() if cuda else "cpu"
    ledger.add({"machine": name, "torch": torch.__version__, "commit": facts["commit"]})
    print(f"{name}, {len(jobs)} jobs, {sum(len(j.trials) for j in jobs)} taggers", flush=True)
    Parent(options, ledger, jobs).run()
    print(f"{sum('arm' in r for r in ledger.rows)} rows in {options.out}", flush=True)


if __name__ == "__main__":
    main()
