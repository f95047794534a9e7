"""One training update of the 19pct net: ours, beside the plain PyTorch loop, and the machine's own matrix product.

All in one process, one thread on the CPU, in turn, on the same digits-shaped noise: a minibatch of 128 32x32 images.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import nn
from torch.nn import functional as F

from repro.data.batches import Batches
from repro.data.sets import Images
from repro.execute import settle_process
from repro.models import cuda_convnet, tables
from repro.train import loop

BATCH = 128  # §5
ROUNDS = 10  # assumed


def measure() -> list[str]:
    """Images/s of each, the ratio ours / theirs, and ours against the rate of a 1024^3 matrix product."""
    torch.set_num_threads(1)
    formats = {"plain PyTorch loop": torch.contiguous_format, "the same, channels_last": torch.channels_last}
    theirs = {name: _seconds(_plain(of)) for name, of in formats.items()}  # before the process is settled
    settle_process("cpu")
    ours = _seconds(_ours())
    a = torch.randn(1024, 1024)
    product = _seconds(lambda: a @ a)
    rows = cuda_convnet.table("cuda_convnet_19pct")
    adds = tables.multiply_adds(rows, (3, 32, 32))
    # forward once, backward twice (inputs and weights), but for conv1, whose input needs no gradient
    needed = BATCH * (3 * sum(adds.values()) - adds["conv1"])
    at_product_rate = needed / (1024**3 / product)
    lines = [f"{'ours':<26} {BATCH / ours:7.0f} images/s"]
    for name, seconds in theirs.items():
        lines.append(f"{name:<26} {BATCH / seconds:7.0f} images/s   ours is {seconds / ours:.2f} times as fast")
    lines.append(f"a step takes {ours / at_product_rate:.2f} times what its multiply-adds take as one matrix product")
    return lines


def _seconds(step: Callable[[], object]) -> float:
    for _ in range(3):
        step()
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    return median(taken)


def _ours() -> Callable[[], object]:
    pixels = torch.randint(0, 256, (BATCH, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(BATCH) % 10
    images = Images("noise", pixels, labels, pixels[:10], labels[:10], tuple("0123456789"), "noise")
    rows = tables.weighted(cuda_convnet.table("cuda_convnet_19pct"))
    trainer = loop.trainer(
        model={"kind": "cuda_convnet_19pct", "init": {row.name: row.std for row in rows}},
        train={
            "batch": BATCH,
            "lr": 1e-6,
            "bias_lr": 2.0,
            "momentum": 0.9,
            "weight_decay": {row.name: row.decay for row in rows},
            "file_images": 10_000,
            "order": "repeated",
        },
        seed=0,
        precision="fp32",
        batches=Batches(images, device="cpu", scale="raw"),
    )
    return lambda: trainer.step.update(*trainer.batches.train(torch.arange(BATCH)))


def _plain(memory_format: torch.memory_format) -> Callable[[], object]:
    """The same net as a tutorial would write it."""
    net = nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(32, 32, 5, padding=2),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(1024, 10),
    ).to(memory_format=memory_format)
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-6, momentum=0.9, weight_decay=0.004)
    x = torch.randn(BATCH, 3, 32, 32).to(memory_format=memory_format)
    y = torch.arange(BATCH) % 10

    def step() -> None:
        optimiser.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimiser.step()

    return step
