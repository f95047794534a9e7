"""The drill: commands are killed, stopped, and refused disk and memory; no result may be lost. A maintainers' command.

    python -m tests.faults --kills 200

prints a table: the commands that were disturbed in each way, and of them those that lost a result, ended with another
store than an undisturbed command, trained a run twice, printed a traceback, or ended with another code than the README
promises. `--write` writes it into `tests/README.md`. The suite runs a short form (`tests/test_faults.py`).

Every command is a process of its own with the processes that it starts: small claims and small photos, from packing to
pages (`tests/injected.py` says how they are started and disturbed).
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repro.files import PARTIAL
from tests.injected import VARIABLE
from tests.small_photos import as_folders, make
from tests.written import renew, table

ROOT = Path(__file__).parent.parent
PATIENCE = 180.0  # seconds after which a command hangs; assumed: twenty times what one takes on a loaded machine
SIDE_BY_SIDE = 2  # commands at once
KILLED = -signal.SIGKILL
MOST = 3  # interruptions of one command before it may end; assumed
CHAIN = 4  # kills of one job; assumed
CTRL_C = 0.25  # of the interruptions between kills, so that there are checkpoints to go on from; assumed

PAPER = 'paper: {name: alexnet2012, section: "3.1", says: A net with ReLUs learns faster than one with tanh units.}'
CLAIMS = {
    "tuned": f"""\
id: tuned
version: 1
{PAPER}
question: How many times fewer epochs does the net with ReLUs need?
data: {{kind: digits, images: 60, scale: standardised}}
model: {{kind: cuda_convnet_19pct, init: he, width: 0.25}}
train: {{batch: 20, epochs: 3, weight_decay: 0.0}}
arms: {{relu: {{label: ReLUs, model.activation: relu}}, tanh: {{label: tanh units, model.activation: tanh}}}}
varies: [model.activation]
tune: {{train.lr: [0.005, 0.01], per: arm, choose: fastest, on_seeds: [100], extend: 0}}
seeds: [0]
measure: {{kind: epochs_to, metric: train_error, level: 0.85}}
rule: {{kind: ratio, of: [tanh, relu], paper: 6.0, within: [4.0, 9.0], direction: above 1}}
scales: {{smoke: {{}}, small: {{}}}}
""",
    "viewed": f"""\
