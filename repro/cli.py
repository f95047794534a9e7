"""The command line: each verb unpacks its arguments and makes its calls. The only place that prints and exits.

Nothing heavy is imported before a verb needs it: `--help`, `list` and `check` answer without torch.
"""

from __future__ import annotations

import argparse
import gc
import os
import select
import sys
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from repro import places, verbs
from repro.errors import ReproError
from repro.flags import parser, wish

VIOLATED = 8  # of an audit
UNREAD = 141  # what a shell reports of a program that SIGPIPE ended: 128 + 13


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    gc.set_threshold(50_000)  # at 700 a quarter of `coverage` went into looking for garbage among claims and runs
    try:
        try:
            code = _done(arguments)
        finally:
            sys.stdout.flush()  # here, where the error can be caught, and not when the interpreter ends
    except BrokenPipeError:
        if not _unread():
            raise
        code = UNREAD
    sys.exit(code)


def _done(arguments: list[str] | None) -> int:
    """Run one command; its exit code, with a message where it failed."""
    args = parser().parse_args(arguments)
    try:
        return VERBS[args.verb](args)
    except ReproError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoints", file=sys.stderr)
        return 130


def _unread() -> bool:
    """Whether the reader of our lines has closed its end, as `head` does; what is left of them then goes nowhere."""
    closed = []
    for stream in (sys.stdout, sys.stderr):
        poll = select.poll()
        poll.register(stream, 0)  # errors alone, which are always told
        if poll.poll(0):
            closed.append(stream)
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return bool(closed)


def _line(text: str) -> None:
    """Print a line that is seen at once."""
    print(text, flush=True)


def _finetune(args: argparse.Namespace) -> int:
    from repro.engine.provenance import device_of
    from repro.finetune import finetune
    from repro.progress import display

    with display(_line) as show:
        told = finetune(wish(args), device_of(args.device), show)
    print("\n".join(told.lines(places.relative_path(told.out))))
    return 0


def _list(args: argparse.Namespace) -> int:
    files = sorted(verbs.load(args.claims), key=lambda file: file.paper.id)  # the order within a paper stays
    for i, file in enumerate(files):
        if i == 0 or file.paper is not files[i - 1].paper:
            print(f"{file.paper.authors}, {file.paper.title}, {file.paper.year} ({file.paper.id})")
        scales = ", ".join(getattr(file.claim, "scales", ["exact"]))
        print(f"  {file.id:<24} §{file.claim.paper.section:<5} {scales:<27} {file.claim.question}")
    return 0


def _coverage(args: argparse.Namespace) -> int:
    from repro.contents import load_valid
    from repro.pages import damage
    from repro.pages.coverage import lines
    from repro.questions.coverage import coverage
    from repro.store import without_damage

    table, reference = verbs.store(args).table(), verbs.reference(args)
    files, invalid = load_valid(places.claims())
    other, shelf = reference.recorded() if reference else None, verbs.shelf(args)
    covered = without_damage(
        table, lambda table: lines(coverage(verbs.catalogue(), files, {shelf: table}, invalid, other))
    )
    print("\n".join([*covered, *damage.lines(table.damaged)]))
    return 0


def _show(args: argparse.Namespace) -> int:
    from repro.claim.files import ExactFile, sources
    from repro.questions.facts import lines

    (file,) = verbs.load([args.claim])
    for flag in ("alternative", "arm") if isinstance(file, ExactFile) else ("scale", "alternative", "arm"):
        name, names = getattr(args, flag), getattr(file.claim, f"{flag}s", ())
        if flag == "arm" and not isinstance(file, ExactFile):  # a scale and an alternative may have arms of their own
            names = file.at(args.scale, args.alternative).arms
        if name is not None and name not in names:
            raise ReproError(f"--{flag} {name}: {file.path} has {', '.join(names) or 'none'}")
    if isinstance(file, ExactFile):
        print("\n".join(lines(file)))
        return 0
    for key, value, source in sources(file, args.scale, args.alternative, args.arm):
        print(f"{key:<24} {value!s:<44} {source}")
    return 0


def _check(args: argparse.Namespace) -> int:
    print(f"{len(verbs.load(args.claims))} claim(s), no mistakes")
    return 0


def _data(args: argparse.Namespace) -> int:
    from repro.data.known import KNOWN, find

    if args.action == "get":
        if args.kind not in KNOWN:
            raise ReproError(f"data get: found {args.kind}; expected one of {', '.join(KNOWN)}")
        from repro.data.sets import get

        print(f"{args.kind}: {get(args.kind, places.roots(args.data)[0])}")
        return 0
    for kind, known in KNOWN.items():
        where = str(find(kind, places.roots(args.data), places.cache()) or "not found")
        print(f"{kind:<12} {known.title}\n{'':<12} {where}")
    return 0


def _gc(args: argparse.Namespace) -> int:
    from repro.pages import damage

    store = verbs.store(args)
    print(f"{store.remove_checkpoints() / 1e6:.1f} MB freed")
    for line in damage.lines(store.table().damaged_so_far):
        print(line)
    return 0


def _audit(args: argparse.Namespace) -> int:
    lines, clean = verbs.audit(args)
    print("\n".join(lines))
    return 0 if clean else VIOLATED


def _evaluate(args: argparse.Namespace) -> int:
    from repro.engine.provenance import device_of
    from repro.published import evaluation_lines

    for line in evaluation_lines(
        args.model, args.weights, args.photos, places.roots(args.data), device_of(args.device)
    ):
        _line(line)
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from repro.doctor import Examination, lines
    from repro.engine.provenance import device_of

    if not args.canary and not args.device:
        print("\n".join(lines(verbs.store(args), places.roots(args.data), places.cache())))
        return 0
    examination = Examination()
    out = args.out or places.shelf("reports", None, False) / "doctor" if args.device else None
    if args.canary:
        for line in examination.canary(args.reference):
            _line(line)
    if out:
        for line in examination.device(device_of(args.device), out):
            _line(line)
    return 0 if examination.passed else 4


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": partial(verbs.run, say=_line),
    "smoke": partial(verbs.smoke, say=_line),
    "plan": partial(verbs.plan, say=_line),
    "finetune": _finetune,
    "list": _list,
    "coverage": _coverage,
    "show": _show,
    "check": _check,
    "report": partial(verbs.report, say=_line),
    "data": _data,
    "gc": _gc,
    "audit": _audit,
    "evaluate": _evaluate,
    "doctor": _doctor,
}
