"""Tamperings of a copied shelf: each is caught when the shelf is read, or by the audit, and named with its run."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from repro import cli
from repro.claim.config import canonical_json, hashed
from repro.contents import RECOMPUTED, load
from repro.data.photos.crops import FIXED
from repro.engine.jobs import jobs, left_out
from repro.questions.judge import complete, judge
from repro.questions.mixture import mixture
from repro.questions.trial import Trials
from repro.store import Store, audit_rows
from repro.store.audit import audit

ROOT = Path(__file__).parent.parent
REFERENCE = Store(ROOT / "runs" / "reference")
TABLE = REFERENCE.table()


def kind(run) -> str:
    return run.options["kind"] if run.is_evaluation else "timed" if run.timed else run.config["data"]["kind"]


def trained_run(evaluation) -> str:
    return hashed(canonical_json(evaluation.config["run"]))


def alike(run) -> str:
    return canonical_json(run.config | {"seed": 0})


VIEWS = [run for run in TABLE.values() if kind(run) == "ten_views"][:2]
NET, NET2 = trained_run(VIEWS[0]), trained_run(VIEWS[1])
THINNED, NEAR, KERNELS = (
    next(id for id, run in TABLE.items() if kind(run) == name) for name in ("thinned_nets", "neighbours", "kernels")
)
TIMED, TIMED2 = [run.id for run in TABLE.values() if run.timed and len(run.timed) > 1][:2]
# A training past the first 2,000 updates, another seed of it, and the arm with the other activation.
LONG = next(
    run for run in TABLE.values() if kind(run) == "cifar10" and len(run.epochs) >= 12 and run.resumable is False
)
SEED2 = next(
    run.id for run in TABLE.values() if kind(run) == "cifar10" and run is not LONG and alike(run) == alike(LONG)
)
OTHER = next(
    run.id
    for run in TABLE.values()
    if kind(run) == "cifar10" and run.config["model"] != LONG.config["model"] and len(run.epochs) > 2
)
# Two rates of one net and seed, which begin alike, and a third run with it, so that the usual loss is known.
TUNED = max(
    (
        [
            run.id
            for run in TABLE.values()
            if kind(run) == "cifar10" and {**run.config, "train": 0} == {**one.config, "train": 0}
        ]
        for one in TABLE.values()
        if kind(one) == "cifar10"
    ),
    key=len,
)[:3]
EVERY = {VIEWS[0].id, VIEWS[1].id, NET, NET2, THINNED, NEAR, KERNELS, TIMED, TIMED2, LONG.id, SEED2, OTHER, *TUNED}


def copied(folder: Path, ids) -> Store:
    """A shelf of these runs. Files are links: a tampering replaces them."""
    for run_id in ids:
        shutil.copytree(REFERENCE.root / run_id, folder / run_id, copy_function=os.link)
    return Store(folder)


def put(path: Path, content: bytes | str) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def edit(name: str, change: Callable[[dict], None]) -> Callable[[Path], None]:
    """Change the object of a JSON file."""

    def tamper(run: Path) -> None:
        content = json.loads((run / name).read_text())
        change(content)
        put(run / name, json.dumps(content))

    return tamper


def rows(change: Callable[[list[dict]], list[dict] | None]) -> Callable[[Path], None]:
    """Change the rows of a training."""

    def tamper(run: Path) -> None:
        read = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        changed = change(read) or read
        put(run / "metrics.jsonl", "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in changed))

    return tamper


def scaled(*keys: str, by: float = 0.9, last: int | None = None) -> Callable[[Path], None]:
    def change(read: list[dict]) -> None:
        for row in read[-last:] if last else read:
            row.update({key: row[key] * by for key in keys if row.get(key) is not None})

    return rows(change)


def swapped(read: list[dict]) -> None:
    for row in read:
        if row.get("test_error") is not None:
            row["train_error"], row["test_error"] = row["test_error"], row["train_error"]


def renumbered(read: list[dict], also: bool) -> list[dict]:
    """The third epoch is gone and later ones take its place; `also`: their updates are renumbered too."""
    step = read[0]["update"]
    for row in read[3:]:
        row["epoch"] -= 1
        if also:
            row["update"] -= step
            row["updates"] = [[n - step, loss, errors] for n, loss, errors in row["updates"]]
    return read[:2] + read[3:]


def take(name: str, other: str) -> Callable[[Path], None]:
    return lambda run: put(run / name, (run.parent / other / name).read_bytes())


def take_folder(other: str) -> Callable[[Path], None]:
    def tamper(run: Path) -> None:
        shutil.rmtree(run)
        shutil.copytree(run.parent / other, run)

    return tamper


def take_measured(other: str) -> Callable[[Path], None]:
    def tamper(run: Path) -> None:
        for name in ("metrics.jsonl", "result.json", "correct.npy"):
            take(name, other)(run)

    return tamper


def flipped(run: Path) -> None:
    bits = np.load(run / "correct.npy")
    bits[0] ^= 255 if bits[0] not in (15, 240) else 1
    (run / "correct.npy").unlink()
    np.save(run / "correct.npy", bits)


def labels_moved(run: Path) -> None:
    labels = np.roll(np.load(run / "labels.npy"), 1)
    (run / "labels.npy").unlink()
    np.save(run / "labels.npy", labels)


def set_row(index: int, **values: object) -> Callable[[Path], None]:
    return rows(lambda read: read[index].update(values))


def raw(old: str, new: str, name: str = "metrics.jsonl") -> Callable[[Path], None]:
    return lambda run: put(run / name, (run / name).read_text().replace(old, new, 1))


def value(name: str, change: Callable[[float], float]) -> Callable[[Path], None]:
    return edit("result.json", lambda result: result["values"].update({name: change(result["values"][name])}))


def rates(change: Callable[[float], float]) -> Callable[[Path], None]:
    def of(result: dict) -> None:
        for arm in result["timed"].values():
            arm["pipeline"] = [change(rate) for rate in arm["pipeline"]]
            arm["step"] = [change(rate) for rate in arm["step"]]

    return edit("result.json", of)


def one_arm_for_another(result: dict) -> None:
    first, second = result["timed"]
    result["timed"][second] = result["timed"][first]


def first_loss(read: list[dict]) -> None:
    """The first update's loss and the mean that has it, so that rows agree with themselves."""
    update, images = read[0]["updates"][0], 50_000
    update[1] += 0.01
    read[0]["train_loss"] += 0.01 * 128 / images


