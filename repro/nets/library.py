"""Nets of torchvision and timm, unchanged except that all their randomness is named.

Such a net has no table of layers: its layers, initial values and dropout are the library's. Its parameters keep the
library's names, so weights published for it fit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

from repro.errors import ReproError
from repro.nets import libraries

_DRAWS = "draws"  # attribute of a library's net: the generator for its next forward pass in training
# Two of torchvision's nets have auxiliary heads in training; here they are built without. The rule of their initial
# values must be chosen, or torchvision warns.
OPTIONS = {name: {"aux_logits": False, "init_weights": True} for name in ("googlenet", "inception_v3")}
HEADS = ("aux1", "aux2", "AuxLogits")  # names of these heads in published weights


def build(kind: str, *, classes: int, side: int = 0, draw: Callable[[str], torch.Generator]) -> nn.Module:
    """Build `torchvision:NAME` or `timm:NAME` for `classes`, without published weights, fp32, on the CPU.

    Initial values follow the library's own rules. They are drawn in its order of construction from `draw("library")`:
    two nets of the same name are equal at a seed, but different nets share no values, unlike the nets of this project,
    where a parameter's name decides (DESIGN, randomness). In training, everything that the net draws, such as dropout
    and stochastic depth, comes from the generator that `name_draws` sets, or from torch's own if none is set. Raises
    ReproError for a name that the library does not have. `side`: the side of the images, for nets of timm that accept
    one size only (0: the size that they are published for).
    """
    source, _, name = kind.partition(":")
    known = libraries.names(source)
    if name not in known:
        raise ReproError(f"{kind}: {source} has no such net" if known else f"{kind}: needs `pip install {source}`")
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(draw("library").initial_seed())
        net = _create(source, name, classes, side)
    setattr(net, _DRAWS, None)
    net.register_forward_pre_hook(_seed_draws)
    net.register_forward_hook(_restore_draws, always_call=True)
    return net.to(memory_format=torch.channels_last)


def preparation(kind: str) -> dict[str, Any]:
    """Return how photos are prepared for the published weights of a library's net, as keyword arguments of
    `repro.data.photos.crops`: `constants`, `crop` and `stored`; empty where the library says nothing of it."""
    source, _, name = kind.partition(":")
    if name not in libraries.names(source):
        return {}  # whoever builds it says so
    if source == "timm":
        import timm

        published = timm.get_pretrained_cfg(name)
        if published is None:
            return {}
        mean, std, crop = published.mean, published.std, published.input_size[1]
        stored = round(crop / published.crop_pct)
    else:
        import torchvision

        own = torchvision.models.get_model_weights(name).DEFAULT.transforms()
        mean, std, crop, stored = own.mean, own.std, own.crop_size[0], own.resize_size[0]
    return {"constants": [*mean, *std], "crop": crop, "stored": max(crop, stored)}


def is_library(net: nn.Module) -> bool:
    """Return whether `build` made this net, so that it draws its own randomness."""
    return hasattr(net, _DRAWS)


def name_draws(net: nn.Module, generator: torch.Generator) -> None:
    """Set the generator for everything that a library's net draws in its next training pass."""
    setattr(net, _DRAWS, generator)


@cache  # the arms and alternatives of a claim ask the same
def refusal(kind: str, *, classes: int, image: tuple[int, ...]) -> str | None:
    """Return in one line why a net cannot be trained on images of shape `image`; None if two give [2, classes]."""
    try:
        net = build(kind, classes=classes, side=image[1], draw=lambda name: torch.Generator().manual_seed(0))
        with torch.no_grad():
            out = net.train()(torch.zeros(2, *image))
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        return f"does not take images of {' x '.join(map(str, image))} ({why}); set data.crop to what it takes"
    if not isinstance(out, torch.Tensor) or out.shape != (2, classes):
        given = list(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
        return f"gives {given} for two images in training; expected [2, {classes}], a score for each class"
    return None


def _create(source: str, name: str, classes: int, side: int) -> nn.Module:
    # imported here, so that a process that trains only our nets does not wait for them
    if source == "torchvision":
        import torchvision

        return torchvision.models.get_model(name, weights=None, num_classes=classes, **OPTIONS.get(name, {}))
    import timm

    published = timm.get_pretrained_cfg(name)
    fixed = side and published is not None and published.fixed_input_size and published.input_size[1] != side
    return timm.create_model(name, num_classes=classes, **({"img_size": side} if fixed else {}))


def _seed_draws(net: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Save the state of torch's generators before a forward pass in training, and seed them from the update's."""
    generator = getattr(net, _DRAWS)
    if not net.training or generator is None:
        return
    saved = [(torch.random.default_generator, torch.random.default_generator.get_state())]
    if inputs[0].is_cuda:
        cuda = torch.cuda.default_generators[inputs[0].device.index]
        saved.append((cuda, cuda.get_state()))
    for default, _ in saved:
        default.manual_seed(generator.initial_seed())
    net._saved = saved


def _restore_draws(net: nn.Module, *_: Any) -> None:
    """Restore torch's generators after the pass, also after an error in it."""
    for default, state in net.__dict__.pop("_saved", ()):
        default.set_state(state)
