"""scikit-learn's digits as a small stand-in for CIFAR-10: always installed, and no basis for a verdict."""

import numpy as np

from repro.data.pack import Splits, in_order


def read() -> Splits:
    """Return the 1,797 digits of 8x8 pixels, 0..16, as 32x32 RGB, 0..255.

    Each pixel becomes a block of 4x4 (nearest neighbour) of min(16 v, 255) in three equal channels. scikit-learn has no
    split: within each class, in the order of the digests, every fifth image (5th, 10th, ...) is a test image.
    """
    from sklearn.datasets import load_digits  # a second or more to import, needed once per cache

    bunch = load_digits()
    grey = np.minimum(16 * bunch.images, 255).astype(np.uint8)  # [1797, 8, 8]
    grey = grey.repeat(4, axis=1).repeat(4, axis=2)  # [1797, 32, 32]
    x = np.repeat(grey[:, None], 3, axis=1)  # [1797, 3, 32, 32]
    x, y = in_order(x, bunch.target.astype(np.int64))
    test = np.zeros(len(y), dtype=bool)
    for label in range(10):
        test[np.flatnonzero(y == label)[4::5]] = True
    return {"train": (x[~test], y[~test]), "test": (x[test], y[test])}
