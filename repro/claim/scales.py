"""The names of the scales, and of a base that has not been chosen yet."""

from __future__ import annotations

from typing import Final, Literal, get_args

ScaleName = Literal["smoke", "small", "medium", "paper"]  # from the lowest
SCALE_NAMES: Final[tuple[str, ...]] = get_args(ScaleName)
BASED: Final = "small"  # the scale that has bases
UNDECIDED: Final = "undecided"  # a claim's `base` before the choice; its scale is not run
