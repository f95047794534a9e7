"""Several runs of the 19pct net side by side, one process each: seconds an epoch and model, against one run alone.

An epoch is the loop's own, on images of noise: drawn, put on the device, every update done, its losses read; the test
images are not looked at. Rival: a plain PyTorch loop, channels last, in the same processes. All rows take turns.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from benchmarks import turns
from repro.doctor import plain
from repro.engine.turns import noise, trainer
from repro.errors import RunError
from repro.train.machine import settle_process
from repro.train.throughput import seconds

KIND = "cuda_convnet_19pct"
EPOCH = 50_000  # images: CIFAR-10's, for which seconds are given
IMAGES = {"cpu": 6_400, "cuda": 50_000}  # trained in an epoch of the bench; on a CPU an eighth, scaled up (assumed)
ROUNDS = 5  # fewer decide nothing


def results(
    device: str, workers: int, *, rounds: int | None = None, images: int | None = None
) -> Iterator[str | dict[str, Any]]:
    """Time the sweep with so many `workers`: yield a line on how long it takes, then the result as plain data."""
    rounds, images = rounds or ROUNDS, images or IMAGES[device]
    made = turns.made(device)
    precisions = turns.PRECISIONS[device]
    side_by_side = f"{workers} side by side"
    rows = [(loop, p, n) for p in precisions for n in dict.fromkeys((1, workers)) for loop in ("ours", "plain")]
    names = {1: "one alone", workers: side_by_side} if workers > 1 else {1: "one alone"}
    taken: dict[Any, list[float]] = {row: [] for row in rows}
    products: dict[str, list[float]] = {p: [] for p in precisions}
    crew = _hire(workers, device, images)
    try:
        _at_once(crew, ("ready",))
        for r in range(rounds + 1):
            for p in precisions:
                products[p].append(_at_once(crew[:1], ("product", p)))
            for loop, precision, n in rows[r % len(rows) :] + rows[: r % len(rows)]:
                whole = _at_once(crew[:n], (loop, precision))
                taken[loop, precision, n].append(whole / n * EPOCH / images)
            if r == 0:
                once = sum(values[0] * n for (_, _, n), values in taken.items()) * images / EPOCH
                yield f"the round that warms up took {once:.0f} s; {rounds} more of them follow"
    finally:
        for process, _ in crew:
            process.terminate()
            process.join()
    loops = {"ours": "ours", "plain": "plain PyTorch, channels last"}
    adds, update = plain.multiply_adds(KIND)
    yield {
        "bench": "sweep",
        "made": made,
        "workers": workers,
        "batch": turns.BATCH,
        "pixels": plain.SIDES[KIND],
        "images": images,
        "rounds": rounds,
        "products": [
            {"size": turns.PRODUCT[device], "precision": p, "seconds": values[1:]} for p, values in products.items()
        ],
        "steps": [
            {
                "name": f"{loops[loop]}, {names[n]}",
                "precision": precision,
                "multiply_adds": adds,
                "update_multiply_adds": update,
                "seconds": values[1:],
            }
            for (loop, precision, n), values in sorted(
                taken.items(), key=lambda item: (precisions.index(item[0][1]), item[0][0], item[0][2])
            )
        ],
    }


Worker = tuple[BaseProcess, Connection]


def _hire(workers: int, device: str, images: int) -> list[Worker]:
    context = multiprocessing.get_context("spawn")  # a process that has used a GPU cannot be forked
    crew: list[Worker] = []
    for _ in range(workers):
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, device, images), daemon=True)
        process.start()
        there.close()
        crew.append((process, here))
    return crew


def _at_once(crew: Sequence[Worker], what: tuple[str, ...]) -> float:
    """Return the seconds until the last of these workers has done `what`. RunError where one ended instead."""
    start = time.perf_counter()
    for _, pipe in crew:
        with suppress(BrokenPipeError):  # found below
            pipe.send(what)
    for process, pipe in crew:
        try:
            pipe.recv()
        except (EOFError, ConnectionResetError):
            process.join()
            raise RunError(
                f"bench sweep: a worker ended with exit code {process.exitcode}; run it again with fewer --workers if "
                "memory is short"
            ) from None
    return time.perf_counter() - start


def _serve(pipe: Connection, device: str, images: int) -> None:
    settle_process(device)
    actions: dict[tuple[str, ...], Callable[[], object]] = {("ready",): lambda: None}
    for precision in turns.PRECISIONS[device]:
        actions["ours", precision] = _ours(device, images, precision)
        actions["plain", precision] = _plain(device, images, precision)
        actions["product", precision] = turns.product(turns.PRODUCT[device], precision, device)
    with suppress(EOFError):  # the bench has ended
        while True:
            pipe.send(seconds(actions[pipe.recv()], 1, device))


def _ours(device: str, images: int, precision: str) -> Callable[[], object]:
    run = trainer(KIND, noise(images, 32, 10, device), batch=turns.BATCH, precision=precision)
    epoch = 0

    def train() -> None:
        nonlocal epoch
        epoch += 1
        sizes, _ = run.begin(epoch)
        for _ in sizes:
            run.step()
        run.step.losses_and_errors()

    return train


def _plain(device: str, images: int, precision: str) -> Callable[[], object]:
    batches = noise(images, 32, 10, device)
    x, y = batches.train(torch.arange(images, device=device))
    minibatch = x[: turns.BATCH].contiguous(memory_format=torch.channels_last).clone(), y[: turns.BATCH].clone()
    step = plain.plain(KIND, minibatch, torch.channels_last, precision).step
    assert step is not None

    def train() -> None:
        for places in torch.randperm(images).to(device).split(turns.BATCH):
            if len(places) == turns.BATCH:  # the plain step's buffers are of one size; ours does the rest too
                minibatch[0].copy_(x.index_select(0, places))
                minibatch[1].copy_(y.index_select(0, places))
            step()

    return train
