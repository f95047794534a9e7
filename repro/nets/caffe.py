"""Caffe's net as it is passed on in Python: `bvlc_alexnet.npy`, a pickled mapping of layer to [weights, biases].

A pickle names functions to call with arguments of the file's choice; numpy's own, called so, follow pointers that the
file makes up. Nothing of numpy is called here: the file's words for arrays only fill in a form (`_Array`), and arrays
are made of forms that hold floating-point numbers, as many as their shape says.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import struct
from collections.abc import Callable
from math import isqrt, prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from repro.errors import DataError, harmless

FLOATS = {"f2": 2, "f4": 4, "f8": 8}  # bytes of a number of each kind that is read
# What Python raises of a pickle that is not one, or is made to harm.
NOT_READ = (
    ValueError, pickle.UnpicklingError, EOFError, OSError, TypeError, AttributeError, LookupError, OverflowError,
    MemoryError, RecursionError, struct.error,
)  # fmt: skip


def read(path: Path) -> dict[str, torch.Tensor]:
    """Read Caffe's net as ours: weights from HWIO to OIHW, fc6 from (height, width, map) order to (map, height,
    width), and the first convolution's channels from BGR to RGB. Values are not scaled: the net must be Caffe's
    (`model.kind: bvlc_alexnet`), whose norms and dropout are not the paper's. DataError of any other file."""
    layers = _mapping(path)
    out: dict[str, torch.Tensor] = {}
    maps = 0  # of the last convolution, while no fully connected layer has been met
    for name in sorted(layers, key=lambda name: int(re.sub(r"\D", "", str(name))[-9:] or 0)):
        weight, bias = _layer(path, name, layers[name])
        if weight.ndim == 4:  # height, width, maps read, maps
            maps = weight.shape[3]
            if not any(made.ndim == 4 for made in out.values()) and weight.shape[2] == 3:
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
        and all(isinstance(part, _Array) and part.kind in FLOATS for part in pair)
        and len(pair[0].shape) in (2, 4)
        and 0 not in pair[0].shape
        and prod(pair[1].shape) == pair[0].shape[-1]
    )
    if not fits:
        raise DataError(f"{path}: {name}: expected a layer named like conv1 or fc6 with [weights, biases], weights "
                        "[height, width, maps read, maps] or [inputs, units]")  # fmt: skip
    return pair[0].numbers(), pair[1].numbers().reshape(-1)


def _mapping(path: Path) -> dict[Any, Any]:
    """Read the pickled mapping inside a .npy file."""
    wanted = "expected the layout of bvlc_alexnet.npy, a pickled dict of layer to [weights, biases]"
    try:
        content = _Reader(io.BytesIO(_pickled(path.read_bytes()))).load()
    except NOT_READ as error:
        why = harmless(str(error)) or type(error).__name__
        raise DataError(f"{path}: does not read as a mapping of layers to arrays ({why}); {wanted}") from error
    if isinstance(content, _Array) and content.kind == "O" and len(content.values) == 1:
        content = content.values[0]  # numpy wraps the mapping into an array of one object
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: found {type(content).__name__.strip('_').lower()}; {wanted}")
    return content


def _pickled(content: bytes) -> bytes:
    """Return the pickle that follows the head of a .npy file, once it is known to take no more memory than the file.
    ValueError of a file of numbers, and of a pickle that makes room for what it does not hold."""
    length = struct.unpack(
        "<H" if content[6:7] == b"\x01" else "<I", content[8 : 10 if content[6:7] == b"\x01" else 12]
    )
    head = (10 if content[6:7] == b"\x01" else 12) + length[0]
    if b"|O" not in content[:head]:
        raise ValueError("it holds an array of numbers")
    body = content[head:]
    for operation, argument, _ in pickletools.genops(body):
        if "PUT" in operation.name and isinstance(argument, int) and argument > len(body):
            raise ValueError("it asks for more room than it has bytes")
        if operation.name in REFUSED:
            raise ValueError(f"it holds {operation.name}, which no array needs")
    return body


