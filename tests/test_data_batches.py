"""Batches: the images less their exact mean, channels-last, on any device, in any order of the set the same."""

from dataclasses import replace

import pytest
import torch

from repro.data.batches import Batches
from repro.data.sets import Images


@pytest.fixture(scope="module")
def images() -> Images:
    draw = torch.Generator().manual_seed(0)
    x, held_x = (torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=draw) for n in (50, 20))
    y, held_y = (torch.randint(0, 10, (n,), generator=draw) for n in (50, 20))
    return Images("cifar10", x, y, held_x, held_y, classes=tuple("0123456789"), content="")


@pytest.mark.parametrize("scale", ["raw", "standardised"])
def test_batches_are_the_images_less_the_mean_image(images, scale):
    batches = Batches(images, device="cpu", scale=scale)
    mean = images.train_x.double().mean(0)
    centred = images.train_x.double() - mean
    s = centred.pow(2).mean((0, 2, 3)).sqrt().view(3, 1, 1) if scale == "standardised" else torch.ones(3, 1, 1)
    assert torch.equal(batches.mean, mean.float())
    index = torch.tensor([3, 0, 49, 3])
    x, y = batches.train(index)
    assert x.shape == (4, 3, 32, 32)
    assert x.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(x, (centred / s)[index].float(), rtol=1e-5, atol=1e-5)
    assert torch.equal(y, images.train_y[index])
    parts = list(batches.test(8))
    assert [len(x) for x, _ in parts] == [8, 8, 4]
    assert all(x.dtype == torch.float32 and x.is_contiguous(memory_format=torch.channels_last) for x, _ in parts)
    held = (images.test_x.double() - mean) / s
    torch.testing.assert_close(torch.cat([x for x, _ in parts]), held.float(), rtol=1e-5, atol=1e-5)
    assert torch.equal(torch.cat([y for _, y in parts]), images.test_y)
    assert len(batches) == 50


def test_mean_and_deviation_do_not_depend_on_the_order_of_the_images(images):
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    shuffled = replace(images, train_x=images.train_x[order], train_y=images.train_y[order])
    one, other = (Batches(x, device="cpu", scale="standardised") for x in (images, shuffled))
    assert torch.equal(one.mean, other.mean)
    assert torch.equal(one.deviation, other.deviation)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("scale", ["raw", "standardised"])
def test_batches_on_a_gpu_are_those_of_the_cpu_and_never_wait(images, scale):
    here, there = (Batches(images, device=device, scale=scale) for device in ("cpu", "cuda"))
    index = torch.tensor([3, 0, 49])
    on_device = index.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        x, y = there.train(on_device)
        held = list(there.test(8))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(x.cpu(), here.train(index)[0])
    assert torch.equal(y.cpu(), here.train(index)[1])
    assert all(torch.equal(a.cpu(), b) for (a, _), (b, _) in zip(held, here.test(8), strict=True))
