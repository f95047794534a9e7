"""What made a run: the sources and whether they were clean, versions, machine and device. Recorded, never hashed."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import numpy as np
import torch

import repro
from repro.errors import ReproError
from repro.nets.tables import TOWERS
from repro.store.rows import Provenance
from repro.train.minibatches import NUMERICS


def provenance(device: str, towers: int = 1) -> Provenance:
    """Return what makes runs here on `device`: commit and whether clean, versions, machine, threads. It names no
    machine. The commit is None where the package was not imported from a clone: `repro` names its version then.
    `towers` 2: nets of two towers are trained in two processes."""
    commit, clean = commit_of(Path(repro.__file__).parent)
    gpu = torch.cuda.get_device_properties(0) if device == "cuda" else None
    made: Provenance = {
        "commit": commit,
        "clean": clean,
        "numerics": NUMERICS,
        "repro": repro.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "device": gpu.name if gpu else "cpu",
        "cuda": torch.version.cuda if gpu else None,
        "threads": 1 if device == "cpu" else torch.get_num_threads(),
        "tf32": False,
    }
    if towers == TOWERS:
        made["towers"] = towers
    return made


def device_name(made: Provenance) -> str:
    """Return what a timing is a fact of: the GPU's name, or the processor with the threads that were used; with a
    device for each tower, two of it."""
    of = f"{made['threads']} thread{'s' * (made['threads'] != 1)} of {made['processor']}"
    name = made["device"] if made["device"] != "cpu" else of
    return f"{made['towers']} x {name}" if "towers" in made else name


def device_of(asked: str | None) -> str:
    """Return the device that was asked for, else cuda where there is one. ReproError for cuda where there is none."""
    if asked == "cuda" and not torch.cuda.is_available():
        raise ReproError("--device cuda: torch sees no CUDA device here; leave --device away, or see `repro doctor`")
    return asked or ("cuda" if torch.cuda.is_available() else "cpu")


def check_towers(device: str) -> None:
    """Check that a device for each of two towers is here. ReproError where it is not."""
    if not torch.distributed.is_available():
        raise ReproError("--towers 2: this PyTorch was built without torch.distributed; leave --towers away")
    if device == "cuda" and (count := torch.cuda.device_count()) < TOWERS:
        raise ReproError(
            f"--towers 2: found {count} CUDA device; expected 2, one for each tower; take --device cpu for two "
            "processes on the CPU, or leave --towers away"
        )


def commit_of(package: Path) -> tuple[str | None, bool]:
    """Return the commit of the package's sources, and whether they and the claims are as committed; (None, False) where
    the package is not the folder `repro` of a clone, as one installed in an environment inside a clone is not.

    Where git is not, REPRO_COMMIT has a commit's name, followed by `+changed` where the tree differed from it.
    """
    if given := os.environ.get("REPRO_COMMIT"):
        return given.removesuffix("+changed"), not given.endswith("+changed")

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=package, capture_output=True, text=True, check=True).stdout.strip()

    try:
        top = git("rev-parse", "--show-toplevel")
        if Path(top).resolve() / "repro" != package.resolve():
            return None, False
        return git("rev-parse", "HEAD"), not git("-C", top, "status", "--porcelain", "--", "repro", "claims")
    except (OSError, subprocess.CalledProcessError):
        return None, False


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {key.strip(): value.strip() for key, value in facts.items()}
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in named.get("flags", "").split()]
    return f"{named.get('model name', platform.processor())} ({', '.join(wide)})"
