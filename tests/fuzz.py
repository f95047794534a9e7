"""Fuzzing: files that are damaged or made to harm, at every reader of files that others write. A maintainers' command.

    python -m tests.fuzz --examples 2000

prints a table: the inputs tried, and of them those that ended in a traceback, took more than a second, took more than
500 MB, or left a file outside of the folder they were given. The suite runs a short form (`tests/test_fuzz.py`).
"""

from __future__ import annotations

import argparse
import io
import json
import pickle
import resource
import struct
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save

from repro.contents import load
from repro.data.photos import prepare
from repro.data.photos.sources import open_source
from repro.engine import starts
from repro.errors import ReproError
from repro.nets import weights
from repro.store import Store
from tests import written

ROOT = Path(__file__).parent.parent
SECONDS, MEGABYTES = 1.0, 500.0  # assumed: what an input may take


@dataclass
class Tally:
    """What became of the inputs of one kind; each list names the inputs that failed so."""

    kind: str
    tried: int = 0
    refused: int = 0
    tracebacks: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    large: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    @property
    def counted(self) -> tuple[list[str], ...]:
        """The four lists, in the order of the table."""
        return self.tracebacks, self.slow, self.large, self.outside

    @property
    def failures(self) -> list[str]:
        """What must not have happened, apart from time, which a loaded machine takes from anybody."""
        return [*self.tracebacks, *self.large, *self.outside]


# A valid file of each kind, which is then damaged


def photo(form: str) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[prepare.ORIENTATION] = 6
    pixels = np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.convert("P" if form == "GIF" else "RGB").save(
        file, form, **({"exif": exif} if form in ("JPEG", "PNG") else {})
    )
    return file.getvalue()


def state_dict() -> bytes:
    file = io.BytesIO()
    torch.save(
        {"state_dict": {"module.fc.weight": torch.ones(3, 2), "module.fc.bias": torch.ones(3)}, "epoch": 3}, file
    )
    return file.getvalue()


def caffe() -> bytes:
    file = io.BytesIO()
    layers = {"conv1": [np.ones((3, 3, 3, 4), np.float32), np.ones(4, np.float32)]}
    np.save(file, np.array(layers, dtype=object), allow_pickle=True)
    return file.getvalue()


def table() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    images = pa.array(
        [{"bytes": photo("PNG"), "path": f"{i}.png"} for i in range(12)], pa.struct({"bytes": "binary", "path": "str"})
    )
    info = {"info": {"features": {"label": {"names": ["ant", "bee"], "_type": "ClassLabel"}}}}
    made = pa.table({"image": images, "label": pa.array([0, 1] * 6, pa.int64())})
    pq.write_table(made.replace_schema_metadata({"huggingface": json.dumps(info)}), file)
    return file.getvalue()


def own_weights(metadata: str) -> bytes:
    return save({"fc8.weight": torch.ones(2, 2)}, {starts.ABOUT: metadata})


