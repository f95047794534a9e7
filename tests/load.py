"""What commands cost on a store of 10,000 runs, and claims of 1,000 seeds and 20,000 keys: `python -m tests.load`.

A maintainers' command. It makes the store out of copies of the reference runs under other seeds, in a folder of its own
that it removes, runs each command as a process, and prints its CPU seconds and its largest memory beside the limits.
`tests/test_load.py` counts the work that the same commands do on a small store: it asserts no time.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

from repro.claim.config import hashed
from repro.places import clone
from tests import written

RUNS = 10_000
KEYS = 20_000
STEP = 1_000  # added to seeds for each copy: no claim has so many
SECONDS, MEGABYTES = 20.0, 500.0  # for each command on the store, beyond its start; of CPU
QUICK = 2.0  # seconds for each command on one claim, beyond its start

Words = tuple[object, ...]

MEASURE = """import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, done.stderr[-300:]]))
"""  # in a process of its own, for the largest memory of children never falls


def _moved(config: dict[str, Any], step: int) -> dict[str, Any]:
    """Return a recorded configuration, of a training, an evaluation or a timing, with other seeds."""
    config = copy.deepcopy(config)
    arms = config["timed"].values() if "timed" in config else [config.get("run", config)]
    for arm in arms:
        arm["seed"] += step
        if arm.get("start", {}).get("run"):
            arm["start"]["run"]["seed"] += step
    return config


def copies(shelf: Path) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Yield (recorded folder, id, content of run.json) without end: the shelf itself, then copies under other seeds."""
    recorded = [(path.parent, json.loads(path.read_text())) for path in sorted(shelf.glob("*/run.json"))]
    for step in count(0, STEP):
        for folder, about in recorded:
            config = _moved(about["config"], step)
            yield folder, hashed(json.dumps(config, sort_keys=True, separators=(",", ":"))), about | {"config": config}


def make_store(shelf: Path, runs: int, root: Path) -> None:
    """Write a store of so many runs. Arrays are links to the recorded files, which nothing changes; first rows and
    results get seconds and losses of their own, for copies of measurements are damaged runs."""
    for number, (folder, run_id, about) in enumerate(islice(copies(shelf), runs), start=1):
        (root / run_id).mkdir(parents=True)
        (root / run_id / "run.json").write_text(json.dumps(about, indent=1))
        for file in folder.iterdir():
            if file.suffix in (".json", ".jsonl") and file.name != "run.json":
                (root / run_id / file.name).write_text(_own(file.read_text(), number))
            elif file.suffix == ".npy":
                _link(file, root / run_id / file.name)


def _own(text: str, number: int) -> str:
    """Return a run's rows or result in which the first seconds and the first loss are nobody else's."""
    return re.sub(r'("(?:seconds|train_loss)":\s*\d+\.\d{6})\d*', rf"\g<1>{number:06d}1", text, count=2)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def many_seeds(text: str, seeds: int) -> str:
    """Return a claim's text with so many judging seeds in place of its own."""
    lines = [f"seeds: {list(range(seeds))}" if line.startswith("seeds: ") else line for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def many_keys(text: str, keys: int, where: str) -> str:
    """Return a claim's text with so many more keys: `unknown` ones, misspelled `overrides` of a scale, `seeds`,
    `alternatives` or `arms`."""
    names = [f"extra{i}" for i in range(keys)]
    if where == "seeds":
        return many_seeds(text, keys)
    if where == "unknown":
        return text + "".join(f"{name}: 1\n" for name in names)
    if where == "overrides":
        return text.replace("  smoke: {", "  smoke: {" + "".join(f"train.{name}: 1, " for name in names))
    if where == "alternatives":
        added = "".join(f"      {name}: {{label: more, train.momentum: 0.5}}\n" for name in names)
        return text.replace(
            "assumptions:\n", f"assumptions:\n  - what: more\n    ours: none\n    alternatives:\n{added}"
        )
    assert where == "arms", where
    added = "".join(f"  {name}: {{label: label {i}, train.momentum: 0.5}}\n" for i, name in enumerate(names))
    return text.replace("arms:\n", f"arms:\n{added}")


KINDS = ("unknown", "overrides", "seeds", "alternatives", "arms")


def measured(*words: object) -> tuple[int, float, float, str]:
    """Run `python -m repro` with these words; return its exit code, CPU seconds, largest MB, and its errors' end."""
    command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "repro", *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return tuple(json.loads(done.stdout))


def main() -> None:
    """Print a line for each command."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=RUNS)
    options.add_argument("--only", default="", help="only commands whose line has this in it")
    options.add_argument("--write", action="store_true", help="write the table into tests/README.md")
    args = options.parse_args()
    home = clone()
    assert home is not None, "a maintainers' command, for a clone"
    with tempfile.TemporaryDirectory(dir=home / "runs", prefix=".load-") as folder:
        root = Path(folder)
        make_store(home / "runs" / "reference", args.runs, root / "runs")
        shelf, on_cpu = ("--runs", root / "runs"), ("--device", "cpu", "--runs", root / "none")
        version: Words = ("--version",)
        # Words of each command, its limit, and the command with which it shares its start: torch alone has 500 MB.
        commands: dict[str, tuple[Words, float, Words]] = {
            "plan": (("plan", "relu_speedup", "--device", "cpu", *shelf), SECONDS, ("plan", "relu_speedup", *on_cpu)),
            "coverage": (("coverage", *shelf), SECONDS, version),
            "gc --dry-run": (("gc", "--dry-run", *shelf), SECONDS, version),
            "report": (("report", "relu_speedup", *shelf, "--out", root / "pages"), SECONDS, version),
        }
        trace, relu = ((home / "claims" / f"{name}.yaml").read_text() for name in ("cifar_trace", "relu_speedup"))
        texts = {"1,000 seeds": ("cifar_trace", many_seeds(trace, 1000))}
        texts |= {f"{KEYS:,} {kind}": ("relu_speedup", many_keys(relu, KEYS, kind)) for kind in KINDS}
        for number, (name, (claim, text)) in enumerate(texts.items()):
            path = root / str(number) / f"{claim}.yaml"  # a claim's file has its id
            path.parent.mkdir()
            path.write_text(text)
            if claim == "cifar_trace":
                same = ("plan", claim, "--scale", "paper", *on_cpu)
                commands[f"plan of {name}"] = ("plan", path, *same[2:]), QUICK, same
            else:
                commands[f"check of {name}"] = ("check", path), QUICK, version
        rows = []
        for name, (words, limit, start) in commands.items():
            if args.only in name:
                code, seconds, megabytes, errors = measured(*words)
                _, first_seconds, first_megabytes, _ = measured(*start)
                beyond = f"{seconds - first_seconds:.1f}", f"{limit:g}"
                memory = f"{megabytes:.0f}", f"{megabytes - first_megabytes:.0f}", f"{MEGABYTES:g}"
                rows.append((name, str(code), f"{seconds:.1f}", *beyond, *memory))
                if code not in (0, 2):
                    print(errors)
    head = ("command", "exit", "s CPU", "beyond its start", "limit", "MB", "beyond its start", "limit")
    lines = written.table(head, rows)
    print("\n".join(lines))
    if args.write and not args.only:
        written.renew("load", f"python -m tests.load --runs {args.runs}", lines)


if __name__ == "__main__":
    main()
