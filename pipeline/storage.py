"""Object stores (``s3://…``, ``gs://…``) as the place of the runs, by way of fsspec.

``--runs-dir s3://bucket/runs`` names a folder of runs in a store. Libraries want files, and an
object store has neither renames nor locks, so a run works in a folder of this machine, its mirror,
and keeps the store in step (:mod:`pipeline.mirror`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.disk import write_atomic
from pipeline.errors import ConfigError, XlnerError

SCRATCH = "XLNER_SCRATCH"
"""Environment variable: the folder that holds the mirrors."""

_URL = re.compile(r"([a-z][a-z0-9+.-]*):/+(.*)", re.DOTALL)
_AT_ONCE = 16  # requests under way
_WAITING = 64  # uploads that may wait before whoever makes more of them does


def is_url(place: Path | str) -> bool:
    """Whether a path is the URL of a store; ``file://`` is a folder like any other."""
    found = _URL.fullmatch(str(place))
    return found is not None and found[1] != "file"


def url_of(place: Path | str) -> str:
    """Return the URL that was given as a path, which makes one slash of two.

    Raises:
        ConfigError: If it names nothing.
    """
    found = _URL.fullmatch(str(place))
    if found is None or not found[2].strip("/"):
        raise ConfigError(f"{place}: give a bucket, and a folder in it: s3://bucket/runs")
    # local:///mnt/x and memory:///x keep their root; the first step of the others is a bucket.
    root = "/" if found[1] in ("local", "memory") else ""
    return f"{found[1]}://{root}{found[2].strip('/')}"


def plain_folder(place: Path) -> Path:
    """Return a path, or the one that a ``file://`` URL stands for."""
    found = _URL.fullmatch(str(place))
    return Path("/", found[2]) if found and found[1] == "file" else place


def mirror_folder(url: str) -> Path:
    """Return where on this machine the runs of a store are worked on: always the same folder."""
    scratch = os.environ.get(SCRATCH)
    base = Path(scratch) if scratch else Path("~/.cache/xlner/mirror").expanduser()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", url)[-60:].strip("-.")
    return base / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"


class Store:
    """A folder in a store. Keys are relative paths with slashes.

    Args:
        url: Its URL. Credentials and options are what fsspec and the store's own library take from
            their environment (``AWS_PROFILE``, ``AWS_ENDPOINT_URL``, ``FSSPEC_S3_…``).

    Raises:
        ConfigError: If there is no library for such URLs, or it is not installed.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url.rstrip("/")
        options: dict[str, Any] = {"auto_mkdir": True} if url.startswith("local:") else {}
        try:
            self._fs, root = fsspec.core.url_to_fs(self.url, **options)
        except ImportError as error:
            raise ConfigError(f"{url}: {error}") from error
        except ValueError as error:
            raise ConfigError(
                f"{url}: {error}; known are: {', '.join(sorted(fsspec.available_protocols()))}"
            ) from error
        self._root = str(root).rstrip("/")

    def below(self, folder: str) -> Store:
        """Return a folder in it, as a store."""
        return Store(f"{self.url}/{folder}")

    def name(self, key: str) -> str:
        """Return the URL of a key, for people."""
        return f"{self.url}/{key}"

    def find(self, folder: str = "") -> dict[str, int]:
        """Return the keys below a folder, with their sizes in bytes."""
        path = f"{self._root}/{folder}".rstrip("/")
        found: Mapping[str, Any] = {}
        with contextlib.suppress(FileNotFoundError), self._told(folder or "."):
            self._fs.invalidate_cache()
            found = self._fs.find(path, detail=True)
        keys = {}
        for name, info in found.items():
            key = str(name)[len(self._root) :].lstrip("/")
            if folder and not key.startswith(f"{folder}/"):
                continue  # stores know prefixes of names, not folders
            if ".." in PurePosixPath(key).parts:  # it becomes the name of a file here
                raise XlnerError(f"{self.name(key)}: a key with '..' in it leads out of the run")
            keys[key] = int(info["size"])
        return dict(sorted(keys.items()))

    def read(self, key: str) -> bytes:
        """Return the content of a key.

        Raises:
            FileNotFoundError: If it is not there.
        """
        with self._told(key):
            data: bytes = self._fs.cat_file(f"{self._root}/{key}")
        return data

    def write(self, key: str, data: bytes) -> None:
        """Write a key; whoever reads it sees all of it or what was there before."""
        with self._written(key):
            self._fs.pipe_file(f"{self._root}/{key}", data)

    def create(self, key: str, data: bytes) -> bool:
        """Write a key unless it is there; return whether it was not.

        As one operation where the store can do that (S3, Google); elsewhere nearly so.
        """
        with self._written(key):
            try:
                self._fs.pipe_file(f"{self._root}/{key}", data, mode="create")
            except FileExistsError:
                return False
            except Exception as error:
                if getattr(error, "response", {}).get("Error", {}).get("Code") in _TAKEN:
                    return False
                raise
        return True

    def delete(self, *keys: str) -> None:
        """Delete keys; those that are not there are fine."""
        for key in keys:
            with contextlib.suppress(FileNotFoundError), self._told(key):
                self._fs.rm_file(f"{self._root}/{key}")

    def copy(self, source: str, target: str) -> None:
        """Copy a key within the store."""
        with self._written(source):
            self._fs.cp_file(f"{self._root}/{source}", f"{self._root}/{target}")

    def download(self, key: str, path: Path) -> None:
        """Write a key into a file of this machine, atomically."""
        write_atomic(path, self.read(key))

    def upload(self, path: Path, key: str) -> None:
        """Write a file of this machine into a key."""
        with self._written(key):
            # In one piece where it is small, in several requests where it is not.
            self._fs.put_file(str(path), f"{self._root}/{key}")

    @contextlib.contextmanager
    def _written(self, key: str) -> Iterator[None]:
        try:
            with self._told(key):
                yield
        except FileNotFoundError as error:
            raise XlnerError(
                f"{self.name(key)} could not be written: {error}; the bucket must exist"
            ) from error

    @contextlib.contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Turn what the libraries of stores raise into one error that names the key."""
        try:
            yield
        except (FileNotFoundError, FileExistsError):
            raise
        except (XlnerError, KeyboardInterrupt):
            raise
        except Exception as error:  # every library has its own: botocore, gcsfs, aiohttp …
            told = str(error).strip() or type(error).__name__
            raise XlnerError(
                f"{self.name(key)}: the store says: {told}. Check the name of the bucket, the "
                "credentials, and the network; what is finished is kept"
            ) from error


_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
"""What S3 answers where a key that was to be created is there already."""


class Transfers:
    """Requests to a store, several at a time.

    ``add`` waits while too many are under way, so that uploads cannot fall behind without limit.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="store")
        self._pending: list[Future[Any]] = []

    def add(self, call: Any, *arguments: Any) -> None:
        """Do a call in the background.

        Raises:
            XlnerError: If an earlier one failed.
        """
        if len(self._pending) >= _WAITING:
            self._pending.pop(0).result()
        self._pending.append(self._pool.submit(call, *arguments))

    def wait(self) -> None:
        """Wait for all of them.

        Raises:
            XlnerError: If one failed.
        """
        pending, self._pending = self._pending, []
        for future in pending:
            future.result()

    def close(self) -> None:
        """Let those under way end; forget the others."""
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def transfers() -> Iterator[Transfers]:
    """Give requests that have all been done at the end of the block."""
    made = Transfers()
    try:
        yield made
        made.wait()
    finally:
        made.close()
