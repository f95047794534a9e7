"""Measurements of a net in test mode: errors, losses, saturated units, the norms of its weights."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from repro.data.batches import Batch
from repro.data.photos.crops import PhotoBatches
from repro.nets import modules
from repro.store.rows import Half, Saturation, Tests

if TYPE_CHECKING:
    from repro.train.loop import Trainer

PHOTOS = 100  # over which outputs above 0 and saturated units are counted; 1,000 small images (assumed)
# Derivative, relative to its largest, below which a unit counts as saturated (assumed): of tanh beyond +-0.99.
SATURATED = 0.02


def measure(run: Trainer, *, units: bool = False) -> Tests:
    """Measure error and mean loss on the test images; with crops also top-5 error, and both on fixed training photos.

    `units`: what `saturated` measures, too. A loss that is not finite is left out. Sets `run.correct`, bool [test
    images].
    """
    ranks, loss = _ranks(run, run.batches.test(500))  # any size gives the same counts
    run.correct = (ranks == 0).cpu()
    out: Tests = {"test_error": share(ranks >= 1)}
    if loss is not None:
        out["test_loss"] = loss
    if units and (layers := saturated(run)) is not None:
        out["saturated"] = layers
    if isinstance(run.batches, PhotoBatches):
        out["test_top5"] = share(ranks >= 5)
        ranks, loss = _ranks(run, run.batches.fixed(500))
        out["fixed_error"] = share(ranks >= 1)
        if loss is not None:
            out["fixed_loss"] = loss
    return out


def held_out(run: Trainer, *, update: int) -> Half:
    """Return error and mean loss on centre views of the held-out photos after `update`; None if there are none."""
    assert isinstance(run.batches, PhotoBatches)
    ranks, loss = _ranks(run, run.batches.held_out(500))
    return {
        "update": update,
        "held_out_error": share(ranks >= 1) if len(ranks) else None,
        "held_out_loss": loss,
    }


@torch.no_grad()
def positive(run: Trainer) -> dict[str, float]:
    """Return for each layer with weights the share of its outputs above 0, over the first fixed training photos.

    Initial biases of 1 are meant to raise this share (§5). The norms of libraries, whose weights are vectors, are left
    out.
    """
    assert isinstance(run.batches, PhotoBatches)
    shares: dict[str, float] = {}
    layers = {group["layer"] for group in run.optimiser.param_groups if group["params"][0].dim() > 1}
    hooks = [
        layer.register_forward_hook(
            lambda _, __, out, name=name: shares.update({name: float((out > 0).float().mean())})
        )
        for name, layer in run.net.named_modules()
        if name and name in layers
    ]
    run.net.eval()
    x, _ = next(iter(run.batches.fixed(PHOTOS)))
    run.logits(x)
    for hook in hooks:
        hook.remove()
    return shares


@torch.no_grad()
def saturated(run: Trainer) -> dict[str, Saturation] | None:
    """Return for each hidden layer the shares of saturated `outputs` and of `units` that are saturated for all images.

    A saturated output passes almost no gradient (§3.3: a ReLU learns if some images give it a positive input). Over
    1,000 test images, or 100 fixed training photos; None for nets that are not sequential.
    """
    if not isinstance(run.net, torch.nn.Sequential):
        return None
    run.net.eval()
    layers, last = {group["layer"] for group in run.optimiser.param_groups}, ""
    out: dict[str, Saturation] = {}
    batches = run.batches.fixed(PHOTOS) if isinstance(run.batches, PhotoBatches) else run.batches.test(1000)
    x, _ = next(iter(batches))
    for name, layer in run.net.named_children():
        x, last = layer(x), name if name in layers else last
        if type(layer) in modules.SLOPES:
            flat = modules.SLOPES[type(layer)](x) < SATURATED
            out[last] = {"outputs": share(flat.flatten()), "units": share(flat.all(0).flatten())}
    return out


@torch.no_grad()
def norms(run: Trainer) -> dict[str, float]:
    """Return the Euclidean norm of the weights of each layer, without biases: decay keeps it small (§5)."""
    weights = [(name, p) for name, p in run.net.named_parameters() if name.endswith(".weight")]
    sizes = torch.stack([weight.norm() for _, weight in weights]).tolist()  # read from a GPU once
    return {name.removesuffix(".weight"): size for (name, _), size in zip(weights, sizes, strict=True)}


def rank(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the rank of class y among scores [n, classes]: int64 [n], 0 for the highest score.

    Of equal scores the lower class comes first; a NaN score of class y comes last.
    """
    own = scores.gather(1, y[:, None])
    ahead = (scores > own) | ((scores == own) & (torch.arange(scores.shape[1], device=y.device) < y[:, None]))
    return torch.where(own.isnan().squeeze(1), scores.shape[1], ahead.sum(1))


@torch.no_grad()
def _ranks(run: Trainer, batches: Iterator[Batch]) -> tuple[torch.Tensor, float | None]:
    """Return (the ranks of the images' own classes, int64 [n]; the mean loss, None if it is not finite)."""
    run.net.eval()
    ranks, losses = [torch.empty(0, dtype=torch.int64, device=run.batches.device)], []
    for x, y in batches:
        logits = run.logits(x)
        ranks.append(rank(logits, y))
        losses.append(F.cross_entropy(logits, y, reduction="sum"))
    every = torch.cat(ranks)
    loss = float(torch.stack(losses).sum()) / len(every) if losses else None
    return every, loss if loss is not None and isfinite(loss) else None


def share(which: torch.Tensor) -> float:
    """Return the share of a bool tensor that is true."""
    return float(which.sum()) / len(which)
