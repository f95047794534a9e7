"""Every net by name: ours as tables of layers, and the names under which torchvision and timm know theirs. No torch.

`repro.nets.modules.build` takes the same names and options. A net of a library, `torchvision:alexnet` or
`timm:resnet18`, has no table here, and with it none of the options.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

from repro.nets import tables
from repro.papers.alexnet2012 import alexnet, cuda_convnet

# What options may be, over all nets.
from repro.papers.alexnet2012.alexnet import Layer as Layer
from repro.papers.alexnet2012.alexnet import Norms as Norms
from repro.papers.alexnet2012.alexnet import Pooling as Pooling
from repro.papers.alexnet2012.alexnet import Reading as Reading
from repro.papers.alexnet2012.alexnet import Towers as Towers
from repro.papers.vgg2014 import vgg

Kind = Literal[cuda_convnet.Kind, "alexnet", "bvlc_alexnet", "vgg11"]
KINDS: tuple[str, ...] = get_args(Kind)
LIBRARIES: Final = ("torchvision", "timm")
LIBRARY_KIND: Final = rf"^({'|'.join(LIBRARIES)}):\w+$"  # a net of a library

# By net, the options of its table beside activation and width; of each the values that it may have, or none: any.
OPTIONS: Final[dict[str, dict[str, tuple[Any, ...]]]] = {
    **{kind: {"maps": ()} for kind in get_args(cuda_convnet.Kind)},
    "cuda_convnet_conv_local_13pct": {"maps": (), "pooling": ()},
    "cuda_convnet_conv_local_11pct": {"maps": (), "pooling": (), "norms": get_args(cuda_convnet.Norms)},
    "alexnet": dict.fromkeys(
        ("reading", "towers", "norms", "pooling", "dropout", "bias", "without", "conv6", "halved"), ()
    ),
    "bvlc_alexnet": {},
    "vgg11": {"norms": get_args(vgg.Norms), "dropout": ()},
}
PAPERS: Final = "alexnet"  # the net of the paper on trial
# Nets that could not be told their pooling when addresses were given: at 3/2 they keep theirs.
POOLED_LATER: Final = ("cuda_convnet_conv_local_13pct", "cuda_convnet_conv_local_11pct")
ALL_OPTIONS: Final = tuple(dict.fromkeys(option for options in OPTIONS.values() for option in options))


def table(kind: str, *, classes: int, **options: Any) -> tuple[tables.Row, ...]:
    """The rows of net `kind`; `options` are those of the `table` of its module, or of `alexnet.caffe`."""
    if kind == "alexnet":
        return alexnet.table(classes=classes, **options)
    if kind == "bvlc_alexnet":
        return alexnet.caffe(classes=classes, **options)
    if kind == "vgg11":
        return vgg.table(classes=classes, **options)
    return cuda_convnet.table(kind, classes=classes, **options)  # type: ignore[arg-type]


def of_library(kind: object) -> bool:
    """Whether `kind` names, or is meant to name, a net of a library."""
    return isinstance(kind, str) and ":" in kind


@cache
def names(library: str) -> tuple[str, ...]:
    """The nets for images that `library` registers, sorted; none where it is not installed.

    Read off its sources: importing it would load torch, and a list kept here would age. A test holds the answer to the
    library's own.
    """
    spec = importlib.util.find_spec(library)  # found, not imported
    if spec is None or not spec.submodule_search_locations:
        return ()
    files = sorted((Path(spec.submodule_search_locations[0]) / "models").glob("*.py"))
    return tuple(sorted({name for file in files for name in _REGISTERED.findall(file.read_text(encoding="utf-8"))}))


_REGISTERED = re.compile(r"^@register_model\b.*?^def (\w+)\(", re.DOTALL | re.MULTILINE)
