"""The net of the paper in both readings: its counts, its ablations as edits of rows, and the modules built from it."""

from dataclasses import replace

import pytest
import torch
from small_masks import put_masks
from torch import nn
from torch.nn import functional as F

from repro.nets import layers, modules, tables
from repro.papers.alexnet2012 import alexnet
from repro.train.seeds import generator

IMAGE = (3, 224, 224)
READINGS = ("paper", "source")
SMALL = {"classes": 10, "width": 0.25}


def built(seed: int = 0, image: tuple[int, int, int] = (3, 75, 75), **options) -> nn.Sequential:
    options = {"reading": "source"} | SMALL | options
    rule = {"init": options.pop("init", "published"), "classes": options["classes"]}
    return modules.build(alexnet.table(**options), image=image, draw=lambda name: generator(seed, "init", name), **rule)


def total(counts: dict[str, int]) -> int:
    return sum(counts.values())


def sides(rows: alexnet.Rows, image: tables.Shape = IMAGE) -> list[int]:
    """Height of what leaves each convolution and pooling."""
    return [out[1] for row, _, out in tables.shapes(rows, image) if isinstance(row, tables.Conv | tables.Pool)]


def into(rows: alexnet.Rows, name: str, image: tables.Shape = IMAGE) -> tables.Shape:
    return next(entering for row, entering, _ in tables.shapes(rows, image) if getattr(row, "name", "") == name)


def named(rows: alexnet.Rows, name: str) -> tables.Row:
    return next(row for row in rows if getattr(row, "name", "") == name)


# Counts


@pytest.mark.parametrize("reading", READINGS)
def test_the_net_has_the_shapes_neurons_parameters_and_multiply_adds_of_both_texts(reading):
    rows = alexnet.table(reading)
    assert sides(rows) == [55, 27, 27, 13, 13, 13, 13, 6]
    assert tables.neurons(rows, IMAGE) == {
        "conv1": 290_400,  # 55 x 55 x 96; Figure 2 prints 253,440
        "conv2": 186_624,
        "conv3": 64_896,
        "conv4": 64_896,
        "conv5": 43_264,
        "fc6": 4096,
        "fc7": 4096,
        "fc8": 1000,
    }
    assert total(tables.neurons(rows, IMAGE)) == 659_272
    assert tables.parameters(rows, IMAGE) == {
        "conv1": 34_944,
        "conv2": 307_456,
        "conv3": 885_120,
        "conv4": 663_936,
        "conv5": 442_624,
        "fc6": 37_752_832,
        "fc7": 16_781_312,
        "fc8": 4_097_000,
    }
    assert total(tables.parameters(rows, IMAGE)) == 60_965_224
    assert total(tables.multiply_adds(rows, IMAGE)) == 724_406_816


def test_the_third_and_the_fourth_convolution_hold_more_than_one_percent_of_the_parameters():
    held = tables.parameters(alexnet.table("paper"), IMAGE)
    shares = {name: count / total(held) for name, count in held.items()}
    assert {name: round(100 * shares[name], 2) for name in ("conv1", "conv2", "conv3", "conv4", "conv5")} == {
        "conv1": 0.06,
        "conv2": 0.50,
        "conv3": 1.45,
        "conv4": 1.09,
        "conv5": 0.73,
    }
    assert round(100 * shares["fc6"], 1) == 61.9


@pytest.mark.parametrize(
    ("options", "parameters", "multiply_adds"),
    [
        ({"towers": "one half"}, 59_798_312, 391_514_384),
        ({"towers": "no communication"}, 60_714_408, 724_323_872),
        ({"conv6": True}, 60_965_224 + 590_080, 724_406_816 + 36 * 589_824),  # on 6 x 6 places
        ({"pooling": "2/2"}, 60_965_224, 686_891_552),
        ({"norms": "none"}, 60_965_224, 724_406_816),
    ],
)
def test_the_ablations_have_the_published_counts(options, parameters, multiply_adds):
    for reading in READINGS:
        rows = alexnet.table(reading, **options)
        assert total(tables.parameters(rows, IMAGE)) == parameters
        assert total(tables.multiply_adds(rows, IMAGE)) == multiply_adds


