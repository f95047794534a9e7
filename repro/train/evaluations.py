"""Evaluations of a trained net: the values, curves and small arrays that verdicts and pages need.

An evaluation runs in test mode, without gradients, and does not change the run. Its randomness is named too: masks
come from the run's seed. The arrays contain no pixels of photos. This module has the evaluations of any net; those of a
single paper's nets are in its `evaluations` module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import nn

from repro.data.batches import Batch
from repro.data.photos.crops import PhotoBatches
from repro.nets import layers
from repro.train.loop import Trainer
from repro.train.seeds import generator
from repro.train.testing import rank, share

AT_ONCE = 100  # photos in ten views; 500 in one (assumed: what fits in memory anywhere)
WHOLE = 100  # classes up to which softmax outputs are kept in float32; beyond, float16 (ImageNet's are 100 MB)
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)


@dataclass(frozen=True)
class Results:
    """The results of an evaluation.

    `values`: by name, for claims and pages. `curves`: lists of equal length. `arrays`: stored as .npy files.
    """

    values: dict[str, float]
    curves: dict[str, list[float]] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@torch.no_grad()
def evaluate(run: Trainer, function: Callable[..., Results], **options: object) -> Results:
    """Return the results of `function`, one of `EVALUATIONS`, for the run's net in test mode."""
    run.net.eval()
    return function(run, **options)


def ten_views(run: Trainer) -> Results:
    """Compute the errors in ten views, their softmax outputs averaged (AlexNet §4.1), and in the centre view alone.

    Arrays: `shares` [photos, classes], the averaged outputs, and `labels`; with them nets can be averaged later.
    """
    batches = photos_of(run)
    averaged, places, alone, labels = [], [], [], []
    for x, y in batches.views(AT_ONCE):
        shares = torch.stack([run.logits(view).softmax(1) for view in x]).mean(0)
        averaged.append(shares)
        places.append(rank(shares, y))
        labels.append(y)
    for x, y in batches.test(500):
        alone.append(rank(run.logits(x), y))
    ten, one, y = torch.cat(places), torch.cat(alone), torch.cat(labels)
    values = {"views_error": share(ten >= 1), "views_top5": share(ten >= 5)}
    values |= {"error": share(one >= 1), "top5": share(one >= 5)}
    values |= {"gain": values["error"] - values["views_error"], "gain_top5": values["top5"] - values["views_top5"]}
    for name, answers in (("", 1), ("_top5", 5)):  # the counts of McNemar's test
        values[f"won{name}"] = int(((one >= answers) & (ten < answers)).sum())
        values[f"lost{name}"] = int(((one < answers) & (ten >= answers)).sum())
    values["photos"] = len(y)
    kept = torch.cat(averaged).float().cpu().numpy().astype(np.float32 if batches.classes <= WHOLE else np.float16)
    return Results(values, arrays={"shares": kept, "labels": y.cpu().numpy().astype(np.uint16)})


