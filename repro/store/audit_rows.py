"""The audit of a training: epochs against their updates, test errors against correctness bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isclose
from statistics import fmean
from typing import Any, Final

import numpy as np

from repro.claim.config import RunData
from repro.claim.resolve import images, training_images
from repro.data.known import KNOWN
from repro.store.damage import ROWS, Violation, brief
from repro.store.rows import Row
from repro.store.runs import Run
from repro.train.minibatches import EVERY_NTH, RECORDED, batch_sizes, is_tested

CORRECT = "correct.npy"
SAME: Final = 1e-9  # of two ways to add the same numbers (float64, assumed)
_FIXED: Final = 1000  # DESIGN, a run: the training photos on which a net is measured, or all where there are fewer
# The mean of every 50th update's loss against the epochs' own, over 5 epochs or more: 1.3 % at most on the reference
# shelf, so ten times that is no chance (assumed).
_SAMPLED, _EPOCHS = 0.13, 5


def of_training(run: Run) -> Iterator[Violation]:
    """Yield what of a training's rows and correctness bits does not fit the rest of its record."""
    config: Mapping[str, Any] = run.config
    data, train = config["data"], config["train"]
    rows = run.epochs
    count, tested = _images(run)
    sizes = batch_sizes(count, batch=train["batch"], file_images=train["file_images"]) if count else []
    before, ratios = 0, []
    for row in rows:

        def wrong(key: str, value: object, expected: str, epoch: int = row["epoch"]) -> Violation:
            return Violation(run.id, ROWS, f"epoch {epoch}: {key}", brief(value), expected)

        yield from _updates(row, before, sizes, train["batch"], wrong)
        done, good = row["update"] - before, row["diverged"] is None
        folded = bool(sizes) and good and done != len(sizes)
        if sizes and row is rows[0] and folded:
            yield wrong("update", done, f"{len(sizes)}, the minibatches of {count} images")
        if count and not folded:
            yield from _epoch(row, sizes[:done], before, wrong)
        if good and len(row["updates"]) < done and row["updates"] and row["train_loss"] > 0:
            ratios.append(fmean(update[1] for update in row["updates"]) / row["train_loss"])
        yield from _tests(row, tested, data, count, wrong)
        before = row["update"]
    if len(ratios) >= _EPOCHS and abs(fmean(ratios) - 1) > _SAMPLED:
        expected = f"that of the recorded updates, within {_SAMPLED:.0%}"
        yield Violation(run.id, ROWS, "train_loss", f"{1 / fmean(ratios):.3g} times the updates' mean", expected)
    yield from _bits(run, rows, tested)


def _images(run: Run) -> tuple[int, int]:
    """Return (images of an epoch, test images) of a training; 0 where they are not known.

    Those of a set that is not known follow from the first epoch's errors, where every update is recorded.
    """
    data: Mapping[str, Any] = run.config["data"]  # type: ignore[typeddict-item]
    known = KNOWN.get(data["kind"])
    lacking = any("photos" in session for session in run.sessions)  # the set lacks some, so its sizes are not these
    if known and known.content == data["content"] and not lacking:
        recorded = RunData.model_validate(data)
        return training_images(recorded), images(recorded)[1]
    first = run.epochs[0] if run.epochs else None
    if first is None or not first["train_error"] or len(first["updates"]) != first["update"] or first["diverged"]:
        return 0, 0
    return round(sum(update[2] for update in first["updates"]) / first["train_error"]), 0


Wrong = Callable[[str, object, str], Violation]


def _updates(row: Row, before: int, sizes: Sequence[int], batch: int, wrong: Wrong) -> Iterator[Violation]:
    """Hold the updates of an epoch against which of them are recorded, and each against its minibatch."""
    numbers = [update[0] for update in row["updates"]]
    recorded = [u for u in range(before + 1, row["update"] + 1) if u <= RECORDED or u % EVERY_NTH == 0]
    if numbers != recorded:
        missing = sorted(set(recorded) ^ set(numbers))
        yield wrong("updates", len(numbers), f"the {len(recorded)} that are recorded; {brief(missing)} differ")
        return
    for number, loss, errors in row["updates"]:
        size = sizes[number - before - 1] if number - before <= len(sizes) else batch
        if not isinstance(errors, int) or not 0 <= errors <= size:
            yield wrong(f"update {number}: errors", errors, f"0 to {size}, its images")
        if not isinstance(loss, int | float) or not 0 <= loss < float("inf"):
            yield wrong(f"update {number}: loss", loss, "a number, 0 or more")


