"""`repro doctor`: the canary passes here and sees a changed loss; checks of a device end in JSON, a page and a code."""

import ast
import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from repro import cli
from repro.doctor import Examination, canary, checks
from repro.nets import modules
from repro.pages import doctor as page
from repro.train.minibatches import NUMERICS

ROOT = Path(__file__).parent.parent
SMALL = (
    checks.Case("small", "cuda_convnet_19pct", 32, 4, 4, True),
    checks.Case("smaller", "alexnet", 67, 2, 2, False, {"reading": "paper", "width": 0.0625}),
)


@pytest.fixture(autouse=True)
def _threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shipped() -> dict:
    return canary.shipped()


@pytest.fixture(scope="module")
def losses() -> dict[str, list[float]]:
    return canary.losses()


# The canary


def test_the_canary_passes_here(losses, shipped):
    found = canary.checks(losses, shipped)
    assert len(found) == 4
    assert all(check.passed for check in found), "\n".join(check.line() for check in found)
    assert "the stack computes what it did" in canary.lines(found, shipped["machine"])[-1]


@pytest.mark.parametrize("name", ["19pct fp32", "19pct bf16", "alexnet fp32"])
def test_the_canary_fails_when_one_loss_is_moved_beyond_the_tolerance_and_not_within_it(losses, shipped, name):
    for times, passes in ((3.0, False), (0.3, True)):
        moved = copy.deepcopy(shipped)
        moved["losses"][name] = list(losses[name])
        moved["losses"][name][6] *= 1 + times * canary.TOLERANCE[name.split()[1]]
        found = canary.checks(losses | {name: losses[name]}, moved)
        failed = [f"{check.net} {check.precision}" for check in found if not check.passed]
        assert failed == ([] if passes else [name])
        if not passes:
            text = "\n".join(canary.lines(found, moved["machine"]))
            assert "at update 7" in text
            assert "THE STACK CHANGED" in text
            assert "there" in text


def test_a_lost_net_a_lost_update_and_a_loss_that_is_no_number_fail(losses, shipped):
    for change in ({"19pct fp32": []}, {"19pct fp32": losses["19pct fp32"][:9]}, {"19pct fp32": [float("nan")] * 10}):
        assert not all(check.passed for check in canary.checks(losses | change, shipped))
    fewer = {name: values for name, values in losses.items() if name != "alexnet fp32"}
    assert not all(check.passed for check in canary.checks(fewer, shipped))


def test_the_losses_that_ship_are_of_this_numerics_version_and_name_their_machine(shipped):
    assert shipped["machine"]["numerics"] == NUMERICS, "run: python -m repro doctor --canary --reference"
    assert shipped["machine"].keys() == set(canary.MACHINE)
    assert all(len(values) == canary.UPDATES for values in shipped["losses"].values())


def test_the_canary_runs_what_can_change(losses):
    run = canary._alexnet()
    layers = {type(layer).__name__ for layer in run.net.modules()}
    assert {"Conv2d", "CrossMapNorm", "SameMapNorm", "Dropout", "Linear", "MaxPool2d"} <= layers
    assert run.batches.border > 0
    for values in losses.values():
        assert max(values) - min(values) > 0.5  # losses that move: a canary that sleeps sees nothing


def test_the_command_exits_with_4_where_the_stack_changed(tmp_path, monkeypatch, shipped, losses, capsys):
    moved = copy.deepcopy(shipped)
    moved["losses"]["19pct fp32"][9] *= 1.01
    (tmp_path / "canary.json").write_text(json.dumps(moved))
    monkeypatch.setattr(canary, "SHIPPED", tmp_path / "canary.json")
    monkeypatch.setattr(canary, "losses", lambda: losses)
    with pytest.raises(SystemExit) as exit:
        cli.main(["doctor", "--canary"])
    assert exit.value.code == 4
    assert "at update 10" in capsys.readouterr().out


# Checks of a device


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    out = tmp_path_factory.mktemp("doctor")
    return out, list(Examination().device("cpu", out, SMALL))


def test_the_checks_of_the_cpu_write_json_and_a_page_with_every_row(examined):
    out, lines = examined
    found = json.loads((out / "doctor.json").read_text())
    assert len(found["checks"]) == len(lines) - 1 == 2 * 6 + 2 * 5
    text = (out / "doctor.html").read_text()
    assert (out / "static" / "page.css").is_file()
    assert "<script" not in text
    for check in found["checks"]:
        assert check["name"] in text
        assert check["expected"]
        assert check["seen"]
    assert found["made"]["torch"] in text


def test_on_the_cpu_a_resumed_run_and_another_go_on_bit_for_bit(examined):
    found = json.loads((examined[0] / "doctor.json").read_text())
    alike = [check for check in found["checks"] if "found" in check["figures"]]
    assert len(alike) == 12
    for check in alike:
        assert check["figures"]["found"] == check["figures"]["wanted"]
        assert check["seen"] == "equal bit for bit"
        assert len(set(check["figures"]["found"])) > 1
        assert check["passed"]


