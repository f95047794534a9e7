"""The paper's update rule: equal to torch's at a constant rate, its own after a drop, and always the formula."""

import numpy as np
import pytest
import torch
from launches import Launches
from torch import nn

from repro.train.seeds import generator
from repro.train.sgd import PaperSGD, groups, set_rates

RATES = [0.1, 0.1, 0.1, 0.01, 0.01, 0.001]  # a schedule with two drops
GRADIENTS = [torch.randn(4, 3, generator=generator(0, "gradient", i)) for i in range(len(RATES))]
START = torch.randn(4, 3, generator=generator(0, "start"))
MOMENTUM, DECAY = 0.9, 0.05


def trained(optimiser_of, rates: list[float]) -> torch.Tensor:
    """The weights after one update per rate, with the same gradients for every optimiser."""
    weight = nn.Parameter(START.clone())
    optimiser = optimiser_of(weight)
    for rate, gradient in zip(rates, GRADIENTS, strict=True):
        optimiser.param_groups[0]["lr"] = rate
        weight.grad = gradient.clone()
        optimiser.step()
    return weight.detach()


def ours(weight: nn.Parameter) -> PaperSGD:
    return PaperSGD([{"params": [weight], "lr": 0.0, "weight_decay": DECAY}], momentum=MOMENTUM)


def torchs(weight: nn.Parameter) -> torch.optim.SGD:
    return torch.optim.SGD([weight], lr=0.0, momentum=MOMENTUM, weight_decay=DECAY)


def by_the_paper(rates: list[float]) -> np.ndarray:
    w, v = START.double().numpy(), 0.0
    for rate, gradient in zip(rates, GRADIENTS, strict=True):
        v = MOMENTUM * v - DECAY * rate * w - rate * gradient.double().numpy()
        w = w + v
    return w


def test_at_a_constant_rate_it_is_torchs_sgd():
    constant = [0.1] * len(RATES)
    torch.testing.assert_close(trained(ours, constant), trained(torchs, constant), rtol=1e-5, atol=1e-6)


def test_after_a_drop_it_is_not_torchs_sgd():
    assert (trained(ours, RATES) - trained(torchs, RATES)).abs().max() > 0.01


def test_it_is_the_papers_formula_through_every_drop():
    np.testing.assert_allclose(trained(ours, RATES).numpy(), by_the_paper(RATES), rtol=1e-5, atol=1e-6)


def test_what_was_gathered_at_the_old_rate_keeps_its_size_after_a_drop():
    weight = nn.Parameter(torch.zeros(1))
    optimiser = PaperSGD([{"params": [weight], "lr": 1.0, "weight_decay": 0.0}], momentum=0.5)
    for rate, gradient, expected in ((1.0, 1.0, -1.0), (0.25, 1.0, -1.75)):  # torch's own would come to -1.375
        optimiser.param_groups[0]["lr"] = rate
        weight.grad = torch.tensor([gradient])
        optimiser.step()
        assert weight.item() == expected


