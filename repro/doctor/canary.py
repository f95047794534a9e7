"""Compare ten updates of fixed nets with the losses that come with the project: did the stack below it change?

The nets: cuda-convnet's 19pct net in fp32 and in bf16, and a small AlexNet in the reading `source`, with its norms
across maps and within a map, dropout, crops, reflections and colour noise. On the CPU, one thread, in seconds.
`repro doctor --canary --reference` writes the losses, for maintainers, whenever the numerics version moves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from repro import places
from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.data.photos.maps import from_images
from repro.data.sets import Images
from repro.engine.provenance import provenance
from repro.engine.turns import trainer
from repro.errors import ReproError
from repro.files import write_whole
from repro.pages.doctor import Check, largest
from repro.train import loop
from repro.train.machine import settle_process
from repro.train.minibatches import NUMERICS

SHIPPED = Path(__file__).with_name("canary.json")
UPDATES = 10
# Relative, between losses of the same update. Rounding differs between processors and grows from update to update:
# assumed, above what other kernels of the same processor do here and below what another formula does.
TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2}
MACHINE = ("repro", "numerics", "python", "torch", "numpy", "system", "processor")  # what may have changed
SMALL: dict[str, Any] = {"width": 0.125, "reading": "source"}
ADVICE = (
    "the arithmetic here is not what it was where these losses were written. Do not add runs of this machine to "
    "runs of another: compare the versions above, install those of the shelf that you compare with "
    "(`pip install torch==...`), and run `repro doctor --canary` again; if nothing but the processor differs, report "
    "it with these lines."
)


def losses() -> dict[str, list[float]]:
    """Return the losses of ten updates by net and precision, made on one thread of the CPU."""
    settle_process("cpu")
    runs = {f"19pct {precision}": _convnet(precision) for precision in ("fp32", "bf16")}
    runs["alexnet fp32"] = _alexnet()
    out = {}
    for name, run in runs.items():
        run.begin(1)
        for _ in range(UPDATES):
            run.step()
        out[name] = run.step.losses_and_errors()[0]
    return out


def checks(found: dict[str, list[float]], shipped: dict[str, Any]) -> list[Check]:
    """Compare losses with those shipped: a row for each net and precision, and one for the numerics version."""
    there = shipped["machine"]["numerics"]
    out = [
        Check(
            "canary", "all", "numerics version", f"{there}", f"{NUMERICS}", there == NUMERICS,
            "this copy of repro was changed, and the losses that come with it were not written again",
        )
    ]  # fmt: skip
    for name in sorted(found.keys() | shipped["losses"].keys()):
        net, precision = name.split()
        ours, theirs = found.get(name, []), shipped["losses"].get(name, [])
        difference, update = largest(ours, theirs)
        limit = TOLERANCE[precision]
        apart = "equal bit for bit" if difference == 0 else f"{difference:.1e} at update {update}"
        measured = f"{apart}, {_last(ours)} after the last against {_last(theirs)}"
        out.append(
            Check(net, precision, "losses of ten updates", f"within {limit:g} of those shipped, relative", measured,
                  difference <= limit, "", {"here": ours, "shipped": theirs})
        )  # fmt: skip
    return out


def shipped() -> dict[str, Any]:
    """Read the losses that come with the project. ReproError where they are not there."""
    if not SHIPPED.is_file():
        raise ReproError(
            f"{SHIPPED.name}: not in the package; maintainers: python -m repro doctor --canary --reference"
        )
    found: dict[str, Any] = json.loads(SHIPPED.read_text())
    return found


def write() -> str:
    """Write the losses of this machine into the package; return a line that says so. ReproError outside a clone."""
    if places.clone() != places.PACKAGE.parent:
        raise ReproError("doctor --canary --reference: writes into the package, and this one lies in no clone; use one")
    made: Mapping[str, object] = provenance("cpu")
    found = losses()
    content = {"machine": {key: made[key] for key in MACHINE}, "losses": found}
    write_whole(SHIPPED, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return f"the losses of ten updates of {len(found)} nets, written to {SHIPPED.name} in the package"


def lines(found: Sequence[Check], there: dict[str, Any]) -> list[str]:
    """Return a line for each check; versions there and here; whether the stack changed, and what to do then."""
    here: Mapping[str, object] = provenance("cpu")
    out = [check.line() for check in found]
    out += [
        f"{key:<10} there {there[key]!s:<44} here {here[key]}{'' if there[key] == here[key] else '   differs'}"
        for key in MACHINE
    ]
    if all(check.passed for check in found):
        return [*out, "the stack computes what it did: every loss lies within its tolerance"]
    return [*out, f"THE STACK CHANGED: {ADVICE}"]


def _last(values: Sequence[float]) -> str:
    return f"{values[-1]:.6f}" if values else "none"


def _images(images: int, pixels: int) -> Images:
    """Return noise with a patch at a place that depends on the class, so that there is something to learn."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (images, 3, pixels, pixels), dtype=torch.uint8, generator=draw)
    y = torch.arange(images) % 10
    patch = pixels // 4
    for i, label in enumerate(y.tolist()):
        row, column = divmod(label, 4)
        x[i, label % 3, patch * row : patch * (row + 1), patch * column : patch * (column + 1)] = 255
    return Images("canary", x, y, x[:10], y[:10], tuple("0123456789"), "canary")


def _convnet(precision: str) -> loop.Trainer:
    batches = Batches(_images(32 * UPDATES, 32), device="cpu", scale="standardised")
    return trainer("cuda_convnet_19pct", batches, batch=32, precision=precision, lr=0.001, init="he")


def _alexnet() -> loop.Trainer:
    photos = from_images(_images(16 * UPDATES, 96))
    batches = PhotoBatches(photos, device="cpu", size=80, colour="source", scale="standardised")
    return trainer("alexnet", batches, batch=16, lr=0.01, init="he", **SMALL)
