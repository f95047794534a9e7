"""What is checked before any data are read: arms start alike, and nets of libraries can be built."""

from __future__ import annotations

from collections.abc import Hashable

import torch

from repro import contents
from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile, run_config
from repro.claim.model import Claim
from repro.claim.resolve import classes, image
from repro.contents import KINDS
from repro.errors import ReproError
from repro.nets import libraries, library, tables
from repro.train import loop


def check_initial_values(file: ClaimFile, scale: str) -> None:
    """Check that arms start alike (DESIGN, randomness): at the same seed, every parameter of the same name and shape
    whose initialisation the arms do not vary has the same bits. ReproError names the first that has not."""
    for name in (None, *file.alternatives_at(scale)):
        for over, claim in file.compared(scale, name).items():
            if len(claim.arms) > 1:
                _check_arms(file, claim, over or name)


def _check_arms(file: ClaimFile, claim: Claim, alternative: str | None) -> None:
    """Compare the initial values of a claim's arms at its first seed."""
    seed = claim.seeds[0]
    first: dict[tuple[str, torch.Size, Hashable], tuple[str, torch.Tensor]] = {}  # the arm that has it first, values
    for arm in claim.arms:
        config = run_config(claim, arm, seed=seed)
        rules = _initialisation(config)
        many, shape = len(classes(config.data)), image(config.data)
        net = loop.initial_net(
            contents.net(**config.model.model_dump(), classes=many), seed=seed, classes=many, image=shape
        )
        for name, tensor in net.named_parameters():
            # a library's values are those of its net's name: see `repro.nets.library`
            rule = config.model.kind if rules is None else rules[name]
            other, same = first.setdefault((name, tensor.shape, rule), (arm, tensor))
            if not torch.equal(tensor, same):
                labels = f"“{claim.label(other)}” and “{claim.label(arm)}”"
                raise ReproError(
                    f"{file.path}: the arms {labels}{f' ({alternative})' if alternative else ''}: {name} "
                    f"{tuple(tensor.shape)} starts with other values at seed {seed}, though neither arm changes "
                    f"its initialisation; expected equal values, or model.init among what varies"
                )


def _initialisation(config: RunConfig) -> dict[str, float | str] | None:
    """Return by parameter the value or the rule that it starts from; None of a library's net."""
    model = config.model
    if libraries.is_library_net(model.kind):
        return None
    rows = tables.weighted(KINDS.rows(model, len(classes(config.data))))
    init = model.init
    assert init is not None, "a net with a table of layers has initial deviations"
    rules: dict[str, float | str] = {f"{row.name}.bias": row.bias for row in rows}
    return rules | {f"{row.name}.weight": init if isinstance(init, str) else init[row.name] for row in rows}


def check_library_nets(file: ClaimFile, scale: str) -> None:
    """Check that nets of torchvision and timm can be built and take the claim's images, which `check`, without torch,
    cannot say. ReproError names the place in the claim that chooses the net."""
    for alternative in (None, *file.alternatives_at(scale)):
        claim = file.at(scale, alternative)
        for arm in claim.arms:
            config = run_config(claim, arm, seed=claim.seeds[0])
            if libraries.is_library_net(config.model.kind):
                many, shape = len(classes(config.data)), image(config.data)
                if why := library.refusal(config.model.kind, classes=many, image=shape):
                    layers = file.layers(scale, alternative, arm)
                    where = layers.problem(("model", "kind"), f"model.kind: {config.model.kind}: {why}")
                    raise ReproError(f"{file.path}:{where.line}:{where.column}: {where.text}")
