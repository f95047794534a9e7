"""A connection to a Ray cluster, what it has room for, and the mailbox through which its tasks speak to this process.

The mailbox is an actor beside the cluster's head, where a task also reads whether an end was asked for: Ray's own
streams of results do not reach a process that is connected from outside.
"""

from __future__ import annotations

import asyncio
import os
import signal
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from repro.engine import node
from repro.errors import ReproError, RunError
from repro.workers import SIGNALS, WorkerEnded

ATTEMPTS = 3  # at a run whose worker or node is lost, and at connecting; assumed
PATIENCE = 120.0  # seconds without a node that has room for a run, as while a cluster grows; assumed


class ClusterLost(RunError):
    """The cluster, or the connection to it, is gone."""

    exit_code = WorkerEnded.exit_code

    def __init__(self, address: str, why: object) -> None:
        super().__init__(
            f"--on {address}: the cluster is gone ({brief(why)}); what came back is kept: run the same command again"
        )


@dataclass(frozen=True)
class Share:
    """What a run takes of a node. `gpus` None: one where runs are trained on GPUs; `memory` in bytes."""

    gpus: float | None = None
    cpus: float = 1.0
    memory: float = 0.0

    def of(self, device: str) -> dict[str, float]:
        """Return the share on a device, as the arguments of a task that Ray takes."""
        gpus = 0.0 if device == "cpu" else 1.0 if self.gpus is None else self.gpus
        return {"num_gpus": gpus, "num_cpus": self.cpus} | ({"memory": int(self.memory)} if self.memory else {})


Sets = tuple[tuple[str, int | None], ...]  # the data of a run: kinds, and the sides of stored photos


@dataclass
class Cluster:
    """A connection to a cluster, see `connected`; `most`: runs at once at most."""

    ray: Any
    address: str
    device: str
    share: Share
    data: Path | None
    most: int | None
    mailbox: Any
    examined: node.Examined
    home: str  # the node that was examined, on which timings are made
    refused: dict[Sets, dict[str, node.Unfit]] = field(default_factory=dict)  # by sets: nodes that lack them, by id
    lost: Counter[str] = field(default_factory=Counter)  # how often the worker of a run was
    tickets: Iterator[int] = field(default_factory=count)

    def call(self, method: str, *arguments: Any) -> Any:
        """Return the mailbox's answer. ClusterLost where it is gone."""
        with self.there():
            return self.ray.get(getattr(self.mailbox, method).remote(*arguments))

    @contextmanager
    def there(self) -> Iterator[None]:
        """Turn what Ray raises in this block where the cluster is gone into ClusterLost."""
        try:
            yield
        except (self.ray.exceptions.RayError, ConnectionError) as error:
            raise ClusterLost(self.address, error) from error

    def nodes(self) -> dict[str, dict[str, float]]:
        """Return what the nodes have that are there now, by id."""
        with self.there():
            return {each["NodeID"]: each["Resources"] for each in self.ray.nodes() if each["Alive"]}

    def slots(self) -> int:
        """Return how many runs the nodes have room for that are there now."""
        share = self.share.of(self.device)
        wants = {"CPU": share["num_cpus"], "GPU": share["num_gpus"], "memory": share.get("memory", 0)}
        rooms = [[has.get(kind, 0) / most for kind, most in wants.items() if most] for has in self.nodes().values()]
        return sum(int(min(room, default=1) + 1e-9) for room in rooms)

    def refuse(self, sets: Sets, node_id: str, why: node.Unfit) -> None:
        """Send no run on these sets to a node any more. Unfit where no other node is left."""
        refused = self.refused.setdefault(sets, {})
        refused[node_id] = why
        if not self.nodes().keys() - refused.keys():
            raise why


