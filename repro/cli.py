"""The command line: each verb unpacks its arguments and makes its calls. The only place that prints and exits.

Nothing heavy is imported before a verb needs it: `--help`, `list` and `check` answer without torch.
"""

from __future__ import annotations

import argparse
import errno
import gc
import io
import os
import select
import signal
import stat
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

from repro import asked, places, reading, reporting, verbs, workers
from repro.errors import MemoryLack, ReproError, harmless
from repro.files import refused, writable_folder
from repro.flags import parser, wish

INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended: 128 + 2
VIOLATED = 65  # of an audit
UNREAD = 141  # what a shell reports of a program that SIGPIPE ended: 128 + 13


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and exit with its code.

    A first Ctrl-C ends what trains or packs after its step, a second one now, as it does all else; SIGTERM and SIGHUP
    do the same. What the process was started to ignore, as `nohup` has it, it ignores.
    """
    heard = [number for number in workers.SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, _hear) for number in heard}
    try:
        code = _run(arguments)
    except KeyboardInterrupt:
        code = INTERRUPTED
        os.write(2, b"interrupted; the same command goes on from the last checkpoints\n")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if code == INTERRUPTED:
        for number in heard:  # nothing is left to finish: whoever is in a hurry ends this process
            signal.signal(number, signal.SIG_DFL)
    sys.exit(code)


def _hear(number: int, frame: object) -> None:
    """Ask for an end after the step, which a line says; where this was asked before, or nothing has steps, end now."""
    if number == getattr(signal, "SIGHUP", None):
        _leave_the_terminal()
    if not workers.ask():
        raise KeyboardInterrupt
    step = "the epoch, evaluation or part of the photos that is being worked on"
    os.write(2, f"interrupted: ends after {step}; once more (Ctrl-C) ends now\n".encode())


def _leave_the_terminal() -> None:
    """Let what is printed go nowhere where it went to a terminal, which is gone."""
    for handle in (1, 2):
        if stat.S_ISCHR(os.fstat(handle).st_mode):
            os.dup2(os.open(os.devnull, os.O_WRONLY), handle)


def _run(arguments: list[str] | None) -> int:
    """Run one command; its exit code, also where nobody reads what it prints."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # where a terminal knows ASCII alone, other signs are written out
            stream.reconfigure(errors="backslashreplace")
    gc.set_threshold(50_000)  # at 700 a quarter of `coverage` went into looking for garbage among claims and runs
    try:
        try:
            return _done(arguments)
        finally:
            sys.stdout.flush()  # here, where the error can be caught, and not when the interpreter ends
    except BrokenPipeError:
        if not _unread():
            raise
        return UNREAD
    except OSError as error:
        if not _of_the_output(error):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or it fails once more at the end
        print(f"the output could not be written: {error.strerror}; what is done is kept", file=sys.stderr)
        return refused("the output", error).exit_code


def _of_the_output(error: OSError) -> bool:
    """Whether it was a printed line that the system refused: files that cannot be written have names."""
    return error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT) and error.filename is None


def _done(arguments: list[str] | None) -> int:
    """Run one command; its exit code, with a message where it failed."""
    args = parser().parse_args(arguments)
    try:
        return VERBS[args.verb](args)
    except ReproError as error:
        failure = error
    except MemoryError:
        failure = MemoryLack(
            "memory ran out; what is done is kept: close other programs or use fewer --workers, then run the same "
            "command again"
        )
    except BrokenPipeError:
        raise
    except OSError as error:  # of a file or folder that no reader and no writer expected to be refused
        if _of_the_output(error):
            raise
        failure = refused(error.filename or "a file", error)
    print(failure, file=sys.stderr)
    return failure.exit_code


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
    """Print a line that is seen at once; names in it may come from anywhere."""
    print(harmless(text, kept="\n"), flush=True)


def _finetune(args: argparse.Namespace) -> int:
    from repro.engine.provenance import device_of
    from repro.finetune import finetune
    from repro.progress import display

    asked_for = wish(args)
    writable_folder(asked_for.out)
    with display(_line) as show:
        outcome = finetune(asked_for, device_of(args.device), show)
    print(harmless("\n".join(outcome.lines(places.relative_path(outcome.out))), kept="\n"))
    if args.open:
        asked.open_page(outcome.out / "index.html")
    return 0


