"""Read weights from files by parameter name, and copy them into a net where names and shapes match.

Files that are read, told by what they hold, whatever they are called:
- safetensors: a checkpoint of a run here (its `weight.*` and `buffer.*`), or a plain state dict;
- what `torch.save` writes of a state dict, alone or inside a training script's checkpoint, read without making objects;
- Caffe's net in the layout of `bvlc_alexnet.npy` (`repro.nets.caffe`).

Tensors have the parameter names of their net: `conv1.weight` to `fc8.bias` here, other names in torchvision.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from repro.errors import DataError, ReproError, harmless
from repro.nets import caffe

# Keys under which training scripts keep the state dict in a file of more, the likeliest first.
NESTED = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "net_state_dict", "module",
          "params", "weights", "state", "ema_state_dict", "model_ema", "ema")  # fmt: skip
WRAPPERS = ("module", "_orig_mod")  # parts of names that DataParallel and torch.compile put in, at any depth
COUNTER = "num_batches_tracked"  # of a batch norm with a fixed momentum: counts, and decides nothing
NAMED = 10  # assumed: so many tensors that do not fit are named, the rest counted
HOW = ("write the tensors alone where the file is trusted: `python -c \"import torch; torch.save(torch.load('{name}', "
       "weights_only=False)['state_dict'], 'weights.pth')\"`")  # fmt: skip
EXPECTED = "expected weights: safetensors, a file of torch.save, or Caffe's .npy"


@dataclass(frozen=True)
class Weights:
    """Tensors by parameter name, and sentences on what was taken off to have them."""

    tensors: dict[str, torch.Tensor]
    notes: tuple[str, ...] = ()


def read(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors by parameter name, onto the CPU. DataError where there is no file, or none of the kinds above."""
    return opened(path).tensors


def opened(path: Path) -> Weights:
    """Read what `read` does, with what was taken off the names and around the tensors."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; {EXPECTED}")
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise DataError(f"{path}: found an empty file; {EXPECTED}. Get the file again.")
    if start.startswith(b"\x93NUMPY"):
        return Weights(caffe.read(path))
    if start[8:9] == b"{" and 8 < int.from_bytes(start[:8], "little") + 8 <= path.stat().st_size:
        return _ours(path)
    if start.startswith((b"PK\x03\x04", b"\x80")) or start[257:262] == b"ustar":
        return _of_torch(path)
    raise DataError(f"{path}: {_refusal(path, start)}")


def _refusal(path: Path, start: bytes) -> str:
    """Return what a file is that holds no weights, and what to do."""
    text = start.lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return "found a Git LFS pointer in place of the file it stands for; run `git lfs pull` where it was cloned"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<")):
        return "found a web page, as servers send in place of a file they refuse; get the file again in a browser"
    if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"Rar!", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd")):
        return f"found an archive; unpack it, and name the file inside. {EXPECTED}"
    if start.startswith(b"\x89HDF"):
        return f"found an HDF5 file, as Keras writes; {EXPECTED}"
    if start.isascii() and text.startswith((b"{", b"[")):
        return f"found JSON, perhaps an index of files; {EXPECTED}. Name the file that holds the tensors."
    if path.suffix == ".safetensors":
        return f"does not read as safetensors ({path.stat().st_size:,} bytes); get the file again"
    return f"found a file that begins with {start[:8]!r}; {EXPECTED}"


def fitted(net: nn.Module, given: Weights, afresh: Collection[str] = ()) -> Weights:
    """Return the weights by the names of `net`, where its names stand behind a prefix: `model.`, `student.backbone.`.

    What lies outside of the prefix, a loss or another net, is left out and said.
    """
    own = [name for name in net.state_dict() if not _within(name, afresh)]
    if 2 * sum(name in given.tensors for name in own) >= len(own):
        return given
    prefixes: Counter[str] = Counter()
    for name in own:
        prefixes.update({other[: -len(name)] for other in given.tensors if other.endswith(f".{name}")})
    prefix, many = max(prefixes.items(), key=lambda item: (item[1], -len(item[0])), default=("", 0))
    if 2 * many <= len(own):
        return given
    inside = {name.removeprefix(prefix): tensor for name, tensor in given.tensors.items() if name.startswith(prefix)}
    notes = [*given.notes, f"{prefix} taken off the names of {len(inside)} tensors"]
    if left := len(given.tensors) - len(inside):
        notes.append(f"{left} tensors whose names begin otherwise are left out")
    return Weights(inside, tuple(map(harmless, notes)))


def not_numbers(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """Return the name of the first tensor that holds NaN or an infinite value; None where all are numbers."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            return name
    return None


