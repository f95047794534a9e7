"""The words of the command line: every verb with its flags, and the wish that those of `finetune` make."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import repro
from repro.places import SCALES


def shelf(sub: argparse.ArgumentParser) -> None:
    """Which runs."""
    sub.add_argument("--runs", type=Path, metavar="DIR", help="the shelf of your runs (default: runs/)")
    sub.add_argument("--reference", action="store_true", help="maintainers: work on the reference shelf")


def out(sub: argparse.ArgumentParser) -> None:
    """Where to write."""
    sub.add_argument("--out", type=Path, metavar="DIR", help="where the pages go (default: reports/)")


def machine(sub: argparse.ArgumentParser) -> None:
    """What trains."""
    sub.add_argument("--workers", type=count, metavar="N", help="processes (default: one per core; one on a GPU)")
    sub.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")


def where(sub: argparse.ArgumentParser) -> None:
    """Where data and runs are."""
    sub.add_argument("--data", type=Path, metavar="DIR", help="folder of data sets (default: $REPRO_DATA, or ./data)")
    shelf(sub)


def count(text: str) -> int:
    """A whole number above 0."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"found {value}; expected 1 or more")
    return value


def factor(text: str) -> float:
    """A number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text}; expected a number above 0")
    return value


@dataclass(frozen=True)
class Wish:
    """A fine-tuning as it is asked for. What is None is read off the weights where they are ours, else the paper's."""

    data: Path
    out: Path
    weights: Path | None = None
    afresh: tuple[str, ...] | None = None  # the last layer
    train: tuple[str, ...] | None = None  # all layers
    lr: float = 0.001  # a tenth of the paper's, as #146-2012-2011 (source.md 2.1)
    fresh_lr: float = 10.0  # so that layers afresh learn at the paper's 0.01
    epochs: int = 30  # assumed
    batch: int = 128  # §5
    seed: int = 0
    model: dict[str, Any] = field(default_factory=dict)  # of `repro.claim.config.RunModel`: kind, reading, width, init
    crop: int | None = None
    pixels: str | None = None  # raw, standardised
    scratch: bool = True
    tensorboard: Path | None = None


def finetuning(sub: argparse.ArgumentParser) -> None:
    """The flags of `finetune`."""
    usual, layers = Wish(Path(), Path()), "LAYER[,LAYER...]"
    sub.add_argument("photos", type=Path, metavar="DATA", help="folder of class folders, or of image parquet")
    sub.add_argument("--weights", type=Path, metavar="FILE", help="weights to start from; without: from scratch alone")
    sub.add_argument("--afresh", metavar=layers, help="layers that start anew, or none (default: the last)")
    sub.add_argument("--train", metavar=layers, help="layers that learn, or all (default: all); others stay")
    sub.add_argument("--lr", type=factor, default=usual.lr, help="learning rate (default: %(default)s)")
    sub.add_argument("--fresh-lr", type=factor, default=usual.fresh_lr, metavar="FACTOR",
                     help="on the rate of layers that start anew (default: %(default)s)")  # fmt: skip
    sub.add_argument("--epochs", type=count, default=usual.epochs, metavar="N", help="default: %(default)s")
    sub.add_argument("--batch", type=count, default=usual.batch, metavar="N", help="photos an update (%(default)s)")
    sub.add_argument("--seed", type=int, default=usual.seed, metavar="N", help="default: %(default)s")
    sub.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    sub.add_argument("--model", metavar="NET", help="the net (default: that of the weights, else the paper's)")
    sub.add_argument("--reading", choices=("paper", "source"), help="of the paper's net: as printed, or as released")
    sub.add_argument("--width", type=factor, metavar="FACTOR", help="on its hidden layers (default: its weights')")
    sub.add_argument("--init", choices=("published", "he"), help="initial values (default: its weights')")
    sub.add_argument("--crop", type=count, metavar="PX", help="side of what the net sees (default: its weights')")
    sub.add_argument("--pixels", choices=("raw", "standardised"), help="as the net sees them (default: its weights')")
    sub.add_argument("--no-scratch", action="store_true", help="leave out the net from scratch")
    sub.add_argument("--tensorboard", type=Path, metavar="DIR", help="export the curves there (extra: tensorboard)")
    sub.add_argument("--out", type=Path, metavar="DIR", help="page, weights and runs (default: finetuned/NAME of DATA)")


