"""Checks of an arm's net: its options, the layers that it names, and the shapes."""

from __future__ import annotations

import marshal
from difflib import get_close_matches

from repro.claim.model import Claim, TabledNet
from repro.claim.overlays import Layers, reach
from repro.claim.problems import nearest
from repro.claim.resolve import BY_VALUE, image, net, weighted
from repro.claim.yaml import Loc
from repro.nets import libraries, tables


def net_mistakes(armed: Claim, layers: Layers) -> list[tuple[Loc, str]]:
    """Return (place, message) for each mistake in the net of a claim with the overrides of one arm."""
    if not isinstance(armed.model, TabledNet):
        return _library_mistakes(armed)
    if libraries.is_library_net(kind := reach(layers.document.data, ("model", "kind"))):
        text = f"found {kind}; expected the net with a table of layers here, and that of a library in an arm"
        return [(("model", "kind"), f"model.kind: {text}")]
    sections = [layers.fitting[section] for section in ("data", "model", "train")]
    key = marshal.dumps(sections, BY_VALUE)
    if key not in _CACHE:  # the scales and alternatives of a claim name the same few nets
        _CACHE[key] = _table_mistakes(armed)
    return _CACHE[key]


_CACHE: dict[bytes, list[tuple[Loc, str]]] = {}  # by everything that `_table_mistakes` reads


def _table_mistakes(armed: Claim) -> list[tuple[Loc, str]]:
    """Return mistakes of a net with a table: conflicting options, unknown or missing layers, shapes that do not fit."""
    out: list[tuple[Loc, str]] = [
        (("model", *option.split(".")), f"model.{option}: {text}") for option, text in armed.model.mistakes()
    ]
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
            continue  # these need not name all layers
        lacking = [layer for layer in layers if layer not in given and "other" not in given]
        if lacking and not unknown:
            text = f"nothing for {', '.join(lacking)}; name them, or give `other`"
            out.append(((section, name), f"{section}.{name}: {text}"))
    if 0 in image(armed.data):  # photos of many sizes without a crop: a mistake of the data
        return out
    try:
        list(tables.shapes(net(armed.data, armed.model), image(armed.data)))
    except ValueError as error:
        out.append((("model", "kind"), f"model.kind: {error}"))
    return out


def _library_mistakes(armed: Claim) -> list[tuple[Loc, str]]:
    """Return mistakes of a net of torchvision or timm: an unknown name, or a training rule that names layers.

    The layers of such a net are not known without torch.
    """
    out: list[tuple[Loc, str]] = []
    kind = armed.model.kind
    library, _, name = kind.partition(":")
    if (known := libraries.names(library)) and name not in known:
        near = get_close_matches(name, known, n=3)
        text = f"{library} has no net {name}" + (f"; did you mean {' or '.join(near)}?" if near else "")
        out.append((("model", "kind"), f"model.kind: {text}"))
    if not isinstance(armed.train.weight_decay, float):
        text = f"expected one number, for the layers of {kind} are not known here"
        out.append((("train", "weight_decay"), f"train.weight_decay: {text}"))
    if armed.train.freeze:
        out.append((("train", "freeze"), f"train.freeze: names layers, and those of {kind} are not known here"))
    return out