@torch.no_grad()
def put(net: nn.Module, tensors: Mapping[str, torch.Tensor], afresh: Collection[str] = ()) -> None:
    """Copy `tensors` into the parameters and buffers of the same names, except for the layers in `afresh`.

    A layer's name includes everything below it: `fc8`, `classifier.6`, `layer4`. Raises ReproError, before anything is
    copied, with every tensor that is missing, has another shape or does not exist in the net.
    """
    own = net.state_dict()  # shares its memory with the net
    layers = {name.rpartition(".")[0] for name in (*own, *tensors)}
    wrong = []
    for layer in afresh:
        if not any(_within(name, (layer,)) for name in (*own, *tensors)):
            near = get_close_matches(layer, layers, n=1)
            wrong.append(f"{layer}: no such layer{f'; did you mean {near[0]}?' if near else ''}")
    copied = {name: place for name, place in own.items() if not _within(name, afresh)}
    for name, place in copied.items():
        if name not in tensors:
            if not name.endswith(COUNTER):
                wrong.append(f"{name}: missing; expected {_shape(place)}")
        elif tensors[name].shape != place.shape:
            wrong.append(f"{name}: found {_shape(tensors[name])}; expected {_shape(place)}")
    for name in tensors:
        if name not in own and not _within(name, afresh):
            wrong.append(f"{name}: found {_shape(tensors[name])}; the net has no such tensor")
    if wrong:
        raise ReproError(
            "the weights do not fit the net; leave the layers that differ afresh, or name the net that they are of:\n  "
            + "\n  ".join([*wrong[:NAMED], *([f"and {len(wrong) - NAMED} more"] if len(wrong) > NAMED else [])])
        )
    for name, place in copied.items():
        if name in tensors:
            place.copy_(tensors[name])


def _within(name: str, layers: Collection[str]) -> bool:
    return any(name == layer or name.startswith(f"{layer}.") for layer in layers)


def _shape(tensor: torch.Tensor) -> str:
    return f"[{' x '.join(map(str, tensor.shape))}]"


def _ours(path: Path) -> Weights:
    try:
        tensors = safetensors.torch.load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, MemoryError) as error:
        raise DataError(f"{path}: does not read as safetensors ({error}); get the file again") from error
    if "epoch" in tensors and any(
        name.startswith("weight.") for name in tensors
    ):  # a run's checkpoint: see `Trainer.state`
        kinds = ("weight.", "buffer.")
        return Weights({name.split(".", 1)[1]: tensor for name, tensor in tensors.items() if name.startswith(kinds)})
    return _plain_names(path, tensors, [])


def _of_torch(path: Path) -> Weights:
    _check_zip(path)
    try:
        with path.open("rb") as file, warnings.catch_warnings():  # by its path torch would read it by its suffix
            warnings.simplefilter("ignore")  # of a pickle's version: what does not read is refused below
            content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch reads with a parser of its own, which raises as a hostile file makes it
        raise DataError(f"{path}: {_refused(path, str(error) or type(error).__name__)}") from error
    where, state = _state_dict(content)
    if state is None:
        keys = f" with {', '.join(map(str, list(content)[:6]))}" if isinstance(content, Mapping) else ""
        raise DataError(f"{path}: found {type(content).__name__}{keys}; expected a state dict, tensors by name, alone "
                        f"or under one of {', '.join(NESTED[:5])}. Save the net's state_dict() with torch.save, or as "
                        "safetensors.")  # fmt: skip
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
            raise DataError(harmless(f"{path}: {name}: found a tensor that is sparse, quantized or without values; "
                                     "expected plain numbers"))  # fmt: skip
    return _plain_names(path, state, [f"the tensors are read from {harmless(where)}"] if where else [])


