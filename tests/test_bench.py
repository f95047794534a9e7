"""The benches: fair rivals, statistics of rounds, one result that lines and README come from, and no clock."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torchvision
from small_masks import put_masks
from torch import nn

from benchmarks import compiled, rivals, step, sweep, turns
from benchmarks import run as bench
from benchmarks.__main__ import PARTS, main
from repro import contents
from repro.doctor import plain
from repro.engine.turns import Contender
from repro.errors import ReproError, RunError
from repro.nets import modules
from repro.pages import speed
from repro.train.seeds import generator

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def row(name: str, seconds: list[float], precision: str = "fp32", **more) -> dict:
    return {"name": name, "precision": precision, "multiply_adds": 2_000_000, "update_multiply_adds": 5_000_000,
            "seconds": seconds} | more  # fmt: skip


def result(*rows: dict, rounds: int = 5, kind: str = "net") -> dict:
    made = {"device": "cpu", "processor": "A processor", "torch": "2", "torchvision": "3", "load": 0.25, "cores": 4}
    product = {"size": 100, "precision": "fp32", "seconds": [1e-3] * rounds}
    return {"bench": kind, "made": made, "batch": 128, "pixels": 224, "rounds": rounds, "products": [product],
            "steps": list(rows)}  # fmt: skip


# Statistics


def test_a_ratio_is_the_median_of_those_of_the_rounds_and_not_the_ratio_of_the_medians():
    by_round = speed.ratios([1.0, 2.0, 4.0, 4.0, 4.0], [3.0, 4.0, 6.0, 8.0, 16.0])
    assert by_round == [3.0, 2.0, 1.5, 2.0, 4.0]
    assert speed.verdict(by_round) == "the first is 2.00 times (1.50 to 4.00) as fast"


@pytest.mark.parametrize(
    ("by_round", "told"),
    [
        ([1.1, 1.2, 1.1, 1.3, 1.2], True),
        ([0.8, 0.9, 0.9, 0.7, 0.8], True),
        ([1.1, 1.2, 1.1, 1.3, 0.99], False),
        ([1.0, 1.2, 1.1, 1.3, 1.2], False),
        ([2.0, 2.0, 2.0, 2.0], False),  # too few rounds
    ],
)
def test_where_both_sides_of_one_occur_or_rounds_are_fewer_than_five_it_could_not_tell(by_round, told):
    assert speed.verdict(by_round).startswith(speed.UNKNOWN) is not told


def test_lines_give_images_over_seconds_their_spread_and_the_share_of_the_products_rate():
    ours, theirs, conditions, product = speed.lines(
        result(row("ours", [1.0, 2.0, 4.0, 2.0, 2.0]), row("theirs", [3.0, 4.0, 6.0, 4.0, 4.0]))
    )
    assert "64.0 images/s" in ours
    assert "32.0 to 128" in ours
    assert "32 %" in ours  # 128 x 5e6 multiply-adds are 640 products of 1 ms: 0.64 s of 2 s
    assert "the first is 2.00 times" in theirs
    assert "one thread of A processor" in conditions
    assert "the load was 0.2 on 4 cores" in conditions
    assert "1.00 (1.00 to 1.00) thousand million" in product


def test_the_ratio_of_a_sweep_is_of_times_and_says_whose_is_longer():
    alone, together = speed.lines(result(row("alone", [2.0] * 5), row("two", [1.0] * 5), kind="sweep"))[:2]
    assert "2.00" in alone
    assert "takes 0.50 times (0.50 to 0.50) as long as the first" in together


def test_a_row_is_compared_with_the_first_of_its_own_precision():
    found = result(row("ours", [1.0] * 5), row("ours", [0.5] * 5, "bf16"), row("theirs", [1.0] * 5, "bf16"))
    *_, theirs, _, _ = speed.lines(found)
    assert theirs.startswith("theirs, bf16")
    assert "the first is 2.00 times" in theirs


def test_what_was_given_up_is_named_with_its_reason_and_has_no_rate():
    lost = row("compiled", [], failed="given up after 600 s")
    lines = speed.lines(speed.checked(result(row("ours", [1.0] * 5), row("plain", [1.0] * 5), lost)))
    assert "given up after 600 s" in lines[2]
    assert sum("given up after 600 s" in line for line in lines) == 1
    assert "--give-up" in lines[-1]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row("ours", [])],
        [row("ours", [1.0] * 5)],
        [row("ours", []), row("a", [1.0] * 5), row("b", [1.0] * 5)],
        [row("ours", [1.0] * 5), row("theirs", [1.0] * 4)],
        [row("ours", [1.0] * 5), row("theirs", [0.0] * 5)],
        [row("ours", [1.0] * 5), row("theirs", [float("nan")] * 5)],
    ],
)
def test_a_bench_that_measured_nothing_ends_with_an_error_and_its_own_exit_code(rows, monkeypatch):
    monkeypatch.setattr(step, "results", lambda *_, **__: iter([result(*rows)]))
    with pytest.raises(RunError) as error:
        list(bench.measured("net"))
    assert error.value.exit_code == 4


def test_updates_that_leave_the_weights_as_they_were_are_no_measurement():
    net = nn.Linear(2, 2)
    idle = Contender("idle", "fp32", lambda: None, net, 1, 1)
    with pytest.raises(RunError, match="idle left its weights as they were"):
        list(turns.in_turn("step", [idle], device="cpu", pixels=32, batch=2, rounds=1, updates=1))


# Contenders


@pytest.mark.parametrize(("part", "rows"), [("step", 5), ("net", 9)])
def test_a_result_is_plain_data_of_every_contender_with_machine_and_versions(part, rows, tmp_path):
    said = list(step.results(part, "cpu", rounds=1, batch=2, give_up=0))
    found = speed.checked(said[-1])
    assert json.loads(json.dumps(found)) == found
    assert len(found["steps"]) == rows
    assert all(len(one["seconds"]) == 1 for one in [*found["steps"], *found["products"]])
    assert {"commit", "device", "processor", "torch", "torchvision", "timm", "load", "cores"} <= found["made"].keys()
    assert "1 more" in said[0]
    if part == "net":
        adds = {one["name"]: one["multiply_adds"] for one in found["steps"]}
        assert adds["ours, reading `paper`"] == adds["ours, reading `source`"] == 724_406_816


def test_the_sweep_times_one_run_alone_and_several_side_by_side():
    found = speed.checked(list(sweep.results("cpu", 2, rounds=1, images=256))[-1])
    assert [one["name"] for one in found["steps"]] == [
        "ours, one alone", "ours, 2 side by side",
        "plain PyTorch, channels last, one alone", "plain PyTorch, channels last, 2 side by side",
    ]  # fmt: skip
    assert found["workers"] == 2
    assert all("s per epoch and net" in line for line in speed.lines(found)[:4])


def test_the_plain_nets_have_the_multiply_adds_and_parameters_of_ours():
    for kind, parameters in (("cuda_convnet_19pct", 89_578), ("alexnet", 60_965_224)):
        with torch.device("meta"):
            net = plain.plain_net(kind)
        side = plain.SIDES[kind]
        rows_of_ours = contents.rows(kind, classes=plain.CLASSES[kind], **plain.OPTIONS.get(kind, {}))
        with torch.device("meta"):
            ours = modules.module(rows_of_ours, (3, side, side))
        assert [p.shape for p in net.parameters()] == [p.shape for p in ours.parameters()]
        assert sum(p.numel() for p in net.parameters()) == parameters


def test_torchvisions_net_counts_its_multiply_adds_as_we_count_ours():
    # by hand: 55 x 55, 27 x 27 and 13 x 13 places, no groups
    convolutions = 64 * 363 * 3025 + 192 * 1600 * 729 + (384 * 1728 + 256 * 3456 + 256 * 2304) * 169
    assert sum(rivals.torchvisions_multiply_adds()) == convolutions + 9216 * 4096 + 4096 * 4096 + 4096 * 1000
    assert sum(p.numel() for p in torchvision.models.alexnet().parameters()) == 61_100_840


def test_the_rival_with_torchs_norm_computes_the_same_gradients():
    def built() -> nn.Sequential:
        return modules.build(**contents.net("alexnet", classes=10, width=0.125), classes=10, image=(3, 67, 67),
                          draw=lambda name: generator(0, "init", name)).double()  # fmt: skip

    x = 60 * torch.randn(2, 3, 67, 67, generator=generator(0, "x"), dtype=torch.float64)
    ours, rival = built(), built()
    rivals.with_torchs_norms(rival)
    assert [type(layer).__name__ for layer in rival].count("TorchsNorm") == 2
    for net in (ours, rival):
        put_masks(net, 2)
        net(x).square().sum().backward()
    for one, other in zip(ours.parameters(), rival.parameters(), strict=True):
        assert one.grad.abs().max() > 0
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-9, atol=1e-12)


# Giving up


def sleeper(path: str) -> float:
    """A compiler that hangs in a process of its own."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(path).write_text(str(child.pid))
    child.wait()
    return 1.0


