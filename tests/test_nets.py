"""The CIFAR nets of 2012: their tables, the modules built from them, their initial values."""

from dataclasses import replace
from math import prod, sqrt

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from repro import contents
from repro.nets import modules, tables
from repro.nets.layers import SameMapNorm
from repro.papers.alexnet2012 import cuda_convnet
from repro.train import loop
from repro.train.seeds import generator

IMAGE = (3, 32, 32)
KINDS = ("cuda_convnet_18pct", "cuda_convnet_19pct", "cuda_convnet_80sec")
ACTIVATIONS = ("relu", "tanh", "logistic")
ERA = {"conv1": 0.0001, "conv2": 0.01, "conv3": 0.01, "fc10": 0.01}  # source.md 3.2 B


def built(kind: str = "cuda_convnet_19pct", seed: int = 0, **model) -> nn.Sequential:
    return loop.initial_net(
        contents.net(**{"kind": kind, "init": "he", **model}, classes=10), seed=seed, classes=10, image=IMAGE
    )


def drawn(seed: int, name: str, *shape: int) -> torch.Tensor:
    """Normal numbers of a name, in fp64, in the layout which torch calls channels-last."""
    x = torch.randn(*shape, dtype=torch.float64, generator=generator(seed, name))
    return x.to(memory_format=torch.channels_last) if len(shape) == 4 else x


# The tables


@pytest.mark.parametrize(("kind", "count"), [(KINDS[0], 89_578), (KINDS[1], 89_578), (KINDS[2], 145_578)])
def test_the_nets_have_the_parameters_of_the_published_ones(kind, count):
    counts = tables.parameters(cuda_convnet.table(kind), IMAGE)
    assert sum(counts.values()) == count
    assert counts["conv1"] == 32 * (3 * 25 + 1)
    assert sum(p.numel() for p in built(kind).parameters()) == count


@pytest.mark.parametrize("kind", KINDS)
def test_maps_shrink_from_32_to_16_to_8_to_4(kind):
    rows = tables.shapes(cuda_convnet.table(kind), IMAGE)
    pooled = [(entering[1:], leaving[1:]) for row, entering, leaving in rows if isinstance(row, tables.Pool)]
    assert pooled == [((32, 32), (16, 16)), ((16, 16), (8, 8)), ((8, 8), (4, 4))]


def test_multiply_adds_are_kernel_size_times_outputs():
    convolutions = {"conv1": 75 * 32 * 32**2, "conv2": 800 * 32 * 16**2, "conv3": 800 * 64 * 8**2}
    assert tables.multiply_adds(cuda_convnet.table(KINDS[1]), IMAGE) == convolutions | {"fc10": 1024 * 10}
    assert tables.multiply_adds(cuda_convnet.table(KINDS[2]), IMAGE) == convolutions | {
        "fc64": 1024 * 64,
        "fc10": 64 * 10,
    }


def test_the_18pct_net_is_the_19pct_net_with_two_norms_and_the_activation_after_the_first_pooling():
    plain = [row for row in cuda_convnet.table(KINDS[0]) if not isinstance(row, tables.SameMapNorm)]
    assert len(plain) == len(cuda_convnet.table(KINDS[0])) - 2
    plain[1], plain[2] = plain[2], plain[1]
    other = cuda_convnet.table(KINDS[1])
    assert plain[:-1] == list(other[:-1])
    assert (plain[-1].decay, other[-1].decay) == (1.0, 3.0)


def test_width_scales_hidden_layers_alone():
    half, whole = (tables.weighted(cuda_convnet.table(KINDS[2], width=width, classes=7)) for width in (0.5, 1.0))
    sizes = [[row.maps if isinstance(row, tables.Conv) else row.units for row in rows] for rows in (half, whole)]
    assert sizes == [[16, 16, 32, 32, 7], [32, 32, 64, 64, 7]]
    assert sum(p.numel() for p in built(KINDS[2], width=0.5).parameters()) == sum(
        tables.parameters(cuda_convnet.table(KINDS[2], width=0.5), IMAGE).values()
    )
    assert tables.weighted(cuda_convnet.table(KINDS[1], width=0.001))[0].maps == 1


def test_an_image_that_is_too_small_is_refused_with_the_layer():
    with pytest.raises(ValueError, match="pool1 of size 3 does not fit"):
        list(tables.shapes(cuda_convnet.table(KINDS[1]), (3, 2, 2)))


