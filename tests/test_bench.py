"""The bench of the paper's net: fair rivals, one result that lines and README come from, and no clock."""

import json
import re
from pathlib import Path

import pytest
import torch
import torchvision
from small_masks import put_masks
from torch import nn

from repro.bench import alexnet as bench
from repro.bench import measured
from repro.errors import ReproError
from repro.models import nets
from repro.report import speed
from repro.train.seeds import generator

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def found() -> dict:
    """A round of two images on whatever is here."""
    threads = torch.get_num_threads()
    try:
        return bench.result(batch=2, rounds=1)
    finally:
        torch.set_num_threads(threads)


def test_a_result_is_plain_data_of_every_step_with_machine_and_versions(found):
    assert json.loads(json.dumps(found)) == found
    assert len(found["steps"]) == 5
    for step in found["steps"]:
        assert len(step["seconds"]) == found["rounds"] == 1
        assert step["seconds"][0] > 0
    assert {"commit", "device", "processor", "torch", "torchvision", "threads", "load", "cores"} <= found["made"].keys()


def test_both_nets_count_their_multiply_adds_alike(found):
    adds = {step["name"]: step["multiply_adds"] for step in found["steps"]}
    assert adds["ours, reading `paper`"] == adds["ours, reading `source`"] == 724_406_816
    # by hand: 55 x 55, 27 x 27 and 13 x 13 places, no groups
    convolutions = 64 * 363 * 3025 + 192 * 1600 * 729 + (384 * 1728 + 256 * 3456 + 256 * 2304) * 169
    assert adds["torchvision's `alexnet`"] == convolutions + 9216 * 4096 + 4096 * 4096 + 4096 * 1000
    assert sum(p.numel() for p in torchvision.models.alexnet().parameters()) == 61_100_840


def test_the_rival_with_torchs_norm_computes_the_same_gradients():
    def built() -> nn.Sequential:
        return nets.build("alexnet", reading="paper", classes=10, width=0.125, image=(3, 67, 67),
                          draw=lambda name: generator(0, "init", name)).double()  # fmt: skip

    x = 60 * torch.randn(2, 3, 67, 67, generator=generator(0, "x"), dtype=torch.float64)
    ours, rival = built(), built()
    bench.with_torchs_norms(rival)
    assert [type(layer).__name__ for layer in rival].count("TorchsNorm") == 2
    for net in (ours, rival):
        put_masks(net, 2)
        net(x).square().sum().backward()
    for one, other in zip(ours.parameters(), rival.parameters(), strict=True):
        assert one.grad.abs().max() > 0
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-9, atol=1e-12)


def test_rates_are_images_over_median_seconds_and_ratios_are_taken_round_by_round():
    found = {
        "made": {"device": "cpu", "processor": "A processor", "torch": "2", "torchvision": "3",
                 "load": 0.25, "cores": 4},
        "batch": 128, "pixels": 224, "rounds": 3,
        "steps": [
            {"name": "ours", "multiply_adds": 724_406_816, "seconds": [1.0, 2.0, 4.0]},
            {"name": "theirs", "multiply_adds": 714_000_000, "seconds": [3.0, 4.0, 4.0]},
        ],
    }  # fmt: skip
    ours, theirs, conditions = speed.lines(found)
    assert "64.0 images/s" in ours
    assert "724.4 M" in ours
    assert "32.0 images/s" in theirs
    assert "2.00 times as fast" in theirs  # the median of 3, 2 and 1, not 4 / 2 by chance alone
    assert "one thread of A processor" in conditions
    assert "the load was 0.2 on 4 cores" in conditions


def test_only_the_bench_of_the_papers_net_has_a_place_on_the_reference_shelf():
    with pytest.raises(ReproError, match="only `bench alexnet`"):
        measured("lrn", reference=True)


def test_the_speeds_in_the_readme_are_those_that_were_measured():
    text = (ROOT / "README.md").read_text()
    between = re.search(r"<!-- speed -->\n(.*?)\n<!-- /speed -->", text, re.DOTALL)
    assert between
    assert between[1] == speed.table(ROOT).strip(), "run: python -m repro report --reference"


def test_without_a_measurement_the_next_command_is_named(tmp_path):
    with pytest.raises(ReproError, match="bench alexnet --reference"):
        speed.table(tmp_path)
