"""What there is to do in a run: tasks, what names their output, and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Advance = Callable[[int], None]
"""Is told of rows (sentences, pairs, texts) that are done."""


def no_advance(rows: int) -> None:
    """Let progress pass."""


OutputKind = Literal[
    "labelled",
    "translations",
    "alignments",
    "projected",
    "synthetic",
    "predictions",
    "model",
    "files",
]
"""What a task writes: a dataset of :data:`pipeline.schema.SCHEMAS`, a model folder, or files."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Names the output of a task: ``<run>/<stage>/<unit>/``."""

    stage: str
    unit: str

    def __post_init__(self) -> None:
        """Refuse what would lead out of the folder of the run, wherever it comes from."""
        for step in (self.stage, *self.unit.split("/")):
            if step in ("", ".", "..") or "/" in step or not step.isprintable() or "\\" in step:
                raise ValueError(f"{self.stage}/{self.unit}: {step!r} cannot be a folder of a run")

    def __str__(self) -> str:
        return f"{self.stage}/{self.unit}"


@dataclass(frozen=True, slots=True)
class Task:
    """One unit of work of a stage, and the smallest thing that is skipped or redone.

    Attributes:
        stage: Name of the stage.
        unit: Path of the output below the stage's folder: ``de``, ``train/en``,
            ``projected/seed-13`` …
        kind: What it writes.
        inputs: Outputs of other tasks by the name that the stage reads them under, such as
            ``projected/de`` (:class:`pipeline.inputs.Inputs`). For a
            :class:`RowStage` all of them have the same parts, row by row the same ids.
        side_inputs: For a :class:`RowStage`: outputs that every worker may read whole (a model, a
            dictionary). A :class:`RunStage` has everything in ``inputs``.
        lang: The language of the words in the output, if it is one.
        options: What distinguishes this task from its siblings (direction, arm, seed …); part
            of the fingerprint.
        uses: Names of run-wide keys, beside the stage's own section, that change the result
            (``seed``, ``labels`` …); part of the fingerprint.
        sections: Names of other stages' sections that decide the result too, if any.
        pair: Of what has two languages: the one that it goes from, and the one that it goes to. The
            unit says the same.
        settings: Options that have another value for this task alone, by dotted key
            (:meth:`pipeline.config.RunConfig.with_settings`): it is planned and done with these.
        seeded_as: Unit of the same stage whose random numbers this task draws; default: its own.
            A variant of another task that differs in its ``settings`` alone draws the same.
    """

    stage: str
    unit: str
    kind: OutputKind
    inputs: Mapping[str, Ref] = field(default_factory=dict)
    side_inputs: Mapping[str, Ref] = field(default_factory=dict)
    lang: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    uses: tuple[str, ...] = ("seed",)
    sections: tuple[str, ...] = ()
    pair: tuple[str, str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeded_as: str | None = None

    @property
    def ref(self) -> Ref:
        """The name of this task's output."""
        return Ref(self.stage, self.unit)

    @property
    def reads(self) -> list[Ref]:
        """The outputs of other tasks that it reads."""
        return [*self.inputs.values(), *self.side_inputs.values()]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with the configuration of a run, found before anything is loaded.

    Attributes:
        key: The dotted key.
        message: What is wrong, and what is allowed.
    """

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"
