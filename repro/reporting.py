"""Judge what there are runs of, and write pages and what a CI reads."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from repro import asked, places
from repro.asked import Say
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.claim.files import AnyFile
    from repro.pages.outcomes import Outcome
    from repro.store import Table


def report(args: argparse.Namespace, say: Say) -> int:
    """Write the pages from the runs there are; return the exit code."""
    check(args)
    files = asked.load(args.claims, args.section)
    outcomes = judged(files, args, {}, say, only=bool(args.claims or args.section))
    if args.open:
        asked.open_page(asked.out(args) / (f"{files[0].id}.html" if len(files) == 1 else "index.html"))
    return failure(outcomes, args)


def judged(
    files: Sequence[AnyFile],
    args: argparse.Namespace,
    done: dict[str, str],
    say: Say,
    only: bool = False,
    closing: Callable[[Sequence[Outcome]], str] = lambda outcomes: "",
) -> list[Outcome]:
    """Write pages for all the project's claims, or `only` these; say a line for each of `done`, by scale.

    Return the outcomes: of `done`, else of every claim at its highest scale. `closing`: the summary's last line.
    """
    from repro import documented
    from repro.files import write_whole
    from repro.pages import damage, outcomes, results, write
    from repro.questions.trial import Trials
    from repro.store import without_damage

    folder, note = asked.out(args), asked.notes(args, say)
    here = {file.path.resolve() for file in files}
    others = sorted({path.resolve() for path in places.claims().glob("*.yaml")} - here)
    every = [*files, *(asked.load(others) if others else [])]
    table, theirs = asked.store(args).table(), asked.reference(args)
    project = "../.." if args.reference else None  # reports/reference
    ids = {file.id for file in files} if only else None

    def from_table(table: Table) -> list[Outcome]:
        trials = Trials(table)
        write(every, {asked.shelf(args): trials}, folder, asked.catalogue(), ids, theirs, project)
        on_record = theirs or results.read(folder / results.NAME) if done else None
        if args.reference and args.out is None:  # pages for a look leave README as it is
            from repro.pages.readme import renew

            renew(places.home(), every, trials)
            write_whole(places.home() / "docs" / "json.md", documented.explained())
        if not (done or args.fail_on or args.junit or args.summary):
            return []
        return [
            outcomes.outcome(file, done.get(file.id), trials, on_record.line(file) if on_record else "")
            for file in files
            if file.id in done or not done
        ]

    found = without_damage(table, from_table)
    if done:
        note("")
    for outcome in found if done else ():
        say(outcome.line)
    for line in damage.lines(table.damaged):
        say(line)
    if args.junit:
        write_whole(args.junit, outcomes.junit(found, args.fail_on))
    if args.summary:
        write_whole(args.summary, outcomes.summary(found, closing(found)))
    note(f"\nreport: {places.relative_path(folder / 'index.html')}")
    return found


def failure(outcomes: Sequence[Outcome], args: argparse.Namespace) -> int:
    """Return 4 where a claim could not be measured, 5 where a verdict is among the words of `--fail-on`, else 0."""
    words = {outcome.word for outcome in outcomes}
    return 4 if "error" in words else 5 if words & set(args.fail_on) else 0


def check(args: argparse.Namespace) -> None:
    """Check where a command is to write. ReproError of a word that no verdict has, or of a file without its folder."""
    from repro.claim.problems import nearest
    from repro.questions.cases import GROUPS

    asked.store(args), asked.out(args)
    for word in args.fail_on:
        if word not in GROUPS:
            raise ReproError(f"--fail-on {word}: not a verdict{nearest(word, GROUPS)}; expected {', '.join(GROUPS)}")
    for flag, path in (("junit", args.junit), ("summary", args.summary)):
        if path is not None and not path.absolute().parent.is_dir():
            raise ReproError(f"--{flag} {path}: found no folder {path.parent}; make it first")
