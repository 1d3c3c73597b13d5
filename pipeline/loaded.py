"""Models that tasks of one process share: loaded once, as long as they are asked for again.

Only a process that does tasks of a run keeps any (:func:`keeping`); elsewhere a model goes with
what asked for it. The two used last are kept: a row-wise stage and the one after it take turns.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

M = TypeVar("M")

_MOST: Final = 2
_kept: OrderedDict[Hashable, Any] = OrderedDict()
_keepers = 0


def loaded(folder: Path, how: Hashable, load: Callable[[], M]) -> M:
    """Return a model: the one that is kept, or what ``load`` returns.

    Args:
        folder: Its files; if they change, it is loaded anew.
        how: All else that decides what ``load`` returns.
        load: Loads it. What uses it must leave it as it is.
    """
    if not _keepers:
        return load()
    key = (str(folder), _state(folder), how)
    model: M = _kept.pop(key) if key in _kept else load()
    _kept[key] = model
    while len(_kept) > _MOST:
        _kept.popitem(last=False)
    return model


@contextlib.contextmanager
def keeping() -> Iterator[None]:
    """Keep models while the block runs."""
    global _keepers
    _keepers += 1
    try:
        yield
    finally:
        _keepers -= 1


def any_kept() -> bool:
    """Return whether a model is kept."""
    return bool(_kept)


def unload() -> None:
    """Forget all models, so that their memory is free."""
    _kept.clear()


def _state(folder: Path) -> Hashable:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return tuple((str(p), s.st_size, s.st_mtime_ns) for p in files for s in [p.stat()])
