"""Each layer of 2012 beside its formula, written as loops in fp64. Same-map norm and pooling: tests/test_nets.py."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from repro.nets import layers
from repro.nets.layers import CrossMapNorm, Dropout, GroupedLinear, LocallyConnected
from repro.train.masks import Masks
from repro.train.seeds import generator


def drawn(name: str, *shape: int, channels_last: bool = False) -> torch.Tensor:
    x = torch.randn(*shape, dtype=torch.float64, generator=generator(0, name))
    return x.to(memory_format=torch.channels_last) if channels_last else x


# Across maps


def normed_across_maps(x: np.ndarray, size: int, alpha: float, beta: float, k: float, groups: int) -> np.ndarray:
    """§3.3's formula, its sum cut at the borders of the groups."""
    out = np.empty(x.shape)
    part = x.shape[1] // groups
    for i in range(x.shape[1]):
        first = i // part * part
        maps = range(max(first, i - size // 2), min(first + part - 1, i + size // 2) + 1)
        total = sum(x[:, j] ** 2 for j in maps)
        out[:, i] = x[:, i] / (k + alpha * total) ** beta
    return out


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("size", "beta", "groups"), [(5, 0.75, 1), (5, 0.75, 2), (5, 0.5, 3), (9, 0.75, 4), (1, 0.75, 1)]
)
def test_the_norm_across_maps_is_the_printed_formula_within_each_group(size, beta, groups, channels_last):
    x = 10 * drawn("x", 2, 12, 3, 4, channels_last=channels_last)
    expected = normed_across_maps(x.numpy(), size, 0.1, beta, 2.0, groups)
    np.testing.assert_allclose(CrossMapNorm(size, 0.1, beta, 2.0, groups)(x).numpy(), expected, rtol=1e-13)


@pytest.mark.parametrize(("size", "beta", "groups"), [(5, 0.75, 1), (3, 0.75, 2), (5, 0.5, 2), (9, 0.75, 2)])
def test_the_norm_across_maps_has_the_gradient_of_its_formula(size, beta, groups):
    x = drawn("x", 2, 6, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(CrossMapNorm(size, 0.7, beta, 2.0, groups), (x,))


def test_the_norm_across_maps_has_the_gradient_of_the_formula_in_the_layouts_of_training():
    for channels_last in (False, True):
        x = drawn("x", 2, 8, 3, 3, channels_last=channels_last).requires_grad_()
        y = drawn("y", 2, 8, 3, 3)
        found, expected = (
            torch.autograd.grad((norm(x) * y).sum(), x)[0]
            for norm in (CrossMapNorm(5, 0.7 / 5, 0.75, 2.0), nn.LocalResponseNorm(5, 0.7, 0.75, 2.0))
        )
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


def test_torch_divides_alpha_by_the_number_of_maps_as_the_source_does():
    x = 30 * drawn("x", 2, 12, 3, 4)
    torchs = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)(x)
    torch.testing.assert_close(CrossMapNorm(5, 1e-4 / 5, 0.75, 2.0)(x), torchs, rtol=1e-13, atol=0)
    printed = CrossMapNorm(5, 1e-4, 0.75, 2.0)(x)
    assert (printed / torchs).min() < 0.95


def test_norms_of_bfloat16_are_computed_in_fp32():
    x = (300 * drawn("x", 2, 12, 5, 5)).bfloat16()
    for norm in (CrossMapNorm(5, 1e-5, 0.75, 2.0), layers.SameMapNorm(5, 1e-4, 0.75)):
        assert norm(x).dtype == torch.bfloat16
        assert torch.equal(norm(x), norm(x.float()).bfloat16())


# Without shared weights


def local(image: tuple[int, int, int], maps: int, size: int, stride: int, pad: int) -> LocallyConnected:
    layer = LocallyConnected(image, maps, size, stride, pad).double()
    with torch.no_grad():
        for name, p in layer.named_parameters():
            p.normal_(generator=generator(0, name))
    return layer


@pytest.mark.parametrize(("size", "stride", "pad"), [(3, 1, 1), (3, 2, 0), (5, 4, 2), (2, 1, 0)])
def test_a_locally_connected_layer_has_kernels_and_biases_of_its_own_at_every_place(size, stride, pad):
    image, maps = (2, 6, 7), 3
    layer = local(image, maps, size, stride, pad)
    x = drawn("x", 2, *image)
    rows, columns = layer.places
    # the original's flat storage: weights (modules * channels * size * size) x filters, biases filters * modules
    weights, biases = layer.weight.detach().reshape(-1, maps).numpy(), layer.bias.detach().flatten().numpy()
    ample = np.pad(x.numpy(), ((0, 0), (0, 0), (pad, 20), (pad, 20)))
    expected = np.empty((2, maps, rows, columns))
    kernel = image[0] * size**2
    for f, i, j in product(range(maps), range(rows), range(columns)):
        module = i * columns + j
        window = ample[:, :, i * stride : i * stride + size, j * stride : j * stride + size].reshape(2, -1)
        own = weights[module * kernel : (module + 1) * kernel, f]
        expected[:, f, i, j] = window @ own + biases[f * rows * columns + module]
    assert (rows, columns) == tuple(1 - (size - side - 2 * pad) // stride for side in image[1:])
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-12, atol=1e-12)


def test_a_locally_connected_layer_whose_kernels_agree_is_a_convolution():
    layer = local((4, 6, 6), maps=5, size=3, stride=1, pad=1)
    shared, bias = drawn("kernel", 5, 4, 3, 3), drawn("bias", 5)
    with torch.no_grad():
        layer.weight.copy_(shared.permute(1, 2, 3, 0).expand_as(layer.weight))
        layer.bias.copy_(bias[:, None, None].expand_as(layer.bias))
    x = drawn("x", 2, 4, 6, 6)
    torch.testing.assert_close(layer(x), nn.functional.conv2d(x, shared, bias, padding=1))


def test_a_locally_connected_layer_has_the_gradient_of_its_formula():
    layer = local((2, 4, 5), maps=2, size=3, stride=2, pad=1)
    x = drawn("x", 2, 2, 4, 5).requires_grad_()

    def output(x, weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(output, (x, layer.weight, layer.bias))


def test_a_locally_connected_layer_is_the_product_of_its_windows_in_the_layouts_of_training():
    layer = local((5, 6, 7), maps=4, size=3, stride=1, pad=1)
    for channels_last in (False, True):
        x = drawn("x", 3, 5, 6, 7, channels_last=channels_last).requires_grad_()
        y = drawn("y", 3, 4, 6, 7)
        windows = nn.functional.unfold(x, 3, padding=1)  # [n, c * size * size, modules]
        plain = torch.einsum("nkm,mkf->nfm", windows, layer.weight.flatten(1, 3)).unflatten(2, layer.places)
        wanted = (x, layer.weight, layer.bias)
        expected = torch.autograd.grad(((plain + layer.bias) * y).sum(), wanted)
        found = torch.autograd.grad((layer(x) * y).sum(), wanted)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_locally_connected_layer_computes_in_bfloat16_where_training_does():
    layer = local((4, 6, 6), maps=3, size=3, stride=1, pad=1).float()
    x = drawn("x", 2, 4, 6, 6).float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), layer(x), rtol=0.02, atol=0.2)
    found.float().sum().backward()
    assert {p.grad.dtype for p in (x, *layer.parameters())} == {torch.float32}


