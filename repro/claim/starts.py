"""What an arm starts from: a run that can be had, with the arm's layers in its shapes."""

from __future__ import annotations

from repro.claim.model import Claim, path_of
from repro.claim.overlays import Layers
from repro.claim.problems import Problem, nearest
from repro.claim.resolve import image, net, weighted
from repro.claim.runs import of_run
from repro.nets import tables


def of_start(armed: Claim, layers: Layers) -> list[Problem]:
    """What it starts from is said in keys of a run, and its layers afresh are the net's."""
    if armed.start is None:
        return []
    keys = layers.kinds.arm_keys
    out = [
        layers.problem(("start", "run", key), f"start.run: {key}: not a known key{nearest(key, keys)}", key=True)
        for key in armed.start.run
        if path_of(key, keys) is None
    ]
    if of_run(armed, layers):
        return out  # told of the arm
    names = [row.name for row in weighted(armed.data, armed.model)]
    for i, name in enumerate(armed.start.afresh):
        if name not in names and names:  # the layers of a library's net are known to torch alone
            text = f"start.afresh: {name}: no such layer" + (nearest(name, names) or f"; expected {', '.join(names)}")
            out.append(layers.problem(("start", "afresh", i), text))
    return out


def of_earlier(armed: Claim, earlier: Claim, layers: Layers, before: Layers) -> list[Problem]:
    """The run that it starts from can be had and has its layers, in the same shapes, but for those afresh; `before`:
    the layers of `earlier`."""
    assert armed.start is not None
    if of_run(armed, layers):
        return []
    if wrong := of_run(earlier, before):
        return wrong
    here, there = (tables.weight_shapes(net(c.data, c.model), image(c.data)) for c in (armed, earlier))
    out = []
    for name, shape in here.items():
        if name not in armed.start.afresh and there.get(name) != shape:
            found = "x".join(map(str, there.get(name, ())))
            text = f"start: {name}: found weights of {found}; expected {'x'.join(map(str, shape))}, as here"
            if name not in there:
                text = f"start: {name}: not in the net that it starts from"
            out.append(layers.problem(("start",), f"{text}; or name {name} among start.afresh"))
    return out
