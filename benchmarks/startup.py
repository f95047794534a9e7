"""How long the commands that must answer at once take, beside an empty Python and one that imports torch."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

ROUNDS = 5  # assumed


def measure() -> list[str]:
    """A line per command: median seconds of whole processes, taken in turn, and the ratio to an empty Python."""
    commands = {
        "python -c pass": ["-c", "pass"],
        "python -c 'import torch'": ["-c", "import torch"],
        "repro --help": ["-m", "repro", "--help"],
        "repro list": ["-m", "repro", "list"],
        "repro check": ["-m", "repro", "check"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS + 1):
        for name, words in commands.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - start)
    # the first round warms the file cache
    medians = {name: median(values[1:]) for name, values in seconds.items()}
    empty = medians["python -c pass"]
    return [f"{name:<26} {value:6.2f} s   {value / empty:5.1f} x an empty Python" for name, value in medians.items()]