def test_an_image_that_the_strides_do_not_divide_gets_three_zeros_right_and_bottom():
    conv1 = named(alexnet.table("paper"), "conv1")
    assert tables.ceil_zeros(conv1, IMAGE) == (3, 3)
    assert tables.ceil_zeros(conv1, (3, 227, 227)) == (0, 0)
    assert tables.ceil_zeros(conv1, (3, 224, 225)) == (2, 3)  # right, bottom


def test_smaller_images_fit_down_to_52_pixels():
    rows = alexnet.table("source")
    assert sides(rows, (3, 128, 128)) == [31, 15, 15, 7, 7, 7, 7, 3]
    assert sides(rows, (3, 52, 52))[-1] == 1
    with pytest.raises(ValueError, match="pool5 of size 3 does not fit"):
        sides(rows, (3, 51, 51))


# The readings


def test_the_readings_differ_where_text_and_source_do():
    """source.md 1, rows 3, 4, 5, 6, 7 and 11."""
    paper, source = alexnet.table("paper"), alexnet.table("source")

    def without_weights(rows: alexnet.Rows, after: str, to: str) -> list[str]:
        names = [getattr(row, "name", "activation") for row in rows]
        return names[names.index(after) + 1 : names.index(to)]

    assert without_weights(paper, "conv1", "conv2") == ["activation", "lrn1", "pool1"]
    assert without_weights(source, "conv1", "conv2") == ["lrn1", "pool1", "activation"]
    assert without_weights(paper, "conv2", "conv3") == ["activation", "lrn2", "pool2"]
    assert without_weights(source, "conv2", "conv3") == ["activation", "lrn2", "rnorm2", "pool2"]
    assert without_weights(paper, "conv5", "fc6") == ["activation", "pool5"]
    assert without_weights(source, "conv5", "fc6") == ["pool5", "activation"]
    assert named(paper, "lrn1").alpha == 1e-4
    assert named(source, "lrn1").alpha == pytest.approx(2e-5)
    deviations = [[row.std for row in tables.weighted(rows)] for rows in (paper, source)]
    assert deviations == [[0.01] * 8, [0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01]]
    assert [replace(row, std=0.01) for row in tables.weighted(source)] == list(tables.weighted(paper))


def test_the_norms_have_the_constants_of_their_reading():
    """§3.3 prints alpha; the source divides it by n, and has a norm within maps too: source.md 1, rows 6 and 7."""
    for reading, alpha in (("paper", 1e-4), ("source", 2e-5)):
        for name in ("lrn1", "lrn2"):
            norm = named(alexnet.table(reading), name)
            assert (norm.k, norm.size, norm.beta, norm.groups) == (2.0, 5, 0.75, 2)
            assert norm.alpha == pytest.approx(alpha)
    within = named(alexnet.table("source"), "rnorm2")
    assert (within.size, within.beta) == (5, 0.75)
    assert within.alpha / within.size**2 == pytest.approx(4e-5)
    assert not any(isinstance(row, tables.SameMapNorm) for row in alexnet.table("paper"))


@pytest.mark.parametrize("reading", READINGS)
def test_dropout_stands_after_the_activations_of_the_two_hidden_fully_connected_layers(reading):
    rows = alexnet.table(reading)
    tail = [getattr(row, "name", "activation") for row in rows[rows.index(named(rows, "fc6")) :]]
    assert tail == ["fc6", "activation", "drop6", "fc7", "activation", "drop7", "fc8"]
    assert [row.keep for row in rows if isinstance(row, tables.Dropout)] == [0.5, 0.5]


