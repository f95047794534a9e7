"""A. Krizhevsky, I. Sutskever, G. E. Hinton, ImageNet Classification with Deep Convolutional Neural Networks, 2012."""

from pathlib import Path

from repro.claim.catalogue import Part
from repro.claim.paper import Paper
from repro.papers.alexnet2012.differences import DIFFERENCES
from repro.papers.alexnet2012.nets import NETS
from repro.papers.alexnet2012.quantities import LISTED, QUANTITIES
from repro.papers.alexnet2012.recipe import BASE_OF, BASES, LARGEST, RECIPE, SCALES

PAPER = Paper(
    id="alexnet2012",
    name="AlexNet",
    title="ImageNet Classification with Deep Convolutional Neural Networks",
    authors="A. Krizhevsky, I. Sutskever, G. E. Hinton",
    year=2012,
    published="Advances in Neural Information Processing Systems 25",
    home="https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
    nets=NETS,
    recipe=RECIPE,
    scales=SCALES,
    largest=LARGEST,
    bases=BASES,
    base_of=BASE_OF,
    quantities=QUANTITIES,
    listed=LISTED,
    code=(
        (
            "AlexNet source code as released by the Computer History Museum",
            "https://github.com/computerhistory/AlexNet-Source-Code",
        ),
        ("cuda-convnet", "https://code.google.com/archive/p/cuda-convnet/"),
    ),
    differences=DIFFERENCES,
    catalogue=Path(__file__).with_name("catalogue.csv"),
    parts={
        "A": Part("What the net is"),
        "B": Part("CIFAR-10"),
        "C": Part("ImageNet"),
        "D": Part(
            "Reference implementations",
            "an implementation that people know: a part of the tool, without a claim of its own",
        ),
        "F": Part("Sentences that this project does not test", "a sentence that this project does not test"),
    },
    source=Path(__file__).with_name("source.md"),
)