def thinned_nets(run: Trainer, *, masked: tuple[str, str], masks: int, photos: int | None) -> Results:
    """Compare the net in test mode with the means over 1, 2, 5, ... thinned nets (AlexNet §4.2).

    `masked`: the names of the hidden and of the last fully connected layer, whose inputs dropout masks in training. In
    test mode their inputs are multiplied by the probability of being kept: with one half, this is the halved net. A
    thinned net has one mask for all photos, so it is computed from its kept units only. The layers below the first mask
    are computed once. `photos`: use the first so many test photos; None: all.
    """
    below, hidden, last, keep = _around_masks(run.net, *masked)
    features, labels = [], []
    for x, y in _first(photos_of(run).test(500), photos):
        features.append(below(x).float().T)
        labels.append(y)
    x, y = torch.cat(features, 1), torch.cat(labels)  # [units, photos], because selecting rows is fast

    def answers(first: torch.Tensor, second: torch.Tensor, factor: float) -> torch.Tensor:
        """Return log shares, float64 [photos, classes], of the net with only these units, scaled by `factor`."""
        weights = hidden.weight.index_select(0, second).index_select(1, first)
        middle = factor * weights @ x.index_select(0, first) + hidden.bias[second, None]
        middle = _between(run.net, hidden, last)(middle)
        logits = factor * last.weight.index_select(1, second) @ middle + last.bias[:, None]
        return logits.T.double().log_softmax(1)

    units = hidden.in_features, last.in_features
    first, second = (torch.arange(count, device=x.device) for count in units)
    halved = answers(first, second, keep)  # every unit, as in test mode
    draw = generator(run.seed, "thinned nets")
    sum_of_logs, sum_of_shares, alone = torch.zeros_like(halved), torch.zeros_like(halved), 0.0
    curves: dict[str, list[float]] = {}
    counts = {*(count for count in COUNTS if count < masks), masks}
    for count in range(1, masks + 1):
        first, second = ((torch.rand(u, generator=draw) < keep).nonzero().squeeze(1).to(x.device) for u in units)
        logs = answers(first, second, 1.0)
        sum_of_logs += logs
        sum_of_shares += logs.exp()
        alone += share(rank(logs, y) >= 1)
        if count not in counts:
            continue
        geometric, arithmetic = (sum_of_logs / count).log_softmax(1), (sum_of_shares / count).log()
        row = {"masks": float(count)}
        for name, mean in (("geometric", geometric), ("arithmetic", arithmetic)):
            row[f"{name}_error"] = share(rank(mean, y) >= 1)
            row[f"{name}_divergence"] = float((mean.exp() * (mean - halved)).nan_to_num().sum(1).mean())
            row[f"{name}_agrees"] = share(mean.argmax(1) == halved.argmax(1))
        for name, value in row.items():
            curves.setdefault(name, []).append(value)
    error = share(rank(halved, y) >= 1)
    values = {name: by_count[-1] for name, by_count in curves.items() if name != "masks"}
    values |= {"halved_error": error, "thinned_error": alone / masks, "photos": len(y), "masks": masks}
    values["excess"] = error - values["geometric_error"]
    values["excess_arithmetic"] = error - values["arithmetic_error"]
    return Results(values, curves)


def neighbours(run: Trainer, *, layer: str, nearest: int, queries: int | None, gallery: int | None) -> Results:
    """Compare the nearest training photos of test photos by a layer's outputs with the nearest ones by pixels.

    Distances are Euclidean, between centre views, and between outputs after the layer's non-linearity. `queries`: use
    the first so many test photos; `gallery`: use so many training photos, each class in proportion; None: all.
    `pixel_rank`: the rank of the layer's neighbours in the gallery sorted by pixels, from 0, the nearest, to 1; 0.5 by
    chance.
    """
    batches = photos_of(run)
    features: list[torch.Tensor] = []
    hook = _activation(run.net, layer).register_forward_hook(lambda _, __, out: features.append(out.float()))
    pixels, labels, flat = [], [], []
    for x, y in _first(batches.test(500), queries):
        run.logits(x)
        flat.append(x.flatten(1).contiguous())
        labels.append(y)
    query_features, query_labels, query_pixels, y = torch.cat(features), torch.cat(labels), torch.cat(flat), []
    features.clear()
    for x, labels_ in batches.fixed(250, gallery or len(batches)):
        run.logits(x)
        pixels.append(_squares(query_pixels, x.flatten(1).contiguous()))
        y.append(labels_)
    hook.remove()
    gallery_labels, by_pixels = torch.cat(y), torch.cat(pixels, 1)
    by_features = _squares(query_features, torch.cat(features))
    near = by_features.topk(nearest, largest=False).indices
    near_pixels = by_pixels.topk(nearest, largest=False).indices
    places = torch.stack([(by_pixels < by_pixels.gather(1, near[:, i : i + 1])).sum(1) for i in range(nearest)])
    places = places.double() / max(1, len(gallery_labels) - 1)
    right = gallery_labels[near] == query_labels[:, None]
    right_pixels = gallery_labels[near_pixels] == query_labels[:, None]
    chance = float(
        (gallery_labels.bincount(minlength=batches.classes)[query_labels].double() / len(gallery_labels)).mean()
    )
    values = {"precision": share(right.flatten()), "pixel_precision": share(right_pixels.flatten())}
    values |= {"gain": values["precision"] - values["pixel_precision"], "chance": chance}
    values |= {"pixel_rank": float(places.mean()), "pixel_rank_median": float(places.flatten().median())}
    shared = (near[:, :, None] == near_pixels[:, None, :]).any(2)
    values |= {"shared": share(shared.flatten()), "queries": len(query_labels), "gallery": len(gallery_labels)}
    curves = {"nearest": [float(i + 1) for i in range(nearest)]}
    curves["precision"] = [share(right[:, i]) for i in range(nearest)]
    curves["pixel_precision"] = [share(right_pixels[:, i]) for i in range(nearest)]
    curves["pixel_rank"] = [float(places[i].mean()) for i in range(nearest)]
    return Results(values, curves)


