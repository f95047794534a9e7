"""The audit of an evaluation: its values against their parts, the arrays that are kept, and the run that it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isclose
from statistics import fmean
from typing import Any, Final

import numpy as np

from repro.claim.config import canonical_json, hashed
from repro.store.audit_rows import SAME, Wrong, is_whole
from repro.store.damage import RESULT, Violation, brief
from repro.store.runs import Run, ranks
from repro.store.table import Table

# From the values and the curves of an evaluation, what some of its values must be.
Recomputed = Callable[[Mapping[str, float], Mapping[str, Sequence[float]]], dict[str, float]]
# Photos of which a GPU may answer differently when it is asked again (assumed); a CPU answers alike to the last digit.
_GPU: Final = 0.002


def of_evaluation(run: Run, table: Table, kinds: Mapping[str, Recomputed]) -> Iterator[Violation]:
    """Yield the values of an evaluation that its parts, its arrays or its run contradict; `kinds`: how to recompute
    them, by kind of evaluation."""
    kind = str(run.options["kind"])
    values, curves = run.values, run.curves
    if not values:
        return

    def wrong(key: str, value: object, expected: str) -> Violation:
        return Violation(run.id, RESULT, key, brief(value), expected)

    if kind in kinds:
        try:
            follows = kinds[kind](values, curves)
        except (KeyError, IndexError, ZeroDivisionError) as lacking:
            yield wrong("values", sorted(values), f"the values of {kind}, {lacking} among them")
            return
        for name, value in follows.items():
            if name not in values or not isclose(values[name], value, rel_tol=SAME, abs_tol=SAME):
                yield wrong(f"values.{name}", values.get(name), f"{value:.6g}, by its parts")
    photos = values.get("photos")
    for name in ("error", "views_error", "top5", "views_top5", "halved_error"):
        if photos and name in values and not is_whole(values[name] * photos):
            yield wrong(f"values.{name}", values[name], f"a whole number of {photos:g} photos")
    if kind == "ten_views":
        yield from _answers(run, wrong)
    yield from _against_run(run, table, wrong)


def _answers(run: Run, wrong: Wrong) -> Iterator[Violation]:
    """Hold the errors of ten views against the answers and labels that are kept. Answers in half precision may have
    ties that the net's had not, so those are left out."""
    shares, labels = run.array("shares"), run.array("labels").astype(np.int64)
    photos = int(run.values["photos"])
    if shares.ndim != 2 or len(shares) != photos or labels.shape != (photos,) or not (labels < shares.shape[1]).all():
        yield wrong("values.photos", photos, f"those of shares.npy {shares.shape} and labels.npy {labels.shape}")
        return
    if shares.dtype != np.float32:
        return
    rank = ranks(shares, labels)
    for name, answers in (("views_error", 1), ("views_top5", 5)):
        error = float((rank >= answers).mean())
        if not isclose(run.values[name], error, abs_tol=SAME):
            yield wrong(f"values.{name}", run.values[name], f"{error:.6g}, by shares.npy and labels.npy")


def _against_run(run: Run, table: Table, wrong: Wrong) -> Iterator[Violation]:
    """Hold the errors of a centre view of all test photos against those that the run itself recorded at that epoch."""
    assert run.result is not None
    of = table.get(hashed(canonical_json(run.config["run"])))  # type: ignore[typeddict-item]
    epoch, again = run.result["epoch"], run.result.get("trained_again")  # type: ignore[typeddict-item]
    if of is None or again == "other" or of.sessions[-1]["device"] != run.sessions[-1]["device"]:
        return
    if epoch > len(of.epochs):
        yield wrong("epoch", epoch, f"at most the {len(of.epochs)} of the run {of.id} that it is of")
        return
    row: Mapping[str, Any] = of.epochs[epoch - 1]
    most = 0.0 if run.sessions[-1]["device"] == "cpu" else _GPU
    for name, key in (("error", "test_error"), ("top5", "test_top5")):
        if name in run.values and row.get(key) is not None and abs(run.values[name] - row[key]) > most:
            yield wrong(
                f"values.{name}", run.values[name], f"{row[key]:.6g}, {key} of epoch {epoch} of the run {of.id}"
            )


def _ten_views(values: Mapping[str, float], _: Mapping[str, Sequence[float]]) -> dict[str, float]:
    out = {}
    for end, one, ten in (("", "error", "views_error"), ("_top5", "top5", "views_top5")):
        out[f"gain{end}"] = values[one] - values[ten]
        out[one] = values[ten] + (values[f"won{end}"] - values[f"lost{end}"]) / values["photos"]
    return out


def _thinned_nets(values: Mapping[str, float], curves: Mapping[str, Sequence[float]]) -> dict[str, float]:
    out = {name: curve[-1] for name, curve in curves.items()}
    out["excess"] = values["halved_error"] - values["geometric_error"]
    return out | {"excess_arithmetic": values["halved_error"] - values["arithmetic_error"]}


def _neighbours(values: Mapping[str, float], curves: Mapping[str, Sequence[float]]) -> dict[str, float]:
    out = {name: fmean(curves[name]) for name in ("precision", "pixel_precision", "pixel_rank")}
    return out | {"gain": values["precision"] - values["pixel_precision"]}


def _shifted_colours(values: Mapping[str, float], curves: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {
        "shifted_error": fmean(curves["error"]),
        "shifted_rise": values["shifted_error"] - values["error"],
    }


RECOMPUTED: Final[Mapping[str, Recomputed]] = {
    "ten_views": _ten_views,
    "thinned_nets": _thinned_nets,
    "neighbours": _neighbours,
    "shifted_colours": _shifted_colours,
}
