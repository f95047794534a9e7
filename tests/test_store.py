"""The store: plain files that are whole at every moment, one trainer a run, and errors that name the file."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import types
from contextlib import suppress
from pathlib import Path
from typing import ForwardRef, Literal, NotRequired, Union, get_args, get_origin, is_typeddict

import pytest
from simulator import PROVENANCE as HERE

from repro.claim.config import RunConfig, RunData, RunModel, RunTrain
from repro.errors import Busy, ReproError
from repro.files import Unwritable, is_locked
from repro.store import CHECKPOINT, DamagedRun, Store, rows
from repro.store.writing import being_written

CONFIG = RunConfig(
    data=RunData(kind="digits", content="0", images=None, scale="raw"),
    model=RunModel(kind="cuda_convnet_19pct", activation="relu", width=1.0, init="he"),
    train=RunTrain(
        batch=128, lr=0.1, bias_lr=2.0, momentum=0.9, weight_decay={"fc10": 0.0}, file_images=9, order="repeated"
    ),
    precision="fp32",
    seed=0,
)
REACHED = {"status": "reached", "epoch": 2, "update": 20}


def row(epoch: int) -> dict:
    about = {"epoch": epoch, "update": 10 * epoch, "train_error": 0.5, "train_loss": 1.0, "seconds": 1.0}
    return about | {"updates": [], "diverged": None}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


@pytest.fixture
def killed(store: Store) -> Path:
    """A run that was killed after two epochs."""
    with store.begin(CONFIG, HERE) as run:
        run.append(row(1))
        run.append(row(2))
    return store.root / CONFIG.id


@pytest.fixture
def folder(store: Store, killed: Path) -> Path:
    """A run of two epochs that stopped."""
    with store.begin(CONFIG, HERE) as run:
        run.finish(REACHED)
    return killed


def elsewhere(program: str, *words: object) -> subprocess.Popen:
    """A process of its own with the names of this file."""
    command = [sys.executable, "-c", f"from test_store import *\n{program}", *map(str, words)]
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )


def test_an_empty_shelf_has_no_runs(store, tmp_path):
    assert store.table() == {}
    assert store.read(CONFIG.id) is None
    (tmp_path / "runs").mkdir()
    assert store.table() == {}


def test_a_run_reads_back_as_it_was_written(store, folder):
    run = store.table()[CONFIG.id]
    assert run.config == CONFIG.model_dump()
    assert RunConfig(**run.config).id == run.id == folder.name
    assert run.epochs == [row(1), row(2)]
    assert run.series("train_error") == [(1, 0.5), (2, 0.5)]
    assert run.sessions == [HERE]
    assert run.result == {"status": "reached", "epoch": 2, "update": 20}
    assert (run.failed, run.diverged, run.resumable) == (None, None, False)


def test_what_is_no_run_is_passed_over(store, folder):
    (store.root / "reference").mkdir()
    (store.root / ".DS_Store").write_text("")
    (store.root / "0000000000000000").mkdir()  # a process that was killed before it wrote anything
    assert list(store.table()) == [CONFIG.id]


def test_a_begun_run_has_no_result_until_it_has_stopped(store, killed):
    assert store.read(CONFIG.id).result is None
    assert store.read(CONFIG.id).epochs == [row(1), row(2)]


def test_sessions_grow_when_another_provenance_goes_on_and_only_then(store, killed):
    with store.begin(CONFIG, HERE):
        pass
    assert store.read(CONFIG.id).sessions == [HERE]
    there = HERE | {"commit": "b"}
    with store.begin(CONFIG, there):
        pass
    assert store.read(CONFIG.id).sessions == [HERE, there]


def test_a_run_without_a_result_is_begun_anew_under_other_numerics(store, killed):
    (killed / CHECKPOINT).write_bytes(b"")
    moved = HERE | {"numerics": 2}
    with store.begin(CONFIG, moved) as run:
        assert run.rows() == []
    assert sorted(path.name for path in killed.iterdir()) == ["lock", "run.json"]
    assert store.read(CONFIG.id).sessions == [moved]


def test_rows_beyond_the_checkpoint_are_dropped(store, killed):
    with store.begin(CONFIG, HERE) as run:
        run.keep(1)
        assert run.rows() == [row(1)]
        run.append(row(2))
    assert store.read(CONFIG.id).epochs == [row(1), row(2)]


# A result stays until another is complete


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "lock"}


@pytest.fixture
def finished(folder: Path) -> dict[str, bytes]:
    """The files of the run that stopped, weights and bits among them."""
    (folder / CHECKPOINT).write_bytes(b"state of epoch 2")
    (folder / "correct.npy").write_bytes(b"bits of epoch 2")
    return contents(folder)


def test_a_run_that_goes_on_keeps_its_result_and_every_file_until_it_has_stopped_again(store, folder, finished):
    with store.begin(CONFIG, HERE | {"commit": "b"}) as run:
        assert (run.rows(), (run.path / CHECKPOINT).read_bytes()) == ([row(1), row(2)], b"state of epoch 2")
        run.keep(0)  # its checkpoint was of no use
        run.append(row(1))
        run.write(CHECKPOINT, b"state of epoch 1")
        assert contents(folder) == finished
        assert being_written(folder) == run.path
    assert contents(folder) == finished  # killed here
    with store.begin(CONFIG, HERE | {"commit": "c"}) as run:
        assert (run.rows(), (run.path / CHECKPOINT).read_bytes()) == ([row(1)], b"state of epoch 1"), "went on"
        run.finish(REACHED | {"epoch": 1, "update": 10})
    assert being_written(folder) == folder
    assert not (folder / "next").exists()
    assert contents(folder).keys() == finished.keys() - {"correct.npy"}, "its bits were of an epoch that is no more"
    assert (folder / CHECKPOINT).read_bytes() == b"state of epoch 1"
    run = store.read(CONFIG.id)
    assert (run.epochs, run.result["epoch"], len(run.sessions)) == ([row(1)], 1, 3)


def test_a_result_of_other_numerics_stays_until_the_new_one_is_complete(store, folder, finished):
    moved = HERE | {"numerics": 2}
    with store.begin(CONFIG, moved) as run:
        assert sorted(path.name for path in run.path.iterdir()) == ["run.json"], "two arithmetics make no trajectory"
        run.append(row(1))
    assert contents(folder) == finished
    with store.begin(CONFIG, HERE) as run:
        assert run.rows() == [row(1), row(2)], "what the other arithmetic began is of no use"
    with store.begin(CONFIG, moved) as run:
        run.append(row(1))
        run.finish(REACHED | {"epoch": 1, "update": 10})
    assert (store.read(CONFIG.id).epochs, store.read(CONFIG.id).sessions) == ([row(1)], [moved])
    assert sorted(contents(folder)) == ["metrics.jsonl", "result.json", "run.json"]


def test_a_failure_is_the_result_of_a_run_that_has_no_other(store, killed):
    with store.begin(CONFIG, HERE) as run:
        run.fail("out of memory")
    assert store.read(CONFIG.id).failed == "out of memory"
    with store.begin(CONFIG, HERE) as run:
        assert not run.replaces
        run.finish(REACHED)
    with store.begin(CONFIG, HERE) as run:
        run.fail("out of memory")
    assert store.read(CONFIG.id).result == REACHED


class Killed(BaseException):
    """What no code of ours catches."""


@pytest.mark.parametrize("moment", range(1, 8))
def test_a_process_killed_while_a_result_is_replaced_leaves_the_rest_to_the_next(
    store, folder, finished, moment, monkeypatch
):
    """At every removal and renaming: without `run.json` moved first, what was moved would be removed as stale."""
    operations = 0

    def counted(name: str) -> None:
        real = getattr(os, name)

        def operation(*words, **keys):
            nonlocal operations
            operations += 1
            if operations == moment:
                raise Killed
            return real(*words, **keys)

        monkeypatch.setattr(os, name, operation)

    with monkeypatch.context(), suppress(Killed), store.begin(CONFIG, HERE) as run:
        run.append(row(3))
        run.write(CHECKPOINT, b"state of epoch 3")
        for name in ("replace", "unlink", "rmdir"):
            counted(name)
        run.finish(REACHED | {"epoch": 3, "update": 30})
    monkeypatch.undo()
    assert moment <= operations, "there is no such moment: take it out of the list"
    store.table()
    run = store.read(CONFIG.id)
    if moment == 1:  # before it had a result
        assert contents(folder) == finished
        return
    assert (run.epochs, run.result["epoch"]) == ([row(1), row(2), row(3)], 3)
    assert contents(folder).keys() == finished.keys() - {"correct.npy"}
    assert (folder / CHECKPOINT).read_bytes() == b"state of epoch 3"


# Whole at every moment


def test_a_reader_sees_whole_rows_while_another_process_appends(store, killed):
    appends = "with Store(Path(sys.argv[1])).begin(CONFIG, HERE) as run:\n  for n in range(3, 203): run.append(row(n))"
    lengths = []
    with elsewhere(appends, store.root) as writer:
        while writer.poll() is None:
            rows = store.read(CONFIG.id).epochs
            assert rows == [row(n) for n in range(1, len(rows) + 1)]
            lengths.append(len(rows))
    assert writer.returncode == 0
    assert lengths == sorted(lengths)
    assert len(store.read(CONFIG.id).epochs) == 202


def test_a_last_line_without_its_end_is_what_a_killed_process_left(store, killed):
    with (killed / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row(3))[:17])
    assert store.read(CONFIG.id).epochs == [row(1), row(2)]
    with store.begin(CONFIG, HERE) as run:
        run.keep(2)
        run.append(row(3))
    assert store.read(CONFIG.id).epochs == [row(1), row(2), row(3)]


def test_what_a_killed_process_left_half_written_goes_when_the_run_is_begun_again(store, killed):
    (killed / f".{CHECKPOINT}.4711.partial").write_bytes(b"half a checkpoi")
    with store.begin(CONFIG, HERE):
        pass
    assert not list(killed.glob(".*"))


def test_a_number_that_json_does_not_have_is_never_written(store, killed):
    with store.begin(CONFIG, HERE) as run, pytest.raises(ValueError, match="not JSON compliant"):
        run.append(row(3) | {"test_loss": float("nan")})


# One trainer a run


def test_a_second_process_is_told_that_a_run_is_being_trained(store):
    holds = "with Store(Path(sys.argv[1])).begin(CONFIG, HERE):\n  print('begun', flush=True)\n  sys.stdin.read()"
    with elsewhere(holds, store.root) as holder:
        assert holder.stdout.readline() == "begun\n"
        assert is_locked(store.root / CONFIG.id / "lock")
        told = rf"{CONFIG.id}: another process trains this run; wait"
        with pytest.raises(Busy, match=told) as error, store.begin(CONFIG, HERE):
            pass
        assert error.value.exit_code == 75
        holder.kill()  # its lock goes with it
    with store.begin(CONFIG, HERE):
        pass


def test_a_lock_that_is_a_link_is_not_followed(store, killed, tmp_path):
    """It would create or lock whatever it leads to."""
    (killed / "lock").unlink()
    (killed / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unwritable, match=rf"{killed}/lock: found a link; .*remove it"), store.begin(CONFIG, HERE):
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_the_file_system_has_no_locks_nothing_is_written(store, code, monkeypatch):
    """As NFS without its lock daemon. An imitated lock would let two machines train one run."""

    def refuse(handle: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(Unwritable, match=r"its file system has no locks.*--runs"), store.begin(CONFIG, HERE):
        pass
    assert store.table() == {}


# Errors that name the file


@pytest.mark.parametrize(
    ("name", "content", "key", "expected"),
    [
        ("run.json", "{", "the file", "JSON"),
        ("run.json", "[]", "the file", "an object with config, sessions"),
        ("run.json", '{"config": {}}', "the file", "an object with config, sessions"),
        ("result.json", "", "the file", "JSON"),
        ("result.json", "\0\0\0", "the file", "JSON"),
        ("metrics.jsonl", f'{json.dumps(row(1))}\n{{"epo\n', "line 2", "JSON"),
        ("metrics.jsonl", f"{json.dumps(row(1))}\n{json.dumps(row(3))}\n", "line 2", "the row of epoch 2"),
        ("metrics.jsonl", "7\n", "line 1", "the row of epoch 1"),
        ("metrics.jsonl", b"\xff\xfe\n", "the file", "JSON"),
    ],
)
def test_a_damaged_file_is_named_with_the_next_step(store, folder, name, content, key, expected):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DamagedRun, match=f"; remove the folder {folder} to train the run again") as damage:
        _ = store.read(CONFIG.id).epochs
    assert (damage.value.violation.file, damage.value.violation.key) == (name, key)
    assert damage.value.violation.expected == expected
    table = store.table()
    assert (CONFIG.id in table, list(table), list(table.damaged)) == (False, [], [CONFIG.id])


def test_a_shelf_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "runs").write_text("a file where a folder should be")
    with (
        pytest.raises(ReproError, match=rf"{CONFIG.id}/lock: cannot be written .*run the same command again"),
        Store(tmp_path / "runs").begin(CONFIG, HERE),
    ):
        pass


# The types of what the files hold


def conforms(value: object, hint: object) -> bool:
    """Whether a value read from JSON is of a type of `repro.store.rows`; an int is a float too, a list a tuple."""
    if isinstance(hint, ForwardRef):
        hint = getattr(rows, hint.__forward_arg__)
    origin, parts = get_origin(hint), get_args(hint)
    if hint is rows.Json:
        return True  # what JSON gives
    if is_typeddict(hint):
        fits = isinstance(value, dict) and hint.__required_keys__ <= value.keys() <= hint.__annotations__.keys()
        return fits and all(conforms(each, hint.__annotations__[key]) for key, each in value.items())
    if origin is NotRequired:
        return conforms(value, parts[0])
    if origin in (Union, types.UnionType):
        return any(conforms(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is list:
        return isinstance(value, list) and all(conforms(each, parts[0]) for each in value)
    if origin is tuple:
        return isinstance(value, list) and len(value) == len(parts) and all(map(conforms, value, parts))
    if origin is dict:
        return isinstance(value, dict) and all(conforms(each, parts[1]) for each in value.values())
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return value is None if hint in (None, types.NoneType) else type(value) is hint


SHELF = Store(Path(__file__).parent.parent / "runs" / "reference").table()


@pytest.mark.parametrize("run", SHELF.values(), ids=list(SHELF))
def test_what_the_reference_shelf_holds_is_of_the_types_that_the_code_is_checked_by(run):
    assert conforms(run.config, rows.Config)
    assert conforms(run.sessions, list[rows.Provenance])
    assert conforms(run.result, rows.Result)
    assert [row["epoch"] for row in run.epochs if not conforms(row, rows.Row)] == []


@pytest.mark.parametrize(
    ("changed", "value"),
    [
        ("epoch", "1"),
        ("updates", [[1, 2.0]]),
        ("norms", {"conv1": None}),
        ("halves", [{"update": 3}]),
        ("tset_error", 0.5),
    ],
)
def test_a_row_of_another_form_is_told_from_one_of_the_type(changed, value):
    row = {
        "epoch": 1,
        "update": 3,
        "train_error": 0.5,
        "train_loss": 1,
        "seconds": 0.1,
        "updates": [[1, 2.0, 3]],
        "diverged": None,
    }
    assert conforms(row, rows.Row)
    assert not conforms(row | {changed: value}, rows.Row)
    assert not conforms({key: each for key, each in row.items() if key != "update"}, rows.Row)


def test_every_status_of_a_result_is_one_of_the_statuses():
    results = [get_args(result.__annotations__["status"]) for result in get_args(rows.Result)]
    assert sorted(status for statuses in results for status in statuses) == sorted(get_args(rows.Status))
