"""Settings of a training process, and the speed of a net's steps on this machine."""

from __future__ import annotations

import ctypes
import platform
from typing import NamedTuple

import torch

from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.train import loop, testing
from repro.train.loop import Options
from repro.train.throughput import seconds

TIMED_SECONDS = 0.3  # of updates; a whole probe stays under 2 s


class Step(NamedTuple):
    """Seconds per update, and per image in test mode."""

    update: float
    image: float


def settle_process(device: str) -> None:
    """Use one thread on the CPU, so that results are reproducible on a machine, and keep freed memory.

    By default glibc returns every freed block above 128 kB to the system, and the next minibatch must get its pages
    again: this took 17 % of a training step on the machine where it was measured.
    """
    if device == "cpu":
        torch.set_num_threads(1)
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for option, value in ((-3, 1 << 30), (-1, 2**31 - 1), (-2, 256 << 20)):  # mmap and trim thresholds, padding
            libc.mallopt(option, value)


def step_seconds(batches: Batches | PhotoBatches, *, model: Options, train: Options, precision: str) -> Step:
    """Measure the seconds of a run's updates and test passes on the device of `batches`, after a warm-up.

    `batches` may hold noise, so that a plan needs no data: the time does not depend on the values.
    """
    settle_process(batches.device.type)
    trainer = loop.trainer(model=model, train=dict(train) | {"lr": 1e-6}, seed=0, precision=precision, batches=batches)
    trainer.order = "fresh"
    left = 0

    def update() -> None:
        nonlocal left
        if left == 0:
            sizes, _ = trainer.begin(1)
            left = len(sizes)
        trainer.step()
        left -= 1

    device = batches.device.type
    warm = min(seconds(update, 1, device) for _ in range(2))  # the first prepares kernels too
    taken = seconds(update, max(1, min(100, int(TIMED_SECONDS / warm))), device)
    testing.measure(trainer)
    assert trainer.correct is not None
    return Step(taken, seconds(lambda: testing.measure(trainer), 1, device) / len(trainer.correct))
