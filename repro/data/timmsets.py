"""Any data set name timm knows, as a source of photos."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from repro.data.known import EVALUATION
from repro.data.photos.files import CHUNK, Chunk, Photo, Source
from repro.errors import DataError


@dataclass(frozen=True)
class Range:
    """Photos lo..hi of one split of a timm data set."""

    split: str
    name: str
    root: str
    theirs: str  # the split's name there
    lo: int
    hi: int

    def __len__(self) -> int:
        return self.hi - self.lo

    def photos(self) -> Iterator[Photo]:
        data = _open(self.name, self.root, self.theirs)
        for i in range(self.lo, self.hi):
            encoded, label = _take(data, i)
            yield f"{self.theirs} {i}", label, encoded


@dataclass(frozen=True)
class Stream:
    """One whole split of a timm data set that can only be read from its start."""

    split: str
    name: str
    root: str
    theirs: str
    photos_said: int

    def __len__(self) -> int:
        return self.photos_said

    def photos(self) -> Iterator[Photo]:
        seen = 0
        for image, label in _open(self.name, self.root, self.theirs):
            yield f"{self.theirs} {seen}", int(label), _as_ppm(image)
            seen += 1
        if seen != (self.photos_said or max(1, seen)):  # timm passes over what it cannot decode
            raise DataError(f"timm:{self.name}, {self.theirs}: found {seen:,} photos that can be read; expected "
                            f"{max(1, self.photos_said):,}, as the set says of itself. Get the set again.")  # fmt: skip


def open_timm(name: str, root: Path) -> Source:
    """The data set `name` as `timm.data.create_dataset` knows it (`torch/cifar10`, `hfds/...`, `tfds/...`, `wds/...`),
    in `root`; nothing is downloaded.

    The train split trains; of the others the first that opens and has labels is the test split. Photos keep their
    encoded bytes where timm hands them out, else they are known by their pixels, as PPM (a format without versions).
    """
    if "/" not in name or name.split("/")[-1] in ("folder", "image_folder"):
        raise DataError(f"timm:{name}: found an image folder; expected a name with a prefix (torch/, hfds/, tfds/, "
                        "wds/). Name the folder itself, without timm.")  # fmt: skip
    train, why = _open(name, str(root), "train"), None
    for theirs in EVALUATION:
        try:
            test = _open(name, str(root), theirs)
        except DataError as error:
            why = why or error
            continue
        if _is_stream(test) or (len(test) and _take(test, 0)[1] >= 0):  # imagenet-1k's test labels are -1
            break
    else:
        raise DataError(f"timm:{name} in {root}: found no labelled split among {', '.join(EVALUATION)}; expected one "
                        f"that measures. {why or 'Name another data set.'}")  # fmt: skip
    if not _is_stream(train) and not len(train):
        raise DataError(f"timm:{name} in {root}: found no training photos; expected some. Fetch the files first.")
    chunks: list[Chunk] = []
    for split, their_name, data in (("train", "train", train), ("test", theirs, test)):
        if _is_stream(data):
            chunks.append(Stream(split, name, str(root), their_name, len(data)))
        else:
            for lo in range(0, len(data), CHUNK):
                chunks.append(Range(split, name, str(root), their_name, lo, min(lo + CHUNK, len(data))))
    listing = f"timm:{name}:{len(train)}:{len(test)}:{root.resolve()}"
    return Source("timm", f"timm:{name} in {root}", _classes(train), tuple(chunks), listing)


@lru_cache(4)
def _open(name: str, root: str, split: str) -> Any:
    try:
        from timm.data import create_dataset

        # is_training would shuffle streams: the order decides nothing here, but it shall be the same each time
        return create_dataset(name, root=root, split=split, download=False, is_training=False)
    except ImportError as error:
        raise DataError(f"timm:{name}: found no package to read it with ({error}); expected one installed: hfds/ "
                        "`pip install datasets`, tfds/ tensorflow-datasets, wds/ webdataset.") from error  # fmt: skip
    # timm and the libraries behind it say what is wrong in many classes; its own checks are assertions
    except (OSError, ValueError, RuntimeError, AssertionError, LookupError, TypeError) as error:
        raise DataError(f"timm:{name} in {root}: found no split {split} that opens: {error or type(error).__name__}; "
                        "expected a name that timm.data.create_dataset takes, and its files under the root. "
                        "Name another, or fetch the files first.") from error  # fmt: skip


def _is_stream(data: Any) -> bool:
    from torch.utils.data import IterableDataset

    return isinstance(data, IterableDataset)


def _take(data: Any, i: int) -> tuple[bytes, int]:
    """Encoded bytes and label of photo i."""
    if not hasattr(data, "reader"):  # torchvision's: decoded
        image, label = data[i]
        return _as_ppm(image), int(label)
    stream, label = data.reader[i][:2]  # timm's own: not yet decoded
    with stream:
        return stream.read(), int(label)


def _classes(data: Any) -> tuple[str, ...]:
    """Class names where the set has them, else none: the packer numbers them by the labels it meets."""
    names = getattr(data, "classes", None)
    if names is not None:
        return tuple(name if isinstance(name, str) else name[0] for name in names)
    index = getattr(getattr(data, "reader", None), "class_to_idx", None) or {}
    return tuple(str(name) for name, _ in sorted(index.items(), key=lambda item: item[1]))


def _as_ppm(image: Any) -> bytes:
    file = io.BytesIO()
    image.convert("RGB").save(file, "PPM")
    return file.getvalue()
