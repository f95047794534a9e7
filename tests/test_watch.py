"""The state of a store while others work on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repro.contents import load
from repro.engine.events import Event
from repro.engine.execute import execute
from repro.engine.provenance import provenance
from repro.engine.setting import Setting
from repro.store import Store
from repro.store.writing import held
from repro.watch import lines, state
from tests.faults import CLAIMS

ROOT = Path(__file__).parent.parent


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a finished run, and one that Ctrl-C ended."""
    (tmp_path / "viewed.yaml").write_text(CLAIMS["viewed"])

    def stop(event: Event) -> None:
        if event["event"] == "epoch" and event["label"].endswith("seed 1"):
            raise KeyboardInterrupt

    setting = Setting(Store(tmp_path / "runs"), "cpu", (), tmp_path / "cache", provenance("cpu"), checkpoint_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        execute([(load(tmp_path / "viewed.yaml"), "smoke")], setting, workers=1, report=stop)
    return setting.store


def test_it_says_which_runs_are_trained_by_whom_and_how_far_they_are(store, tmp_path):
    files = [load(tmp_path / "viewed.yaml")]
    (stopped,) = state(store, files).stopped
    assert state(store, files).training == []
    with held(store.root / stopped.run):
        now = state(store, files, now=time.time() + 60)
    (trained,) = now.training
    assert now.stopped == []
    assert now.finished == 2, "a run and its evaluation"
    assert (trained.process, trained.epoch, trained.horizon) == (os.getpid(), 1, 3)
    assert trained.label == "viewed: the net, seed 1"
    assert trained.last >= 59
    assert any(f"process {os.getpid()}" in line and "1 of at most 3 epochs" in line for line in lines(now))


def test_the_horizon_of_a_run_that_claims_share_is_the_longest(store, tmp_path):
    (tmp_path / "longer.yaml").write_text(
        CLAIMS["viewed"].replace("id: viewed", "id: longer").replace("epochs: 3", "epochs: 5")
    )
    files = [load(tmp_path / "longer.yaml"), load(tmp_path / "viewed.yaml")]
    for order in (files, files[::-1]):
        (stopped,) = state(store, order).stopped
        assert stopped.horizon == 5


def test_a_run_that_no_claim_wants_is_named_by_its_configuration(store):
    (stopped,) = state(store, []).stopped
    assert stopped.label == "cuda_convnet_19pct on digits, rate 0.01, seed 1"
    assert stopped.horizon is None


def test_watching_changes_nothing_and_needs_no_torch(store):
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    script = (
        "import sys; sys.modules.update(torch=None, torchvision=None, timm=None)\n"
        f"from repro import cli; cli.main(['watch', '--json', '--runs', {str(store.root)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["stopped"]) == 1
    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()} == before
