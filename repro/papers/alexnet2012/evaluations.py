"""The evaluations of AlexNet that refer to its layers: thinned nets, neighbours by fc7, kernels of conv1 by tower.

This is the only module of the paper's folder that needs torch; the engine loads it by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
import torch

from repro.train import evaluations
from repro.train.evaluations import Results, photos_of
from repro.train.loop import Trainer, initial_net
from repro.train.seeds import generator


def kernels(run: Trainer, *, permutations: int, new: float) -> Results:
    """Measure the share of colour in conv1's kernels by tower (§6.1); the first half of the kernels is tower 1.

    The learned part of a kernel is the kernel minus its projection on its initial values, the remaining noise. The
    chroma share is the part of the learned energy off the grey axis; it is 2/3 for noise. A kernel is not counted if
    less than `new` of its energy is learned.
    Arrays: `kernels` [kernels, 3, height, width], `new` and `chroma` [kernels].
    """
    batches = photos_of(run)
    now = run.net.get_parameter("conv1.weight").detach().float().cpu()
    began = initial_net(run.model, seed=run.seed, classes=batches.classes, image=batches.image)
    start = began.get_parameter("conv1.weight").detach().float()
    now, start = now.contiguous().double(), start.contiguous().double()
    left = (now * start).sum((1, 2, 3)) / start.square().sum((1, 2, 3))
    learned = now - left[:, None, None, None] * start
    energy = learned.square().sum((1, 2, 3))
    share = energy / now.square().sum((1, 2, 3))
    chroma = 1 - 3 * learned.mean(1).square().sum((1, 2)) / energy.clamp(min=1e-30)
    tower = torch.arange(len(now)) >= len(now) // 2
    counted = share >= new
    shares, second = chroma[counted], tower[counted]
    values: dict[str, float] = {"kernels": len(now), "learned": len(shares), "learned_1": int((~second).sum())}
    values |= {"learned_2": int(second.sum()), "p": 1.0, "difference": 0.0}
    for name, part in (("chroma_1", shares[~second]), ("chroma_2", shares[second])):
        values[name] = float(part.mean()) if len(part) else float("nan")
    if values["learned_1"] and values["learned_2"]:
        size, total = int(second.sum()), shares.sum()

        def distance(sums: torch.Tensor) -> torch.Tensor:
            return (sums / size - (total - sums) / (len(shares) - size)).abs()

        draw = generator(run.seed, "permutations")
        orders = (torch.randperm(len(shares), generator=draw)[:size] for _ in range(permutations))
        drawn = torch.stack([shares[order].sum() for order in orders])
        observed = distance(shares[second].sum())
        # the observed arrangement counts too, so p is never 0; equal sums may differ in their last digits
        values["p"] = (1 + int((distance(drawn) >= observed - 1e-12).sum())) / (1 + permutations)
        values["difference"] = float(observed)
    values = {name: value for name, value in values.items() if value == value}
    kept = {"kernels": now.numpy().astype(np.float16), "new": share.numpy().astype(np.float32)}
    return Results(values, arrays=kept | {"chroma": chroma.numpy().astype(np.float32)})


# The evaluations by their recorded kind; the measures of `repro.papers.alexnet2012.questions` read
# them. Dropout masks the inputs of fc7 and fc8 (§4.2), and Figure 4 compares the outputs of fc7 (§6.1).
EVALUATIONS: Final[Mapping[str, Callable[..., Results]]] = {
    "thinned_nets": partial(evaluations.thinned_nets, masked=("fc7", "fc8")),
    "kernels": kernels,
    "neighbours": partial(evaluations.neighbours, layer="fc7"),
}
