"""torch.compile as a rival: compiled in a process that can be ended, then timed in this one from the same cache.

No timeout of Python ends a compilation that hangs inside a compiler. So a child in a session of its own compiles first,
into an empty cache, and is killed with all that it started once the time is up. If it ends in time, this process
compiles again from the cache, which takes seconds, so that all contenders are still timed in one process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory
from typing import Any

import torch

from repro.data.batches import Batch
from repro.doctor import plain
from repro.engine.turns import Contender
from repro.train.machine import settle_process
from repro.train.throughput import seconds

MODES = ("default", "max-autotune")
GIVE_UP = 600.0  # seconds for one mode (assumed)
CACHE = "TORCHINDUCTOR_CACHE_DIR"  # read by torch


@contextmanager
def empty_cache() -> Iterator[None]:
    """Give torch.compile an empty cache on disk, for this process and its children."""
    before = os.environ.get(CACHE)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ[CACHE] = folder
        try:
            yield
        finally:
            os.environ.pop(CACHE)
            if before is not None:
                os.environ[CACHE] = before


def contender(kind: str, minibatch: Batch, precision: str, mode: str, give_up: float) -> Contender:
    """Return the plain net, channels last, compiled in `mode`; it is given up after so many seconds."""
    x, y = minibatch
    device = x.device.type
    out = _built(kind, minibatch, precision, mode)
    assert out.step is not None
    with empty_cache():
        work = kind, (x.cpu().numpy(), y.cpu().numpy()), device, precision, mode
        out.compile_seconds, out.failed = in_time(_compile, work, give_up)
        if out.failed is None:
            seconds(out.step, 1, device)  # from the cache
    if out.failed is not None:
        out.step = None
    return out


def in_time(work: Callable[..., float], arguments: tuple[Any, ...], limit: float) -> tuple[float | None, str | None]:
    """Do `work(*arguments)` in a child of its own session: (its result, None), or (None, why there is none).

    When `limit` seconds are over, after as many at most to start it, the child is killed with every process that it
    started.
    """
    context = multiprocessing.get_context("spawn")  # a process that has used a GPU cannot be forked
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_serve, args=(theirs, work, arguments), daemon=True)
    child.start()
    theirs.close()
    try:
        for _ in ("begun", "done"):
            if not ours.poll(limit):
                return None, f"given up after {limit:.0f} s"
            answer = ours.recv()
        return (None, answer) if isinstance(answer, str) else (answer, None)
    except EOFError:
        child.join()
        return None, f"the process that compiled it ended with exit code {child.exitcode}"
    finally:
        _end(child.pid)
        child.join()
        ours.close()


def _end(pid: int | None) -> None:
    """Kill a child and what it started; before it has a session of its own, the child alone."""
    assert pid is not None
    for end in (os.killpg, os.kill):
        with suppress(ProcessLookupError):
            end(pid, signal.SIGKILL)


def _serve(pipe: Connection, work: Callable[..., float], arguments: tuple[Any, ...]) -> None:
    os.setsid()
    pipe.send("begun")
    try:
        pipe.send(work(*arguments))
    except Exception as error:  # whatever a compiler raises is the finding
        *_, last = ["", *str(error).strip().splitlines()]
        pipe.send(f"did not compile: {type(error).__name__}: {last}")


def _compile(kind: str, arrays: tuple[Any, Any], device: str, precision: str, mode: str) -> float:
    """Return the seconds of the first update, which compiles."""
    settle_process(device)
    x, y = (torch.from_numpy(array).to(device) for array in arrays)
    step = _built(kind, (x, y), precision, mode).step
    assert step is not None
    start = time.perf_counter()
    seconds(step, 1, device)
    return time.perf_counter() - start


def _built(kind: str, minibatch: Batch, precision: str, mode: str) -> Contender:
    net = plain.plain_net(kind).to(minibatch[0].device, memory_format=torch.channels_last)
    adds = plain.multiply_adds(kind)
    name = f"`torch.compile` of the plain net, {mode}, channels last"
    return plain.trained(name, torch.compile(net, mode=mode), minibatch, torch.channels_last, precision, adds)
