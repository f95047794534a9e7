"""The evaluation of LeNet-5 that reads a layer by name. Needs torch: the engine loads it by its name."""

from repro.train.evaluations import Results
from repro.train.loop import Trainer


def first_kernels(run: Trainer) -> Results:
    """Return the spread of the weights of C1."""
    return Results({"spread": float(run.net.get_parameter("c1.weight").detach().std())})


EVALUATIONS = {"first_kernels": first_kernels}
