"""A run in two processes, one for each tower, as the authors trained on two GPUs (§3.2).

The process that trains a run starts a second one and leads it. The run's net, its tests, evaluations and checkpoints
stay in the leader, whole, as in one process; only updates are done on halves. Each epoch begins with sending the second
tower its half of weights and velocities, and wherever the whole net is needed the half comes back. So a run that was
begun in one process goes on in two, and the other way round. If one of the two is killed, both end.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
import torch.distributed as dist

from repro import contents
from repro.claim.config import RunConfig
from repro.data.augment import Draws
from repro.engine import towers
from repro.engine.setting import Setting, batches
from repro.nets import modules
from repro.train import loop, throughput
from repro.train.machine import settle_process
from repro.train.sgd import PaperSGD
from repro.train.step import Step
from repro.workers import PATIENCE, SIGNALS

LEADER, FOLLOWER = 0, 1  # the towers that they hold, and their ranks
LOOPBACK = "lo"  # two processes of one machine: no name of it need be resolvable
NOTICE = 2.0  # seconds in which the system is to say that a process was killed whose connection is gone; assumed


class Half(Step):
    """The update of a run on one tower. What is asked of the leader's, the follower's does too."""

    def __init__(self, run: loop.Trainer, tower: int) -> None:
        rows = run.model["net"]
        net = towers.half(rows, run.net, image=run.batches.image, tower=tower)
        if run.layout is not None:
            modules.lay_out(net, run.layout)
        groups = []
        for group, own in zip(run.optimiser.param_groups, net.parameters(), strict=True):
            own.requires_grad_(group["params"][0].requires_grad)
            groups.append({**{key: group[key] for key in ("layer", "base", "lr", "weight_decay")}, "params": [own]})
        optimiser = PaperSGD(groups, momentum=run.optimiser.defaults["momentum"])  # type: ignore[arg-type]
        super().__init__(
            net,
            optimiser,
            run.batches,
            seed=run.seed,
            precision=run.precision,
            layout=run.layout,
            capture=False,  # not tried with messages between devices
            parts=run.parts,
        )
        self.tower, self._rows = tower, rows

    def state(self) -> list[torch.Tensor]:
        """Return weight and velocity of each parameter of this tower."""
        return _state(self.net, self.optimiser)

    def share(self, run: loop.Trainer, tower: int) -> list[torch.Tensor]:
        """Return the same of a tower in the whole net, as views of it."""
        names = [name for name, _ in run.net.named_parameters() for _ in range(2)]
        whole = _state(run.net, run.optimiser)
        return [towers.share(self._rows, name, one, tower) for name, one in zip(names, whole, strict=True)]

    def take_rates(self, rates: Sequence[float]) -> None:
        """Set the rate of each parameter."""
        for group, rate in zip(self.optimiser.param_groups, rates, strict=True):
            group["lr"] = rate
        self.optimiser.copy_rates()


class _Leading(Half):
    """The leader's half: it tells the follower each of its steps before it takes it."""

    def __init__(self, run: loop.Trainer, config: RunConfig, pair: Pair) -> None:
        super().__init__(run, LEADER)
        self.run, self.config, self._pair = run, config, pair
        self._place: int | None = None  # of the follower's half, once it has one

    def begin(self, order: torch.Tensor, draws: Draws | None, sizes: Sequence[int], *, epoch: int, first: int) -> None:
        rates = [group["lr"] for group in self.run.optimiser.param_groups]
        given = {"order": order.cpu(), "draws": draws and draws.to("cpu"), "sizes": list(sizes)}
        self._tell("begin", given | {"epoch": epoch, "first": first}, rates)
        _send(self.share(self.run, FOLLOWER), FOLLOWER)
        _copy(self.share(self.run, LEADER), self.state())
        self.take_rates(rates)
        super().begin(order, draws, sizes, epoch=epoch, first=first)

    def __call__(self) -> None:
        self._tell("update")
        super().__call__()

    def settle(self) -> None:
        self._tell("settle")
        _receive(self.share(self.run, FOLLOWER), FOLLOWER)
        _copy(self.state(), self.share(self.run, LEADER))

    def repeat(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self._tell("repeat")
        super().repeat(x, y)

    def _tell(self, what: str, *given: object) -> None:
        if self._place is None:  # a run that is only evaluated needs no second process
            self._place = self._pair.hold(self.config, self.run.parts)
        self._pair.tell((what, self._place, *given))


@dataclass
class Pair:
    """The second process of a run, started when the first update is due; a context that ends it."""

    setting: Setting
    _process: subprocess.Popen[bytes] | None = None
    _ending: bool = False
    _nets: int = 0
    _folder: tempfile.TemporaryDirectory[str] = field(init=False)
    _pipe: Connection = field(init=False)

    def __enter__(self) -> Self:
        return self

    def share(self, run: loop.Trainer, config: RunConfig) -> None:
        """Do the updates of a run at its start, `run`, of this configuration, in both processes from now on."""
        run.step = _Leading(run, config, self)

    def hold(self, config: RunConfig, parts: int) -> int:
        """Have the follower hold its half of a configuration's net; return the number by which it knows it."""
        if self._process is None:
            self._start()
        self.tell(("net", self._nets, config, parts))
        self._nets += 1
        return self._nets - 1

    def tell(self, message: tuple[object, ...]) -> None:
        """Send the follower a message."""
        self._pipe.send_bytes(pickle.dumps(message))  # tensors as values, not as memory that both share

    def _start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="repro-towers-")
        meeting = str(Path(self._folder.name) / "meeting")
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        if self.setting.device == "cuda":
            environment["CUDA_VISIBLE_DEVICES"] = _second_device(os.environ.get("CUDA_VISIBLE_DEVICES"))
        theirs, ours = os.pipe()
        self._pipe = Connection(ours, readable=False)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # it inherits this: what they end, the leader says
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from repro.engine.pair import follow; follow()"],
                stdin=theirs,
                env=environment,
            )
        finally:
            os.close(theirs)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        threading.Thread(target=self._watch, daemon=True).start()
        self.tell((self.setting, meeting))
        _meet(self.setting.device, meeting, LEADER)

    def _watch(self) -> None:
        """End this process as the follower was ended: a half of a net trains nothing."""
        assert self._process is not None
        code = self._process.wait()
        if not self._ending:
            self._folder.cleanup()
            _end_like(code)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        if isinstance(error, RuntimeError | OSError):  # perhaps the other end is gone
            with suppress(subprocess.TimeoutExpired):
                code = self._process.wait(NOTICE)
                self._folder.cleanup()
                _end_like(code)
        self._ending = True
        if error is None or not isinstance(error, Exception):
            self.tell(("end", 0))
        else:
            self._process.kill()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if dist.is_initialized():
            dist.destroy_process_group()
        self._pipe.close()
        self._folder.cleanup()


