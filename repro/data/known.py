"""The sets this project knows, what their packed images hash to, and where to look for their files. No torch here.

Photos (`Known.photos`) are packed at a size, into a folder of their own for each (`repro.data.photos.maps`); small
images are packed as they are, into one file.
"""

import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

from repro.data.layouts import PARQUET_PLACES, folders, inside, parquet_folders, split_of
from repro.errors import ReproError

Split = Literal["train", "test"]
SPLITS: tuple[Split, Split] = ("train", "test")


class LeftOut(TypedDict):
    """Photos of a set that were unusable when it was packed."""

    left_out: int
    names: list[str]  # the first of them, each with its split and the reason


@dataclass(frozen=True)
class Known:
    """A data set and its identity.

    `content` is the sha256 of the packed set (`repro.data.pack.content`). It depends on pixels and labels alone, never
    on the container, the order or the names of the files. `shape` is (channels, height, width).

    Of photos `content` is over encoded bytes and labels (`repro.data.photos.digests.content`), whatever size they are
    packed at. It is empty where no copy of the set was at hand; the set is then held to its counts, and its pack's
    manifest says what it is. `shape` is what the files hold, (3, 0, 0) where that varies. `classes` are numbers where
    names come with the data.

    train_of, test_of  how many of `train` and `test` are of each class, empty where that is not known; only of these
                       sets can some classes be taken
    folders            names of the class folders, in the order of the labels
    places             where the set may lie in a root
    within             how many photos more or fewer than `train` and `test` there may be, where printed counts are
                       rounded
    home, size         who publishes the files, by name, and how large they are; empty where nothing is to be fetched
    split_off          k, where the set comes in class folders without splits: every k-th photo of each class, in the
                       order of digests, is for testing; else 0
    """

    kind: str
    title: str
    source: str
    classes: tuple[str, ...]
    content: str
    shape: tuple[int, int, int] = (3, 32, 32)
    train: int = 50_000
    test: int = 10_000
    train_of: tuple[int, ...] = ()
    test_of: tuple[int, ...] = ()
    photos: bool = False
    folders: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    within: int = 0
    split_off: int = 0
    home: str = ""
    size: str = ""


