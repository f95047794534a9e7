"""Named randomness: every draw comes from a generator that depends on the run's seed and the name of what is drawn.

Arms therefore share all draws of the same name, and a resumed run needs no state of generators.
"""

from __future__ import annotations

import hashlib

import torch


def generator(seed: int, *name: str | int) -> torch.Generator:
    """Return a CPU generator for (seed, name), the same on every machine and device."""
    digest = hashlib.sha256("/".join(map(str, (seed, *name))).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
