"""One training run, read from top to bottom: a generator that trains an epoch and yields what was seen.

Nothing here draws on global randomness, writes a file or prints. A run resumed from the state after any epoch goes on
as if it had never stopped, bit for bit on the CPU.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import torch
from torch.nn import functional as F

from repro.data.batches import Batch, Batches
from repro.data.photobatches import PhotoBatches
from repro.models import nets
from repro.train import sgd
from repro.train.minibatches import batch_sizes
from repro.train.order import permutation
from repro.train.schedule import Schedule
from repro.train.seeds import generator

# Moves only when the golden losses of tests/golden do; recorded with every run, never part of its address.
NUMERICS = 1

EVERY_UPDATE = 2000  # every one of the first 2,000 updates is recorded, then every 50th (DESIGN: a run)
EVERY_NTH = 50
LOOKED = 100  # photos over which positive outputs are counted (assumed)
# Derivative, relative to its largest, below which a unit counts as saturated (assumed): of tanh beyond +-0.99.
SATURATED = 0.02
LATER = ("test_top5", "halves", "ended", "positive", "saturated", "norms")  # not of every epoch of every run
SCHEDULE = ("drops", "plateau", "colour_until", "freeze", "fold_in")  # keys of a training rule that `Schedule` takes


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
    # of crops of photos only:
    test_top5: float | None = None  # share of test images whose class is not among the five likeliest
    halves: list[dict[str, Any]] | None = None  # after each half epoch, in test mode; see `Trainer.looked`
    ended: bool | None = None  # by the plateau rule
    positive: dict[str, float] | None = None  # of epoch 1: see `Trainer.positive`
    norms: dict[str, float] | None = None  # after the epoch: see `Trainer.norms`; None after a divergence
    # of whole images only, after epochs 1, 2, 4, 8, ...:
    saturated: dict[str, dict[str, float]] | None = None  # see `Trainer.saturated`

    def row(self) -> dict[str, Any]:
        """As it is recorded: what is not there of `LATER` is left out."""
        return {k: v for k, v in asdict(self).items() if v is not None or k not in LATER}


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
    epoch: int = 0
    correct: torch.Tensor | None = None  # bool [test images], after an epoch

    def epochs(self, last: int) -> Iterator[Epoch]:
        """Train up to and with epoch `last`, yielding each; ends early after a divergence or by the plateau rule."""
        while self.epoch < last:
            seen = self._train_epoch()
            yield seen
            if seen.diverged or seen.ended:
                return

    def _train_epoch(self) -> Epoch:
        start = time.perf_counter()
        epoch, first = self.epoch + 1, self._updates_before(self.epoch + 1)
        sizes = self.folded if self.schedule.folded(epoch) else self.sizes
        images = sum(sizes)
        order = permutation(images, seed=self.seed, epoch=epoch, order=self.order).to(self.batches.device)
        drawn = generator(self.seed, "augment", epoch)
        draws = self.batches.draw(drawn, colour=self.schedule.colour(epoch), images=images)
        sgd.set_rates(self.optimiser, self.schedule.factor(epoch), lambda layer: self.schedule.frozen(layer, epoch))
        losses = torch.empty(len(sizes), device=self.batches.device)
        errors = torch.empty(len(sizes), dtype=torch.int64, device=self.batches.device)
        halves: list[dict[str, Any]] = []
        positive = self.positive() if epoch == 1 and isinstance(self.batches, PhotoBatches) else None
        diverged = None
        for i, batch in enumerate(self.batches.epoch(order, sizes, draws)):
            self.net.train()
            update = first + i + 1
            nets.draw_masks(self.net, lambda name, update=update: generator(self.seed, "dropout", update, name))
            losses[i], errors[i] = self.update(batch)
            # on a GPU asking would make the host wait: there the whole epoch is looked at once, below, and found alike
            if self.batches.device.type == "cpu" and not losses[i].isfinite():
                break
            if i + 1 in (len(sizes) // 2, len(sizes)) and isinstance(self.batches, PhotoBatches):
                halves.append({"update": update} | self.looked())
        loss_of, errors_of = losses[: i + 1].tolist(), errors[: i + 1].tolist()
        not_finite = (~losses[: i + 1].isfinite()).nonzero()
        if len(not_finite):
            done = int(not_finite[0]) + 1
            diverged = first + done
            loss_of, errors_of = loss_of[: done - 1], errors_of[: done - 1]
            halves = [half for half in halves if half["update"] < diverged]  # on a GPU the epoch went on
        self.epoch += 1
        sizes = sizes[: len(loss_of)]
        seen = max(1, sum(sizes))
        test_error, test_loss, test_top5 = (None, None, None) if diverged else self.test()
        held_out = halves[-1]["held_out_error"] if halves else None
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
            test_top5=test_top5 if halves else None,
            halves=halves or None,
            positive=positive,
            saturated=None if diverged or epoch & (epoch - 1) else self.saturated(),
            norms=self.norms() if halves and not diverged else None,
            ended=(not diverged and self.schedule.after(held_out)) or None,
        )

    def _updates_before(self, epoch: int) -> int:
        return sum(len(self.folded if self.schedule.folded(past) else self.sizes) for past in range(1, epoch))

    def update(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """One update on a minibatch: (mean loss, number of errors) before it, on the device."""
        x, y = batch
        logits = self.logits(x)
        loss = F.cross_entropy(logits, y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach(), (logits.detach().argmax(1) != y).sum()

    def test(self) -> tuple[float, float | None, float]:
        """(error, mean loss, top-5 error) over the test set; leaves in `correct` which images were right."""
        ranks, loss = self._ranks(self.batches.test(500))  # any size gives the same counts
        self.correct = (ranks == 0).cpu()
        return _share(ranks >= 1), loss, _share(ranks >= 5)

    def looked(self) -> dict[str, Any]:
        """In test mode, on centre views: error and loss on the held-out photos, and on 1,000 fixed ones trained on."""
        assert isinstance(self.batches, PhotoBatches)
        out: dict[str, Any] = {}
        for name, batches in (("held_out", self.batches.held_out(500)), ("fixed", self.batches.fixed(500))):
            ranks, loss = self._ranks(batches)
            out |= {f"{name}_error": _share(ranks >= 1) if len(ranks) else None, f"{name}_loss": loss}
        return out

    @torch.no_grad()
    def positive(self) -> dict[str, float]:
        """By weighted layer, the share of its outputs that are above 0, over the first of the fixed photos, in test
        mode: what biases of 1 are for (§5). Norms, which libraries give weights too, are none."""
        assert isinstance(self.batches, PhotoBatches)
        shares: dict[str, float] = {}
        layers = {group["layer"] for group in self.optimiser.param_groups if group["params"][0].dim() > 1}
        hooks = [
            layer.register_forward_hook(
                lambda _, __, out, name=name: shares.update({name: float((out > 0).float().mean())})
            )
            for name, layer in self.net.named_modules()
            if name and name in layers
        ]
        self.net.eval()
        x, _ = next(iter(self.batches.fixed(LOOKED)))
        self.logits(x)
        for hook in hooks:
            hook.remove()
        return shares

    @torch.no_grad()
    def saturated(self) -> dict[str, dict[str, float]] | None:
        """By hidden layer, over 1,000 test images: `outputs`, the share of its activations that pass next to no
        gradient, and `units`, the share of its units that pass none for any image (§3.3: with a positive input for some
        images a ReLU learns). None of crops, and of nets that are not a row of layers."""
        if isinstance(self.batches, PhotoBatches) or not isinstance(self.net, torch.nn.Sequential):
            return None
        self.net.eval()
        layers, found, last = {group["layer"] for group in self.optimiser.param_groups}, {}, ""
        x, _ = next(iter(self.batches.test(1000)))
        for name, layer in self.net.named_children():
            x, last = layer(x), name if name in layers else last
            if type(layer) in nets.SLOPES:
                flat = nets.SLOPES[type(layer)](x) < SATURATED
                found[last] = {"outputs": _share(flat.flatten()), "units": _share(flat.all(0).flatten())}
        return found

    @torch.no_grad()
    def norms(self) -> dict[str, float]:
        """By layer, the root of the sum of its squared weights, biases left out: what decay keeps small (§5)."""
        weights = [(name, p) for name, p in self.net.named_parameters() if name.endswith(".weight")]
        sizes = torch.stack([weight.norm() for _, weight in weights]).tolist()  # asked of a GPU once
        return {name.removesuffix(".weight"): size for (name, _), size in zip(weights, sizes, strict=True)}

    @torch.no_grad()
    def _ranks(self, batches: Iterator[Batch]) -> tuple[torch.Tensor, float | None]:
        """(int64 [n]: how many classes are likelier than an image's own, the mean loss where it is finite)."""
        self.net.eval()
        ranks, losses = [torch.empty(0, dtype=torch.int64, device=self.batches.device)], []
        for x, y in batches:
            logits = self.logits(x)
            ranks.append(rank(logits, y))
            losses.append(F.cross_entropy(logits, y, reduction="sum"))
        found = torch.cat(ranks)
        loss = float(torch.stack(losses).sum()) / len(found) if losses else None
        return found, loss if loss is not None and isfinite(loss) else None

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """The net's answers, in the run's precision."""
        # weights, sums and the loss stay fp32; bf16 is for the products alone
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return self.net(x).float()

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


def rank(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """int64 [n]: the place of class y among scores [n, classes], 0 the first; of equal scores the lower class leads."""
    own = scores.gather(1, y[:, None])
    ahead = (scores > own) | ((scores == own) & (torch.arange(scores.shape[1], device=y.device) < y[:, None]))
    return torch.where(own.isnan().squeeze(1), scores.shape[1], ahead.sum(1))


def _share(which: torch.Tensor) -> float:
    return float(which.sum()) / len(which)


def initial_net(model: Mapping, *, seed: int, classes: int, image: tuple[int, int, int]) -> torch.nn.Module:
    """A configuration's net before the first update: fp32, on the CPU, whatever the run's precision and device."""
    return nets.build(**model, classes=classes, image=image, draw=lambda name: generator(seed, "init", name))


def trainer(*, model: Mapping, train: Mapping, seed: int, precision: str, batches: Batches | PhotoBatches) -> Trainer:
    """The run of one configuration at its start. `model` and `train` are a resolved configuration's keyword arguments.

    `train`: batch, lr, bias_lr (factor), momentum, weight_decay (by layer; `other`: of all others), file_images, order;
    and, where they are there, layer_lr (factors, by layer) and the keys of `Schedule`.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    net = initial_net(model, seed=seed, classes=batches.classes, image=batches.image).to(batches.device)
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
    )