KNOWN: dict[str, Known] = {
    known.kind: known
    for known in (
        Known(
            kind="digits",
            title="scikit-learn's handwritten digits, 8x8 shown as 32x32 RGB",
            source="sklearn.datasets.load_digits: the test set of the UCI optical recognition of handwritten digits",
            classes=tuple("0123456789"),
            content="a090b923d9722339fe5628218e70bd66905845ba8da5eaa150df2cb14605f870",
            train=1_442,
            test=355,
            train_of=(143, 146, 142, 147, 145, 146, 145, 144, 140, 144),
            test_of=(35, 36, 35, 36, 36, 36, 36, 35, 34, 36),
        ),
        Known(
            kind="cifar10",
            title="CIFAR-10",
            source="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
            classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
            home="the University of Toronto (A. Krizhevsky's page of CIFAR-10) or as parquet from a dataset hub",
            size="170 MB",
            content="c72b0292e775fe3b6a0e81576e8a19c1729837436ca006ee3fb9c92063bb0198",
        ),
        Known(
            kind="imagenette",
            title="Imagenette, ten classes of ImageNet, photos of 224x224",
            source="J. Howard, Imagenette, 2019: a subset of ILSVRC-2012's training photos",
            classes=(
                "tench", "English springer", "cassette player", "chain saw", "church",
                "French horn", "garbage truck", "gas pump", "golf ball", "parachute",
            ),
            home="a dataset hub, as parquet of photos of 224x224; fast.ai publishes the larger originals",
            size="135 MB",
            content="3d439d99f2783cd95aa711561c1ba0206fa16d2a503c3f166208458529d56bab",
            shape=(3, 224, 224),
            train=9_469,
            test=3_925,
            train_of=(963, 955, 993, 858, 941, 956, 961, 931, 951, 960),
            test_of=(387, 395, 357, 386, 409, 394, 389, 419, 399, 390),
            photos=True,
            folders=(
                "n01440764", "n02102040", "n02979186", "n03000684", "n03028079",
                "n03394916", "n03417042", "n03425413", "n03445777", "n03888257",
            ),
            places=("imagenette",),
        ),
        Known(
            kind="ilsvrc2012",
            title="ILSVRC-2012, ImageNet's thousand classes, its validation photos as the test split",
            source="O. Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, 2015",
            classes=tuple(map(str, range(1000))),
            home="image-net.org (ILSVRC 2012, after registration) or as parquet from a dataset hub (imagenet-1k)",
            size="about 150 GB",
            content="",
            shape=(3, 0, 0),
            train=1_281_167,
            test=50_000,
            photos=True,
            places=("ilsvrc2012", "imagenet-1k", "imagenet", "ILSVRC/Data/CLS-LOC"),
        ),
        Known(
            kind="ilsvrc2010",
            title="ILSVRC-2010, a thousand classes, with labelled test photos",
            source="A. Berg, J. Deng, L. Fei-Fei, ImageNet Large Scale Visual Recognition Challenge 2010",
            classes=tuple(map(str, range(1000))),
            home="image-net.org (ILSVRC 2010, after registration)",
            size="about 150 GB",
            content="",
            shape=(3, 0, 0),
            train=1_261_406,
            test=150_000,
            photos=True,
            places=("ilsvrc2010",),
        ),
        Known(
            # The release counts 14,197,122 photos in 21,841 classes ("15M images, 22K categories" in §6 of the paper)
            # and has no split: 50,000 of them put aside as val/ is an assumption.
            kind="imagenet_fall2011",
            title="ImageNet's Fall 2011 release, all of its classes",
            source="J. Deng et al., ImageNet: A Large-Scale Hierarchical Image Database, 2009; release of fall 2011",
            classes=tuple(map(str, range(21_841))),
            home="image-net.org, where it is no longer offered, or whoever kept fall11_whole.tar",
            size="about 1.2 TB",
            content="",
            shape=(3, 0, 0),
            train=14_147_122,
            test=50_000,
            photos=True,
            places=("imagenet_fall2011", "fall11_whole"),
        ),
        Known(
            kind="imagenet2009",
            title="ImageNet of Fall 2009, 10,184 classes, half of each for testing",
            source="J. Deng, A. Berg, K. Li, L. Fei-Fei, What Does Classifying More Than 10,000 Image Categories Tell "
            "Us?, 2010",
            classes=tuple(map(str, range(10_184))),
            home="image-net.org, where it is no longer offered",
            size="about 1 TB (assumed: 0.1 MB a photo)",
            content="",
            shape=(3, 0, 0),
            train=4_450_000,  # §6: 8.9 million photos, half of them for training; no nearer count is printed
            test=4_450_000,
            within=25_000 + 10_184 // 2,  # half of a rounding by 50,000; a class of an odd count has one more to train
            photos=True,
            places=("imagenet2009", "fall2009"),
            split_off=2,  # §6: half of the images for training and half for testing
        ),
    )
}  # fmt: skip


MANIFEST = "manifest.json"  # of packed photos
OFFICIAL = "cifar-10-batches-py"  # the folder inside the official archive, and torchvision's name for it


def of_kind(kind: str) -> Known:
    """Return the known set of this name. ReproError where there is none."""
    if kind not in KNOWN:
        raise ReproError(f"data kind {kind!r} is not known; expected one of: {', '.join(KNOWN)}")
    return KNOWN[kind]


def packed(known: Known, cache: Path) -> Path:
    """Return where the packed set lies in a cache folder, whether it is there or not. Photos: `packed_photos`."""
    return cache / f"{known.kind}-{known.content}.safetensors"


def packed_photos(known: Known, cache: Path, size: int | None = None) -> list[Path]:
    """Return the packs of known photos at a size (None: any size) in a cache folder: as a rule one or none."""
    packs = cache.glob(f"{known.kind}-{known.content or '*'}-{size or '*'}/{MANIFEST}")
    return sorted(path.parent for path in packs)


def find(kind: str, roots: Sequence[Path], cache: Path | None = None) -> Path | None:
    """Return where the set is: its packed file in `cache`, else in the first of `roots` that has it, else None.

    Photos are a folder: `ROOT/PLACE`, or a root of that name itself, with parquet files or a folder of training photos.
    CIFAR-10 is a folder with `train-*.parquet` or the like (`parquet_folders`), or the official `cifar-10-batches-py`,
    in a root or in a folder of the set's name in whatever spelling (`cifar10`, `CIFAR-10`, the hub's cache).
    Digits is the file inside the installed scikit-learn, whatever the roots.
    Names alone are read: `repro.data.sets.load` checks what is inside.
    """
    known = of_kind(kind)
    if cache is not None and known.photos and packed_photos(known, cache):
        return packed_photos(known, cache)[0]
    if cache is not None and packed(known, cache).is_file():
        return packed(known, cache)
    return find_source(kind, roots)


