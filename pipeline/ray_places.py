"""Trainings on a Ray cluster: each takes a share of a node, or of a GPU, beside others.

A training is an actor that lives as long as it takes, so that what it holds is free for others
then. Row-wise steps spread over the cluster by themselves (:mod:`pipeline.engine.ray`): the run
does them, and what is too small to travel, in its own process while actors train.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from multiprocessing import Pipe
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from pipeline.artifacts import Artifact
from pipeline.child import portable
from pipeline.config import RunConfig
from pipeline.engine.cluster import Cluster
from pipeline.engine.ray import enter, same_versions, wait_until_visible
from pipeline.manifest import MANIFEST, library_versions
from pipeline.plan import Step
from pipeline.progress import Progress
from pipeline.relay import Message, Shown
from pipeline.slots import Here, Outcome, Processes
from pipeline.step_process import Setup, StepWorker

_ASK = 0.5  # seconds between questions for what there is to show


class _Actor:
    """Does steps on some node.

    Args:
        setup: What it needs.
        cwd: Where the run was started: paths in configurations may be relative.
        versions: The libraries there.
    """

    def __init__(self, setup: Setup, cwd: str, versions: dict[str, str]) -> None:
        self._setup, self._cwd, self._versions = setup, cwd, versions
        self._told: SimpleQueue[Message] = SimpleQueue()

    def do(self, step: Step, state: dict[str, Any]) -> tuple[Artifact, str]:
        """Do one step; return its output and the node.

        Raises:
            XlnerError: If the node has other libraries, or does not share the working folder.
        """
        same_versions(self._versions, library_versions())
        enter(self._cwd)
        return StepWorker(self._setup, self._told.put).do(step, state), socket.gethostname()

    def told(self) -> list[Message]:
        """Return what there is to show since it was last asked."""
        messages = []
        with contextlib.suppress(Empty):
            while True:
                messages.append(self._told.get_nowait())
        return messages


class _Training:
    """An actor for one step after another; see :class:`pipeline.slots.Place`."""

    pid = 0

    def __init__(self, setup: Setup, share: dict[str, Any]) -> None:
        self.step: Step | None = None
        self.shown: Shown
        self.connection, self._theirs = Pipe(duplex=False)
        self._setup, self._share = setup, share
        self._actor: Any = None

    def begin(self, step: Step, config: RunConfig) -> None:
        """See :class:`pipeline.slots.Place`."""
        import ray

        options = {"max_concurrency": 2, "max_restarts": 0, **self._share}
        made = ray.remote(_Actor).options(**options)
        self._actor = made.remote(self._setup, str(Path.cwd()), library_versions())
        asked = self._actor.do.remote(step, config.__getstate__())
        threading.Thread(target=self._follow, args=(asked,), daemon=True).start()

    def _follow(self, asked: Any) -> None:
        """Hand on what the actor has to show, until its step ends."""
        import ray

        try:
            told = self._actor.told.remote()
            while not ray.wait([asked], timeout=_ASK)[0]:
                if ray.wait([told], timeout=0)[0]:
                    self._hand_on(ray.get(told))
                    told = self._actor.told.remote()
            with contextlib.suppress(ray.exceptions.RayError):  # what it was is told below
                self._hand_on(ray.get(told))
                self._hand_on(ray.get(self._actor.told.remote()))
            made, node = ray.get(asked)
            wait_until_visible(made.folder / MANIFEST, node)
            answer: Message = "done", made
        except ray.exceptions.RayActorError as error:
            # What follows are general hints.
            cause, _, _ = str(error).partition("Some common causes include")
            answer = "lost", " ".join(cause.split())
        except ray.exceptions.RayTaskError as error:
            answer = "failed", error.cause
        except Exception as error:
            answer = "failed", portable(error)
        self.terminate()
        self._theirs.send(answer)

    def _hand_on(self, messages: list[Message]) -> None:
        for message in messages:
            self._theirs.send(message)

    def receive(self) -> Message:
        """See :class:`pipeline.slots.Place`."""
        message: Message = self.connection.recv()
        return message

    def terminate(self) -> None:
        """See :class:`pipeline.slots.Place`."""
        import ray

        ray.kill(self._actor)

    def stop(self, grace: float) -> None:
        """See :class:`pipeline.slots.Place`: nothing that it could do in the time is of use."""
        self.terminate()


class OnRay:
    """Trains on actors, and does all else here, which the engine spreads where it is row-wise.

    Args:
        cluster: The cluster.
        setup: What actors need.
        count: Trainings at a time at most.
        share: What a training takes, as options of Ray.
        here: Does all else.
        progress: Where to show what actors tell.
    """

    shares_memory = False

    def __init__(
        self,
        cluster: Cluster,
        setup: Setup,
        count: int,
        share: dict[str, Any],
        here: Here,
        progress: Progress,
    ) -> None:
        self._cluster, self._here = cluster, here
        self._actors = Processes(lambda number: _Training(setup, share), count, progress)
        self._next: tuple[Step, RunConfig] | None = None

    def takes(self, step: Step) -> bool:
        """See :class:`pipeline.slots.Slots`."""
        if step.task.kind == "model":
            return self._actors.takes(step)
        return self._next is None

    @property
    def busy(self) -> list[tuple[Step, int]]:
        """See :class:`pipeline.slots.Slots`."""
        return self._actors.busy

    def begin(self, step: Step, config: RunConfig) -> None:
        """See :class:`pipeline.slots.Slots`."""
        if step.task.kind == "model":
            self._actors.begin(step, config)
        else:
            self._next = step, config

    def wait(self) -> Outcome:
        """See :class:`pipeline.slots.Slots`."""
        if self._next is None:
            return self._actors.wait()
        step, config = self._next
        self._next = None
        try:
            self._here.begin(step, config)
        except Exception as error:
            return Outcome(step, error)
        return self._here.wait()

    def stop(self) -> None:
        """See :class:`pipeline.slots.Slots`."""
        try:
            self._actors.stop()
        finally:
            self._here.stop()
            self._cluster.leave()