# Operations by which a pickle reaches outside of itself, or makes a number of endless digits.
REFUSED = ("PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "NEXT_BUFFER",
           "READONLY_BUFFER", "LONG", "LONG4")  # fmt: skip


class _Type:
    """The form of a numpy type: its name without byte order, and its byte order."""

    def __init__(self, name: Any, *_: Any) -> None:
        if not isinstance(name, str):
            raise pickle.UnpicklingError("a type without a name")
        self.order = name[0] if name[:1] in ("<", ">", "|", "=") else "<"
        self.kind = name.lstrip("<>|=")
        self.kind = "O" if self.kind in ("O8", "O4", "O") else self.kind

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self.order = state[1]


class _Array:
    """The form of an array: what `numpy.ndarray.__setstate__` is given, kept until it is known to be numbers."""

    kind = ""

    def __init__(self, *_: Any) -> None:
        raise pickle.UnpicklingError("it calls numpy.ndarray, which would make an array of any memory")

    @classmethod
    def empty(cls, *_: Any) -> _Array:
        """Stand in for `numpy._core.multiarray._reconstruct`: an array whose state follows."""
        return cls.__new__(cls)

    @classmethod
    def of_buffer(cls, data: Any, dtype: Any, shape: Any, order: Any) -> _Array:
        """Stand in for `numpy._core.numeric._frombuffer`, of pickles of protocol 5."""
        made = cls.__new__(cls)
        made.__setstate__((1, shape, dtype, order == "F", data))
        return made

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("an array without its five parts")
        _, shape, dtype, by_columns, data = state
        sides = isinstance(shape, tuple) and all(type(side) is int and side >= 0 for side in shape)
        if not sides or not isinstance(dtype, _Type):
            raise pickle.UnpicklingError("an array without a shape or a type")
        self.shape, self.kind, self.by_columns = shape, dtype.kind, bool(by_columns)
        if dtype.kind == "O":
            self.values: list[Any] = data if isinstance(data, list) else []
            return
        if isinstance(data, str):  # as files of Python 2 were written
            data = data.encode("latin1")
        if dtype.kind not in FLOATS or not isinstance(data, bytes | bytearray):
            raise pickle.UnpicklingError(f"an array of {dtype.kind[:20]}, not of floating-point numbers")
        if len(data) != prod(shape) * FLOATS[dtype.kind]:
            raise pickle.UnpicklingError(f"an array of {len(data):,} bytes whose shape says {prod(shape):,} numbers")
        self.order, self.data = ">" if dtype.order == ">" else "<", bytes(data)

    def numbers(self) -> np.ndarray:
        """Return the array itself, float32."""
        flat = np.frombuffer(self.data, np.dtype(self.order + self.kind))
        return flat.reshape(self.shape, order="F" if self.by_columns else "C").astype(np.float32)


def _encode(text: Any, encoding: Any = "latin1", *_: Any) -> bytes:
    """Stand in for `codecs.encode`, which is how Python 3 writes bytes for Python 2."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("an encoding that no array needs")
    return text.encode("latin1")


class _Named:
    """What a pickle has in place of a function that it names: it can be called, and cannot be changed."""

    __slots__ = ("_stands_for",)

    def __init__(self, stands_for: Callable[..., Any]) -> None:
        self._stands_for = stands_for

    def __call__(self, *arguments: Any) -> Any:
        return self._stands_for(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes a function")


class _Reader(pickle.Unpickler):
    """Puts forms where a pickle names numpy's own; any other name is refused."""

    numpy = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
    forms: ClassVar[dict[str, Callable[..., Any]]] = {
        "ndarray": _Array,
        "dtype": _Type,
        "_reconstruct": _Array.empty,
        "_frombuffer": _Array.of_buffer,
    }

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return _Named(_encode)
        if module not in self.numpy or name not in self.forms:
            raise pickle.UnpicklingError(f"it asks for {module[:60]}.{name[:60]}, which is no array")
        return _Named(self.forms[name])