# name: (run, tampering, whether reading the shelf catches it; else the audit does)
TAMPERINGS: dict[str, tuple[str, Callable[[Path], None], bool]] = {
    "training error scaled": (LONG.id, scaled("train_error"), False),
    "training error of late epochs scaled": (LONG.id, scaled("train_error", last=3), False),
    "training loss scaled": (LONG.id, scaled("train_loss"), False),
    "training loss of late epochs scaled": (LONG.id, scaled("train_loss", by=0.7, last=len(LONG.epochs) - 6), False),
    "test error scaled": (LONG.id, scaled("test_error"), False),
    "test and training error swapped": (LONG.id, rows(swapped), False),
    "an epoch dropped": (LONG.id, rows(lambda read: read[:2] + read[3:]), True),
    "an epoch dropped and the others renumbered": (LONG.id, rows(lambda read: renumbered(read, False)), True),
    "an epoch dropped, epochs and updates renumbered": (LONG.id, rows(lambda read: renumbered(read, True)), True),
    "the last epochs dropped": (LONG.id, rows(lambda read: read[:-2]), True),
    "an epoch twice": (LONG.id, rows(lambda read: [*read[:2], read[1], *read[2:]]), True),
    "epochs in another order": (LONG.id, rows(lambda read: [read[1], read[0], *read[2:]]), True),
    "a seed's folder copied onto another": (LONG.id, take_folder(SEED2), True),
    "a seed's measurements copied onto another": (LONG.id, take_measured(SEED2), True),
    "an arm's folder put in place of another's": (LONG.id, take_folder(OTHER), True),
    "an arm's measurements put in place of another's": (LONG.id, take_measured(OTHER), True),
    "NaN": (LONG.id, raw('"train_error":', '"train_error":NaN,"was":'), True),
    "infinity": (LONG.id, raw('"train_loss":', '"train_loss":1e999,"was":'), True),
    "an error of 750 %": (LONG.id, set_row(-1, train_error=7.5), True),
    "a negative loss": (LONG.id, set_row(-1, train_loss=-1.0), True),
    "an error as text": (LONG.id, set_row(-1, train_error="0.5"), True),
    "a row without its seconds": (LONG.id, rows(lambda read: read[1].pop("seconds") and None), True),
    "an update's errors edited": (LONG.id, rows(lambda read: read[0]["updates"][3].__setitem__(2, 0)), False),
    "updates dropped": (LONG.id, rows(lambda read: read[0]["updates"].__delitem__(slice(5, 9))), False),
    "the first loss edited": (TUNED[0], rows(first_loss), False),
    "status edited": (LONG.id, edit("result.json", lambda result: result.update(status="diverged")), True),
    "a status that there is not": (LONG.id, edit("result.json", lambda result: result.update(status="fine")), True),
    "an epoch that was never trained": (LONG.id, edit("result.json", lambda result: result.update(epoch=999)), True),
    "a rate edited under its folder": (
        LONG.id, edit("run.json", lambda run: run["config"]["train"].update(lr=9.0)), True),
    "a seed edited under its folder": (LONG.id, edit("run.json", lambda run: run["config"].update(seed=77)), True),
    "what made a run removed": (LONG.id, edit("run.json", lambda run: run.update(sessions=[])), True),
    "numerics mixed in one run": (
        LONG.id, edit("run.json", lambda run: run["sessions"].append(run["sessions"][0] | {"numerics": 9})), False),
    "correctness bits flipped": (LONG.id, flipped, False),
    "correctness bits of another seed": (LONG.id, take("correct.npy", SEED2), False),
    "correctness bits removed": (LONG.id, lambda run: (run / "correct.npy").unlink(), False),
    "held-out errors edited": (NET, rows(lambda read: read[1]["halves"][0].update(held_out_error=0.1234567)), False),
    "an evaluation's gain edited": (VIEWS[0].id, value("gain", lambda gain: gain + 0.01), False),
    "an evaluation's error edited": (VIEWS[0].id, value("error", lambda error: error + 1 / 3925), False),
    "an evaluation's error and gain edited": (
        VIEWS[0].id,
        lambda run: [value(name, lambda v: v + 4 / 3925)(run) for name in ("error", "gain", "won")] and None, False),
    "labels moved": (VIEWS[0].id, labels_moved, False),
    "the answers of another net": (VIEWS[0].id, take("shares.npy", VIEWS[1].id), False),
    "an evaluation's result copied": (VIEWS[0].id, take("result.json", VIEWS[1].id), True),
    "an excess edited": (THINNED, value("excess", lambda excess: excess - 0.05), False),
    "a precision edited": (NEAR, value("precision", lambda precision: precision / 2), False),
    "a count of kernels edited": (KERNELS, value("learned", lambda count: count + 1), False),
    "rates beyond the time that they took": (TIMED, rates(lambda rate: rate / 2), False),
    "an arm's rounds for another's": (TIMED, edit("result.json", one_arm_for_another), False),
    "rounds of another replicate": (
        TIMED,
        lambda run: edit("result.json", lambda result: result.update(
            timed=json.loads((run.parent / TIMED2 / "result.json").read_text())["timed"]))(run), False),
    "a replicate copied": (TIMED, take("result.json", TIMED2), True),
    "a rate of 0": (TIMED, rates(lambda rate: 0), True),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampering_is_caught_by_reading_or_by_the_audit(name, tmp_path):
    run, tamper, by_reading = TAMPERINGS[name]
    store = copied(tmp_path, EVERY)
    tamper(tmp_path / run)
    table = store.table()
    assert (run in table.damaged) == by_reading
    assert (run in table) != by_reading
    violations = [violation for violation in audit(table, RECOMPUTED) if violation.run == run]
    assert violations, "without the check that is meant this would pass in silence"
    assert all(violation.file and violation.key and violation.value and violation.expected for violation in violations)


def test_the_shelf_without_a_tampering_is_clean(tmp_path):
    assert list(audit(copied(tmp_path, EVERY).table(), RECOMPUTED)) == []


def test_the_reference_shelf_is_clean():
    assert list(audit(TABLE, RECOMPUTED)) == []


def test_an_audit_counts_the_fixed_photos_that_are_measured():
    assert audit_rows._FIXED == FIXED


def test_the_command_names_each_violation_and_has_an_exit_code_of_its_own(tmp_path, capsys):
    copied(tmp_path, [THINNED, NEAR])
    for words, code in (([tmp_path], 0), ([tmp_path / NEAR], 0), ([NEAR, "--runs", tmp_path], 0)):
        with pytest.raises(SystemExit) as end:
            cli.main(["audit", *map(str, words)])
        assert end.value.code == code
    value("excess", lambda excess: excess - 0.05)(tmp_path / THINNED)
    capsys.readouterr()
    for words, code in (([tmp_path], cli.VIOLATED), ([tmp_path / NEAR], 0), (["nothing", "--runs", tmp_path], 2)):
        with pytest.raises(SystemExit) as end:
            cli.main(["audit", *map(str, words)])
        assert end.value.code == code
    assert f"{THINNED}/result.json: values.excess: found" in capsys.readouterr().out


# One damaged run of a shelf


BROKEN = "{"


@pytest.fixture(scope="module")
def damaged(tmp_path_factory) -> tuple[Store, str, str]:
    """The reference shelf with one damaged run, its id, and a claim that needs it."""
    claim = load(ROOT / "claims" / "lrn_cifar10.yaml")
    scale = next(scale for scale in claim.claim.scales if complete(judge(claim, scale, Trials(TABLE))))
    run = next(i for i in judge(claim, scale, Trials(TABLE)).run_ids if "train" in TABLE[i].config)
    store = copied(tmp_path_factory.mktemp("shelf") / "runs", TABLE)
    put(store.root / run / "metrics.jsonl", BROKEN + "\n")
    return store, run, scale


def test_a_damaged_run_leaves_the_verdicts_that_do_not_rest_on_it(damaged):
    store, run, _ = damaged
    table, whole = store.table(), Trials(TABLE)
    trials = Trials(table)
    same = 0
    for path in sorted((ROOT / "claims").glob("*.yaml")):
        file = load(path)
        for scale in getattr(file.claim, "scales", ()):
            before = judge(file, scale, whole)
            if run not in before.run_ids:
                after = judge(file, scale, trials)
                assert (after.verdict, after.effect) == (before.verdict, before.effect)
                same += complete(after)
    assert same > 10
    assert list(table.damaged) == [run]


def test_a_damaged_run_is_not_planned_and_the_claim_says_why_it_has_no_verdict(damaged):
    store, run, scale = damaged
    claim, table = load(ROOT / "claims" / "lrn_cifar10.yaml"), store.table()
    assert run not in [job.id for job in jobs([(claim, scale)], table)]
    assert list(left_out([(claim, scale)], table)) == [run]
    verdict = judge(claim, scale, table).verdict
    assert verdict.word == "not run"
    assert run in verdict.why


@pytest.mark.parametrize(
    "words",
    [
        ("coverage",),
        ("gc",),
        ("doctor",),
        ("plan", "lrn_cifar10", "--scale", "smoke"),
        ("report", "lrn_cifar10"),
    ],
    ids=lambda words: words[0],
)
def test_a_command_names_a_damaged_run_and_goes_on(words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("repro.engine.execute.seconds_of", lambda *_: 0.0)  # an estimate needs no training here
    store = copied(tmp_path / "runs", [LONG.id, THINNED])
    put(store.root / LONG.id / "run.json", BROKEN)
    out = ["--out", str(tmp_path / "out")] if words[0] == "report" else []
    with pytest.raises(SystemExit) as end:
        cli.main([*words, "--runs", str(store.root), *out])
    assert end.value.code == 0
    assert f"{LONG.id}/run.json: the file: found" in capsys.readouterr().out


def test_what_is_mixed_behind_a_verdict_is_told_and_nothing_is_where_all_runs_are_alike(tmp_path):
    store = copied(tmp_path, [LONG.id, SEED2])
    assert {session["clean"] for run in store.table().values() for session in run.sessions} == {True}
    assert mixture(store.table(), [LONG.id, SEED2]) == ""
    other = {"numerics": 9, "processor": "another", "clean": False}
    edit("run.json", lambda run: run["sessions"][0].update(other))(tmp_path / SEED2)
    sentence = mixture(store.table(), [LONG.id, SEED2])
    assert all(word in sentence for word in (" 9", "another", "1 of "))
