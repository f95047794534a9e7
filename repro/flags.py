"""Flags: those that several verbs share, and those of `finetune` with the wish that they make. Nothing heavy here."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def shelf(sub: argparse.ArgumentParser) -> None:
    """Which runs."""
    sub.add_argument("--runs", type=Path, metavar="DIR", help="the shelf of your runs (default: runs/)")
    sub.add_argument("--reference", action="store_true", help="maintainers: work on the reference shelf")


def out(sub: argparse.ArgumentParser) -> None:
    """Where to write."""
    sub.add_argument("--out", type=Path, metavar="DIR", help="where the pages go (default: reports/)")


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
    model: dict[str, Any] = field(default_factory=dict)  # of `repro.spec.config.RunModel`: kind, reading, width, init
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
