"""Copies of runs elsewhere: a bucket, another folder, by way of fsspec.

Runs are worked on in folders; :func:`push` and :func:`pull` copy what is complete. An output's
manifest goes last, and an older one at the other end goes first, so that whoever looks at a copy
while it is made, or after it broke off, never sees a manifest beside files that are not its own.
Done again, a copy sends only what is not there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.artifacts import CONFIG, Artifact, RunFolder
from pipeline.disk import write_atomic
from pipeline.errors import ConfigError, DamagedError, XlnerError
from pipeline.manifest import MADE_AGAIN, MANIFEST, parse_manifest


def push(run: Path, url: str) -> tuple[str, int]:
    """Copy the complete outputs of a run to ``<url>/<name of the run>``.

    Returns:
        The URL of the copy, and how many files were sent.

    Raises:
        ConfigError: If the URL cannot be used.
        DamagedError: If a file of the run is not what was written.
        LockedError: If the run is at work.
    """
    folder = RunFolder(run)
    fs, root = _open(f"{url.rstrip('/')}/{run.name}")
    # Nothing can be locked on a disk that is only read; what is copied is checked all the same.
    held = folder.lock() if os.access(run, os.W_OK) else contextlib.nullcontext()
    with _told(url), held:
        there = _sizes(fs, root)
        sent = sum(_push_output(output, run, fs, root, there) for output in folder.artifacts())
        if (run / CONFIG).is_file():
            _send(fs, run / CONFIG, f"{root}/{CONFIG}")
        return fs.unstrip_protocol(root), sent


def _push_output(output: Artifact, run: Path, fs: Any, root: str, there: dict[str, int]) -> int:
    unit = output.folder.relative_to(run).as_posix()
    for damage in output.damage(contents=True):
        raise DamagedError(
            f"{output.folder / damage.name} {damage.what}; before the run is copied, {MADE_AGAIN}"
        )
    mine = (output.folder / MANIFEST).read_bytes()
    key = f"{unit}/{MANIFEST}"
    same = key in there and fs.cat_file(f"{root}/{key}") == mine
    if not same and key in there:
        fs.rm_file(f"{root}/{key}")
    sent = 0
    for name in output.known_files():
        if same and there.get(f"{unit}/{name}") == (output.folder / name).stat().st_size:
            continue
        _send(fs, output.folder / name, f"{root}/{unit}/{name}")
        sent += 1
    if not same or sent:
        _send(fs, output.folder / MANIFEST, f"{root}/{key}")
        sent += 1
    return sent


def pull(url: str, runs_dir: Path) -> tuple[Path, int]:
    """Copy a run from a URL into ``runs_dir``; every file is compared with its hash on the way.

    An output that is here and the same stays; one that is another is replaced. What only this
    machine has stays too.

    Returns:
        The folder of the run, and how many files came.

    Raises:
        ConfigError: If the URL cannot be used, or holds no run.
        DamagedError: If a file there is not what was written.
        LockedError: If the run is at work here.
    """
    fs, root = _open(url)
    with _told(url):
        there = _sizes(fs, root)
        units = sorted(k.removesuffix(f"/{MANIFEST}") for k in there if k.endswith(f"/{MANIFEST}"))
        if not units:
            raise ConfigError(f"{url}: no run there (no {MANIFEST} below it)")
        folder = RunFolder(runs_dir / root.rpartition("/")[2])
        with folder.lock():
            got = sum(_pull_output(fs, root, unit, folder.path / unit) for unit in units)
            if CONFIG in there:
                write_atomic(folder.path / CONFIG, fs.cat_file(f"{root}/{CONFIG}"))
        return folder.path, got


def _pull_output(fs: Any, root: str, unit: str, here: Path) -> int:
    data = fs.cat_file(f"{root}/{unit}/{MANIFEST}")
    manifest = parse_manifest(data, f"{root}/{unit}/{MANIFEST}")
    mine = here / MANIFEST
    same = mine.is_file() and mine.read_bytes() == data
    output = Artifact(here, manifest)
    wanted = {d.name for d in output.damage(contents=True)} if same else set(output.known_files())
    if not wanted and same:
        return 0
    mine.unlink(missing_ok=True)
    for name in sorted(wanted):
        try:
            content = fs.cat_file(f"{root}/{unit}/{name}")
        except FileNotFoundError:
            raise DamagedError(f"{root}/{unit}/{name} is missing; push the run again") from None
        write_atomic(here / name, content)
    for damage in output.damage(contents=True):
        raise DamagedError(f"{root}/{unit}/{damage.name} {damage.what}; push the run again")
    write_atomic(mine, data)
    return len(wanted) + 1


def _open(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        fs, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise ConfigError(f"{url}: {error}") from error
    except ValueError as error:
        known = ", ".join(sorted(fsspec.available_protocols()))
        raise ConfigError(f"{url}: {error}; known are: {known}") from error
    return fs, str(root).rstrip("/")


def _sizes(fs: Any, root: str) -> dict[str, int]:
    """Return the sizes of the files below a folder, by path relative to it."""
    fs.invalidate_cache()
    try:
        found = fs.find(root, detail=True)
    except FileNotFoundError:
        return {}
    keys = {str(name)[len(root) :].lstrip("/"): int(info["size"]) for name, info in found.items()}
    for key in keys:
        if ".." in key.split("/"):  # it becomes the name of a file here
            raise XlnerError(f"{root}/{key}: a name with '..' in it leads out of the run")
    return keys


def _send(fs: Any, path: Path, key: str) -> None:
    fs.makedirs(key.rpartition("/")[0], exist_ok=True)
    fs.put_file(str(path), key)


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """Turn what the libraries of stores raise into one error that names the URL."""
    try:
        yield
    except XlnerError:
        raise
    except Exception as error:  # every library has its own: botocore, gcsfs, aiohttp …
        told = str(error).strip() or type(error).__name__
        raise XlnerError(
            f"{url}: {told}. Check the name of the bucket, the credentials, and the network; what "
            "was copied is not copied again"
        ) from error
