"""Randomness has a name: every draw comes from a generator made of the run's seed and what is drawn.

So arms agree wherever they draw the same thing, and a resumed run needs no generator's state.
"""

from __future__ import annotations

import hashlib

import torch


def generator(seed: int, *name: str | int) -> torch.Generator:
    """Return a CPU generator for (seed, name), the same on every machine and device."""
    digest = hashlib.sha256("/".join(map(str, (seed, *name))).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
