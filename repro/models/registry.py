"""Every net by name, as a table of layers; no torch. `repro.models.nets.build` takes the same names and options."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

from repro.models import alexnet, cuda_convnet, tables, vgg

# What options may be, over all nets.
from repro.models.alexnet import Layer as Layer
from repro.models.alexnet import Norms as Norms
from repro.models.alexnet import Pooling as Pooling
from repro.models.alexnet import Reading as Reading
from repro.models.alexnet import Towers as Towers

Kind = Literal[cuda_convnet.Kind, "alexnet", "vgg11"]
KINDS: tuple[str, ...] = get_args(Kind)

# By net, the options of its table beside activation and width; of each the values that it may have, or none: any.
OPTIONS: Final[dict[str, dict[str, tuple[Any, ...]]]] = {
    **{kind: {"maps": ()} for kind in get_args(cuda_convnet.Kind)},
    "cuda_convnet_conv_local_11pct": {"maps": (), "norms": get_args(cuda_convnet.Norms)},
    "alexnet": dict.fromkeys(("reading", "towers", "norms", "pooling", "dropout", "bias", "without", "conv6"), ()),
    "vgg11": {"norms": get_args(vgg.Norms), "dropout": ()},
}
ALL_OPTIONS: Final = tuple(dict.fromkeys(option for options in OPTIONS.values() for option in options))


def table(kind: Kind, *, classes: int, **options: Any) -> tuple[tables.Row, ...]:
    """The rows of net `kind`; `options` are those of the `table` of its module."""
    if kind == "alexnet":
        return alexnet.table(classes=classes, **options)
    if kind == "vgg11":
        return vgg.table(classes=classes, **options)
    return cuda_convnet.table(kind, classes=classes, **options)