def shifted_colours(run: Trainer, *, by: float) -> Results:
    """Compute the errors of the centre view of test photos shifted along a principal component of colour.

    Each of the three components, the largest first, is shifted by plus and minus `by` of its deviations. Pixels are not
    clipped, like those with the noise in training (AlexNet §4.1).
    """
    batches = photos_of(run)
    components = batches.components
    steps = [
        sign * by * np.sqrt(components.variances[j]) * components.vectors[:, j] for j in (2, 1, 0) for sign in (1, -1)
    ]
    shifts = [batches.in_inputs(step) for step in (np.zeros(3), *steps)]
    wrong = torch.zeros(len(shifts), dtype=torch.float64)
    count = 0
    for x, y in batches.test(500):
        count += len(y)
        for i, shift in enumerate(shifts):
            wrong[i] += int((rank(run.logits(x + shift), y) >= 1).sum())
    error, *shifted = (wrong / count).tolist()
    values = {"error": error, "shifted_error": sum(shifted) / len(shifted), "photos": count}
    values["shifted_rise"] = values["shifted_error"] - error
    curves = {"component": [1.0, 1.0, 2.0, 2.0, 3.0, 3.0], "by": [by, -by] * 3, "error": shifted}
    return Results(values, curves)


def photos_of(run: Trainer) -> PhotoBatches:
    """Return the run's photos."""
    assert isinstance(run.batches, PhotoBatches), "the claim's check asks for crops"
    return run.batches


def _first(batches: Iterator[Batch], most: int | None) -> Iterator[Batch]:
    """Yield batches up to `most` photos, the last one cut; None: all."""
    left = most
    for x, y in batches:
        if left is not None and left <= len(y):
            yield x[:left], y[:left]
            return
        yield x, y
        left = None if left is None else left - len(y)


def _squares(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the squared Euclidean distances [n, m] between rows of [n, d] and [m, d]."""
    return a.square().sum(1)[:, None] - 2 * a @ b.T + b.square().sum(1)[None]


def _around_masks(net: nn.Module, hidden: str, last: str) -> tuple[nn.Sequential, nn.Linear, nn.Linear, float]:
    """Return (the layers below the mask of `hidden`, layer `hidden`, layer `last`, the probability of being kept)."""
    children = dict(net.named_children())
    names = list(children)
    place = names.index(hidden) - 1
    dropout, middle, end = children[names[place]], children[hidden], children[last]
    assert isinstance(dropout, layers.Dropout), dropout
    assert isinstance(children[names[names.index(last) - 1]], layers.Dropout), last
    assert isinstance(middle, nn.Linear), middle
    assert isinstance(end, nn.Linear), end
    return nn.Sequential(*list(children.values())[:place]), middle, end, dropout.keep


def _between(net: nn.Module, hidden: nn.Module, last: nn.Module) -> nn.Sequential:
    """Return the layers between two layers except dropout: the non-linearity."""
    children = list(net.children())
    inside = children[children.index(hidden) + 1 : children.index(last)]
    return nn.Sequential(*(layer for layer in inside if not isinstance(layer, layers.Dropout)))


def _activation(net: nn.Module, layer: str) -> nn.Module:
    """Return the non-linearity that follows a layer."""
    names = [name for name, _ in net.named_children()]
    return net.get_submodule(names[names.index(layer) + 1])


# The evaluations of any net, by their recorded kind. Thinned nets and neighbours need names of layers, so papers list
# them.
EVALUATIONS: Final[Mapping[str, Callable[..., Results]]] = {
    "ten_views": ten_views,
    "shifted_colours": shifted_colours,
}