@contextmanager
def connected(
    address: str, device: str | None, share: Share, data: Path | None = None, most: int | None = None
) -> Iterator[Cluster]:
    """Connect to the cluster `ray://HOST:PORT`, or make one of this machine (`ray`), for this block.

    `data`: the folder of data sets on the nodes, None: each node's own. ReproError where Ray is not installed, the
    cluster does not answer or has no such device. Nothing is sent to anybody but the cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ReproError(
            "--on ray: Ray is not installed here; in a clone of repro, `pip install -e '.[ray]'` installs it"
        ) from error
    _connect(ray, address)
    try:
        device = device or ("cuda" if ray.cluster_resources().get("GPU") else "cpu")
        options: dict[str, Any] = {"num_cpus": 0, "resources": {"node:__internal_head__": 0.001}}
        mailbox = ray.remote(Mailbox).options(**options).remote()
        home, examined = _examined(ray, address, device, share, data)
        yield Cluster(ray, address, device, share, data, most, mailbox, examined, home)
    finally:
        with suppress(Exception):  # of a cluster that is gone already
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    """Connect to a cluster. A head that is busy may need longer than it gives itself, so it is asked again."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    words: tuple[str, dict[str, Any]] = ("local", {"include_dashboard": False}) if address == "ray" else (address, {})
    try:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with warnings.catch_warnings(action="ignore"):  # what they say the error says too
                    ray.init(words[0], log_to_driver=False, logging_level="ERROR", **words[1])
                return
            except ConnectionAbortedError:  # the head answers, but could not begin
                ray.shutdown()
                if attempt == ATTEMPTS:
                    raise
    except Exception as error:  # of gRPC, of Ray, of the system: whatever it is, nobody answers
        raise ReproError(f"--on {address}: no cluster answers ({brief(error)}); `ray status` shows it there") from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # Ray takes SIGTERM


def _examined(ray: Any, address: str, device: str, share: Share, data: Path | None) -> tuple[str, node.Examined]:
    """Return the id of a node that a run can be trained on, and what it is. ReproError where there is none."""
    ref = ray.remote(_examine).options(max_retries=ATTEMPTS, **share.of(device)).remote(device, data)
    try:
        home, examined = ray.get(ref, timeout=PATIENCE)
    except ray.exceptions.GetTimeoutError as error:
        raise ReproError(
            f"--on {address}: no node has room for a run, which takes {share.of(device)}; give a smaller share "
            "(--gpus-per-run, --cpus-per-run, --memory-per-run), or a cluster with more"
        ) from error
    except ray.exceptions.RayError as error:
        raise ReproError(f"--on {address}: no run can be trained there ({brief(error)}); is repro installed on its "
                         "nodes?") from error  # fmt: skip
    if isinstance(examined, ReproError):
        raise examined
    return home, examined


def _examine(device: str, data: Path | None) -> tuple[str, node.Examined | ReproError]:
    import ray

    return ray.get_runtime_context().get_node_id(), node.examine(device, data)


class Mailbox:
    """What tasks have sent and the driver has not taken yet, in order. An actor: its methods take turns."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, tuple[str, str], Any]] = []
        self.there, self.stop = asyncio.Event(), False

    async def put(self, ticket: int, where: tuple[str, str], message: Any) -> bool:
        """Keep a message; return whether an end was asked for."""
        self.messages.append((ticket, where, message))
        self.there.set()
        return self.stop

    async def take(self, seconds: float) -> list[tuple[int, tuple[str, str], Any]]:
        """Return the messages, and wait for them so many seconds where there are none."""
        self.there.clear()
        if not self.messages:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.there.wait(), seconds)
        out, self.messages = self.messages, []
        return out

    async def ask(self) -> None:
        """Ask all tasks for an end after the step that they are doing."""
        self.stop = True


def brief(error: object) -> str:
    """Return the first line of what Ray says, and where it only announces others the last one."""
    first, *others = (str(error).strip() or type(error).__name__).splitlines()
    return f"{first} {others[-1].strip()}"[:300] if others and first.endswith(":") else first[:200]
