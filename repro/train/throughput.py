"""Images/s of training: rounds of updates in turn, loading and augmentation included, beside the step alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

import torch

from repro.data.batches import Batch
from repro.models import nets
from repro.train.loop import Trainer
from repro.train.order import permutation
from repro.train.seeds import generator


def synchronise(device: str) -> None:
    """Wait for what a GPU has been given to do."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(action: Callable[[], object], times: int, device: str) -> float:
    """Of one `action`, from `times` of them."""
    synchronise(device)
    start = time.perf_counter()
    for _ in range(times):
        action()
    synchronise(device)
    return (time.perf_counter() - start) / times


def step(trainer: Trainer, minibatch: Batch) -> None:
    """The training loop's own update on a minibatch that is there, masks of dropout drawn anew."""
    trainer.net.train()
    nets.draw_masks(trainer.net, partial(generator, trainer.seed, "dropout", 1))
    trainer.update(minibatch)


def in_turn(arms: Mapping[str, Trainer], *, updates: int, rounds: int, warm: int) -> dict[str, dict[str, list[float]]]:
    """By arm, images/s of each round that counts: of the whole `pipeline` of an epoch, and of the `step` alone.

    Arms take turns, and each round another one begins. The pipeline is the loop's: photos are read, cropped and
    mirrored as they are taken, and a round is charged its share of what is drawn once an epoch. The step is repeated on
    one minibatch. The first `warm` rounds do not count.
    """
    out: dict[str, dict[str, list[float]]] = {name: {"pipeline": [], "step": []} for name in arms}
    kept = {name: _first(trainer) for name, trainer in arms.items()}
    for r in range(warm + rounds):
        for name in [*arms][r % len(arms) :] + [*arms][: r % len(arms)]:
            trainer = arms[name]
            images = sum(trainer.sizes[:updates])
            whole = _pipeline(trainer, updates, epoch=r + 1)
            alone = seconds(partial(step, trainer, kept[name]), updates, trainer.batches.device.type)
            if r >= warm:
                out[name]["pipeline"].append(images / whole)
                out[name]["step"].append(len(kept[name][1]) / alone)
    return out


def _first(trainer: Trainer) -> Batch:
    """The first minibatch of an epoch."""
    device, size = trainer.batches.device, trainer.sizes[0]
    draws = trainer.batches.draw(generator(trainer.seed, "augment", 1))
    order = torch.arange(size, device=device)
    return next(trainer.batches.epoch(order, [size], draws if draws is None else next(draws.split([size]))))


def _pipeline(trainer: Trainer, updates: int, epoch: int) -> float:
    """Seconds of the first `updates` updates of an epoch, and of their share in what is drawn for all of it."""
    device, sizes = trainer.batches.device.type, trainer.sizes[:updates]
    images = sum(sizes)
    synchronise(device)
    start = time.perf_counter()
    order = permutation(sum(trainer.sizes), seed=trainer.seed, epoch=epoch, order="fresh").to(trainer.batches.device)
    draws = trainer.batches.draw(generator(trainer.seed, "augment", epoch))
    synchronise(device)
    drawn = time.perf_counter() - start
    part = draws if draws is None else next(draws.split([images]))
    start = time.perf_counter()
    for minibatch in trainer.batches.epoch(order[:images], sizes, part):
        step(trainer, minibatch)
    synchronise(device)
    return time.perf_counter() - start + drawn * images / sum(trainer.sizes)