def _epoch(row: Row, sizes: Sequence[int], before: int, wrong: Wrong) -> Iterator[Violation]:
    """Hold an epoch's means against its updates: equal where all are recorded, within what the others allow elsewhere;
    an error is a whole number of images."""
    count = max(1, sum(sizes))
    errors, updates = row["train_error"] * count, row["updates"]
    sum_errors = sum(update[2] for update in updates)
    of = [(sizes[number - before - 1], loss) for number, loss, _ in updates if number - before <= len(sizes)]
    if len(updates) == len(sizes):
        mean = sum(size * loss for size, loss in of) / count
        if not isclose(errors, sum_errors, rel_tol=SAME, abs_tol=SAME):
            yield wrong("train_error", row["train_error"], f"{sum_errors / count:.6g}, by its updates")
        if not isclose(row["train_loss"], mean, rel_tol=SAME, abs_tol=SAME):
            yield wrong("train_loss", row["train_loss"], f"{mean:.6g}, by its updates")
        return
    rest = count - sum(size for size, _ in of)
    if not is_whole(errors):
        yield wrong("train_error", row["train_error"], f"a whole number of {count} images")
    elif not sum_errors <= round(errors) <= sum_errors + rest:
        yield wrong("train_error", row["train_error"], f"{sum_errors} to {sum_errors + rest} of {count} images")
    least = sum(size * loss for size, loss in of) / count
    if row["train_loss"] < least * (1 - SAME):
        yield wrong("train_loss", row["train_loss"], f"{least:.6g} or more, by its updates")


def _tests(row: Row, tested: int, data: Mapping[str, Any], count: int, wrong: Wrong) -> Iterator[Violation]:
    """Hold what is measured in test mode against when it is, and each error against the number of its images."""
    good = row["diverged"] is None
    if good and is_tested(row["epoch"]) and row.get("test_error") is None:
        yield wrong("test_error", None, "a number: this epoch's end is one at which runs are tested")
    values: Mapping[str, Any] = row
    for key, number in (("test_error", tested), ("test_top5", tested), ("fixed_error", min(_FIXED, count))):
        if number and values.get(key) is not None and not is_whole(values[key] * number):
            yield wrong(key, values[key], f"a whole number of {number} images")
    top5 = row.get("test_top5")
    if top5 is not None and row.get("test_error") is not None and top5 > row["test_error"]:  # type: ignore[operator]
        yield wrong("test_top5", top5, f"at most test_error, {row['test_error']}")
    held = data.get("held_out")
    for half in row.get("halves", []):
        error = half["held_out_error"]
        if held and error is not None and not is_whole(error * held):
            yield wrong("halves.held_out_error", error, f"a whole number of {held} images")


def _bits(run: Run, rows: Sequence[Row], tested: int) -> Iterator[Violation]:
    """Hold the last test error against the correctness bits, which are padded to whole bytes by zeros."""
    if run.result is None or run.result["status"] != "reached":
        return
    last = [row for row in rows[: run.result["epoch"]] if row.get("test_error") is not None]
    if not last:
        return
    error, epoch = last[-1]["test_error"], last[-1]["epoch"]
    assert error is not None
    try:
        bits = np.unpackbits(np.load(run.path / CORRECT, allow_pickle=False))
    except (OSError, ValueError, TypeError) as problem:
        yield Violation(run.id, CORRECT, "the file", str(problem), "the correctness bits of the test images")
        return
    counts = [tested] if tested else range(max(1, len(bits) - 7), len(bits) + 1)
    right = int(bits.sum())
    if tested and len(bits) != 8 * -(-tested // 8):
        yield Violation(run.id, CORRECT, "bits", str(len(bits)), f"{8 * -(-tested // 8)}, for {tested} test images")
    elif not any(isclose(error, 1 - right / count, abs_tol=SAME) for count in counts):
        expected = f"{1 - right / counts[-1]:.6g}, by the {right} bits of {CORRECT}"
        yield Violation(run.id, ROWS, f"epoch {epoch}: test_error", brief(error), expected)


def is_whole(count: float) -> bool:
    """Return whether a count is a whole number, but for rounding."""
    return abs(count - round(count)) < 1e-6 * max(1.0, count)  # a fraction in float64 times its images (assumed)
