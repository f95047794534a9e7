"""The drill on a cluster: workers, nodes and the command itself are lost, and nothing else may be. For maintainers.

    python -m tests.ray_drill --write
    python -m tests.ray_drill --smoke --write

The first makes a Ray cluster of two nodes of one core each on this machine, trains a small claim through it again and
again while something is taken away, and compares each store with the one that two processes without a cluster leave.
Where CIFAR-10 is found, a node without it is tried too. The second runs the smoke catalogue, or the claims named,
through such a cluster and through two processes, compares the stores, and prints how much longer the cluster took.
`--write` writes the table into `tests/README.md`. The suite trains one claim on a cluster of one node
(`tests/test_cluster.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from repro.data.known import find
from repro.places import roots
from tests.faults import PAPER, store
from tests.written import renew, table

ROOT = Path(__file__).parent.parent
PATIENCE = 400.0  # seconds after which a command hangs; assumed
REACHED = 6  # epochs of a run after which something is taken away; assumed
EPOCHS = 40

CLAIM = f"""\
id: drilled
version: 1
{PAPER}
question: How many times fewer epochs does the net with ReLUs need?
data: {{kind: DATA, scale: standardised}}
model: {{kind: cuda_convnet_19pct, init: he, width: 0.25}}
train: {{batch: 20, epochs: {EPOCHS}, lr: 0.002, weight_decay: 0.0}}
arms: {{relu: {{label: ReLUs, model.activation: relu}}, tanh: {{label: tanh units, model.activation: tanh}}}}
varies: [model.activation]
seeds: [0, 1]
measure: {{kind: epochs_to, metric: train_error, level: 0.0001}}
rule: {{kind: ratio, of: [tanh, relu], paper: 6.0, within: [4.0, 9.0], direction: above 1}}
scales: {{smoke: {{data.images: 256}}}}
"""

# What `run` does, with a checkpoint after every epoch; each event is a line.
COMMAND = """
import json, sys
from contextlib import nullcontext
from pathlib import Path
from repro import cli, contents
from repro.engine.cluster import Share, connected
from repro.engine.execute import execute
from repro.engine.provenance import provenance
from repro.engine.setting import Setting
from repro.places import cache, roots
from repro.store import Store

place, on = Path(sys.argv[1]), sys.argv[2]

def say(event):
    if event["event"] != "pack":
        print(json.dumps(event), flush=True)

def verb(args):
    with connected(on, "cpu", Share()) if on else nullcontext() as cluster:
        made = cluster.examined.provenance if cluster else provenance("cpu")
        setting = Setting(Store(place / "runs"), "cpu", roots(None), cache(), made, checkpoint_seconds=0)
        claim = contents.load(place / "drilled.yaml")
        execute([(claim, list(claim.claim.scales)[-1])], setting, workers=2, report=say, cluster=cluster)
    return 0

cli.VERBS["check"] = verb
cli.main(["check"])
"""


class Two:
    """A cluster of two nodes of one core each; the second one can be taken away and comes again."""

    def __init__(self) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ["RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S"] = "120"  # for two cores that others use too
        from ray.cluster_utils import Cluster

        with socket.socket() as free:
            free.bind(("", 0))
            port = free.getsockname()[1]
        self.one = {"num_cpus": 1, "object_store_memory": 200 * 2**20, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=self.one | {"ray_client_server_port": port})
        self.address = f"ray://127.0.0.1:{port}"
        self.second: Any = None
        self.add()

    def add(self, **more: Any) -> None:
        """Add the second node, unless it is there."""
        self.second = self.second or self.cluster.add_node(**(self.one | more))

    def remove(self) -> None:
        """Take the second node away, as a power cut does."""
        self.cluster.remove_node(self.second, allow_graceful=False)
        self.second = None


@contextmanager
def two_nodes() -> Iterator[Two]:
    """Give a cluster of two nodes, which ends with this block."""
    nodes = Two()
    try:
        yield nodes
    finally:
        nodes.cluster.shutdown()


class Trained:
    """One command that trains the claim, and what it has said so far."""

    def __init__(self, place: Path, on: str, **environment: str) -> None:
        self.place, self.out = place, place / "events"
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        before = {key: value for key, value in os.environ.items() if not key.startswith("REPRO_")}
        given = before | {"PYTHONPATH": paths, "REPRO_CACHE": str(place.parent / "cache")} | environment
        with self.out.open("a") as out, (place / "errors").open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", COMMAND, str(place), on],
                stdout=out, stderr=errors, env=given, start_new_session=True,
            )  # fmt: skip

    def events(self) -> list[dict[str, Any]]:
        """What all commands in this folder have said, in order."""
        return [json.loads(line) for line in self.out.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def until(self, reached: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Wait until the events are so."""
        end = time.monotonic() + PATIENCE
        while not reached(self.events()):
            assert self.process.poll() is None, (self.place / "errors").read_text()[-2000:]
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)

    def both_are_away(self) -> None:
        """Wait until two runs have come so far that something is lost with them, and neither has ended."""

        def reached(events: list[dict[str, Any]]) -> bool:
            far = {each["run"] for each in events if each["event"] == "epoch" and each["epoch"] >= REACHED}
            return len(far - {each["run"] for each in events if each["event"] == "finish"}) == 2

        self.until(reached)

    def end(self) -> int:
        """Wait for its end; return its code."""
        return self.process.wait(PATIENCE)