LOCAL = {"cuda_convnet_conv_local_13pct": 1_116_490, "cuda_convnet_conv_local_11pct": 2_112_970}
CROP = (3, 24, 24)


@pytest.mark.parametrize("kind", LOCAL)
def test_the_nets_with_locally_connected_layers_have_the_parameters_of_the_published_ones(kind):
    rows = cuda_convnet.table(kind)
    counts = tables.parameters(rows, CROP)
    assert sum(counts.values()) == LOCAL[kind]  # source.md 3.2 D and F
    assert counts["fc10"] == 10 * (1152 + 1)
    assert counts["local4"] == 36 * 32 * ((64 if "11pct" in kind else 32) * 9 + 1)
    net = loop.initial_net(contents.net(kind, classes=10), seed=0, classes=10, image=CROP)
    assert {name: sum(p.numel() for p in net.get_submodule(name).parameters()) for name in counts} == counts
    assert net(torch.zeros(2, *CROP)).shape == (2, 10)
    pooled = [leaving for row, _, leaving in tables.shapes(rows, CROP) if isinstance(row, tables.Pool)]
    assert pooled == [(64, 12, 12), (64, 6, 6)]


def test_the_published_rules_of_the_nets_with_locally_connected_layers():
    plain, normed = (tables.weighted(cuda_convnet.table(kind)) for kind in LOCAL)
    assert {row.name: row.std for row in plain} == {
        "conv1": 0.0001, "conv2": 0.01, "local3": 0.04, "local4": 0.04, "fc10": 0.01,
    }  # fmt: skip
    assert [row.decay for row in plain] == [0.0, 0.0, 0.004, 0.004, 0.004]
    assert [row.decay for row in normed] == [0.0, 0.0, 0.004, 0.004, 0.01]
    norms = [row for row in cuda_convnet.table(list(LOCAL)[1]) if isinstance(row, tables.CrossMapNorm)]
    assert [(row.size, row.alpha, row.beta, row.k) for row in norms] == [(9, 0.001 / 9, 0.75, 1.0)] * 2


def test_the_11pct_net_without_its_norms_and_with_the_maps_of_the_13pct_net_is_that_net_but_for_a_decay():
    edited = cuda_convnet.table("cuda_convnet_conv_local_11pct", norms="none", maps={"local3": 32})
    assert edited[-1].decay == 0.01
    assert (*edited[:-1], replace(edited[-1], decay=0.004)) == cuda_convnet.table("cuda_convnet_conv_local_13pct")
    first = cuda_convnet.table("cuda_convnet_conv_local_11pct", norms="first")
    assert [row.name for row in first if isinstance(row, tables.CrossMapNorm)] == ["rnorm1"]
    with pytest.raises(ValueError, match="no hidden layer fc10"):
        cuda_convnet.table("cuda_convnet_conv_local_11pct", maps={"fc10": 5})


def test_locally_connected_layers_start_with_the_spread_of_their_own_inputs():
    net = loop.initial_net(contents.net(list(LOCAL)[1], init="he", classes=10), seed=0, classes=10, image=CROP)
    net.requires_grad_(False)
    for name, fan_in in {"local3": 64 * 9, "local4": 64 * 9, "conv2": 64 * 25}.items():
        weight = net.get_submodule(name).weight
        assert float(weight.std()) == pytest.approx(sqrt(2 / fan_in), rel=0.01)
        assert not net.get_submodule(name).bias.any()


# The modules


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_net_is_its_table_names_shapes_and_counts(kind, activation):
    net = built(kind, activation=activation)
    rows = cuda_convnet.table(kind, activation=activation)
    assert {name.split(".")[0] for name, _ in net.named_parameters()} == {row.name for row in tables.weighted(rows)}
    for name, count in tables.parameters(rows, IMAGE).items():
        assert sum(p.numel() for p in net.get_submodule(name).parameters()) == count
    found, x = {}, torch.zeros(2, *IMAGE)
    for name, layer in net.named_children():
        x = layer(x)
        found[name] = tuple(x.shape[1:])
    named = {row.name: leaving for row, _, leaving in tables.shapes(rows, IMAGE) if hasattr(row, "name")}
    assert {name: shape for name, shape in found.items() if name in named} == named
    kinds = [type(layer) for layer in net]
    assert kinds.count(modules.ACTIVATIONS[activation]) == sum(isinstance(row, tables.Activation) for row in rows)


