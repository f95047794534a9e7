"""A net of two towers trained in two real processes: against one, continued in one, with a half killed, and timed."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
import torch

from repro import cli, contents
from repro.claim.files import ClaimFile, run_config
from repro.contents import load
from repro.engine import pair, provenance
from repro.engine.execute import execute
from repro.engine.provenance import check_towers, device_name
from repro.engine.setting import Setting, has_towers
from repro.errors import ReproError
from repro.nets import tables
from repro.pages import write
from repro.papers.alexnet2012 import alexnet
from repro.questions.judge import judge
from repro.store import Run, Store
from repro.workers import WorkerEnded
from tests.towers import apart, followers, net, train
from tests.written import ROOT

EPOCHS = 2  # of eight updates
# Of a loss near ln 10. Rounding alone makes 5e-7, but where it moves a unit across 0 a few thousandths; another mask or
# weight makes tenths.
CLOSE = 5e-3


def one(folder: Path, epochs: int = EPOCHS) -> Run:
    return train(folder / "one", epochs, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("towers")


@pytest.fixture(scope="module")
def alone(folder: Path) -> Run:
    return one(folder)


def towers_of(run: Run) -> list[int]:
    """In how many processes each session did its updates."""
    return [session.get("towers", 1) for session in run.sessions]


def test_two_processes_train_what_one_does_up_to_rounding_and_the_run_says_so(folder, alone):
    run = train(folder / "two", EPOCHS, 2)
    assert run.id == alone.id
    assert (towers_of(alone), towers_of(run)) == ([1], [2])
    found = apart(alone.epochs, run.epochs)
    assert len(found.losses) == 16
    assert found.most < CLOSE
    for row, expected in zip(run.epochs, alone.epochs, strict=True):
        assert row["test_loss"] == pytest.approx(expected["test_loss"], abs=CLOSE)
        for half, its in zip(row["halves"], expected["halves"], strict=True):
            assert half["held_out_loss"] == pytest.approx(its["held_out_loss"], abs=CLOSE)
    assert followers() == []


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_run_begun_in_one_process_goes_on_in_two_and_the_other_way_round(folder, alone, order):
    for epochs, towers in zip((1, EPOCHS), order, strict=True):
        run = train(folder / f"order{order}", epochs, towers)
    assert towers_of(run) == list(order)
    assert apart(alone.epochs, run.epochs).most < CLOSE


def test_a_killed_half_ends_both_and_the_run_is_tried_again_and_then_goes_on(folder, alone):
    events: list[dict] = []

    def kill(event: dict) -> None:
        events.append(event)
        if event["event"] == "epoch":
            for process in followers():
                os.kill(process, signal.SIGKILL)

    with pytest.raises(WorkerEnded, match="run the same command again") as error:
        train(folder / "killed", 100, 2, kill)
    assert error.value.exit_code == 70
    failed = [event for event in events if event["event"] == "failed"]
    assert [event["attempt"] for event in failed] == [1, 2]
    assert all("its worker process was ended by signal 9" in event["why"] for event in failed)
    assert followers() == []
    assert apart(alone.epochs, train(folder / "killed", EPOCHS, 1).epochs).most < CLOSE


def test_a_net_of_one_tower_is_trained_in_one_process_which_its_run_says(folder):
    setting = Setting(Store(folder / "half"), "cpu", (), folder / "cache", provenance.provenance("cpu", 2))
    assert [setting.session(net(arm)).get("towers") for arm in ("two", "apart", "half")] == [2, 2, None]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"reading": "source"}, True),
        ({"towers": "no communication"}, True),
        ({"norms": "none"}, True),
        ({"without": ["conv1"]}, True),
        ({"conv6": True}, True),
        ({"towers": "one half"}, False),
        ({"towers": "dense conv2"}, False),
    ],
)
def test_nets_with_two_towers_are_told_from_others(options, expected):
    rows = contents.rows("alexnet", classes=10, **options)
    assert tables.has_towers(rows) == expected


@pytest.mark.parametrize("kind", ["bvlc_alexnet", "cuda_convnet_19pct"])
def test_nets_whose_parts_meet_in_every_norm_or_that_have_none_have_no_towers(kind):
    rows = alexnet.caffe() if kind == "bvlc_alexnet" else contents.rows(kind, classes=10)
    assert not tables.has_towers(rows)


# Without two devices


def test_one_gpu_is_too_few_and_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ReproError, match=r"--towers 2: found 1 CUDA device; expected 2.*--device cpu"):
        check_towers("cuda")
    check_towers("cpu")


def test_the_second_process_sees_the_second_gpu_that_the_first_sees():
    assert pair._second_device(None) == "1"
    assert pair._second_device("4,6") == "6"


def test_timing_only_nets_without_towers_is_refused(tmp_path, capsys):
    text = (ROOT / "claims" / "augmentation_cost.yaml").read_text()
    path = tmp_path / "augmentation_cost.yaml"
    path.write_text(text.replace("model: {kind: alexnet}", "model: {kind: alexnet, towers: one half}"))
    with pytest.raises(SystemExit) as end:
        cli.main(["plan", str(path), "--scale", "smoke", "--device", "cpu", "--towers", "2", "--runs", str(tmp_path)])
    assert end.value.code == 2
    assert "augmentation_cost times nets without two towers" in capsys.readouterr().err


# The claim


@pytest.fixture(scope="module")
def claim() -> ClaimFile:
    file = load(ROOT / "claims" / "two_gpus_time.yaml")
    assert isinstance(file, ClaimFile)
    return file


def test_a_tower_does_fewer_multiply_adds_than_the_half_net(claim):
    """362 and 391 million an image (source.md 1, 32)."""
    adds = {
        arm: sum(tables.multiply_adds(contents.rows("alexnet", classes=1000, towers=towers), (3, 224, 224)).values())
        for arm, towers in (("two", "two"), ("half", "one half"))
    }
    assert round(adds["two"] / 2 / 1e6) == 362
    assert int(adds["half"] / 1e6) == 391
    assert (has_towers(run_config(claim.at("paper"), "two", seed=0)), claim.claim.measure.two_devices) == (True, True)


def test_two_processes_are_timed_against_one_and_cpus_decide_nothing(claim, tmp_path):
    setting = Setting(Store(tmp_path / "runs"), "cpu", (), tmp_path / "cache", provenance.provenance("cpu", 2))
    events: list[dict] = []
    execute([(claim.with_seeds(1), "smoke")], setting, workers=1, report=events.append)
    assert [event["event"] for event in events].count("timed") == 1
    table = setting.store.table()
    assert {run.config["device"] for run in table.values()} == {device_name(setting.provenance)}
    assert device_name(setting.provenance).startswith("2 x 1 thread of ")
    for run in table.values():
        assert towers_of(run) == [2]
        assert all(rate > 0 for arm in ("two", "half") for rate in run.timed[arm]["pipeline"] + run.timed[arm]["step"])
    write([claim.with_seeds(1)], {"yours": table}, tmp_path / "out")
    page = re.sub(r"\s+", " ", (tmp_path / "out" / "two_gpus_time.html").read_text())
    assert "did updates in two processes, one for each tower" in page
    assert followers() == []


def device(gpu: bool, towers: int) -> dict:
    made = provenance.provenance("cpu", towers)
    return made | {"device": "NVIDIA H100"} if gpu else made


@pytest.mark.parametrize(
    ("gpu", "towers", "word"),
    [(True, 2, "reproduced"), (True, 1, "not comparable"), (False, 2, "not comparable"), (False, 1, "not comparable")],
)
def test_only_two_gpus_can_speak_of_two_gpus_and_are_taken_first(claim, tmp_path, gpu, towers, word):
    at, store = claim.at("paper"), Store(tmp_path)
    for factor, made in ((1, device(gpu, towers)), (3, device(False, 1))):
        for seed in at.seeds:
            config = at.measure.config(at, seed, device_name(made))
            rates = {"two": factor * (1100.0 + seed), "half": factor * 1000.0}
            timed = {arm: {"pipeline": [rate] * 9, "step": [rate] * 9} for arm, rate in rates.items()}
            if (tmp_path / config.id).exists():
                continue
            with store.begin(config, made) as run:
                run.finish({"status": "timed", "timed": timed, "seconds": 1.0, "load": 0.0, "cores": 2})
    found = judge(claim, "paper", store.table())
    if towers == 2:
        assert found.device == device_name(device(gpu, 2))
    assert found.verdict.word == word
