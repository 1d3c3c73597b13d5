"""Content hashes: of JSON values, of files and of folders."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

from pipeline.disk import file_sha256, sweep_dead, write_atomic
from pipeline.errors import XlnerError

_SETTLED = 2_000_000_000
"""Nanoseconds after which a change of a file is sure to show in its times."""


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def derive_seed(*parts: object) -> int:
    """Derive a 32-bit seed from anything printable: the same everywhere, always."""
    text = "\x1f".join(str(p) for p in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


class FileHashes:
    """Content hashes of files and folders, remembered as long as nothing points to a change.

    A file counts as unchanged while its size, its inode and the times of its last modification and
    last change of state are the same. The last of these cannot be set by hand, so a file that was
    replaced by one of the same size and age is noticed.

    Args:
        store: JSON file that the hashes are kept in.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._known: dict[str, list[Any]] = {}
        self._recent: dict[str, list[Any]] = {}
        self._changed = False
        with contextlib.suppress(FileNotFoundError, ValueError):  # a cache may be lost
            known = json.loads(store.read_text(encoding="utf-8"))
            self._known = known if isinstance(known, dict) else {}

    def of(self, path: Path) -> str:
        """Return the hash of a file, or of all files below a folder (names and contents).

        A snapshot folder of the hub's cache is named by its commit, which identifies its content.
        Model cards and other Markdown in a folder, and hidden files, decide nothing.

        Raises:
            XlnerError: If the path does not exist.
        """
        if re.fullmatch(r"[0-9a-f]{40}", path.name) and path.parent.name == "snapshots":
            return f"commit:{path.parent.parent.name}@{path.name}"
        if path.is_dir():
            listing = [
                (str(p.relative_to(path)), self._file(p))
                for p in sorted(path.rglob("*"))
                if p.is_file() and not p.name.startswith(".") and p.suffix != ".md"
            ]
            return fingerprint(listing)
        if not path.exists():
            raise XlnerError(f"file not found: {path}")
        return self._file(path)

    def _file(self, path: Path) -> str:
        stat = path.stat()
        key = str(path.resolve())
        stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        known = self._recent.get(key) or self._known.get(key)
        if known and known[:-1] == stamp:
            return str(known[-1])
        digest = file_sha256(path)
        self._recent[key] = [*stamp, digest]
        # A file that changed a moment ago may change again within the same tick of the clock. One
        # from the future (the clock was set back) is never remembered.
        if 0 <= stat.st_ctime_ns <= time.time_ns() - _SETTLED:
            self._known[key] = [*stamp, digest]
            self._changed = True
        return digest

    def save(self) -> None:
        """Write the remembered hashes, if any are new, and if they can be: they save time only."""
        if not self._changed:
            return
        # Of several runs that save at once the last one's stand; what is lost is computed again. A
        # disk that cannot be written to does not matter to who only looks (--dry-run).
        with contextlib.suppress(OSError, XlnerError):
            sweep_dead(self._store)
            write_atomic(self._store, json.dumps(self._known).encode())
        self._changed = False
