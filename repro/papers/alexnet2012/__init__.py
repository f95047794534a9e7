"""A. Krizhevsky, I. Sutskever, G. E. Hinton, ImageNet Classification with Deep Convolutional Neural Networks, 2012."""

from repro.claim.paper import Paper
from repro.papers.alexnet2012.nets import NETS
from repro.papers.alexnet2012.recipe import BASE_OF, BASES, LARGEST, RECIPE, SCALES

PAPER = Paper(
    id="alexnet2012",
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
)
