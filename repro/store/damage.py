"""What makes a run damaged: the checks of every reading, cheap enough to be done always. `audit` has the others.

A run's folder is the hash of its configuration, numbers lie in their range, and epochs follow one another (DESIGN: the
store believes nothing). Each function yields violations, the first of which is enough to leave the run out.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from repro.claim.config import RunConfig, TimingConfig, canonical_json, hashed
from repro.claim.evaluation import Evaluation
from repro.errors import ReproError
from repro.store import rows as types

RUN, ROWS, RESULT = "run.json", "metrics.jsonl", "result.json"
NEXT = "next"  # the folder inside a run's that takes its place once it has a result: see `writing`

# Of a recorded configuration, by a key that only this kind has.
_MODELS: Final[dict[str, type[BaseModel]]] = {"timed": TimingConfig, "look": Evaluation, "train": RunConfig}
_STATUSES: Final[dict[str, dict[str, frozenset[str]]]] = {  # the keys of a result, by kind and status
    "timed": {"timed": types.Timed.__required_keys__, "failed": types.Failed.__required_keys__},
    "look": {"looked at": types.Evaluated.__required_keys__, "failed": types.Failed.__required_keys__},
    "train": {
        "reached": types.Trained.__required_keys__,
        "diverged": types.Trained.__required_keys__,
        "failed": types.Failed.__required_keys__,
    },
}
_SHARES = ("train_error", "test_error", "test_top5", "fixed_error")  # of a row: fractions of images
_LOSSES = ("train_loss", "test_loss", "fixed_loss", "seconds")  # of a row: no negative number


@dataclass(frozen=True)
class Violation:
    """One value of a run's files that cannot be: where it stands, what it is, and what was expected."""

    run: str
    file: str  # its name in the run's folder
    key: str
    value: str
    expected: str

    def __str__(self) -> str:
        return f"{self.run}/{self.file}: {self.key}: found {self.value}; expected {self.expected}"


class DamagedRun(ReproError):
    """A run that cannot be believed. Whoever reads a shelf leaves it out and names it."""

    def __init__(self, folder: Path, violation: Violation) -> None:
        found = f"{violation.key}: found {violation.value}; expected {violation.expected}"
        again = f"remove the folder {folder} to train the run again"
        if (folder / NEXT / RESULT).is_file():
            again = "another command is replacing the run: repeat this one when that has ended"
        super().__init__(f"{folder / violation.file}: {found}; {again}")
        self.folder, self.violation = folder, violation

    def __reduce__(self) -> tuple[Any, ...]:
        return DamagedRun, (self.folder, self.violation)  # it crosses from a worker's process


def brief(value: object) -> str:
    """Return a value in at most 60 characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def in_header(run: str, config: Any, sessions: Any, result: Any) -> Iterator[Violation]:
    """Yield what is wrong with a run's configuration, sessions and result, which stands in no row."""

    def wrong(file: str, key: str, value: object, expected: str) -> Violation:
        return Violation(run, file, key, brief(value), expected)

    address = hashed(canonical_json(config))
    if address != run:
        yield wrong(RUN, "config", address, f"a configuration with the hash {run}, which names the folder")
        return
    kind = kind_of(config)
    try:
        _MODELS[kind].model_validate(config)
    except ValueError as error:
        yield wrong(RUN, "config", str(error).partition("\n")[2], f"the keys and types of a {_MODELS[kind].__name__}")
        return
    if not isinstance(sessions, list) or not sessions:
        yield wrong(RUN, "sessions", sessions, "a list with what made the run")
        return
    for i, session in enumerate(sessions):
        lacking = types.Provenance.__required_keys__ - (session.keys() if isinstance(session, dict) else set())
        if lacking:
            yield wrong(RUN, f"sessions[{i}]", session, f"an object with {', '.join(sorted(lacking))}")
        elif not isinstance(session["clean"], bool) or not _whole(session["numerics"], 1):
            yield wrong(RUN, f"sessions[{i}]", session, "a whole number as numerics, and true or false as clean")
    if result is None:
        return
    if (keys := _STATUSES[kind].get(str(result.get("status")))) is None:
        yield wrong(RESULT, "status", result.get("status"), f"one of {', '.join(_STATUSES[kind])}")
    elif not result.keys() >= keys:
        yield wrong(RESULT, "the object", result, f"the keys {', '.join(sorted(keys))}")
    else:
        of_kind = {"timed": _timed, "looked at": _evaluated, "failed": _failed}.get(result["status"], _stopped)
        for key, value, expected in of_kind(config, result):
            yield wrong(RESULT, key, value, expected)