@pytest.mark.parametrize("reading", READINGS)
def test_biases_are_one_in_conv2_4_5_and_the_hidden_fully_connected_layers(reading):
    ones = {row.name for row in tables.weighted(alexnet.table(reading, conv6=True)) if row.bias == 1}
    assert ones == {"conv2", "conv4", "conv5", "conv6", "fc6", "fc7"}
    assert not any(row.bias for row in tables.weighted(alexnet.table(reading, conv6=True, bias=0.0)))
    assert {row.decay for row in tables.weighted(alexnet.table(reading))} == {0.0005}


# The ablations


def test_pooling_without_overlap_keeps_the_sizes_after_the_second_and_the_last_pooling():
    """#147: source.md 1, 33."""
    rows = alexnet.table("source", pooling="2/2")
    assert sides(rows) == [55, 28, 26, 13, 13, 13, 11, 6]
    assert (named(rows, "conv2").pad, named(rows, "conv5").pad) == (1, 0)


@pytest.mark.parametrize(
    ("norms", "left"),
    [
        ("both", ["lrn1", "lrn2", "rnorm2"]),
        ("none", []),
        ("first", ["lrn1"]),
        ("scale only", ["lrn1", "lrn2"]),
    ],
)
def test_norms_go_all_or_by_layer_or_leave_their_scale(norms, left):
    kinds = tables.CrossMapNorm | tables.SameMapNorm | tables.Scale
    source = [row for row in alexnet.table("source", norms=norms) if isinstance(row, kinds)]
    paper = [row for row in alexnet.table("paper", norms=norms) if isinstance(row, kinds)]
    assert [row.name for row in source] == left
    assert [row.name for row in paper] == [name for name in left if name != "rnorm2"]
    if norms == "scale only":
        assert [row.factor for row in source] == [2**-0.75] * 2


@pytest.mark.parametrize(("reading", "deviation"), [("paper", 0.01), ("source", 0.03)])
def test_the_sixth_convolution_reads_both_towers_where_the_last_pooling_ends(reading, deviation):
    """#146: source.md 1, 35."""
    rows = alexnet.table(reading, conv6=True)
    sixth = named(rows, "conv6")
    assert into(rows, "conv6") == into(rows, "fc6") == (256, 6, 6)
    assert (sixth.maps, sixth.size, sixth.pad, sixth.groups) == (256, 3, 1, 1)
    assert (sixth.std, sixth.bias) == (deviation, 1.0)
    after = rows.index(sixth)
    assert [type(row) for row in rows[after - 2 : after]] in (
        [tables.Activation, tables.Pool],
        [tables.Pool, tables.Activation],
    )
    assert isinstance(rows[after + 1], tables.Activation)


def test_towers_that_do_not_talk_read_their_own_half_until_the_last_layer():
    rows = alexnet.table("paper", towers="no communication")
    groups = {row.name: row.groups for row in tables.weighted(rows)}
    assert groups == {"conv1": 1, "fc8": 1} | dict.fromkeys(("conv2", "conv3", "conv4", "conv5", "fc6", "fc7"), 2)


def test_the_one_tower_net_has_one_group_and_half_the_kernels_but_in_the_last_convolution():
    rows = alexnet.table("source", towers="one half")
    assert [row.maps for row in rows if isinstance(row, tables.Conv)] == [48, 128, 192, 192, 256]
    assert {row.groups for row in rows if isinstance(row, tables.Conv | tables.Dense | tables.CrossMapNorm)} == {1}


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("pooling", ["3/2", "2/2"])
@pytest.mark.parametrize("name", ["conv1", "conv2", "conv3", "conv4", "conv5"])
def test_without_one_convolution_the_others_fit_and_fc6_keeps_its_input_but_without_the_first(reading, pooling, name):
    rows = alexnet.table(reading, pooling=pooling, without=(name,))
    assert name not in {row.name for row in tables.weighted(rows)}
    assert into(rows, "fc6") == ((256, 7, 7) if name == "conv1" else (256, 6, 6))
    assert sum(isinstance(row, tables.Pool) for row in rows) == 3
    assert sum(isinstance(row, tables.Activation) for row in rows) == 6


