"""The verbs that plan, train, judge and report. What they have to say they hand to `say`, line by line: cli.py prints.

Nothing heavy is imported before a verb needs it.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from repro import asked, places, reporting
from repro.asked import Say
from repro.data.known import what_to_fetch
from repro.errors import ReproError
from repro.machine import here, machine, say_towers

if TYPE_CHECKING:
    from repro.claim.config import RunConfig
    from repro.claim.files import ClaimFile
    from repro.engine.cluster import Cluster
    from repro.engine.jobs import Planned
    from repro.engine.setting import Setting
    from repro.pages.outcomes import Outcome
    from repro.store import Table


def run(args: argparse.Namespace, say: Say) -> int:
    """Train what claims want and lack, judge them and write their pages; return the exit code."""
    from repro.claim.files import split

    if args.budget and args.on:
        raise ReproError("--budget: not with --on: how long runs take on other machines is not known beforehand")
    note = asked.notes(args, say)
    reporting.check(args)  # what cannot be in the end is refused before anything is done
    files, exact = split(asked.named(args))
    done = {file.id: "counted" for file in exact}
    if files or not exact:  # else nothing is trained, and torch not loaded
        note(f"{len(files)} claim(s) to train, {len(exact)} to count; loading PyTorch")
        from repro.engine import budget
        from repro.engine.execute import execute
        from repro.progress import display

        time = budget.seconds(args.budget) if args.budget else None
        with machine(args, note) as (setting, workers, cluster):
            claims = _scaled(files, args, setting, note, cluster)
            more, limit = _more(args), budget.Budget(time, setting.device) if time else None
            runs, seconds = _estimate(claims, setting, workers, more, note, cluster=cluster)
            if runs:
                with display(say, quiet=args.quiet, estimate=seconds) as show:
                    trained = execute(
                        claims,
                        setting,
                        workers=workers,
                        report=show,
                        more=more,
                        budget=limit,
                        planned=show.planned,
                        cluster=cluster,
                    )
                note(f"{trained} run(s) trained, on the shelf {places.relative_path(setting.store.root)}")
                left = "left, because they cannot finish in the given time"
                if limit and _estimate(claims, setting, workers, more, note, left)[0]:
                    say(f"continue with: python -m repro {shlex.join(sys.argv[1:])}")
        if args.base:
            say("\n" + "\n".join(_bases(setting.store.table())))
        files, done = [file for file, _ in claims], done | {file.id: scale for file, scale in claims}
    return reporting.failure(reporting.judged([*exact, *files], args, done, say), args)


def smoke(args: argparse.Namespace, say: Say) -> int:
    """Take every claim through training, verdict and page on a few digits, or count it; 4 where one of them fails."""
    from repro.claim.files import split

    begun, note = monotonic(), asked.notes(args, say)
    reporting.check(args)
    files, exact = split(asked.load(args.claims, args.section))
    note(f"{len(files)} claim(s) to train on a few digits, {len(exact)} to count; loading PyTorch")
    from repro.engine.execute import execute
    from repro.pages.prose import duration
    from repro.progress import display

    claims = [(file, args.scale) for file in files]
    with machine(args, note) as (setting, workers, cluster), display(say, brief=True, quiet=args.quiet) as show:
        for file, scale in claims if args.towers > 1 else ():
            say_towers(file, scale, note)
        execute(claims, setting, workers=workers, report=show, planned=show.planned, cluster=cluster)

    def closing(outcomes: Sequence[Outcome]) -> str:
        wrong = [outcome.id for outcome in outcomes if outcome.word in ("error", "not run")]
        state = f"{len(wrong)} could not be measured ({', '.join(wrong)})" if wrong else "the machinery works here"
        return f"{len(outcomes)} claim{'s' * (len(outcomes) != 1)}: {state}, in {duration(monotonic() - begun)}"

    done = {file.id: args.scale for file in files} | {file.id: "counted" for file in exact}
    outcomes = reporting.judged([*exact, *files], args, done, say, closing=closing)
    say(closing(outcomes))
    return 4 if {outcome.word for outcome in outcomes} & {"error", "not run"} else 0


def new_claim(args: argparse.Namespace, say: Say) -> int:
    """Write a claim's file to begin with. ReproError of an id that is none, or that is taken."""
    from repro.claim.template import nearest_claim, template
    from repro.contents import KINDS, load_valid
    from repro.files import writable_folder, write_whole

    if not re.fullmatch(r"[a-z0-9][a-z0-9_]*", args.id):
        raise ReproError(f"new-claim {args.id}: expected an id of small letters, digits and _, such as relu_speedup")
    path = writable_folder(places.claims() if places.clone() else Path("claims")) / f"{args.id}.yaml"
    if path.exists():
        raise ReproError(f"{places.relative_path(path)}: is there already; expected an id that no claim has")
    files, _ = load_valid(places.claims())
    like = asked.one(args.like) if args.like else nearest_claim(args.id, files)
    model = KINDS.claim if hasattr(like.claim, "arms") else KINDS.exact
    descriptions = {field.alias or name: field.description or "" for name, field in model.model_fields.items()}
    entry = next((entry for entry in asked.catalogue() if entry.id == args.id), None)
    path.parent.mkdir(exist_ok=True)
    write_whole(path, template(args.id, like, descriptions, entry))
    shown = places.relative_path(path)
    say(f"{shown}: made from {like.id}, with a comment above each key; edit it, then: python -m repro check {shown}")
    return 0