# Damage: bytes changed, taken away, put in twice, lengths made huge


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(("bytes", "cut", "huge", "twice", "insert"))):
            case "bytes":
                new = draw(st.binary(min_size=1, max_size=4))
                data[at : at + len(new)] = new
            case "cut":
                del data[at : at + draw(st.integers(1, 1 + len(data) // 3))]
            case "huge":
                data[at : at + 8] = draw(
                    st.sampled_from((b"\xff" * 8, b"\x7f" + b"\xff" * 7, struct.pack("<Q", 2**31), b"\0" * 8))
                )
            case "twice":
                data[at:at] = data[at : at + 64]
            case _:
                data[at:at] = draw(st.binary(max_size=16))
    return bytes(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def deep(text: str) -> str:
    """JSON or YAML nested deeper than any parser's stack."""
    return text * 100_000


# Readers: each is given a folder and the bytes, and does all that a command does with them before it trains


def read_claim(folder: Path, data: bytes) -> None:
    from repro.claim.files import sources, split

    (folder / "x.yaml").write_bytes(data)
    for file in split([load(folder / "x.yaml")])[0]:
        sources(file)


def read_run(folder: Path, data: bytes) -> None:
    """The record of a run of the reference shelf, one of its files replaced."""
    source = next(path for path in sorted((ROOT / "runs" / "reference").iterdir()) if (path / "result.json").is_file())
    name = ("run.json", "metrics.jsonl", "result.json")[data[0] % 3 if data else 0]
    (folder / source.name).mkdir()
    for path in source.iterdir():
        if path.is_file():
            (folder / source.name / path.name).write_bytes(data[1:] if path.name == name else path.read_bytes())
    Store(folder).table()


def read_photo(folder: Path, data: bytes) -> None:
    try:
        prepare.prepared(data, 64, upright=True)
    except prepare.Unusable as error:
        raise ReproError(str(error)) from error


def read_parquet(folder: Path, data: bytes) -> None:
    (folder / "train.parquet").write_bytes(data)
    for chunk in open_source(folder).chunks:
        for _, _, encoded in chunk.photos():
            read_photo(folder, encoded)


def read_weights(folder: Path, data: bytes) -> None:
    from repro.finetune import config_of

    (folder / "w.pth").write_bytes(data)
    config_of(folder / "w.pth")
    given = weights.fitted(torch.nn.ModuleDict({"fc": torch.nn.Linear(2, 3)}), weights.opened(folder / "w.pth"))
    weights.not_numbers(given.tensors)


def claims() -> st.SearchStrategy[bytes]:
    texts = [path.read_bytes() for path in sorted((ROOT / "claims").glob("*.yaml"))]
    hostile = [deep("[").encode(), deep("{a: ").encode(), b"a: 0x" + b"f" * 9000, b"a: " + b"9" * 9000, b'a: "\\e[2J"',
               b"? [a]\n: b", b"\xff\xfe", b"a: &x [*x]", b"id: " + b"x" * 100_000]  # fmt: skip
    return st.one_of(st.sampled_from(texts).flatmap(damaged), st.sampled_from(hostile), JSON.map(as_bytes))


def as_bytes(value: object) -> bytes:
    return json.dumps(value).encode()


def runs() -> st.SearchStrategy[bytes]:
    line = b'{"epoch": 1, "train_loss": 2.0, "train_error": 0.5, "test_error": 0.5, "seconds": 1.0, "diverged": null}\n'
    hostile = [b"\0" + deep("[").encode(), b"\1" + deep('{"a":').encode(), b"\2" + b"9" * 9000]
    which = st.sampled_from((b"\0", b"\1", b"\2"))
    contents = st.one_of(damaged(line * 3), JSON.map(as_bytes), st.binary(max_size=64))
    return st.one_of(st.tuples(which, contents).map(b"".join), st.sampled_from(hostile))


def photos() -> st.SearchStrategy[bytes]:
    forms = [photo(form) for form in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")]
    file = io.BytesIO()
    Image.new("1", (1, 60_000)).save(file, "PNG")
    large = io.BytesIO()
    Image.new("L", (9_000, 9_000)).save(large, "PNG")
    return st.one_of(st.sampled_from(forms).flatmap(damaged), st.sampled_from([file.getvalue(), large.getvalue()]),
                     st.binary(max_size=64))  # fmt: skip


def tables() -> st.SearchStrategy[bytes]:
    return damaged(table())


def all_weights() -> st.SearchStrategy[bytes]:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(50_000_000))
    hostile = [own_weights(deep("[")), own_weights(deep('{"config":')), own_weights('{"config": 3}'),
               own_weights("[1]"), own_weights('{"config": {"data": 3, "model": []}}'),
               struct.pack("<Q", 2**40) + b"{}",
               struct.pack("<Q", 2**63 - 1) + b"{" * 64, bomb.getvalue(),
               caffe()[:118 + 10] + pickle.PROTO + b"\5]r\xff\xff\xff\x7f.", pickle.dumps({"a": 1})]  # fmt: skip
    whole = [state_dict(), caffe(), own_weights("{}")]
    metadata = JSON.map(lambda value: own_weights(json.dumps({"config": value})))
    return st.one_of(st.sampled_from(whole).flatmap(damaged), st.sampled_from(hostile), metadata)


KINDS: dict[str, tuple[Callable[[], st.SearchStrategy[bytes]], Callable[[Path, bytes], None]]] = {
    "claims": (claims, read_claim),
    "run records": (runs, read_run),
    "photos": (photos, read_photo),
    "parquet": (tables, read_parquet),
    "weights": (all_weights, read_weights),
}


def fuzz(kind: str, examples: int, seed: int = 0) -> Tally:
    """Give a reader so many inputs, the same ones for a seed, and count what becomes of them."""
    strategy, reader = KINDS[kind]
    tally = Tally(kind)

    @settings(max_examples=examples, deadline=None, database=None, derandomize=not seed, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(strategy())
    def attempt(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as name:
            outer = Path(name)
            folder = outer / "inner"
            folder.mkdir()
            tally.tried += 1
            before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
            about = f"{kind} {tally.tried}: {data[:40]!r}, {len(data):,} bytes"
            try:
                reader(folder, data)
            except ReproError as error:
                tally.refused += 1
                if not str(error).replace("\n", "").isprintable():
                    tally.tracebacks.append(f"{about}: a message with control characters")
            except (Exception, RecursionError) as error:  # what a command would print as a traceback
                tally.tracebacks.append(f"{about}: {type(error).__name__}: {error}"[:400])
            took = time.process_time() - began
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024  # kB on Linux
            if took > SECONDS:
                tally.slow.append(f"{about}: {took:.1f} s")
            if grown > MEGABYTES:
                tally.large.append(f"{about}: {grown:,.0f} MB more")
            if [path.name for path in outer.iterdir()] != ["inner"]:
                tally.outside.append(about)

    attempt()
    return tally


def main() -> None:
    """Fuzz every kind and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=500, metavar="N", help="inputs of each kind")
    parser.add_argument("--kind", choices=KINDS, action="append", help="this kind alone")
    parser.add_argument("--write", action="store_true", help="write the table into tests/README.md")
    asked = parser.parse_args()
    tallies = [fuzz(kind, asked.examples) for kind in asked.kind or KINDS]
    head = ("what is read", "tried", "refused", "tracebacks", "over 1 s", "over 500 MB", "written elsewhere")
    rows = [
        (tally.kind, f"{tally.tried:,}", f"{tally.refused:,}", *map(str, map(len, tally.counted))) for tally in tallies
    ]
    lines = written.table(head, rows)
    print("\n".join(lines))
    for tally in tallies:
        for line in (*tally.failures, *tally.slow)[:10]:
            print(line.encode("ascii", "backslashreplace").decode())
    if asked.write and not asked.kind:
        written.renew("fuzz", f"python -m tests.fuzz --examples {asked.examples}", lines)


if __name__ == "__main__":
    main()