def test_the_layer_after_a_removed_one_takes_its_place():
    """The row `depth` of the catalogue."""
    first = alexnet.table("paper", without=("conv1",))
    assert into(first, "conv2") == IMAGE
    assert (named(first, "conv2").stride, named(first, "conv2").groups) == (4, 1)
    assert into(alexnet.table("paper", without=("conv2",)), "conv3") == (96, 13, 13)
    assert named(alexnet.table("paper", without=("conv3",)), "conv4").groups == 1
    assert into(alexnet.table("paper", without=("conv4",)), "conv5") == (384, 13, 13)
    assert named(alexnet.table("paper", without=("conv5",)), "conv4").maps == 256


def test_without_the_third_convolution_towers_that_do_not_talk_still_do_not():
    assert named(alexnet.table("paper", towers="no communication", without=("conv3",)), "conv4").groups == 2


def test_two_layers_cannot_be_left_out_at_once():
    with pytest.raises(ValueError, match="conv3, conv4"):
        alexnet.table("paper", without=("conv3", "conv4"))


def test_dropout_activation_width_and_classes_change_what_they_name():
    assert not any(isinstance(row, tables.Dropout) for row in alexnet.table("paper", dropout=0))
    assert [row.keep for row in alexnet.table("paper", dropout=0.2) if isinstance(row, tables.Dropout)] == [0.8, 0.8]
    assert {row.kind for row in alexnet.table("paper", activation="tanh") if isinstance(row, tables.Activation)} == {
        "tanh"
    }
    narrow = tables.weighted(alexnet.table("paper", width=0.1, classes=7))
    sizes = [row.maps if isinstance(row, tables.Conv) else row.units for row in narrow]
    assert sizes == [10, 26, 38, 38, 26, 410, 410, 7]  # pairs: each layer splits between the towers


def test_a_table_whose_groups_do_not_divide_its_maps_is_refused():
    rows = (tables.Conv("conv1", 6, size=3, pad=1, std=0.01, decay=0.0, groups=2),)
    with pytest.raises(ValueError, match="equal parts"):
        list(tables.shapes(rows, IMAGE))


# The modules


OPTIONS = [
    {},
    {"reading": "paper"},
    {"towers": "one half"},
    {"towers": "no communication"},
    {"norms": "scale only"},
    {"pooling": "2/2", "activation": "tanh"},
    {"conv6": True, "dropout": 0},
    *({"without": (f"conv{i}",)} for i in range(1, 6)),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_net_is_its_table_and_every_parameter_gets_a_gradient(options):
    image = (3, 75, 75)
    net = built(**options)
    rows = alexnet.table(**{"reading": "source"} | SMALL | options)
    assert [name for name, _ in net.named_parameters()] == [
        f"{row.name}.{role}" for row in tables.weighted(rows) for role in ("weight", "bias")
    ]
    for name, count in tables.parameters(rows, image).items():
        assert sum(p.numel() for p in net.get_submodule(name).parameters()) == count
    found, x = {}, torch.randn(2, *image, generator=generator(0, "x"))
    put_masks(net, 2)
    for name, layer in net.named_children():
        x = layer(x)
        found[name] = tuple(x.shape[1:])
    shapes = {row.name: leaving for row, _, leaving in tables.shapes(rows, image) if hasattr(row, "name")}
    assert {name: shape for name, shape in found.items() if name in shapes} == shapes
    F.cross_entropy(x, torch.tensor([3, 9])).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


@pytest.mark.parametrize("reading", READINGS)
def test_at_224_pixels_both_readings_go_forward_and_backward(reading):
    net = built(image=IMAGE, reading=reading, classes=1000, width=1.0)
    assert sum(p.numel() for p in net.parameters()) == 60_965_224
    put_masks(net, 2)
    images = 60 * torch.randn(2, *IMAGE, generator=generator(0, "x"))
    logits = net(images.to(memory_format=torch.channels_last))
    assert logits.shape == (2, 1000)
    F.cross_entropy(logits, torch.tensor([3, 999])).backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().max() > 0 for p in net.parameters())


