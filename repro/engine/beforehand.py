"""What is looked at before any data are read: arms start alike, and nets of libraries can be built."""

from __future__ import annotations

from typing import Any

import torch

from repro.claim.files import ClaimFile, run_config
from repro.claim.resolve import classes, image
from repro.errors import ReproError
from repro.nets import library, registry, tables
from repro.train import loop


def check_initial_values(file: ClaimFile, scale: str) -> None:
    """Arms start alike (DESIGN, randomness): at the same seed, every parameter of the same name and shape whose
    initialisation the arms do not vary has the same bits. ReproError names the first that has not."""
    named = (None, *file.alternatives_at(scale))
    for alternative, claim in [(over or name, c) for name in named for over, c in file.compared(scale, name).items()]:
        seed = claim.seeds[0]
        seen: dict[Any, tuple[str, torch.Tensor]] = {}
        for arm in claim.arms if len(claim.arms) > 1 else ():
            config = run_config(claim, arm, seed=seed)
            model, many, shape = config.model, len(classes(config.data)), image(config.data)
            options = model.model_dump(exclude={"kind", "init"})
            by_kind = registry.of_library(model.kind)  # its values are those of its name: see `models.library`
            rows = () if by_kind else registry.table(model.kind, classes=many, **options)
            rules: dict[str, Any] = {f"{row.name}.bias": row.bias for row in tables.weighted(rows)}
            for row in tables.weighted(rows):
                rules[f"{row.name}.weight"] = model.init if isinstance(model.init, str) else model.init[row.name]
            net = loop.initial_net(model.model_dump(), seed=seed, classes=many, image=shape)
            for name, tensor in net.named_parameters():
                key = (name, tensor.shape, model.kind if by_kind else rules[name])
                other, same = seen.setdefault(key, (arm, tensor))
                if not torch.equal(tensor, same):
                    first, second = (f"“{claim.label(name)}”" for name in (other, arm))
                    raise ReproError(
                        f"{file.path}: the arms {first} and {second}{f' ({alternative})' if alternative else ''}: "
                        f"{name} {tuple(tensor.shape)} starts with other values at seed {seed}, though neither arm "
                        f"changes its initialisation; expected equal values, or model.init among what varies"
                    )


def check_library_nets(file: ClaimFile, scale: str) -> None:
    """Nets of torchvision and timm are built and take the claim's images: what `check`, which has no torch, cannot say.
    ReproError names the place in the claim that chooses the net."""
    for alternative in (None, *file.alternatives_at(scale)):
        claim = file.at(scale, alternative)
        for arm in claim.arms:
            config = run_config(claim, arm, seed=claim.seeds[0])
            if registry.of_library(config.model.kind):
                many, shape = len(classes(config.data)), image(config.data)
                if why := library.refusal(config.model.kind, classes=many, image=shape):
                    laid = file.layers(scale, alternative, arm)
                    where = laid.problem(("model", "kind"), f"model.kind: {config.model.kind}: {why}")
                    raise ReproError(f"{file.path}:{where.line}:{where.column}: {where.text}")
