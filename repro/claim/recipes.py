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

# What the paper's net needs beside that (assumed): digits enlarged to the least that every ablation of it accepts.
_SMOKE_CROPS: Final = _SMOKE | {
    "data.stored": 96,
    "data.crop": 80,
    "data.held_out": 96,
    "model.width": 0.0625,
    "train.epochs": 4,
    "train.plateau": None,
}

# The shared bases of the catalogue's part C. 947 of the 9,469 training photos are held out, a tenth.
_SMALL_PHOTOS: Final[dict[str, Any]] = {
    "data.kind": "imagenette",
    "data.stored": 146,  # 128 / 146 is 224 / 256
    "data.crop": 128,
    "data.held_out": 947,
    "model.width": 0.5,
    "train.epochs": 30,
    "train.drops": [18, 26],
    "train.plateau": None,
}
_MEDIUM_PHOTOS: Final[dict[str, Any]] = {
    "data.kind": "imagenette",
    "data.held_out": 947,
    "train.epochs": 200,
    "train.drops": [120, 170],
    "train.plateau": None,
}
# Candidates for a base on which arms may differ in their errors, laid on small scale where a claim's scale names one as
# its `base`. Small scale as it is starts late and ends underfit: its error follows the update at which it starts.
_SOURCE: Final[dict[str, Any]] = {
    "model.reading": "source",
    "data.crops": "source",
    "data.mean": "centre",
    "data.colour": "source",
}
_TWICE: Final[dict[str, Any]] = {"train.epochs": 60, "train.drops": [36, 52]}
BASES: Final[dict[str, dict[str, Any]]] = {
    "source_30": _SOURCE,
    "printed_60": _TWICE,
    "source_60": _SOURCE | _TWICE,
}
UNDECIDED: Final = "undecided"  # a claim's `base` before the choice: nothing of that scale is run
BASED: Final = "small"  # the scale that they are of
_PHOTOS: Final = {"smoke": _SMOKE_CROPS, "small": _SMALL_PHOTOS, "medium": _MEDIUM_PHOTOS, "paper": {}}

SCALES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "digits": {"smoke": {}, "small": {}},  # a claim made for digits says itself how much of it is done
    "cifar10": {
        "smoke": _SMOKE,
        "small": {},  # the whole training set and the claim's own net; a claim sets the easier level
        "paper": {},
    },
    "ilsvrc2010": _PHOTOS,
    "ilsvrc2012": _PHOTOS,
    "imagenet2009": _PHOTOS,
}


def bases(data: object) -> tuple[str, ...]:
    """Return what a claim on these data may name as the base of its small scale; nothing where there is none."""
    shared = isinstance(data, str) and SCALES.get(data, {}).get(BASED) is _SMALL_PHOTOS
    return (*BASES, UNDECIDED) if shared else ()


def meant_for(data: str, device: str) -> str:
    """The largest scale meant for a kind of device: by what it takes (DESIGN, scales), never by a timing."""
    if device == "cpu":
        return "small"
    return "paper" if data == "cifar10" else "medium"