def audit(args: argparse.Namespace) -> tuple[list[str], bool]:
    """Return the lines of an audit of a shelf, or of one run of it, and whether nothing is wrong."""
    from repro.contents import RECOMPUTED
    from repro.store import Store
    from repro.store.audit import audit
    from repro.store.damage import RUN

    shelf, only, given = asked.store(args), None, args.runs_or_run
    if given is not None and (given / RUN).is_file():
        shelf, only = Store(given.resolve().parent), given.resolve().name
    elif given is not None and given.is_dir():
        shelf = Store(given)
    elif given is not None:
        only = str(given)
        if not (shelf.root / only / RUN).is_file():
            raise ReproError(
                f"audit {given}: expected a run of {places.relative_path(shelf.root)}, a run's folder, or a folder of "
                "runs; --runs DIR names another shelf"
            )
    table = shelf.table()
    violations = list(audit(table, RECOMPUTED, only))
    count = 1 if only else len(table) + len(table.damaged)
    runs = len({violation.run for violation in violations})
    audited = f"{count} run{'s' * (count != 1)} of {places.relative_path(shelf.root)} audited"
    wrong = f"{len(violations)} violation{'s' * (len(violations) != 1)} in {runs} run{'s' * (runs != 1)}"
    return [*map(str, violations), f"{audited}: {wrong if violations else 'no violation'}"], not violations


def plan(args: argparse.Namespace, say: Say) -> int:
    """Say what `run` would train, and how long it takes on this machine."""
    from repro.claim.files import split

    asked.store(args)
    if args.on:
        return _forecast(args, say)
    files, exact = split(asked.named(args))
    note: Say = (lambda text: None) if args.json else say
    for fact in exact:
        note(f"{fact.id}: nothing is to be trained; {len(fact.claim.facts)} fact(s) to count")
    if exact and not files and not args.base and not args.json:
        return 0
    from repro.engine import jobs
    from repro.engine.provenance import device_name
    from repro.pages import damage, power
    from repro.store import without_damage

    setting, workers = here(args)
    claims = _scaled(files, args, setting, note) if files or not exact else []
    runs, device = setting.store.table(), device_name(setting.provenance)
    finished = runs.where(setting.stands)
    resumable = sum(run.resumable for run in runs.headers() if not setting.stands(run))
    planned = jobs.jobs(claims, finished, device, _more(args))
    if args.json:
        from repro import documents
        from repro.engine.execute import remaining

        chosen = [(file.id, "exact", "nothing is to be trained") for file in exact]
        chosen += [
            (file.id, scale, places.fitting_scale(file, args.scale, setting.device, setting.roots)[1])
            for file, scale in claims
        ]
        document = documents.Planned(
            claims=[documents.PlannedClaim(id=id, scale=scale, why=why) for id, scale, why in chosen],
            shelf=str(setting.store.root),
            finished=len(finished.headers()),
            resumable=resumable,
            runs=documents.planned_runs(planned, runs),
            seconds=remaining(claims, setting, workers, _more(args))[1] / workers,
            workers=workers,
            device=device,
            damaged=list(runs.damaged),
        )
        say(document.text())
        return 0
    root = places.relative_path(setting.store.root)
    say(f"on the shelf {root}: {len(finished.headers())} finished, {resumable} resumable")
    for file, scale in (pair for pair in claims if pair[0].undecided(pair[1])):
        say(f"{file.id}: no run is planned: its base of {scale} scale is undecided. `repro run --base` prints a name;")
        say(f"  write it as `base` of {scale} scale in {file.path.name}, then type the same command again")
    if args.base:
        say("\n".join(_bases(finished)))
    for line in jobs.lines(planned, runs, device):
        say(line)
    _estimate(claims, setting, workers, _more(args), say)
    say(
        "\n".join(
            without_damage(runs, lambda runs: power.lines(claims, asked.shelf(args), runs, asked.reference(args)))
        )
    )
    for line in [*damage.lines(runs.damaged_so_far), *jobs.followed_by(planned, claims)]:
        say(line)
    return 0