def test_biases_move_at_twice_the_rate_and_do_not_decay():
    net = nn.Sequential()
    net.add_module("fc", nn.Linear(3, 2))
    w, b = (p.detach().double().numpy() for p in (net.fc.weight, net.fc.bias))
    optimiser = PaperSGD(groups(net, lr=0.1, bias_lr=2.0, weight_decay={"fc": DECAY}), momentum=MOMENTUM)
    v, u = 0.0, 0.0
    for _ in range(5):
        net.fc.weight.grad, net.fc.bias.grad = torch.ones(2, 3), torch.ones(2)
        optimiser.step()
        v = MOMENTUM * v - DECAY * 0.1 * w - 0.1
        u = MOMENTUM * u - 0.2
        w, b = w + v, b + u
    np.testing.assert_allclose(net.fc.weight.detach().numpy(), w, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(net.fc.bias.detach().numpy(), b, rtol=1e-5, atol=1e-6)


def test_groups_give_every_parameter_its_rate_and_decay_by_layer():
    net = nn.Sequential()
    net.add_module("conv1", nn.Conv2d(3, 4, 5))
    net.add_module("fc10", nn.Linear(4, 10))
    found = groups(net, lr=0.001, bias_lr=2.0, weight_decay={"conv1": 0.004, "fc10": 3.0})
    assert [(g["lr"], g["weight_decay"]) for g in found] == [(0.001, 0.004), (0.002, 0.0), (0.001, 3.0), (0.002, 0.0)]
    assert [p for g in found for p in g["params"]] == list(net.parameters())


def test_rates_are_set_from_where_they_began_and_not_from_where_they_are():
    net = nn.Sequential()
    net.add_module("conv1", nn.Conv2d(3, 4, 5))
    net.add_module("fc10", nn.Linear(4, 10))
    optimiser = PaperSGD(groups(net, lr=0.01, bias_lr=2.0, weight_decay={"conv1": 0.0, "fc10": 0.0}), momentum=0.9)
    for _ in range(2):
        set_rates(optimiser, 0.1, frozen=lambda layer: False)
        assert [g["lr"] for g in optimiser.param_groups] == pytest.approx([0.001, 0.002] * 2)
    set_rates(optimiser, 0.01, frozen=lambda layer: layer == "conv1")
    assert [g["lr"] for g in optimiser.param_groups] == pytest.approx([0.0, 0.0, 0.0001, 0.0002])
    set_rates(optimiser, 1.0, frozen=lambda layer: False)
    assert [g["lr"] for g in optimiser.param_groups] == [0.01, 0.02, 0.01, 0.02]


def test_a_layer_without_a_decay_is_a_mistake():
    net = nn.Sequential()
    net.add_module("conv1", nn.Conv2d(3, 4, 5))
    with pytest.raises(KeyError):
        groups(net, lr=0.1, bias_lr=2.0, weight_decay={})


# On a device


def net_of(device: str) -> nn.Sequential:
    net = nn.Sequential()
    net.add_module("conv1", nn.Conv2d(3, 4, 5, device=device))
    net.add_module("fc10", nn.Linear(4, 10, device=device))
    return net


def test_an_update_on_a_device_is_one_operator_a_parameter_and_reads_rates_that_are_there():
    net = net_of("meta")
    optimiser = PaperSGD(groups(net, lr=0.1, bias_lr=2.0, weight_decay={"other": 0.05}), momentum=MOMENTUM)
    for parameter in net.parameters():
        parameter.grad = torch.empty_like(parameter)
    rates = [group["rate"] for group in optimiser.param_groups]
    for factor in (1.0, 0.1):
        set_rates(optimiser, factor, frozen=lambda layer: layer == "conv1")
        with Launches() as launches:
            optimiser.step()
        assert launches.names == ["repro.paper_update_.default"] * 4  # those of a frozen layer find a rate of 0
    assert all(group["rate"] is rate for group, rate in zip(optimiser.param_groups, rates, strict=True))
    assert {(rate.dtype, rate.shape, rate.device.type) for rate in rates} == {(torch.float32, (), "meta")}


@pytest.mark.parametrize("by", ["set_rates", "hand"])
def test_copies_of_the_rates_follow_the_rates_in_place(by):
    net = net_of("cpu")
    optimiser = PaperSGD(groups(net, lr=0.1, bias_lr=2.0, weight_decay={"other": 0.05}), momentum=MOMENTUM)
    for group in optimiser.param_groups:  # as on a device
        group |= {"rate": torch.zeros(()), "copied": 0.0}
    rates = [group["rate"] for group in optimiser.param_groups]
    for factor, frozen in ((1.0, ""), (0.1, "conv1"), (0.01, "")):
        if by == "set_rates":
            set_rates(optimiser, factor, frozen=lambda layer, frozen=frozen: layer == frozen)
        else:
            for group in optimiser.param_groups:
                group["lr"] = 0.0 if group["layer"] == frozen else group["base"] * factor
            optimiser.step()
        assert [rate.item() for rate in rates] == pytest.approx([group["lr"] for group in optimiser.param_groups])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_a_captured_update_follows_rates_that_are_set_between_replays():
    here, there = net_of("cpu"), net_of("cpu")
    there.load_state_dict(here.state_dict())
    there.cuda()
    one, other = (
        PaperSGD(groups(net, lr=0.1, bias_lr=2.0, weight_decay={"other": 0.05}), momentum=MOMENTUM)
        for net in (here, there)
    )
    for net in (here, there):
        for p in net.parameters():
            p.grad = torch.ones_like(p)
    for optimiser in (one, other):
        set_rates(optimiser, 0.0, frozen=lambda layer: False)
    other.step()  # compiles
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        other.step()
    for factor, frozen in ((1.0, ""), (1.0, "fc10"), (0.1, "conv1"), (0.1, "")):
        for optimiser in (one, other):
            set_rates(optimiser, factor, frozen=lambda layer, frozen=frozen: layer == frozen)
        one.step()
        graph.replay()
        for ours, theirs in zip(there.parameters(), here.parameters(), strict=True):
            torch.testing.assert_close(ours.detach().cpu(), theirs.detach(), rtol=1e-6, atol=1e-7)
            torch.testing.assert_close(
                other.state[ours]["velocity"].cpu(), one.state[theirs]["velocity"], rtol=1e-6, atol=1e-7
            )