def kind_of(config: Any) -> str:
    """Return the key that tells what was run: `timed` of a timing, `look` of an evaluation, `train` of a training."""
    return next((key for key in _MODELS if isinstance(config, dict) and key in config), "train")


Wrong = Iterator[tuple[str, object, str]]  # key, value, what was expected


def _stopped(_: Mapping[str, Any], result: Mapping[str, Any]) -> Wrong:
    for key in ("epoch", "update"):
        if not _whole(result[key], 0):
            yield key, result[key], "a whole number, 0 or more"


def _failed(_: Mapping[str, Any], result: Mapping[str, Any]) -> Wrong:
    if not isinstance(result["why"], str):
        yield "why", result["why"], "a text"


def _evaluated(config: Mapping[str, Any], result: Mapping[str, Any]) -> Wrong:
    if not _whole(result["epoch"], 1) or result["epoch"] > config["epoch"]:
        yield "epoch", result["epoch"], f"1 to {config['epoch']}, the epoch that the evaluation is of"
    if not _within(result["seconds"], 0, inf):
        yield "seconds", result["seconds"], "a number, 0 or more"
    for part in ("values", "curves"):
        if not isinstance(result[part], dict):
            yield part, result[part], "an object"
            return
    for name, value in result["values"].items():
        low, high = _range(name)
        if not _within(value, low, high):
            yield f"values.{name}", value, f"a number from {low:g} to {high:g}"
    lengths = {len(curve) if isinstance(curve, list) else -1 for curve in result["curves"].values()}
    if len(lengths) > 1 or -1 in lengths:
        yield "curves", sorted(lengths), "lists of one length"
        return
    for name, curve in result["curves"].items():
        low, high = _range(name)
        for i, value in enumerate(curve):
            if not _within(value, low, high):
                yield f"curves.{name}[{i}]", value, f"a number from {low:g} to {high:g}"


def _range(name: str) -> tuple[float, float]:
    """Return the ends between which a named value of an evaluation lies. Errors are fractions of photos; what is gained
    or lost by them lies between -1 and 1; of other names only that they are numbers is known."""
    first, last = name.partition("_")[0], name.rpartition("_")[2]
    if first == "gain":
        return -1, 1
    if last in ("error", "top5") and first not in ("won", "lost"):
        return 0, 1
    return (0, inf) if name in ("photos", "masks", "queries", "gallery") else (-inf, inf)


def _timed(config: Mapping[str, Any], result: Mapping[str, Any]) -> Wrong:
    timed = result["timed"]
    if not isinstance(timed, dict) or timed.keys() != config["timed"].keys():
        yield "timed", timed, f"the arms {', '.join(config['timed'])}"
        return
    if not _within(result["seconds"], 0, inf):
        yield "seconds", result["seconds"], "a number, 0 or more"
    for arm, rounds in timed.items():
        for part in ("pipeline", "step"):
            rates = rounds.get(part) if isinstance(rounds, dict) else None
            if not isinstance(rates, list) or len(rates) != config["rounds"]:
                yield f"timed.{arm}.{part}", rates, f"the rates of {config['rounds']} rounds"
            elif not all(_within(rate, 0, inf) and rate > 0 for rate in rates):
                yield f"timed.{arm}.{part}", rates, "images/s above 0"


def in_rows(
    run: str, config: Mapping[str, Any], result: Mapping[str, Any] | None, rows: Sequence[Any]
) -> Iterator[Violation]:
    """Yield what is wrong with the rows of a training, one by one, in their order, and against its result."""
    before, step = 0, 0
    once = "fold_in" in config.get("train", {})  # the one thing by which an epoch's updates change, once
    for row in rows:
        for key, value, expected in _row(row, before):
            yield Violation(run, ROWS, f"epoch {row['epoch']}: {key}", brief(value), expected)
            return  # what follows from this row would be noise
        if rows[-1] is not row and row["diverged"] is not None:
            yield Violation(run, ROWS, f"epoch {row['epoch']}: diverged", brief(row["diverged"]), "no epoch after it")
        updates = row["update"] - before
        if step and updates != step and row["diverged"] is None:
            if not (once and updates > step):
                expected = f"{before + step}, {step} updates an epoch"
                yield Violation(run, ROWS, f"epoch {row['epoch']}: update", brief(row["update"]), expected)
            once = False
        before, step = row["update"], updates
    yield from _against_result(run, result, rows)


