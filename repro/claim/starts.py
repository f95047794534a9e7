"""Checks of the run that an arm starts from: it is valid, and its layers have the arm's shapes."""

from __future__ import annotations

from repro.claim.model import Claim, path_of
from repro.claim.overlays import Layers
from repro.claim.problems import Problem, nearest
from repro.claim.resolve import image, net, weighted
from repro.claim.runs import run_problems
from repro.nets import tables


def start_problems(armed: Claim, layers: Layers) -> list[Problem]:
    """Return mistakes in `start`: keys that a run does not have, and layers that the net does not have."""
    if armed.start is None:
        return []
    keys = layers.kinds.arm_keys
    out = [
        layers.problem(("start", "run", key), f"start.run: {key}: not a known key{nearest(key, keys)}", key=True)
        for key in armed.start.run
        if path_of(key, keys) is None
    ]
    if run_problems(armed, layers):
        return out  # reported for the arm itself
    names = [row.name for row in weighted(armed.data, armed.model)]
    for i, name in enumerate(armed.start.afresh):
        if name not in names and names:  # the layers of a library's net are known to torch alone
            text = f"start.afresh: {name}: no such layer" + (nearest(name, names) or f"; expected {', '.join(names)}")
            out.append(layers.problem(("start", "afresh", i), text))
    return out


def earlier_run_problems(armed: Claim, earlier: Claim, layers: Layers, before: Layers) -> list[Problem]:
    """Return mistakes in the run that an arm starts from.

    The run must be valid and have the arm's layers in the same shapes, except those in `start.afresh`. `earlier`: the
    claim of that run; `before`: its layers.
    """
    assert armed.start is not None
    if run_problems(armed, layers):
        return []
    if problems := run_problems(earlier, before):
        return problems
    shapes, earlier_shapes = (tables.weight_shapes(net(c.data, c.model), image(c.data)) for c in (armed, earlier))
    out = []
    for name, shape in shapes.items():
        if name not in armed.start.afresh and earlier_shapes.get(name) != shape:
            found = "x".join(map(str, earlier_shapes.get(name, ())))
            text = f"start: {name}: found weights of {found}; expected {'x'.join(map(str, shape))}, as here"
            if name not in earlier_shapes:
                text = f"start: {name}: not in the net that it starts from"
            out.append(layers.problem(("start",), f"{text}; or name {name} among start.afresh"))
    return out
