"""A Python that has loaded its libraries before it is started: for tests that start many.

``with Warm("torch") as python`` gives the path of a stand-in for ``sys.executable``. It takes
``script.py …``, ``-c code …`` and ``-m module …``, after ``-u`` too, and hands them, its folder,
environment and open files to a process that has loaded the libraries and forks: torch and
transformers take eight seconds of a processor, the fork a few hundredths. What that process spawns
by ``multiprocessing`` is forked in the same way. What libraries read from the environment while
they are imported (``HF_HOME``, ``OMP_NUM_THREADS``) stays as it was then, and the processor time of
what runs is not that of a child of the test: tests of these start ``sys.executable``.
"""

from __future__ import annotations

import array
import atexit
import gc
import importlib
import marshal
import multiprocessing
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from fcntl import F_DUPFD, fcntl
from pathlib import Path
from runpy import run_module
from types import ModuleType, TracebackType
from typing import Any, NoReturn

ROOT = Path(__file__).parents[1]

# Without the site and with nothing but what is compiled into Python: it starts in a hundredth of a
# second. It passes signals on, and ends as what it stands for did.
_STAND_IN = """#!{python} -IS
import _signal, marshal, os, sys
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET, socket

listed = map(int, os.listdir("/proc/self/fd"))
files = [n for n in listed if os.path.exists(f"/proc/self/fd/{{n}}")]  # without that of the list
link = socket(AF_UNIX, SOCK_STREAM)
link.connect({address!r})
asked = marshal.dumps((sys.argv[1:], os.getcwd(), dict(os.environ), files))
sent = b"".join(n.to_bytes(4, sys.byteorder) for n in files)
link.sendmsg([len(asked).to_bytes(8, "big")], [(SOL_SOCKET, SCM_RIGHTS, sent)])
link.sendall(asked)
for number in set(files) - {{0, 1, 2}}:
    os.close(number)  # a pipe would not end as long as it is open here
for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
    if _signal.getsignal(number) != _signal.SIG_IGN:
        _signal.signal(number, lambda number, frame: link.send(bytes([number])))
told = link.recv(4)
if len(told) < 4:
    sys.exit("the warm Python is gone")
code = int.from_bytes(told, "big", signed=True)
if code < 0:
    _signal.signal(-code, _signal.SIG_DFL) if code != -9 else None
    os.kill(os.getpid(), -code)
os._exit(code)
"""

_STREAMS = (("stdin", "r", None), ("stdout", "w", None), ("stderr", "w", "backslashreplace"))


class Warm:
    """The parent's side.

    Args:
        modules: What is loaded.
        python: What it starts from: another one, with what that has loaded.
    """

    def __init__(self, *modules: str, python: str | Path = sys.executable) -> None:
        self._modules, self._python = modules, python

    def __enter__(self) -> Path:
        self._folder = Path(tempfile.mkdtemp(prefix="warm"))  # a socket's path must be short
        address = str(self._folder / "socket")
        self._process = subprocess.Popen(
            [self._python, "-m", __name__, address, *self._modules],
            cwd=ROOT,
            env=os.environ
            | {
                "OMP_NUM_THREADS": "1",
                "HF_HUB_OFFLINE": "1",
                "HF_HOME": str(self._folder / "hf"),
                "HF_MODULES_CACHE": str(self._folder / "modules"),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.read(5) == b"ready", "the warm Python has not started"
        python = self._folder / "python"
        python.write_text(_STAND_IN.format(python=sys.executable, address=address))
        python.chmod(0o755)
        return python

    def __exit__(
        self, kind: type[BaseException] | None, error: object, where: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        shutil.rmtree(self._folder)


def _serve(address: str, modules: list[str]) -> None:
    for name in modules:
        importlib.import_module(name)
    threads = [(p / "comm").read_text().strip() for p in Path("/proc/self/task").iterdir()]
    # Arrow's allocator has one that only tidies; it starts another one in a child by itself.
    others = [name for name in threads[1:] if name != "jemalloc_bg_thd"]
    if others:
        raise SystemExit(f"importing has started the threads {others}: children would be maimed")
    gc.collect()
    gc.freeze()  # a child need not look through all of it, and so copy it
    sys.path.remove(str(ROOT))  # which ``-m`` has put there
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        os.write(1, b"ready")
        while listening in select.select([listening, 0], [], [])[0]:
            link, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                multiprocessing.set_executable(str(Path(address).with_name("python")))
                _handle(link)
            link.close()
            _reap(os.WNOHANG)
        _reap(0)


def _reap(how: int) -> None:
    """Let go of the children that have ended, so that their time counts as ours."""
    try:
        while os.waitpid(-1, how)[0]:
            pass
    except ChildProcessError:
        return


def _handle(link: socket.socket) -> None:
    """Start what is asked for, and return in its process; the other passes on what happens."""
    size, files = _received(link)
    asked = b""
    while len(asked) < size:
        asked += link.recv(size - len(asked))
    pid = os.fork()
    if pid == 0:
        link.close()
        words, folder, environment, numbers = marshal.loads(asked)
        _take(files, numbers)
        try:
            _become(words, folder, environment)
        except SystemExit as left:
            _end(left.code)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            _end(1)
    for file in files:
        os.close(file)
    ended = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(link, select.POLLIN)
    poll.register(ended, select.POLLIN)
    while ended not in (ready := {number for number, _ in poll.poll()}):
        assert link.fileno() in ready
        if not (numbers := link.recv(16)):  # whoever asked is gone
            os.kill(pid, signal.SIGKILL)
            poll.unregister(link)
        for number in numbers:
            os.kill(pid, number)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        link.sendall(code.to_bytes(4, "big", signed=True))
    finally:
        os._exit(0)


def _end(code: object) -> NoReturn:
    """End as Python does, but for clearing away what was loaded: that takes half a second."""
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit((code or 0) & 255)


def _received(link: socket.socket) -> tuple[int, list[int]]:
    """Return how many bytes are to come, and the open files."""
    size, told, *_ = link.recvmsg(8, socket.CMSG_SPACE(4 * 100))
    ((_, _, numbers),) = told
    return int.from_bytes(size, "big"), list(array.array("i", numbers))


def _take(files: list[int], numbers: list[int]) -> None:
    """Give open files the numbers that they had."""
    above = [fcntl(file, F_DUPFD, 1 + max(numbers)) for file in files]
    for file in files:
        os.close(file)
    for file, number in zip(above, numbers, strict=True):
        os.dup2(file, number)
        os.close(file)


def _become(words: list[str], folder: str, environment: dict[str, str]) -> NoReturn:
    for number, (name, mode, errors) in enumerate(_STREAMS):
        buffering = 1 if name == "stderr" else -1
        stream = os.fdopen(number, mode, buffering, errors=errors, closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ |= environment
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    first, *rest = words
    while first in ("-u", "-B"):
        sys.stdout.reconfigure(write_through=first == "-u")
        first, *rest = words = rest
    if first == "-m":
        sys.argv = rest
        sys.path.insert(0, folder)
        run_module(rest[0], run_name="__main__", alter_sys=True)
        sys.exit()
    main: Any = ModuleType("__main__")
    sys.modules["__main__"] = main
    if first == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.path.insert(0, "")
        code = compile(rest[0], "<string>", "exec")
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(first).resolve().parent))
        main.__file__ = str(Path(first).resolve())
        code = compile(Path(first).read_bytes(), first, "exec")
    try:
        exec(code, main.__dict__)
    except KeyboardInterrupt:  # as Python ends of a script, but not of a module, as this one is
        sys.excepthook(*sys.exc_info())
        sys.stdout.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    sys.exit()


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2:])
