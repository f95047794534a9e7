"""Masks of dropout for a net outside of a run."""

from torch import nn

from repro.train.masks import Masks
from repro.train.seeds import generator


def put_masks(net: nn.Module, images: int) -> None:
    """Give every dropout layer of `net` masks for a minibatch of `images`, drawn from seed 0."""
    masks = Masks(net, device := next(net.parameters()).device)
    drawn = masks.draw(images, lambda name: generator(0, "dropout", 1, name))
    masks.put(drawn.to(device))
