"""Weights from files into nets: Caffe's against a forward pass of its own in fp64, torchvision's, our own."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.lib.stride_tricks import sliding_window_view
from small_training import crops, digits
from torch import nn

from repro import contents
from repro.errors import DataError, ReproError
from repro.nets import tables, weights
from repro.papers.alexnet2012 import alexnet
from repro.train import loop

CAFFE = {"kind": "bvlc_alexnet", "width": 0.0625, "init": "he"}
SIDE = 227


def net(model: dict, seed: int = 0, classes: int = 10, side: int = SIDE) -> nn.Module:
    return loop.initial_net(
        contents.net(**model, classes=classes), seed=seed, classes=classes, image=(3, side, side)
    ).eval()


# Caffe's layout, drawn here and computed in numpy: height, width, channel; channels blue, green, red


def caffes(seed: int = 0) -> dict[str, list[np.ndarray]]:
    """[weights HWIO or inputs x units, biases] of each layer of the net at a sixteenth of its width."""
    draw = np.random.default_rng(seed)
    shapes = {
        "conv1": (11, 11, 3, 6), "conv2": (5, 5, 3, 16), "conv3": (3, 3, 16, 24), "conv4": (3, 3, 12, 24),
        "conv5": (3, 3, 12, 16), "fc6": (6 * 6 * 16, 256), "fc7": (256, 256), "fc8": (256, 10),
    }  # fmt: skip
    return {
        name: [
            draw.normal(0, (2 / np.prod(shape[:-1])) ** 0.5, shape).astype(np.float32),
            draw.normal(0, 0.1, shape[-1]).astype(np.float32),
        ]
        for name, shape in shapes.items()
    }


def saved(layers: dict, path: Path, protocol: int = 4) -> Path:
    """As `numpy.save` writes a mapping; of Python 2 comes protocol 2."""
    with path.open("wb") as file:
        array = np.empty((), dtype=object)
        array[()] = layers
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        pickle.dump(array, file, protocol=protocol)
    return path


def convolved(x: np.ndarray, layer: list[np.ndarray], stride: int = 1, pad: int = 0, groups: int = 1) -> np.ndarray:
    kernel, bias = (part.astype(np.float64) for part in layer)
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = sliding_window_view(x, kernel.shape[:2], axis=(1, 2))[:, ::stride, ::stride]  # [n, y, x, c, h, w]
    read, made = np.split(np.arange(x.shape[3]), groups), np.split(np.arange(kernel.shape[3]), groups)
    parts = [
        np.einsum("nyxchw,hwco->nyxo", windows[:, :, :, r], kernel[..., m]) for r, m in zip(read, made, strict=True)
    ]
    return np.maximum(np.concatenate(parts, axis=3) + bias, 0)


def pooled(x: np.ndarray) -> np.ndarray:
    return sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max(axis=(4, 5))


def normalised(x: np.ndarray) -> np.ndarray:
    """TensorFlow's words for Caffe's norm: radius 2, alpha 2e-5, beta 0.75, bias 1, over all maps."""
    squares = np.pad(x * x, ((0, 0), (0, 0), (0, 0), (2, 2)))
    return x / (1 + 2e-5 * sliding_window_view(squares, 5, axis=3).sum(axis=4)) ** 0.75


def scores(layers: dict[str, list[np.ndarray]], x: np.ndarray) -> np.ndarray:
    """[n, 227, 227, 3] in blue, green, red to [n, classes], fp64."""
    x = pooled(normalised(convolved(x, layers["conv1"], stride=4)))
    x = pooled(normalised(convolved(x, layers["conv2"], pad=2, groups=2)))
    x = convolved(x, layers["conv3"], pad=1)
    x = convolved(x, layers["conv4"], pad=1, groups=2)
    x = pooled(convolved(x, layers["conv5"], pad=1, groups=2)).reshape(len(x), -1)
    for name in ("fc6", "fc7"):
        x = np.maximum(x @ layers[name][0].astype(np.float64) + layers[name][1], 0)
    return x @ layers["fc8"][0].astype(np.float64) + layers["fc8"][1]


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_caffes_weights_give_caffes_scores(tmp_path, protocol):
    layers = caffes()
    pixels = np.random.default_rng(1).normal(0, 60, (2, SIDE, SIDE, 3))  # red, green, blue
    ours = net(CAFFE).double()
    weights.put(ours, weights.read(saved(layers, tmp_path / "bvlc.npy", protocol)))
    with torch.no_grad():
        found = ours(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(found, scores(layers, pixels[..., ::-1]), rtol=1e-9)


def test_layers_may_be_mappings_of_weights_and_biases_too(tmp_path):
    layers = caffes()
    by_name = {name: dict(zip(("weights", "biases"), pair, strict=True)) for name, pair in layers.items()}
    a, b = weights.read(saved(layers, tmp_path / "a.npy")), weights.read(saved(by_name, tmp_path / "b.npy"))
    assert a.keys() == b.keys() == {name for name, _ in net(CAFFE).named_parameters()}
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_bvlcs_net_has_the_parameters_of_the_papers_and_its_own_constants():
    rows, paper = alexnet.caffe(), alexnet.PAPER
    assert sum(tables.parameters(rows, (3, 227, 227)).values()) == 60_965_224
    assert [type(row) for row in rows] == [type(row) for row in paper]
    [norm, _] = [row for row in rows if isinstance(row, tables.CrossMapNorm)]
    assert (norm.k, norm.alpha, norm.beta, norm.size, norm.groups) == (1.0, 2e-5, 0.75, 5, 1)
    assert {row.bias for row in tables.weighted(rows)} == {0.0, 0.1}


def test_inverted_dropout_keeps_the_mean_in_training_and_changes_nothing_in_testing():
    drop = net(CAFFE).drop6
    drop.mask = torch.randint(2, (100, drop.units), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x = torch.ones(100, drop.units)
    assert torch.equal(drop(x), x)
    assert set(drop.train()(x).unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("asked", [os.system, eval, pickle.loads, np.load])
def test_a_pickle_that_asks_for_anything_but_arrays_is_refused(tmp_path, asked):
    with pytest.raises(DataError, match=r"bad.npy: does not read .*it asks for .*, which is no array"):
        weights.read(saved({"conv1": asked}, tmp_path / "bad.npy"))


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ({"conv1": [np.zeros((3, 3, 3, 4), np.float32)]}, "conv1: expected a layer named like conv1"),
        ({"conv1": [np.zeros((3, 3, 3, 4), np.float32), np.zeros(3, np.float32)]}, "conv1: expected"),
        ({1: [np.zeros((3, 4), np.float32), np.zeros(4, np.float32)]}, "1: expected a layer named like"),
        ({"conv1": ["os", "system"]}, "conv1: expected"),
        ([1, 2], "found list; expected the layout"),
    ],
)
def test_another_layout_is_refused_with_the_layer(tmp_path, layers, said):
    with pytest.raises(DataError, match=said):
        weights.read(saved(layers, tmp_path / "x.npy"))


# State dicts


def test_torchvisions_state_dict_gives_its_own_net_the_same_scores(tmp_path):
    import torchvision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        theirs = torchvision.models.alexnet(num_classes=4).eval().to(memory_format=torch.channels_last)
    torch.save(theirs.state_dict(), tmp_path / "alexnet-owt-0.pth")
    ours = net({"kind": "torchvision:alexnet"}, classes=4, side=64)
    weights.put(ours, weights.read(tmp_path / "alexnet-owt-0.pth"))
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert torch.equal(ours(x), theirs(x))


def test_what_batch_norms_have_seen_comes_along_and_an_old_file_may_lack_their_counter(tmp_path):
    kind = {"kind": "timm:test_resnet"}
    theirs, ours = net(kind, seed=1, side=32), net(kind, seed=2, side=32)
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    theirs.train()(x)
    old = {name: tensor for name, tensor in theirs.eval().state_dict().items() if "num_batches" not in name}
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in old.items()}}, tmp_path / "x.pt"
    )
    weights.put(ours, weights.read(tmp_path / "x.pt"))
    assert torch.equal(ours(x), theirs(x))


def test_names_of_published_densenets_become_those_of_torchvisions_nets(tmp_path):
    name = "features.denseblock1.denselayer2.norm.1.running_mean"
    torch.save({name: torch.ones(3), "features.norm0.weight": torch.ones(3)}, tmp_path / "densenet.pth")
    found = weights.read(tmp_path / "densenet.pth")
    assert found.keys() == {"features.denseblock1.denselayer2.norm1.running_mean", "features.norm0.weight"}


class Harm:
    """A pickle that would run a command."""

    def __reduce__(self):
        return os.system, ("false",)


@pytest.mark.parametrize("content", [{"a": Harm()}, [1], {}, {"a": 3}])
def test_a_file_that_is_no_state_dict_of_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(DataError, match=r"x.pth: found|x.pth: .* state.dict"):
        weights.read(tmp_path / "x.pth")


# Our own


def test_a_runs_checkpoint_and_a_plain_state_dict_give_the_same(tmp_path):
    batches = crops(digits(tmp_path, stored=32), size=32)
    rule = {
        "batch": 50, "lr": 0.01, "bias_lr": 2.0, "momentum": 0.9, "weight_decay": {"other": 0.0005},
        "file_images": 100, "order": "repeated",
    }  # fmt: skip
    run = loop.trainer(
        model=contents.net("timm:test_resnet", classes=10), train=rule, seed=0, precision="fp32", batches=batches
    )
    next(run.epochs(1))
    safetensors.torch.save_file(run.state(), tmp_path / "checkpoint.safetensors")
    safetensors.torch.save_file(
        {name: tensor.contiguous() for name, tensor in run.net.state_dict().items()}, tmp_path / "plain.safetensors"
    )
    found, plain = (weights.read(tmp_path / f"{name}.safetensors") for name in ("checkpoint", "plain"))
    assert found.keys() == plain.keys() == run.net.state_dict().keys()
    assert all(torch.equal(found[name], plain[name]) for name in found)


@pytest.mark.parametrize(
    ("name", "content"), [("no.pth", None), ("x.safetensors", b"x"), ("x.npy", b"x"), ("x.pth", b"x"), ("x.zip", b"x")]
)
def test_a_file_that_is_not_there_or_not_readable_is_told(tmp_path, name, content):
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        weights.read(tmp_path / name)


def test_an_archive_that_claims_to_span_several_disks_is_told(tmp_path):
    end = b"PK\x05\x06" + bytes(18)  # an empty archive, its end as in the format's specification
    locator = b"PK\x06\x07" + bytes(12) + (2).to_bytes(4, "little")  # of the end of a large one, on two disks
    (tmp_path / "x.pth").write_bytes(b"PK\x03\x04" + bytes(60) + locator + end)
    with pytest.raises(DataError, match=r"x\.pth"):
        weights.read(tmp_path / "x.pth")


def test_layers_that_start_afresh_keep_their_values_whatever_the_file_says_of_them():
    theirs, ours = net(CAFFE, seed=1, classes=7), net(CAFFE, seed=2)
    before = {name: p.detach().clone() for name, p in ours.named_parameters()}
    weights.put(ours, dict(theirs.named_parameters()), afresh=["fc8", "conv1"])
    for name, parameter in ours.named_parameters():
        kept = name.startswith(("fc8.", "conv1."))
        assert torch.equal(parameter, before[name] if kept else theirs.get_parameter(name)), name


def test_every_tensor_that_does_not_fit_is_named_and_then_nothing_is_copied():
    theirs, ours = dict(net(CAFFE, seed=1, classes=7).named_parameters()), net(CAFFE, seed=2)
    before = {name: p.detach().clone() for name, p in ours.named_parameters()}
    theirs["conv6.weight"] = theirs.pop("conv1.weight")
    with pytest.raises(ReproError) as refused:
        weights.put(ours, theirs, afresh=["fc9"])
    said = str(refused.value)
    for part in (
        "fc9: no such layer; did you mean fc8?",
        "conv1.weight: missing; expected [6 x 3 x 11 x 11]",
        "fc8.bias: found [7]; expected [10]",
        "conv6.weight: found [6 x 3 x 11 x 11]; the net has no such tensor",
    ):
        assert part in said
    assert all(torch.equal(p, before[name]) for name, p in ours.named_parameters())
