"""The command line: each verb unpacks its arguments and makes its calls. The only place that prints and exits.

Nothing heavy is imported before a verb needs it: `--help`, `list` and `check` answer without torch.
"""

from __future__ import annotations

import argparse
import gc
import shlex
import sys
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from repro import places
from repro.errors import ReproError
from repro.flags import parser, wish
from repro.places import HOME

if TYPE_CHECKING:
    from repro.spec.files import AnyFile, ClaimFile
    from repro.store import Store, Table

CATALOGUE = Path("claims", "catalogue.csv")  # below the project's folder


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    gc.set_threshold(50_000)  # at 700 a quarter of `coverage` went into looking for garbage among claims and runs
    args = parser().parse_args(arguments)
    try:
        code = VERBS[args.verb](args)
    except ReproError as error:
        print(error, file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoints", file=sys.stderr)
        code = 130
    sys.exit(code)


def _files(paths: list[Path]) -> list[AnyFile]:
    """Claims named by files and folders, or the project's."""
    from repro.contents import load_all

    return load_all([places.claim(path) for path in paths] or [HOME / "claims"])


def _prepared(files: list[ClaimFile], args: argparse.Namespace) -> tuple[list[tuple[ClaimFile, str]], Any, int]:
    """What `run` and `plan` need: claims with scales, where and on what, and how many workers."""
    from repro.execute import Setting
    from repro.provenance import device_of, provenance

    if not files and not args.base:
        raise ReproError(f"{args.verb}: nothing is named; expected claim files or folders, such as claims/, or --base")
    files = [file.with_seeds(args.seeds) if args.seeds else file for file in files]
    device = device_of(args.device)
    made = provenance(device)
    if args.reference and not made["clean"]:
        raise ReproError("--reference: the sources or claims differ from their commit; commit, or use a clean worktree")
    data = places.roots(args.data)
    setting = Setting(_store(args), device, data, places.cache(), made, keep_old=args.reference)
    chosen = []
    for file in files:
        scale, why = places.fitting_scale(file, args.scale, device, setting.roots)
        others = ", ".join(s for s in file.claim.scales if s != scale)
        print(f"{file.id}: scale {scale} ({why}); others with --scale: {others or 'none'}", flush=True)
        chosen.append((file, scale))
    return chosen, setting, args.workers or (1 if device == "cuda" else places.cores())


def _more(args: argparse.Namespace) -> Any:
    """What is wanted beside claims: the candidates for a base, where they are asked for."""
    if not args.base:
        return None
    from repro.questions.bases import wanted

    return wanted


def _estimate(
    claims: list[tuple[ClaimFile, str]], setting: Any, workers: int, more: Any, what: str = "to train in this round"
) -> int:
    """How many runs are to be trained next; says so, and how long it takes at most."""
    from repro.execute import remaining

    runs, seconds = remaining(claims, setting, workers, more)
    each = seconds / workers
    at_most = f"{ceil(each)} s" if each < 120 else f"{ceil(each / 60)} min"
    found = f"{runs} runs {what}, at most {at_most} with {workers} worker(s), measured here"
    print(found if runs else "nothing to train: every run that is wanted is there", flush=True)
    return runs


def _run(args: argparse.Namespace) -> int:
    from repro.spec.files import split

    files, exact = split(_files(args.claims) if args.claims else [])
    done = {file.id: "counted" for file in exact}
    if files or not exact:  # else nothing is trained, and torch not loaded
        from repro import budget
        from repro.execute import execute
        from repro.progress import shown
        from repro.questions.bases import lines

        time = budget.seconds(args.budget) if args.budget else None
        claims, setting, workers = _prepared(files, args)
        more, limit = _more(args), budget.Budget(time, setting.device) if time else None
        if _estimate(claims, setting, workers, more):
            with shown(lambda line: print(line, flush=True)) as show:
                trained = execute(claims, setting, workers=workers, report=show, more=more, budget=limit)
            print(f"{trained} run(s) trained, on the shelf {places.shown(setting.store.root)}")
            if limit and _estimate(claims, setting, workers, more, "left, as they cannot end in the time given"):
                print(f"go on: python -m repro {shlex.join(sys.argv[1:])}")
        if args.base:
            print("\n" + "\n".join(lines(setting.store.table())))
        files, done = [file for file, _ in claims], done | {file.id: scale for file, scale in claims}
    return _write([*exact, *files], args, done)


def _write(files: Sequence[AnyFile], args: argparse.Namespace, done: dict[str, str], only: bool = False) -> int:
    """Pages for all the project's claims, or `only` these; a line for each of `done`, by scale; 4 where one failed."""
    from repro.questions.judge import said
    from repro.questions.trial import Trials
    from repro.report import write
    from repro.spec.catalogue import catalogue

    out = places.shelf("reports", args.out, args.reference)
    others = sorted({path.resolve() for path in (HOME / "claims").glob("*.yaml")} - {f.path.resolve() for f in files})
    theirs = _files(others) if others else []
    shelves = {name: Trials(table) for name, table in _shelves(args).items()}
    write([*files, *theirs], shelves, out, catalogue(HOME / CATALOGUE), {file.id for file in files} if only else None)
    code, mine = 0, next(iter(shelves.values()))
    for file in (file for file in files if file.id in done):
        text, failed = said(file, done[file.id], mine, shelves["reference"])
        code = 4 if failed else code
        print(f"\n{text}")
    if args.reference:
        from repro.report.readme import renew

        renew(HOME, [*files, *theirs], shelves["reference"])
    print(f"\nreport: {places.shown(out / 'index.html')}")
    return code


def _store(args: argparse.Namespace) -> Store:
    from repro.store import Store

    return Store(places.shelf("runs", args.runs, args.reference))


def _plan(args: argparse.Namespace) -> int:
    from repro.spec.files import split

    files, exact = split(_files(args.claims) if args.claims else [])
    for fact in exact:
        print(f"{fact.id}: nothing is to be trained; {len(fact.claim.facts)} fact(s) to count")
    if exact and not files and not args.base:
        return 0
    from repro.execute import jobs, standing
    from repro.provenance import device_name
    from repro.questions.bases import lines
    from repro.report import power

    claims, setting, workers = _prepared(files, args)
    finished, runs = standing(setting), setting.store.table()
    resumable = sum(run.resumable for run_id, run in runs.items() if run_id not in finished)
    print(f"on the shelf {places.shown(setting.store.root)}: {len(finished)} finished, {resumable} resumable")
    for file, scale in claims:
        if file.undecided(scale):
            print(f"{file.id}: no run is planned: the base of its {scale} scale is not chosen yet; see plan --base")
    if args.base:
        print("\n".join(lines(finished)))
    for job in jobs(claims, finished, device_name(setting.provenance), _more(args)):
        if job.alone:
            print(f"  {job.id}  {job.label}, alone in a process of its own, on {device_name(setting.provenance)}")
            continue
        there = len(runs[job.id].epochs) if job.id in runs else 0
        levels = {str(goal.level) for goal in job.goals if goal.level}
        until = f", or until {' and '.join(sorted(levels))}" if levels else ""
        looks = [evaluation.look.kind.replace("_", " ") for evaluation in job.evaluations]
        then = f", looked at: {' and '.join(looks)}" if looks else ""
        print(f"  {job.id}  {job.label}: {there} of {job.horizon} epochs{until}{then}")
    _estimate(claims, setting, workers, _more(args))
    print("\n".join(power.lines(claims, _shelves(args))))
    print("later rounds follow from these: rates are chosen first, then judged")
    return 0


def _finetune(args: argparse.Namespace) -> int:
    from repro.finetune import finetune
    from repro.progress import shown
    from repro.provenance import device_of

    with shown(lambda line: print(line, flush=True)) as show:
        told = finetune(wish(args), device_of(args.device), show)
    print("\n".join(told.lines(places.shown(told.out))))
    return 0


def _list(args: argparse.Namespace) -> int:
    for file in _files(args.claims):
        scales = ", ".join(getattr(file.claim, "scales", ["exact"]))
        print(f"{file.id:<24} §{file.claim.paper.section:<5} {scales:<27} {file.claim.question}")
    return 0


def _coverage(args: argparse.Namespace) -> int:
    from repro.analysis.coverage import coverage
    from repro.contents import load_valid
    from repro.report.coverage import lines
    from repro.spec.catalogue import catalogue

    files, invalid = load_valid(HOME / "claims")
    print("\n".join(lines(coverage(catalogue(HOME / CATALOGUE), files, _shelves(args), invalid))))
    return 0


def _shelves(args: argparse.Namespace) -> dict[str, Table]:
    """Tables of runs as pages show them: the user's own first, and those that come with the project."""
    from repro.store import Store

    reference = {"reference": Store(HOME / "runs" / "reference").table()}
    return reference if args.reference else {"yours": _store(args).table()} | reference


def _show(args: argparse.Namespace) -> int:
    from repro.questions.facts import lines
    from repro.spec.files import ExactFile, sources

    (file,) = _files([args.claim])
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
    print(f"{len(_files(args.claims))} claim(s), no mistakes")
    return 0


def _report(args: argparse.Namespace) -> int:
    return _write(_files(args.claims), args, {}, only=bool(args.claims))


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
    print(f"{_store(args).remove_checkpoints() / 1e6:.1f} MB freed")
    return 0


def _bench(args: argparse.Namespace) -> int:
    from repro.bench import measured
    from repro.provenance import device_of

    given = {key: getattr(args, key) for key in ("workers", "rounds", "give_up", "out", "reference")}
    for line in measured(args.part, device_of(args.device), **given):
        print(line, flush=True)
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from repro.evaluate import said
    from repro.provenance import device_of

    for line in said(args.model, args.weights, args.photos, places.roots(args.data), device_of(args.device)):
        print(line, flush=True)
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from repro.doctor import Examination, lines
    from repro.provenance import device_of

    if not args.canary and not args.device:
        print("\n".join(lines(_store(args), places.roots(args.data), places.cache())))
        return 0
    examination = Examination()
    if args.canary:
        for line in examination.canary(args.reference):
            print(line, flush=True)
    if args.device:
        out = args.out or places.HOME / "reports" / "doctor"
        for line in examination.device(device_of(args.device), out):
            print(line, flush=True)
    return 0 if examination.passed else 4


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "plan": _plan,
    "finetune": _finetune,
    "list": _list,
    "coverage": _coverage,
    "show": _show,
    "check": _check,
    "report": _report,
    "data": _data,
    "gc": _gc,
    "bench": _bench,
    "evaluate": _evaluate,
    "doctor": _doctor,
}
