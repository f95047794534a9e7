"""A trained net looked at, with everything that a verdict and a page need of it: values, curves and small arrays.

Every look is in test mode and leaves the run as it was. Randomness has a name here too: masks and permutations come
from the run's seed. Arrays that are kept hold no pixel of any photo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from repro.data.photos.crops import PhotoBatches
from repro.nets import layers
from repro.train.loop import Trainer, initial_net
from repro.train.seeds import generator
from repro.train.testing import rank, share

AT_ONCE = 100  # photos in ten views; 500 in one (assumed: what fits in memory anywhere)
WHOLE = 100  # classes up to which softmax outputs are kept in float32; beyond, float16 (ImageNet's are 100 MB)
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)


@dataclass(frozen=True)
class Seen:
    """What a look found. `values` by name, as `repro.claim.evaluation` has them and more for the page; `curves`: lists
    of one length; `arrays`: what is kept as .npy."""

    values: dict[str, float]
    curves: dict[str, list[float]] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@torch.no_grad()
def look(run: Trainer, model: Mapping[str, Any], kind: str, **options: Any) -> Seen:
    """Look at a run as `kind` says; `options` are those of its model in `repro.claim.evaluation`, `model` the arguments
    that its net was built by."""
    run.net.eval()
    if kind == "kernels":
        return kernels(run, model, **options)
    looks: dict[str, Callable[..., Seen]] = {
        "ten_views": ten_views,
        "thinned_nets": thinned_nets,
        "neighbours": neighbours,
    }
    return (looks | {"shifted_colours": shifted_colours})[kind](run, **options)


def ten_views(run: Trainer) -> Seen:
    """Errors in ten views, their softmax outputs averaged (§4.1), and in the centre view alone.

    Arrays: `shares` [photos, classes], the averaged outputs, and `labels`: so that nets can be averaged later.
    """
    batches = _photos(run)
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
    for name, answers in (("", 1), ("_top5", 5)):  # of one photo looked at twice: what McNemar's test counts
        values[f"won{name}"] = int(((one >= answers) & (ten < answers)).sum())
        values[f"lost{name}"] = int(((one < answers) & (ten >= answers)).sum())
    values["photos"] = len(y)
    kept = torch.cat(averaged).float().cpu().numpy().astype(np.float32 if batches.classes <= WHOLE else np.float16)
    return Seen(values, arrays={"shares": kept, "labels": y.cpu().numpy().astype(np.uint16)})


def thinned_nets(run: Trainer, *, masks: int, photos: int | None) -> Seen:
    """The net whose hidden outputs are halved against the means of thinned nets (§4.2), after 1, 2, 5, ... of them.

    Each mask is one net's: all photos see it, so a thinned net is computed from the units that stay alone. What lies
    below the first mask is computed once.
    """
    below, hidden, last, keep = _around_masks(run.net)
    features, labels = [], []
    for x, y in _first(_photos(run).test(500), photos):
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
    return Seen(values, curves)


def kernels(run: Trainer, model: Mapping[str, Any], *, permutations: int, new: float) -> Seen:
    """How much of conv1's kernels is colour, by tower (§6.1): the first half of the kernels is tower 1.

    What a kernel has learned is the kernel less its projection on its initial values: what is left of the noise. The
    chroma share is the part of the learned energy that lies off the grey axis; of noise it would be 2/3. A kernel of
    whose energy less than `new` is learned does not count.
    Arrays: `kernels` [kernels, 3, height, width], `new` and `chroma` [kernels].
    """
    batches = _photos(run)
    now = run.net.get_parameter("conv1.weight").detach().float().cpu()
    began = initial_net(model, seed=run.seed, classes=batches.classes, image=batches.image)
    start = began.get_parameter("conv1.weight").detach().float()
    now, start = now.contiguous().double(), start.contiguous().double()
    left = (now * start).sum((1, 2, 3)) / start.square().sum((1, 2, 3))
    learned = now - left[:, None, None, None] * start
    energy = learned.square().sum((1, 2, 3))
    share = energy / now.square().sum((1, 2, 3))
    chroma = 1 - 3 * learned.mean(1).square().sum((1, 2)) / energy.clamp(min=1e-30)
    tower = torch.arange(len(now)) >= len(now) // 2
    counted = share >= new
    shares, of_second = chroma[counted], tower[counted]
    values: dict[str, float] = {"kernels": len(now), "learned": len(shares), "learned_1": int((~of_second).sum())}
    values |= {"learned_2": int(of_second.sum()), "p": 1.0, "difference": 0.0}
    for name, part in (("chroma_1", shares[~of_second]), ("chroma_2", shares[of_second])):
        values[name] = float(part.mean()) if len(part) else float("nan")
    if values["learned_1"] and values["learned_2"]:
        size, total = int(of_second.sum()), shares.sum()

        def apart(sums: torch.Tensor) -> torch.Tensor:
            return (sums / size - (total - sums) / (len(shares) - size)).abs()

        draw = generator(run.seed, "permutations")
        orders = (torch.randperm(len(shares), generator=draw)[:size] for _ in range(permutations))
        drawn = torch.stack([shares[order].sum() for order in orders])
        found = apart(shares[of_second].sum())
        # what was found is one of the arrangements, so p is never 0; equal sums may differ in their last digits
        values["p"] = (1 + int((apart(drawn) >= found - 1e-12).sum())) / (1 + permutations)
        values["difference"] = float(found)
    values = {name: value for name, value in values.items() if value == value}
    kept = {"kernels": now.numpy().astype(np.float16), "new": share.numpy().astype(np.float32)}
    return Seen(values, arrays=kept | {"chroma": chroma.numpy().astype(np.float32)})


def neighbours(run: Trainer, *, nearest: int, queries: int | None, gallery: int | None) -> Seen:
    """The nearest training photos of test photos, by the outputs of fc7 and by pixels, both Euclidean (§6.1).

    Centre views on both sides. `pixel_rank`: of fc7's neighbours the place among the gallery by pixels, from 0, the
    nearest, to 1; chance gives a half.
    """
    batches = _photos(run)
    features: list[torch.Tensor] = []
    hook = _fc7(run.net).register_forward_hook(lambda _, __, out: features.append(out.float()))
    pixels, labels, flat = [], [], []
    for x, y in _first(batches.test(500), queries):
        run.logits(x)
        flat.append(x.flatten(1).contiguous())
        labels.append(y)
    asked, of_asked, seen, y = torch.cat(features), torch.cat(labels), torch.cat(flat), []
    features.clear()
    for x, labels_ in batches.fixed(250, gallery or len(batches)):
        run.logits(x)
        pixels.append(_squares(seen, x.flatten(1).contiguous()))
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
    return Seen(values, curves)


def shifted_colours(run: Trainer, *, by: float) -> Seen:
    """Errors of the centre view when all test photos are shifted along one principal component of colour, by so many of
    its deviations: three components, the largest first, each both ways. Pixels are not clipped, nor are they by the
    noise of §4.1; test photos see no division."""
    batches = _photos(run)
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
    return Seen(values, curves)


def _photos(run: Trainer) -> PhotoBatches:
    assert isinstance(run.batches, PhotoBatches), "the claim's check asks for crops"
    return run.batches


def _first(batches: Iterator[tuple[torch.Tensor, torch.Tensor]], most: int | None) -> Iterator[Any]:
    """The batches until there are so many photos, the last cut to that."""
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


def _around_masks(net: nn.Module) -> tuple[nn.Sequential, nn.Linear, nn.Linear, float]:
    """(what lies below the first mask, the layer between the masks, the last layer, the probability of staying)."""
    children = dict(net.named_children())
    names = list(children)
    first, second = (names.index(name) for name, layer in children.items() if isinstance(layer, layers.Dropout))
    hidden, last = children[names[first + 1]], children[names[second + 1]]
    assert isinstance(hidden, nn.Linear), hidden
    assert isinstance(last, nn.Linear), last
    dropout = children[names[first]]
    assert isinstance(dropout, layers.Dropout)
    return nn.Sequential(*list(children.values())[:first]), hidden, last, dropout.keep


def _between(net: nn.Module, hidden: nn.Module, last: nn.Module) -> nn.Sequential:
    """What stands between two layers but for masks: the non-linearity."""
    children = list(net.children())
    inside = children[children.index(hidden) + 1 : children.index(last)]
    return nn.Sequential(*(layer for layer in inside if not isinstance(layer, layers.Dropout)))


def _fc7(net: nn.Module) -> nn.Module:
    """The layer that gives the outputs of fc7, after its non-linearity."""
    names = [name for name, _ in net.named_children()]
    return net.get_submodule(names[names.index("fc7") + 1])
