"""Checks of a run's classes, crops and training rule against its data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from repro.claim import model as claims
from repro.claim.nets import net_mistakes
from repro.claim.overlays import Layers, mapping
from repro.claim.problems import Problem
from repro.claim.resolve import CROPPING, images
from repro.claim.yaml import Loc
from repro.data.known import KNOWN

Claim = claims.Claim[Any, Any, Any]


def class_problems(claim: Claim, layers: Layers) -> list[Problem]:
    """Return mistakes in `data.classes`: unknown or repeated classes, or a set whose images by class are not known."""
    known, out = KNOWN[claim.data.kind], []
    for i, label in enumerate(claim.data.classes or ()):
        if not known.train_of:
            text = f"data.classes: {claim.data.kind} has not been counted by class; take all of it"
            return [layers.problem(("data", "classes"), text)]
        if label >= len(known.classes) or label in (claim.data.classes or ())[:i]:
            why = "stands twice" if label < len(known.classes) else f"expected 0 to {len(known.classes) - 1}"
            out.append(layers.problem(("data", "classes", i), f"data.classes: found {label}; {why}"))
    return out


def run_problems(claim: Claim, layers: Layers) -> list[Problem]:
    """Return the mistakes in a run's classes, else in its crops, else in its net."""
    wrong = class_problems(claim, layers) or crop_problems(claim, layers)
    return wrong or [layers.problem(loc, text) for loc, text in net_mistakes(claim, layers)]


def crop_problems(claim: Claim, layers: Layers) -> list[Problem]:
    """Return mistakes in crops and held-out images: sizes that do not fit, and keys that need others."""
    data, known, out = claim.data, KNOWN[claim.data.kind], []

    def problem(loc: Loc, text: str) -> None:
        out.append(layers.problem(loc, f"{'.'.join(map(str, loc))}: {text}"))

    if data.crop is None:
        if known.photos:
            problem(("data", "kind"), f"{data.kind} are photos of many sizes; expected data.crop beside it")
        for key in sorted(CROPPING - {"crop"} & mapping(layers.data, "data").keys()):
            if layers.is_written(("data", key)):
                problem(("data", key), "is for crops; expected data.crop beside it")
    else:
        for key in ("stored", "crops", "mirror", "mean", "colour"):
            if getattr(data, key) is None:
                problem(("data", "crop"), f"expected data.{key} beside it, for which the paper's recipe has nothing")
        if data.stored and data.crop > data.stored:
            problem(("data", "crop"), f"found {data.crop}; expected at most data.stored, {data.stored}")
        if data.stored and not known.photos and data.stored % known.shape[1]:
            problem(("data", "stored"), f"found {data.stored}; expected a multiple of the images' {known.shape[1]}")
    if data.held_out >= images(data)[0]:
        problem(("data", "held_out"), f"found {data.held_out}; expected less than the {images(data)[0]} images")
    for key, text in _schedule_mistakes(claim):
        problem(("train", key), text)
    return out


def _schedule_mistakes(claim: Claim) -> Iterator[tuple[str, str]]:
    """Yield (key, message) for each mistake in a training rule, given the data and the measure."""
    data, train = claim.data, claim.train
    if train.plateau and not data.held_out:
        yield "plateau", "looks at the held-out error; expected data.held_out beside it"
    if train.drops and train.plateau:
        yield "plateau", "stands beside train.drops; expected one of them"
    if train.drops != sorted(set(train.drops)):
        yield "drops", "found epochs out of order; expected each above the one before"
    if train.fold_in and not data.held_out:
        yield "fold_in", "there are no held-out images to fold in; expected data.held_out beside it"
    if train.fold_in and train.plateau:
        yield "fold_in", "stands beside train.plateau, which looks at the held-out error; expected one"
    if train.fold_in and not claim.measure.longer_epochs:
        text = f"makes later epochs longer, and the measure {claim.measure.kind} counts them as equal"
        yield "fold_in", f"{text}; expected one of an error or of epochs to a level"
    if train.colour_until and (data.crop is None or data.colour == "none"):
        yield "colour_until", "there is no colour noise to end; expected data.crop and data.colour"