id: viewed
version: 1
{PAPER}
question: By how many points is the error lower with ten views averaged than with one?
data: {{kind: digits, images: 60, crop: 24, stored: 32, scale: standardised}}
model: {{kind: cuda_convnet_19pct, init: he, width: 0.25}}
train: {{batch: 20, epochs: 3, lr: 0.01, weight_decay: 0.0}}
arms: {{net: {{label: the net}}}}
varies: []
seeds: [0, 1]
measure: {{kind: ten_views, value: gain}}
rule: {{kind: change, of: [net], paper: 0.015, within: [0.010, 0.020], direction: above 0, confidence: 0.95}}
scales: {{smoke: {{}}, small: {{}}}}
""",
}
ONE = ("run", "tuned", "viewed", "--scale", "smoke", "--device", "cpu", "--runs", "runs", "--out", "pages",
       "--workers", "1")  # fmt: skip
TWO = (*ONE[:-1], "2")
PHOTOS = ("finetune", "../photos", "--out", "tuned", "--device", "cpu", "--width", "0.0625", "--init", "he",
          "--crop", "80", "--pixels", "standardised", "--batch", "8", "--lr", "0.002", "--epochs", "3")  # fmt: skip
COMMANDS = {"one worker": ONE, "two workers": TWO, "photos": PHOTOS}

Plan = dict[str, Any]


# Commands


class Command:
    """A command that runs. `place`: its folder, in which it works; `files`: what it printed, and how it ended."""

    def __init__(
        self, server: Server, words: tuple[str, ...], place: Path, plan: Plan, out: Path | None = None
    ) -> None:
        begin = server.names()
        self.out, self.errors, self.code_file, self.id_file = (
            place.parent / f".{begin}.{name}" for name in ("out", "errors", "code", "id")
        )
        self.place, self.disturbed = place, False
        self.log = place.parent / f".{place.name}.log"  # of all commands in this folder
        self.counter = place.parent / f".{begin}.counter"
        plan = {"folder": str(place), "log": str(self.log), "counter": str(self.counter)} | plan
        environment = {VARIABLE: json.dumps(plan), "REPRO_CACHE": str(place / "cache")}
        self.began = time.monotonic()
        server.ask(
            {
                "words": words, "environment": environment, "folder": str(place), "errors": str(self.errors),
                "out": str(out or self.out), "id": str(self.id_file), "code": str(self.code_file),
            }
        )  # fmt: skip
        self.pid = int(_wait_for(self.id_file))

    def code(self) -> int | None:
        """Its exit code, -9 where it was killed; None while it runs."""
        return int(self.code_file.read_text()) if self.code_file.exists() else None

    def end(self) -> int:
        """Wait for its end; return its code. Whoever hangs is killed, with a code that no command has."""
        while (code := self.code()) is None:
            if time.monotonic() - self.began > PATIENCE:
                self.signal_group(signal.SIGKILL)
                return errno.ETIMEDOUT
            time.sleep(0.01)
        return code

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond its end."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.code() is None:
            time.sleep(0.005)

    def signal_group(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def workers(self) -> list[int]:
        """The worker processes that it has now."""
        done = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
        rows = [line.split(None, 2) for line in done.stdout.splitlines()]
        return [int(pid) for pid, parent, args in rows if parent == str(self.pid) and "spawn_main" in args]

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def did(self) -> str:
        """Where what the plan says was done: `kill 123 worker os.rename /runs/...`; empty where it was not."""
        return next((line for line in self.lines() if line.split()[1] == str(self.pid)), "")

    def operations(self) -> int:
        return self.counter.stat().st_size

    def printed(self) -> tuple[str, str]:
        """What it wrote to its output and as errors."""
        return tuple(path.read_text() if path.is_file() else "" for path in (self.out, self.errors))  # type: ignore


def _wait_for(path: Path) -> str:
    until = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < until, "no command was started"
        time.sleep(0.002)
    return path.read_text()


class Server:
    """The process that commands are forked from, and a home of the package with the claims and photos of the drill."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock, self.count = folder, threading.Lock(), 0
        (folder / "site").mkdir()
        shutil.copy(ROOT / "tests" / "injected.py", folder / "site" / "sitecustomize.py")
        home = folder / "home"
        shutil.copytree(ROOT / "repro", home / "repro", ignore=shutil.ignore_patterns("__pycache__"))
        (home / "claims").mkdir()
        shutil.copy(ROOT / "claims" / "claim.schema.json", home / "claims")
        for name, text in CLAIMS.items():
            (home / "claims" / f"{name}.yaml").write_text(text)
        as_folders(make(train=4, test=2), folder / "work" / "photos")
        kept = {key: value for key, value in os.environ.items() if not key.startswith("REPRO_")}
        paths = os.pathsep.join(map(str, (folder / "site", home)))
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import sitecustomize; sitecustomize.serve()"],
            env=kept | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def names(self) -> str:
        with self.lock:
            self.count += 1
            return f"{self.count:05}"

    def place(self) -> Path:
        """A new folder for a command to work in."""
        place = self.folder / "work" / self.names()
        place.mkdir()
        return place

    def ask(self, asked: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        with self.lock:
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()

    def end(self) -> None:
        self.process.communicate()


@contextmanager
def served() -> Iterator[Server]:
    """Give a server in a folder of its own, which is removed."""
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        server = Server(Path(name).resolve())
        try:
            yield server
        finally:
            server.end()


# What a command leaves


def results(place: Path) -> set[str]:
    """The runs below a folder that have a result that did not fail."""
    out = set()
    for path in place.glob("**/result.json"):
        if path.parent.name != "next" and json.loads(path.read_text())["status"] != "failed":
            out.add(path.parent.name)
    return out


PAGES = ("pages", "tuned/index.html", "tuned/static")  # what is made of the store, with seconds and provenance


def store(place: Path) -> dict[str, Any]:
    """Everything that a command leaves but locks, pages, and half-written files outside of runs, which nothing reads;
    without seconds, load and provenance."""
    out: dict[str, Any] = {}
    for path in sorted(place.rglob("*")):
        name = str(path.relative_to(place))
        if not path.is_file() or name.startswith(PAGES) or path.name == "lock" or path.suffix == ".lock":
            continue
        if path.name.endswith(PARTIAL) and "runs" not in path.relative_to(place).parts:
            continue
        if path.name == "run.json":
            out[name] = json.loads(path.read_text())["config"]
        elif path.name == "result.json":
            out[name] = _without_time(json.loads(path.read_text()))
        elif path.name == "metrics.jsonl":
            out[name] = [_without_time(json.loads(line)) for line in path.read_text().splitlines()]
        else:
            out[name] = path.read_bytes()
    return out


def _without_time(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("seconds", "load")}


def pages(place: Path) -> tuple[list[str], list[str]]:
    """The names of the pages below a folder, and of those that are not whole."""
    names, torn = [], []
    for path in sorted(place.rglob("*")):
        name = str(path.relative_to(place))
        if not path.is_file() or not name.startswith(PAGES) or name.endswith(PARTIAL):
            continue
        names.append(name)
        text = path.read_bytes().rstrip()
        with suppress(ValueError):
            whole = bool(text)
            if path.suffix == ".html":
                whole = text.endswith(b"</html>")
            elif path.suffix == ".json":
                json.loads(text)
            if whole:
                continue
        torn.append(name)
    return names, torn


@dataclass
class Whole:
    """What an undisturbed command leaves, does and takes."""

    words: tuple[str, ...]
    store: dict[str, Any]
    pages: list[str]
    operations: int
    seconds: float


COLUMNS = ("tried", "kills", "results lost", "stores that differ", "trained twice", "tracebacks", "wrong codes")


@dataclass
class Tally:
    """What became of the commands of one scenario; `notes` says of each failure what and where."""

    scenario: str
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wrong(self, column: str, about: str) -> None:
        with self.lock:
            self.counts[column] += 1
            self.notes.append(f"{self.scenario}: {column}: {about}")

    def add(self, column: str) -> None:
        with self.lock:
            self.counts[column] += 1

    def row(self) -> list[str]:
        return [self.scenario, *(str(self.counts[column]) for column in COLUMNS)]

    @property
    def failed(self) -> bool:
        return any(self.counts[column] for column in COLUMNS[2:])


class Drill:
    """Disturbs commands, in folders of their own, and counts what became of them."""

    def __init__(self, server: Server, names: tuple[str, ...] = tuple(COMMANDS)) -> None:
        self.server, self.verbose = server, False
        self.tallies = {name: Tally(name) for name in SCENARIOS}
        self.wholes: dict[str, Whole] = {}
        for name in names:
            words, place = COMMANDS[name], server.place()
            command = Command(server, words, place, {})
            code = command.end()
            seconds = time.monotonic() - command.began
            assert code == 0, command.printed()
            names, torn = pages(place)
            assert names, "pages were written"
            assert not torn
            self.wholes[name] = Whole(words, store(place), names, command.operations(), seconds)
        claims = [self.wholes[name].store for name in ("one worker", "two workers") if name in names]
        assert all(store == claims[0] for store in claims), "workers leave the same"

    def begin(self, name: str, place: Path, plan: Plan | None = None, **more: Any) -> Command:
        return Command(self.server, self.wholes[name].words, place, plan or {}, **more)

    def ended(self, tally: Tally, command: Command, allowed: set[int], before: set[str]) -> int:
        """Wait for a command, and check its code, its words, and that no result is gone; return the code."""
        code = command.end()
        did = command.did()
        out, errors = command.printed()
        about = f"{did or 'undisturbed'}: code {code}: {errors.strip()[-600:]}"
        if self.verbose:
            print(f"{tally.scenario}: {about}", flush=True)
        if code not in (allowed if did or command.disturbed else {0}):
            tally.wrong("wrong codes", f"expected {sorted(allowed)}: {about}")
        elif code > 0 and not errors.strip() and code != 141:
            tally.wrong("wrong codes", f"no line says it: {about}")
        if "Traceback" in out + errors:
            tally.wrong("tracebacks", about + out[-600:])
        for _ in before - results(command.place):
            tally.wrong("results lost", about)
        return code

    def finish(self, tally: Tally, name: str, place: Path) -> None:
        """Run a command undisturbed, and compare what it leaves with what one leaves that never was disturbed."""
        command, whole = self.begin(name, place), self.wholes[name]
        self.ended(tally, command, {0}, results(place))
        done = [line for line in command.lines() if not line.startswith("result ")]
        differ = _different(store(place), whole.store)
        names, torn = pages(place)
        if differ or torn or names != whole.pages:
            about = [*differ, *torn, *sorted(set(names) ^ set(whole.pages))]
            tally.wrong("stores that differ", f"{about[:6]} after {done}")
        given = [line.split(" ", 2)[1:] for line in command.lines() if line.startswith("result ")]
        times = Counter(path for status, path in given if status != "failed")
        for path in (path for path, count in times.items() if count > 1):
            tally.wrong("trained twice", f"{path} after {done}")
        tally.add("tried")
        shutil.rmtree(place)


def _different(there: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    return sorted(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))


# Scenarios: each disturbs commands and finishes them


def kill_at_operations(drill: Drill, tally: Tally, name: str, kills: int, chance: random.Random) -> None:
    """Kill a command at operations, up to three times, sometimes after a Ctrl-C, and finish it; until so many kills."""
    while kills > 0:
        place, left = drill.server.place(), drill.wholes[name].operations
        for _ in range(min(kills, chance.randint(1, MOST))):
            do = "SIGINT" if chance.random() < CTRL_C else "kill"
            before = results(place)
            command = drill.begin(name, place, {"at": chance.randint(1, max(left, 1)), "do": do})
            drill.ended(tally, command, codes_of(do, name, command), before)
            left -= command.operations()
            did = command.did()
            if did.startswith("kill"):
                kills -= 1
                tally.add("kills")
            if not did:
                break
        drill.finish(tally, name, place)


def kill_at_moments(drill: Drill, tally: Tally, name: str, kills: int, chance: random.Random) -> None:
    """Kill all processes of a command, or one worker, at a moment, up to three times, and finish it."""
    while kills > 0:
        place, left = drill.server.place(), drill.wholes[name].seconds
        for _ in range(min(kills, chance.randint(1, MOST))):
            before = results(place)
            command = drill.begin(name, place)
            command.sleep(chance.uniform(0, max(left, 0.1)))
            left -= time.monotonic() - command.began
            workers = command.workers() if chance.random() < 0.5 else []
            command.disturbed = True
            if workers:
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(workers), signal.SIGKILL)
            else:
                command.signal_group(signal.SIGKILL)
            kills -= 1
            tally.add("kills")
            if drill.ended(tally, command, {0, 70} if workers else {0, KILLED}, before) == 0:
                break
        drill.finish(tally, name, place)


