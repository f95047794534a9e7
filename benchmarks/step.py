"""One update of the 19pct net, or of AlexNet, and of what people would train instead: the rows of two tables.

All in one process and in turn, on the same noise: a minibatch of 128 images, one thread on the CPU. The process is
settled as for training, and TF32 is off, for all alike. `step` is the 19pct net on 32 x 32 pixels, `net` the paper's
net on 224 x 224, with dropout, in both readings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from benchmarks import compiled, rivals, turns
from repro.data.batches import Batches
from repro.doctor import plain
from repro.engine.turns import LAYOUT_NAMES, Contender, noise, other_layout, ours
from repro.train.machine import settle_process

KINDS = {"step": "cuda_convnet_19pct", "net": "alexnet"}
ROUNDS = {"step": 9, "net": 5}  # assumed; fewer than five decide nothing
UPDATES = {("step", "cpu"): 5, ("net", "cpu"): 1, ("step", "cuda"): 200, ("net", "cuda"): 50}  # of a round (assumed)


def results(
    part: str, device: str, *, rounds: int | None = None, batch: int = turns.BATCH, give_up: float = compiled.GIVE_UP
) -> Iterator[str | dict[str, Any]]:
    """Time `step` or `net`: yield lines on what is being done, then the result as plain data.

    `give_up`: seconds after which a compilation is given up; 0 leaves torch.compile out.
    """
    kind = KINDS[part]
    pixels = plain.SIDES[kind]
    settle_process(device)
    batches = noise(batch, pixels, plain.CLASSES[kind], device)
    contenders: list[Contender] = []
    for precision in turns.PRECISIONS[device]:
        contenders += _own(part, kind, batches, precision)
        minibatch = batches.train(torch.arange(batch, device=device))
        formats = torch.contiguous_format, torch.channels_last
        contenders += [plain.plain(kind, minibatch, layout, precision) for layout in formats]
        for mode in compiled.MODES if give_up else ():
            yield f"torch.compile ({mode}, {precision}) compiles; given up after {give_up:.0f} s"
            contenders.append(compiled.contender(kind, minibatch, precision, mode, give_up))
        contenders.append(rivals.timms(kind, minibatch, precision))
        if part == "net":
            contenders += [rivals.torchvisions(minibatch, layout, precision) for layout in formats]
    yield from turns.in_turn(
        part,
        contenders,
        device=device,
        pixels=pixels,
        batch=batch,
        rounds=rounds or ROUNDS[part],
        updates=UPDATES[part, device],
    )


def _own(part: str, kind: str, batches: Batches, precision: str) -> list[Contender]:
    other = other_layout(batches.device.type)
    if part == "step":
        return [
            ours("ours", kind, batches, precision),
            ours(f"ours, {LAYOUT_NAMES[other]}", kind, batches, precision, layout=other),
        ]
    first = "ours, reading `paper`"
    return [
        ours(first, kind, batches, precision, reading="paper"),
        ours(f"{first}, {LAYOUT_NAMES[other]}", kind, batches, precision, layout=other, reading="paper"),
        ours("ours, reading `source`", kind, batches, precision, reading="source"),
        ours(
            "the same as the first, with `nn.LocalResponseNorm`",
            kind,
            batches,
            precision,
            change=rivals.with_torchs_norms,
            reading="paper",
        ),
    ]
