"""The two towers as two real processes beside the grouped net in one."""

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from small_masks import put_masks
from torch.nn import functional as F

from repro import contents
from repro.engine import towers
from repro.nets import modules
from repro.train.seeds import generator

IMAGE = (3, 67, 67)
CASES = {
    "towers that meet": {"reading": "source"},
    "no communication": {"reading": "paper", "towers": "no communication"},
}


def built(options: dict) -> dict:
    """What builds a net of 10 classes with these options, at an eighth of its width."""
    rows = contents.rows("alexnet", classes=10, width=0.125, **options)
    return {"net": rows, "classes": 10, "image": IMAGE}


LABELS = torch.tensor([3, 9])


def draw(name: str) -> torch.Generator:
    return generator(0, "init", name)


def step(net: torch.nn.Module, device: torch.device) -> dict[str, torch.Tensor]:
    """In fp64: the logits of two images in training, and the gradients of their loss."""
    net.to(device, torch.float64).train()
    put_masks(net, 2)
    images = 50 * torch.randn(2, *IMAGE, generator=generator(0, "images"), dtype=torch.float64)
    logits = net(images.to(device))
    F.cross_entropy(logits, LABELS.to(device)).backward()
    return {"logits": logits.detach().cpu()} | {name: p.grad.cpu() for name, p in net.named_parameters()}


def half(options: dict, tower: int) -> torch.nn.Module:
    whole = modules.build(**options, draw=draw)
    return towers.half(options["net"], whole, image=options["image"], tower=tower)


def one_tower(rank: int, folder: str, backend: str) -> None:
    """What each of the two processes does: a step of every net."""
    if backend == "gloo":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # no name of this machine need be resolvable
    torch.set_num_threads(1)
    dist.init_process_group(backend, init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    device = torch.device("cuda", rank) if backend == "nccl" else torch.device("cpu")
    if backend == "nccl":
        torch.cuda.set_device(device)
    seen = {}
    for case, options in CASES.items():
        net = half(built(options), rank)
        talks = [name.removesuffix("_exchange") for name, _ in net.named_children() if name.endswith("_exchange")]
        seen[case] = step(net, device) | {"talks": talks}
    torch.save(seen, Path(folder, f"tower{rank}.pt"))
    dist.destroy_process_group()


def both_towers(folder: Path, backend: str) -> list[dict]:
    torch.multiprocessing.spawn(one_tower, (str(folder), backend), nprocs=2)
    return [torch.load(folder / f"tower{rank}.pt") for rank in (0, 1)]


@pytest.fixture(scope="module")
def on_cpu(tmp_path_factory):
    return both_towers(tmp_path_factory.mktemp("towers"), "gloo")


def assert_same(found: list[dict], device: torch.device, case: str, tolerance: float) -> None:
    expected = step(modules.build(**built(CASES[case]), draw=draw), device)
    rows = contents.rows("alexnet", classes=10, width=0.125, **CASES[case])
    for tower, seen in enumerate(both[case] for both in found):
        assert seen.keys() - {"talks"} == expected.keys()
        torch.testing.assert_close(seen["logits"], expected["logits"], rtol=tolerance, atol=tolerance)
        for name in expected.keys() - {"logits"}:
            whole = towers.share(rows, name, expected[name], tower)
            assert whole.abs().max() > 0
            assert (seen[name] - whole).abs().max() < tolerance * whole.abs().max(), name


@pytest.mark.parametrize("case", CASES)
def test_two_processes_compute_what_the_grouped_net_computes(on_cpu, case):
    assert_same(on_cpu, torch.device("cpu"), case, tolerance=1e-11)
    assert torch.equal(on_cpu[0][case]["logits"], on_cpu[1][case]["logits"])


def test_the_towers_talk_only_where_they_meet(on_cpu):
    for seen in on_cpu:
        assert seen["towers that meet"]["talks"] == ["conv3", "fc6", "fc7"]  # and in fc8, where sums are added
        assert seen["no communication"]["talks"] == []


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
@pytest.mark.parametrize("case", CASES)
def test_two_gpus_compute_what_the_grouped_net_computes(tmp_path, case):
    assert_same(both_towers(tmp_path, "nccl"), torch.device("cuda", 0), case, tolerance=1e-9)


def test_a_net_of_one_tower_is_refused():
    with pytest.raises(ValueError, match="one tower"):
        half(built({"towers": "one half"}), 0)
