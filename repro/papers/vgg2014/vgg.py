"""The 11-layer net of Simonyan and Zisserman 2014 (their configuration A) as a table of layers, without torch.

It is the net that torchvision builds as `vgg11`, with its initial deviations: sqrt(2 / fan-out) for convolutions, 0.01
for fully connected layers. `norms` adds the normalisation of 2012 after the first convolution, as their A-LRN does,
with the constants of the 2012 paper (§3.3). 132,863,336 parameters for a thousand classes, 7,609,090,048 multiply-adds
per image of 224 x 224 pixels; a test compares the table with torchvision's net.

torchvision rounds the sides of pooled maps down and resizes the last maps to 7 x 7; here the sides are rounded up and
nothing is resized. For sides that are multiples of 32 the rounding has no effect, and at 224 the last maps are 7 x 7.
"""

from __future__ import annotations

from math import sqrt
from typing import Literal

from repro.nets.tables import Activation, ActivationKind, Conv, CrossMapNorm, Dense, Dropout, Pool, Row, Scale, scaled

Norms = Literal["none", "first", "scale only"]

DECAY = 0.0005  # their section 3.1
# Their Table 1, column A: maps of the 3 x 3 convolutions before each of five poolings of 2 x 2.
BLOCKS = ((64,), (128,), (256, 256), (512, 512), (512, 512))


def table(
    *,
    classes: int = 1000,
    width: float = 1.0,
    activation: ActivationKind = "relu",
    norms: Norms = "none",
    dropout: float = 0.5,
) -> tuple[Row, ...]:
    """Return the rows of the net; the defaults are torchvision's `vgg11`.

    `width`: factor on the maps and units of every hidden layer. `norms`: `first`, a norm after the first convolution
    and its non-linearity; `scale only`, the factor of such a norm on small activations, k^-beta, 0.595. `dropout`: the
    probability of being dropped in both hidden fully connected layers, 0 for none.
    """
    lrn = CrossMapNorm("lrn1", k=2.0, size=5, alpha=1e-4, beta=0.75)
    after_first: dict[str, tuple[Row, ...]] = {
        "none": (),
        "first": (lrn,),
        "scale only": (Scale(lrn.name, lrn.k**-lrn.beta),),
    }
    rows: list[Row] = []
    for i, block in enumerate(BLOCKS, start=1):
        for j, maps in enumerate(block, start=1):
            rows += [Conv(f"conv{i}_{j}", maps, size=3, pad=1, std=sqrt(2 / (9 * maps)), decay=DECAY)]
            rows += [Activation(activation)]
            if i == j == 1:
                rows += after_first[norms]
        rows += [Pool(f"pool{i}", "max", size=2, stride=2)]
    for name in ("6", "7"):
        rows += [Dense(f"fc{name}", 4096, std=0.01, decay=DECAY), Activation(activation)]
        rows += [Dropout(f"drop{name}", keep=1 - dropout)] if dropout else []
    return (*(scaled(row, width) for row in rows), Dense("fc8", classes, std=0.01, decay=DECAY))
