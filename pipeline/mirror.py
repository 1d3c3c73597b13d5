"""Runs that are kept in an object store, and worked on in a mirror on this machine.

The store has the layout of a run folder. An output is complete where it has a manifest, which is
written after all that it vouches for; where an older output is replaced, its manifest is deleted
first. Parts of row-wise stages that are finished go to ``<unit>.partial/<fingerprint>/``, from
where any machine goes on with them; when the output is complete they are copied within the store.

The mirror gets the manifests when a run begins, and the files of an output when somebody reads
them; every file is compared with its hash on the way. What the mirror has and the store lacks (a
process was killed between the two) is sent. Where both have an output, and not the same, the
store's counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.artifacts import MARK, PARTIAL, Artifact, Partial, RunFolder, partial_folder
from pipeline.disk import write_atomic
from pipeline.errors import DamagedError, LockedError, XlnerError
from pipeline.lease import Lease
from pipeline.manifest import MANIFEST, Damage, Manifest, parse_manifest
from pipeline.stage import Ref
from pipeline.storage import (
    Store,
    Transfers,
    is_url,
    mirror_folder,
    plain_folder,
    transfers,
    url_of,
)

CONFIG = "config.json"

logger = logging.getLogger(__name__)


def run_folder(runs_dir: Path, name: str) -> RunFolder:
    """Return the folder of a run: a mirror, where ``runs_dir`` is the URL of a store."""
    if is_url(runs_dir):
        return StoredRun(url_of(runs_dir), name)
    return RunFolder(plain_folder(runs_dir) / name)


class StoredRun(RunFolder):
    """The mirror of a run.

    Args:
        runs: URL of the folder of the runs.
        name: Name of the run.
    """

    def __init__(self, runs: str, name: str) -> None:
        super().__init__(mirror_folder(runs) / name)
        self.store = Store(runs).below(name)
        self.url = self.store.url
        self.lease: Lease | None = None
        self._listed: dict[str, int] | None = None
        self._remote: dict[str, bytes] = {}  # manifests by stage/unit
        self._open: list[StoredPartial] = []

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run in the store, and its mirror.

        Raises:
            LockedError: If another process holds one of them.
        """
        with super().lock():
            lease = Lease(self.store, self.path, tell=lambda text: logger.warning("%s", text))
            with lease.hold():
                self.lease = lease
                try:
                    self._listed = None
                    yield
                finally:
                    # What is finished is worth keeping, whatever ended the run.
                    self.lease = None
                    for partial in self._open:
                        partial.close()
                    self._open.clear()
                    self._send_config(lease)

    def _send_config(self, lease: Lease) -> None:
        try:
            lease.check()
            if (self.path / CONFIG).is_file():
                self.store.upload(self.path / CONFIG, CONFIG)
        except XlnerError as error:  # the next run sends it
            logger.warning("%s", error)

    def refresh(self) -> None:
        """Look what is in the store, once; with the lock held, bring the two in step."""
        if self._listed is not None:
            return
        self._listed = listed = self.store.find()
        self._remote = {}
        manifests = [
            k for k in listed if k.endswith(f"/{MANIFEST}") and PARTIAL not in k.rpartition("/")[0]
        ]
        with transfers() as under_way:
            for key in manifests:
                under_way.add(self._read_manifest, key)
        if self.lease is not None:
            self._in_step()

    def _read_manifest(self, key: str) -> None:
        self._remote[key.removesuffix(f"/{MANIFEST}")] = self.store.read(key)

    def _in_step(self) -> None:
        for unit in list(self._remote):
            folder = self.path / unit
            if _local_manifest(folder) == self._remote[unit]:
                local = Artifact(folder)
                if not self._whole_in_store(local, unit) and not local.damage(contents=False):
                    self._push(local, unit)
                continue
            if folder.exists():
                (folder / MANIFEST).unlink(missing_ok=True)
                shutil.rmtree(folder)
            with contextlib.suppress(DamagedError):  # the plan tells of it
                found = self.artifact(_ref(unit))
                write_atomic(folder / MANIFEST, self._remote[unit])
                # They are small, and what is shown at the end of a run.
                if found is not None and found.manifest.kind == "files":
                    found.fetch()
        for path in sorted(self.path.rglob(MANIFEST)):
            unit = path.parent.relative_to(self.path).as_posix()
            if unit in self._remote or PARTIAL in unit:
                continue
            try:
                local = Artifact(path.parent)
            except DamagedError:  # the plan tells of it
                continue
            if local.damage(contents=False):  # never fetched, and gone from the store
                (local.folder / MANIFEST).unlink()
                shutil.rmtree(local.folder)
            else:
                self._push(local, unit)
        self._begin_again()

    def _begin_again(self) -> None:
        """Show the plan which outputs the store has parts of, and clear away what is left over."""
        assert self._listed is not None
        for key in self._listed:
            unit, is_partial, rest = key.partition(f"{PARTIAL}/")
            mark = rest.partition("/")[0]
            if not is_partial or not mark:
                continue
            if self._fingerprint(unit) == mark:
                self.store.delete(key)
                continue
            folder = partial_folder(self.path / unit)
            if not folder.exists():
                (folder / "out").mkdir(parents=True)
                (folder / "work").mkdir()
                write_atomic(folder / MARK, mark.encode())

    def _fingerprint(self, unit: str) -> str | None:
        with contextlib.suppress(DamagedError):
            if unit in self._remote:
                return parse_manifest(self._remote[unit], unit).fingerprint
        return None

    def artifact(self, ref: Ref) -> Artifact | None:
        """Return the complete output of a task, or ``None``; its files come when it is fetched."""
        unit = f"{ref.stage}/{ref.unit}"
        remote = self._remote.get(unit)
        if remote is None:
            return super().artifact(ref)
        manifest = parse_manifest(remote, self.store.name(f"{unit}/{MANIFEST}"))
        return StoredArtifact(self, unit, manifest)

    def partial(self, ref: Ref, expected: str) -> Partial:
        """Open the work in progress of a task, with the parts of it that the store has."""
        opened = StoredPartial(self, f"{ref.stage}/{ref.unit}", expected)
        self._open.append(opened)
        return opened

    def fetch_all(self) -> bool:
        """Bring a run here to be read; return whether there is one in the store.

        Where a run of this machine is at work in the mirror, the mirror is the newest there is.
        """
        self.refresh()
        if not self._remote:
            return False
        with contextlib.suppress(LockedError), super().lock():
            for unit, manifest in self._remote.items():
                if _local_manifest(self.path / unit) != manifest:
                    shutil.rmtree(self.path / unit, ignore_errors=True)
                found = self.artifact(_ref(unit))
                if found is not None:
                    found.fetch()
        return True

    def size_in_store(self, key: str) -> int | None:
        """Return the size of a key when the store was last looked at, if it was there."""
        return (self._listed or {}).get(key)

    def _whole_in_store(self, artifact: Artifact, unit: str) -> bool:
        return all(
            size is None or self.size_in_store(f"{unit}/{name}") == size
            for name, (size, _) in artifact.known_files().items()
        )

    def _push(self, artifact: Artifact, unit: str, partial: str | None = None) -> None:
        """Put an output in place in the store: its manifest last.

        Args:
            artifact: The output.
            unit: Its key.
            partial: Key of a folder that holds parts of it already.
        """
        wanted = artifact.known_files()
        there = self.store.find(unit)
        # Sent again is only what is missing, unless it was made again: then it may be damaged.
        resent = not partial and self._remote.get(unit) == _local_manifest(artifact.folder)
        self._remote.pop(unit, None)
        self.store.delete(f"{unit}/{MANIFEST}")
        sent = self.store.find(partial) if partial else {}
        with transfers() as under_way:
            for key in there:
                if key.removeprefix(f"{unit}/") not in (*wanted, MANIFEST):
                    under_way.add(self.store.delete, key)
            for name, (size, _) in wanted.items():
                key = f"{unit}/{name}"
                if resent and there.get(key) == size:
                    continue
                if partial and size is not None and sent.get(f"{partial}/{name}") == size:
                    under_way.add(self.store.copy, f"{partial}/{name}", key)
                else:
                    under_way.add(self.store.upload, artifact.folder / name, key)
        data = (artifact.folder / MANIFEST).read_bytes()
        self.check_lease()
        self.store.write(f"{unit}/{MANIFEST}", data)
        self._remote[unit] = data
        if self._listed is not None:
            self._listed |= {f"{unit}/{n}": s for n, (s, _) in wanted.items() if s is not None}
        if partial:
            with transfers() as under_way:
                for key in self.store.find(f"{unit}{PARTIAL}"):  # of other fingerprints, too
                    under_way.add(self.store.delete, key)

    def check_lease(self) -> None:
        """See that the run in the store is still ours.

        Raises:
            LockedError: If another process has taken it.
        """
        if self.lease is not None:
            self.lease.check()