def test_losses_that_differ_fail_and_the_page_says_what_to_do(tmp_path):
    check = checks._alike(SMALL[0], "fp32", "a against b", [1.0, 2.0, 3.0], [1.0, 2.0, 3.01], 1e-3, "look at it")
    assert not check.passed
    assert "3.3e-03 at update 3" in check.line()
    page.write(page.result([check], {"device": "cpu", "processor": "P"}, 1.0), tmp_path)
    text = (tmp_path / "doctor.html").read_text()
    assert "1 of 1 checks failed" in text
    assert "Look at it" in text


def test_a_loss_that_is_no_number_fails_and_json_stays_json(tmp_path):
    check = checks._alike(SMALL[0], "fp32", "a against b", [1.0, float("nan")], [1.0, float("nan")], 1e-3, "look")
    assert not check.passed
    page.write(page.result([check], {"device": "cpu", "processor": "P"}, 1.0), tmp_path)
    assert json.loads((tmp_path / "doctor.json").read_text())["checks"][0]["figures"]["found"] == [1.0, None]


def test_a_rate_below_four_fifths_of_the_fastest_rivals_fails():
    seconds = {"ours": [1.0] * 3, "ours, contiguous": [0.1] * 3, "plain": [0.9] * 3, "other": [5.0] * 3}
    assert checks.rate_check("net", "fp32", seconds, 128).passed
    assert not checks.rate_check("net", "fp32", seconds | {"plain": [0.7] * 3}, 128).passed


def test_a_layout_that_is_slower_in_every_round_fails():
    seconds = {"ours": [1.0, 1.0, 1.0], "b": [0.8, 0.8, 0.8]}
    assert not checks.layout_check("net", "fp32", seconds, "a", "b").passed
    assert checks.layout_check("net", "fp32", seconds | {"b": [0.8, 0.8, 1.0]}, "a", "b").passed


def test_the_examination_fails_where_a_check_does(tmp_path, monkeypatch):
    failing = page.Check("net", "fp32", "a", "b", "c", False)
    monkeypatch.setattr(checks, "checks", lambda *_: iter([failing]))
    examination = Examination()
    list(examination.device("cpu", tmp_path))
    assert not examination.passed


# Memory layout and recording


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_layout_lays_out_kernels_velocities_and_images_and_changes_no_loss_beyond_rounding(layout):
    case = SMALL[0]
    run, usual = (
        checks.trainer(
            case.kind, checks.noise(20, 32, 10, "cpu", "standardised"), batch=4, lr=0.001, init="he", layout=of
        )
        for of in (layout, None)
    )
    for parameter in run.net.parameters():
        velocity = run.optimiser.state[parameter]["velocity"]
        if parameter.dim() == 4:
            assert parameter.is_contiguous(memory_format=layout)
            assert velocity.is_contiguous(memory_format=layout)
    seen = []
    run.net.conv1.register_forward_hook(
        lambda _, inputs, __: seen.append(inputs[0].is_contiguous(memory_format=layout))
    )
    assert checks._losses(run, 1) == pytest.approx(checks._losses(usual, 1), rel=1e-5)
    assert seen == [True] * 5


def test_the_layout_is_a_constant_for_each_kind_of_device():
    assert modules.LAYOUT.keys() == {"cpu", "cuda"}
    assert modules.layout("meta") == modules.layout("cpu")


# The marker of tests that need a GPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_passes_every_check(tmp_path):
    examination = Examination()
    lines = list(examination.device("cuda", tmp_path))
    assert examination.passed, "\n".join(lines)


def skipped_without_a_gpu(file: Path) -> set[str]:
    """The tests of a file that a decorator skips without a CUDA device, by that words or by a name for them."""
    tree = ast.parse(file.read_text())
    reason = "needs a CUDA device"
    names = {
        ast.unparse(node.targets[0])
        for node in tree.body
        if isinstance(node, ast.Assign) and reason in ast.unparse(node.value)
    }
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if reason in ast.unparse(decorator) or ast.unparse(decorator) in names
    }


def test_the_marker_gpu_collects_every_test_that_needs_one():
    # tests of layers are marked by their own change
    files = {
        file: skipped_without_a_gpu(file) for file in (ROOT / "tests").glob("test_*.py") if "layers" not in file.name
    }
    wanted = {f"{file.name}::{name}" for file, found in files.items() for name in found}
    assert len(wanted) >= 7
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "gpu", *(str(f) for f in files if files[f])],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    found = {line.partition("[")[0].rpartition("/")[2] for line in done.stdout.splitlines() if "::" in line}
    assert found == wanted
