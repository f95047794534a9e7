"""One training run, read from top to bottom: a generator that trains an epoch and yields what was seen.

Nothing here draws on global randomness, writes a file or prints. A run resumed from the state after any epoch goes on
as if it had never stopped, bit for bit on the CPU.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite

import torch
from torch.nn import functional as F

from repro.data.batches import Batches
from repro.models import nets
from repro.train import sgd
from repro.train.minibatches import batch_sizes
from repro.train.order import permutation
from repro.train.seeds import generator

# Moves only when the golden losses of tests/golden do; recorded with every run, never part of its address.
NUMERICS = 1

EVERY_UPDATE = 2000  # every one of the first 2,000 updates is recorded, then every 50th (DESIGN: a run)
EVERY_NTH = 50


@dataclass(frozen=True)
class Epoch:
    """What one epoch showed. Errors are fractions of images, losses mean nats per image."""

    epoch: int  # 1, 2, ...
    update: int  # updates done since the start
    train_error: float  # running: counted while the weights move, as the original prints it
    train_loss: float
    test_error: float | None  # None after a divergence
    test_loss: float | None  # None where it is not finite too
    seconds: float
    updates: list[tuple[int, float, int]]  # (update, mean loss of its minibatch, errors in it), all of them finite
    diverged: int | None  # the first update whose loss was not finite


@dataclass
class Trainer:
    """A net, its optimiser and the data: `epochs` trains, `state` and `load` are all there is to a checkpoint."""

    net: torch.nn.Module
    optimiser: sgd.PaperSGD
    batches: Batches
    sizes: list[int]
    order: str
    seed: int
    precision: str
    epoch: int = 0
    correct: torch.Tensor | None = None  # bool [test images], after an epoch

    def epochs(self, last: int) -> Iterator[Epoch]:
        """Train up to and with epoch `last`, yielding each; ends early after a divergence."""
        while self.epoch < last:
            seen = self._train_epoch()
            yield seen
            if seen.diverged:
                return

    def _train_epoch(self) -> Epoch:
        start = time.perf_counter()
        first = len(self.sizes) * self.epoch  # updates before this epoch
        images = sum(self.sizes)
        order = permutation(images, seed=self.seed, epoch=self.epoch + 1, order=self.order).to(self.batches.device)
        losses = torch.empty(len(self.sizes), device=self.batches.device)
        errors = torch.empty(len(self.sizes), dtype=torch.int64, device=self.batches.device)
        self.net.train()
        diverged = None
        for i, index in enumerate(order.split(self.sizes)):
            losses[i], errors[i] = self.update(index)
            # on a GPU asking would make the host wait: there the whole epoch is looked at once, below, and found alike
            if self.batches.device.type == "cpu" and not losses[i].isfinite():
                break
        loss_of, errors_of = losses[: i + 1].tolist(), errors[: i + 1].tolist()
        not_finite = (~losses[: i + 1].isfinite()).nonzero()
        if len(not_finite):
            done = int(not_finite[0]) + 1
            diverged = first + done
            loss_of, errors_of = loss_of[: done - 1], errors_of[: done - 1]
        self.epoch += 1
        sizes = self.sizes[: len(loss_of)]
        seen = max(1, sum(sizes))
        test_error, test_loss = (None, None) if diverged else self.test()
        return Epoch(
            epoch=self.epoch,
            update=first + len(sizes),
            train_error=sum(errors_of) / seen,
            train_loss=sum(loss * size for loss, size in zip(loss_of, sizes, strict=True)) / seen,
            test_error=test_error,
            test_loss=test_loss,
            seconds=time.perf_counter() - start,
            updates=[
                (first + u, loss, wrong)
                for u, (loss, wrong) in enumerate(zip(loss_of, errors_of, strict=True), start=1)
                if first + u <= EVERY_UPDATE or (first + u) % EVERY_NTH == 0
            ],
            diverged=diverged,
        )

    def update(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One update on the training images `index`: (mean loss, number of errors) before it, on the device."""
        x, y = self.batches.train(index)
        logits = self._logits(x)
        loss = F.cross_entropy(logits, y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach(), (logits.detach().argmax(1) != y).sum()

    @torch.no_grad()
    def test(self) -> tuple[float, float | None]:
        """(error, mean loss) over the test set; leaves in `correct` which images were right."""
        self.net.eval()
        correct, losses = [], []
        for x, y in self.batches.test(500):  # any size gives the same counts
            logits = self._logits(x)
            correct.append(logits.argmax(1) == y)
            losses.append(F.cross_entropy(logits, y, reduction="sum"))
        self.correct = torch.cat(correct).cpu()
        loss = float(torch.stack(losses).sum()) / len(self.correct)
        return float((~self.correct).sum()) / len(self.correct), loss if isfinite(loss) else None

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        # weights, sums and the loss stay fp32; bf16 is for the products alone
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return self.net(x).float()

    def state(self) -> dict[str, torch.Tensor]:
        """A copy of weights, velocities, epoch and `correct`: all a resumed run needs, since randomness has names."""
        state = {"epoch": torch.tensor(self.epoch)}
        if self.correct is not None:
            state["correct"] = self.correct.clone()
        for name, parameter in self.net.named_parameters():
            velocity = self.optimiser.state[parameter]["velocity"]
            state[f"weight.{name}"] = parameter.detach().clone(memory_format=torch.contiguous_format)
            state[f"velocity.{name}"] = velocity.clone(memory_format=torch.contiguous_format)
        return state

    @torch.no_grad()
    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take up a state given by `state`."""
        self.epoch = int(state["epoch"])
        self.correct = state.get("correct")
        for name, parameter in self.net.named_parameters():
            parameter.copy_(state[f"weight.{name}"])
            self.optimiser.state[parameter]["velocity"].copy_(state[f"velocity.{name}"])


def initial_net(model: Mapping, *, seed: int, classes: int, image: tuple[int, int, int]) -> torch.nn.Module:
    """A configuration's net before the first update: fp32, on the CPU, whatever the run's precision and device."""
    return nets.build(**model, classes=classes, image=image, draw=lambda name: generator(seed, "init", name))


def trainer(*, model: Mapping, train: Mapping, seed: int, precision: str, batches: Batches) -> Trainer:
    """The run of one configuration at its start. `model` and `train` are a resolved configuration's keyword arguments.

    `train`: batch, lr, bias_lr (factor), momentum, weight_decay (by layer), file_images, order.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    net = initial_net(model, seed=seed, classes=batches.classes, image=batches.image).to(batches.device)
    return Trainer(
        net=net,
        optimiser=sgd.PaperSGD(
            sgd.groups(net, lr=train["lr"], bias_lr=train["bias_lr"], weight_decay=train["weight_decay"]),
            momentum=train["momentum"],
        ),
        batches=batches,
        sizes=batch_sizes(len(batches), batch=train["batch"], file_images=train["file_images"]),
        order=train["order"],
        seed=seed,
        precision=precision,
    )
