"""The crew of a cluster: each run is a Ray task with its share of a GPU, its cores and its memory.

It is used as the processes of this machine are (`repro.workers.Crew`): what is planned, in which order, and what
becomes of failures is decided where it always is. This process alone writes the store: it holds a run's lock while a
node trains it, and puts into the store what comes back.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from repro.engine import node
from repro.engine.cluster import ATTEMPTS, PATIENCE, Cluster, ClusterLost, Sets, brief
from repro.engine.setting import Setting, arms_of
from repro.errors import Busy, ReproError
from repro.files import locked
from repro.store.damage import DamagedRun
from repro.store.parcels import Parcel
from repro.store.writing import LOCK, held
from repro.workers import Job, Stopped, WorkerEnded, asked

WAIT = 0.5  # seconds that the mailbox is waited for before lost tasks are looked for; assumed


def _train(order: node.Order, mailbox: Any, ticket: int) -> None:
    """Do what a task is: train a run on the node that this process is on."""
    import ray

    where = ray.get_runtime_context().get_node_id(), ray.util.get_node_ip_address()
    node.train(order, lambda message: ray.get(mailbox.put.remote(ticket, where, message)))


@dataclass
class Away:
    """A run that is away: its lock here, its task, and whether something has come of it."""

    job: Any
    lock: ExitStack
    task: Any
    begun: bool = False


class Nodes:
    """A crew of a cluster's nodes. What is put into the store is verified; what a lost worker did not send is done
    again elsewhere, from the last checkpoint that came."""

    def __init__(self, cluster: Cluster, setting: Setting, alone: bool) -> None:
        self.cluster, self.setting, self.alone = cluster, setting, alone
        self.away: dict[int, Away] = {}
        self.here: deque[tuple[Job, Any]] = deque()  # messages that no node sent
        self.told, self.looked, self.roomy = False, 0.0, time.monotonic()

    @property
    def jobs(self) -> Collection[Job]:
        """The jobs that are being done."""
        return [each.job for each in self.away.values()] + [job for job, _ in self.here]

    def takes(self, job: Job) -> bool:
        """Send a job away, unless it is; return False where there is no room for it now."""
        if job.id in {each.id for each in self.jobs}:
            return True
        room = 1 if self.alone else self.cluster.slots()
        if len(self.away) >= max(1, min(room, self.cluster.most or room)):
            return False
        lock = ExitStack()
        try:
            lock.enter_context(held(self.setting.store.root / job.id))
        except Busy:
            self.here += [(job, {"event": "busy", "run": job.id, "label": job.label}), (job, None)]
            return True
        self._send(job, lock)
        return True

    def _send(self, job: Any, lock: ExitStack) -> None:
        ticket, cluster = next(self.cluster.tickets), self.cluster
        share: dict[str, Any] = cluster.share.of(cluster.device)
        refused = cluster.refused.get(_sets(job))
        nodes = f"!in({','.join(refused)})" if refused else ""
        if self.alone:
            share["num_gpus"], nodes = float(share["num_gpus"] > 0), cluster.home
        if nodes:
            share["label_selector"] = {"ray.io/node-id": nodes}
        order = node.order_of(job, self.setting, cluster.data)
        with cluster.there():
            sent = cluster.ray.put(order)  # a checkpoint is too long for what tasks are begun by
            task = cluster.ray.remote(_train).options(max_retries=0, **share).remote(sent, cluster.mailbox, ticket)
        self.away[ticket] = Away(job, lock, task)

    def messages(self) -> Iterator[tuple[Job, Any]]:
        """Wait for messages of the nodes; yield those that are there. WorkerEnded of a run whose workers were lost time
        and again; DataError where no node has the data."""
        while self.here:
            yield self.here.popleft()
        if asked() and not self.told:
            self.told = True
            self.cluster.call("ask")
            for ticket in [ticket for ticket, each in self.away.items() if not each.begun]:
                self._cancel(ticket)
                yield self._back(ticket), Stopped()
        taken = self.cluster.call("take", WAIT) if self.away else []
        yield from self._heard(taken)
        if not taken or time.monotonic() - self.looked > WAIT:
            self.looked = time.monotonic()
            yield from self._gone()

    def _heard(self, taken: list[tuple[int, tuple[str, str], Any]]) -> Iterator[tuple[Job, Any]]:
        for ticket, (node_id, name), message in taken:
            if ticket not in self.away:  # of an attempt that was given up
                continue
            each = self.away[ticket]
            each.begun = True
            if isinstance(message, Parcel):
                yield from self._put(ticket, message)
            elif isinstance(message, node.Unfit):
                yield each.job, {"event": "node", "run": node_id, "label": f"node {name}", "why": str(message)}
                self.cluster.refuse(_sets(each.job), node_id, message)
                self._again(ticket)
            else:
                last = message is None or isinstance(message, ReproError | Stopped)
                yield self._back(ticket) if last else each.job, message

    def _put(self, ticket: int, parcel: Parcel) -> Iterator[tuple[Job, Any]]:
        """Put what has come into the store; what does not arrive whole is done again."""
        job, folder = self.away[ticket].job, self.setting.store.root / parcel.run
        try:
            if parcel.run == job.id:
                parcel.put(folder)
                return
            with locked(folder / LOCK):  # an evaluation, which another command may just be making
                if not self.setting.stands(self.setting.store.read(parcel.run)):
                    parcel.put(folder)
        except DamagedRun as error:
            yield from self._lost(ticket, f"by what it sent: {error}")

    def _gone(self) -> Iterator[tuple[Job, Any]]:
        """Find tasks that have ended without a last message: a worker or node is gone, or Ray could not run one."""
        ray, tasks = self.cluster.ray, {each.task: ticket for ticket, each in self.away.items()}
        if self.cluster.slots() or any(each.begun for each in self.away.values()):
            self.roomy = time.monotonic()
        elif time.monotonic() - self.roomy > PATIENCE:
            raise ClusterLost(self.cluster.address, "no node is left that has room for a run")
        if self.alone and self.cluster.home not in self.cluster.nodes():
            raise ClusterLost(self.cluster.address, "the node is gone on which timings are made")
        with self.cluster.there():
            ended = ray.wait(list(tasks), num_returns=len(tasks), timeout=0)[0] if tasks else []
        if ended:
            yield from self._heard(self.cluster.call("take", 0.0))
        for task in ended:
            if (ticket := tasks[task]) in self.away:
                yield from self._lost(ticket, self._why(ticket))

    def _why(self, ticket: int) -> str:
        """Return how the task of a run has ended."""
        each, exceptions = self.away[ticket], self.cluster.ray.exceptions
        try:
            self.cluster.ray.get(each.task)
        except exceptions.RayTaskError as error:  # a mistake of ours, which would come again
            self.cluster.lost[each.job.id] = ATTEMPTS
            return f"by an error: {type(error.cause).__name__}: {brief(error.cause)}"
        except exceptions.RayError as error:
            return f"on its node: {brief(error)}"
        return "without a word"

    def _lost(self, ticket: int, how: str) -> Iterator[tuple[Job, Any]]:
        job, lost = self.away[ticket].job, self.cluster.lost
        if asked():
            yield self._back(ticket), Stopped()
            return
        lost[job.id] += 1
        if lost[job.id] >= ATTEMPTS:
            del lost[job.id]
            self._back(ticket)
            raise WorkerEnded(job.label, how, job.id)
        why = f"its worker process was ended {how}; it goes on elsewhere from its last checkpoint"
        yield job, {"event": "failed", "run": job.id, "label": job.label, "attempt": lost[job.id], "why": why}
        self._again(ticket)

    def _again(self, ticket: int) -> None:
        """Send a run away once more, with what the store has of it by now; its lock stays."""
        each = self.away.pop(ticket)
        self._send(each.job, each.lock)

    def _back(self, ticket: int) -> Job:
        """Let go of a run that is not away any more."""
        each = self.away.pop(ticket)
        each.lock.close()
        return each.job

    def _cancel(self, ticket: int) -> None:
        with suppress(Exception):  # of a task that has just ended, or a cluster that is gone
            self.cluster.ray.cancel(self.away[ticket].task, force=True)

    def end(self) -> None:
        """End all tasks at once: what has come of them is whole."""
        for ticket in list(self.away):
            self._cancel(ticket)
            self._back(ticket)


def _sets(job: Any) -> Sets:
    return tuple(sorted({(arm.data.kind, arm.data.stored) for arm in arms_of(job.config)}, key=str))
