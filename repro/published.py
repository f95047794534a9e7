"""Evaluation of given weights on photos: torchvision's nets, timm's or Caffe's, with photos prepared as theirs are.

For weights that torchvision publishes, the documented accuracy is printed next to the measured one. The photos and
weights are the same, so a difference of more than a few photos has another cause: the decoder, or the preparation.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from repro import contents
from repro.data.known import KNOWN
from repro.data.photos import prepare as photos_here
from repro.data.photos.chunks import Chunk
from repro.data.photos.measuring import LARGEST_INPUT, measuring, middles
from repro.engine.provenance import provenance
from repro.errors import DataError, ReproError, RunError
from repro.nets import libraries, library, modules, weights
from repro.pages import answers, evaluation
from repro.workers import cores

BATCH: Final = 64  # assumed: any gives the same counts
CAFFE: Final = "bvlc_alexnet"
# models/bvlc_alexnet: 256 x 256 whatever the shape, the centre, less the mean colour of ILSVRC-2012's training photos
CAFFE_SIDE, CAFFE_STORED, CAFFE_MEAN = 227, 256, (122.67891434, 116.66876762, 104.00698793)

Prepare = Callable[[Image.Image], torch.Tensor]


@dataclass(frozen=True)
class Answer:
    """What the net answers to one photo: class numbers, with the probabilities of its answer and of the photo's own
    class, and where the photo lies: (chunk, place in it)."""

    photo: str
    label: int
    said: int
    sure: float
    own: float
    at: tuple[int, int]


@dataclass(frozen=True)
class Counts:
    """Counts of right answers: of the photos read so far, so many right in one answer and in five.

    `left_out`: photos that cannot be taken, with the reason. `turned`: by their EXIF orientation. `notes`: what was
    taken off the file of weights. `documented`: the publisher's (top-1, top-5) accuracy in percent.
    """

    name: str  # of the net and its weights
    classes: int
    total: int
    read: int = 0
    right1: int = 0
    right5: int = 0
    left_out: tuple[str, ...] = ()
    documented: tuple[float, float] | None = None
    turned: int = 0
    notes: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()

    @property
    def images(self) -> int:
        """Photos that were evaluated."""
        return self.read - len(self.left_out)


def evaluation_lines(
    model: str, file: Path | None, photos: str, roots: Sequence[Path], device: str, out: Path
) -> Iterator[str]:
    """Yield a line for each tenth of the photos, then the lines of the whole; write the page into the folder `out`."""
    counts = evaluate(model, file, photos, roots=roots, device=device, workers=cores() - 1)
    last, tenth = next(counts), 0
    for last in counts:
        if 10 * last.read // last.total > tenth:
            tenth = 10 * last.read // last.total
            yield f"{last.read:,} of {last.total:,} photos"
    yield from lines(last)
    page(last, photos, roots, device, out)


def page(counts: Counts, photos: str, roots: Sequence[Path], device: str, out: Path) -> None:
    """Write the page of an evaluation, with every answer as CSV, into the folder `out`."""
    chunks, classes = measuring(photos, roots)
    found = counts.answers
    labels, said = (np.array([getattr(one, name) for one in found], dtype=np.int64) for name in ("label", "said"))
    sure, own = (np.array([getattr(one, name) for one in found]) for name in ("sure", "own"))
    given = answers.Answers(classes, labels, said, sure, own)
    pixels = middles(chunks, {row: found[row].at for row in answers.drawn(given)}, upright=photos not in KNOWN)
    evaluation.write(
        evaluation.Evaluated(
            net=counts.name,
            where=Path(photos).name,
            answers=given,
            photos=tuple(one.photo for one in found),
            right5=counts.right5,
            documented=counts.documented,
            left_out=counts.left_out,
            lines=tuple(lines(counts)),
            provenance=provenance(device),
            pixels=pixels,
        ),
        out,
    )


def evaluate(
    model: str, file: Path | None, photos: str, *, roots: Sequence[Path], device: str, workers: int
) -> Iterator[Counts]:
    """Yield counts of right answers, each photo counted once: at the start, and after each batch, the last the whole.

    `photos`: a known set, or a folder. Of `train/CLASS/*` and `val/CLASS/*`, or of parquet files, the split that
    measures is taken; of `CLASS/*` alone all. `file` None: torchvision's published weights, where torch keeps what it
    has fetched. DataError where weights or photos are missing, ReproError where the weights do not fit the net.
    """
    if not libraries.is_library_net(model) and model != CAFFE:
        raise ReproError(f"--model {model}: found a net that is trained here; expected torchvision:NAME, timm:NAME or "
                         f"{CAFFE}. Errors of runs stand in their records and pages.")  # fmt: skip
    file = file or _fetched(model)
    given = weights.opened(file)
    chunks, names = measuring(photos, roots)
    classes = len(names)
    side = CAFFE_SIDE if model == CAFFE else 0
    net = modules.build(
        **contents.net(model, classes=classes),
        classes=classes,
        image=(3, side, side),
        draw=lambda name: torch.Generator().manual_seed(0),
    )
    given = weights.fitted(net, given)
    heads = [head for head in library.HEADS if any(name.startswith(f"{head}.") for name in given.tensors)]
    weights.put(net, given.tensors, afresh=heads)
    prepare, published, documented = preparation(model, net, file)
    if published and hasattr(net, "transform_input"):
        net.transform_input = True  # torchvision sets it with published weights: they were trained on other constants
    net.to(device).eval()
    readers = min(workers, len(chunks) - 1)  # processes that read; none for a few photos
    loader = DataLoader(
        _Prepared(chunks, prepare, upright=photos not in KNOWN, whole=model == CAFFE),
        batch_size=BATCH,
        num_workers=readers,
        collate_fn=list,
        multiprocessing_context="spawn" if readers else None,  # a process that has used a GPU cannot be forked
    )
    counts = Counts(f"{model} with {published or file}", classes, sum(map(len, chunks)), notes=given.notes,
                    documented=documented)  # fmt: skip
    yield counts
    for batch in loader:
        usable = [(x, label, name, at) for x, label, name, _, at in batch if x is not None]
        right1 = right5 = 0
        answered: list[Answer] = []
        if usable:
            scores = _scores(net, torch.stack([x for x, *_ in usable]).to(device))
            if not bool(scores.isfinite().all()):
                raise RunError(f"{file}: the answers are not numbers{_where_nan(given.tensors)}; no error can be "
                               "measured. Get weights of a training that did not diverge.")  # fmt: skip
            y = torch.tensor([label for _, label, *_ in usable], device=device)
            best = scores.topk(min(5, classes), dim=1).indices == y[:, None]
            right1, right5 = int(best[:, 0].sum()), int(best.any(1).sum())
            shares = scores.float().softmax(1)
            sure, said = shares.max(1)
            own = shares.gather(1, y[:, None])[:, 0]
            found = zip(usable, said.tolist(), sure.tolist(), own.tolist(), strict=True)
            answered = [
                Answer(name, label, answer, likely, of_own, at)
                for (_, label, name, at), answer, likely, of_own in found
            ]
        counts = replace(
            counts,
            read=counts.read + len(batch),
            right1=counts.right1 + right1,
            right5=counts.right5 + right5,
            left_out=(*counts.left_out, *(why for x, _, why, *_ in batch if x is None)),
            turned=counts.turned + sum(turned for *_, turned, _ in batch),
            answers=(*counts.answers, *answered),
        )
        yield counts
    if not counts.images:
        because = f" ({counts.left_out[0]})" if counts.left_out else ""
        raise DataError(f"{photos}: found no photo that can be taken{because}; expected some. Name another folder.")


@torch.no_grad()
def _scores(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return net(x.to(memory_format=torch.channels_last))


def lines(counts: Counts) -> list[str]:
    """Return the result for people: a line for one answer and one for five, each with a 95 % interval (Wilson's)."""
    from scipy.stats import binomtest

    out = [f"{counts.name}: {counts.images:,} photos of {counts.classes:,} classes"]
    for i, (many, right) in enumerate(((1, counts.right1), (5, counts.right5))):
        if many >= counts.classes:
            continue
        low, high = binomtest(right, counts.images).proportion_ci(0.95, method="wilson")
        share = right / counts.images
        text = (
            f"top-{many} error {_percent(1 - share)} (95 % interval {_percent(1 - high)} to {_percent(1 - low)}); "
            f"accuracy {_percent(share)}, {right:,} right"
        )
        if counts.documented:
            documented = counts.documented[i] / 100
            where = "inside" if low <= documented <= high else "outside"
            off = right - round(documented * counts.images)
            text += f"; documented {_percent(documented)}, {where} the interval, {off:+,} photos"
        out.append(text)
    if counts.documented and counts.images != KNOWN["ilsvrc2012"].test:
        out.append(f"documented on the {KNOWN['ilsvrc2012'].test:,} validation photos of ILSVRC-2012, not on these")
    if counts.turned:
        out.append(f"{counts.turned:,} photos were turned upright, as their EXIF orientation says")
    if counts.left_out:
        named = "; ".join(counts.left_out[:5])
        out.append(f"{len(counts.left_out):,} photos are left out: {named}")
    return [*out, *(f"weights: {note}" for note in counts.notes)]


def _where_nan(tensors: Mapping[str, torch.Tensor]) -> str:
    name = weights.not_numbers(tensors)
    return f": {name} holds NaN or infinite values" if name else ""


def _percent(share: float) -> str:
    return f"{100 * share:.3f} %"


def preparation(model: str, net: torch.nn.Module, file: Path) -> tuple[Prepare, str | None, tuple[float, float] | None]:
    """Return how a photo becomes what the net reads, the name of the published weights that the file is, and what is
    documented of them.

    The preparation is torchvision's own transform, timm's own, or Caffe's.
    """
    if model == CAFFE:
        return _caffes, None, None
    source, _, name = model.partition(":")
    if source == "timm":
        from timm.data import create_transform, resolve_model_data_config

        return create_transform(**resolve_model_data_config(net), is_training=False), None, None
    entry = _published(name, file)
    if entry is None:
        import torchvision

        return torchvision.models.get_model_weights(name).DEFAULT.transforms(), None, None
    metrics = entry.meta.get("_metrics", {}).get("ImageNet-1K", {})
    documented = (metrics["acc@1"], metrics["acc@5"]) if {"acc@1", "acc@5"} <= metrics.keys() else None
    return entry.transforms(), f"torchvision's published {entry}", documented


def _published(name: str, file: Path) -> Any:
    """Return torchvision's entry of the weights in a file, known by the start of its sha256; None of other weights."""
    import torchvision

    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    for entry in torchvision.models.get_model_weights(name):
        if (start := re.search(r"-([0-9a-f]{8,})\.pth$", entry.url)) and digest.startswith(start[1]):
            return entry
    return None


def _fetched(model: str) -> Path:
    """Return where torch keeps torchvision's published weights once it has fetched them."""
    source, _, name = model.partition(":")
    if source != "torchvision":
        raise ReproError(f"--weights is missing; expected a file with weights of {model}")
    if name not in libraries.names(source):
        raise ReproError(f"--model {model}: torchvision has no such net")
    import torchvision

    entry = torchvision.models.get_model_weights(name).DEFAULT
    path = Path(torch.hub.get_dir()) / "checkpoints" / entry.url.rpartition("/")[2]
    if not path.is_file():
        raise DataError(
            f"{path}: found no such file, where torch keeps what it has fetched; expected torchvision's weights. Run "
            f"`python -c \"from torchvision.models import get_model; get_model('{name}', weights='DEFAULT')\"`, or "
            "name another file with --weights"
        )
    return path


def _caffes(image: Image.Image) -> torch.Tensor:
    from torchvision.transforms.functional import pil_to_tensor

    before = (CAFFE_STORED - CAFFE_SIDE) // 2
    whole = image.resize((CAFFE_STORED, CAFFE_STORED), Image.Resampling.BILINEAR)
    centre = whole.crop((before, before, before + CAFFE_SIDE, before + CAFFE_SIDE))
    return pil_to_tensor(centre).float() - torch.tensor(CAFFE_MEAN)[:, None, None]


class _Prepared(IterableDataset):
    """(prepared photo or None, label, name and why it is left out, turned, (chunk, place)) of every photo.

    Chunks are dealt out to the processes that read. `upright`: photos are turned as their EXIF orientation says;
    `whole`: a photo far longer than wide is not cut to its middle, since the net sees all of it.
    """

    def __init__(self, chunks: Sequence[Chunk], prepare: Prepare, *, upright: bool, whole: bool) -> None:
        self.chunks, self.prepare, self.upright, self.whole = chunks, prepare, upright, whole

    def __iter__(self) -> Iterator[tuple[torch.Tensor | None, int, str, bool, tuple[int, int]]]:
        here = get_worker_info()
        first, step = (here.id, here.num_workers) if here else (0, 1)
        for number in range(first, len(self.chunks), step):
            for place, (name, label, encoded) in enumerate(self.chunks[number].photos()):
                try:
                    photo = photos_here.decoded(encoded, upright=self.upright, smallest=LARGEST_INPUT)
                except photos_here.Unusable as error:
                    yield None, label, f"{name} ({error})", False, (number, place)
                    continue
                rgb = photo.image if self.whole else photos_here.middle(photo.image)
                yield self.prepare(rgb), label, name, photo.turned, (number, place)
