"""Coverage as lines and as a page: each row of the catalogue at every scale, what is missing, its command and cost."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby, zip_longest
from typing import Any

from repro.claim.paper import Paper
from repro.pages import damage, prose
from repro.pages.view import MARKS
from repro.questions.cases import GROUPS
from repro.questions.coverage import WORKS, Covered, Missing, State, summary
from repro.questions.units import capital
from repro.store import DamagedRun

SCALES = ("smoke", "small", "medium", "paper")
_WIDE = 22  # characters of a column of states
_UNBROKEN = "\N{NO-BREAK SPACE}"
_SCREEN = 100  # characters of a line of the overview; assumed


def overview(rows: Sequence[Covered]) -> list[str]:
    """Return at most a screen of text: the rows by the verdict of their highest scale, then the sums."""
    groups: dict[str, list[str]] = {}
    for row in rows:
        word, mark = _highest(row)
        groups.setdefault(word, []).append(f"{row.entry.id}{mark}")
    order = [*GROUPS, "begun", WORKS]
    out = []
    for word in sorted(groups, key=lambda word: order.index(word) if word in order else len(order)):
        unbroken = ", ".join(name.replace(" ", _UNBROKEN) for name in groups[word])
        names = [line.replace(_UNBROKEN, " ") for line in textwrap.wrap(unbroken, _SCREEN - _WIDE - 4)]
        if len(word) > _WIDE + 3:  # a line of its own
            names = ["", *names]
        out += [f"{text:<{_WIDE + 4}}{line}".rstrip() for text, line in zip_longest([word], names, fillvalue="")]
    lacking = sum(len(row.missing) for row in rows)
    more = f"{lacking} verdicts are missing at some scale; `repro coverage --missing` lists scales and commands"
    return [*out, "", "(r): on the reference shelf", summary(rows), *([more] if lacking else [])]


def _highest(row: Covered) -> tuple[str, str]:
    """Return the word of a row at its highest scale with a verdict, and a mark if it is the reference shelf's alone."""
    if not row.scales:
        return row.state, ""
    states = [state for scale in ("exact", *reversed(SCALES)) for state in row.scales.get(scale, ())]
    for there in (lambda state: state.there and state.word != WORKS, lambda state: state.word != "not run"):
        if found := next(filter(there, states), None):
            return found.word, " (r)" if found.shelf == "reference" else ""
    return "not run", ""


def lines(rows: Sequence[Covered]) -> list[str]:
    """Return the table as plain text, then what is missing of each claim, then the sums."""
    head = f"  {'row':<24} {'claim':<13} " + " ".join(f"{scale:<{_WIDE}}" for scale in SCALES)
    out, paper = [head.rstrip()], ""
    for row in rows:
        if not row.scales:
            cells = row.state
        elif "exact" in row.scales:
            cells = f"{row.state:<13} counted: {row.scales['exact'][0].word}"
        else:
            states = (_text(row.scales[scale]) if scale in row.scales else "–" for scale in SCALES)
            cells = f"{row.state:<13} " + " ".join(f"{text:<{_WIDE}}" for text in states)
        if row.entry.paper != paper:
            paper = row.entry.paper
            out.append(f"{paper}:")
        out.append(f"  {row.entry.id:<24} {cells}".rstrip())
    out += ["", "(r): on the reference shelf; –: the claim has no such scale"]
    out += ["", "what is missing, the command for it, and its cost:"]
    if smoke := sum(missing.scale == "smoke" for row in rows for missing in row.missing):
        out.append(f"  smoke scale of {smoke} claims, seconds each: python -m repro smoke")
    for row in rows:
        for missing in (m for m in row.missing if m.scale != "smoke"):
            out.append(f"  {row.entry.id}, {missing.scale} scale: {missing.why}")
            out += [f"    {missing.command}", f"    {cost(missing)}"]
        if not row.scales and row.entry.is_claim:
            out.append(f"  {row.entry.id}: {todo(row)}")
    return [*out, "", summary(rows)]


def todo(row: Covered) -> str:
    """Return what is to be done for a row of a sentence that has no valid claim."""
    if row.state == "invalid":
        return f"the claim has mistakes: python -m repro check {row.entry.id}"
    return f"write claims/{row.entry.id}.yaml; claims/README.md explains how"


def cost(missing: Missing) -> str:
    """Return what the command's next runs cost, or how to learn it."""
    taken = missing.cost
    runs = f"the next {taken.runs} run{'s' * (taken.runs != 1)}"
    if taken.alternatives:
        runs += f" ({taken.alternatives} of them for alternatives)"
    if not taken.known:
        return f"the cost of {runs} is not known: `{missing.command.replace(' run ', ' plan ')}` measures it"
    take = f"at most {prose.duration(taken.seconds)} with one worker on {taken.device}, as similar recorded runs did"
    if taken.known == taken.runs:
        return f"cost: {runs} take {take}"
    return f"cost: {taken.known} of {runs} take {take}; the cost of the others is not known"


def sentence(missing: Missing) -> str:
    """Return the cost as pages print it."""
    text = cost(missing)
    return f"{capital(text)}."


def _text(states: Sequence[State]) -> str:
    """Return the states of the shelves as one cell."""
    states = _distinct(states)
    return " ".join(f"{state.word}{' (r)' if state.shelf == 'reference' else ''}" for state in states) or "not run"


def _distinct(states: Sequence[State]) -> list[State]:
    """Return the states that are run; where both shelves have the same word, the reader's own."""
    out: list[State] = []
    for state in states:
        if state.word != "not run" and all(state.word != other.word for other in out):
            out.append(state)
    return out


def page(rows: Sequence[Covered], papers: Sequence[Paper], damaged: Mapping[str, DamagedRun]) -> dict[str, Any]:
    """Return everything that templates/coverage.html prints: the rows by paper and part of its catalogue, and the
    damaged runs."""
    titles = {paper.id: f"{paper.title}, {paper.year}" for paper in papers}
    parts = []
    for (paper, part), own in groupby(rows, key=lambda row: (row.entry.paper, row.entry.part)):
        parts.append({"title": part.title, "paper": titles[paper], "rows": [_row(row) for row in own]})
    many = Counter(row.entry.paper for row in rows)
    on_trial = prose.on_trial([max(papers, key=lambda paper: many[paper.id])])  # as on the pages of most claims
    head = {"on_trial": on_trial, "scales": SCALES, "parts": parts, "summary": summary(rows)}
    return head | {"damaged": damage.section(damaged)}


def _row(row: Covered) -> dict[str, Any]:
    exact = row.scales.get("exact", ())
    cells = [
        (scale, [_cell(state) for state in _distinct(row.scales[scale])] if scale in row.scales else None)
        for scale in SCALES
    ]
    section = f"§ {row.entry.section}" if row.entry.section[:1].isdigit() else row.entry.section
    return {
        "id": row.entry.id,
        "href": f"{row.entry.id}.html" if row.scales else "",
        "section": section,
        "says": row.entry.says,
        "state": row.state,
        "exact": [_cell(state) for state in exact],
        "cells": cells if row.scales and not exact else [],
        "missing": [(m.scale, m.why, m.command, sentence(m)) for m in row.missing],
        "todo": todo(row) if not row.scales and row.entry.is_claim else "",
    }


def _cell(state: State) -> tuple[str, str, str]:
    """Return (mark, word, shelf)."""
    mark = {WORKS: "check", "begun": "empty"}.get(state.word) or MARKS[state.word]  # type: ignore[index]
    return mark, state.word, state.shelf
