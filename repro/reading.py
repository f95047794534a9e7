"""The verbs that only read: each returns the lines that are printed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from repro import asked, completion, places
from repro.errors import ReproError
from repro.flags import parser

if TYPE_CHECKING:
    from repro.store import Table


def claims(args: argparse.Namespace) -> list[str]:
    """Return the claims by paper."""
    files = sorted(asked.load(args.claims, args.section), key=lambda file: file.paper.id)  # stable within a paper
    if args.json:
        from repro import documents

        return [documents.listed(files).text()]
    out = []
    for i, file in enumerate(files):
        if i == 0 or file.paper is not files[i - 1].paper:
            out.append(f"{file.paper.authors}, {file.paper.title}, {file.paper.year} ({file.paper.id})")
        scales = ", ".join(getattr(file.claim, "scales", ["exact"]))
        out.append(f"  {file.id:<24} §{file.claim.paper.section:<5} {scales:<27} {file.claim.question}")
    return out


def coverage(args: argparse.Namespace) -> list[str]:
    """Return what is covered of the papers' catalogues."""
    from repro.contents import load_valid
    from repro.pages import damage
    from repro.pages.coverage import lines, overview
    from repro.questions.coverage import coverage
    from repro.store import without_damage

    table, reference = asked.store(args).table(), asked.reference(args)
    files, invalid = load_valid(places.claims())
    other, shelf = reference.recorded() if reference else None, asked.shelf(args)

    def covering(table: Table) -> list[str]:
        rows = coverage(asked.catalogue(), files, {shelf: table}, invalid, other)
        if not args.json:
            return lines(rows) if args.missing else overview(rows)
        from repro import documents

        return [documents.coverage(rows, list(table.damaged)).text()]

    covered = without_damage(table, covering)
    return covered if args.json else [*covered, *damage.lines(table.damaged)]


def show(args: argparse.Namespace) -> list[str]:
    """Return the settings of a claim in which it differs from its paper's recipe; all of them with --all."""
    from repro.claim.files import ExactFile, sources
    from repro.questions.facts import lines

    file = asked.one(args.claim)
    for flag in ("alternative", "arm") if isinstance(file, ExactFile) else ("scale", "alternative", "arm"):
        name, names = getattr(args, flag), getattr(file.claim, f"{flag}s", ())
        if flag == "arm" and not isinstance(file, ExactFile):  # a scale and an alternative may have arms of their own
            names = file.at(args.scale, args.alternative).arms
        if name is not None and name not in names:
            raise ReproError(f"--{flag} {name}: {file.path} has {', '.join(names) or 'none'}")
    if isinstance(file, ExactFile):
        return lines(file)
    recipe = {key: setting.value for key, setting in file.paper.recipe.items()}
    every = sources(file, args.scale, args.alternative, args.arm)
    shown = every if args.all else [row for row in every if _differs(*row, recipe)]
    out = [f"{key:<24} {value!s:<44} {source}" for key, value, source in shown]
    if rest := len(every) - len(shown):
        out.append(f"{rest} more settings are the recipe of {file.paper.id} or defaults; --all prints them too")
    return out


def _differs(key: str, value: object, source: str, recipe: Mapping[str, object]) -> bool:
    """Return whether a setting is neither a default nor what the paper's recipe says."""
    return not source.startswith(("default: ", "recipe of ")) and not (key in recipe and recipe[key] == value)


def check(args: argparse.Namespace) -> list[str]:
    """Return that claims have no mistakes, and advice on them. ReproError with all mistakes and the same advice."""
    from repro.contents import advice, advice_unloaded

    try:
        files = asked.load(args.claims, args.section)
    except ReproError as error:
        if not (lines := advice_unloaded(asked.paths(args.claims))):
            raise
        raise ReproError("\n".join([str(error), *lines])) from None
    return [f"{len(files)} claim(s), no mistakes", *advice(files)]


def complete(args: argparse.Namespace) -> list[str]:
    """Return the completion for a shell, or what it asks for."""
    if args.shell == completion.IDS:
        return sorted(path.stem for path in places.claims().glob("*.yaml"))
    return [completion.script(parser(), args.shell)]
