"""How much of a claim is done, and the word for a base that is still to be chosen."""

from __future__ import annotations

from typing import Final, Literal, get_args

ScaleName = Literal["smoke", "small", "medium", "paper"]  # from the lowest
SCALE_NAMES: Final[tuple[str, ...]] = get_args(ScaleName)
BASED: Final = "small"  # the scale that bases are of
UNDECIDED: Final = "undecided"  # a claim's `base` before the choice: nothing of that scale is run
