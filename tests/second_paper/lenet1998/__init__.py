"""Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based Learning Applied to Document Recognition, 1998.

A second paper, for the tests alone: a folder like this one, put into `repro/papers`, is a paper on trial.
"""

from repro.papers.lenet1998.nets import IMAGE, LeNet5, table
from repro.papers.lenet1998.quantities import TrainableParameters

from repro.claim.counts import ListedNet
from repro.claim.paper import Paper, Setting

PAPER = Paper(
    id="lenet1998",
    name="LeNet",
    title="Gradient-Based Learning Applied to Document Recognition",
    authors="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner",
    year=1998,
    published="Proceedings of the IEEE 86",
    home="https://doi.org/10.1109/5.726791",
    nets=(LeNet5,),
    recipe={
        "train.batch": Setting(10, "assumed: theirs updates after every pattern"),
        "train.epochs": Setting(20, "§III.B"),
        "train.lr": Setting(0.01, "assumed"),
        "train.bias_lr": Setting(1.0, "§III.B: one rule for all parameters"),
        "train.momentum": Setting(0.0, "§III.B: none"),
        "train.weight_decay": Setting(0.0, "§III.B: none"),
        "train.file_images": Setting(60_000, "§III.A: one file of 60,000 patterns"),
        "train.order": Setting("fresh", "assumed"),
    },
    scales={
        "digits": {
            "smoke": {"data.images": 128, "train.epochs": 2, "train.batch": 32, "seeds": [0, 1]},
            "paper": {},
        }
    },
    largest={"cpu": {"other": "smoke"}, "cuda": {"other": "paper"}},
    quantities=(TrainableParameters,),
    listed={"lenet5": ListedNet("LeNet-5", table(classes=10), IMAGE)},
)