def _tasks() -> list[int]:
    """The processes that train a run for a cluster, the youngest last."""
    done = subprocess.run(["ps", "-A", "-o", "pid=,args=", "--sort=start_time"], capture_output=True, text=True)
    return [int(line.split(None, 1)[0]) for line in done.stdout.splitlines() if "ray::_train" in line]


# What is taken away; each returns the codes that its commands may end with.


def nothing(nodes: Two, command: Trained) -> set[int]:
    return {0}


def kill_worker(nodes: Two, command: Trained) -> set[int]:
    command.both_are_away()
    os.kill(_tasks()[-1], signal.SIGKILL)
    return {0}


def remove_node(nodes: Two, command: Trained) -> set[int]:
    command.both_are_away()
    nodes.remove()
    return {0}


def kill_command(nodes: Two, command: Trained) -> set[int]:
    command.both_are_away()
    command.process.kill()
    return {-signal.SIGKILL}


def take_data(nodes: Two, command: Trained) -> set[int]:
    """Before the command: see `drilled`."""
    command.until(lambda events: any(each["event"] == "node" for each in events))
    return {0}


def interrupt(nodes: Two, command: Trained) -> set[int]:
    command.both_are_away()
    command.process.send_signal(signal.SIGINT)
    return {130}


SCENARIOS = {
    "undisturbed": nothing,
    "a worker is killed": kill_worker,
    "a node is removed": remove_node,
    "the command is killed": kill_command,
    "Ctrl-C": interrupt,
    "a node lacks the data": take_data,
}
COLUMNS = ("commands", "runs", "results lost", "stores that differ", "trained twice", "epochs again", "wrong codes")
ALLOWED = 4  # epochs that may be trained again: of two runs the one that was being trained, and one not yet sent


def drilled(nodes: Two, folder: Path, only: str = "") -> Iterator[list[str]]:
    """Go through the scenarios; yield a row for each, whose numbers but the first two and the epochs shall be 0."""
    wholes: dict[str, Path] = {}
    found = find("cifar10", roots(None))
    for name, disturb in SCENARIOS.items():
        data = "cifar10" if disturb is take_data else "digits"
        if only not in name or (data == "cifar10" and found is None):
            continue
        given = {"REPRO_DATA": str(roots(None)[0].resolve())}
        if data not in wholes:
            wholes[data] = _place(folder, f"whole-{data}", data)
            assert Trained(wholes[data], "", **given).end() == 0, (wholes[data] / "errors").read_text()
        whole, place = wholes[data], _place(folder, name.replace(" ", "-"), data)
        if disturb is take_data and nodes.second:
            nodes.remove()
        nodes.add(**({"env_vars": {"REPRO_DATA": str(place), "REPRO_CACHE": str(place / "cache")}}
                     if disturb is take_data else {}))  # fmt: skip
        codes, wrong, lost = {0}, 0, 0
        for number in (1, 2, 3):
            command = Trained(place, nodes.address, **given)
            if number == 1:
                codes = disturb(nodes, command)
            before = _ended(place)
            code = command.end()
            lost += len(before - _ended(place))
            wrong += code not in (codes if number == 1 else {0})
            if code == 0:
                break
        events = command.events()
        results = Counter(each["run"] for each in events if each["event"] == "finish")
        epochs = Counter((each["run"], each["epoch"]) for each in events if each["event"] == "epoch")
        again = sum(epochs.values()) - len(epochs)
        twice = sum(count > 1 for count in results.values()) + (again > ALLOWED)
        differ = _store(place) != _store(whole)
        row = [name, *map(str, (number, len(results), lost, int(differ), twice, again, wrong))]
        print(*row, sep=" | ", flush=True)
        yield row


