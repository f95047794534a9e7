"""The verbs that plan, train, judge and report. What they have to say they hand to `say`, line by line: cli.py prints.

Nothing heavy is imported before a verb needs it.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from repro import places
from repro.errors import ReproError
from repro.machine import here, machine, store

if TYPE_CHECKING:
    from repro.claim.catalogue import Entry
    from repro.claim.config import RunConfig
    from repro.claim.files import AnyFile, ClaimFile
    from repro.engine.cluster import Cluster
    from repro.engine.jobs import Planned
    from repro.engine.setting import Setting
    from repro.pages.results import Results
    from repro.questions.cases import Word
    from repro.store import Table

Say = Callable[[str], None]


def load(paths: Sequence[Path]) -> list[AnyFile]:
    """Return claims named by ids, files and folders, or the project's."""
    from repro.contents import load_all

    return load_all([places.claim(path) for path in paths] or [places.claims()])


def catalogue() -> list[Entry]:
    """Return the rows of the papers' catalogues."""
    from repro import contents

    return contents.catalogue()


def out(args: argparse.Namespace) -> Path:
    """Return the folder that pages go to. ReproError of the reference pages where there is no clone."""
    return places.shelf("reports", args.out, args.reference)


def shelf(args: argparse.Namespace) -> str:
    """Return the name of the shelf that is worked on."""
    return "reference" if args.reference else "yours"


def reference(args: argparse.Namespace) -> Results | None:
    """Return the results of the reference runs, next to which the user's own stand; None where these are worked on."""
    from repro.pages import results

    place = None if args.reference else places.reference_results()
    return results.read(place) if place else None


def run(args: argparse.Namespace, say: Say) -> int:
    """Train what claims want and lack, judge them and write their pages; 4 where one could not be measured."""
    from repro.claim.files import split

    store(args), out(args)  # where they cannot be, this refuses before anything is done
    files, exact = split(load(args.claims) if args.claims else [])
    done = {file.id: "counted" for file in exact}
    if files or not exact:  # else nothing is trained, and torch not loaded
        from repro.engine import budget
        from repro.engine.execute import execute
        from repro.progress import display

        time = budget.seconds(args.budget) if args.budget else None
        if time and args.on:
            raise ReproError("--budget: not with --on: how long runs take on other machines is not known beforehand")
        with machine(args, say) as (setting, workers, cluster):
            claims = _scaled(files, args, setting, say, cluster)
            more, limit = _more(args), budget.Budget(time, setting.device) if time else None
            if _estimate(claims, setting, workers, more, say, cluster=cluster):
                with display(say) as show:
                    trained = execute(
                        claims, setting, workers=workers, report=show, more=more, budget=limit, cluster=cluster
                    )
                say(f"{trained} run(s) trained, on the shelf {places.relative_path(setting.store.root)}")
                if limit and _estimate(
                    claims, setting, workers, more, say, "left, because they cannot finish in the given time"
                ):
                    say(f"continue with: python -m repro {shlex.join(sys.argv[1:])}")
        if args.base:
            say("\n" + "\n".join(_bases(setting.store.table())))
        files, done = [file for file, _ in claims], done | {file.id: scale for file, scale in claims}
    return 4 if "error" in _judged([*exact, *files], args, done, say).values() else 0


def smoke(args: argparse.Namespace, say: Say) -> int:
    """Take every claim through training, verdict and page on a few digits, or count it; 4 where one of them fails."""
    from repro.claim.files import split
    from repro.engine.execute import execute
    from repro.pages.prose import duration
    from repro.progress import display

    begun = monotonic()
    store(args), out(args)
    files, exact = split(load(args.claims))
    with machine(args, say) as (setting, workers, cluster), display(say, brief=True) as show:
        who = f"on {args.on}" if args.on else f"with {workers} worker(s)"
        say(f"{len(files)} claim(s) to train on a few digits, {len(exact)} to count, {who}")
        claims = [(file, args.scale) for file in files]
        execute(claims, setting, workers=workers, report=show, cluster=cluster)
    done = {file.id: args.scale for file in files} | {file.id: "counted" for file in exact}
    words = _judged([*exact, *files], args, done, say)
    wrong = [id for id, word in words.items() if word in ("error", "not run")]
    state = f"{len(wrong)} could not be measured ({', '.join(wrong)})" if wrong else "the machinery works here"
    say(f"{len(words)} claim{'s' * (len(words) != 1)}: {state}, in {duration(monotonic() - begun)}")
    return 4 if wrong else 0


def report(args: argparse.Namespace, say: Say) -> int:
    """Write the pages from the runs there are."""
    _judged(load(args.claims), args, {}, say, only=bool(args.claims))
    return 0


