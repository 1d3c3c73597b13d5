"""The inputs of a task, found by what they are rather than by taking their names apart."""

from __future__ import annotations

from typing import TypeVar

from pipeline.errors import XlnerError

T = TypeVar("T")


class Inputs(dict[str, T]):
    """Inputs by name: ``train``, ``projected/de``, ``predicted/test/de/fused/13``.

    The inputs (or the references to them) are in their order. The first step of a name says what an
    input is, further steps which one of several.
    """

    def one(self, *steps: object) -> T:
        """Return the input of a name, given step by step.

        Raises:
            XlnerError: If there is none.
        """
        name = "/".join(map(str, steps))
        if name not in self:
            raise XlnerError(f"no input {name!r}; there are: {', '.join(self) or 'none'}")
        return self[name]

    def maybe(self, *steps: object) -> T | None:
        """Return the input of a name, given step by step, or ``None``."""
        return self.get("/".join(map(str, steps)))

    def all(self, *steps: object) -> dict[tuple[str, ...], T]:
        """Return the inputs whose names begin so, by the steps that follow; one may have none."""
        start = tuple(map(str, steps))
        found = ((tuple(name.split("/")), item) for name, item in self.items())
        return {p[len(start) :]: item for p, item in found if p[: len(start)] == start}

    def by_lang(self, *steps: object) -> dict[str, T]:
        """Return the inputs of a name by language, the one step that follows."""
        return {rest[0]: item for rest, item in self.all(*steps).items() if len(rest) == 1}

    def only(self, *kinds: str) -> Inputs[T]:
        """Return the inputs that are of these kinds, in their order."""
        mine = {n: i for n, i in self.items() if n.partition("/")[0] in kinds}
        return Inputs(mine)
