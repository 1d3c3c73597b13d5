"""What to do when memory runs out: the part again in smaller batches, then a clear error."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import XlnerError, first_line
from pipeline.loaded import any_kept, unload
from pipeline.stage import Part, Worker

if TYPE_CHECKING:
    import pyarrow as pa

SMALLER = "smaller_batches"
"""Key of what a part notes that was made in smaller batches than configured."""

# torch (both devices), CTranslate2 (both), CUDA libraries, oneDNN, Arrow, the C++ library.
_IN_TEXT = re.compile(
    r"out of memory|not enough memory|can't allocate memory|cannot allocate memory|"
    r"failed to allocate|could not allocate|ALLOC_FAILED|bad_alloc|malloc of size",
    re.IGNORECASE,
)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error, or what caused it, says that there is not enough memory."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or type(seen).__name__ == "OutOfMemoryError":
            return True
        if isinstance(seen, OSError) and seen.errno == errno.ENOMEM:
            return True
        if isinstance(seen, RuntimeError) and _IN_TEXT.search(str(seen)):
            return True
        seen = seen.__cause__
    return False


@dataclass(frozen=True, slots=True)
class Advice:
    """What can be said about the memory that a task needs.

    Attributes:
        task: Name of the task.
        option: Dotted name of the option that says how much is computed at once, if there is one.
        workers: How many processes share the memory.
    """

    task: str
    option: str | None
    workers: int

    def __str__(self) -> str:
        ways = []
        if self.option:
            ways.append(f"lower {self.option} (--set {self.option}=…)")
        if self.workers > 1:
            ways.append(f"use fewer processes (--set workers={self.workers // 2})")
        ways.append("close other programs")
        return ", or ".join(ways) + "; finished parts are kept"


@dataclass(frozen=True, slots=True)
class SmallerBatchesFactory:
    """Builds workers that go on in smaller batches when memory runs out; picklable.

    Attributes:
        factories: As configured, and with half, a quarter … of the batch size.
        sizes: The batch sizes of all but the first.
        advice: For the error that says that nothing helped.
    """

    factories: tuple[Callable[[], Worker], ...]
    sizes: tuple[int, ...]
    advice: Advice

    def __call__(self) -> Worker:
        """Load the model."""
        return SmallerBatchesWorker(self)


class SmallerBatchesWorker:
    """Calls a worker; where memory runs out, another one with smaller batches.

    Every part begins with the configured batch size: what becomes of it depends on nothing that
    the process did before.

    Args:
        made_by: Its factory.
    """

    def __init__(self, made_by: SmallerBatchesFactory) -> None:
        self._made_by = made_by
        self._worker: Worker | None = self._build(0)

    def _build(self, level: int) -> Worker:
        made_by = self._made_by
        try:
            return made_by.factories[level]()
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise XlnerError(
                f"{made_by.advice.task}: there is not enough memory to load the model: "
                f"{made_by.advice}"
            ) from error

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return the output rows of a part.

        Raises:
            XlnerError: If memory does not do even for small batches.
        """
        made_by = self._made_by
        for level in range(len(made_by.factories)):
            if self._worker is None:
                self._worker = self._build(level)
            told = self._try(inputs, part)
            if not isinstance(told, str):
                if level:
                    self._worker = None
                    part.notes[SMALLER] = made_by.sizes[level - 1]
                return told
            self._worker = None
            unload()
            release()
        tried = f" even with {made_by.advice.option}={made_by.sizes[-1]}" if made_by.sizes else ""
        raise XlnerError(
            f"{made_by.advice.task}: memory ran out on part {part.index}{tried} ({told}): "
            f"{made_by.advice}"
        )

    def _try(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table | str:
        """Return the rows, or what the error said: the error itself would hold on to memory."""
        assert self._worker is not None
        try:
            return self._worker(inputs, part)
        except Exception as error:
            if not out_of_memory(error):
                raise
            return first_line(error)


_aside = False  # whether what survives a look for garbage is looked at no more


def set_libraries_aside() -> None:
    """Have this process look no more at what libraries hold, once it has looked for garbage.

    Looking through torch and transformers, none of which is garbage, takes a third of a second,
    and every training ends with two looks.
    """
    global _aside
    _aside = True


@contextlib.contextmanager
def libraries_aside() -> Iterator[None]:
    """The same for the block alone, in a process that others may have a use for."""
    global _aside
    if _aside or gc.get_freeze_count():  # or the program has set aside something itself
        yield
        return
    gc.freeze()
    set_libraries_aside()
    try:
        yield
    finally:
        _aside = False
        gc.unfreeze()


def release() -> None:
    """Give memory that nothing refers to any more back, that of the GPU too."""
    gc.collect()
    if _aside and not any_kept():  # a model that is kept may be garbage one day
        gc.freeze()
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