# In groups


def test_a_grouped_linear_layer_is_one_linear_layer_per_part():
    layer = GroupedLinear(6, 4, groups=2).double().requires_grad_(False)
    layer.weight.normal_(generator=generator(0, "weight"))
    layer.bias.normal_(generator=generator(0, "bias"))
    x = drawn("x", 3, 6)
    expected = np.zeros((3, 4))
    for n, unit in product(range(3), range(4)):
        for i in range(3):
            expected[n, unit] += float(layer.weight[unit, i]) * float(x[n, unit // 2 * 3 + i])
        expected[n, unit] += float(layer.bias[unit])
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-13)


# Dropout


def dropout(images: int, units: int, keep: float = 0.5, update: int = 1, **options) -> Dropout:
    """A layer with masks for one minibatch."""
    layer = Dropout(keep, units, **options)
    masks = Masks(nn.Sequential(layer))
    masks.put(masks.draw(images, lambda name: generator(0, "dropout", update, name)))
    return layer


def test_dropout_in_training_zeroes_some_units_and_leaves_the_others_as_they_are():
    x = 1 + drawn("x", 50, 40).abs()
    y = dropout(50, 40, keep=0.8)(x)
    kept = y != 0
    assert torch.equal(y[kept], x[kept])
    assert abs(float(kept.double().mean()) - 0.8) < 5 * (0.8 * 0.2 / 2000) ** 0.5


def test_dropout_in_testing_multiplies_by_the_probability_of_keeping():
    x = drawn("x", 5, 4)
    assert torch.equal(dropout(5, 4, keep=0.8).eval()(x), x * 0.8)


def test_masks_are_a_function_of_the_generator_alone():
    x = torch.ones(8, 16)
    before = torch.random.get_rng_state()
    one, again, other = dropout(8, 16), dropout(8, 16), dropout(8, 16, update=2)
    assert torch.equal(one(x), again(x))
    assert not torch.equal(one(x), other(x))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_gradient_passes_where_the_mask_is_one():
    x = drawn("x", 8, 16).requires_grad_()
    y = dropout(8, 16)(x)
    y.sum().backward()
    assert torch.equal(x.grad, (y != 0).double())


def test_a_part_of_a_layer_is_thinned_as_the_whole_layer_is():
    x = 1 + drawn("x", 8, 16).abs()
    parts = [dropout(8, 16, part=(i, 2))(half) for i, half in enumerate(x.chunk(2, dim=1))]
    assert torch.equal(torch.cat(parts, dim=1), dropout(8, 16)(x))


def test_dropout_in_training_without_a_mask_is_refused():
    with pytest.raises(RuntimeError, match="needs a mask"):
        Dropout(0.5, 2)(torch.ones(2, 2))


def two_layers(images: int, **options) -> tuple[nn.Sequential, Masks]:
    """Layers of 100 and of 7 units, with masks put."""
    net = nn.Sequential()
    net.add_module("drop6", Dropout(0.5, 100))
    net.add_module("drop7", Dropout(0.5, 7))
    return net, Masks(net)


def test_each_layer_s_masks_come_from_the_generator_of_its_name():
    net, masks = two_layers(6)
    drawn = masks.draw(6, lambda name: generator(3, "dropout", 17, name))
    masks.put(drawn)
    for layer, name, words in ((net.drop6, "drop6", 2), (net.drop7, "drop7", 1)):
        numbers = torch.empty(6 * words, dtype=torch.int64)
        numbers.random_(-(2**63), None, generator=generator(3, "dropout", 17, name))
        for image in range(6):
            for unit in range(layer.units):
                word = int(numbers[image * words + unit // 64])
                assert int(layer.mask[image, unit]) == word >> (unit % 64) & 1


def test_masks_of_images_taken_in_another_order_are_the_same():
    net, masks = two_layers(6)
    drawn = masks.draw(6, lambda name: generator(0, name))
    masks.put(drawn)
    whole = net.drop6.mask
    masks.put(drawn[[4, 1]])
    assert torch.equal(net.drop6.mask, whole[[4, 1]])


@pytest.mark.parametrize("keep", [0.5, 0.75, 0.25, 0.2, 0.9, 2**-10])
def test_a_unit_is_kept_with_its_probability_independently_of_the_others(keep):
    layer = dropout(2000, 128, keep=keep)
    share = layer.mask.double()
    few = (keep * (1 - keep) / share.numel()) ** 0.5
    assert abs(float(share.mean()) - keep) < 5 * few
    assert float((share.mean(0) - keep).abs().max()) < 5 * (keep * (1 - keep) / 2000) ** 0.5, "of each unit"
    together = share[:, 1:] * share[:, :-1]
    assert abs(float(together.mean()) - keep**2) < 6 * few, "of neighbours"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_and_the_cpu_have_the_same_masks():
    net, masks = two_layers(50)
    drawn = masks.draw(50, lambda name: generator(0, name))
    masks.put(drawn)
    here = net.drop6.mask
    Masks(net, "cuda").put(drawn.cuda())
    assert torch.equal(net.drop6.mask.cpu(), here)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_norm_across_maps_is_what_it_is_on_the_cpu():
    x = drawn("x", 2, 12, 3, 4, channels_last=True)
    norm = CrossMapNorm(5, 0.1, 0.75, 2.0, groups=2)
    torch.testing.assert_close(norm(x.cuda()).cpu(), norm(x), rtol=1e-12, atol=0)
