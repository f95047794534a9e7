"""In what the runs of a claim's arms differ."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from typing import Any

from repro.claim.model import OF_RUNS, Claim
from repro.claim.resolve import BY_VALUE, epochs_of, run_config
from repro.nets import libraries


def compared(claim: Claim, rate: float | None, laid: Sequence[dict[str, Any]]) -> tuple[set[str], dict[int, int]]:
    """Return the dotted keys in which the arms' runs differ; and by an arm's place, that of an earlier one which is
    the same.

    `rate`: where rates are tuned, any of them; `laid`: the claim's plain data with each arm laid on, in order.
    """
    made = marshal.dumps([rate, *([data.get(key) for key in OF_RUNS] for data in laid)], BY_VALUE)
    if made not in _FOUND:  # many scales and alternatives of a claim make the same runs
        _FOUND[made] = _compared(claim, rate)
    return _FOUND[made]


_FOUND: dict[bytes, tuple[set[str], dict[int, int]]] = {}  # by all that makes the runs


def _compared(claim: Claim, rate: float | None) -> tuple[set[str], dict[int, int]]:
    configs = []
    for arm in claim.arms:
        run = run_config(claim, arm, seed=0, lr=rate)
        whole = {"start": run.start, "train.epochs": epochs_of(claim, arm)}  # what a run starts from is one thing
        configs.append(run.dotted | whole)
    differing = set()
    decay = "train.weight_decay"
    for key in dict.fromkeys(key for config in configs for key in config):
        # of a library's net one decay stands for that of each layer
        by = f"{decay}.other" if key.startswith(f"{decay}.") else key
        values = [config.get(key, config.get(by)) for config in configs if key in config or by in config]
        # a layer that an arm's net lacks is no difference of its own, nor is what a library's net lacks altogether
        known = sum(not (libraries.is_library_net(c["model.kind"]) and key.startswith("model.")) for c in configs)
        lacking = len(values) < known and not key.startswith(("model.init.", f"{decay}."))
        if lacking or any(value != values[0] for value in values):
            differing.add(key)
    twins = {}
    for i, config in enumerate(configs):
        if config in configs[:i]:
            twins[i] = configs.index(config)
    return differing, twins
