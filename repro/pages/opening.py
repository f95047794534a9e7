"""The table that README opens with: the sentences it names, with the paper's number, ours, the command and its cost."""

from __future__ import annotations

from collections.abc import Sequence

from repro.claim.catalogue import Entry
from repro.claim.files import AnyFile, ClaimFile
from repro.errors import ReproError
from repro.pages import prose
from repro.pages.evidence import hours
from repro.pages.view import next_scale, show
from repro.questions import bases
from repro.questions.coverage import Cost, coverage
from repro.questions.ensembles import of_fewer
from repro.questions.exhibit import Exhibit
from repro.questions.judge import Judgement, complete, judge
from repro.questions.mixture import behind
from repro.questions.trial import Trials
from repro.questions.units import capital
from repro.store import Table

UNITS = ("core-hours", "hours")  # of a CPU, of a GPU: the table's columns of cost
UNKNOWN = "not measured"
AFTER = "†"  # behind a verdict whose rule was changed after its runs
AFTER_NOTE = f"{AFTER}: the rule was changed after its runs; the page gives the earlier verdict."
CHOOSE = bases.COMMAND.removeprefix("python -m ")
BASE_NOTE = (
    f"The **base** is {bases.IS} It is not chosen yet. `{CHOOSE}` trains the candidates and prints the name of the one "
    "that is chosen."
)


def table(ids: Sequence[str], entries: Sequence[Entry], claims: Sequence[AnyFile], runs: Table | Trials) -> str:
    """Return a markdown table with a row for each id, in the given order, from the runs of the reference shelf.

    ReproError of an id that is no row of the catalogue with a trained claim.
    """
    lines = [
        "| the paper says | paper | ours, with interval | verdict | command | cost on a CPU | cost on one GPU |",
        "|---|---|---|---|---|---|---|",
    ]
    files, rows = {file.id: file for file in claims}, {entry.id: entry for entry in entries}
    trials, shown = Trials.from_runs(runs), []
    for id in ids:
        file, entry = files.get(id), rows.get(id)
        if not isinstance(file, ClaimFile) or entry is None:
            raise ReproError(f"README.md: its opening names {id}; expected a row of the catalogue with a trained claim")
        shown.append(show(file, "reference", trials))
        cells = _cells(file, entry, shown[-1], trials)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    lines += changed_after(shown)
    if any(not exhibit.speaks and exhibit.file.undecided(next_scale(exhibit)) for exhibit in shown):
        lines += ["", BASE_NOTE]
    return "\n".join(lines) + "\n"


def word(exhibit: Exhibit) -> str:
    """Return the word of a verdict as README prints it, marked where its rule was changed after its runs."""
    return f"`{exhibit.judgement.verdict.word}`{f' {AFTER}' * bool(prose.set_after(exhibit.judgement))}"


def ours(exhibit: Exhibit) -> str:
    """Return the effect that was found, with the number of averaged nets where the paper averages another."""
    fewer = of_fewer(exhibit.file, exhibit.scale)
    return f"{exhibit.judgement.estimate_words}{f', {fewer[1]} nets averaged' if fewer else ''}"


def changed_after(shown: Sequence[Exhibit]) -> list[str]:
    """Return the lines that explain the mark of `word` below a table; none where no verdict has it."""
    return ["", AFTER_NOTE] if any(each.speaks and prose.set_after(each.judgement) for each in shown) else []


def _cells(file: ClaimFile, entry: Entry, exhibit: Exhibit, trials: Trials) -> tuple[str, ...]:
    sentence = f"[{capital(entry.says)}](reports/reference/{file.id}.html) (§{entry.section})"
    scale = exhibit.scale if exhibit.speaks else next_scale(exhibit)
    found, verdict = "–", "not run yet"
    if exhibit.speaks:
        found = f"{ours(exhibit)}, {scale} scale, n = {exhibit.judgement.seeds}"
        verdict = word(exhibit)
        costs = [_spent(exhibit, trials, unit) for unit in UNITS]
    else:
        (row,) = coverage([entry], [file], {"reference": trials})
        cost, undecided = next(m.cost for m in row.missing if m.scale == scale), file.undecided(scale)
        costs = [_ahead(cost, trials.table, unit, undecided) for unit in UNITS]
    return sentence, file.claim.rule.stated(), found, verdict, _commands(file, scale), *costs


def _commands(file: ClaimFile, scale: str) -> str:
    """Return the commands to type: where the base of the scale is not chosen yet, the one that chooses it, and then
    what is to be written in the claim's file."""
    run = f"`repro run {file.id} --scale {scale}`"
    if not file.undecided(scale):
        return run
    return f"`{CHOOSE}`, then write the printed name as `base` in `claims/{file.path.name}`, then {run}"


def _spent(exhibit: Exhibit, trials: Trials, unit: str) -> str:
    """Return what the runs behind a verdict took on one kind of device: at its scale, else at the next that has any."""
    for scale, judgement in exhibit.scales.items():
        if scale == "smoke" or not complete(judgement):
            continue
        took = _hours([judgement], trials.table, unit)
        if not took:
            continue
        both = all(_hours([judgement], trials.table, of) for of in UNITS)
        text = f"{took:.3g} {unit}" + " for some of the runs" * both
        others = [judge(exhibit.file, scale, trials, name) for name in exhibit.file.alternatives_at(scale)]
        if all(complete(other) for other in others):
            every = f"{_hours([judgement, *others], trials.table, unit):.3g}"
            text += f"; {every} with the alternatives" if every != f"{took:.3g}" else ""
        else:
            text += "; without the alternatives, some of which are not run"
        return text if scale == exhibit.scale else f"{text}; at {scale} scale"
    return UNKNOWN


def _hours(judgements: Sequence[Judgement], runs: Table, unit: str) -> float:
    """Return the hours of the runs behind all of these on one kind of device."""
    ids = behind(runs, {run for judgement in judgements for run in judgement.run_ids})
    return sum(took for (_, of), took in hours(runs, ids).items() if of == unit)


def _ahead(cost: Cost, runs: Table, unit: str, undecided: bool) -> str:
    """Return what the command's next runs take at most, where runs like all of them are recorded. `undecided`: these
    choose the base, and what the claim's own take is not known before."""
    cores = {device for device, of in hours(runs, set(runs)) if of == UNITS[0]}
    if not cost.known or cost.known < cost.runs or (cost.device in cores) != (unit == UNITS[0]):
        return UNKNOWN
    most, some = f"at most {cost.seconds / 3600:.3g} {unit}", f"{cost.runs} run{'s' * (cost.runs != 1)}"
    if undecided:
        return (
            f"{most} for the {some} that the choice of the base still lacks on the reference shelf; what the claim’s "
            "own runs take is not known before"
        )
    return f"{most} for the next {some}"
