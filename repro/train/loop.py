"""One training run: a generator that trains an epoch and yields its row.

Nothing here uses global randomness, writes a file or prints. A run that is resumed from the state after any epoch gives
the same results as an uninterrupted one, bit for bit on the CPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import torch

from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.nets import library, modules
from repro.store.rows import Half, Row, Tests
from repro.train import sgd, testing
from repro.train.minibatches import EVERY_NTH, RECORDED, batch_sizes, is_tested
from repro.train.order import permutation
from repro.train.schedule import Schedule
from repro.train.seeds import generator
from repro.train.step import Step, logits_of

# Keyword arguments from a configuration, of various types; the functions that take them declare each type.
Options = Mapping[str, Any]
SCHEDULE = (
    "drops",
    "plateau",
    "colour_until",
    "freeze",
    "fold_in",
)  # keys of a training rule that are arguments of `Schedule`


@dataclass
class Trainer:
    """A net with its optimiser and data: `epochs` trains it, `state` and `load` save and restore a checkpoint."""

    net: torch.nn.Module
    optimiser: sgd.PaperSGD
    batches: Batches | PhotoBatches
    sizes: list[int]  # of an epoch's minibatches
    folded: list[int]  # the same for epochs with the held-out images
    order: str
    seed: int
    precision: str
    schedule: Schedule
    model: Mapping[str, Any]  # the arguments that the net was built with
    every_epoch: bool = False  # whether the test images are measured after every epoch
    layout: torch.memory_format | None = None  # of `Step`
    capture: bool = True  # of `Step`
    parts: int = 1  # of `Step`
    epoch: int = 0
    correct: torch.Tensor | None = None  # bool [test images], of the last epoch with a test
    progress: Callable[[int, int, int], None] | None = None  # is told (epoch, updates done in it, updates of it)
    step: Step = field(init=False)

    def __post_init__(self) -> None:
        self.step = Step(
            self.net,
            self.optimiser,
            self.batches,
            seed=self.seed,
            precision=self.precision,
            layout=self.layout,
            capture=self.capture,
            parts=self.parts,
        )

    def epochs(self, last: int) -> Iterator[Row]:
        """Train up to and including epoch `last` and yield a row for each epoch.

        Stop earlier after a divergence or by the plateau rule.
        """
        while self.epoch < last:
            row = self._train_epoch()
            yield row
            if row["diverged"] or row.get("ended"):
                return

    def _train_epoch(self) -> Row:
        start, photos = time.perf_counter(), isinstance(self.batches, PhotoBatches)
        epoch = self.epoch + 1
        sizes, first = self.begin(epoch)
        positive = testing.positive(self) if photos and epoch == 1 else None
        halves = self._updates(len(sizes), first)
        losses, errors = self.step.losses_and_errors()
        good = next((i for i, loss in enumerate(losses) if not isfinite(loss)), len(losses))
        diverged = first + good + 1 if good < len(losses) else None
        losses, errors, sizes = losses[:good], errors[:good], sizes[:good]
        halves = [half for half in halves if half["update"] <= first + good]  # on a GPU the epoch went on
        self.epoch = epoch
        ended, norms, tests = False, None, Tests()
        if not diverged:
            ended = self.schedule.after(halves[-1]["held_out_error"] if photos else None)
            norms = testing.norms(self) if photos else None
            if self.every_epoch or is_tested(epoch) or ended:
                tests = testing.measure(self, units=True)
        images = max(1, sum(sizes))
        row: Row = {
            "epoch": epoch,
            "update": first + good,
            "train_error": sum(errors) / images,
            "train_loss": sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / images,
            "seconds": time.perf_counter() - start,
            "updates": [
                (first + u, loss, wrong)
                for u, (loss, wrong) in enumerate(zip(losses, errors, strict=True), start=1)
                if first + u <= RECORDED or (first + u) % EVERY_NTH == 0
            ],
            "diverged": diverged,
        }
        row.update(tests)
        if halves:
            row["halves"] = halves
        if ended:
            row["ended"] = True
        if positive is not None:
            row["positive"] = positive
        if norms is not None:
            row["norms"] = norms
        return row

    def _updates(self, count: int, first: int) -> list[Half]:
        """Do the `count` updates of an epoch after `first` updates of the run; return held-out errors per half epoch.

        On the CPU this stops at a loss that is not finite. On a GPU a check would make the host wait, so the losses are
        read after the epoch by `Step.losses_and_errors`; the row names the same update.
        """
        halves: list[Half] = []
        for done in range(1, count + 1):
            self.step()
            if self.progress is not None:
                self.progress(self.epoch + 1, done, count)
            if self.batches.device.type == "cpu" and not self.step.last_loss.isfinite():
                break
            if isinstance(self.batches, PhotoBatches) and done in (count // 2, count):
                self.step.settle()
                halves.append(testing.held_out(self, update=first + done))
        self.step.settle()
        return halves

    def begin(self, epoch: int) -> tuple[list[int], int]:
        """Prepare an epoch on the device; return (sizes of its minibatches, number of updates before it)."""
        sgd.set_rates(self.optimiser, self.schedule.factor(epoch), lambda layer: self.schedule.frozen(layer, epoch))
        past = range(1, epoch)
        first = sum(len(self.folded if self.schedule.folded(before) else self.sizes) for before in past)
        sizes = self.folded if self.schedule.folded(epoch) else self.sizes
        images = sum(sizes)
        order = permutation(images, seed=self.seed, epoch=epoch, order=self.order)
        drawn = generator(self.seed, "augment", epoch)
        draws = self.batches.draw(drawn, colour=self.schedule.colour(epoch), images=images)
        self.step.begin(order, draws, sizes, epoch=epoch, first=first)
        return sizes, first

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the net's answers [n, classes], in the run's precision."""
        return logits_of(self.net, x, self.precision)

    def state(self) -> dict[str, torch.Tensor]:
        """Return a copy of everything that a resumed run needs: weights, velocities, buffers, epoch and `correct`.

        Generators need no state, because randomness is named. Only nets of libraries have buffers: the running means of
        batch norms.
        """
        state = {"epoch": torch.tensor(self.epoch)}
        if self.correct is not None:
            state["correct"] = self.correct.clone()
        if self.schedule.plateau is not None:
            plateau = (self.schedule.best, self.schedule.waited, self.schedule.divided)
            state["plateau"] = torch.tensor(plateau, dtype=torch.float64)
        for name, parameter in self.net.named_parameters():
            velocity = self.optimiser.state[parameter]["velocity"]
            state[f"weight.{name}"] = parameter.detach().clone(memory_format=torch.contiguous_format)
            state[f"velocity.{name}"] = velocity.clone(memory_format=torch.contiguous_format)
        for name, buffer in self._buffers():
            state[f"buffer.{name}"] = buffer.clone(memory_format=torch.contiguous_format)
        return state

    def _buffers(self) -> Iterator[tuple[str, torch.Tensor]]:
        parameters = {name for name, _ in self.net.named_parameters(remove_duplicate=False)}
        return ((name, tensor) for name, tensor in self.net.state_dict().items() if name not in parameters)

    @torch.no_grad()
    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore a state that `state` returned."""
        self.epoch = int(state["epoch"])
        self.correct = state.get("correct")
        if self.schedule.plateau is not None:
            best, waited, divided = state["plateau"].tolist()
            self.schedule.best, self.schedule.waited, self.schedule.divided = best, int(waited), int(divided)
        for name, parameter in self.net.named_parameters():
            parameter.copy_(state[f"weight.{name}"])
            self.optimiser.state[parameter]["velocity"].copy_(state[f"velocity.{name}"])
        for name, buffer in self._buffers():
            buffer.copy_(state[f"buffer.{name}"])


def initial_net(model: Options, *, seed: int, classes: int, image: tuple[int, int, int]) -> torch.nn.Module:
    """Build the net of a configuration with its initial values, in fp32 on the CPU."""
    return modules.build(**model, classes=classes, image=image, draw=lambda name: generator(seed, "init", name))


def trainer(
    *,
    model: Options,
    train: Options,
    seed: int,
    precision: str,
    batches: Batches | PhotoBatches,
    every_epoch: bool = False,
    layout: torch.memory_format | None = None,
    capture: bool = True,
    parts: int = 1,
) -> Trainer:
    """Return the trainer of one configuration before its first epoch.

    `model` and `train` are sections of a resolved configuration. `train`: batch, lr, bias_lr (factor), momentum,
    weight_decay (by layer; `other`: of all others), file_images, order; optionally layer_lr (factors, by layer) and the
    arguments of `Schedule`. `every_epoch`: see `Trainer`. `layout`: the memory layout of images and kernels, by default
    `modules.LAYOUT`; `capture`: see `Step`; both are meant for measurements. `parts` of each minibatch: see `Step`.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    net = initial_net(model, seed=seed, classes=batches.classes, image=batches.image).to(batches.device)
    if not library.is_library(net):  # a library's net stays as it is
        net = modules.lay_out(net, layout := layout or modules.layout(batches.device.type))
    schedule = Schedule(**{key: train[key] for key in SCHEDULE if key in train})
    rates = {key: train[key] for key in ("lr", "bias_lr", "weight_decay", "layer_lr") if key in train}
    groups = sgd.groups(net, **rates)
    for group in groups:
        if schedule.frozen(group["layer"], 1):  # frozen from the start: it needs no gradient
            group["params"][0].requires_grad_(False)
    files = {"batch": train["batch"], "file_images": train["file_images"]}
    return Trainer(
        net=net,
        optimiser=sgd.PaperSGD(groups, momentum=train["momentum"]),
        batches=batches,
        sizes=batch_sizes(len(batches), **files),
        folded=batch_sizes(len(batches) + batches.kept, **files),
        order=train["order"],
        seed=seed,
        precision=precision,
        schedule=schedule,
        model=model,
        every_epoch=every_epoch,
        layout=layout,
        capture=capture,
        parts=parts,
    )
