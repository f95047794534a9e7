"""The fused operators beside formulas in fp64, by Triton's interpreter; and what a GPU would launch."""

import os
import subprocess
import sys
from pathlib import Path

import interpreted_kernels
import numpy as np
import pytest
import torch
from interpreted_kernels import MOMENTUM, NORMS, RATES, UPDATES, Norm, drawn, gradients, weights
from launches import Launches
from torch import nn

from repro.nets import fused
from repro.nets.layers import CrossMapNorm
from repro.train.seeds import generator
from repro.train.sgd import PaperSGD

ROOT = Path(__file__).parent.parent
NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
NEEDS_TRITON = pytest.mark.skipif(not fused.available(), reason="needs Triton, which comes with torch on Linux")
LAYOUTS = {"planes": torch.contiguous_format, "channels last": torch.channels_last}


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the kernels compute in a process of their own."""
    out = tmp_path_factory.mktemp("interpreted") / "found.pt"
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, interpreted_kernels.__file__, str(out)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return torch.load(out)


# The norm across maps


def by_loops(case: Norm) -> dict[str, np.ndarray]:
    """y by §3.3's formula with sums cut at the borders of the groups, and dx by its derivative, in fp64."""
    x = drawn("x", case.shape, case.layout, case.dtype).double().numpy()
    dy = drawn("dy", case.shape, "planes", case.dtype).double().numpy()
    part = x.shape[1] // case.groups

    def window(i: int) -> range:
        first = i // part * part
        return range(max(first, i - case.size // 2), min(first + part - 1, i + case.size // 2) + 1)

    maps = range(x.shape[1])
    denominators = [2.0 + case.alpha * sum(x[:, j] ** 2 for j in window(i)) for i in maps]
    y, dx = np.empty(x.shape), np.empty(x.shape)
    for i in maps:
        y[:, i] = x[:, i] / denominators[i] ** case.beta
        # of y_j / d x_i, over the windows j that hold i
        through = sum(dy[:, j] * x[:, j] / denominators[j] ** (case.beta + 1) for j in maps if i in window(j))
        dx[:, i] = dy[:, i] / denominators[i] ** case.beta - 2 * case.alpha * case.beta * x[:, i] * through
    return {"y": y, "dx": dx}


def assert_close(found: dict[str, torch.Tensor], case: Norm, factor: float = 1.0) -> None:
    """Up to `factor` times: 1e-14 or 1e-6 of the largest value, and, where it is kept in bfloat16, its last bit."""
    of_largest, of_each = {torch.float64: (1e-14, 0), torch.float32: (1e-6, 0), torch.bfloat16: (1e-6, 2**-7)}[
        case.dtype
    ]
    for what, expected in by_loops(case).items():
        assert found[what].dtype == case.dtype
        atol, rtol = factor * of_largest * np.abs(expected).max(), factor * of_each
        np.testing.assert_allclose(found[what].detach().double().cpu().numpy(), expected, rtol=rtol, atol=atol)


@NEEDS_TRITON
@pytest.mark.parametrize("name", NORMS)
def test_the_kernels_of_the_norm_compute_the_formula_and_its_derivative(interpreted, name):
    assert_close(interpreted["norms"][name], NORMS[name])


@NEEDS_TRITON
@pytest.mark.parametrize("name", NORMS)
def test_the_norm_and_its_gradient_lie_in_memory_as_its_input_does(interpreted, name):
    like = torch.empty_like(drawn("x", NORMS[name].shape, NORMS[name].layout))
    assert {t.stride() for t in interpreted["norms"][name].values()} == {like.stride()}


@NEEDS_TRITON
def test_a_gradient_of_no_layout_as_that_of_a_sum_is_read_too(interpreted):
    x = drawn("x", (1, 6, 2, 2), "").requires_grad_()
    (expected,) = torch.autograd.grad(CrossMapNorm(5, 0.01, 0.75, 2.0, form="plain")(x).sum(), x)
    torch.testing.assert_close(interpreted["summed"], expected, rtol=1e-5, atol=1e-6)


@NEEDS_TRITON
def test_the_gradient_is_that_of_small_differences(interpreted):
    assert interpreted["gradcheck"] == {"planes": True, "channels last": True}


@NEEDS_TRITON
def test_torch_finds_schema_autograd_and_fake_implementation_of_each_operator_in_order(interpreted):
    assert interpreted["checks"].keys() == {"norm", "norm_backward", "update"}
    for results in interpreted["checks"].values():
        assert {"test_schema", "test_autograd_registration", "test_faketensor"} <= results.keys()
        assert set(results.values()) == {"SUCCESS"}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_fused_norm_is_one_operator_each_way_and_keeps_only_its_input(layout, dtype):
    x = torch.empty(2, 96, 5, 5, device="meta", dtype=dtype).to(memory_format=LAYOUTS[layout]).requires_grad_()
    norm = CrossMapNorm(5, 1e-4, 0.75, 2.0, groups=2, form="fused")
    with Launches() as forward:
        y = norm(x)
    [kept] = y.grad_fn.saved_tensors
    assert kept is x
    dy = torch.empty_like(x)
    with Launches() as backward:
        (dx,) = torch.autograd.grad(y, x, dy)
    assert forward.names == ["repro.cross_map_norm.default"]
    assert backward.names == ["repro.cross_map_norm_backward.default"]
    assert {(t.dtype, t.shape, t.stride()) for t in (y, dx)} == {(dtype, x.shape, x.stride())}


@pytest.mark.parametrize("triton", [True, False])
def test_the_norm_is_fused_off_the_cpu_where_triton_is(monkeypatch, triton):
    monkeypatch.setattr(fused, "available", lambda: triton)
    for device, expected in (("meta", triton), ("cpu", False)):
        with Launches(device) as launches:
            CrossMapNorm(5, 1e-4, 0.75, 2.0)(torch.ones(1, 6, 2, 2, device=device))
        assert ("repro.cross_map_norm.default" in launches.names) == expected
        assert len(launches.names) > 1 or expected


def test_without_triton_nets_and_training_load_and_their_operators_run():
    program = """
import sys
sys.modules["triton"] = None
import torch
from repro.nets import fused, layers
from repro.train import sgd
assert not fused.available()
x = torch.ones(1, 6, 2, 2, device="meta", requires_grad=True)
layers.CrossMapNorm(5, 1e-4, 0.75, 2.0)(x).sum().backward()
fused.paper_update_(*torch.ones(3, 4, device="meta"), torch.ones(1, device="meta"), 0.9, 0.05)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# The update


def on_the_cpu(name: str, rates: list[float]) -> list[dict[str, torch.Tensor]]:
    """Weight and velocity after each update of `PaperSGD`."""
    weight, seen = nn.Parameter(weights(name)), []
    optimiser = PaperSGD([{"params": [weight], "lr": 0.0, "weight_decay": UPDATES[name][2]}], momentum=MOMENTUM)
    for gradient, rate in zip(gradients(name), rates, strict=True):
        optimiser.param_groups[0]["lr"], weight.grad = rate, gradient.clone()
        optimiser.step()
        velocity = optimiser.state[weight]["velocity"]
        seen.append({"weight": weight.detach().clone(), "velocity": velocity.clone()})
    return seen


def by_operators(name: str, rates: list[float]) -> list[dict[str, torch.Tensor]]:
    """The same by the operator, which without Triton, and on the CPU, is torch's own one by one."""
    weight, seen = weights(name), []
    velocity, lr = torch.zeros_like(weight), torch.zeros(())
    for gradient, rate in zip(gradients(name), rates, strict=True):
        fused.paper_update_(weight, velocity, gradient, lr.fill_(rate), MOMENTUM, UPDATES[name][2])
        seen.append({"weight": weight.clone(), "velocity": velocity.clone()})
    return seen


def assert_updates_agree(found: list[dict[str, torch.Tensor]], expected: list[dict[str, torch.Tensor]]) -> None:
    """Up to the rounding of a term, in every update; and bit for bit where the rate is 0."""
    for i, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        for what in ("weight", "velocity"):
            torch.testing.assert_close(ours[what], theirs[what], rtol=1e-6, atol=2e-6)  # of numbers around 10
            assert RATES[i] != 0 or torch.equal(ours[what], found[i - 1][what])
            assert RATES[i] == 0 or not torch.equal(ours[what], found[i - 1][what])


@NEEDS_TRITON
@pytest.mark.parametrize("name", UPDATES)
def test_the_kernel_of_the_update_follows_the_cpu_through_a_drop_and_a_standstill(interpreted, name):
    assert_updates_agree(interpreted["updates"][name], on_the_cpu(name, RATES))


@pytest.mark.parametrize("name", UPDATES)
def test_the_update_by_torchs_operators_follows_the_cpu_through_a_drop_and_a_standstill(name):
    assert_updates_agree(by_operators(name, RATES), on_the_cpu(name, RATES))


def test_at_a_rate_of_0_not_a_bit_changes():
    weight = torch.tensor([-0.0, 0.0, float("nan"), 1e-40])
    velocity, before = weight.clone(), weight.view(torch.int32).clone()
    fused.paper_update_(weight, velocity, torch.full((4,), float("inf")), torch.zeros(1), MOMENTUM, 0.05)
    for after in (weight, velocity):
        assert torch.equal(after.view(torch.int32), before)


def test_torch_finds_the_update_by_its_own_operators_in_order():
    tensors = (torch.ones(3), torch.ones(3), torch.ones(3), torch.tensor(0.1))
    results = torch.library.opcheck(fused.paper_update_, (*tensors, MOMENTUM, 0.05), test_utils="test_schema")
    assert results == {"test_schema": "SUCCESS"}


# Compiled, where there is no GPU


@NEEDS_TRITON
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("name", ["norm", "norm_backward", "update"])
def test_the_kernels_compile_for_a_gpu_and_load_four_numbers_at_once(monkeypatch, tmp_path, name, capability):
    """For AlexNet's second norm, channels last: everything in registers, nothing through memory that threads share."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from repro.nets import gpu_kernels

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    if name == "update":
        constants = {"MOMENTUM": 0.9, "DECAY": 0.0005, "BLOCK": fused.UPDATED}
    else:
        x = torch.empty(2, 256, 27, 27, device="meta").to(memory_format=torch.channels_last)
        _, constants = fused.norm_constants(x, 5, 1e-4, 0.75, 2.0, 2)
    kernel = getattr(gpu_kernels, name)
    tensors = {"x", "y", "dx", "dy", "weight", "velocity", "gradient", "lr"}
    constants |= {argument: 1 for argument in kernel.arg_names if argument.endswith("_c")}
    types = {
        a: "constexpr" if a in constants else "*fp32" if a in tensors else "i32" for a in kernel.arg_names
    }  # every other argument is a multiple of 16, as Triton finds out at a launch
    multiples = {(i,): [["tt.divisibility", 16]] for i, a in enumerate(kernel.arg_names) if a not in constants}
    compiled = compile(ASTSource(kernel, types, constants, multiples), target=GPUTarget("cuda", capability, 32))
    assert compiled.asm["cubin"]
    assert compiled.metadata.shared == 0
    assert "ld.global.v4.b32" in compiled.asm["ptx"]
    assert "st.global.v4.b32" in compiled.asm["ptx"]


# On a GPU


@pytest.mark.gpu
@NEEDS_GPU
@pytest.mark.parametrize("name", NORMS)
def test_on_a_gpu_the_norm_is_its_formula(name):
    case = NORMS[name]
    x = drawn("x", case.shape, case.layout, case.dtype).cuda().requires_grad_()
    y = CrossMapNorm(case.size, case.alpha, case.beta, 2.0, case.groups)(x)
    (dx,) = torch.autograd.grad(y, x, drawn("dy", case.shape, "planes", case.dtype).cuda())
    assert_close({"y": y, "dx": dx}, case, factor=10)  # roots and powers are approximate there


@pytest.mark.gpu
@NEEDS_GPU
@pytest.mark.parametrize("shape", [(16, 96, 55, 55), (16, 256, 27, 27)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_on_a_gpu_both_forms_of_the_norm_agree_at_the_papers_sizes(shape, layout):
    x = 100 * torch.randn(shape, generator=generator(0, "x"))
    x, dy = x.cuda().to(memory_format=LAYOUTS[layout]).requires_grad_(), x.flip(0).cuda()
    found, expected = (
        (y := CrossMapNorm(5, 1e-4, 0.75, 2.0, 2, form=form)(x), *torch.autograd.grad(y, x, dy))
        for form in ("fused", "plain")
    )
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))
