"""The recipe of the paper (§5) and what each scale means for a kind of data: the claims of one scale share one base and
its runs."""

from __future__ import annotations

from typing import Any, Final

from repro.claim.paper import Setting

# What a claim has unless it says otherwise.
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
# What the claims on the paper's net share (§5; source.md 1, 16): what a base of theirs is laid on.
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
    "digits": {"smoke": {}, "small": {}},  # a claim made for digits says itself how much of it is done
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