class StoredArtifact(Artifact):
    """A complete output in a store, the files of which may not be here yet.

    Args:
        run: Its run.
        unit: Its key in the run.
        manifest: Its manifest.
    """

    def __init__(self, run: StoredRun, unit: str, manifest: Manifest) -> None:
        super().__init__(run.path / unit, manifest)
        self._run, self._unit = run, unit

    def fetch(self) -> None:
        """Bring the files that are not here.

        Raises:
            DamagedError: If one is not what was written, or gone.
        """
        missing = [n for n in self.known_files() if not (self.folder / n).is_file()]
        with transfers() as under_way:
            for name in missing:
                under_way.add(self._fetch, name)
        if not (self.folder / MANIFEST).is_file():
            write_atomic(self.folder / MANIFEST, self._run.store.read(f"{self._unit}/{MANIFEST}"))

    def _fetch(self, name: str) -> None:
        key = f"{self._unit}/{name}"
        where = self._run.store.name(key)
        advice = "run_pipeline with --repair makes it again"
        try:
            data = self._run.store.read(key)
        except FileNotFoundError:
            raise DamagedError(f"{where} is missing; {advice}") from None
        if hashlib.sha256(data).hexdigest() != self.known_files()[name][1]:
            raise DamagedError(f"{where} has another SHA-256 than when it was written; {advice}")
        write_atomic(self.folder / name, data)

    def damage(
        self, *, contents: bool, advance: Callable[[int], None] = lambda files: None
    ) -> list[Damage]:
        """See :meth:`Artifact.damage`; what is not here is looked at in the store."""
        if contents:
            # What cannot be fetched is missing below.
            with contextlib.suppress(DamagedError):
                self.fetch()
        known = self.known_files()
        found = []
        for damage in super().damage(contents=contents, advance=advance):
            here = (self.folder / damage.name).exists()
            size = self._run.size_in_store(f"{self._unit}/{damage.name}")
            if here or contents:
                found.append(damage)
            elif size is None or known[damage.name][0] not in (None, size):
                what = "is missing" if size is None else f"has {size:,} bytes"
                found.append(Damage(damage.name, f"{what} in {self._run.url}"))
        return found


