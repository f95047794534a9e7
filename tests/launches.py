"""What a GPU would launch, counted on tensors without values."""

from torch.utils._python_dispatch import TorchDispatchMode


class Launches(TorchDispatchMode):
    """The names of the operators that pass below autograd."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace != "profiler":  # marks, not work
            self.names.append(str(func))
        return func(*args, **(kwargs or {}))
