"""The schedule of a run: divisions of the rates by ten, and changes of the training late in a run.

The paper divides the rate by ten when the validation error stops improving, three times before the end (§5); the
released runs did so by hand, at epochs 23 to 25, 51 and 78 or 79 (source.md 1, 16). Biases follow their weights
(assumed: the source cut theirs at most once, source.md 1, 13). Late in its runs the source trained without colour
noise and without conv1 (source.md 1, 17 and 18). On CIFAR-10 it also trained on the held-out images from some epoch on
(source.md 3.2 D and F).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

DIVISIONS = 3  # §5: reduced three times prior to termination


@dataclass
class Schedule:
    """The schedule of a run by epoch.

    `drops`: epochs after which rates are divided by ten. `plateau`: number of epochs without a lower held-out error
    after which rates are divided by ten; the fourth time, the run ends. `colour_until`: last epoch with colour noise.
    `freeze`: by layer, the last epoch in which it learns. `fold_in`: epochs after which the held-out images are trained
    on too; from then on the recorded held-out error is a training error. `best`, `waited` and `divided`: state of the
    plateau rule, part of a checkpoint.
    """

    drops: Sequence[int] = ()
    plateau: int | None = None
    colour_until: int | None = None
    freeze: Mapping[str, int] | None = None
    fold_in: int | None = None
    best: float = inf
    waited: int = 0
    divided: int = 0

    def factor(self, epoch: int) -> float:
        """Return the factor on every rate in epoch 1, 2, ..."""
        return 10.0 ** -(self.divided + sum(epoch > drop for drop in self.drops))

    def colour(self, epoch: int) -> bool:
        """Return whether colour noise, if the run has any, is added in an epoch."""
        return self.colour_until is None or epoch <= self.colour_until

    def folded(self, epoch: int) -> bool:
        """Return whether the held-out images are trained on in an epoch."""
        return self.fold_in is not None and epoch > self.fold_in

    def frozen(self, layer: str, epoch: int) -> bool:
        """Return whether a layer is frozen in an epoch: its parameters and velocities do not change.

        `freeze` gives the last epoch in which it learns, 0 for a layer that never learns (source.md 1, 15, 17).
        """
        return epoch > (self.freeze or {}).get(layer, inf)

    def after(self, held_out_error: float | None) -> bool:
        """Update the plateau rule with an epoch's held-out error; return whether the run ends."""
        if self.plateau is None:
            return False
        assert held_out_error is not None, "the check of a claim asks for held-out images"
        if held_out_error < self.best:
            self.best, self.waited = held_out_error, 0
            return False
        self.waited += 1
        if self.waited < self.plateau:
            return False
        self.waited, self.divided = 0, self.divided + 1
        return self.divided > DIVISIONS
