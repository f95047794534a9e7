"""One training run, read from top to bottom: a generator that trains an epoch and yields what was seen.

Nothing here draws on global randomness, writes a file or prints. A run resumed from the state after any epoch goes on
as if it had never stopped, bit for bit on the CPU.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

import torch

from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.nets import library, modules
from repro.train import sgd, testing
from repro.train.minibatches import NUMERICS as NUMERICS
from repro.train.minibatches import RECORDED, batch_sizes, is_tested
from repro.train.order import permutation
from repro.train.schedule import Schedule
from repro.train.seeds import generator
from repro.train.step import Step, logits_of

EVERY_NTH = 50  # update after the first `RECORDED` is recorded (DESIGN: a run)
# Keys of a row that not every epoch of every run has.
SOMETIMES = (
    *("test_error", "test_loss", "test_top5", "fixed_error", "fixed_loss"),
    *("halves", "ended", "positive", "saturated", "norms"),
)
SCHEDULE = ("drops", "plateau", "colour_until", "freeze", "fold_in")  # keys of a training rule that `Schedule` takes


@dataclass(frozen=True)
class Epoch:
    """What one epoch showed. Errors are fractions of images, losses mean nats per image; see `SOMETIMES`."""

    epoch: int  # 1, 2, ...
    update: int  # updates done since the start
    train_error: float  # running: counted while the weights move, as the original prints it
    train_loss: float
    seconds: float
    updates: list[tuple[int, float, int]]  # (update, mean loss of its minibatch, errors in it), all of them finite
    diverged: int | None  # the first update whose loss was not finite
    # after the epochs of `is_tested`, unless the run diverged; see `repro.train.testing`:
    test_error: float | None = None
    test_loss: float | None = None  # None where it is not finite too
    saturated: dict[str, dict[str, float]] | None = None
    # of crops of photos only, the first three after the same epochs:
    test_top5: float | None = None  # share of test images whose class is not among the five likeliest
    fixed_error: float | None = None  # of 1,000 training photos, in test mode
    fixed_loss: float | None = None
    halves: list[dict[str, Any]] | None = None  # after each half epoch, the held-out error and loss
    ended: bool | None = None  # by the plateau rule
    positive: dict[str, float] | None = None  # before the first update
    norms: dict[str, float] | None = None  # after the epoch; None after a divergence

    def row(self) -> dict[str, Any]:
        """Return the epoch as it is recorded: what is not there of `SOMETIMES` is left out."""
        return {k: v for k, v in asdict(self).items() if v is not None or k not in SOMETIMES}


@dataclass
class Trainer:
    """A net, its optimiser and the data: `epochs` trains, `state` and `load` are all there is to a checkpoint."""

    net: torch.nn.Module
    optimiser: sgd.PaperSGD
    batches: Batches | PhotoBatches
    sizes: list[int]  # of an epoch's minibatches
    folded: list[int]  # the same once the held-out images are trained on too
    order: str
    seed: int
    precision: str
    schedule: Schedule
    model: Mapping[str, Any]  # the arguments that the net was built by
    every_epoch: bool = False  # whether the test images are looked at after every epoch
    layout: torch.memory_format | None = None  # of `Step`
    capture: bool = True  # of `Step`
    epoch: int = 0
    correct: torch.Tensor | None = None  # bool [test images], after the last epoch at which they were looked at
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
        )

    def epochs(self, last: int) -> Iterator[Epoch]:
        """Train up to and with epoch `last`, yielding each; end early after a divergence or by the plateau rule."""
        while self.epoch < last:
            seen = self._train_epoch()
            yield seen
            if seen.diverged or seen.ended:
                return

    def _train_epoch(self) -> Epoch:
        start, photos = time.perf_counter(), isinstance(self.batches, PhotoBatches)
        epoch, sizes, first = self.begin(self.epoch + 1)
        seen: dict[str, Any] = {"halves": []}
        if photos and epoch == 1:
            seen["positive"] = testing.positive(self)
        for done in range(1, len(sizes) + 1):
            self.step()
            # on a GPU asking would make the host wait: there the whole epoch is looked at once, below, and found alike
            if self.batches.device.type == "cpu" and not self.step.last_loss.isfinite():
                break
            if photos and done in (len(sizes) // 2, len(sizes)):
                seen["halves"].append({"update": first + done} | testing.held_out(self))
        losses, errors = self.step.seen()
        good = next((i for i, loss in enumerate(losses) if not isfinite(loss)), len(losses))
        diverged = first + good + 1 if good < len(losses) else None
        losses, errors, sizes = losses[:good], errors[:good], sizes[:good]
        # on a GPU the epoch went on
        seen["halves"] = [half for half in seen["halves"] if half["update"] <= first + good] or None
        self.epoch = epoch
        if not diverged:
            held_out = seen["halves"][-1]["held_out_error"] if photos else None
            seen["ended"] = self.schedule.after(held_out) or None
            seen["norms"] = testing.norms(self) if photos else None
            if self.every_epoch or is_tested(epoch) or seen["ended"]:
                seen |= testing.test(self) | {"saturated": testing.saturated(self)}
        images = max(1, sum(sizes))
        return Epoch(
            epoch=epoch,
            update=first + good,
            train_error=sum(errors) / images,
            train_loss=sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / images,
            seconds=time.perf_counter() - start,
            updates=[
                (first + u, loss, wrong)
                for u, (loss, wrong) in enumerate(zip(losses, errors, strict=True), start=1)
                if first + u <= RECORDED or (first + u) % EVERY_NTH == 0
            ],
            diverged=diverged,
            **seen,
        )

    def begin(self, epoch: int) -> tuple[int, list[int], int]:
        """Put on the device what an epoch's updates take; return (epoch, its minibatches' sizes, updates before it)."""
        sgd.set_rates(self.optimiser, self.schedule.factor(epoch), lambda layer: self.schedule.frozen(layer, epoch))
        past = range(1, epoch)
        first = sum(len(self.folded if self.schedule.folded(before) else self.sizes) for before in past)
        sizes = self.folded if self.schedule.folded(epoch) else self.sizes
        images = sum(sizes)
        order = permutation(images, seed=self.seed, epoch=epoch, order=self.order)
        drawn = generator(self.seed, "augment", epoch)
        draws = self.batches.draw(drawn, colour=self.schedule.colour(epoch), images=images)
        self.step.begin(order, draws, sizes, epoch=epoch, first=first)
        return epoch, sizes, first

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the net's answers [n, classes], in the run's precision."""
        return logits_of(self.net, x, self.precision)

    def state(self) -> dict[str, torch.Tensor]:
        """A copy of weights, velocities, epoch and `correct`: all a resumed run needs, since randomness has names. And
        of buffers, which libraries' nets alone have: what their batch norms have seen."""
        state = {"epoch": torch.tensor(self.epoch)}
        if self.correct is not None:
            state["correct"] = self.correct.clone()
        if self.schedule.plateau is not None:
            seen = (self.schedule.best, self.schedule.waited, self.schedule.divided)
            state["plateau"] = torch.tensor(seen, dtype=torch.float64)
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
        """Take up a state given by `state`."""
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


def initial_net(model: Mapping, *, seed: int, classes: int, image: tuple[int, int, int]) -> torch.nn.Module:
    """A configuration's net before the first update: fp32, on the CPU, whatever the run's precision and device."""
    return modules.build(**model, classes=classes, image=image, draw=lambda name: generator(seed, "init", name))


def trainer(
    *,
    model: Mapping,
    train: Mapping,
    seed: int,
    precision: str,
    batches: Batches | PhotoBatches,
    every_epoch: bool = False,
    layout: torch.memory_format | None = None,
    capture: bool = True,
) -> Trainer:
    """The run of one configuration at its start. `model` and `train` are a resolved configuration's keyword arguments.

    `train`: batch, lr, bias_lr (factor), momentum, weight_decay (by layer; `other`: of all others), file_images, order;
    and, where they are there, layer_lr (factors, by layer) and the keys of `Schedule`. `every_epoch`: see `Trainer`.
    `layout`: how images and kernels lie in memory, by default as `nets.LAYOUT` says; `capture`: see `Step`. Both are
    for measurements.
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
        if schedule.frozen(group["layer"], 1):  # from the start: nothing flows back into it
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
    )