class StoredPartial(Partial):
    """Work in progress, the finished parts of which are in the store as well.

    Args:
        run: Its run.
        unit: Key of the output.
        expected: Fingerprint of what is being made.
    """

    def __init__(self, run: StoredRun, unit: str, expected: str) -> None:
        super().__init__(run.path / unit, expected)
        self._run, self._unit = run, unit
        self._prefix = f"{unit}{PARTIAL}/{expected}"
        self._uploads = Transfers()
        self._told: set[str] = set()
        self._done: list[tuple[Path, Path]] = []  # and perhaps not written yet
        with transfers() as under_way:
            for key in run.store.find(self._prefix):
                if key.endswith(".parquet") and not (self.out / Path(key).name).exists():
                    under_way.add(self._fetch, key)

    def _fetch(self, key: str) -> None:
        """Bring a finished part, if its note vouches for it; otherwise it is made again."""
        path = self.out / Path(key).name
        note = self.work / path.with_suffix(".json").name
        try:
            data = self._run.store.read(key)
            write_atomic(note, self._run.store.read(f"{key.removesuffix('.parquet')}.json"))
        except FileNotFoundError:
            data = b""
        if _noted(note) != hashlib.sha256(data).hexdigest():
            note.unlink(missing_ok=True)
            logger.warning("%s is not whole: it is made again", self._run.store.name(key))
            self._run.store.delete(key)
            return
        write_atomic(path, data)

    def part_done(self, output: Path, sidecar: Path) -> None:
        """Send a part when it is written, in the background."""
        if output.name not in self._told:
            self._told.add(output.name)
            self._done.append((output, sidecar))
        self._send_written()

    def _send_written(self) -> None:
        # The rows of a part are told as done before it is written, and its note comes last.
        for done in list(self._done):
            if _noted(done[1]) is not None:
                self._done.remove(done)
                self._uploads.add(self._send, *done)

    def _send(self, output: Path, sidecar: Path) -> None:
        # The note first: a part without one is not used.
        self._run.store.upload(sidecar, f"{self._prefix}/{output.with_suffix('.json').name}")
        self._run.store.upload(output, f"{self._prefix}/{output.name}")

    def finish(self, manifest: Manifest | None) -> Artifact:
        """Put the output in place here, then in the store."""
        self._uploads.wait()
        self._run.check_lease()
        made = super().finish(manifest)
        self._run._push(made, self._unit, self._prefix)
        self._uploads.close()
        return made

    def close(self) -> None:
        """Wait for what is being sent; a failure to do so is told, and no loss: it is here."""
        try:
            self._send_written()
            self._uploads.wait()
        except XlnerError as error:
            logger.warning("%s", error)
        self._uploads.close()


def _noted(sidecar: Path) -> str | None:
    """Return the hash of a part that is written, as its note tells."""
    try:
        noted = json.loads(sidecar.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return noted.get("sha256") if isinstance(noted, dict) else None


def _ref(unit: str) -> Ref:
    stage, _, rest = unit.partition("/")
    return Ref(stage, rest)


def _local_manifest(folder: Path) -> bytes | None:
    try:
        return (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        return None
