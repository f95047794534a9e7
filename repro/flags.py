"""The words of the command line: every verb with its flags, and the wish that those of `finetune` make."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import repro
from repro.completion import IDS, SHELLS
from repro.errors import CODES
from repro.places import SCALES
from repro.values import address, count, factor, gpus, share


def shelf(sub: argparse.ArgumentParser) -> None:
    """Add the flags that say which runs."""
    sub.add_argument("--runs", type=Path, metavar="DIR", help="folder of your runs (default: runs/)")
    sub.add_argument("--reference", action="store_true", help="for maintainers: work on the reference shelf")


def selection(sub: argparse.ArgumentParser, default: str = "default: the project's claims") -> None:
    """Add the flags that say which claims."""
    sub.add_argument("claims", nargs="*", type=Path, metavar="CLAIM", help=default)
    sub.add_argument("--section", metavar="N", help="only claims whose sentence stands in this section of the paper")


def files_for_ci(sub: argparse.ArgumentParser) -> None:
    """Add the flags for what a CI reads."""
    sub.add_argument("--junit", type=Path, metavar="FILE", help="also write the verdicts as JUnit XML")
    sub.add_argument("--summary", type=Path, metavar="FILE", help="also write the verdicts as a table in Markdown")
    sub.add_argument("--quiet", action="store_true", help="print verdicts and what went wrong only")


def failing(sub: argparse.ArgumentParser) -> None:
    """Add the flag for the verdicts that fail the command."""
    sub.add_argument(
        "--fail-on",
        type=lambda text: tuple(filter(None, map(str.strip, text.split(",")))),
        default=(),
        metavar="WORD[,WORD...]",
        help="exit with code 5 if a verdict is one of these words, such as refuted; with 4 on error in any case",
    )


def as_json(sub: argparse.ArgumentParser) -> None:
    """Add the flag for programs."""
    sub.add_argument("--json", action="store_true", help="print JSON, whose keys docs/json.md explains")


def out(sub: argparse.ArgumentParser) -> None:
    """Add the flag that says where to write."""
    sub.add_argument("--out", type=Path, metavar="DIR", help="folder of the pages (default: reports/)")


def machine(sub: argparse.ArgumentParser) -> None:
    """Add the flags that say what trains."""
    sub.add_argument("--workers", type=count, metavar="N", help="processes (default: one per core; one on a GPU)")
    sub.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda if available")
    sub.add_argument(
        "--towers", type=int, choices=(1, 2), default=1,
        help="2: train each tower of a net that has two in a process, and on a GPU, of its own (default: 1)",
    )  # fmt: skip


def cluster(sub: argparse.ArgumentParser) -> None:
    """Add the flags for a cluster, and what a run takes of it."""
    sub.add_argument("--on", type=address, metavar="CLUSTER",
                     help="train on a Ray cluster: ray://HOST:PORT, or ray: one on this machine")  # fmt: skip
    sub.add_argument("--gpus-per-run", type=gpus, metavar="GPUS",
                     help="with --on: the share of a GPU that a run takes (default: 1)")  # fmt: skip
    sub.add_argument("--cpus-per-run", type=share, default=1.0, metavar="CORES",
                     help="with --on: the cores that a run takes (default: 1)")  # fmt: skip
    sub.add_argument("--memory-per-run", type=share, default=0.0, metavar="GIB",
                     help="with --on: the memory that a run takes (default: not counted)")  # fmt: skip


def where(sub: argparse.ArgumentParser) -> None:
    """Add the flags that say where data and runs are."""
    sub.add_argument("--data", type=Path, metavar="DIR", help="folder of data sets (default: $REPRO_DATA, or ./data)")
    shelf(sub)


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
    """Add the flags of `finetune`."""
    usual, layers = Wish(Path(), Path()), "LAYER[,LAYER...]"
    sub.add_argument(
        "photos", type=Path, metavar="DATA", help="a folder with one folder per class, or with image parquet files"
    )
    sub.add_argument(
        "--weights", type=Path, metavar="FILE", help="weights to start from (default: none, only training from scratch)"
    )
    sub.add_argument("--afresh", metavar=layers, help="layers that get new initial values, or none (default: the last)")
    sub.add_argument("--train", metavar=layers, help="layers to train, or all (default: all); the others are frozen")
    sub.add_argument("--lr", type=factor, default=usual.lr, help="learning rate (default: %(default)s)")
    sub.add_argument("--fresh-lr", type=factor, default=usual.fresh_lr, metavar="FACTOR",
                     help="factor on the learning rate of new layers (default: %(default)s)")  # fmt: skip
    sub.add_argument("--epochs", type=count, default=usual.epochs, metavar="N", help="default: %(default)s")
    sub.add_argument(
        "--batch", type=count, default=usual.batch, metavar="N", help="photos per update (default: %(default)s)"
    )
    sub.add_argument("--seed", type=int, default=usual.seed, metavar="N", help="default: %(default)s")
    sub.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda if available")
    sub.add_argument("--model", metavar="NET", help="the net (default: that of the weights, else the paper's)")
    sub.add_argument(
        "--reading", choices=("paper", "source"), help="version of the paper's net: as printed, or as released"
    )
    sub.add_argument(
        "--width",
        type=factor,
        metavar="FACTOR",
        help="factor on the width of hidden layers (default: that of the weights)",
    )
    sub.add_argument("--init", choices=("published", "he"), help="initial values (default: those of the weights)")
    sub.add_argument(
        "--crop", type=count, metavar="PX", help="side of the net's input in pixels (default: that of the weights)"
    )
    sub.add_argument(
        "--pixels", choices=("raw", "standardised"), help="scale of the input (default: that of the weights)"
    )
    sub.add_argument("--no-scratch", action="store_true", help="do not train the same net from scratch")
    sub.add_argument("--tensorboard", type=Path, metavar="DIR", help="folder for curves (needs the extra tensorboard)")
    sub.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for page, weights and runs (default: finetuned/ plus the name of DATA)",
    )
    sub.add_argument("--open", action="store_true", help="open the page in a browser")


def wish(args: argparse.Namespace) -> Wish:
    """Return what the flags of `finetune` ask for."""

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
  python -m repro run relu_speedup                 train, judge and report at the scale that suits this machine
  python -m repro run 'relu*' --section 3.1         the same for all claims whose id and section match
  python -m repro smoke                            run every claim on a few digits to test the installation
  python -m repro plan relu_speedup --scale paper  show what that would train here, and how long it would take
  python -m repro show relu_speedup --scale small  show what differs from the paper's recipe, and where it comes from
  python -m repro report                           write the pages again from the existing runs

A CLAIM is an id (as `list` prints it), a pattern of ids in quotes, a file, or a folder of files.

exit codes:
""" + "".join(f"  {code:>3}  {meaning}\n" for code, meaning in CODES.items())