def _refused(path: Path, message: str) -> str:
    """Return what torch's refusal comes down to: which object is in the way, and what to do."""
    message = re.sub(r"\x1b\[[0-9;]*m", "", message)
    named = re.search(r"GLOBAL ([\w.]+)", message) or re.search(
        r"Unsupported (?:global|class|operand)\W+([\w.]+)", message
    )
    if named:
        return (f"found a checkpoint of torch with an object of {named[1]} among its tensors, which is not made here: "
                f"it could run code; {HOW.format(name=path.name)}")  # fmt: skip
    if "TorchScript" in message or "torch.jit" in message:
        return "found a TorchScript archive; save the net's state_dict() with torch.save"
    line = next((line for line in message.splitlines() if line.strip()), message)
    what = f"does not read as a state dict of tensors alone ({harmless(line[:160])})"
    return f"{what}; get the file again, or {HOW.format(name=path.name)}"


def _check_zip(path: Path) -> None:
    """Refuse an archive that would unpack to more than it holds: torch writes tensors as they are, uncompressed."""
    try:
        if not zipfile.is_zipfile(path):  # which itself refuses an archive that claims to span several disks
            return
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: found a damaged archive ({error}); get the file again") from error
    inside, size = sum(entry.file_size for entry in entries), path.stat().st_size
    if inside > size:
        raise DataError(f"{path}: found an archive of {size:,} bytes that unpacks to {inside:,}; expected a file of "
                        "torch.save, which is not compressed. If weights are packed in it, unpack them.")  # fmt: skip
    if not any(entry.filename.endswith("data.pkl") for entry in entries):
        raise DataError(f"{path}: found an archive, not a file of torch.save; unpack it, and name the file inside")


def _state_dict(content: Any) -> tuple[str, dict[str, torch.Tensor] | None]:
    """Return the state dict inside what a training script saved, and the keys that lead there; None where there is none
    or one cannot be told from another."""
    found: dict[str, dict[str, torch.Tensor]] = {}

    def search(part: Any, keys: tuple[str, ...]) -> None:
        if not isinstance(part, Mapping) or len(keys) > 3:
            return
        tensors = {str(name): tensor.detach() for name, tensor in part.items() if isinstance(tensor, torch.Tensor)}
        if tensors and any(tensor.dim() for tensor in tensors.values()) and all(isinstance(name, str) for name in part):
            found[".".join(keys)] = tensors
        for key, inner in part.items():
            if isinstance(key, str):
                search(inner, (*keys, key))

    search(content, ())
    if len(found) > 1:
        order = {key: i for i, key in enumerate(NESTED)}
        known = {where: tensors for where, tensors in found.items() if where and where.split(".")[-1] in order}
        best = min(known or found, key=lambda where: order.get(where.split(".")[-1], len(order)))
        return best, found[best]
    return next(iter(found.items()), ("", None))


def _plain_names(path: Path, state: Mapping[str, torch.Tensor], notes: list[str]) -> Weights:
    """Return tensors by the names that a net gives them, without those of wrappers. DataError where two become one."""
    out: dict[str, torch.Tensor] = {}
    taken: Counter[str] = Counter()
    for name, tensor in state.items():
        parts = name.split(".")
        plain = ".".join(part for part in parts if part not in WRAPPERS) or name
        taken.update({part for part in parts if part in WRAPPERS and plain != name})
        plain = _OLD_DENSENET.sub(r"\1\2", plain)
        if plain in out:
            raise DataError(
                harmless(f"{path}: found two tensors for {plain}; expected one. Save the net's state_dict().")
            )
        out[plain] = tensor
    notes += [f"{part}. taken off the names of {many} tensors" for part, many in sorted(taken.items())]
    return Weights(out, tuple(notes))


# torchvision's published densenets still have norm.1 where its nets have norm1; it renames them as it loads them
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")
