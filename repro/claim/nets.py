"""What an arm says of its net: options that it has, layers that are there, shapes that fit."""

from __future__ import annotations

import marshal
from difflib import get_close_matches

from repro.claim.model import Claim
from repro.claim.overlays import Layers, mapping
from repro.claim.problems import nearest
from repro.claim.resolve import BY_VALUE, TABLED, image, net, weighted
from repro.claim.yaml import Loc
from repro.nets import registry, tables


def of_net(armed: Claim, layers: Layers) -> list[tuple[Loc, str]]:
    """What is wrong with the net of a claim with an arm laid on, each with its place."""
    if registry.of_library(armed.model.kind):
        return _of_library(armed, layers)
    said = marshal.dumps([layers.data[section] for section in ("data", "model", "train")], BY_VALUE)
    if said not in _FOUND:  # the scales and alternatives of a claim name the same few nets
        _FOUND[said] = _of_table(armed)
    return _FOUND[said]


_FOUND: dict[bytes, list[tuple[Loc, str]]] = {}  # by all that `_of_table` looks at


def _of_table(armed: Claim) -> list[tuple[Loc, str]]:
    """Options that its net lacks, layers that are named and not there or left out, shapes that do not fit."""
    out: list[tuple[Loc, str]] = []
    for option, values in registry.OPTIONS[armed.model.kind].items():
        if values and (found := getattr(armed.model, option)) not in values:
            text = f"found {found}; expected {' or '.join(map(str, values))}, which {armed.model.kind} has"
            out.append((("model", option), f"model.{option}: {text}"))
    if armed.model.maps and not out:
        hidden = [row.name for row in weighted(armed.data, armed.model.model_copy(update={"maps": {}}))[:-1]]
        for layer in armed.model.maps.keys() - hidden:
            text = "no such hidden layer" + (nearest(layer, hidden) or f"; expected {', '.join(hidden)}")
            out.append((("model", "maps", layer), f"model.maps.{layer}: {text}"))
    if out:
        return out
    layers = [row.name for row in weighted(armed.data, armed.model)]
    for section, name, given in (
        ("model", "init", armed.model.init),
        ("train", "weight_decay", armed.train.weight_decay),
        ("train", "freeze", armed.train.freeze),
        ("train", "layer_lr", armed.train.layer_lr),
    ):
        if not isinstance(given, dict):
            continue
        unknown = given.keys() - {*layers, "other"}
        for layer in unknown:
            text = "no such layer" + (nearest(layer, [*layers, "other"]) or f"; expected {', '.join(layers)} or other")
            out.append(((section, name, layer), f"{section}.{name}.{layer}: {text}"))
        if name in ("freeze", "layer_lr"):
            continue  # layers that learn to the end, and at the rate of all, are not named
        lacking = [layer for layer in layers if layer not in given and "other" not in given]
        if lacking and not unknown:
            text = f"nothing for {', '.join(lacking)}; name them, or give `other`"
            out.append(((section, name), f"{section}.{name}: {text}"))
    if 0 in image(armed.data):  # photos of many sizes without a crop, which is said of the data
        return out
    try:
        list(tables.shapes(net(armed.data, armed.model), image(armed.data)))
    except ValueError as error:
        out.append((("model", "kind"), f"model.kind: {error}"))
    return out


def _of_library(armed: Claim, layers: Layers) -> list[tuple[Loc, str]]:
    """A net of torchvision or timm: a name that is there, and nothing said that speaks of layers which are not known.

    What a scale means for a kind of data, and what a base of another net says beside an arm, is passed over.
    """
    out: list[tuple[Loc, str]] = []
    kind = armed.model.kind
    library, _, name = kind.partition(":")
    if (known := registry.names(library)) and name not in known:
        near = get_close_matches(name, known, n=3)
        text = f"{library} has no net {name}" + (f"; did you mean {' or '.join(near)}?" if near else "")
        out.append((("model", "kind"), f"model.kind: {text}"))
    order = ("scale", "alternative", "arm")  # as they are laid on; the claim itself is before them
    said: dict[Loc, tuple[int, Loc]] = {("model", key): (-1, ("model", key)) for key in mapping(layers.data, "model")}
    for path, origin in layers.origin.items():
        said[path[:2]] = order.index(origin.by.split()[0]) if origin.written else -2, path  # -2: a recipe
    for key in sorted(TABLED.union(registry.ALL_OPTIONS) & mapping(layers.data, "model").keys()):
        turn, path = said["model", key]
        if turn >= said["model", "kind"][0]:
            out.append((path, f"model.{key}: is for nets with a table of layers; {kind} is taken as it is"))
    if not isinstance(armed.train.weight_decay, float):
        text = f"expected one number, for the layers of {kind} are not known here"
        out.append((("train", "weight_decay"), f"train.weight_decay: {text}"))
    if armed.train.freeze:
        out.append((("train", "freeze"), f"train.freeze: names layers, and those of {kind} are not known here"))
    return out