def rivals(drill: Drill, tally: Tally, name: str, kills: int, chance: random.Random) -> None:
    """Run four commands at once on one store; `kills`: kill so many of them."""
    place = drill.server.place()
    commands = []
    for number in range(4):
        at = chance.randint(1, drill.wholes[name].operations // 4)
        commands.append(drill.begin(name, place, {"at": at, "do": "kill"} if number < kills else {}))
    for command in commands:
        command.disturbed = True
        code = command.end()
        drill.ended(tally, command, {KILLED, 70} if command.did() else {0, 75}, set())
        if code == KILLED:
            tally.add("kills")
    drill.finish(tally, name, place)


def disturb(drill: Drill, tally: Tally, name: str, do: str, chance: random.Random) -> None:
    """Have one thing happen to a command at an operation, then run it undisturbed."""
    place, workers_only = drill.server.place(), do in ("kill", "stop")
    most = drill.wholes[name].operations
    if workers_only:  # of their operations alone
        most = most // 3 if name == "two workers" else 4
    plan = {"at": chance.randint(1, most), "do": do.removesuffix(" twice"), "worker": workers_only}
    runs = place / ("tuned/runs" if name == "photos" else "runs")
    command = drill.begin(name, place, plan | {"vanishes": str(runs)})
    if do == "SIGINT twice":
        while command.code() is None and "once more" not in command.printed()[1]:
            time.sleep(0.01)
        command.sleep(chance.uniform(0, 0.1))
        command.signal_group(signal.SIGINT)
    if do == "stop":
        while command.code() is None and not command.did():
            time.sleep(0.01)
        for _ in range(2):  # the second says what the first one's line asks for
            command.signal_group(signal.SIGINT)
            command.sleep(1)
    drill.ended(tally, command, codes_of(do, name, command), set())
    if do == "kill" and command.did():
        tally.add("kills")
    gone = runs.with_name("runs-gone")
    if gone.is_dir():  # its disk is connected again
        shutil.rmtree(runs, ignore_errors=True)
        gone.rename(runs)
        command.log.unlink()  # what was trained without it is trained again
    drill.finish(tally, name, place)


def file_as_out(drill: Drill, tally: Tally, name: str, do: str, chance: random.Random) -> None:
    """Have a file stand where the pages, or the photos' runs, are to go."""
    place = drill.server.place()
    (place / ("tuned" if name == "photos" else "pages")).write_text("mine")
    command = drill.begin(name, place)
    command.disturbed = True
    drill.ended(tally, command, {73}, set())
    (place / ("tuned" if name == "photos" else "pages")).unlink()
    drill.finish(tally, name, place)


def damage_checkpoint(drill: Drill, tally: Tally, name: str, do: str, chance: random.Random) -> None:
    """Interrupt a command until there is a checkpoint of a run that goes on, and damage it."""
    place, found = drill.server.place(), []
    for _ in range(5):
        command = drill.begin(name, place, {"at": chance.randint(8, 40), "do": "SIGINT"})
        drill.ended(tally, command, {130}, results(place))
        found = [path for path in place.glob("**/checkpoint.safetensors") if path.parent.name not in results(place)]
        if found:
            break
    for path in found:
        size = path.stat().st_size
        path.write_bytes(path.read_bytes()[: chance.randint(0, size - 1)])
    drill.finish(tally, name, place)


def close_pipe(drill: Drill, tally: Tally, name: str, do: str, chance: random.Random) -> None:
    """Read one line of a command's output, and close it."""
    place = drill.server.place()
    pipe = place.parent / f".{place.name}.pipe"
    os.mkfifo(pipe)
    command = drill.begin(name, place, out=pipe)
    command.disturbed = True
    with pipe.open() as reader:
        reader.readline()
    drill.ended(tally, command, {141}, set())
    drill.finish(tally, name, place)


def codes_of(do: str, name: str, command: Command) -> set[int]:
    """The codes that a command may end with to which this was done, once it has ended."""
    command.end()
    did = command.did()
    if do == "kill":  # a run whose worker is killed is tried again, packing is not
        return {KILLED} if " main " in did else {0} if name == "two workers" else {70}
    if do == "vanish" and not did.rpartition(" ")[2].startswith(("/runs/", "/tuned/runs/")):
        return {0, 66}  # it had read all that it needed of the store
    return CODES_OF[do]


CODES_OF = {
    "SIGINT": {130}, "SIGINT twice": {130, -signal.SIGINT}, "SIGTERM": {130}, "SIGHUP": {130},
    "stop": {130, -signal.SIGINT},  # whoever is in a hurry ends a process that has said all
    "full": {74}, "read-only": {73}, "vanish": {66}, "memory": {0, 71},
}  # fmt: skip

Disturb = Callable[[Drill, Tally, str, Any, random.Random], None]
ALL, WORKERS = ("one worker", "photos", "two workers"), ("two workers", "photos")
# Of every scenario what it does, to which commands in turn, and its share of the kills or what happens.
SCENARIOS: dict[str, tuple[Disturb, tuple[str, ...], Any]] = {
    "killed at an operation, one worker": (kill_at_operations, ("one worker",), 0.4),
    "killed at an operation, two workers": (kill_at_operations, ("two workers",), 0.1),
    "killed at an operation, photos": (kill_at_operations, ("photos",), 0.25),
    "killed at a moment, one worker": (kill_at_moments, ("one worker",), 0.1),
    "killed at a moment, two workers": (kill_at_moments, ("two workers",), 0.05),
    "killed at a moment, photos": (kill_at_moments, ("photos",), 0.1),
    "four at once": (rivals, ("one worker", "photos"), 0),
    "four at once, one killed": (rivals, ("one worker", "photos"), 1),
    "full disk": (disturb, ALL, "full"),
    "read-only disk": (disturb, ALL, "read-only"),
    "the store vanishes": (disturb, ALL, "vanish"),
    "a file in place of --out": (file_as_out, ("one worker", "photos"), ""),
    "a worker is killed": (disturb, WORKERS, "kill"),
    "a worker is stopped, then Ctrl-C": (disturb, ("two workers",), "stop"),
    "no memory": (disturb, ALL, "memory"),
    "Ctrl-C": (disturb, ALL, "SIGINT"),
    "Ctrl-C twice": (disturb, ALL, "SIGINT twice"),
    "SIGTERM": (disturb, ALL, "SIGTERM"),
    "SIGHUP": (disturb, ALL, "SIGHUP"),
    "a damaged checkpoint": (damage_checkpoint, ALL, ""),
    "the reader of the output closes it": (close_pipe, ALL, ""),
}


def drilled(drill: Drill, kills: int, tries: int, seed: int, only: str = "") -> list[Tally]:
    """Go through the scenarios whose name has `only` in it; `tries`: of those that are not counted in kills."""
    jobs = []
    for scenario, (function, names, what) in SCENARIOS.items():
        names = tuple(name for name in names if name in drill.wholes)
        if only not in scenario or not names:
            continue
        counted = isinstance(what, float)
        many = max(1, round(what * kills)) if counted else tries
        for number, start in enumerate(range(0, many, CHAIN if counted else 1)):
            chance = random.Random(f"{seed} {scenario} {number}")
            name, given = names[number % len(names)], min(CHAIN, many - start) if counted else what
            jobs.append((function, drill, drill.tallies[scenario], name, given, chance))
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for done in [pool.submit(*job) for job in jobs]:
            done.result()
    return [tally for name, tally in drill.tallies.items() if only in name]


def main() -> None:
    """Drill, print the table, and end with 1 where anything went wrong."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=200, help="kills in all, at operations and at moments")
    options.add_argument("--tries", type=int, help="of each other scenario (default: a fiftieth of the kills)")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="", metavar="NAME", help="only scenarios whose name has this in it")
    options.add_argument("--verbose", action="store_true", help="print what became of each command")
    options.add_argument("--write", action="store_true", help="write the table into tests/README.md")
    asked = options.parse_args()
    with served() as server:
        drill = Drill(server)
        drill.verbose = asked.verbose
        tallies = drilled(drill, asked.kills, asked.tries or max(1, asked.kills // 50), asked.seed, asked.only)
    lines = table(("scenario", *COLUMNS), [tally.row() for tally in tallies])
    print("\n".join(lines))
    for tally in tallies:
        for note in tally.notes[:10]:
            print(note)
    if asked.write and not asked.only:
        renew("faults", f"python -m tests.faults --kills {asked.kills} --seed {asked.seed}", lines)
    sys.exit(any(tally.failed for tally in tallies))


if __name__ == "__main__":
    main()
