"""The tables of README, from the reference shelf: nothing in them is typed by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from repro.claim.files import AnyFile, split
from repro.contents import catalogue
from repro.errors import CODES, ReproError
from repro.files import write_whole
from repro.pages import documentation, facts, newcomers, opening, prose, records, speed
from repro.pages.view import show
from repro.questions.trial import Trials
from repro.store import Table

OPENING, RESULTS, SPEED, WORDS, EXITS = "opening", "results", "speed", "words", "codes"
PICTURE, EXPECTED, DIFFERENCES = "picture", "expected", "differences"


def renew(home: Path, claims: Sequence[AnyFile], runs: Table | Trials) -> None:
    """Write the tables of the README in `home` anew, and the documentation of data."""
    readme = home / "README.md"
    trials = Trials.from_runs(runs)
    for name, text in first_screen(readme, claims, trials).items():
        update(readme, text, name)
    update(readme, opening.table(named(readme), catalogue(), claims, trials), OPENING)
    update(readme, results(claims, runs))
    update(readme, speed.tables(home), SPEED)
    update(readme, words(), WORDS)
    update(readme, exit_codes(), EXITS)
    write_whole(home / documentation.PLACE, documentation.text())


def first_screen(readme: Path, claims: Sequence[AnyFile], runs: Table | Trials) -> dict[str, str]:
    """Return what README's first screen shows, by marker, of the claims that its markers name; draw its figure."""
    (drawn,), (error,) = named(readme, PICTURE), named(readme, EXPECTED)
    return {
        PICTURE: newcomers.picture(drawn, claims, runs, readme.parent),
        EXPECTED: newcomers.expected(error, claims, runs),
        DIFFERENCES: newcomers.differences(named(readme, DIFFERENCES), claims, runs),
    }


def words() -> str:
    """Return a markdown table of every word with its cases, as the table that decides has them."""
    lines = [f"| `{word}` | {when} |" for word, when in prose.legend()]
    return "\n".join(["| verdict | when |", "|---|---|", *lines]) + "\n"


def exit_codes() -> str:
    """Return a markdown table of every exit code."""
    return (
        "\n".join(["| exit code | when |", "|---:|---|", *(f"| {code} | {when} |" for code, when in CODES.items())])
        + "\n"
    )


def results(claims: Sequence[AnyFile], runs: Table | Trials) -> str:
    """Return a markdown table: trained claims with a verdict, the weightiest first, exact ones, and what is not run."""
    lines = [
        "| claim | the paper says | paper | lab notes | others | ours, with interval | verdict | grade | scale | n |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    trained, exact = split(sorted(claims, key=lambda file: file.id))
    exhibits = [show(file, "reference", runs) for file in trained]
    judged = [exhibit for exhibit in exhibits if exhibit.speaks]
    for exhibit in sorted(judged, key=lambda exhibit: exhibit.judgement.verdict.grade or "E"):
        file = exhibit.file
        verdict, notes = exhibit.judgement.verdict, file.claim.paper.notes
        lines.append(_line(
            _page(file.id), file.claim.paper.says, file.claim.rule.stated(), notes.value if notes else "–",
            records.short(file.claim) or "–", opening.ours(exhibit), opening.word(exhibit),
            verdict.grade or "–", exhibit.scale, str(exhibit.judgement.seeds or "–"),
        ))  # fmt: skip
    lines += [_line(_page(file.id), *facts.cells(file)) for file in exact]
    lines += opening.changed_after(judged)
    if waiting := [_page(exhibit.file.id) for exhibit in exhibits if not exhibit.speaks]:
        coverage = "[coverage](reports/reference/coverage.html)"
        lines += ["", f"Not run yet ({coverage} has the commands): {', '.join(waiting)}."]
    return "\n".join(lines) + "\n"


def _page(id: str) -> str:
    return f"[{id}](reports/reference/{id}.html)"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def named(readme: Path, part: str = OPENING) -> list[str]:
    """Return the claims that a marker of README names for a part of it, in their order."""
    marker = re.search(rf"<!-- {part}: ([\w, ]+) -->", readme.read_text())
    return [name.strip() for name in marker[1].split(",")] if marker else []


def update(readme: Path, text: str, name: str = RESULTS) -> None:
    """Put `text` between the markers `name` of a README, where it is not there already."""
    before, end = readme.read_text(), f"<!-- /{name} -->"
    begin = re.findall(rf"<!-- {name}(?:: [\w, ]+)? -->", before)
    if len(begin) != 1 or before.count(end) != 1 or before.index(begin[0]) > before.index(end):
        raise ReproError(
            f"{readme}: expected one <!-- {name} --> and, below it, one {end}: the table goes between them"
        )
    head, rest = before.split(begin[0])
    tail = rest.split(end)[1]
    after = f"{head}{begin[0]}\n{text.strip()}\n{end}{tail}"
    if after != before:
        write_whole(readme, after)
