"""The update as a GPU would run it, proved without one: on meta tensors, which have a shape and no values.

Tests fail where a tensor with a dimension lies on another device, where anything is copied between devices, and where a
value is read; and they count launches (`launches.py`).
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import small_training
import torch
from launches import Launches
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from repro import contents
from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.data.photos.maps import Photos
from repro.data.sets import Images, load
from repro.nets import layers, modules, tables
from repro.train import loop
from repro.train.order import permutation
from repro.train.seeds import generator
from repro.train.step import logits_of

BATCH = 128  # §5


def rule(rows: tuple[tables.Row, ...], file_images: int) -> dict:
    return {
        "batch": BATCH,
        "lr": 0.01,
        "bias_lr": 2.0,
        "momentum": 0.9,
        "weight_decay": {row.name: 0.0005 for row in tables.weighted(rows)},
        "file_images": file_images,
        "order": "repeated",
    }


def small_net(device: str) -> loop.Trainer:
    """The 19pct net on whole 32x32 images."""
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2 * BATCH, 3, 32, 32), dtype=torch.uint8, generator=draw)
    labels = torch.arange(2 * BATCH) % 10
    images = Images("noise", pixels, labels, pixels[:10], labels[:10], tuple("0123456789"), "noise")
    kind = "cuda_convnet_19pct"
    return loop.trainer(
        model=contents.net(kind, classes=10),
        train=rule(contents.rows(kind, classes=10), 10_000),
        seed=0,
        precision="fp32",
        batches=Batches(images, device=device, scale="raw"),
    )


def papers_net(device: str) -> loop.Trainer:
    """The net of 2012, both of its norms and both masks, on 224-pixel crops with reflections and colour noise."""
    pixels = np.zeros((BATCH, 256, 256, 3), np.uint8)
    labels, rows = np.arange(BATCH) % 1000, np.arange(BATCH)
    photos = Photos(
        kind="noise", classes=tuple(map(str, range(1000))), content="noise", train_x=pixels, train_y=labels,
        test_x=pixels[:1], test_y=labels[:1], train=rows, held_out=rows[:0], test=rows[:1],
        sums=np.zeros((256, 256, 3), np.int64), products=np.eye(3, dtype=np.int64), manifest={},
    )  # fmt: skip
    return loop.trainer(
        model=contents.net("alexnet", classes=1000, reading="paper"),
        train=rule(contents.rows("alexnet", classes=1000, reading="paper"), BATCH),
        seed=0,
        precision="fp32",
        batches=PhotoBatches(photos, device=device, size=224, colour="paper", resident=True),
    )


# Launches of a whole update, with its gather and masks. Before there was one step they were 62 and 173 without these.
@pytest.mark.parametrize(("made", "at_most"), [(small_net, 45), (papers_net, 85)], ids=["19pct", "alexnet"])
def test_a_whole_update_stays_on_its_device_reads_no_value_and_launches_few_kernels(made, at_most):
    run = made("meta")
    run.begin(1)
    with Launches() as seen:
        run.step()
    assert 20 < len(seen.names) <= at_most, Counter(seen.names)
    assert {parameter.grad.device.type for parameter in run.net.parameters()} == {"meta"}


def masks_of_the_cpu(run: loop.Trainer) -> None:
    """Masks as they were drawn before: on the CPU, and sent in every update."""

    def put(rows: torch.Tensor) -> None:
        for _, layer in run.step.masks.layers:
            layer.mask = (torch.rand(len(rows), layer.units) < layer.keep).to("meta")

    run.step.masks.put = put


def a_read_value(run: loop.Trainer) -> None:
    """A loss that is asked for in every update."""
    update = run.step.update

    def read(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loss, logits = update(x, y)
        assert loss.item() < 1e9
        return loss, logits

    run.step.update = read


def a_copy(run: loop.Trainer) -> None:
    """A constant that is sent in every update."""
    update = run.step.update
    run.step.update = lambda x, y: update(x + torch.tensor(0.0).to("meta"), y)


@pytest.mark.parametrize(
    ("change", "error"),
    [(masks_of_the_cpu, "touches cpu"), (a_read_value, "item"), (a_copy, "copies between devices")],
    ids=lambda of: getattr(of, "__name__", ""),
)
def test_what_a_gpu_would_wait_for_is_refused(change, error):
    run = papers_net("meta")
    run.begin(1)
    change(run)
    with pytest.raises((AssertionError, RuntimeError), match=error), Launches():
        run.step()


# The same numbers


def test_an_epoch_of_steps_is_the_plain_loop_bit_for_bit_where_there_is_no_dropout(tmp_path):
    """The loop as it was before there was one step: minibatch after minibatch of a permutation."""
    images = load("digits", cache=tmp_path, images=100)
    ours, theirs = (small_training.trainer(Batches(images, device="cpu", scale="raw"), lr=0.001) for _ in range(2))
    losses, errors = [], []
    for epoch in (1, 2):
        sizes, _ = ours.begin(epoch)
        for _ in sizes:
            ours.step()
        seen = ours.step.losses_and_errors()
        losses, errors = losses + seen[0], errors + seen[1]
    found, wrong = [], []
    theirs.net.train()
    for _ in (1, 2):
        for index in permutation(100, seed=0, epoch=1, order="repeated").split([15, 15, 15, 15, 15, 15, 10]):
            x, y = theirs.batches.train(index)
            logits = theirs.net(x)
            loss = F.cross_entropy(logits, y)
            theirs.optimiser.zero_grad()
            loss.backward()
            theirs.optimiser.step()
            found.append(loss.item())
            wrong.append(int((logits.argmax(1) != y).sum()))
    assert (losses, errors) == (found, wrong)
    for one, other in zip(ours.net.parameters(), theirs.net.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_forward_pass_in_bf16_has_bf16_products_and_fp32_weights_and_answers_on_a_gpu_too(monkeypatch):
    """On tensors that claim to lie on a GPU and have no values; every backward pass would ask the driver."""
    net = modules.build(**contents.net("alexnet", classes=10, width=0.125), classes=10, image=(3, 67, 67),
                     draw=lambda name: generator(0, "init", name))  # fmt: skip
    # no driver says so here; with one these are what it says
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    products = []
    for name, layer in net.named_modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(lambda _, __, out, name=name: products.append((name, out.dtype)))
    with FakeTensorMode(allow_non_fake_inputs=True):
        for layer in net.modules():
            for name, parameter in list(layer._parameters.items()):
                fake = torch.empty(parameter.shape, device="cuda")
                layer._parameters[name] = torch.nn.Parameter(fake)
        x = torch.empty(4, 3, 67, 67, device="cuda").to(memory_format=torch.channels_last)
        for layer in net.modules():
            if isinstance(layer, layers.Dropout):
                layer.mask = torch.empty(4, layer.units, dtype=torch.uint8, device="cuda")
        logits = logits_of(net.train(), x, "bf16")
    assert (logits.dtype, logits.device.type, logits.shape) == (torch.float32, "cuda", (4, 10))
    assert {dtype for _, dtype in products} == {torch.bfloat16}
    assert len(products) == 8
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}
