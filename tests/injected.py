"""What `python -m tests.faults` puts into every process of a command, as its `sitecustomize`.

It counts the file operations below one folder, of all processes of a command together, and at one of them does what the
drill asks for: kills its process, refuses to write, or sends a signal. It also logs every result that a run gets.

`serve` starts commands by fork from a process that has imported the libraries: what `python -m repro` does, without the
seconds that imports take. Nothing of the product is replaced.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

VARIABLE = "REPRO_FAULTS"  # the plan, for spawned workers
WRITES = os.O_WRONLY | os.O_RDWR
OPERATIONS = {"os.rename", "os.remove", "os.rmdir", "os.link", "os.mkdir", "os.truncate"}  # and open, and fsync
LIBRARIES = ("torch._dynamo", "scipy.stats", "vl_convert", "repro.cli", "repro.verbs", "repro.engine.execute",
             "repro.finetune", "repro.pages", "repro.progress", "repro.questions.judge", "rich.progress")  # fmt: skip


class Watch:
    """The operations of this process, and what happens at one of them.

    `plan`: `folder`, below which operations count; `log` and `counter`, files; `at`, the number of the operation, and
    `do`, what happens there; `worker`: whether only workers' operations count.
    """

    def __init__(self, plan: dict[str, Any]) -> None:
        self.folder: str = plan["folder"]
        self.at: int = plan.get("at") or 0
        self.do: str = plan.get("do", "")
        self.vanishes: str = plan.get("vanishes", "")
        self.role = "main" if os.getpid() == os.getsid(0) else "worker"
        self.off = bool(plan.get("worker")) and self.role == "main"
        append = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self.log, self.counter = (os.open(plan[name], append) for name in ("log", "counter"))

    def heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count an operation that the interpreter is about to do."""
        if event == "open":
            path, mode, flags = arguments
            if flags & WRITES and isinstance(path, str | bytes | os.PathLike):
                exists_for_lock = mode is None and flags & os.O_RDWR and os.path.exists(path)
                self.operation("lock" if exists_for_lock else event, os.fspath(path))
        elif event in OPERATIONS:
            handle = arguments[-1]  # of the folder that the path is relative to
            self.operation(event, os.fspath(arguments[0]), handle if isinstance(handle, int) and handle >= 0 else None)

    def operation(self, name: str, path: str | bytes, folder: int | None = None) -> None:
        """Count one, and do what is to be done at it."""
        path = os.fsdecode(path)
        if folder is not None and name != "os.truncate":
            path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
        path = os.path.abspath(path)
        if self.off or not path.startswith(self.folder):
            return
        os.write(self.counter, b".")
        number = os.lseek(self.counter, 0, os.SEEK_CUR)
        if self.at == 0 or number < self.at:
            return
        if self.do == "vanish":  # the first operation from there on at which it is there
            self.at = number if os.path.isdir(self.vanishes) else number + 1
        if number == self.at:
            self.note(f"{self.do} {os.getsid(0)} {self.role} {name} {path[len(self.folder) :]}")
        if number == self.at or self.do in ("full", "read-only"):
            self.act(name, path)

    def act(self, name: str, path: str) -> None:
        if self.do == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.do == "full" and name not in ("lock", "os.remove", "os.rmdir", "os.rename", "os.truncate"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        elif self.do == "read-only":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        elif self.do == "memory":
            raise MemoryError
        elif self.do == "vanish":
            self.off = True  # once
            os.rename(self.vanishes, self.vanishes + "-gone")
        elif self.do == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self.do == "SIGINT":  # as a terminal does
            os.killpg(os.getpgid(0), signal.SIGINT)
        elif self.do.startswith("SIG"):
            os.kill(os.getsid(0), getattr(signal, self.do))

    def note(self, line: str) -> None:
        os.write(self.log, (line + "\n").encode())


def watch(plan: dict[str, Any]) -> None:
    """Watch this process from now on."""
    here = Watch(plan)
    fsync, replace = os.fsync, os.replace

    def watched_fsync(handle: Any) -> None:
        number = handle if isinstance(handle, int) else handle.fileno()
        here.operation("fsync", os.readlink(f"/proc/self/fd/{number}"))
        fsync(handle)

    def watched_replace(source: Any, target: Any, **more: Any) -> None:
        replace(source, target, **more)
        if os.path.basename(target) == "result.json":
            with open(target) as file:
                here.note(f"result {json.load(file)['status'].replace(' ', '-')} {os.fspath(target)}")

    os.fsync, os.replace = watched_fsync, watched_replace
    sys.addaudithook(here.heard)


def serve() -> None:
    """Start a command for each line of the input: its `words`, `environment`, and files for what it prints and its id
    and exit code."""
    for name in LIBRARIES:
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        if os.fork() == 0:
            _mind(json.loads(line))


def _mind(asked: dict[str, Any]) -> None:
    """Fork the command, and write down how it ended; returns, by SystemExit, in the command alone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    command = os.fork()
    if command == 0:
        _begin(asked)
    _say(asked["id"], command)
    _, status = os.waitpid(command, 0)
    _say(asked["code"], os.waitstatus_to_exitcode(status))
    os._exit(0)


def _say(path: str, number: int) -> None:
    with open(f"{path}.new", "w") as file:
        file.write(str(number))
    os.rename(f"{path}.new", path)


def _begin(asked: dict[str, Any]) -> NoReturn:
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(asked["errors"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    os.dup2(os.open(asked["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    sys.argv = ["repro", *asked["words"]]
    watch(json.loads(os.environ[VARIABLE]))
    main: Callable[[], NoReturn] = import_module("repro.cli").main
    main()


if VARIABLE in os.environ and __name__ == "sitecustomize":
    watch(json.loads(os.environ[VARIABLE]))
