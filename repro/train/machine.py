"""What training asks of a process, and how fast this machine does a net's steps."""

from __future__ import annotations

import ctypes
import platform
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

from repro.data.batches import Batches
from repro.data.known import KNOWN
from repro.data.sets import Images
from repro.models import registry, tables
from repro.train import loop

TEST_IMAGES = 500  # of a probe's test pass: one batch of the loop's own
TIMED_SECONDS = 0.3  # of updates; with the warm ones, the test passes and the net, a probe stays under 2 s


def settle_process(device: str) -> None:
    """One thread on the CPU, so that the same machine gives the same bits; memory kept instead of returned.

    glibc hands every freed block above 128 kB back to the system, and the next minibatch pays for its pages again:
    17 % of a training step on the machine where this was measured.
    """
    if device == "cpu":
        torch.set_num_threads(1)
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for option, value in ((-3, 1 << 30), (-1, 2**31 - 1), (-2, 256 << 20)):  # mmap and trim thresholds, padding
            libc.mallopt(option, value)


@lru_cache
def step_seconds(
    data: str, scale: Any, kind: registry.Kind, activation: str, width: float, batch: int, precision: str, device: str
) -> tuple[float, float]:
    """Seconds of (an update of `batch` images, one image of the test pass): the loop's own steps, measured once warm.

    On random pixels, so that a plan needs no data: the arithmetic is the same, whatever the values.
    """
    settle_process(device)
    known = KNOWN[data]
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (max(batch, TEST_IMAGES), *known.shape), dtype=torch.uint8, generator=draw)
    y = torch.randint(0, len(known.classes), (len(x),), generator=draw)
    images = Images(data, x, y, x[:TEST_IMAGES], y[:TEST_IMAGES], known.classes, content="")
    trainer = loop.trainer(
        model={"kind": kind, "activation": activation, "width": width, "init": "he"},
        train={
            "batch": batch,
            "lr": 1e-6,
            "bias_lr": 2.0,
            "momentum": 0.9,
            "weight_decay": {row.name: 0.0005 for row in tables.weighted(registry.table(kind, classes=2))},
            "file_images": len(x),
            "order": "repeated",
        },
        seed=0,
        precision=precision,
        batches=Batches(images, device=device, scale=scale),
    )
    index = torch.arange(batch, device=device)

    def seconds(action: Callable[[], object], times: int) -> float:
        _synchronise(device)
        start = time.perf_counter()
        for _ in range(times):
            action()
        _synchronise(device)
        return (time.perf_counter() - start) / times

    warm = min(seconds(lambda: trainer.update(index), 1) for _ in range(2))  # the first prepares kernels too
    update = seconds(lambda: trainer.update(index), max(1, min(100, int(TIMED_SECONDS / warm))))
    trainer.test()
    return update, seconds(trainer.test, 1) / TEST_IMAGES


def _synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
