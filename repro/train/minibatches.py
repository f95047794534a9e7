"""Plain numbers of training, without torch: the original's minibatches, when a run is tested, the numerics version."""

from __future__ import annotations

# Moves only when the golden losses of tests/golden do; recorded with every run, never part of its address.
# 2: dropout's masks come from packed bits, an epoch's at once.
NUMERICS = 2

RECORDED = 2000  # DESIGN, a run: each of the first 2,000 updates is recorded
EVERY_NTH = 50  # DESIGN, a run: of later updates every 50th is recorded
TESTED = 5  # DESIGN, a run: epochs from one test to the next, after the first few


def batch_sizes(images: int, *, batch: int, file_images: int) -> list[int]:
    """Return the sizes of an epoch's minibatches: images are cut into files, files into minibatches, the last short.

    CIFAR-10's five files of 10,000 give 78 minibatches of 128 and one of 16 each: 395 updates (source.md 3.1).
    """
    sizes = []
    for start in range(0, images, file_images):
        whole, rest = divmod(min(file_images, images - start), batch)
        sizes += [batch] * whole + [rest] * (rest > 0)
    return sizes


def is_tested(epoch: int) -> bool:
    """Return whether the test images are looked at after an epoch: 1, 2, 4, 8 and every fifth (DESIGN, a run). A run
    that ends by its own rule is tested at its end too."""
    return epoch in (1, 2, 4, 8) or epoch % TESTED == 0
