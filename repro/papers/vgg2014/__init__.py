"""K. Simonyan, A. Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014."""

from pathlib import Path

from repro.claim.catalogue import Part
from repro.claim.paper import Paper, Setting
from repro.papers.vgg2014.nets import VGG11

_PHOTOS = {
    # Digits enlarged to the least that the net's five poolings accept; it is deep, and slow on a CPU (all assumed).
    "smoke": {
        "data.kind": "digits",
        "data.images": 256,
        "data.scale": "standardised",
        "data.stored": 64,
        "data.crop": 48,
        "data.held_out": 96,
        "model.init": "he",
        "model.width": 0.0625,
        "train.epochs": 4,
        "train.batch": 32,
        "train.plateau": None,
        "seeds": [0, 1],
    },
    # Ten classes of photos on one GPU, as the claims of 2012 have it (assumed).
    "medium": {
        "data.kind": "imagenette",
        "data.held_out": 947,
        "train.epochs": 200,
        "train.drops": [120, 170],
        "train.plateau": None,
    },
    "paper": {},
}

PAPER = Paper(
    id="vgg2014",
    name="VGG",
    title="Very Deep Convolutional Networks for Large-Scale Image Recognition",
    authors="K. Simonyan, A. Zisserman",
    year=2014,
    published="arXiv 1409.1556, International Conference on Learning Representations 2015",
    home="https://arxiv.org/abs/1409.1556",
    nets=(VGG11,),
    recipe={
        "train.batch": Setting(256, "§3.1"),
        "train.epochs": Setting(74, "§3.1"),
        "train.lr": Setting(0.01, "§3.1"),
        "train.momentum": Setting(0.9, "§3.1"),
        "train.weight_decay": Setting(0.0005, "§3.1"),
        "train.bias_lr": Setting(2.0, "assumed: the rule of the net of 2012, source.md 1, 13"),
        "train.file_images": Setting(1024, "assumed: as the claims on the net of 2012"),
        "train.order": Setting("repeated", "assumed: as the source of 2012, source.md 1, 30"),
        "data.stored": Setting(256, "§3.1.1: the smallest side of a training image"),
        "data.crops": Setting("paper", "§3.1: one crop of each image in an iteration"),
        "data.mirror": Setting(True, "§3.1"),
        "data.mean": Setting("per_offset", "assumed: the rule of 2012; theirs takes one mean for each colour, §2.1"),
        "data.colour": Setting("paper", "assumed: the rule of 2012; theirs names a random shift of colours, §3.1"),
    },
    scales={"ilsvrc2012": _PHOTOS},
    catalogue=Path(__file__).with_name("catalogue.csv"),
    parts={"A": Part("What the net needs")},
    largest={"cpu": {"other": "smoke"}, "cuda": {"other": "medium"}},
)
