"""What a verdict rests on: the sections of its kind of claim, then provenance and cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from repro.draw.parts import Grid, Section
from repro.nets import libraries
from repro.pages import bases, prose
from repro.questions.exhibit import Exhibit
from repro.questions.mixture import behind
from repro.questions.units import listed
from repro.store import Table
from repro.train.minibatches import NUMERICS

ABOUT = ("made in", "commit of the code", "device", "system", "versions", "version of the numerics")


def sections(exhibit: Exhibit) -> list[Section]:
    """Return all evidence of a claim for which something was measured."""
    measured = exhibit.judgement.claim.measure.sections(exhibit)
    return [*measured, *bases.sections(exhibit), _made(exhibit)]


def cost(table: Table, ids: set[str]) -> tuple[int, int, float]:
    """Return how many runs there are, how many epochs they trained and the seconds these took, without evaluations."""
    runs = [run for i in sorted(ids) if not (run := table[i]).is_evaluation]
    seconds = sum(row["seconds"] for run in runs for row in run.epochs)
    return len(runs), sum(len(run.epochs) for run in runs), seconds + sum(run.seconds_timed for run in runs)


def _made(exhibit: Exhibit) -> Section:
    """Return provenance and cost of every run behind the judgement and its alternatives."""
    base = behind(exhibit.table, set(exhibit.judgement.run_ids))
    others = (behind(exhibit.table, set(judgement.run_ids)) for judgement in exhibit.alternatives)
    every = base.union(*others)
    setups: Counter[tuple[tuple[str, Any], ...]] = Counter()
    for run in sorted(every):
        sessions = [
            {k: v for k, v in session.items() if k not in ("photos", "micro_batch", "towers")}
            for session in exhibit.table[run].sessions
        ]
        setups.update({tuple(sorted(session.items())) for session in sessions})
    ordered = sorted(setups.items(), key=lambda setup: (-setup[1], repr(setup[0])))
    columns = [setup(dict(session), runs) for session, runs in ordered]
    head, *rows = ((name, *(column[i] for column in columns)) for i, name in enumerate(ABOUT))
    text = [f"This verdict rests on {_cost(exhibit.table, base)}: {_hours(exhibit.table, base)}."]
    if every != base:
        text.append(f"With the alternatives: {_cost(exhibit.table, every)}.")
        text[-1] = f"{text[-1][:-1]}: {_hours(exhibit.table, every)}."
    text += _left_out(exhibit.table, every) + _in_parts(exhibit.table, every)
    text += _in_two(exhibit.table, every)
    made = Grid("Machines and software of the runs and evaluations", head, tuple(rows), note=_SESSIONS)
    return Section(f"{exhibit.shelf}-made", "Provenance and cost", tuple(text), (made,))


_SESSIONS = "A run or an evaluation is made in one session, or in several if it was interrupted and resumed."


def _left_out(table: Table, ids: set[str]) -> list[str]:
    """Return a sentence for each set that lacked unusable photos, with their names and reasons."""
    lacking: Counter[tuple[int, tuple[str, ...]]] = Counter()
    for run in ids:
        unusable = [session["photos"] for session in table[run].sessions if "photos" in session]
        lacking.update({(photos["left_out"], tuple(photos["names"])) for photos in unusable})
    out = []
    for (photos, names), runs in sorted(lacking.items()):
        more = f", and {photos - len(names):,} more" if photos > len(names) else ""
        out.append(
            f"{photos:,} photo{'s' * (photos != 1)} of the set could not be used and were left out of "
            f"{runs:,} run{'s' * (runs != 1)}: {', '.join(names)}{more}."
        )
    return out


def _in_parts(table: Table, ids: set[str]) -> list[str]:
    """Return a sentence for each size of part that minibatches were taken in, where a GPU's memory was too small."""
    sizes = Counter(
        size for run in ids for size in {s["micro_batch"] for s in table[run].sessions if "micro_batch" in s}
    )
    return [
        f"Deviation: {runs:,} run{'s' * (runs != 1)} did not fit the GPU's memory. Their minibatches were taken in "
        f"parts of at most {size} images whose gradients were added; only rounding differs."
        for size, runs in sorted(sizes.items())
    ]


def _in_two(table: Table, ids: set[str]) -> list[str]:
    """Return a sentence on the runs whose towers were trained in two processes."""
    runs = sum(any("towers" in session for session in table[run].sessions) for run in ids)
    return [
        f"Deviation: {runs:,} run{'s' * (runs != 1)} did updates in two processes, one for each tower, as the paper's "
        "two GPUs did. They compute what one process computes; only rounding differs."
    ] * (runs > 0)


def setup(session: dict[str, Any], runs: int) -> tuple[str, ...]:
    """Return one machine and its software, in the order of `ABOUT`."""
    threads, commit = session["threads"], session["commit"]
    device = session["processor"] if session["device"] == "cpu" else session["device"]
    named = {name: session[name.lower()] for name in ("repro", "Python", "torch", "numpy", "CUDA")}
    named |= {name: session.get(name) for name in libraries.LIBRARIES}  # of a run whose net is the library's
    versions = [f"{name} {version}" for name, version in named.items() if version]
    return (
        f"{runs} session{'s' * (runs != 1)}",
        f"{commit[:12]} ({'clean' if session['clean'] else 'changed'})" if commit else "not from a clone",
        f"{device}, {threads} thread{'s' * (threads != 1)}",
        session["system"],
        ", ".join(versions),
        f"{session['numerics']}" + f", now {NUMERICS}" * (session["numerics"] != NUMERICS),
    )


def hours(table: Table, ids: set[str]) -> dict[tuple[str, str], float]:
    """Return what all these runs and evaluations took, by (device, unit): `core-hours`, or `hours` of a GPU.

    Of a run that went on elsewhere all counts as the last device's.
    """
    out: dict[tuple[str, str], float] = defaultdict(float)
    for run in (table[i] for i in sorted(ids)):
        made, trained = run.sessions[-1], sum(row["seconds"] for row in run.epochs)
        seconds = run.seconds_looked if run.is_evaluation else trained + run.seconds_timed
        cpu = made["device"] == "cpu"
        device = str(made["processor"] if cpu else made["device"])
        unit, threads = ("core-hours", made["threads"]) if cpu else ("hours", 1)
        out[device.partition(" (")[0], unit] += seconds * threads / 3600
    return out


def _hours(table: Table, ids: set[str]) -> str:
    spent = sorted(hours(table, ids).items())
    return listed([f"{value:.3g} {unit} of {device}" for (device, unit), value in spent])


def _cost(table: Table, ids: set[str]) -> str:
    runs, epochs, seconds = cost(table, ids)
    if not epochs:
        return f"{runs:,} timing{'s' * (runs != 1)}, {prose.duration(seconds)} in all"
    evaluations = [table[i].seconds_looked for i in ids if table[i].is_evaluation]
    text = f"{runs:,} runs, {epochs:,} epochs trained, {prose.duration(seconds)} of training in all"
    if not evaluations:
        return text
    taken = prose.duration(sum(evaluations))
    return f"{text}, and {len(evaluations):,} evaluation{'s' * (len(evaluations) != 1)}, {taken}"
