"""Read weights from files by parameter name, and copy them into a net where names and shapes match.

Supported files:
- `.safetensors`: a checkpoint of a run of this project (its `weight.*` and `buffer.*`), or a plain state dict;
- `.pth`, `.pt`, `.bin`: a state dict as torchvision and timm publish it, read without running code of the pickle;
- `.npy`: Caffe's net in the layout of `bvlc_alexnet.npy`, a pickled mapping of layer to [weights, biases].

Tensors have the parameter names of their net: `conv1.weight` to `fc8.bias` here, other names in torchvision.
"""

from __future__ import annotations

import codecs
import pickle
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from math import isqrt
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from repro.errors import DataError, ReproError

PICKLED = (".pth", ".pt", ".bin")
NESTED = ("state_dict", "model")  # keys of the state dict in files of training scripts that hold more
COUNTER = "num_batches_tracked"  # of a batch norm: has no effect with a fixed momentum


def read(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors by parameter name, onto the CPU. Raises DataError for a missing or unsupported file."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected weights: .safetensors, .npy, {', '.join(PICKLED)}")
    if path.suffix == ".safetensors":
        return _ours(path)
    if path.suffix == ".npy":
        return _caffe(path)
    if path.suffix in PICKLED:
        return _state_dict(path)
    raise DataError(f"{path}: found {path.suffix or 'no suffix'}; expected .safetensors, .npy, {', '.join(PICKLED)}")


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
            + "\n  ".join(wrong)
        )
    for name, place in copied.items():
        if name in tensors:
            place.copy_(tensors[name])


def _within(name: str, layers: Collection[str]) -> bool:
    return any(name == layer or name.startswith(f"{layer}.") for layer in layers)


def _shape(tensor: torch.Tensor) -> str:
    return f"[{' x '.join(map(str, tensor.shape))}]"


def _ours(path: Path) -> dict[str, torch.Tensor]:
    try:
        tensors = safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: does not read as safetensors ({error}); get the file again") from error
    if "epoch" in tensors and any(
        name.startswith("weight.") for name in tensors
    ):  # a run's checkpoint: see `Trainer.state`
        kinds = ("weight.", "buffer.")
        return {name.split(".", 1)[1]: tensor for name, tensor in tensors.items() if name.startswith(kinds)}
    return tensors


def _state_dict(path: Path) -> dict[str, torch.Tensor]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: does not read as a state dict of tensors alone ({why}); save the net's state_dict() "
                        "with torch.save, or as safetensors") from error  # fmt: skip
    for key in NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    state = content if isinstance(content, Mapping) else {}
    if not state or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise DataError(f"{path}: found {type(content).__name__}; expected a state dict, tensors by name")
    names = {name: _OLD_DENSENET.sub(r"\1\2", str(name).removeprefix("module.")) for name in state}
    return {names[name]: tensor.detach() for name, tensor in state.items()}


# torchvision's published densenets still have norm.1 where its nets have norm1; it renames them as it loads them
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")


def _caffe(path: Path) -> dict[str, torch.Tensor]:
    """Read a net of Caffe and convert it to this project's layout.

    Weights go from HWIO to OIHW, fc6 from (height, width, map) order to (map, height, width), and the first
    convolution's channels from BGR to RGB. Values are not scaled: they fit Caffe's net only
    (`model.kind: bvlc_alexnet`), whose norms and dropout differ from the paper's.
    """
    layers = _mapping(path)
    out: dict[str, torch.Tensor] = {}
    maps = 0  # of the last convolution, until the first fully connected layer
    for name in sorted(layers, key=lambda name: int(re.sub(r"\D", "", str(name)) or 0)):
        weight, bias = _layer(path, name, layers[name])
        if weight.ndim == 4:  # height, width, maps read, maps
            maps = weight.shape[3]
            if not any(tensor.ndim == 4 for tensor in out.values()) and weight.shape[2] == 3:
                weight = weight[:, :, ::-1]
            weight = weight.transpose(3, 2, 0, 1)
        else:  # inputs, units
            side = isqrt(weight.shape[0] // maps) if maps else 0
            if maps and side * side * maps != weight.shape[0]:
                raise DataError(f"{path}: {name}: found {weight.shape[0]} inputs; expected a square of places times "
                                f"{maps} maps, in the order height, width, map")  # fmt: skip
            if maps:
                weight = weight.reshape(side, side, maps, -1).transpose(2, 0, 1, 3).reshape(weight.shape)
            weight, maps = weight.T, 0
        for role, values in (("weight", weight), ("bias", bias)):
            out[f"{name}.{role}"] = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    return out


def _layer(path: Path, name: object, given: Any) -> tuple[np.ndarray, np.ndarray]:
    pair: Any = [given.get(key) for key in ("weights", "biases")] if isinstance(given, dict) else given
    fits = (
        isinstance(name, str)
        and re.fullmatch(r"[a-z]+\d+", name)
        and isinstance(pair, list | tuple)
        and len(pair) == 2
        and all(isinstance(part, np.ndarray) and part.dtype.kind == "f" for part in pair)
        and pair[0].ndim in (2, 4)
        and pair[1].size == pair[0].shape[-1]
    )
    if not fits:
        raise DataError(f"{path}: {name}: expected a layer named like conv1 or fc6 with [weights, biases], weights "
                        "[height, width, maps read, maps] or [inputs, units]")  # fmt: skip
    return pair[0], pair[1].reshape(-1)


def _mapping(path: Path) -> dict[Any, Any]:
    """Read the pickled mapping in a .npy file, with an unpickler that can only create numpy arrays."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            _, _, kind = header(file)
            if kind.hasobject:
                content = _Arrays(file).load()
            else:
                raise ValueError(f"an array of {kind}")
    except (ValueError, pickle.UnpicklingError, EOFError, OSError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: does not read as a mapping of layers to arrays ({error}); expected the layout of "
                        "bvlc_alexnet.npy, a pickled dict of layer to [weights, biases]") from error  # fmt: skip
    content = content.item() if isinstance(content, np.ndarray) and content.size == 1 else content
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: found {type(content).__name__}; expected a mapping of layers to [weights, biases]")
    return content


class _Arrays(pickle.Unpickler):
    """An unpickler that refuses all functions except those that numpy arrays need, in old and new files."""

    allowed: ClassVar = {
        "ndarray": np.ndarray,
        "dtype": np.dtype,
        "_reconstruct": np.zeros(1).__reduce__()[0],
        "_frombuffer": np.zeros(1).__reduce_ex__(5)[0],
        "encode": codecs.encode,  # how Python 3 writes bytes for Python 2
    }
    modules = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin1")  # as files of Python 2 were written

    def find_class(self, module: str, name: str) -> Any:
        if name not in self.allowed or module not in (*self.modules, "_codecs"):
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array")
        return self.allowed[name]
