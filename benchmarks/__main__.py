"""The command line of the benchmarks: unpack the flags, print the lines, exit with the code of an error."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from repro.errors import ReproError
from repro.flags import count, factor

PARTS = {
    "startup": "the commands that must answer at once",
    "lrn": "the norm across maps",
    "step": "an update of the 19pct net",
    "net": "an update of AlexNet",
    "sweep": "several runs side by side",
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m benchmarks`."""
    top = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time parts of this project and what people would use instead, in turn.",
    )
    top.add_argument("part", choices=PARTS, help="; ".join(f"{part}: {text}" for part, text in PARTS.items()))
    top.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    top.add_argument("--workers", type=count, default=2, metavar="K", help="runs side by side in sweep (%(default)s)")
    top.add_argument("--rounds", type=count, metavar="N", help="rounds that count; fewer than five decide nothing")
    top.add_argument("--give-up", type=factor, default=600.0, metavar="SECONDS",
                     help="after which torch.compile is ended (default: %(default)s)")  # fmt: skip
    top.add_argument("--out", type=Path, metavar="DIR", help="keep the result of step, net or sweep there, as JSON")
    top.add_argument("--reference", action="store_true", help="maintainers: keep the result for README")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Do one benchmark and return its exit code: 0, or that of the error that is printed."""
    args = parser().parse_args(arguments)
    from benchmarks.run import measured
    from repro.engine.provenance import device_of

    given = {key: getattr(args, key) for key in ("workers", "rounds", "give_up", "out", "reference")}
    try:
        for line in measured(args.part, device_of(args.device), **given):
            print(line, flush=True)
    except ReproError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
