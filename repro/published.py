"""The test error of given weights on photos: of torchvision's nets, timm's or Caffe's, photos prepared as theirs are.

For weights that torchvision publishes the documented accuracy stands beside what is found. The photos and weights are
the same, so more than a few photos of difference mean that something else is not: the decoder, or the preparation.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image, UnidentifiedImageError
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from repro.data.known import EVALUATION, KNOWN, Known, find_source, how_to_get
from repro.data.photos.chunks import Chunk
from repro.data.photos.sources import open_source
from repro.errors import DataError, ReproError
from repro.nets import library, modules, registry, weights
from repro.workers import cores

BATCH: Final = 64  # assumed: any gives the same counts
CAFFE: Final = "bvlc_alexnet"
# models/bvlc_alexnet: 256 x 256 whatever the shape, the centre, less the mean colour of ILSVRC-2012's training photos
CAFFE_SIDE, CAFFE_STORED, CAFFE_MEAN = 227, 256, (122.67891434, 116.66876762, 104.00698793)

Prepare = Callable[[Image.Image], torch.Tensor]


@dataclass(frozen=True)
class Found:
    """What was found: of the photos seen so many right in one answer and in five.

    `left_out`: photos that do not decode. `documented`: the publisher's (top-1, top-5) accuracy in percent.
    """

    what: str  # the net and its weights
    classes: int
    total: int
    seen: int = 0
    right1: int = 0
    right5: int = 0
    left_out: tuple[str, ...] = ()
    documented: tuple[float, float] | None = None

    @property
    def images(self) -> int:
        """Photos that were looked at."""
        return self.seen - len(self.left_out)


def said(model: str, file: Path | None, photos: str, roots: Sequence[Path], device: str) -> Iterator[str]:
    """What `evaluate` finds, for people, after a line for each tenth of the photos."""
    counts = evaluate(model, file, photos, roots=roots, device=device, workers=cores() - 1)
    last, tenth = next(counts), 0
    for last in counts:
        if 10 * last.seen // last.total > tenth:
            tenth = 10 * last.seen // last.total
            yield f"{last.seen:,} of {last.total:,} photos"
    yield from lines(last)


def evaluate(
    model: str, file: Path | None, photos: str, *, roots: Sequence[Path], device: str, workers: int
) -> Iterator[Found]:
    """Counts of right answers, each photo looked at once: at the start, after each batch, the last one the whole.

    `photos`: a known set, or a folder. Of `train/CLASS/*` and `val/CLASS/*`, or of parquet files, the split that
    measures is taken; of `CLASS/*` alone all. `file` None: torchvision's published weights, where torch keeps what it
    has fetched. DataError where weights or photos are missing, ReproError where the weights do not fit the net.
    """
    if not registry.of_library(model) and model != CAFFE:
        raise ReproError(f"--model {model}: found a net that is trained here; expected torchvision:NAME, timm:NAME or "
                         f"{CAFFE}. Errors of runs stand in their records and pages.")  # fmt: skip
    file = file or _fetched(model)
    tensors = weights.read(file)
    chunks, classes = measuring(photos, roots)
    side = CAFFE_SIDE if model == CAFFE else 0
    net = modules.build(
        model, classes=classes, image=(3, side, side), draw=lambda name: torch.Generator().manual_seed(0)
    )
    heads = [head for head in library.HEADS if any(name.startswith(f"{head}.") for name in tensors)]
    weights.put(net, tensors, afresh=heads)
    prepare, published, documented = preparation(model, net, file)
    if published and hasattr(net, "transform_input"):
        net.transform_input = True  # torchvision sets it with published weights: they were trained on other constants
    net.to(device).eval()
    beside = min(workers, len(chunks) - 1)  # processes that read; none for a few photos
    loader = DataLoader(
        _Prepared(chunks, prepare),
        batch_size=BATCH,
        num_workers=beside,
        collate_fn=list,
        multiprocessing_context="spawn" if beside else None,  # a process that has used a GPU cannot be forked
    )
    found = Found(f"{model} with {published or file}", classes, sum(map(len, chunks)), documented=documented)
    yield found
    for batch in loader:
        usable = [(x, y) for x, y, _ in batch if x is not None]
        right1 = right5 = 0
        if usable:
            scores = _scores(net, torch.stack([x for x, _ in usable]).to(device))
            y = torch.tensor([label for _, label in usable], device=device)
            best = scores.topk(min(5, classes), dim=1).indices == y[:, None]
            right1, right5 = int(best[:, 0].sum()), int(best.any(1).sum())
        found = replace(
            found,
            seen=found.seen + len(batch),
            right1=found.right1 + right1,
            right5=found.right5 + right5,
            left_out=(*found.left_out, *(name for x, _, name in batch if x is None)),
        )
        yield found
    if not found.images:
        raise DataError(f"{photos}: found no photo that decodes; expected some. Name another folder.")


@torch.no_grad()
def _scores(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return net(x.to(memory_format=torch.channels_last))


def lines(found: Found) -> list[str]:
    """What was found, for people: a line for one answer and one for five, each with a 95 % interval (Wilson's)."""
    from scipy.stats import binomtest

    out = [f"{found.what}: {found.images:,} photos of {found.classes:,} classes"]
    for i, (answers, right) in enumerate(((1, found.right1), (5, found.right5))):
        if answers >= found.classes:
            continue
        low, high = binomtest(right, found.images).proportion_ci(0.95, method="wilson")
        share = right / found.images
        text = (
            f"top-{answers} error {_percent(1 - share)} (95 % interval {_percent(1 - high)} to {_percent(1 - low)}); "
            f"accuracy {_percent(share)}, {right:,} right"
        )
        if found.documented:
            documented = found.documented[i] / 100
            where = "inside" if low <= documented <= high else "outside"
            off = right - round(documented * found.images)
            text += f"; documented {_percent(documented)}, {where} the interval, {off:+,} photos"
        out.append(text)
    if found.documented and found.images != KNOWN["ilsvrc2012"].test:
        out.append(f"documented on the {KNOWN['ilsvrc2012'].test:,} validation photos of ILSVRC-2012, not on these")
    if found.left_out:
        named = ", ".join(found.left_out[:5])
        out.append(f"{len(found.left_out):,} photos do not decode and are left out: {named}")
    return out


def _percent(share: float) -> str:
    return f"{100 * share:.3f} %"


def measuring(photos: str, roots: Sequence[Path]) -> tuple[list[Chunk], int]:
    """(what to read, the number of classes) of a known set found in `roots`, or of a folder."""
    known: Known | None = KNOWN.get(photos)
    if known is None:
        if not Path(photos).is_dir():
            names = ", ".join(kind for kind, other in KNOWN.items() if other.photos)
            raise DataError(f"{photos}: found no such folder and no set of that name; expected a folder of photos, or "
                            f"one of {names}")  # fmt: skip
        where = Path(photos)
    elif not known.photos:
        raise ReproError(f"{photos}: found small images; expected photos")
    else:
        found = find_source(photos, roots) or _without_training(known, roots)
        if found is None:
            raise DataError(f"{photos} is not there: {how_to_get(photos)}")
        where = found
    source = open_source(where, known, alone=True)
    chunks = [chunk for chunk in source.chunks if source.split_off or chunk.split == "test"]
    return chunks, len(source.classes)


def _without_training(known: Known, roots: Sequence[Path]) -> Path | None:
    """Where a known set's photos that measure lie alone."""
    for folder in (root / place for root in roots for place in known.places):
        for name in EVALUATION:
            if (folder / name).is_dir():
                return folder / name
            if any(path for part in (folder, folder / "data") for path in part.glob(f"{name}[-_.]*parquet")):
                return folder
    return None


def preparation(model: str, net: torch.nn.Module, file: Path) -> tuple[Prepare, str | None, tuple[float, float] | None]:
    """(how a photo becomes what the net reads, the name of the published weights that the file is, what is documented
    of them): torchvision's own transform, timm's own, or Caffe's."""
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
    said = entry.meta.get("_metrics", {}).get("ImageNet-1K", {})
    documented = (said["acc@1"], said["acc@5"]) if {"acc@1", "acc@5"} <= said.keys() else None
    return entry.transforms(), f"torchvision's published {entry}", documented


def _published(name: str, file: Path) -> Any:
    """torchvision's entry of the weights in a file, known by the start of its sha256; None for other weights."""
    import torchvision

    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for entry in torchvision.models.get_model_weights(name):
        if (start := re.search(r"-([0-9a-f]{8,})\.pth$", entry.url)) and digest.startswith(start[1]):
            return entry
    return None


def _fetched(model: str) -> Path:
    """Where torch keeps torchvision's published weights once it has fetched them."""
    source, _, name = model.partition(":")
    if source != "torchvision":
        raise ReproError(f"--weights is missing; expected a file with weights of {model}")
    if name not in registry.names(source):
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
    """(prepared photo or None, label, name) of every photo; chunks are dealt out to the processes that read."""

    def __init__(self, chunks: Sequence[Chunk], prepare: Prepare) -> None:
        self.chunks, self.prepare = chunks, prepare

    def __iter__(self) -> Iterator[tuple[torch.Tensor | None, int, str]]:
        here = get_worker_info()
        first, step = (here.id, here.num_workers) if here else (0, 1)
        for chunk in self.chunks[first::step]:
            for name, label, encoded in chunk.photos():
                try:
                    with Image.open(io.BytesIO(encoded)) as image:
                        rgb = image.convert("RGB")
                except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                    yield None, label, name
                else:
                    yield self.prepare(rgb), label, name