def audit(args: argparse.Namespace) -> tuple[list[str], bool]:
    """Return the lines of an audit of a shelf, or of one run of it, and whether nothing is wrong."""
    from repro.contents import RECOMPUTED
    from repro.store import Store
    from repro.store.audit import audit

    shelf, only, given = store(args), None, args.runs_or_run
    if given is not None and (given / "run.json").is_file():
        shelf, only = Store(given.resolve().parent), given.resolve().name
    elif given is not None and given.is_dir():
        shelf = Store(given)
    elif given is not None:
        only = str(given)
        if not (shelf.root / only / "run.json").is_file():
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

    store(args)
    if args.on:
        return _forecast(args, say)
    files, exact = split(load(args.claims) if args.claims else [])
    for fact in exact:
        say(f"{fact.id}: nothing is to be trained; {len(fact.claim.facts)} fact(s) to count")
    if exact and not files and not args.base:
        return 0
    from repro.engine import jobs
    from repro.engine.provenance import device_name
    from repro.pages import damage, power
    from repro.store import without_damage

    setting, workers = here(args)
    claims = _scaled(files, args, setting, say)
    runs, device = setting.store.table(), device_name(setting.provenance)
    finished = runs.where(setting.stands)
    resumable = sum(run.resumable for run in runs.headers() if not setting.stands(run))
    root = places.relative_path(setting.store.root)
    say(f"on the shelf {root}: {len(finished.headers())} finished, {resumable} resumable")
    for file, scale in claims:
        if file.undecided(scale):
            say(f"{file.id}: no run is planned: the base of its {scale} scale is not chosen yet; see plan --base")
    if args.base:
        say("\n".join(_bases(finished)))
    for line in jobs.lines(jobs.jobs(claims, finished, device, _more(args)), runs, device):
        say(line)
    _estimate(claims, setting, workers, _more(args), say)
    say("\n".join(without_damage(runs, lambda runs: power.lines(claims, shelf(args), runs, reference(args)))))
    for line in damage.lines(runs.damaged_so_far):
        say(line)
    say("more runs follow from these: learning rates are chosen first, then judged")
    return 0


def _forecast(args: argparse.Namespace, say: Say) -> int:
    """Say what claims take in all on several GPUs of this kind, as far as it is measured on one."""
    from repro.claim.files import split
    from repro.engine import forecast
    from repro.engine.probe import seconds_of
    from repro.store import Store

    files, _ = split(load(args.claims))
    setting, _ = here(args)
    device = setting.provenance["device"]
    on_gpu, home = setting.device == "cuda", places.clone()
    shelves = [setting.store, *([Store(home / "runs" / "reference")] if home else [])]
    rates = [forecast.recorded(shelf.table().where(setting.stands), device) for shelf in shelves] if on_gpu else []

    def rate(config: RunConfig) -> float | None:
        known = next((seconds for each in rates if (seconds := each(config)) is not None), None)
        return seconds_of(config, 1, "cuda") if known is None and on_gpu else known

    kind = device if on_gpu else "there is none here"
    for line in forecast.lines(files, args.scale or "paper", args.on, kind, rate):
        say(line)
    return 0


def _scaled(
    files: Sequence[ClaimFile], args: argparse.Namespace, setting: Setting, say: Say, cluster: Cluster | None = None
) -> list[tuple[ClaimFile, str]]:
    """Each claim with its scale, which a line says."""
    if not files and not args.base:
        raise ReproError(f"{args.verb}: nothing is named; expected ids of claims, files or folders, or --base")
    chosen, found = [], cluster.examined.found if cluster else None
    for file in [file.with_seeds(args.seeds) if args.seeds else file for file in files]:
        scale, why = places.fitting_scale(file, args.scale, setting.device, setting.roots, found)
        others = ", ".join(s for s in file.claim.scales if s != scale)
        say(f"{file.id}: scale {scale} ({why}); others with --scale: {others or 'none'}")
        chosen.append((file, scale))
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
) -> int:
    """How many runs are to be trained next; says so, and how long it takes at most on this machine."""
    from repro.engine import jobs
    from repro.engine.execute import remaining
    from repro.engine.provenance import device_name
    from repro.engine.setting import standing

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
    return runs


def _judged(
    files: Sequence[AnyFile], args: argparse.Namespace, done: dict[str, str], say: Say, only: bool = False
) -> dict[str, Word]:
    """Pages for all the project's claims, or `only` these; a line for each of `done`, by scale; the words of these."""
    from repro.pages import damage, results, write
    from repro.questions.judge import verdict_line
    from repro.questions.trial import Trials
    from repro.store import without_damage

    folder = out(args)
    here = {file.path.resolve() for file in files}
    others = sorted({path.resolve() for path in places.claims().glob("*.yaml")} - here)
    every = [*files, *(load(others) if others else [])]
    table, theirs = store(args).table(), reference(args)
    project = "../.." if args.reference else None  # reports/reference
    ids = {file.id for file in files} if only else None

    def judged(table: Table) -> dict[str, tuple[str, Word]]:
        trials = Trials(table)
        write(every, {shelf(args): trials}, folder, catalogue(), ids, theirs, project)
        on_record = theirs or results.read(folder / results.NAME) if done else None
        if args.reference and args.out is None:  # pages for a look leave README as it is
            from repro.pages.readme import renew

            renew(places.home(), every, trials)
        return {
            file.id: verdict_line(file, done[file.id], trials, on_record.line(file) if on_record else "")
            for file in files
            if file.id in done
        }

    verdicts = without_damage(table, judged)
    for text in ([""] if done else []) + [text for text, _ in verdicts.values()]:
        say(text)
    for line in damage.lines(table.damaged):
        say(line)
    words = {claim: word for claim, (_, word) in verdicts.items()}
    say(f"\nreport: {places.relative_path(folder / 'index.html')}")
    return words