def _end_like(code: int) -> None:
    """End this process at once by a signal, or with a code, as another was ended."""
    if code < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(code or 1)


def _second_device(visible: str | None) -> str:
    """Return the name of the second of the CUDA devices that are visible."""
    return visible.split(",")[1].strip() if visible else "1"


def _meet(device: str, meeting: str, rank: int) -> None:
    if device == "cpu" and LOOPBACK in (name for _, name in socket.if_nameindex()):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, init_method=f"file://{meeting}", rank=rank, world_size=towers.TOWERS)


def follow() -> None:
    """Hold the second tower for the process that started this one, until it says that it ends, or is no more."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    messages = _messages()
    setting, meeting = next(messages)
    settle_process(setting.device)
    _meet(setting.device, meeting, FOLLOWER)
    runs: dict[int, loop.Trainer] = {}
    halves: dict[int, Half] = {}
    minibatches: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    for what, place, *given in messages:
        if what == "end":
            break
        if what == "net":
            runs[place] = run = trainer_of(setting, *given)
            run.step = halves[place] = Half(run, FOLLOWER)
            continue
        half = halves[place]
        if what == "begin":
            plan, rates = given
            _receive(half.state(), LEADER)
            half.take_rates(rates)
            half.begin(**plan)
        elif what == "update":
            half()
        elif what == "settle":
            _send(half.state(), LEADER)
        elif what == "repeat":
            if place not in minibatches:
                minibatches[place] = throughput.first_minibatch(runs[place])
            half.repeat(*minibatches[place])
    dist.destroy_process_group()


def trainer_of(setting: Setting, config: RunConfig, parts: int = 1) -> loop.Trainer:
    """Return the trainer of a configuration before its first epoch, its images loaded."""
    images = batches(config.data, setting)
    return loop.trainer(
        model=contents.net(**config.model.model_dump(), classes=images.classes),
        train=config.train.model_dump(),
        seed=config.seed,
        precision=config.precision,
        batches=images,
        parts=parts,
    )


def _messages() -> Iterator[Any]:
    """Yield what the leader sends, and end this process where it is no more, whatever it is doing."""
    there: queue.Queue[Any] = queue.Queue()
    pipe = Connection(os.dup(0), writable=False)

    def read() -> None:
        while True:
            try:
                there.put(pickle.loads(pipe.recv_bytes()))
            except (EOFError, OSError):
                os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield there.get()


@torch.no_grad()
def _send(tensors: list[torch.Tensor], to: int) -> None:
    dist.send(torch.cat([tensor.reshape(-1) for tensor in tensors]), to)


@torch.no_grad()
def _receive(tensors: list[torch.Tensor], source: int) -> None:
    """Fill tensors with those that the other process sends."""
    flat = torch.empty(sum(tensor.numel() for tensor in tensors), device=tensors[0].device)
    dist.recv(flat, source)
    parts = flat.split([tensor.numel() for tensor in tensors])
    _copy([part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)], tensors)


@torch.no_grad()
def _copy(values: list[torch.Tensor], to: list[torch.Tensor]) -> None:
    for tensor, value in zip(to, values, strict=True):
        tensor.copy_(value)


def _state(net: torch.nn.Module, optimiser: PaperSGD) -> list[torch.Tensor]:
    return [one for p in net.parameters() for one in (p.detach(), optimiser.state[p]["velocity"])]
