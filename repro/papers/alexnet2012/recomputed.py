"""How the values of this paper's own evaluations follow from one another: what an audit holds them against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final


def _kernels(values: Mapping[str, float], _: Mapping[str, Sequence[float]]) -> dict[str, float]:
    out = {"learned": values["learned_1"] + values["learned_2"]}
    if values["learned_1"] and values["learned_2"]:
        out["difference"] = abs(values["chroma_1"] - values["chroma_2"])
    return out


RECOMPUTED: Final[Mapping[str, Callable[..., dict[str, float]]]] = {"kernels": _kernels}
