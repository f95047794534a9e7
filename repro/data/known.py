"""The sets this project knows, what their packed images hash to, and where to look for their files. No torch here."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.errors import ReproError


@dataclass(frozen=True)
class Known:
    """A data set and its identity.

    `content` is the sha256 of the packed set (`repro.data.pack.content`): it depends on pixels and labels alone, never
    on the container, the order or the names of the files they came in. `shape` is (channels, height, width).
    """

    kind: str
    title: str
    source: str
    classes: tuple[str, ...]
    content: str
    shape: tuple[int, int, int] = (3, 32, 32)
    train: int = 50_000
    test: int = 10_000


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
        ),
        Known(
            kind="cifar10",
            title="CIFAR-10",
            source="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
            classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
            content="c72b0292e775fe3b6a0e81576e8a19c1729837436ca006ee3fb9c92063bb0198",
        ),
    )
}

OFFICIAL = "cifar-10-batches-py"  # the folder inside the official archive, and torchvision's name for it


def of_kind(kind: str) -> Known:
    """The known set of this name."""
    if kind not in KNOWN:
        raise ReproError(f"data kind {kind!r} is not known; expected one of: {', '.join(KNOWN)}")
    return KNOWN[kind]


def packed(known: Known, cache: Path) -> Path:
    """Where the packed set lies in a cache folder, whether it is there or not."""
    return cache / f"{known.kind}-{known.content}.safetensors"


def find(kind: str, roots: Sequence[Path], cache: Path | None = None) -> Path | None:
    """Where the set can be had from, or None: its packed file in `cache`, else the first of `roots` that has it.

    CIFAR-10 is a folder: `ROOT/cifar10` or `ROOT` itself with `train-*.parquet`, or `ROOT/cifar-10-batches-py` (also
    one level down, in `ROOT/cifar10`). Digits is the file inside the installed scikit-learn, whatever the roots.
    Only looks at names: `repro.data.sets.load` judges what is inside.
    """
    known = of_kind(kind)
    if cache is not None and packed(known, cache).is_file():
        return packed(known, cache)
    return find_source(kind, roots)


def find_source(kind: str, roots: Sequence[Path]) -> Path | None:
    """`find` without the cache."""
    if of_kind(kind).kind == "digits":
        spec = importlib.util.find_spec("sklearn")  # found, not imported
        if spec is None or not spec.submodule_search_locations:
            return None
        path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
        return path if path.is_file() else None
    for root in roots:
        for folder in (root / "cifar10", root):
            if any(parquet_files(folder).values()):
                return folder
            if (folder / OFFICIAL).is_dir():
                return folder / OFFICIAL
        if root.name == OFFICIAL and root.is_dir():
            return root
    return None


def parquet_files(folder: Path) -> dict[str, list[Path]]:
    """The parquet files of each split, told apart by name: `train-*.parquet`, `test-*.parquet`."""
    return {split: sorted(folder.glob(f"{split}-*.parquet")) for split in ("train", "test")}


def how_to_get(kind: str) -> str:
    """The next command for somebody who lacks a set or has a damaged one."""
    return f"run `python -m repro data get {kind} --data DIR`, or set REPRO_DATA to a folder that holds it"
