"""The recipe of the paper (§5), and the overrides of each scale by kind of data.

Claims at the same scale share these values and therefore runs.
"""

from __future__ import annotations

from typing import Any, Final

from repro.claim.paper import Setting

# The default values of a claim.
RECIPE: Final = {
    "train.batch": Setting(128, "§5"),
    "train.epochs": Setting(90, "§5"),
    "train.lr": Setting(0.01, "§5"),
    "train.bias_lr": Setting(2.0, "source.md 1, 13"),
    "train.momentum": Setting(0.9, "§5"),
    "train.weight_decay": Setting(0.0005, "§5"),
    "train.file_images": Setting(10_000, "source.md 3.1"),
    "train.order": Setting("repeated", "source.md 1, 30"),
    "data.stored": Setting(256, "§2"),
    "data.crops": Setting("paper", "§4.1; the source draws for 32 images at a time, source.md 1, 22"),
    "data.mirror": Setting(True, "§4.1"),
    "data.mean": Setting("per_offset", "§2; the source takes the centre's, source.md 1, 24"),
    "data.colour": Setting("paper", "§4.1; the source's is source.md 1, 19"),
}

# Overrides that are applied to a claim before its own exceptions; keys of sections that a claim lacks are ignored.
# smoke: 256 digits, two rates, two judging seeds, one net at a quarter of its width that starts to learn at once, to
# test the whole path in seconds; it never gives a verdict. All values are assumed, bounded by 20 core-seconds.
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

# Further values for the paper's net (assumed): digits enlarged to the smallest side that every ablation accepts.
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
# Candidates for a base on which arms may differ in their errors: overrides of small scale for claims that name one as
# their `base`. Without a base, nets at small scale start to learn late and end underfit, and their error depends on
# that start.
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
# The values of the claims on the paper's net that a base overrides (§5; source.md 1, 16).
BASE_OF: Final[dict[str, Any]] = {
    "data.kind": "ilsvrc2012",
    "data.crop": 224,
    "data.held_out": 10_000,
    "model.kind": "alexnet",
    "train.file_images": 1024,
    "train.plateau": 5,
}
PHOTOS: Final = {"smoke": _SMOKE_CROPS, "small": _SMALL_PHOTOS, "medium": _MEDIUM_PHOTOS, "paper": {}}
SCALES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "digits": {"smoke": {}, "small": {}},  # a claim on digits sets its own scales
    "cifar10": {
        "smoke": _SMOKE,
        "small": {},  # the whole training set and the claim's own net; a claim sets the easier level
        "paper": {},
    },
    "ilsvrc2010": PHOTOS,
    "ilsvrc2012": PHOTOS,
    "imagenet2009": PHOTOS,
}
LARGEST: Final = {"cpu": {"other": "small"}, "cuda": {"cifar10": "paper", "other": "medium"}}