def _forecast(args: argparse.Namespace, say: Say) -> int:
    """Say what claims take in all on several GPUs of this kind, as far as it is measured on one."""
    from repro.claim.files import split
    from repro.engine import forecast
    from repro.engine.probe import seconds_of
    from repro.store import Store

    files, _ = split(asked.load(args.claims, args.section))
    files = [file.with_seeds(args.seeds) if args.seeds else file for file in files]
    setting, _ = here(args)
    device = setting.provenance["device"]
    on_gpu, home = setting.device == "cuda", places.clone()
    shelves = [setting.store, *([Store(home / "runs" / "reference")] if home else [])]
    rates = [forecast.recorded(shelf.table().where(setting.stands), device) for shelf in shelves] if on_gpu else []

    def rate(config: RunConfig) -> float | None:
        known = next((seconds for each in rates if (seconds := each(config)) is not None), None)
        return seconds_of(config, 1, "cuda") if known is None and on_gpu else known

    scale = args.scale or "paper"
    whole = forecast.whole(files, scale, rate)
    if args.json:
        from repro import documents

        say(documents.forecast(whole, scale, args.on, device if on_gpu else None).text())
        return 0
    for line in forecast.lines(whole, args.on, device if on_gpu else "there is none here"):
        say(line)
    return 0


def _scaled(
    files: Sequence[ClaimFile], args: argparse.Namespace, setting: Setting, say: Say, cluster: Cluster | None = None
) -> list[tuple[ClaimFile, str]]:
    """Each claim with its scale, which a line says."""
    if not files and not args.base:
        raise ReproError(
            f"{args.verb}: nothing is named; expected ids of claims, files or folders, a pattern of ids, --section, or "
            "--base"
        )
    chosen, found = [], cluster.examined.found if cluster else None
    for file in [file.with_seeds(args.seeds) if args.seeds else file for file in files]:
        scale, why = places.fitting_scale(file, args.scale, setting.device, setting.roots, found)
        others = ", ".join(s for s in file.claim.scales if s != scale)
        say(f"{file.id}: scale {scale} ({why}); others with --scale: {others or 'none'}")
        chosen.append((file, scale))
    for file, scale in chosen if args.towers > 1 else ():
        say_towers(file, scale, say)
    if not args.scale:
        lacking = [kind for file, scale in chosen for kind in places.missing(file, scale, setting.roots, found)]
        for kind in dict.fromkeys(lacking):
            say(f"for a larger scale: {what_to_fetch(kind)}")
    return chosen


def _more(args: argparse.Namespace) -> Planned | None:
    """What is wanted beside claims: the candidates for a base, where they are asked for."""
    if not args.base:
        return None
    from repro.contents import KINDS, PAPERS
    from repro.questions import bases

    return lambda table: [want for paper in PAPERS for want in bases.wanted(paper, KINDS, table)]


def _bases(table: Table) -> list[str]:
    """The candidates for a base of each paper that has some, and the choice, as lines."""
    from repro.contents import KINDS, PAPERS
    from repro.questions import bases

    return [line for paper in PAPERS if paper.bases for line in bases.lines(paper, KINDS, table)]


def _estimate(
    claims: list[tuple[ClaimFile, str]],
    setting: Setting,
    workers: int,
    more: Planned | None,
    say: Say,
    what: str = "to train in this round",
    cluster: Cluster | None = None,
) -> tuple[int, float | None]:
    """Say how many runs are to be trained next, and how long they take at most; return both.

    How long they take on a cluster is not known beforehand: None.
    """
    from repro.engine import jobs
    from repro.engine.execute import remaining
    from repro.engine.provenance import device_name
    from repro.engine.setting import standing

    each: float | None = None
    if cluster:
        runs = len(jobs.jobs(claims, standing(setting), device_name(setting.provenance), more))
        found = f"{runs} runs {what}; how long they take there is not known beforehand"
    else:
        runs, seconds = remaining(claims, setting, workers, more)
        each = seconds / workers
        at_most = f"{ceil(each)} s" if each < 120 else f"{ceil(each / 60)} min"
        found = f"{runs} runs {what}, at most {at_most} with {workers} worker(s), measured here"
    if not runs:
        damaged = jobs.left_out(claims, standing(setting), device_name(setting.provenance), more)
        found = "nothing to train: every planned run is finished"
        found += f", or damaged and left out: {', '.join(sorted(damaged))}" if damaged else ""
    say(found)
    return runs, each
