"""Images/s of training in alternating rounds: the whole pipeline with loading and augmentation, and the step only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

import torch

from repro.data.batches import Batch
from repro.store.rows import Rounds
from repro.train.loop import Trainer
from repro.train.seeds import generator


def synchronise(device: str) -> None:
    """Wait until a GPU has finished its work."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(action: Callable[[], object], times: int, device: str) -> float:
    """Return the mean seconds of `action` over `times` consecutive calls."""
    synchronise(device)
    start = time.perf_counter()
    for _ in range(times):
        action()
    synchronise(device)
    return (time.perf_counter() - start) / times


def in_turn(arms: Mapping[str, Trainer], *, updates: int, rounds: int, warm: int) -> dict[str, Rounds]:
    """Return by arm the images/s of each counted round: of the whole pipeline of an epoch, and of the step only.

    Arms take turns, and each round starts with another arm. The pipeline is that of the training loop: photos are read,
    cropped and mirrored as they are used, and a round includes its share of the draws of an epoch. The step is repeated
    on one minibatch. The first `warm` rounds are not counted.
    """
    out: dict[str, Rounds] = {name: {"pipeline": [], "step": []} for name in arms}
    minibatches = {name: first_minibatch(trainer) for name, trainer in arms.items()}
    for trainer in arms.values():
        trainer.order = "fresh"  # each round reads other photos
    for r in range(warm + rounds):
        for name in [*arms][r % len(arms) :] + [*arms][: r % len(arms)]:
            trainer = arms[name]
            images = sum(trainer.sizes[:updates])
            whole = _pipeline(trainer, updates, epoch=r + 1)
            alone = seconds(partial(trainer.step.repeat, *minibatches[name]), updates, trainer.batches.device.type)
            if r >= warm:
                out[name]["pipeline"].append(images / whole)
                out[name]["step"].append(len(minibatches[name][1]) / alone)
    return out


def first_minibatch(trainer: Trainer) -> Batch:
    """Return the first minibatch of an epoch, after setting dropout masks for it."""
    device, size = trainer.batches.device, trainer.sizes[0]
    order = torch.arange(size, device=device)
    draws = trainer.batches.draw(generator(trainer.seed, "augment", 1), images=size)
    put_masks(trainer, size)
    return trainer.batches.train(order, draws)


def put_masks(trainer: Trainer, images: int) -> None:
    """Set dropout masks for a minibatch of `images` images that is used repeatedly."""
    if (masks := trainer.step.masks).layers:
        masks.put(masks.draw(images, partial(generator, trainer.seed, "dropout", 1)).to(trainer.batches.device))


def _pipeline(trainer: Trainer, updates: int, epoch: int) -> float:
    """Return the seconds of the first `updates` updates of an epoch and of their share in its draws."""
    device = trainer.batches.device.type
    synchronise(device)
    start = time.perf_counter()
    sizes, _ = trainer.begin(epoch)
    synchronise(device)
    drawn = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(updates):
        trainer.step()
    synchronise(device)
    return time.perf_counter() - start + drawn * sum(sizes[:updates]) / sum(sizes)