def test_the_net_pads_right_and_bottom_alone():
    net = built(image=(3, 64, 64), norms="none", dropout=0)
    assert net.conv1_zeros.padding == (0, 3, 0, 3)
    x = torch.randn(1, 3, 64, 64, generator=generator(0, "x"))
    whole = F.conv2d(F.pad(x, (0, 3, 0, 3)), net.conv1.weight, net.conv1.bias, stride=4)
    torch.testing.assert_close(net.conv1(net.conv1_zeros(x)), whole)
    assert "conv1_zeros" not in dict(built(image=(3, 75, 75)).named_children())


def test_a_tower_reads_its_own_half_but_for_the_third_convolution():
    """Maps of tower 1 first: what only tower 2 reads leaves the first half of the outputs alone."""
    net = built(reading="paper")
    for name, inputs, alone in (("conv2", 24, True), ("conv3", 64, False), ("conv4", 96, True)):
        x = torch.randn(1, inputs, 13, 13, generator=generator(0, name))
        other = x.clone()
        other[:, inputs // 2 :] += 1
        before, after = (net.get_submodule(name)(values).chunk(2, dim=1) for values in (x, other))
        assert torch.equal(before[0], after[0]) == alone
        assert not torch.equal(before[1], after[1])


@pytest.mark.parametrize(("reading", "signed"), [("paper", False), ("source", True)])
def test_the_norm_of_layer_1_sees_signed_values_in_the_reading_of_the_source_alone(reading, signed):
    """source.md 1, 3: there the ReLU comes last in layer 1, and no sooner than after the norm and the pooling."""
    net, seen = built(reading=reading).eval(), {}
    x = 60 * torch.randn(2, 3, 75, 75, generator=generator(0, "x"))
    with torch.no_grad():
        for name, layer in net.named_children():
            seen[name], x = float(x.min()), layer(x)
    assert (seen["lrn1"] < 0) == signed
    assert seen["lrn2"] >= 0
    assert seen["conv2"] >= 0


@pytest.mark.parametrize("reading", READINGS)
def test_norms_do_not_cross_the_border_of_the_towers(reading):
    norm = built(reading=reading).lrn1
    assert isinstance(norm, layers.CrossMapNorm)
    x = torch.ones(1, 24, 1, 1)
    louder = x.clone()
    louder[:, 12:] = 1000
    assert torch.equal(norm(x)[:, :12], norm(louder)[:, :12])


# Initial values


def test_weights_start_with_the_deviations_of_the_rows():
    net = built(reading="source", width=0.5)
    for name, deviation in {"conv2": 0.01, "conv3": 0.03, "conv5": 0.03, "fc6": 0.01}.items():
        weight = net.get_submodule(name).weight.detach()
        assert abs(float(weight.std()) / deviation - 1) < 5 / (2 * weight.numel()) ** 0.5
    assert float(net.conv4.bias.detach().unique()) == 1
    assert float(net.conv3.bias.detach().unique()) == 0


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_arms_start_equal_wherever_shapes_and_deviations_agree(options):
    one, other = built(), built(**options)
    theirs = dict(other.named_parameters())
    tables_of = [
        {row.name: row for row in tables.weighted(alexnet.table(**{"reading": "source"} | SMALL | given))}
        for given in ({}, options)
    ]
    compared = 0
    for name, p in one.named_parameters():
        layer = name.split(".")[0]
        if name in theirs and p.shape == theirs[name].shape and tables_of[0][layer].std == tables_of[1][layer].std:
            assert torch.equal(p, theirs[name]), name
            compared += 1
    assert compared >= 5