def _row(row: Mapping[str, Any], before: int) -> Wrong:
    if lacking := types.Row.__required_keys__ - row.keys():
        yield "the row", sorted(row), f"the keys {', '.join(sorted(lacking))} too"
        return
    diverged, least = row["diverged"], before + (row["diverged"] is None)
    if not _whole(row["update"], least):
        yield "update", row["update"], f"a whole number, {least} or more"
        return
    if diverged is not None and diverged != row["update"] + 1:
        yield "diverged", diverged, f"{row['update'] + 1}, the update after the last good one"
    for keys, high in ((_SHARES, 1.0), (_LOSSES, inf)):
        for key in keys:
            value = row.get(key)
            if not _within(value, 0, high) and not (value is None and key not in types.Row.__required_keys__):
                yield key, value, f"a number from 0 to {high:g}"
    updates = row["updates"]
    if not isinstance(updates, list) or not all(isinstance(u, list) and len(u) == 3 for u in updates):
        yield "updates", updates, "a list of [update, loss, errors]"
    elif updates and not (before < updates[0][0] <= updates[-1][0] <= row["update"]):
        yield "updates", [updates[0][0], updates[-1][0]], f"updates from {before + 1} to {row['update']}"
    yield from _parts(row, before)


def _parts(row: Mapping[str, Any], before: int) -> Wrong:
    """Yield what is wrong with the parts of a row that only some rows have."""
    for key, high in (("positive", 1.0), ("norms", inf)):
        for layer, value in _items(row.get(key)):
            if not _within(value, 0, high):
                yield f"{key}.{layer}", value, f"a number from 0 to {high:g}"
    for layer, shares in _items(row.get("saturated")):
        values = [shares.get(name) for name in ("outputs", "units")] if isinstance(shares, dict) else [shares]
        if not all(_within(value, 0, 1) for value in values):
            yield f"saturated.{layer}", shares, "two shares from 0 to 1"
    halves = row.get("halves", [])
    for half in halves if isinstance(halves, list) else [halves]:
        if not isinstance(half, dict) or not {"update", "held_out_error", "held_out_loss"} <= half.keys():
            yield "halves", half, "an object with update, held_out_error, held_out_loss"
            return
        if not _whole(half["update"], before + 1) or half["update"] > row["update"]:
            yield "halves.update", half["update"], f"an update from {before + 1} to {row['update']}"
        if half["held_out_error"] is not None and not _within(half["held_out_error"], 0, 1):
            yield "halves.held_out_error", half["held_out_error"], "a number from 0 to 1"
        if half["held_out_loss"] is not None and not _within(half["held_out_loss"], 0, inf):
            yield "halves.held_out_loss", half["held_out_loss"], "a number, 0 or more"


def _items(value: Any) -> Collection[tuple[str, Any]]:
    if value is None:
        return ()
    return value.items() if isinstance(value, dict) else [("", value)]


def _against_result(run: str, result: Mapping[str, Any] | None, rows: Sequence[Any]) -> Iterator[Violation]:
    """Yield where a result and the rows differ. Rows beyond a result are those of a run that is being made longer."""
    if result is None or result["status"] not in ("reached", "diverged"):
        return
    if not 1 <= result["epoch"] <= len(rows):
        yield Violation(run, ROWS, "epochs", str(len(rows)), f"the {result['epoch']} of {RESULT}")
        return
    last = rows[result["epoch"] - 1]
    if result["update"] != last["update"]:
        yield Violation(run, RESULT, "update", str(result["update"]), f"{last['update']}, as epoch {last['epoch']} has")
    status = "reached" if last["diverged"] is None else "diverged"
    if result["status"] != status:
        yield Violation(run, RESULT, "status", result["status"], f"{status}, by the row of epoch {last['epoch']}")


def _whole(value: object, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def _within(value: object, low: float, high: float) -> bool:
    """Return whether a value is a finite number between two ends; NaN and infinity are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high and abs(value) < inf
