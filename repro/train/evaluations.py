"""Evaluations of a trained net: everything that a verdict and a page need of it, as values, curves and small arrays.

An evaluation runs in test mode, without gradients, and leaves the run as it was. Randomness has a name here too: masks
come from the run's seed. The arrays that are kept hold no pixel of any photo. A paper has evaluations of its own in
its `evaluations` module; this one has those which any net may have.
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
    """The results of an evaluation: `values` by name, those that a claim may read and more for the page; `curves`,
    lists of one length; `arrays`, which are kept as .npy."""

    values: dict[str, float]
    curves: dict[str, list[float]] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@torch.no_grad()
def evaluate(run: Trainer, function: Callable[..., Results], **options: object) -> Results:
    """Return what `function`, one of an `EVALUATIONS`, computes of the run's net, in test mode."""
    run.net.eval()
    return function(run, **options)


def ten_views(run: Trainer) -> Results:
    """Compute the errors in ten views, their softmax outputs averaged (AlexNet §4.1), and in the centre view alone.

    Arrays: `shares` [photos, classes], the averaged outputs, and `labels`: so that nets can be averaged later.
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
    for name, answers in (("", 1), ("_top5", 5)):  # of photos answered twice: the counts of McNemar's test
        values[f"won{name}"] = int(((one >= answers) & (ten < answers)).sum())
        values[f"lost{name}"] = int(((one < answers) & (ten >= answers)).sum())
    values["photos"] = len(y)
    kept = torch.cat(averaged).float().cpu().numpy().astype(np.float32 if batches.classes <= WHOLE else np.float16)
    return Results(values, arrays={"shares": kept, "labels": y.cpu().numpy().astype(np.uint16)})


def thinned_nets(run: Trainer, *, masked: tuple[str, str], masks: int, photos: int | None) -> Results:
    """Compare the net as it is tested with the means of thinned nets, after 1, 2, 5, ... of them (AlexNet §4.2).

    `masked`: the names of the hidden and of the last fully-connected layer, whose inputs dropout masks in training. In
    a test their inputs are multiplied by the probability of staying, which is the halved net where that is a half.
    A mask is one net's and the same for all photos, so a thinned net is computed from the units that stay alone. What
    lies below the first mask is computed once. `photos`: the first so many test photos, all where None.
    """
    below, hidden, last, keep = _around_masks(run.net, *masked)
    features, labels = [], []
    for x, y in _first(photos_of(run).test(500), photos):
        features.append(below(x).float().T)
        labels.append(y)
    x, y = torch.cat(features, 1), torch.cat(labels)  # [units, photos]: rows are taken fast

    def answers(first: torch.Tensor, second: torch.Tensor, factor: float) -> torch.Tensor:
        """Log shares, float64 [photos, classes], of the net of these units alone, their outputs times `factor`."""
        weights = hidden.weight.index_select(0, second).index_select(1, first)
        middle = factor * weights @ x.index_select(0, first) + hidden.bias[second, None]
        middle = _between(run.net, hidden, last)(middle)
        logits = factor * last.weight.index_select(1, second) @ middle + last.bias[:, None]
        return logits.T.double().log_softmax(1)

    units = hidden.in_features, last.in_features
    first, second = (torch.arange(count, device=x.device) for count in units)
    halved = answers(first, second, keep)  # every unit, as in test mode
    draw = generator(run.seed, "thinned nets")
    of_logs, of_shares, alone = torch.zeros_like(halved), torch.zeros_like(halved), 0.0
    curves: dict[str, list[float]] = {}
    counts = {*(count for count in COUNTS if count < masks), masks}
    for count in range(1, masks + 1):
        first, second = ((torch.rand(u, generator=draw) < keep).nonzero().squeeze(1).to(x.device) for u in units)
        logs = answers(first, second, 1.0)
        of_logs += logs
        of_shares += logs.exp()
        alone += share(rank(logs, y) >= 1)
        if count not in counts:
            continue
        geometric, arithmetic = (of_logs / count).log_softmax(1), (of_shares / count).log()
        row = {"masks": float(count)}
        for name, mean in (("geometric", geometric), ("arithmetic", arithmetic)):
            row[f"{name}_error"] = share(rank(mean, y) >= 1)
            row[f"{name}_divergence"] = float((mean.exp() * (mean - halved)).nan_to_num().sum(1).mean())
            row[f"{name}_agrees"] = share(mean.argmax(1) == halved.argmax(1))
        for name, value in row.items():
            curves.setdefault(name, []).append(value)
    error = share(rank(halved, y) >= 1)
    values = {name: of_count[-1] for name, of_count in curves.items() if name != "masks"}
    values |= {"halved_error": error, "thinned_error": alone / masks, "photos": len(y), "masks": masks}
    values["excess"] = error - values["geometric_error"]
    values["excess_arithmetic"] = error - values["arithmetic_error"]
    return Results(values, curves)


def neighbours(run: Trainer, *, layer: str, nearest: int, queries: int | None, gallery: int | None) -> Results:
    """Compare the training photos that are nearest to test photos by a layer's outputs with those nearest by pixels.

    Distances are Euclidean, of centre views on both sides, and of outputs after the layer's non-linearity. `queries`:
    the first so many test photos; `gallery`: so many training photos, of each class in proportion; all where None.
    `pixel_rank`: the place of the layer's neighbours in the gallery sorted by pixels, from 0, the nearest, to 1; chance
    gives a half.
    """
    batches = photos_of(run)
    features: list[torch.Tensor] = []
    hook = _activation(run.net, layer).register_forward_hook(lambda _, __, out: features.append(out.float()))
    pixels, labels, flat = [], [], []
    for x, y in _first(batches.test(500), queries):
        run.logits(x)
        flat.append(x.flatten(1).contiguous())
        labels.append(y)
    asked, of_asked, query_pixels, y = torch.cat(features), torch.cat(labels), torch.cat(flat), []
    features.clear()
    for x, labels_ in batches.fixed(250, gallery or len(batches)):
        run.logits(x)
        pixels.append(_squares(query_pixels, x.flatten(1).contiguous()))
        y.append(labels_)
    hook.remove()
    there, by_pixels = torch.cat(y), torch.cat(pixels, 1)
    by_features = _squares(asked, torch.cat(features))
    near = by_features.topk(nearest, largest=False).indices
    near_pixels = by_pixels.topk(nearest, largest=False).indices
    places = torch.stack([(by_pixels < by_pixels.gather(1, near[:, i : i + 1])).sum(1) for i in range(nearest)])
    places = places.double() / max(1, len(there) - 1)
    right = there[near] == of_asked[:, None]
    right_pixels = there[near_pixels] == of_asked[:, None]
    chance = float((there.bincount(minlength=batches.classes)[of_asked].double() / len(there)).mean())
    values = {"precision": share(right.flatten()), "pixel_precision": share(right_pixels.flatten())}
    values |= {"gain": values["precision"] - values["pixel_precision"], "chance": chance}
    values |= {"pixel_rank": float(places.mean()), "pixel_rank_median": float(places.flatten().median())}
    shared = (near[:, :, None] == near_pixels[:, None, :]).any(2)
    values |= {"shared": share(shared.flatten()), "queries": len(of_asked), "gallery": len(there)}
    curves = {"nearest": [float(i + 1) for i in range(nearest)]}
    curves["precision"] = [share(right[:, i]) for i in range(nearest)]
    curves["pixel_precision"] = [share(right_pixels[:, i]) for i in range(nearest)]
    curves["pixel_rank"] = [float(places[i].mean()) for i in range(nearest)]
    return Results(values, curves)


def shifted_colours(run: Trainer, *, by: float) -> Results:
    """Compute the errors of the centre view with all test photos shifted along a principal component of colour.

    Three components, the largest first, each both ways, by `by` of its deviations. Pixels are not clipped, as they are
    not by the noise in training (AlexNet §4.1).
    """
    batches = photos_of(run)
    of = batches.components
    steps = [sign * by * np.sqrt(of.variances[j]) * of.vectors[:, j] for j in (2, 1, 0) for sign in (1, -1)]
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
    """Yield batches until there are so many photos, the last cut to that; all where None."""
    left = most
    for x, y in batches:
        if left is not None and left <= len(y):
            yield x[:left], y[:left]
            return
        yield x, y
        left = None if left is None else left - len(y)


def _squares(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Squared Euclidean distances, [n, m] of [n, d] and [m, d]."""
    return a.square().sum(1)[:, None] - 2 * a @ b.T + b.square().sum(1)[None]


def _around_masks(net: nn.Module, hidden: str, last: str) -> tuple[nn.Sequential, nn.Linear, nn.Linear, float]:
    """Return what lies below the mask of layer `hidden`, that layer, layer `last`, and the probability of staying."""
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
    """Return what stands between two layers but for masks: the non-linearity."""
    children = list(net.children())
    inside = children[children.index(hidden) + 1 : children.index(last)]
    return nn.Sequential(*(layer for layer in inside if not isinstance(layer, layers.Dropout)))


def _activation(net: nn.Module, layer: str) -> nn.Module:
    """Return what gives the outputs of a layer after its non-linearity, which stands behind it."""
    names = [name for name, _ in net.named_children()]
    return net.get_submodule(names[names.index(layer) + 1])


# The evaluations of any net, by the kind under which they are recorded. Thinned nets and neighbours want the names of
# layers, which a paper gives.
EVALUATIONS: Final[Mapping[str, Callable[..., Results]]] = {
    "ten_views": ten_views,
    "shifted_colours": shifted_colours,
}