def _data(args: argparse.Namespace) -> int:
    from repro.data.known import KNOWN, find, near, what_to_fetch

    if args.action == "get":
        if args.kind not in KNOWN:
            raise ReproError(f"data get: found {args.kind}; expected one of {', '.join(KNOWN)}")
        from repro.data.sets import get

        print(f"{args.kind}: {get(args.kind, places.roots(args.data)[0])}")
        return 0
    for kind, known in KNOWN.items():
        roots = places.roots(args.data)
        there = find(kind, roots, places.cache())
        where = [str(there)] if there else [f"not found in {', '.join(map(str, roots))}", what_to_fetch(kind)]
        for first, text in ((kind, known.title), *(("", text) for text in (*where, *near(kind, roots)))):
            print(f"{first:<12} {harmless(text)}")
    return 0


def _gc(args: argparse.Namespace) -> int:
    from repro.pages import damage

    found = asked.store(args)
    if args.dry_run:
        files = found.checkpoints()
        for path, size in files.items():
            print(f"{size / 1e6:10.1f} MB  {places.relative_path(path)}")
        print(f"{sum(files.values()) / 1e6:.1f} MB would be freed; nothing was deleted")
    else:
        print(f"{found.remove_checkpoints() / 1e6:.1f} MB freed")
    for line in damage.lines(found.table().damaged_so_far):
        print(line)
    return 0


def _audit(args: argparse.Namespace) -> int:
    lines, clean = verbs.audit(args)
    print("\n".join(lines))
    return 0 if clean else VIOLATED


def _export(args: argparse.Namespace) -> int:
    from repro.store.archive import export

    count = export(asked.store(args).table(), args.file, args.ids)
    print(f"{args.file}: {count} run(s); elsewhere `repro import {args.file.name}` adds them")
    return 0


def _import(args: argparse.Namespace) -> int:
    from repro.store.archive import import_runs

    imported = import_runs(args.file, asked.store(args).root)
    print(
        f"{len(imported.added)} run(s) added, {len(imported.kept)} were there and stay; `repro report` writes the pages"
    )
    return 0


def _watch(args: argparse.Namespace) -> int:
    from repro.claim.files import split
    from repro.contents import load_valid
    from repro.watch import lines, state

    on_terminal = sys.stdout.isatty()
    every = args.every or (2.0 if on_terminal and not args.json else None)
    files, _ = split(load_valid(places.claims())[0])
    while True:
        now = state(asked.store(args), files)
        text = now.model_dump_json() if args.json else harmless("\n".join(lines(now)), kept="\n")
        print("\x1b[2J\x1b[H" * (on_terminal and every is not None) + text, flush=True)
        if every is None:
            return 0
        time.sleep(every)


def _evaluate(args: argparse.Namespace) -> int:
    from repro.engine.provenance import device_of
    from repro.published import evaluation_lines

    out = writable_folder(args.out or Path("evaluated") / Path(args.photos).resolve().name)
    for line in evaluation_lines(
        args.model, args.weights, args.photos, places.roots(args.data), device_of(args.device), out
    ):
        _line(line)
    _line(f"page: {places.relative_path(out / 'index.html')}")
    if args.open:
        asked.open_page(out / "index.html")
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from repro.doctor import Examination, lines
    from repro.engine.provenance import device_of

    if args.json and (args.canary or args.device):
        raise ReproError("doctor --json: is for `doctor` alone; --device writes its JSON to --out")
    if args.json:
        from repro.doctor import diagnosis

        print(diagnosis(asked.store(args), places.roots(args.data), places.cache()).text())
        return 0
    if not args.canary and not args.device:
        print("\n".join(lines(asked.store(args), places.roots(args.data), places.cache())))
        return 0
    examination = Examination()
    out = writable_folder(args.out or places.shelf("reports", None, False) / "doctor") if args.device else None
    if args.canary:
        for line in examination.canary(args.reference):
            _line(line)
    if out:
        for line in examination.device(device_of(args.device), out):
            _line(line)
    return 0 if examination.passed else 4


def _read(verb: Callable[[argparse.Namespace], list[str]], args: argparse.Namespace) -> int:
    print("\n".join(verb(args)))
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": partial(verbs.run, say=_line),
    "smoke": partial(verbs.smoke, say=_line),
    "plan": partial(verbs.plan, say=_line),
    "watch": _watch,
    "finetune": _finetune,
    "list": partial(_read, reading.claims),
    "coverage": partial(_read, reading.coverage),
    "show": partial(_read, reading.show),
    "check": partial(_read, reading.check),
    "new-claim": partial(verbs.new_claim, say=_line),
    "report": partial(reporting.report, say=_line),
    "data": _data,
    "gc": _gc,
    "audit": _audit,
    "export": _export,
    "import": _import,
    "evaluate": _evaluate,
    "doctor": _doctor,
    "completion": partial(_read, reading.complete),
}
