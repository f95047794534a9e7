"""What a command line asks for: claims by name and section, shelves, folders, and how much is printed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro import places
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.claim.catalogue import Entry
    from repro.claim.files import AnyFile
    from repro.pages.results import Results
    from repro.store import Store

Say = Callable[[str], None]


def load(names: Sequence[Path], section: str | None = None) -> list[AnyFile]:
    """Return the claims named by ids, patterns, files and folders, or the project's; of these those of a section."""
    from repro.claim.selection import of_section
    from repro.contents import load_all

    files = load_all(paths(names))
    return of_section(files, section) if section else files


def paths(names: Sequence[Path]) -> list[Path]:
    """Return the files and folders of the claims that are named; the project's folder where none is."""
    return places.claims_named(names) or [places.claims()]


def named(args: argparse.Namespace) -> list[AnyFile]:
    """Return the claims that a command names, by names, by section or both; an empty list if it names none."""
    return load(args.claims, args.section) if args.claims or args.section else []


def one(name: Path) -> AnyFile:
    """Return the claim that a name means. ReproError of a pattern or folder that means several."""
    files = load([name])
    if len(files) > 1:
        raise ReproError(f"{name}: found {len(files)} claims, {', '.join(file.id for file in files)}; expected one")
    return files[0]


def catalogue() -> list[Entry]:
    """Return the rows of the papers' catalogues."""
    from repro import contents

    return contents.catalogue()


def open_page(page: Path) -> None:
    """Open a page in the user's browser. ReproError where there is none."""
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        raise ReproError(f"--open: no browser was found here; open {page.resolve()} in one")


def store(args: argparse.Namespace) -> Store:
    """Return the shelf that runs are kept on. ReproError of the reference shelf where there is no clone."""
    from repro.store import Store

    return Store(places.shelf("runs", args.runs, args.reference))


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


def notes(args: argparse.Namespace, say: Say) -> Say:
    """Return what prints lines that `--quiet` leaves out."""
    return (lambda text: None) if args.quiet else say
