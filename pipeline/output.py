"""Where stages that see their inputs whole write: parts of a dataset, or files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import part_name, write_part
from pipeline.errors import XlnerError
from pipeline.listed import batched
from pipeline.manifest import PartInfo, merge_counts

if TYPE_CHECKING:
    import pyarrow as pa


class Output:
    """Writes the parts of a dataset; of any other kind, a stage puts files into ``folder`` itself.

    Args:
        folder: Where to.
        kind: What is written: :data:`pipeline.task.OutputKind`.
        part_rows: Rows per part of :meth:`write_rows`.
    """

    def __init__(self, folder: Path, kind: str, part_rows: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.parts: list[PartInfo] = []
        self.drops: dict[str, dict[str, int]] = {}
        self._kind = kind
        self._part_rows = part_rows

    def write(self, data: pa.Table) -> None:
        """Append the next part.

        Raises:
            XlnerError: If the table is not of the declared kind.
        """
        from pipeline.schema import SCHEMAS, count_drops

        if not data.schema.equals(SCHEMAS[self._kind], check_metadata=False):
            raise XlnerError(f"not a {self._kind} table:\n{data.schema}")
        self.parts.append(write_part(data, self.folder / part_name(len(self.parts))))
        self.drops = merge_counts([self.drops, count_drops(data)])

    def write_rows(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Write rows as parts of ``part_rows`` each, streaming; an empty input gives one part."""
        from pipeline.schema import table

        total = 0
        for chunk in batched(rows, self._part_rows):
            self.write(table(self._kind, chunk))
            total += len(chunk)
        if not self.parts:
            self.write(table(self._kind, []))
        return total
