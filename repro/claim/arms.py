"""The differences between the runs of a claim's arms."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from typing import Any

from repro.claim.model import RUN_SECTIONS, Claim
from repro.claim.resolve import BY_VALUE, epochs_of, run_config
from repro.nets import libraries


def compared(claim: Claim, rate: float | None, variants: Sequence[dict[str, Any]]) -> tuple[set[str], dict[int, int]]:
    """Compare the runs of a claim's arms.

    Return (the dotted keys in which the runs differ; for each arm that equals an earlier one, the index of that arm by
    its own). `rate`: any rate of the grid if rates are tuned. `variants`: for each arm, in order, the claim's plain
    data with the overrides of the arm.
    """
    key_of_runs = marshal.dumps([rate, *([data.get(key) for key in RUN_SECTIONS] for data in variants)], BY_VALUE)
    if key_of_runs not in _CACHE:  # many scales and alternatives of a claim make the same runs
        _CACHE[key_of_runs] = _compared(claim, rate)
    return _CACHE[key_of_runs]


_CACHE: dict[bytes, tuple[set[str], dict[int, int]]] = {}  # by everything that the runs depend on


def _compared(claim: Claim, rate: float | None) -> tuple[set[str], dict[int, int]]:
    configs = []
    for arm in claim.arms:
        run = run_config(claim, arm, seed=0, lr=rate)
        whole = {"start": run.start, "train.epochs": epochs_of(claim, arm)}  # the start is compared as a whole
        configs.append(run.dotted | whole)
    differing = set()
    decay = "train.weight_decay"
    for key in dict.fromkeys(key for config in configs for key in config):
        # a net of a library has one decay for all its layers
        general = f"{decay}.other" if key.startswith(f"{decay}.") else key
        values = [config.get(key, config.get(general)) for config in configs if key in config or general in config]
        # a layer that an arm's net lacks is not a difference by itself, and nets of libraries have no options at all
        known = sum(not (libraries.is_library_net(c["model.kind"]) and key.startswith("model.")) for c in configs)
        lacking = len(values) < known and not key.startswith(("model.init.", f"{decay}."))
        if lacking or any(value != values[0] for value in values):
            differing.add(key)
    twins = {}
    for i, config in enumerate(configs):
        if config in configs[:i]:
            twins[i] = configs.index(config)
    return differing, twins
