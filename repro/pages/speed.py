"""Speed beside what people would use, as lines and as README's tables: read from what `python -m benchmarks` kept.

A ratio is taken within each round, so that what slows the machine for a while slows both sides of it. The spread is
that of the rounds, from the lowest to the highest.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

from repro.errors import ReproError, RunError

SHELF = Path("runs", "reference", "bench")  # below the project's folder
KEPT = {
    "step": "One update of cuda-convnet's 19pct net, the four-layer net on CIFAR-10 of `relu_speedup`",
    "net": "One update of AlexNet, in the reading `paper` (as printed) and `source` (as in the authors' released code)",
    "sweep": "Seconds per epoch and net, when several 19pct nets are trained side by side",
}
# Five ratios of equals lie all on one side of 1 in 2 of 32 cases; of fewer rounds nothing is told.
ROUNDS = 5
UNKNOWN = "could not tell"


@dataclass(frozen=True)
class Spread:
    """Measurements of rounds: their median, the lowest and the highest."""

    middle: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return median, lowest and highest."""
    return Spread(median(values), min(values), max(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return round by round how many times as fast ours is, from the seconds of both."""
    return [their / our for our, their in zip(ours, theirs, strict=True)]


def verdict(by_round: Sequence[float], says: str = "the first is {} as fast") -> str:
    """Say of ratios round by round how many times as fast the first is, or that they could not tell: because both
    sides of 1 occur, or because the rounds are fewer than five. `says`: the sentence, with a place for the ratio."""
    ratio = spread(by_round)
    between = f"{ratio.middle:.2f} times ({ratio.low:.2f} to {ratio.high:.2f})"
    if len(by_round) < ROUNDS:
        return f"{UNKNOWN} in {len(by_round)} round{'s' * (len(by_round) != 1)}: {between}"
    if ratio.low <= 1 <= ratio.high:
        return f"{UNKNOWN}: {between}"
    return says.format(between)


def checked(result: dict[str, Any]) -> dict[str, Any]:
    """Return a bench's result. RunError where it measured nothing: no seconds of the first, or of nothing beside it, or
    seconds that are no time, or a row that lacks a round."""
    for row in result["steps"]:
        taken = row["seconds"]
        if taken and not (len(taken) == result["rounds"] and all(isfinite(s) and s > 0 for s in taken)):
            raise RunError(
                f"bench {result['bench']}: {row['name']} has {taken} seconds; expected {result['rounds']} times above 0"
            )
    timed = [row for row in result["steps"] if row["seconds"]]
    if len(timed) < 2 or timed[0] is not result["steps"][0]:
        names = ", ".join(f"{row['name']}: {row.get('failed') or 'not timed'}" for row in result["steps"])
        raise RunError(f"bench {result['bench']}: measured nothing to compare ({names or 'no steps'}); run it again")
    return result


def lines(result: dict[str, Any]) -> list[str]:
    """Return a line for each row, then what they were measured on."""
    heads = _heads(result)
    out = []
    for cells in _rows(result):
        other = [f"{head} {cell}" for head, cell in zip(heads[2:-1], cells[2:-1], strict=True) if cell != "–"]
        out.append("   ".join(filter(None, [f"{cells[0]:<58} {cells[1]:>9} {heads[1]}", *other, cells[-1]])))
    return [*out, *conditions(result)]


def tables(home: Path) -> str:
    """Return markdown tables of what is kept on the reference shelf, and the commands that measure the rest."""
    out = []
    for part, title in KEPT.items():
        path = home / SHELF / f"{part}.json"
        if not path.is_file():
            out += [f"{title}: not measured yet; `python -m benchmarks {part} --reference` does.", ""]
            continue
        result = json.loads(path.read_text())
        heads = _heads(result)
        out += [f"{title}:", "", _line(heads), f"|---|{'---:|' * (len(heads) - 2)}---|"]
        out += [_line(cells) for cells in _rows(result)]
        out += ["", " ".join(conditions(result)), ""]
    if not any((home / SHELF / f"{part}.json").is_file() for part in KEPT):
        raise ReproError(f"{home / SHELF}: no measurement; next: python -m benchmarks net --reference")
    return "\n".join(out)


def conditions(result: dict[str, Any]) -> list[str]:
    """Return sentences: what was measured how, on which machine, beside which matrix product, and what was given up."""
    made = result["made"]
    where = made["device"] if made["device"] != "cpu" else f"one thread of {made['processor']}"
    pixels = f"{result['pixels']} x {result['pixels']} pixels"
    software = f"torch {made['torch']}, torchvision {made['torchvision']}"
    software += f", timm {made['timm']}" if "timm" in made else ""
    out = [
        f"Median of {result['rounds']} rounds in turn, lowest and highest beside it, batch {result['batch']}, "
        f"{pixels}, on {where}; {software}. Ratios are taken round by round. "
        f"Before it the load was {made['load']:.1f} on {made['cores']} cores."
    ]
    shares = "" if result["bench"] == "sweep" else "; the shares above are of this rate"
    for product in result["products"]:
        rates = [product["size"] ** 3 / seconds / 1e9 for seconds in product["seconds"]]
        out.append(
            f"A product of two {product['size']} x {product['size']} matrices in {product['precision']}, in the same "
            f"process: {_between(spread(rates))} thousand million multiply-adds a second{shares}."
        )
    for row in result["steps"]:
        if row.get("compile_seconds"):
            out.append(f"{_named(result, row)}: its first update, which compiles, took {row['compile_seconds']:.0f} s.")
    if any(row.get("failed") for row in result["steps"]):
        out.append(
            "A row without a rate says why. Where `torch.compile` was given up, the limit of this measurement "
            "(`--give-up`) cut its compilation off, so the row says nothing about its speed."
        )
    return out


def _heads(result: dict[str, Any]) -> tuple[str, ...]:
    if result["bench"] == "sweep":
        return ("training", "s per epoch and net", "lowest to highest", "")
    return ("training step", "images/s", "lowest to highest", "of a matrix product’s rate", "million multiply-adds", "")


def _rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the cells of each row, as `_heads` names them; each is compared with the first row of its precision."""
    return [_cells(result, row) for row in result["steps"]]


def _cells(result: dict[str, Any], row: dict[str, Any]) -> tuple[str, ...]:
    first = next(other for other in result["steps"] if other["precision"] == row["precision"])
    name, empty = _named(result, row), ("–",) * (len(_heads(result)) - 2)
    if not row["seconds"]:
        return (name, *empty, row.get("failed") or "not timed")
    sweep = result["bench"] == "sweep"
    says = ("takes {} as long as the first",) if sweep else ()
    compared = "" if row is first or not first["seconds"] else verdict(ratios(first["seconds"], row["seconds"]), *says)
    if sweep:
        taken = spread(row["seconds"])
        return name, _short(taken.middle), f"{_short(taken.low)} to {_short(taken.high)}", compared
    rate = spread([result["batch"] / seconds for seconds in row["seconds"]])
    product = next((p for p in result["products"] if p["precision"] == row["precision"]), None)
    share = "–"
    if product is not None:
        needed = (
            result["batch"] * row["update_multiply_adds"] / product["size"] ** 3
        )  # products that an update is worth
        share = f"{100 * median(needed * p / s for p, s in zip(product['seconds'], row['seconds'], strict=True)):.0f} %"
    bounds = f"{_short(rate.low)} to {_short(rate.high)}"
    return name, _short(rate.middle), bounds, share, f"{row['multiply_adds'] / 1e6:,.1f}", compared


def _named(result: dict[str, Any], row: dict[str, Any]) -> str:
    several = len({other["precision"] for other in result["steps"]}) > 1
    return f"{row['name']}, {row['precision']}" if several else str(row["name"])


def _between(rates: Spread) -> str:
    return f"{_short(rates.middle)} ({_short(rates.low)} to {_short(rates.high)})"


def _short(value: float) -> str:
    """Return three digits at least, and no more than are known."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