def broken() -> float:
    raise ValueError("no compiler here")


def test_a_compilation_that_hangs_is_ended_with_every_process_that_it_started(tmp_path):
    path = tmp_path / "child"
    assert compiled.in_time(sleeper, (str(path),), 15.0) == (None, "given up after 15 s")
    child = int(path.read_text())
    for _ in range(100):  # the system takes a moment to bury it
        stat = Path(f"/proc/{child}/stat")
        if not stat.exists() or stat.read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail(f"process {child} lives on")


def test_a_compilation_that_fails_says_why():
    result, why = compiled.in_time(broken, (), 120.0)
    assert result is None
    assert why == "did not compile: ValueError: no compiler here"


# The command


def test_the_command_prints_lines_and_exits_with_the_code_of_an_error(monkeypatch, capsys):
    found = result(row("ours", [1.0] * 5), row("theirs", [2.0] * 5))
    monkeypatch.setattr(step, "results", lambda *_, **__: iter(["a line", found]))
    assert main(["net", "--device", "cpu"]) == 0
    assert capsys.readouterr().out.splitlines() == ["a line", *speed.lines(found)]
    monkeypatch.setattr(step, "results", lambda *_, **__: iter([result()]))
    assert main(["net", "--device", "cpu"]) == 4
    assert main(["lrn", "--device", "cpu", "--reference"]) == 2


