"""The names of the nets in torchvision and timm. Without torch.

A net of a library, `torchvision:vgg16` or `timm:resnet18`, has no table of layers here and therefore no options;
`repro.nets.library` builds it.
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
    """Return whether `kind` names a net of a library, whether or not the library has it."""
    return isinstance(kind, str) and ":" in kind


@cache
def names(library: str) -> tuple[str, ...]:
    """Return the names of the nets for images that `library` registers, sorted; empty if it is not installed.

    They are read from its source files, because importing it would load torch and a list in this file would become
    outdated. A test compares them with the library's own list.
    """
    spec = importlib.util.find_spec(library)  # found, not imported
    if spec is None or not spec.submodule_search_locations:
        return ()
    files = sorted((Path(spec.submodule_search_locations[0]) / "models").glob("*.py"))
    return tuple(sorted({name for file in files for name in _REGISTERED.findall(file.read_text(encoding="utf-8"))}))


_REGISTERED = re.compile(r"^@register_model\b.*?^def (\w+)\(", re.DOTALL | re.MULTILINE)
