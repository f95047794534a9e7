"""Plain numbers of training, without torch: the original's minibatches, when a run is tested, the numerics version."""

from __future__ import annotations

# Raised only when the golden losses of tests/golden change; recorded with every run, never part of its address.
# 2: dropout masks come from packed bits, drawn for a whole epoch.
NUMERICS = 2

RECORDED = 2000  # DESIGN, a run: each of the first 2,000 updates is recorded
EVERY_NTH = 50  # DESIGN, a run: of later updates every 50th is recorded
TESTED = 5  # DESIGN, a run: epochs from one test to the next, after the first few


def batch_sizes(images: int, *, batch: int, file_images: int) -> list[int]:
    """Return the sizes of an epoch's minibatches; the last one of each data file may be short.

    Each of CIFAR-10's five files of 10,000 gives 78 minibatches of 128 and one of 16: 395 updates (source.md 3.1).
    """
    sizes = []
    for start in range(0, images, file_images):
        full, rest = divmod(min(file_images, images - start), batch)
        sizes += [batch] * full + [rest] * (rest > 0)
    return sizes


def is_tested(epoch: int) -> bool:
    """Return whether the net is tested after an epoch: 1, 2, 4, 8 and every fifth (DESIGN, a run).

    A run that the plateau rule ends is also tested at its end.
    """
    return epoch in (1, 2, 4, 8) or epoch % TESTED == 0