def wish(args: argparse.Namespace) -> Wish:
    """What the flags of `finetune` ask for."""

    def layers(given: str | None, word: str, means: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if given is None else means if given == word else tuple(filter(None, given.split(",")))

    net = {"kind": args.model, "reading": args.reading, "width": args.width, "init": args.init}
    return Wish(
        data=args.photos,
        out=args.out or Path("finetuned") / args.photos.resolve().name,
        weights=args.weights,
        afresh=layers(args.afresh, "none", ()),
        train=layers(args.train, "all", None),
        lr=args.lr,
        fresh_lr=args.fresh_lr,
        epochs=args.epochs,
        batch=args.batch,
        seed=args.seed,
        model={key: value for key, value in net.items() if value is not None},
        crop=args.crop,
        pixels=args.pixels,
        scratch=not args.no_scratch,
        tensorboard=args.tensorboard,
    )


EXAMPLES = """\
examples:
  python -m repro run relu_speedup                 train, judge, report; the scale that fits this machine
  python -m repro smoke                            every claim on a few digits: does the machinery work here?
  python -m repro plan relu_speedup --scale paper  what that would train here, and how long it takes
  python -m repro show relu_speedup --scale small  every value and where it comes from
  python -m repro report                           the pages again, from the runs there are

A CLAIM is an id, as `list` prints it, a file, or a folder of files.

exit codes: 0 done, whatever the verdict; 2 usage or claim; 3 data missing; 4 a run failed; 130 interrupted (resumable);
141 nobody reads on (as in `repro list | head -1`)
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line; tests hold its flags and the documents to each other."""
    top = argparse.ArgumentParser(
        prog="repro",
        description="The AlexNet paper on trial: train what a claim compares, judge it, report it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"repro {repro.__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, help=text, description=text)

    run = verb("run", "train what claims want and lack, judge them and write their pages")
    plan = verb("plan", "say what `run` would train, and how long it takes on this machine")
    for sub in (run, plan):
        sub.add_argument("claims", nargs="*", type=Path, metavar="CLAIM", help="ids, files, or folders of files")
        sub.add_argument("--base", action="store_true", help="train the candidates for a base of small scale first")
        sub.add_argument("--scale", choices=SCALES, help="how much of it is done (default: what fits this machine)")
        sub.add_argument("--seeds", type=count, metavar="N", help="judge on N seeds: 0 to N-1")
        machine(sub)
        where(sub)
    run.add_argument("--budget", metavar="TIME", help="begin no run that cannot end in this time, such as 2h or 90m")
    out(run)
    sub = verb("smoke", "run every claim on a few digits, in minutes on two cores: does the machinery work here?")
    sub.add_argument("claims", nargs="*", type=Path, metavar="CLAIM", help="default: the project's claims")
    machine(sub)
    sub.add_argument("--runs", type=Path, metavar="DIR", help="the shelf of your runs (default: runs/)")
    out(sub)
    sub.set_defaults(scale="smoke", seeds=None, base=False, data=None, reference=False)
    finetuning(verb("finetune", "fine-tune the net on your photos, beside the same net from scratch"))
    sub = verb("list", "list the claims")
    sub.add_argument("claims", nargs="*", type=Path, metavar="CLAIM", help="default: the project's claims")
    sub = verb("coverage", "say what there is of every sentence, and what fills what is missing")
    shelf(sub)
    sub = verb("show", "print a claim's resolved configuration with the source of every value")
    sub.add_argument("claim", type=Path, metavar="CLAIM", help="an id, or a file")
    sub.add_argument("--scale", choices=SCALES, help="lay a scale on")
    sub.add_argument("--arm", help="lay one arm on")
    sub.add_argument("--alternative", help="lay one alternative on")
    sub = verb("check", "check claim files, every mistake with its line, without data or training")
    sub.add_argument("claims", nargs="*", type=Path, metavar="CLAIM", help="default: the project's claims")
    sub = verb("report", "write the pages from the runs there are")
    sub.add_argument("claims", nargs="*", type=Path, metavar="CLAIM", help="default: the project's claims")
    shelf(sub)
    out(sub)
    sub = verb("data", "fetch a data set, or say where the known ones are")
    sub.add_argument("action", choices=("get", "list"), help="get: fetch; list: what is found where")
    sub.add_argument("kind", nargs="?", help="data set: cifar10")
    sub.add_argument("--data", type=Path, metavar="DIR", help="folder of data sets (default: $REPRO_DATA, or ./data)")
    sub = verb("gc", "remove the checkpoints of finished runs; a run extended later then starts again")
    shelf(sub)
    sub = verb("evaluate", "the test error of given weights on photos, beside what is documented of them")
    sub.add_argument("photos", metavar="PHOTOS", help="a known set, such as ilsvrc2012, or a folder of photos")
    sub.add_argument("--model", required=True, help="torchvision:NAME, timm:NAME or bvlc_alexnet")
    sub.add_argument("--weights", type=Path, metavar="FILE", help="default: those that torchvision publishes")
    sub.add_argument("--data", type=Path, metavar="DIR", help="folder of data sets (default: $REPRO_DATA, or ./data)")
    sub.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    sub = verb("doctor", "say what this machine has, and what to do next; with a flag, check what it computes")
    sub.add_argument("--canary", action="store_true", help="ten updates of fixed nets against losses of the project's")
    sub.add_argument("--device", choices=("cpu", "cuda"), help="check what this device computes, and how fast")
    sub.add_argument("--out", type=Path, metavar="DIR", help="page and JSON of --device (default: reports/doctor)")
    where(sub)
    return top
