"""Papers on trial: each measurable sentence of a landmark paper is a claim that is trained, judged and reported.

In a notebook: `repro.runs()`, `repro.epochs("relu_speedup")`, `repro.results()` and the others of `FRAMES` return data
frames; their documentation lists the columns. Nothing is loaded before one of them is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repro.notebook import epochs as epochs
    from repro.notebook import facts as facts
    from repro.notebook import measures as measures
    from repro.notebook import points as points
    from repro.notebook import results as results
    from repro.notebook import runs as runs
    from repro.notebook import updates as updates

__version__ = "0.1.0"
FRAMES = ("runs", "epochs", "updates", "measures", "points", "facts", "results")


def __getattr__(name: str) -> Any:
    if name not in FRAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from repro import notebook

    return getattr(notebook, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *FRAMES})
