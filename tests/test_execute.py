"""Planning and training until nothing is left: real runs on digits, real processes, really killed."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from repro import workers as pool
from repro.claim.files import ClaimFile, run_config
from repro.contents import load
from repro.data.batches import Batches
from repro.data.sets import load as load_set
from repro.engine import beforehand, training
from repro.engine.budget import Budget
from repro.engine.execute import execute, remaining
from repro.engine.jobs import Job, followed_by, jobs
from repro.engine.probe import probe
from repro.engine.provenance import commit_of, provenance
from repro.engine.setting import Setting, standing
from repro.errors import DataError, ReproError, RunError
from repro.files import Vanished
from repro.questions.levels import Goal
from repro.store import CHECKPOINT, Store
from repro.train import loop
from repro.train.minibatches import NUMERICS

CLAIMS = Path(__file__).parent.parent / "claims"
TINY = """\
id: tiny
version: 1
paper: {name: alexnet2012, section: "3.1", says: A network with ReLUs learns faster than one with tanh units.}
question: How many times fewer epochs does the ReLU network need?
data: {kind: digits, images: 60, scale: standardised}
model: {kind: cuda_convnet_19pct, init: he, width: 0.25}
train: {batch: 20, epochs: 4, lr: 0.01, weight_decay: 0.0}
arms: {relu: {label: ReLUs, model.activation: relu}, tanh: {label: tanh units, model.activation: tanh}}
varies: [model.activation]
seeds: [0]
measure: {kind: epochs_to, metric: train_error, level: 0.01}
rule: {kind: ratio, of: [tanh, relu], paper: 6.0, within: [4.0, 9.0], direction: above 1}
scales: {smoke: {}, small: {}}
"""
# a trajectory long enough to be interrupted: one run of 30 epochs
LONG = {
    "epochs: 4,": "epochs: 30,",
    "{relu: {label: ReLUs, model.activation: relu}, tanh: {label: tanh units, model.activation: tanh}}": (
        "{ours: {label: ours}}"
    ),
    "varies: [model.activation]": "varies: []",
    "{kind: epochs_to, metric: train_error, level: 0.01}": "{kind: trace, metric: train_error, every: 3}",
    "{kind: ratio, of: [tanh, relu], paper: 6.0, within: [4.0, 9.0], direction: above 1}": (
        "{kind: trace, authors: [0.8, 0.7], p_above: 0.5, offset_within: [-0.1, 0.1]}"
    ),
}


def claim(folder: Path, changes: dict[str, str] | None = None, scale: str = "smoke") -> list[tuple[ClaimFile, str]]:
    """The tiny claim, some of its text replaced, as `execute` takes it."""
    text = TINY
    for old, new in (changes or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "tiny.yaml").write_text(text)
    return [(load(folder / "tiny.yaml"), scale)]


@pytest.fixture
def setting(tmp_path: Path, cache: Path) -> Setting:
    return Setting(Store(tmp_path / "runs"), "cpu", (), cache, provenance("cpu"))


def silent(event: dict) -> None:
    pass


def shelf(store: Store) -> dict[str, dict]:
    """All that a shelf holds of its runs, but for the seconds and who made them."""
    out = {}
    for run_id, run in store.table().items():
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in run.epochs]
        files = {name: (run.path / name).read_bytes() for name in (CHECKPOINT, "correct.npy")}
        out[run_id] = {"config": run.config, "result": run.result, "rows": rows} | files
    return out


# Until nothing is left


def test_all_that_a_claim_wants_is_trained_and_a_second_time_nothing(setting, tmp_path):
    claims = claim(tmp_path)
    assert remaining(claims, setting)[0] == 2
    assert execute(claims, setting, workers=1, report=silent) == 2
    before = {path: path.read_bytes() for path in setting.store.root.rglob("*") if path.is_file()}
    assert len(before) == 2 * len(["run.json", "metrics.jsonl", "result.json", "correct.npy", CHECKPOINT, "lock"])
    events: list[dict] = []
    assert execute(claims, setting, workers=1, report=events.append) == 0
    assert remaining(claims, setting) == (0, 0.0)
    assert events == []
    assert {path: path.read_bytes() for path in setting.store.root.rglob("*") if path.is_file()} == before


def test_a_run_records_which_test_images_were_right_at_its_end(setting, tmp_path):
    execute(claim(tmp_path), setting, workers=1, report=silent)
    for run in setting.store.table().values():
        right = np.unpackbits(np.load(run.path / "correct.npy"), count=355)
        assert run.epochs[-1]["test_error"] == 1 - right.sum() / 355
        assert run.result == {"status": "reached", "epoch": 4, "update": 12}


def test_one_worker_and_two_make_the_same_runs_bit_for_bit_and_no_event_is_lost(setting, tmp_path):
    """With rates to choose, so that there are rounds: two arms, two rates, then a judging seed for each arm."""
    rates = "tune: {train.lr: [0.005, 0.01], per: arm, choose: fastest, on_seeds: [100], extend: 0}\nseeds: [0]"
    claims = claim(tmp_path, {"seeds: [0]": rates, "level: 0.01": "level: 0.85", "lr: 0.01, ": ""})
    events: dict[str, list[dict]] = {}
    other = replace(setting, store=Store(tmp_path / "other"))

    def note(event: dict) -> None:
        events.setdefault(event["run"], []).append(event)

    assert execute(claims, setting, workers=1, report=silent) == 6
    assert execute(claims, other, workers=2, report=note) == 6
    assert shelf(setting.store) == shelf(other.store)
    assert multiprocessing.active_children() == []
    for run_id, run in other.store.table().items():
        first, *epochs, last = events[run_id]
        assert (first["event"], first["epoch"]) == ("begin", 0)
        assert [(e["event"], e["epoch"]) for e in epochs] == [("epoch", row["epoch"]) for row in run.epochs]
        assert (last["event"], last["status"]) == ("finish", "reached")


def test_a_run_that_two_claims_want_is_trained_once_as_far_as_the_longer_asks(tmp_path):
    (tmp_path / "longer").mkdir()
    both = claim(tmp_path) + claim(tmp_path / "longer", {"epochs: 4,": "epochs: 5,"})
    found = jobs(both, {})
    assert len(found) == 2
    assert [[(goal.epochs, str(goal.level)) for goal in job.goals] for job in found] == [
        [(4, "train error 0.01"), (5, "train error 0.01")]
    ] * 2
    assert [job.horizon for job in found] == [5, 5]


@pytest.mark.parametrize(
    ("name", "reasons"),
    [("two_towers", 0), ("relu_speedup", 1), ("pretraining", 1)],  # no rate to choose; rates; weights to start from
)
def test_a_plan_says_that_runs_follow_only_where_some_do(name, reasons):
    claims = [(load(CLAIMS / f"{name}.yaml"), "small")]
    assert len(followed_by(jobs(claims, {}), claims)) == reasons


def test_a_run_stopped_at_a_level_and_extended_is_one_that_never_stopped(setting, tmp_path):
    ((file, scale),) = claim(tmp_path)
    config = run_config(file.at(scale), "relu", seed=0)
    level = replace(file.at(scale).measure.level_of(file.at(scale)), value=0.85)
    straight = replace(setting, store=Store(tmp_path / "straight"))
    training.train(Job(config, (Goal(9),), "straight"), straight, silent)
    training.train(Job(config, (Goal(9, level),), "to a level"), setting, silent)
    stopped = setting.store.read(config.id).result["epoch"]
    assert 1 <= stopped < 9
    events: list[dict] = []
    training.train(Job(config, (Goal(9),), "extended"), setting, events.append)
    assert (events[0]["event"], events[0]["epoch"]) == ("begin", stopped)
    assert shelf(setting.store) == shelf(straight.store)


def test_sessions_grow_by_one_when_another_provenance_goes_on_with_a_run(setting, tmp_path):
    execute(claim(tmp_path), setting, workers=1, report=silent)
    there = replace(setting, provenance=setting.provenance | {"commit": "another"})
    execute(claim(tmp_path, {"epochs: 4,": "epochs: 5,"}), there, workers=1, report=silent)
    for run in setting.store.table().values():
        assert len(run.epochs) == 5
        assert run.sessions == [setting.provenance, there.provenance]


def test_runs_of_earlier_numerics_are_trained_again_but_for_those_of_the_reference_shelf(setting, tmp_path):
    claims = claim(tmp_path)
    earlier = replace(setting, provenance=setting.provenance | {"numerics": NUMERICS - 1})
    execute(claims, earlier, workers=1, report=silent)
    assert standing(setting) == {}
    assert execute(claims, replace(setting, keep_old=True), workers=1, report=silent) == 0
    assert execute(claims, setting, workers=1, report=silent) == 2
    assert all(run.sessions == [setting.provenance] for run in setting.store.table().values())


def test_a_diverged_run_is_a_result_and_not_trained_again(setting, tmp_path):
    claims = claim(tmp_path, {"lr: 0.01": "lr: 1.0e+38"})
    events: list[dict] = []
    assert execute(claims, setting, workers=1, report=events.append) == 2
    assert [e["status"] for e in events if e["event"] == "finish"] == ["diverged", "diverged"]
    for run in setting.store.table().values():
        assert run.result == {"status": "diverged", "epoch": 1, "update": run.diverged - 1}
        assert run.failed is None
        assert not run.resumable
    assert execute(claims, setting, workers=1, report=silent) == 0


# What is checked before any training


@pytest.mark.parametrize("workers", [1, 2])
def test_a_missing_data_set_is_told_before_any_training(setting, tmp_path, workers):
    claims = claim(tmp_path, {"kind: digits": "kind: cifar10"}, "small")
    with pytest.raises(DataError, match="cifar10: not found") as error:
        execute(claims, replace(setting, roots=(tmp_path / "none",)), workers=workers, report=silent)
    assert error.value.exit_code == 3
    assert not setting.store.root.exists()


def test_arms_that_start_otherwise_are_refused_with_arm_and_parameter(setting, tmp_path, monkeypatch):
    unnamed = torch.Generator().manual_seed(0)
    monkeypatch.setattr(loop, "generator", lambda seed, *name: unnamed)
    with pytest.raises(
        ReproError, match=r"tiny\.yaml: the arms “ReLUs” and “tanh units”: conv1\.weight \(8, 3, 5, 5\) starts with"
    ):
        execute(claim(tmp_path), setting, workers=1, report=silent)
    assert not setting.store.root.exists()


@pytest.mark.parametrize(
    ("key", "first", "second"),
    [
        ("model.init", "", "model.init: published"),
        ("model.init", "model.init: {conv1: 0.1, other: 0.01}", "model.init: {conv1: 0.2, other: 0.01}"),
        ("model.width", "", "model.width: 0.5"),
        ("model.kind", "", "model.kind: cuda_convnet_80sec"),
    ],
)
def test_what_arms_vary_of_their_start_is_not_held_against_them(tmp_path, key, first, second):
    changes = {"model.activation: relu": first, "model.activation: tanh": second, "[model.activation]": f"[{key}]"}
    ((file, scale),) = claim(tmp_path, changes)
    beforehand.check_initial_values(file, scale)


def test_a_layer_whose_start_is_not_varied_is_compared_even_where_another_is(tmp_path, monkeypatch):
    changes = {
        "model.activation: relu": "model.init: {conv1: 0.1, other: 0.01}",
        "model.activation: tanh": "model.init: {conv1: 0.2, other: 0.01}",
        "[model.activation]": "[model.init]",
    }
    ((file, scale),) = claim(tmp_path, changes)
    unnamed = torch.Generator().manual_seed(0)
    monkeypatch.setattr(loop, "generator", lambda seed, *name: unnamed)
    with pytest.raises(ReproError, match=r"conv2\.weight"):
        beforehand.check_initial_values(file, scale)


# What goes wrong on the way


class Failing(Batches):
    """Fails at the second minibatch of every training, as a GPU out of memory does, until `left` is used up."""

    left = 0
    taken = 0
    error: RuntimeError = RuntimeError("out of memory")

    def take(self, places, draws=None):
        self.taken += 1
        if self.taken == 2 and Failing.left:
            Failing.left -= 1
            self.taken = 0
            raise self.error
        return super().take(places, draws)


@pytest.fixture
def failing(setting, monkeypatch):
    """Say how often training fails."""
    images = load_set("digits", cache=setting.cache, images=60)

    def times(n: int) -> None:
        monkeypatch.setattr(Failing, "left", n)
        monkeypatch.setattr(training, "batches", lambda *a: Failing(images, device="cpu", scale="standardised"))

    return times


def test_a_run_that_fails_is_repeated_once(setting, tmp_path, failing):
    failing(1)
    events: list[dict] = []
    execute(claim(tmp_path), setting, workers=1, report=events.append)
    told = [(e["attempt"], e["why"]) for e in events if e["event"] == "failed"]
    assert told == [(1, "RuntimeError: out of memory")]
    assert {run.result["status"] for run in setting.store.table().values()} == {"reached"}


def test_a_minibatch_that_does_not_fit_the_gpu_is_taken_in_two_parts_which_the_run_records(
    setting, tmp_path, failing, monkeypatch
):
    """The same update but for rounding. Without the parts the second attempt would fail as the first did."""
    claims = claim(tmp_path)
    whole = replace(setting, store=Store(tmp_path / "whole"))
    execute(claims, whole, workers=1, report=silent)
    failing(1)
    monkeypatch.setattr(Failing, "error", torch.OutOfMemoryError("CUDA out of memory"))
    emptied: list[str] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append("emptied"))
    events: list[dict] = []
    assert execute(claims, setting, workers=1, report=events.append) == 2
    (why,) = [event["why"] for event in events if event["event"] == "failed"]
    assert "--workers 1" in why
    assert emptied
    runs = setting.store.table()
    assert sorted(run.sessions[-1].get("micro_batch", 0) for run in runs.values()) == [0, 10]
    for run_id, run in whole.store.table().items():
        losses = [[row["train_loss"] for row in each.epochs] for each in (run, runs[run_id])]
        assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_a_folder_of_runs_that_vanishes_is_named_and_the_same_command_trains_it_again(setting, tmp_path):
    claims = claim(tmp_path)

    def remove_at_first_epoch(event: dict) -> None:
        if event["event"] == "epoch" and event["epoch"] == 1:
            shutil.rmtree(setting.store.root)

    with pytest.raises(Vanished, match="run the same command again") as error:
        execute(claims, setting, workers=1, report=remove_at_first_epoch)
    assert error.value.exit_code == 66
    assert execute(claims, setting, workers=1, report=silent) == 2


@pytest.mark.parametrize("before", [False, True])
def test_a_folder_of_runs_that_vanishes_between_two_runs_is_not_made_again_and_filled(setting, tmp_path, before):
    """A disk that is gone leaves the folder that it was mounted at. Nothing was said, and what was there was lost."""
    if before:
        execute(claim(tmp_path), setting, workers=1, report=silent)
    claims = claim(tmp_path, {"seeds: [0]": "seeds: [0, 1]"})
    finished = []

    def move_at_first_finish(event: dict) -> None:
        if event["event"] == "finish":
            finished.append(event["run"])
            if len(finished) == 1:
                setting.store.root.rename(tmp_path / "gone")

    with pytest.raises(Vanished):
        execute(claims, setting, workers=1, report=move_at_first_finish)
    assert len(finished) == 1
    shutil.rmtree(setting.store.root, ignore_errors=True)
    (tmp_path / "gone").rename(setting.store.root)
    assert execute(claims, setting, workers=1, report=silent) == (1 if before else 3)


def test_a_run_that_fails_twice_is_recorded_as_failed_and_others_go_on(setting, tmp_path, failing):
    claims = claim(tmp_path)
    failing(2)
    events: list[dict] = []
    assert execute(claims, setting, workers=1, report=events.append) == 1  # a failed run was not trained
    assert [e["attempt"] for e in events if e["event"] == "failed"] == [1, 2]
    assert [e["status"] for e in events if e["event"] == "finish"] == ["failed", "reached"]
    (failed,) = [run for run in setting.store.table().values() if run.failed]
    assert failed.result == {"status": "failed", "why": "RuntimeError: out of memory"}
    assert failed.diverged is None
    # the next command tries again
    assert execute(claims, setting, workers=1, report=silent) == 1
    assert not setting.store.read(failed.id).failed


def test_a_run_that_fails_when_it_shall_go_on_keeps_its_result_and_the_command_ends(setting, tmp_path, failing):
    failing(0)
    execute(claim(tmp_path), setting, workers=1, report=silent)
    before = shelf(setting.store)
    failing(4)
    events: list[dict] = []
    assert execute(claim(tmp_path, {"epochs: 4,": "epochs: 6,"}), setting, workers=1, report=events.append) == 0
    assert [e["status"] for e in events if e["event"] == "finish"] == ["failed", "failed"]
    assert shelf(setting.store) == before


def test_a_run_killed_between_its_last_epoch_and_its_result_is_finished(setting, tmp_path):
    claims = claim(tmp_path)
    execute(claims, setting, workers=1, report=silent)
    expected = shelf(setting.store)
    folder = setting.store.root / next(iter(expected))
    (folder / "result.json").unlink()
    (folder / "correct.npy").unlink()
    events: list[dict] = []
    assert execute(claims, setting, workers=1, report=events.append) == 1
    assert [e["event"] for e in events] == ["begin", "finish"]
    assert shelf(setting.store) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (CHECKPOINT, b"not a checkpoint", r"checkpoint\.safetensors: not a checkpoint of this run .*from its start"),
        (CHECKPOINT, safetensors.torch.save({"epoch": torch.tensor(1)}), r"not a checkpoint of this run \('weight\."),
    ],
)
def test_a_damaged_checkpoint_is_named_and_its_run_trained_from_its_start(setting, tmp_path, name, content, message):
    execute(claim(tmp_path), setting, workers=1, report=silent)
    for run in setting.store.table().values():
        (run.path / name).write_bytes(content)
    events: list[dict] = []
    assert execute(claim(tmp_path, {"epochs: 4,": "epochs: 5,"}), setting, workers=1, report=events.append) == 2
    failures = [event["why"] for event in events if event["event"] == "failed"]
    assert len(failures) == 2  # one for each run: neither stops the other
    assert all(re.search(message, why) for why in failures)
    assert all(len(run.epochs) == 5 for run in setting.store.table().values())


def test_a_run_whose_rows_are_gone_is_left_out_and_the_others_go_on(setting, tmp_path):
    execute(claim(tmp_path), setting, workers=1, report=silent)
    first, *others = setting.store.table()
    (setting.store.root / first / "metrics.jsonl").write_bytes(b"")
    longer = claim(tmp_path, {"epochs: 4,": "epochs: 5,"})
    assert execute(longer, setting, workers=1, report=silent) == len(others)
    assert list(setting.store.table().damaged) == [first]
    assert {len(setting.store.read(run).epochs) for run in others} == {5}
    assert (setting.store.root / first / CHECKPOINT).is_file(), "nothing of a damaged run is removed"


def test_damaged_rows_of_a_run_that_is_made_longer_cost_these_epochs_and_stop_nothing(setting, tmp_path):
    execute(claim(tmp_path), setting, workers=1, report=silent)
    longer = claim(tmp_path, {"epochs: 4,": "epochs: 6,"})

    def stop(event: dict) -> None:
        if event["event"] == "epoch" and event["epoch"] == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(longer, replace(setting, checkpoint_seconds=0), workers=1, report=stop)
    (rows,) = setting.store.root.glob("*/next/metrics.jsonl")
    rows.write_text("damaged\n")
    assert remaining(longer, setting)[0] == 2
    events: list[dict] = []
    assert execute(longer, setting, workers=1, report=events.append) == 2
    (why,) = [event["why"] for event in events if event["event"] == "failed"]
    assert "next/metrics.jsonl: line 1: found" in why
    assert [event["epoch"] for event in events if event["event"] == "epoch"] == [5, 6, 5, 6]
    assert all(len(run.epochs) == 6 for run in setting.store.table().values())
    assert not [*setting.store.root.glob("*/next")]


# Killed and interrupted: real processes


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, dict]:
    """The long claim, trained in one go."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    setting = Setting(Store(folder / "runs"), "cpu", (), cache, provenance("cpu"))
    assert execute(claim(folder, LONG), setting, workers=1, report=silent) == 1
    return shelf(setting.store)


