"""What a GPU would launch, counted on tensors without values; and what it would wait for, refused."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

MEMORY = ("aten._unsafe_view.default", "aten.empty.memory_format", "aten.empty_like.default")  # no kernel of their own


class Launches(TorchDispatchMode):
    """The names of the operators that pass below autograd, views left out.

    Refuses, by an AssertionError, a tensor with a dimension that lies on another device than `device`, and a copy from
    one device to another. Tensors of the device `meta` refuse by themselves that their values are read.
    """

    def __init__(self, device: str = "meta") -> None:
        super().__init__()
        self.device, self.names = torch.device(device), list[str]()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        seen = [tensor for tensor in tree_flatten((args, kwargs, out))[0] if isinstance(tensor, torch.Tensor)]
        for tensor in seen:
            if tensor.dim() and tensor.device != self.device:
                raise AssertionError(f"{func} touches {tensor.device}: {tuple(tensor.shape)}")
        if "copy" in str(func) and len({tensor.device for tensor in seen}) > 1:
            raise AssertionError(f"{func} copies between devices")
        # a profiler's mark is no work
        if not func.is_view and str(func) not in MEMORY and func.namespace != "profiler":
            self.names.append(str(func))
        return out