def test_the_parts_that_are_kept_are_parts_of_the_command():
    assert PARTS.keys() == {*speed.KEPT, *bench.LINES}


# What is kept


def test_only_some_benches_have_a_place_on_the_reference_shelf():
    with pytest.raises(ReproError, match="only step, net, sweep"):
        list(bench.measured("lrn", reference=True))


def test_the_reference_shelf_takes_no_fewer_than_five_rounds():
    with pytest.raises(ReproError, match="--rounds 4"):
        list(bench.measured("step", reference=True, rounds=4))


def test_a_result_is_kept_as_json_in_the_folder_asked_for(tmp_path, monkeypatch):
    found = result(row("ours", [1.0] * 5), row("theirs", [2.0] * 5))
    monkeypatch.setattr(step, "results", lambda *_, **__: iter(["a line", found]))
    lines = list(bench.measured("net", out=tmp_path))
    assert lines[0] == "a line"
    assert json.loads((tmp_path / "net.json").read_text()) == found


def test_the_speeds_in_the_readme_are_those_that_were_measured():
    text = (ROOT / "README.md").read_text()
    between = re.search(r"<!-- speed -->\n(.*?)\n<!-- /speed -->", text, re.DOTALL)
    assert between
    assert between[1] == speed.tables(ROOT).strip(), "run: python -m repro report --reference"


def test_without_a_measurement_the_next_command_is_named(tmp_path):
    with pytest.raises(ReproError, match="benchmarks net --reference"):
        speed.tables(tmp_path)