def pooled_by_hand(x: np.ndarray, size: int, stride: int, what) -> np.ndarray:
    """Pooling window by window, clipped to the image, of [n, c, h, w]."""
    n, c, h, w = x.shape
    high, wide = (-(-(side - size) // stride) + 1 for side in (h, w))  # ceil
    out = np.empty((n, c, high, wide))
    for i in range(high):
        for j in range(wide):
            top, left = i * stride, j * stride
            out[:, :, i, j] = what(x[:, :, top : min(top + size, h), left : min(left + size, w)], axis=(2, 3))
    return out


@pytest.mark.parametrize(("side", "leaves"), [(32, 16), (24, 12), (16, 8), (8, 4), (7, 3), (6, 3), (3, 1)])
def test_pooling_rounds_up_clips_its_windows_and_averages_over_what_is_left(side, leaves):
    x = drawn(0, "pool", 2, 3, side, side)
    for kind, what in (("max", np.max), ("average", np.mean)):
        net = modules.module((tables.Pool("pool", kind),), (3, side, side))
        expected = pooled_by_hand(x.numpy(), 3, 2, what)
        assert expected.shape == (2, 3, leaves, leaves)
        np.testing.assert_allclose(net(x).numpy(), expected, rtol=1e-14)


def test_same_map_norm_divides_by_the_whole_window_at_the_borders_too():
    x = 20 * drawn(0, "norm", 2, 3, 5, 6)
    size, alpha, beta = 3, 0.05, 0.75
    expected = np.empty(x.shape)
    for i in range(5):
        for j in range(6):
            window = x[:, :, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].numpy()
            squares = (window**2).sum(axis=(2, 3))
            expected[:, :, i, j] = x[:, :, i, j].numpy() / (1 + alpha / size**2 * squares) ** beta
    np.testing.assert_allclose(SameMapNorm(size, alpha, beta)(x).numpy(), expected, rtol=1e-13)


def test_same_map_norm_has_the_gradient_of_its_formula():
    x = drawn(1, "norm", 1, 2, 4, 4).requires_grad_()
    assert torch.autograd.gradcheck(SameMapNorm(3, 0.5, 0.75), (x,))


def in_the_order_of_the_table(net: nn.Sequential, rows: tuple, x: torch.Tensor) -> torch.Tensor:
    """A net's logits, computed row by row as the table has them, with torch's functions."""
    functions = {"relu": F.relu, "tanh": torch.tanh, "logistic": torch.sigmoid}
    for row in rows:
        if isinstance(row, tables.Conv):
            layer = net.get_submodule(row.name)
            x = F.conv2d(x, layer.weight, layer.bias, padding=row.pad)
        elif isinstance(row, tables.Dense):
            layer = net.get_submodule(row.name)
            x = F.linear(x.flatten(1), layer.weight, layer.bias)
        elif isinstance(row, tables.Pool):
            pool = F.max_pool2d if row.kind == "max" else F.avg_pool2d
            x = pool(x, row.size, row.stride, ceil_mode=True)
        elif isinstance(row, tables.SameMapNorm | tables.CrossMapNorm | tables.Local):
            x = net.get_submodule(row.name)(x)
        else:
            x = functions[row.kind](x)
    return x


@pytest.mark.parametrize("kind", [*KINDS, *LOCAL])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_pooling_before_the_activation_changes_neither_outputs_nor_gradients(kind, activation):
    net = built(kind, activation=activation, width=0.25).double()
    rows = cuda_convnet.table(kind, activation=activation, width=0.25)
    x = drawn(0, "x", 4, *IMAGE)  # fp64 of a continuous distribution: no ties
    outputs, gradients = [], []
    for logits in (net(x), in_the_order_of_the_table(net, rows, x)):
        net.zero_grad()
        F.cross_entropy(logits, torch.tensor([0, 3, 3, 9])).backward()
        outputs.append(logits.detach())
        gradients.append([p.grad.clone() for p in net.parameters()])
    torch.testing.assert_close(*outputs, rtol=1e-12, atol=1e-12)
    for here, there in zip(*gradients, strict=True):
        assert there.abs().max() > 0
        torch.testing.assert_close(here, there, rtol=1e-9, atol=1e-12)


def test_an_activation_stands_after_the_max_pooling_that_follows_it():
    names = [name.rstrip("0123456789") for name, _ in built().named_children()]
    assert names[:3] == ["conv", "pool", "relu"]
    assert names[3:6] == ["conv", "relu", "pool"]  # averages do not commute


def convolved(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, pad: int) -> np.ndarray:
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, weight, optimize=True) + bias[:, None, None]


def test_the_19pct_net_computes_what_numpy_computes_in_fp64():
    net = built(activation="tanh")
    parameters = {name: p.detach().double().numpy() for name, p in net.named_parameters()}
    images = drawn(0, "images", 3, *IMAGE).float()
    x = images.double().numpy()
    for layer, pool, what in (("conv1", 3, np.max), ("conv2", 3, np.mean), ("conv3", 3, np.mean)):
        x = np.tanh(convolved(x, parameters[f"{layer}.weight"], parameters[f"{layer}.bias"], pad=2))
        x = pooled_by_hand(x, pool, 2, what)
    logits = x.reshape(3, -1) @ parameters["fc10.weight"].T + parameters["fc10.bias"]
    np.testing.assert_allclose(net(images).detach().numpy(), logits, rtol=1e-4, atol=1e-5)


# Initial values


def test_biases_start_at_zero_and_weights_with_the_deviations_named():
    net = built(init=ERA)
    for name, p in net.requires_grad_(False).named_parameters():
        layer, role = name.split(".")
        if role == "bias":
            assert not p.any()
        else:
            sampling = ERA[layer] / sqrt(2 * p.numel())  # deviation of a deviation
            assert abs(float(p.std()) - ERA[layer]) < 5 * sampling
            assert abs(float(p.mean())) < 5 * ERA[layer] / sqrt(p.numel())


def test_he_draws_with_the_deviation_sqrt_2_over_fan_in():
    for name, p in built(KINDS[2]).requires_grad_(False).named_parameters():
        if name.endswith("weight"):
            he = sqrt(2 / prod(p.shape[1:]))
            assert abs(float(p.std()) - he) < 5 * he / sqrt(2 * p.numel())


def test_initial_values_are_a_function_of_seed_and_name():
    net = built(init=ERA, seed=7)
    for name, p in net.named_parameters():
        if name.endswith("weight"):
            deviation = ERA[name.split(".")[0]]
            expected = torch.empty(p.shape).normal_(0, deviation, generator=generator(7, "init", name))
            assert torch.equal(p, expected)
    other = built(init=ERA, seed=8)
    assert not torch.equal(net.conv1.weight, other.conv1.weight)
    assert not torch.equal(net.conv2.weight.flatten()[:100], net.conv1.weight.flatten()[:100] * 100)


def equal_where_shapes_agree(a: nn.Module, b: nn.Module) -> set[str]:
    """Names of the parameters that two nets share, all of them bit for bit equal."""
    ours, theirs = dict(a.named_parameters()), dict(b.named_parameters())
    shared = {name for name in ours.keys() & theirs.keys() if ours[name].shape == theirs[name].shape}
    assert all(torch.equal(ours[name], theirs[name]) for name in shared)
    return shared


def test_arms_with_equal_shapes_start_equal():
    relu, tanh, logistic = (built(activation=activation) for activation in ACTIVATIONS)
    assert len(equal_where_shapes_agree(relu, tanh)) == 8
    assert len(equal_where_shapes_agree(relu, logistic)) == 8


def test_a_layer_starts_the_same_whatever_stands_before_and_after_it():
    assert len(equal_where_shapes_agree(built(KINDS[0]), built(KINDS[1]))) == 8
    shared = equal_where_shapes_agree(built(KINDS[1]), built(KINDS[2]))
    assert shared == {f"{layer}.{role}" for layer in ("conv1", "conv2", "conv3") for role in ("weight", "bias")} | {
        "fc10.bias"
    }


def test_initial_values_depend_neither_on_threads_nor_on_global_randomness():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = built(seed=3)
        torch.set_num_threads(2)
        two = built(seed=3)
    finally:
        torch.set_num_threads(threads)
    assert len(equal_where_shapes_agree(one, two)) == 8
    before = torch.random.get_rng_state()
    built()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_nets_are_fp32_and_channels_last():
    net = built()
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert net.conv2.weight.is_contiguous(memory_format=torch.channels_last)
