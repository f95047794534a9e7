"""Runs trained elsewhere: what travels, what comes back, and one claim through a real cluster of one node."""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from repro import workers
from repro.claim.files import ClaimFile
from repro.contents import load
from repro.engine import node
from repro.engine.cluster import ATTEMPTS, Cluster, Share
from repro.engine.crew import Nodes
from repro.engine.execute import execute
from repro.engine.jobs import Job, jobs
from repro.engine.provenance import provenance
from repro.engine.setting import Setting, standing
from repro.engine.training import train_twice
from repro.errors import DataError
from repro.files import Vanished
from repro.store import CHECKPOINT, DamagedRun, Store
from repro.store.parcels import Parcel
from repro.store.writing import held
from tests.faults import CLAIMS, store

ROOT = Path(__file__).parent.parent


@pytest.fixture
def setting(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    monkeypatch.setenv("REPRO_CACHE", str(cache))
    return Setting(Store(tmp_path / "runs"), "cpu", (), cache, provenance("cpu"), checkpoint_seconds=0)


@pytest.fixture
def viewed(tmp_path: Path) -> ClaimFile:
    """A claim whose runs are evaluated."""
    (tmp_path / "viewed.yaml").write_text(CLAIMS["viewed"])
    return load(tmp_path / "viewed.yaml")


def first(claim: ClaimFile, setting: Setting) -> Job:
    return jobs([(claim, "smoke")], standing(setting))[0]


def put(message: Any, job: Job, setting: Setting) -> None:
    """Put a parcel into the store, of which the run's own lock is held."""
    if isinstance(message, Parcel):
        with nullcontext() if message.run == job.id else held(setting.store.root / message.run):
            message.put(setting.store.root / message.run)


def away(job: Job, setting: Setting, until: Callable[[list[Any]], bool] = lambda got: False) -> list[Any]:
    """Train a job as a node does, and put what comes back into the store until the node is lost; all that it sent.

    What travels is pickled, as every cluster does it."""
    got: list[Any] = []

    def send(message: Any) -> bool:
        if until(got):
            raise ConnectionError("lost")
        got.append(pickle.loads(pickle.dumps(message)))
        put(got[-1], job, setting)
        return False

    with held(setting.store.root / job.id):
        order = pickle.loads(pickle.dumps(node.order_of(job, setting, None)))
        try:
            node.train(order, send)
        except ConnectionError:
            assert until(got)
    return got


def here(job: Job, setting: Setting, folder: Path) -> dict[str, Any]:
    """What the same job leaves that is trained here."""
    folder.mkdir()
    train_twice(replace(setting, store=Store(folder / "runs")), job, lambda event: None)
    return store(folder)


def shelf(setting: Setting) -> dict[str, Any]:
    return {name: content for name, content in store(setting.store.root.parent).items() if name.startswith("runs/")}


# What travels


def test_a_run_and_its_evaluations_come_back_as_if_they_were_made_here(setting, viewed, tmp_path):
    job = first(viewed, setting)
    assert job.evaluations
    got = away(job, setting)
    assert got[-1] is None, "done"
    ends = [i for i, each in enumerate(got) if isinstance(each, dict) and each["event"] == "finish"]
    assert any(isinstance(each, Parcel) and each.ended for each in got[: ends[-1]]), "a run is here before it is told"
    assert shelf(setting) == here(job, setting, tmp_path / "here")


def test_wherever_a_node_is_lost_the_run_goes_on_elsewhere_from_what_came_back(setting, viewed, tmp_path):
    job = first(viewed, setting)
    whole = here(job, setting, tmp_path / "here")
    messages = len(away(job, replace(setting, store=Store(tmp_path / "undisturbed" / "runs"))))
    for cut in range(1, messages, 2):
        place = replace(setting, store=Store(tmp_path / f"cut{cut}" / "runs"))
        lost = away(job, place, until=lambda got, cut=cut: len(got) == cut)
        kept = max([each["epoch"] for each in lost if isinstance(each, dict) and each["event"] == "checkpoint"] or [0])
        again = away(job, place)
        begun = [each["epoch"] for each in again if isinstance(each, dict) and each["event"] == "begin"]
        assert all(epoch >= kept for epoch in begun), f"no epoch of a checkpoint is trained again, cut at {cut}"
        assert shelf(place) == whole, f"cut at {cut}"


def test_a_run_that_has_a_result_keeps_it_until_a_longer_one_is_complete(setting, viewed):
    job = replace(first(viewed, setting), evaluations=())
    short = replace(job, goals=tuple(replace(goal, epochs=1) for goal in job.goals))
    away(short, setting)
    result = (setting.store.root / job.id / "result.json").read_bytes()
    away(job, setting, until=lambda got: any(isinstance(each, Parcel) for each in got))
    assert (setting.store.root / job.id / "result.json").read_bytes() == result
    assert (setting.store.root / job.id / "next" / "run.json").is_file()
    away(job, setting)
    assert len(setting.store.read(job.id).epochs) == job.horizon
    assert not (setting.store.root / job.id / "next").exists()


def test_a_file_that_does_not_arrive_as_it_was_sent_is_refused_and_what_stands_stays(setting, viewed):
    job = first(viewed, setting)
    ended = [each for each in away(job, setting) if isinstance(each, Parcel) and each.ended and each.run == job.id][-1]
    before = shelf(setting)
    for damaged in (
        replace(ended, files=ended.files | {"result.json": b"{}"}),
        replace(ended, hashes=ended.hashes | {"metrics.jsonl": "0" * 64}),
    ):
        with pytest.raises(DamagedRun, match="sha256"):
            damaged.put(setting.store.root / job.id)
        assert {name: content for name, content in shelf(setting).items() if "/next/" not in name} == before


def test_a_store_that_vanishes_meanwhile_is_not_made_again(setting, viewed):
    job = first(viewed, setting)
    ended = [each for each in away(job, setting) if isinstance(each, Parcel) and each.run == job.id][-1]
    shutil.rmtree(setting.store.root)
    with pytest.raises(Vanished):
        ended.put(setting.store.root / job.id)
    assert not setting.store.root.exists()


def test_an_end_that_is_asked_for_comes_after_the_epoch_and_its_checkpoint_travels_first(setting, viewed):
    job, got = first(viewed, setting), []

    def send(message: Any) -> bool:
        got.append(message)
        put(message, job, setting)
        return isinstance(message, dict) and message["event"] == "epoch"

    try:
        with held(setting.store.root / job.id):
            node.train(node.order_of(job, setting, None), send)
    finally:
        workers._Steps.depth, workers._Steps.asked = 0, False  # of this process, which is no worker
    assert isinstance(got[-1], workers.Stopped)
    assert (setting.store.root / job.id / CHECKPOINT).is_file()


def test_a_node_without_the_data_or_with_another_repro_says_so_and_takes_no_run(setting, viewed):
    job = first(viewed, setting)
    order = node.order_of(job, setting, None)
    got: list[Any] = []
    node.train(replace(order, made=order.made | {"numerics": -1}), got.append)
    data = job.config.data.model_copy(update={"kind": "imagenette", "stored": 64})
    other = replace(job, config=job.config.model_copy(update={"data": data}))
    node.train(replace(order, job=other, data=Path("none")), got.append)
    assert [type(each) for each in got] == [node.Unfit, node.Unfit]
    assert not shelf(setting)


# The crew of a cluster, without one


class Lost(Exception):
    """What Ray raises where a worker is gone."""


class Ray:
    """A cluster of one process, whose tasks are done when they are begun. `lose`: so many tasks are lost, each at its
    second message; `refuse`: what every node refuses runs for."""

    def __init__(self, lose: int = 0, refuse: node.Unfit | None = None) -> None:
        self.lose, self.refuse, self.tasks = lose, refuse, 0
        self.box: list[Any] = []
        self.exceptions = SimpleNamespace(RayError=Lost, RayTaskError=KeyError)

    def remote(self, function: object) -> Ray:
        return SimpleNamespace(options=lambda **options: SimpleNamespace(remote=self.begin))

    def begin(self, order: node.Order, mailbox: object, ticket: int) -> tuple[int, bool]:
        self.tasks += 1
        sent, lost = 0, self.lose >= self.tasks

        def send(message: Any) -> bool:
            nonlocal sent
            if lost and sent == 2:
                raise Lost
            sent += 1
            self.box.append((ticket, ("one", "node one"), pickle.loads(pickle.dumps(message))))
            return False

        try:
            send(self.refuse) if self.refuse else node.train(order, send)
        except Lost:
            return self.tasks, True
        return self.tasks, False

    def put(self, order: node.Order) -> node.Order:
        return order

    def wait(self, tasks: list, num_returns: int, timeout: float) -> tuple[list, list]:
        return tasks, []

    def get(self, task: tuple[int, bool]) -> None:
        if task[1]:
            raise Lost("the node died")

    def nodes(self) -> list[dict]:
        return [{"NodeID": "one", "Alive": True, "Resources": {"CPU": 1.0}}]

    def cancel(self, task: object, force: bool) -> None:
        pass


class OneNode(Cluster):
    """The cluster that `Ray` is."""

    def call(self, method: str, *arguments: Any) -> Any:
        taken, self.ray.box[:] = list(self.ray.box), []
        return taken


def of(ray: Ray, setting: Setting) -> OneNode:
    examined = node.Examined(setting.provenance, frozenset({"digits"}))
    return OneNode(ray, "ray://here:1", "cpu", Share(), None, None, None, examined, "one")


def test_lost_workers_runs_go_on_elsewhere_and_the_store_is_as_if_none_was_lost(setting, viewed, tmp_path):
    claims, events = [(viewed, "smoke")], []
    cluster = of(Ray(lose=2), setting)
    assert execute(claims, setting, workers=2, report=events.append, cluster=cluster) == 2
    assert [each["attempt"] for each in events if each["event"] == "failed"] == [1, 2]
    (tmp_path / "here").mkdir()
    place = replace(setting, store=Store(tmp_path / "here" / "runs"))
    execute(claims, place, workers=1, report=lambda event: None)
    assert shelf(setting) == store(tmp_path / "here")
    assert execute(claims, setting, workers=2, report=events.append, cluster=cluster) == 0


def test_a_run_whose_workers_are_lost_again_and_again_is_given_up_and_the_others_are_done(setting, viewed):
    ray, events = Ray(lose=10**9), []
    with pytest.raises(workers.WorkerEnded) as error:
        execute([(viewed, "smoke")], setting, workers=2, report=events.append, cluster=of(ray, setting))
    assert error.value.exit_code == 70
    assert ray.tasks == 2 * 2 * ATTEMPTS, "each of two runs, and once more when the other is done"


def test_where_no_node_has_the_data_the_command_says_so_and_trains_nothing(setting, viewed):
    events: list[Any] = []
    ray = Ray(refuse=node.Unfit("no digits here"))
    with pytest.raises(DataError, match="no digits here"):
        execute([(viewed, "smoke")], setting, workers=2, report=events.append, cluster=of(ray, setting))
    assert [each["label"] for each in events if each["event"] == "node"] == ["node node one"]
    assert not shelf(setting)


def test_a_run_that_another_command_trains_is_left_to_it_by_a_cluster_too(setting, viewed):
    job, events = first(viewed, setting), list[Any]()
    crew = Nodes(of(Ray(), setting), setting, alone=False)
    with held(setting.store.root / job.id):
        assert crew.takes(job)
        events += list(crew.messages())
    assert events == [(job, {"event": "busy", "run": job.id, "label": job.label}), (job, None)]


# A real cluster


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra ray is not installed")
def test_a_claim_through_a_cluster_of_one_node_leaves_the_same_store(setting, viewed, tmp_path):
    words = ["smoke", str(tmp_path / "viewed.yaml"), "--device", "cpu", "--runs", str(tmp_path / "runs")]
    words += ["--out", str(tmp_path / "pages"), "--on", "ray", "--workers", "1"]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": paths, "HOME": str(tmp_path)}  # Ray leaves its token at home
    done = subprocess.run([sys.executable, "-m", "repro", *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (tmp_path / "here").mkdir()
    place = replace(setting, store=Store(tmp_path / "here" / "runs"))
    execute([(viewed, "smoke")], place, workers=1, report=lambda event: None)
    assert shelf(setting) == store(tmp_path / "here")


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="the extra ray is installed")
def test_without_the_extra_a_cluster_is_refused_with_what_to_install(tmp_path):
    words = ["smoke", "relu_speedup", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path), "--on", "ray"]
    done = subprocess.run([sys.executable, "-m", "repro", *words], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert "pip install -e '.[ray]'" in done.stderr
