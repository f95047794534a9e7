"""One update of a run, the same function on every device; its buffers keep their addresses.

`step` selects the next minibatch by a counter on the device, so that the host need not wait: gather, forward, loss,
backward and the paper's update; the loss and the errors are written in place. The CPU runs it directly; CUDA captures
it once for each size of minibatch and replays the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from repro.data.augment import Draws
from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.nets import library
from repro.train import sgd
from repro.train.masks import Masks
from repro.train.seeds import generator

EAGER = 3  # updates of each size before CUDA captures one; kernels are chosen and compiled in these (torch's advice)


class Step:
    """The update of a run, and the buffers of an epoch on the device.

    `begin` fills the buffers of an epoch, each call then does one update, and `losses_and_errors` reads the results.
    `layout`: the memory layout of images; None: that of the batches. `capture` False: CUDA captures nothing.
    `parts`: how many parts each minibatch is taken in; their gradients are added, so the update is the same but for
    rounding, in less memory. Not for nets of libraries, whose batch norms read the whole minibatch.
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
        parts: int = 1,
    ) -> None:
        self.net, self.optimiser, self.batches, self.seed, self.precision = net, optimiser, batches, seed, precision
        self.device = batches.device
        self.masks = Masks(net, batches.device)
        self._library = library.is_library(net)
        self._layout, self._parts = layout, parts
        assert parts == 1 or not self._library, "batch norms read the whole minibatch"
        self._captures = capture and self.device.type == "cuda" and not self._library
        self._graphs: dict[tuple[object, ...], torch.cuda.CUDAGraph] = {}
        self._eager: dict[tuple[object, ...], int] = {}
        self._plan = torch.empty(0)
        self._done: torch.Tensor
        self._one = torch.ones((), device=self.device)  # the gradient of the loss; torch would allocate it anew

    def begin(self, order: torch.Tensor, draws: Draws | None, sizes: Sequence[int], *, epoch: int, first: int) -> None:
        """Put on the device what an epoch takes: images in `order` (int64 [n]) and their `draws`, in minibatches of
        `sizes`; `first`: updates done before it.

        All of it is one table of whole numbers, a row for each image, sent once: where it lies, its label, its crop and
        noise, its masks.
        """
        order, device = order.to(self.device), self.device
        bits = self.masks.draw(len(order), lambda name: generator(self.seed, "dropout", epoch, name))
        columns = [self.batches.places(order, sizes)[:, None], self.batches.labels(order)[:, None]]
        columns += [] if draws is None else [draws.words().to(device)]
        rows = torch.cat([*columns, bits.to(device)], 1).split(list(sizes))
        plan = pad_sequence(rows, batch_first=True)  # [minibatches, largest, k]; short ones are padded with zeros
        self._drawn, self._words = draws, sum(part.shape[1] for part in columns)
        if plan.shape == self._plan.shape:  # captured graphs read the same addresses
            self._plan.copy_(plan)
            self._done.zero_()
        else:
            self._plan = plan
            self._losses = torch.empty(len(sizes), device=device)
            self._answers = torch.empty(plan.shape[:2], dtype=torch.int64, device=device)
            self._done = torch.zeros(1, dtype=torch.int64, device=device)  # updates of this epoch
            self._graphs.clear()
        self._sizes, self._first, self._at = list(sizes), first, 0
        self._fed: Iterator[None] | None = self.batches.feed(order, sizes)

    def __call__(self) -> None:
        """Do the next update of the epoch."""
        size, drawn = self._sizes[self._at], self._drawn
        if self._fed is not None:
            next(self._fed)  # upload the photos of this minibatch
        if self._library:
            library.name_draws(self.net, generator(self.seed, "dropout", self._first + self._at + 1, ""))
        self.net.train()
        self._run((size, drawn and (drawn.shift is None, drawn.divisor)), lambda: self.step(size))
        self._at += 1

    def step(self, size: int) -> None:
        """Do one update on the next `size` images, without any value that the host would have to read."""
        row = self._plan.index_select(0, self._done)[0, :size]
        loss, logits = self.update(*self._taken(row)) if self._parts == 1 else self._update_in_parts(row)
        self._losses.index_copy_(0, self._done, loss[None])
        self._answers[:, :size].index_copy_(0, self._done, logits.argmax(1)[None])
        self._done.add_(1)

    def _taken(self, row: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the images and labels of rows of the plan (int64 [b, k]), and put their masks."""
        draws = None if self._drawn is None else self._drawn.from_words(row[:, 2 : self._words])
        if self.masks.layers:
            self.masks.put(row[:, self._words :])
        return self.batches.take(row[:, 0], draws), row[:, 1]

    def _update_in_parts(self, row: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Do one update on a minibatch's rows of the plan, part by part: (its mean loss, its logits [b, classes])."""
        self.optimiser.zero_grad()
        losses, answers = [], []
        for part in row.tensor_split(min(self._parts, len(row))):
            x, y = self._taken(part)
            logits = self.logits(x)
            loss = F.cross_entropy(logits, y, reduction="sum") / len(row)
            loss.backward(self._one)
            losses.append(loss.detach())
            answers.append(logits.detach())
        self.optimiser.step()
        return torch.stack(losses).sum(), torch.cat(answers)

    def settle(self) -> None:
        """Bring the run's net up to date; it always is, but where the updates are done on halves of it."""

    def repeat(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Do an update on a minibatch at a fixed address with the last masks, for timings."""
        self.net.train()
        self._run((x.data_ptr(), len(y)), lambda: self.update(x, y))

    def update(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Do one update on a minibatch whose masks are set; return (mean loss, logits [b, classes]) from before it."""
        logits = self.logits(x)
        loss = F.cross_entropy(logits, y)
        self.optimiser.zero_grad()
        loss.backward(self._one)
        self.optimiser.step()
        return loss.detach(), logits.detach()

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the net's answers [b, classes], in the run's precision."""
        if self._layout is not None:
            x = x.contiguous(memory_format=self._layout)  # no copy if they have this layout already
        return logits_of(self.net, x, self.precision)

    def _run(self, key: tuple[object, ...], action: Callable[[], object]) -> None:
        """Do `action`; on CUDA replay its graph, which is captured after a few direct updates."""
        if not self._captures:
            action()
            return
        if (graph := self._graphs.get(key)) is None and (done := self._eager.get(key, 0)) < EAGER:
            self._eager[key] = done + 1
            stream = torch.cuda.Stream(self.device)
            stream.wait_stream(torch.cuda.current_stream(self.device))
            with torch.cuda.stream(stream):
                action()
            torch.cuda.current_stream(self.device).wait_stream(stream)
            return
        if graph is None:
            self.optimiser.zero_grad()  # gradients must be allocated in the graph's memory
            graph = self._graphs[key] = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                action()
        graph.replay()

    @property
    def last_loss(self) -> torch.Tensor:
        """The mean loss of the last update, on the device."""
        return self._losses[self._at - 1]

    def losses_and_errors(self) -> tuple[list[float], list[int]]:
        """Return (mean losses, numbers of errors) of the updates done in this epoch."""
        wrong = (self._answers != self._plan[:, :, 1]).cpu()
        counts = [int(row[:size].sum()) for row, size in zip(wrong, self._sizes[: self._at], strict=False)]
        return self._losses[: self._at].tolist(), counts


def logits_of(net: torch.nn.Module, x: torch.Tensor, precision: str) -> torch.Tensor:
    """Return a net's answers [b, classes], fp32, its products computed in `precision`, fp32 or bf16."""
    if precision == "fp32":
        return net(x)
    # operands are bf16; stored weights, sums and the loss stay fp32
    with torch.autocast(x.device.type, torch.bfloat16):
        return net(x).float()
