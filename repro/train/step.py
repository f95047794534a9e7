"""One update of a run, the same function on every device: it reads and writes buffers that stay where they are.

`step` takes the next minibatch by counters that lie on the device, so that nothing is asked of the host: gather,
forward, loss, backward, the paper's update, and the loss and the errors written in place. The CPU runs it as it stands;
CUDA records it once for each size of minibatch and replays the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from repro.data.augment import Draws
from repro.data.batches import Batches
from repro.data.photobatches import PhotoBatches
from repro.models import library
from repro.train import sgd
from repro.train.masks import Masks
from repro.train.seeds import generator

EAGER = 3  # updates of each size before CUDA records one: kernels are chosen and compiled in these (torch's advice)


class Step:
    """The update of a run, and what an epoch of them needs on the device.

    `begin` fills the buffers of an epoch, each call then does one update, and `seen` reads what they left.

    `layout`: how images are to lie in memory; None: as batches give them. `capture` False: CUDA records nothing.
    """

    def __init__(
        self,
        net: torch.nn.Module,
        optimiser: sgd.PaperSGD,
        batches: Batches | PhotoBatches,
        *,
        seed: int,
        precision: str,
        layout: torch.memory_format | None = None,
        capture: bool = True,
    ) -> None:
        self.net, self.optimiser, self.batches, self.seed, self.precision = net, optimiser, batches, seed, precision
        self.device = batches.device
        self.masks = Masks(net, batches.device)
        self._library = library.is_library(net)
        self._layout = layout
        self._captures = capture and self.device.type == "cuda" and not self._library
        self._graphs: dict[tuple[Any, ...], torch.cuda.CUDAGraph] = {}
        self._eager: dict[tuple[Any, ...], int] = {}
        self._images = -1

    def begin(self, order: torch.Tensor, draws: Draws | None, sizes: Sequence[int], *, epoch: int, first: int) -> None:
        """Fill the buffers for an epoch: images in `order` (int64 [n]) and their `draws`, minibatches of `sizes`;
        `first`: updates done before it."""
        images, device = len(order), self.device
        bits = self.masks.draw(images, lambda name: generator(self.seed, "dropout", epoch, name))
        if images == self._images and self._captures:  # what is recorded goes on reading the same addresses
            self._order.copy_(order)
            self._bits.copy_(bits)
            self._draws = None if draws is None else draws.into(self._draws)
            self._at.zero_()
        else:
            self._images, self._order, self._bits = images, order.to(device), bits.to(device)
            self._draws = None if draws is None else draws.to(device)
            self._losses = torch.empty(len(sizes), device=device)
            self._wrong = torch.empty(images, dtype=torch.bool, device=device)
            self._at = torch.zeros(2, dtype=torch.int64, device=device)  # images and updates done in this epoch
            self._places = {b: torch.arange(b, device=device) for b in set(sizes)}
            self._strides = {b: torch.tensor([b, 1], device=device) for b in set(sizes)}
            self._graphs.clear()
        self._sizes, self._first, self._done = list(sizes), first, 0
        self._fed: Iterator[None] | None = self.batches.feed(order, sizes)

    def __call__(self) -> None:
        """Do the next update of the epoch."""
        size = self._sizes[self._done]
        if self._fed is not None:
            next(self._fed)  # the photos of this minibatch, which do not fit on the device all at once
        if self._library:
            library.name_draws(self.net, generator(self.seed, "dropout", self._first + self._done + 1, ""))
        self.net.train()
        draws = self._draws
        key = (size, None if draws is None else (draws.shift is None, draws.divisor))
        self._run(key, lambda: self.step(size))
        self._done += 1

    def repeat(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Do an update on a minibatch that stays where it is, with the masks that were put last: for timings."""
        self.net.train()
        self._run((x.data_ptr(), len(y)), lambda: self.update(x, y))

    def step(self, size: int) -> None:
        """Do one update on the next `size` images: nothing here depends on a value that the host would have to read."""
        places = self._at[0] + self._places[size]
        index = self._order.index_select(0, places)
        x, y = self.batches.train(index, None if self._draws is None else self._draws.at(places))
        if self.masks.layers:
            self.masks.put(self._bits.index_select(0, places))
        loss, logits = self.update(x, y)
        self._losses.index_copy_(0, self._at[1:], loss[None])
        self._wrong.index_copy_(0, places, logits.argmax(1) != y)
        self._at.add_(self._strides[size])

    def update(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Do one update on a minibatch whose masks are put: (its mean loss, its logits [b, classes]) before it."""
        logits = self.logits(x)
        loss = F.cross_entropy(logits, y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach(), logits.detach()

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """The net's answers [b, classes], in the run's precision."""
        if self._layout is not None:
            x = x.contiguous(memory_format=self._layout)  # nothing is done where they lie so already
        if self.precision == "fp32":
            return self.net(x)
        # operands are bf16; the weights that are kept, sums and the loss stay fp32
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.net(x).float()

    def _run(self, key: tuple[Any, ...], action: Callable[[], object]) -> None:
        """Do `action`; on CUDA from its recording, made after a few updates that were done one by one."""
        if not self._captures:
            action()
            return
        if (graph := self._graphs.get(key)) is None and (done := self._eager.get(key, 0)) < EAGER:
            self._eager[key] = done + 1
            aside = torch.cuda.Stream(self.device)
            aside.wait_stream(torch.cuda.current_stream(self.device))
            with torch.cuda.stream(aside):
                action()
            torch.cuda.current_stream(self.device).wait_stream(aside)
            return
        if graph is None:
            self.optimiser.zero_grad()  # gradients are to lie in the recording's own memory
            graph = self._graphs[key] = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                action()
        graph.replay()

    @property
    def last_loss(self) -> torch.Tensor:
        """The mean loss of the update just done, on the device."""
        return self._losses[self._done - 1]

    def seen(self) -> tuple[list[float], list[int]]:
        """Read the mean loss and the number of errors of each update done in this epoch."""
        sizes = self._sizes[: self._done]
        wrong = self._wrong[: sum(sizes)].cpu().split(sizes)
        return self._losses[: self._done].tolist(), [int(part.sum()) for part in wrong]
