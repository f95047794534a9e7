"""The audit of a shelf: everything that is recorded twice, computed again from raw rows and bits. No torch, no data.

What a reading checks is in `damage`. Here test errors are held against correctness bits, epochs against their updates,
evaluations against their parts, arrays and the run that they are of, timings against the time that they took, and runs
that begin alike against one another. A value that is recorded once can't be checked: no audit proves a shelf true.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from math import isclose
from typing import Any

from repro.claim.config import canonical_json, hashed
from repro.store.audit_rows import of_training
from repro.store.audit_values import RECOMPUTED, Recomputed, of_evaluation
from repro.store.damage import RESULT, ROWS, RUN, DamagedRun, Violation, brief
from repro.store.runs import Run
from repro.store.table import Table

# A training rule's keys that do not act on the first update's loss.
_LATER = frozenset({"lr", "bias_lr", "layer_lr", "momentum", "weight_decay", "drops", "plateau", "colour_until",
                    "freeze", "fold_in"})  # fmt: skip
_ALIKE = 1e-7  # of two first losses on one CPU, relative (assumed; all equal on the reference shelf)
_MADE_BY = ("numerics", "torch", "processor", "device", "threads", "tf32")  # what moves the last digits of a loss


def audit(table: Table, recomputed: Mapping[str, Recomputed], only: str | None = None) -> Iterator[Violation]:
    """Yield every violation on a shelf, run by run in order of id; `only`: of this run alone.

    `recomputed`: for papers' own kinds of evaluation, how their values follow from one another.
    """
    kinds = {**RECOMPUTED, **recomputed}
    found: dict[str, list[Violation]] = defaultdict(list)
    for run_id, damage in table.damaged.items():
        found[run_id].append(damage.violation)
    for run in table.values():
        found[run.id] += _audited(run, table, kinds)
    for violation in (*_first_losses(table), *_copied_measurements(table)):
        found[violation.run].append(violation)
    for run_id in sorted(found):
        if only in (None, run_id):
            yield from found[run_id]


def _audited(run: Run, table: Table, kinds: Mapping[str, Recomputed]) -> Iterator[Violation]:
    numerics = sorted({session["numerics"] for session in run.sessions})
    if len(numerics) > 1:
        yield Violation(run.id, RUN, "sessions: numerics", brief(numerics), "one version, for one trajectory")
    if "timed" in run.config:
        yield from _timing(run)
    elif "look" in run.config:
        try:
            yield from of_evaluation(run, table, kinds)
        except DamagedRun as damage:  # of an array
            yield damage.violation
    else:
        yield from of_training(run)


# Timings


def _timing(run: Run) -> Iterator[Violation]:
    """Hold the rounds against the seconds of the whole, of which each is a part, and against one another: two rounds
    never take the same time to the last digit."""
    config: Mapping[str, Any] = run.config
    took, rates = 0.0, []
    for arm, rounds in (run.timed or {}).items():
        images = config["updates"] * config["timed"][arm]["train"]["batch"]
        for part in (rounds["pipeline"], rounds["step"]):
            took += sum(images / rate for rate in part)
            rates += part
    if took > run.seconds_timed:
        yield Violation(
            run.id, RESULT, "seconds", brief(run.seconds_timed), f"{took:.6g} or more, which its rounds took"
        )
    for rate, times in Counter(rates).items():
        if times > 1:
            yield Violation(run.id, RESULT, "timed", f"{rate} in {times} rounds", "another rate in every round")


# Runs against one another


def _first_losses(table: Table) -> Iterator[Violation]:
    """Yield runs whose first loss is not that of the runs that begin alike: same net, images, seed and software. What
    differs in their training rules acts later."""
    alike: dict[str, list[Run]] = defaultdict(list)
    for run in table.values():
        on_cpu = run.sessions[0]["device"] == "cpu"  # a GPU may choose other kernels, and other last digits
        if "train" in run.config and on_cpu and run.epochs and run.epochs[0]["updates"]:
            rule = {key: value for key, value in run.config["train"].items() if key not in _LATER}
            made_by = [run.sessions[0][key] for key in _MADE_BY]  # type: ignore[literal-required]
            alike[canonical_json([run.config | {"train": rule}, made_by])].append(run)
    for runs in alike.values():
        losses = {run.id: run.epochs[0]["updates"][0][1] for run in runs}
        usual, times = Counter(losses.values()).most_common(1)[0]
        for run in runs:
            if not isclose(losses[run.id], usual, rel_tol=_ALIKE) or 2 * times <= len(runs) > 1:
                others = ", ".join(sorted(losses.keys() - {run.id})[:3])
                expected = f"one loss with {others}, which begin alike"
                yield Violation(run.id, ROWS, "update 1: loss", brief(losses[run.id]), expected)


def _copied_measurements(table: Table) -> Iterator[Violation]:
    """Yield evaluations and timings of which a part is another's: answers of two nets, or rates of two rounds, are
    never the same to the last digit."""
    owners: dict[object, list[str]] = defaultdict(list)
    for run in table.values():
        if run.timed:
            for rate in {rate for arm in run.timed.values() for rate in (*arm["pipeline"], *arm["step"])}:
                owners[rate].append(run.id)
        path = run.path / "shares.npy"
        if run.is_evaluation and path.is_file():
            owners[hashed(path.read_bytes().hex())].append(run.id)
    for key, ids in owners.items():
        for run_id in ids if len(ids) > 1 else ():
            others = ", ".join(other for other in ids if other != run_id)
            file, what = (RESULT, f"the rate {key}") if isinstance(key, float) else ("shares.npy", "the answers")
            yield Violation(run_id, file, what, f"those of {others}", "its own")