def train_as_a_command(folder: str, cache: str, workers: str) -> None:
    """What the processes below do; a checkpoint now and then, so that a kill finds epochs beyond the last one."""
    where = Path(folder)
    setting = Setting(Store(where / "runs"), "cpu", (), Path(cache), provenance("cpu"), checkpoint_seconds=0.1)
    try:
        execute(claim(where, LONG), setting, workers=int(workers), report=silent)
    except KeyboardInterrupt:
        sys.exit(130)


def hear_ctrl_c() -> None:
    """Of a process about to start: also where a shell started the tests in the background, which then ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def a_command(folder: Path, cache: Path, workers: int) -> subprocess.Popen:
    """It, in a process group of its own, as a shell starts it."""
    program = "import sys, test_execute; test_execute.train_as_a_command(*sys.argv[1:])"
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder), str(cache), str(workers)],
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_ctrl_c,
    )


def until(condition, command: subprocess.Popen | None = None):
    """Wait for it, two minutes at most."""
    for _ in range(2400):
        if condition():
            return
        assert command is None or command.poll() is None, f"ended too soon: {command.stderr.read()}"
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def trains(folder: Path, where: str = "runs/*") -> bool:
    """Whether the run has come to eight epochs and to a checkpoint."""
    (run,) = [*folder.glob(where), None][:1]
    rows = run and run / "metrics.jsonl"
    return bool(rows and rows.is_file() and rows.read_text().count("\n") >= 8 and (run / CHECKPOINT).is_file())


def processes_of(group: int) -> list[str]:
    found = subprocess.run(["ps", "-A", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if line.split()[0] == str(group) and line.split()[1][0] != "Z"]


def goes_on_as_if_nothing_had_been(folder: Path, setting: Setting, uninterrupted: dict) -> None:
    (begun,) = setting.store.table().values()
    assert begun.result is None, "was interrupted while it trained"
    events: list[dict] = []
    assert execute(claim(folder, LONG), setting, workers=1, report=events.append) == 1
    assert events[0]["event"] == "begin"
    assert 0 < events[0]["epoch"] < 30, "went on from a checkpoint"
    assert shelf(setting.store) == uninterrupted


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_command_run_again_is_the_uninterrupted_one_bit_for_bit(setting, tmp_path, uninterrupted, workers):
    with a_command(tmp_path, setting.cache, workers) as command:
        until(lambda: trains(tmp_path), command)
        command.kill()  # -9
        command.communicate()
    until(lambda: not processes_of(command.pid))  # a worker ends with its parent, and its lock is free
    goes_on_as_if_nothing_had_been(tmp_path, setting, uninterrupted)


def test_a_finished_run_is_whole_when_a_longer_training_of_it_is_killed(setting, tmp_path, uninterrupted):
    """Its checkpoint was removed, so that it is trained from its start: rows and result were lost before."""
    assert execute(claim(tmp_path, LONG | {"epochs: 4,": "epochs: 10,"}), setting, workers=1, report=silent) == 1
    assert setting.store.remove_checkpoints() > 0
    (run,) = setting.store.table().values()
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    with a_command(tmp_path, setting.cache, 1) as command:
        until(lambda: trains(tmp_path, "runs/*/next"), command)
        command.kill()
        command.communicate()
    assert {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()} == before
    assert remaining(claim(tmp_path, LONG), setting)[1] < remaining(claim(tmp_path, LONG), replace(
        setting, store=Store(tmp_path / "none")))[1], "the killed command's epochs count"  # fmt: skip
    events: list[dict] = []
    assert execute(claim(tmp_path, LONG), setting, workers=1, report=events.append) == 1
    assert 0 < events[0]["epoch"] < 30, "went on from the killed command's checkpoint"
    assert shelf(setting.store) == uninterrupted


@pytest.mark.parametrize("workers", [1, 2])
def test_a_first_ctrl_c_ends_after_the_epoch_and_loses_none(setting, tmp_path, uninterrupted, workers):
    epochs = []

    def ask_in_the_eighth(event: dict) -> None:
        if event["event"] == "epoch":
            epochs.append(event["epoch"])
            if event["epoch"] == 8:
                assert pool.ask()

    with pytest.raises(KeyboardInterrupt):
        execute(claim(tmp_path, LONG), setting, workers=workers, report=ask_in_the_eighth)
    (run,) = setting.store.table().values()
    assert 8 <= len(run.epochs) < 30
    assert int(safetensors.torch.load_file(run.path / CHECKPOINT)["epoch"]) == len(run.epochs) == epochs[-1]
    goes_on_as_if_nothing_had_been(tmp_path, setting, uninterrupted)


def test_ctrl_c_ends_the_workers_and_leaves_runs_that_go_on(setting, tmp_path, uninterrupted):
    with a_command(tmp_path, setting.cache, workers=2) as command:
        until(lambda: trains(tmp_path), command)
        os.killpg(command.pid, signal.SIGINT)  # to every process of the terminal, as Ctrl-C does
        _, told = command.communicate()
    assert command.returncode == 130
    assert told == "", "workers end without a word"
    until(lambda: not processes_of(command.pid))
    goes_on_as_if_nothing_had_been(tmp_path, setting, uninterrupted)


def kill_the_worker() -> None:
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGKILL)


def test_a_run_whose_worker_is_killed_is_tried_again_once_the_others_are_done(setting, tmp_path):
    claims = claim(tmp_path, {"seeds: [0]": "seeds: [0, 1]"})
    events: list[dict] = []

    def kill_at_the_first(event: dict) -> None:
        events.append(event)
        if len(events) == 1:
            for worker in multiprocessing.active_children():
                os.kill(worker.pid, signal.SIGKILL)

    assert execute(claims, setting, workers=2, report=kill_at_the_first) == 4
    (told,) = [event for event in events if event["event"] == "failed"]
    assert told["attempt"] == 1
    assert "signal 9" in told["why"]
    finished = [event["run"] for event in events if event["event"] == "finish"]
    assert len(finished) == len(set(finished)) == 4
    assert finished[-1] == told["run"]
    assert multiprocessing.active_children() == []


def test_a_worker_that_is_killed_twice_is_told_with_the_next_step(setting, tmp_path, uninterrupted):
    killed = []

    def kill_when_it_trains(event: dict) -> None:
        begun = len(killed) + 1 if event["event"] == "epoch" and trains(tmp_path) else 0
        if begun == 1 or (begun == 2 and event["epoch"] > killed[0] + 1):
            kill_the_worker()
            killed.append(event["epoch"])

    often = replace(setting, checkpoint_seconds=0.1)
    told = r"ours, seed 0: its worker process was ended by signal 9 .*run the same command again, with fewer"
    with pytest.raises(RunError, match=told) as error:
        execute(claim(tmp_path, LONG), often, workers=2, report=kill_when_it_trains)
    assert error.value.exit_code == 70
    assert len(killed) == 2
    assert multiprocessing.active_children() == []
    goes_on_as_if_nothing_had_been(tmp_path, setting, uninterrupted)


# Other commands on the same store


@pytest.fixture
def elsewhere(setting, tmp_path) -> Store:
    """The runs of the tiny claim on another shelf, as another command makes them."""
    other = replace(setting, store=Store(tmp_path / "other"), provenance=setting.provenance | {"commit": "rival"})
    execute(claim(tmp_path), other, workers=1, report=silent)
    return other.store


def test_a_run_that_was_finished_elsewhere_meanwhile_is_not_trained_again(setting, tmp_path, elsewhere):
    """The table is read before anything is trained; without a second look both are trained here."""
    events: list[dict] = []

    def finish_the_other(event: dict) -> None:
        if event["event"] == "begin":
            for run_id in elsewhere.table().keys() - {event["run"]}:
                shutil.copytree(elsewhere.root / run_id, setting.store.root / run_id)
        events.append(event)

    assert execute(claim(tmp_path), setting, workers=1, report=finish_the_other) == 1
    assert len({event["run"] for event in events}) == 1
    assert sorted(run.sessions[0]["commit"] == "rival" for run in setting.store.table().values()) == [False, True]
    assert remaining(claim(tmp_path), setting) == (0, 0.0)


HOLD = """\
import shutil, sys
from pathlib import Path
from repro.store.writing import held
source, target = map(Path, sys.argv[1:])
with held(target):
    print("held", flush=True)
    sys.stdin.read()
    for name in ("run.json", "metrics.jsonl", "correct.npy", "checkpoint.safetensors", "result.json"):
        shutil.copy(source / name, target)
