"""The names under which torchvision and timm know their nets. No torch.

A net of a library, `torchvision:alexnet` or `timm:resnet18`, has no table of layers here, and with it none of the
options; `repro.nets.library` builds it.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Final

LIBRARIES: Final = ("torchvision", "timm")
KIND: Final = rf"^({'|'.join(LIBRARIES)}):\w+$"  # a net of a library


def is_library_net(kind: object) -> bool:
    """Return whether `kind` names, or is meant to name, a net of a library."""
    return isinstance(kind, str) and ":" in kind


@cache
def names(library: str) -> tuple[str, ...]:
    """Return the nets for images that `library` registers, sorted; none where it is not installed.

    Read off its sources: importing it would load torch, and a list kept here would age. A test holds the answer to the
    library's own.
    """
    spec = importlib.util.find_spec(library)  # found, not imported
    if spec is None or not spec.submodule_search_locations:
        return ()
    files = sorted((Path(spec.submodule_search_locations[0]) / "models").glob("*.py"))
    return tuple(sorted({name for file in files for name in _REGISTERED.findall(file.read_text(encoding="utf-8"))}))


_REGISTERED = re.compile(r"^@register_model\b.*?^def (\w+)\(", re.DOTALL | re.MULTILINE)
