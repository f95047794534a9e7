"""What a scale means for a kind of data, in one place: the claims of one scale share one base and its runs."""

from __future__ import annotations

from typing import Any, Final, Literal

ScaleName = Literal["smoke", "small", "medium", "paper"]  # from the lowest

# Dotted overrides laid on a claim before its own exceptions; keys of sections that a claim lacks are passed over.
# smoke: 256 digits, two rates, two judging seeds, one net at quarter width with initial values and inputs that start
# at once, so that the machinery is proved in seconds; never a verdict. All of it assumed, bounded by 20 core-seconds.
_SMOKE: Final[dict[str, Any]] = {
    "data.kind": "digits",
    "data.images": 256,
    "data.scale": "standardised",
    "model.init": "he",
    "model.width": 0.25,
    "train.epochs": 12,
    "train.batch": 32,
    "seeds": [0, 1],
    "tune.train.lr": [0.005, 0.01],
    "tune.on_seeds": [100],
    "tune.extend": 0,
}

SCALES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "digits": {"smoke": {}, "small": {}},  # a claim made for digits says itself how much of it is done
    "cifar10": {
        "smoke": _SMOKE,
        "small": {},  # the whole training set and the claim's own net; a claim sets the easier level
        "paper": {},
    },
}


def meant_for(data: str, device: str) -> str:
    """The largest scale meant for a kind of device: by what it takes (DESIGN, scales), never by a timing."""
    if device == "cpu":
        return "small"
    return "paper" if data == "cifar10" else "medium"