def find_source(kind: str, roots: Sequence[Path]) -> Path | None:
    """Return what `find` does without a cache."""
    known = of_kind(kind)
    if known.photos:
        at = [root / place for root in roots for place in known.places]
        at += [root for root in roots if root.resolve().name in known.places]
        return next((folder for folder in at if _has_photos(folder, known)), None)
    if kind == "digits":
        spec = importlib.util.find_spec("sklearn")  # found, not imported
        if spec is None or not spec.submodule_search_locations:
            return None
        path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
        return path if path.is_file() else None
    for folder in _cifar_folders(roots):
        if folder.name == OFFICIAL and folder.is_dir():
            return folder
        if any(parquet_files(folder).values()):
            return folder
    return None


def _cifar_folders(roots: Sequence[Path]) -> Iterator[Path]:
    """Yield where CIFAR-10 may lie: a root, folders of its name in it, and what the hub and archives put there."""
    for root in roots:
        hub = [folder for folder in folders(root / "hub") if _is_cifar(folder)]
        for folder in (root / "cifar10", root, *(folder for folder in folders(root) if _is_cifar(folder)), *hub):
            yield folder
            yield from (folder / OFFICIAL, folder / OFFICIAL / OFFICIAL)


def near(kind: str, roots: Sequence[Path]) -> list[str]:
    """Return what lies in `roots` and is nearly CIFAR-10, a sentence each with what to do; nothing for other sets."""
    out = []
    searched = dict.fromkeys(_cifar_folders(roots)) if kind == "cifar10" else {}
    for folder in searched:
        for path in inside(folder):
            if path.name in ARCHIVES:
                out.append(f"{path}: the archive {ARCHIVES[path.name]}")
            elif path.is_dir() and path.name in OTHER_FORMS:
                out.append(f"{path}: {OTHER_FORMS[path.name]}")
        if _is_cifar(folder) and len(several := parquet_folders(folder)) > 1:
            names = ", ".join(one.name for one in several)
            out.append(f"{folder}: parquet files in several folders ({names}); leave those of one")
    return list(dict.fromkeys(out))


OTHER_FORMS = {
    "cifar-10-batches-bin": "the binary version, which is not read; get the python version or the parquet files",
    "cifar-10-batches-mat": "the Matlab version, which is not read; get the python version or the parquet files",
}
ARCHIVES = {
    "cifar-10-python.tar.gz": "of the python version; unpack it there",
    "cifar-10-binary.tar.gz": "of the binary version, which is not read; get the python version",
    "cifar-10-matlab.tar.gz": "of the Matlab version, which is not read; get the python version",
}


def _is_cifar(folder: Path) -> bool:
    """Return whether a folder has the name of CIFAR-10, in whatever spelling: CIFAR-10, cifar_10, the hub's
    datasets--uoft-cs--cifar10, cifar-10-batches-py."""
    return re.search(r"(?<![a-z0-9])cifar[-_. ]*10(?![0-9])", folder.resolve().name.lower()) is not None


def parquet_files(folder: Path) -> dict[Split, list[Path]]:
    """Return the parquet files of CIFAR-10 by split. Only below a folder of its name further folders are searched."""
    found = parquet_folders(folder, PARQUET_PLACES if _is_cifar(folder) else ("",))
    files = next(iter(found.values())) if len(found) == 1 else {}
    return {split: files.get(split, []) for split in SPLITS}


def _has_photos(folder: Path, known: Known) -> bool:
    if known.split_off and folder.is_dir() and any(entry.is_dir() for entry in folder.iterdir()):
        return True
    if any(split_of(name.name) == "train" for name in folders(folder)):
        return True
    return any("train" in files for files in parquet_folders(folder).values())


def what_to_fetch(kind: str) -> str:
    """Return what to fetch of a set, from whom and how large it is, then the next step."""
    known = of_kind(kind)
    about = f" ({known.size}, from {known.home})" if known.size else ""
    return f"{known.title.partition(',')[0]}{about}: {how_to_get(kind)}"


def how_to_get(kind: str) -> str:
    """Return the next step for somebody who lacks a set or has a damaged one."""
    known = of_kind(kind)
    if known.split_off:
        many = f"{len(known.classes):,}"
        return f"set REPRO_DATA to a folder that holds {known.places[0]}/CLASS/ for each of its {many} classes"
    if known.photos:
        return (
            f"set REPRO_DATA to a folder that holds {known.places[0]}/ with train-*.parquet and validation-*.parquet, "
            "or with train/CLASS/ and val/CLASS/"
        )
    return f"run `python -m repro data get {kind} --data DIR`, or set REPRO_DATA to a folder that holds it"