def _place(folder: Path, name: str, data: str) -> Path:
    place = folder / name
    place.mkdir()
    text = CLAIM.replace("DATA", data)
    if data == "cifar10":  # smoke scale has digits alone
        text = text.replace("smoke: {data.images: 256}", "smoke: {}, small: {data.images: 256}")
        text = text.replace("level: 0.0001", "level: 0.85")
    (place / "drilled.yaml").write_text(text)
    return place


def _ended(place: Path) -> set[str]:
    return {path.parent.name for path in place.glob("runs/*/result.json")}


def _store(place: Path) -> dict[str, Any]:
    return {name: content for name, content in store(place).items() if name.startswith("runs/")}


def smoked(nodes: Two, folder: Path, claims: list[str]) -> list[str]:
    """Run claims at smoke scale through two processes, then through the cluster; return the row of both."""
    seconds = {}
    for name, words in {"pool": ("--workers", "2"), "ray": ("--on", nodes.address)}.items():
        place, start = folder / f"smoke-{name}", time.monotonic()
        place.mkdir()
        line = [sys.executable, "-m", "repro", "smoke", *claims, "--device", "cpu", *words]
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        subprocess.run(
            [*line, "--runs", str(place / "runs"), "--out", str(place / "pages")],
            env=os.environ | {"PYTHONPATH": paths}, stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        seconds[name] = time.monotonic() - start
    stores = [_without_timings(_store(folder / f"smoke-{name}")) for name in seconds]
    runs = sum(name.endswith("/run.json") for name in stores[0])
    ratio = seconds["ray"] / seconds["pool"]
    return [f"{len(claims) or 'all'} claims", str(runs), str(int(stores[0] != stores[1])), f"{seconds['pool']:.0f}",
            f"{seconds['ray']:.0f}", f"{ratio:.2f}", f"{os.getloadavg()[2]:.1f}"]  # fmt: skip


def _without_timings(files: dict[str, Any]) -> dict[str, Any]:
    """Leave away what a timing measured: no two are equal."""
    return {
        name: None if name.endswith("/result.json") and content["status"] == "timed" else content
        for name, content in files.items()
    }


SMOKED = ("smoke", "runs", "stores that differ", "s, two processes", "s, the cluster", "ratio", "load")


def main() -> None:
    """Drill, print the table, and end with 1 where anything went wrong."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--only", default="", metavar="NAME", help="only scenarios whose name has this in it")
    options.add_argument("--smoke", nargs="*", metavar="CLAIM", help="instead: these, or all, at smoke scale")
    options.add_argument("--write", action="store_true", help="write the table into tests/README.md")
    asked = options.parse_args()
    words = "" if asked.smoke is None else " ".join([" --smoke", *asked.smoke])
    with tempfile.TemporaryDirectory(prefix="ray-drill-") as name, two_nodes() as nodes:
        if asked.smoke is None:
            rows = list(drilled(nodes, Path(name), asked.only))
            lines = table(("what is taken away", *COLUMNS), rows)
            wrong = any(int(number) for row in rows for number in (*row[3:6], row[7]))
        else:
            row = smoked(nodes, Path(name), asked.smoke)
            lines, wrong = table(SMOKED, [row]), row[2] != "0"
    print("\n".join(lines))
    if asked.write and not asked.only:
        renew("ray" if asked.smoke is None else "ray-smoke", f"python -m tests.ray_drill{words}", lines)
    sys.exit(wrong)


if __name__ == "__main__":
    main()