"""


@pytest.mark.parametrize(("killed", "workers"), [(False, 2), (True, 1)])
def test_a_run_that_another_process_trains_is_left_to_it_while_others_are_trained(
    setting, tmp_path, elsewhere, killed, workers
):
    """Then it is waited for: trained here only where that process was killed."""
    first, second = (job.id for job in jobs(claim(tmp_path), {}))
    words = [sys.executable, "-c", HOLD, str(elsewhere.root / first), str(setting.store.root / first)]
    events: list[tuple[str, str]] = []

    def end_the_rival(event: dict) -> None:
        events.append((event["event"], event["run"]))
        if events[-1] == ("finish", second):
            if killed:
                rival.kill()
            rival.stdin.close()

    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as rival:
        assert rival.stdout.readline() == "held\n"
        trained = execute(claim(tmp_path), setting, workers=workers, report=end_the_rival)
    assert events.index(("busy", first)) < events.index(("finish", second))
    assert trained == (2 if killed else 1)
    assert (("begin", first) in events) == killed
    assert shelf(setting.store) == shelf(elsewhere)


# What a plan says of the time


def test_a_probe_needs_no_data_and_counts_updates_and_test_images(setting, tmp_path):
    (tmp_path / "cifar").mkdir()
    ((digits, scale),) = claim(tmp_path)
    ((cifar, small),) = claim(tmp_path / "cifar", {"kind: digits, images: 60": "kind: cifar10"}, "small")
    config = run_config(digits.at(scale), "relu", seed=0)
    once = probe(config, setting.device)
    assert once > 0
    assert probe(config.model_copy(update={"seed": 7}), setting.device) == once, "measured once for each net"
    # 120 images make three updates more
    more = config.model_copy(update={"data": config.data.model_copy(update={"images": 120})})
    most = config.model_copy(update={"data": config.data.model_copy(update={"images": 180})})
    two = probe(more, setting.device)
    assert probe(most, setting.device) - two == pytest.approx(two - once)
    assert probe(run_config(cifar.at(small), "relu", seed=0), setting.device) > 10 * once


def test_what_remains_counts_the_epochs_that_are_left(setting, tmp_path):
    claims = claim(tmp_path, LONG)
    runs, seconds = remaining(claims, setting)
    assert runs == 1
    execute(claim(tmp_path, LONG | {"epochs: 4,": "epochs: 20,"}), setting, workers=1, report=silent)
    assert remaining(claim(tmp_path, LONG), setting) == (1, pytest.approx(seconds / 3))


# What made a run


def test_provenance_tells_sources_versions_and_machine_but_not_whose(setting):
    made = provenance("cpu")
    assert made["numerics"] == NUMERICS
    assert made["torch"] == torch.__version__
    assert (made["device"], made["threads"], made["cuda"]) == ("cpu", 1, None)
    assert os.uname().nodename not in json.dumps(made)
    assert json.loads(json.dumps(made)) == made


def test_the_commit_is_that_of_the_sources_and_clean_only_as_committed(tmp_path, monkeypatch):
    monkeypatch.delenv("REPRO_COMMIT", raising=False)
    assert commit_of(tmp_path) == (None, False)

    def git(*words: str) -> str:
        author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        return subprocess.run(["git", *author, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    (tmp_path / "repro").mkdir()
    (tmp_path / "repro" / "a.py").write_text("")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    head = git("rev-parse", "HEAD").strip()
    (tmp_path / "notes").write_text("neither sources nor claims")
    assert commit_of(tmp_path / "repro") == (head, True)
    (tmp_path / "repro" / "a.py").write_text("changed")
    assert commit_of(tmp_path / "repro") == (head, False)
    installed = tmp_path / ".venv" / "site-packages" / "repro"
    installed.mkdir(parents=True)
    assert commit_of(installed) == (None, False), "in an environment inside the clone lie no sources of its commit"
    monkeypatch.setenv("REPRO_COMMIT", "abc+changed")
    assert commit_of(tmp_path) == ("abc", False)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_budget_that_no_run_can_end_in_begins_none_and_a_large_one_all(setting, tmp_path, workers):
    claims = claim(tmp_path)
    assert execute(claims, setting, workers=workers, report=silent, budget=Budget(0.001, "cpu")) == 0
    assert jobs(claims, setting.store.table()) == jobs(claims, {})
    assert execute(claims, setting, workers=workers, report=silent, budget=Budget(3600, "cpu")) > 0
    assert jobs(claims, setting.store.table()) == []
