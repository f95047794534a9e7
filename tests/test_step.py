"""The update as a GPU would run it, proved without one: on meta tensors, which have a shape and no values.

A dispatch mode fails where a tensor with a dimension lies on another device, where anything is copied between devices,
and where a value is read; and it counts launches, for which an operator that only makes a view needs none.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from repro.data.batches import Batches
from repro.data.photobatches import PhotoBatches
from repro.data.photosets import Photos
from repro.data.sets import Images
from repro.models import registry, tables
from repro.train import loop

BATCH = 128  # §5
NO_LAUNCH = ("aten._unsafe_view.default", "aten.empty.memory_format", "aten.empty_like.default")


class OnOneDevice(TorchDispatchMode):
    """Refuses what would make the host wait or touch another device; counts what is launched."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device, self.launched = torch.device(device), Counter[str]()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        seen = [tensor for tensor in tree_flatten((args, kwargs, out))[0] if isinstance(tensor, torch.Tensor)]
        for tensor in seen:
            if tensor.dim() and tensor.device != self.device:
                raise AssertionError(f"{func} touches {tensor.device}: {tuple(tensor.shape)}")
        if "copy" in str(func) and len({tensor.device for tensor in seen}) > 1:
            raise AssertionError(f"{func} copies between devices")
        if not func.is_view and str(func) not in NO_LAUNCH and func.namespace != "profiler":
            self.launched[str(func)] += 1
        return out


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
        model={"kind": kind},
        train=rule(registry.table(kind, classes=10), 10_000),
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
        model={"kind": "alexnet", "reading": "paper"},
        train=rule(registry.table("alexnet", classes=1000, reading="paper"), BATCH),
        seed=0,
        precision="fp32",
        batches=PhotoBatches(photos, device=device, size=224, colour="paper", resident=True),
    )


# Launches of a whole update, with its gather and masks. Before there was one step they were 62 and 173 without these.
@pytest.mark.parametrize(("made", "at_most"), [(small_net, 45), (papers_net, 85)], ids=["19pct", "alexnet"])
def test_a_whole_update_stays_on_its_device_reads_no_value_and_launches_few_kernels(made, at_most):
    run = made("meta")
    run.begin(1)
    with OnOneDevice("meta") as seen:
        run.step()
    launches = sum(seen.launched.values())
    assert 20 < launches <= at_most, f"{launches}: {dict(seen.launched)}"
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
    with pytest.raises((AssertionError, RuntimeError), match=error), OnOneDevice("meta"):
        run.step()