def parser() -> argparse.ArgumentParser:
    """Return the whole command line; tests hold its flags and the documents to each other."""
    top = argparse.ArgumentParser(
        prog="repro",
        description=(
            "Test the claims of landmark papers, which `repro list` shows: train the nets that a claim compares, judge "
            "the claim, report it."
        ),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"repro {repro.__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, help=text, description=text)

    run = verb("run", "train the missing runs of claims, judge the claims and write their pages")
    plan = verb("plan", "show what `run` would train, and how long it would take on this machine")
    for sub in (run, plan):
        selection(sub, "ids, patterns of ids, files, or folders of files")
        sub.add_argument(
            "--base", action="store_true",
            help="first choose the base, the net that claims on photos share at small scale; print its name",
        )  # fmt: skip
        sub.add_argument(
            "--scale", choices=SCALES, help="size of the experiment (default: the largest that suits this machine)"
        )
        sub.add_argument("--seeds", type=count, metavar="N", help="judge on N seeds: 0 to N-1")
        machine(sub)
        where(sub)
    plan.add_argument("--on", type=count, metavar="GPUS",
                      help="what the catalogue, or the claims named, takes in all on so many GPUs of this kind: runs, "
                      "hours, disk and days (default scale: paper)")  # fmt: skip
    run.add_argument(
        "--budget", metavar="TIME", help="start no run that cannot finish within this time, such as 2h or 90m"
    )
    cluster(run)
    out(run)
    failing(run)
    files_for_ci(run)
    as_json(plan)
    sub = verb("smoke", "test the installation: run every claim on a few digits, in minutes on two cores")
    selection(sub)
    machine(sub)
    cluster(sub)
    sub.add_argument("--runs", type=Path, metavar="DIR", help="folder of your runs (default: runs/)")
    out(sub)
    files_for_ci(sub)
    sub.set_defaults(scale="smoke", seeds=None, base=False, data=None, reference=False, fail_on=())
    sub = verb("watch", "show which runs are being trained, by whom, how far they are and for how long")
    sub.add_argument("--every", type=factor, metavar="SECONDS",
                     help="show it again after so many seconds (default: 2 on a terminal; elsewhere, and with --json, "
                     "once)")  # fmt: skip
    shelf(sub)
    as_json(sub)
    finetuning(verb("finetune", "fine-tune the net on your photos, and train the same net from scratch to compare"))
    sub = verb("list", "list the claims")
    selection(sub)
    as_json(sub)
    sub = verb("coverage", "show the state of every sentence's claim, what is missing, and the command for it")
    sub.add_argument(
        "--missing", action="store_true", help="print every scale, and the command and cost of every missing verdict"
    )
    shelf(sub)
    as_json(sub)
    sub = verb("show", "print the settings in which a claim differs from its paper's recipe, and where each comes from")
    sub.add_argument("claim", type=Path, metavar="CLAIM", help="an id, a pattern that one id matches, or a file")
    sub.add_argument("--all", action="store_true", help="print those of the recipe and defaults too")
    sub.add_argument("--scale", choices=SCALES, help="show the settings at this scale")
    sub.add_argument("--arm", help="show the settings of this arm")
    sub.add_argument("--alternative", help="show the settings under this alternative")
    sub = verb("check", "check claim files without data or training; list every mistake with its line, and give advice")
    selection(sub)
    sub = verb("new-claim", "write a claim's file to begin with, from the nearest claim, with a comment above each key")
    sub.add_argument("id", metavar="ID", help="the new claim's id, which is its file's name in claims/")
    sub.add_argument("--like", type=Path, metavar="CLAIM", help="begin with this claim instead of the nearest")
    sub = verb("report", "write the pages from the existing runs")
    selection(sub)
    sub.add_argument("--open", action="store_true", help="open the page in a browser")
    shelf(sub)
    out(sub)
    failing(sub)
    files_for_ci(sub)
    sub = verb("data", "download a data set, or list where known data sets were found")
    sub.add_argument(
        "action", choices=("get", "list"), help="get: download a set; list: show which sets were found, and where"
    )
    sub.add_argument("kind", nargs="?", help="data set: cifar10")
    sub.add_argument("--data", type=Path, metavar="DIR", help="folder of data sets (default: $REPRO_DATA, or ./data)")
    sub = verb("gc", "delete the checkpoints of finished runs; a run that must be longer is then trained again")
    sub.add_argument("--dry-run", action="store_true", help="only list the files and their size")
    shelf(sub)
    sub = verb("audit", "recompute everything that runs record twice, and name what does not agree")
    sub.add_argument("runs_or_run", nargs="?", type=Path, metavar="RUN|DIR",
                     help="an id, a run's folder, or a folder of runs (default: all of your runs)")  # fmt: skip
    shelf(sub)
    sub = verb("export", "pack runs, without checkpoints, into one archive that can be verified")
    sub.add_argument("file", type=Path, metavar="FILE", help="the archive to write, a zip file")
    sub.add_argument("ids", nargs="*", metavar="RUN", help="ids of runs (default: all that are finished)")
    shelf(sub)
    sub = verb("import", "verify an archive of runs and add them to yours; runs that are there stay")
    sub.add_argument("file", type=Path, metavar="FILE", help="an archive that `export` made")
    sub.add_argument("--runs", type=Path, metavar="DIR", help="folder of your runs (default: runs/)")
    sub.set_defaults(reference=False)
    sub = verb("evaluate", "measure the test error of published weights, and compare it with the documented one")
    sub.add_argument("photos", metavar="PHOTOS", help="a known set, such as ilsvrc2012, or a folder of photos")
    sub.add_argument("--model", required=True, help="torchvision:NAME, timm:NAME or bvlc_alexnet")
    sub.add_argument("--weights", type=Path, metavar="FILE", help="default: the weights that torchvision publishes")
    sub.add_argument("--data", type=Path, metavar="DIR", help="folder of data sets (default: $REPRO_DATA, or ./data)")
    sub.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda if available")
    sub.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the page (default: evaluated/ plus the name of PHOTOS)",
    )
    sub.add_argument("--open", action="store_true", help="open the page in a browser")
    sub = verb("doctor", "show what this machine has, and what to do next; with a flag, check what it computes")
    sub.add_argument("--canary", action="store_true", help="compare ten updates of fixed nets with recorded losses")
    sub.add_argument("--device", choices=("cpu", "cuda"), help="check what this device computes, and how fast")
    sub.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the page and JSON of --device (default: reports/doctor)"
    )
    where(sub)
    as_json(sub)
    sub = verb("completion", "print the completion of this command line for a shell")
    sub.add_argument(
        "shell", choices=(*SHELLS, IDS), help=f"a shell; {IDS}: the claims' ids, which completions ask for"
    )
    return top
