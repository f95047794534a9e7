"""What is still to be run for a claim: a pure function of the claim and the table of runs so far."""

from __future__ import annotations

from dataclasses import replace

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile
from repro.questions.observations import Want
from repro.questions.trial import Trials
from repro.store import DamagedRun, Table, damaged_in


def wanted(
    file: ClaimFile,
    scale: str,
    runs: Table | Trials,
    alternatives: list[str | None] | None = None,
    device: str | None = None,
    judged: bool = False,
) -> list[Want]:
    """Return all runs wanted next for a claim at a scale, finished ones left out: under the base and its alternatives
    there (None: the base), or under those given.

    `device`: the name of the one that is to be timed; None where nothing is run: the one that the table knows best.
    `judged`: of the arms that a rule compares alone; other arms are for alternatives.
    """
    if file.undecided(scale):
        return []  # which net and how many epochs, `repro.questions.bases` is to say
    trials = Trials.from_runs(runs)
    if alternatives is None:
        alternatives = [None, *file.alternatives_at(scale)]
    wants = []
    for alternative in alternatives:
        planned = set()  # what is judged together may look at the same runs
        for comparison, trial in trials.compared(file, scale, alternative, device).items():
            under = ", ".join(filter(None, (alternative, comparison)))
            for want in trial.wants(trial.claim.rule.compared(trial.claim) if judged else None):
                evaluation_id = want.evaluation.id if want.evaluation else None
                if (key := (want.config.id, want.epochs, want.level, evaluation_id)) not in planned:
                    planned.add(key)
                    wants.append(replace(want, label=f"{file.id}{f' ({under})' if under else ''}: {want.label}"))
    table = trials.table
    return [_first(want, table) for want in wants if not want.satisfied_in(table)]


def damaged_by(want: Want, table: Table) -> DamagedRun | None:
    """Return what is wrong with a wanted run, or with its wanted evaluation; None of sound ones."""
    ids = [want.config.id, *([want.evaluation.id] if want.evaluation else [])]
    return next((damage for run_id in ids if (damage := damaged_in(table, run_id))), None)


def _first(want: Want, table: Table) -> Want:
    """Return what is to be run before a run that starts from another's weights can be: that other run, while they are
    not there; else the run itself."""
    start = want.config.start if isinstance(want.config, RunConfig) else None
    if start is None or start.run is None or start.epoch is None:
        return want
    label = f"{want.label}: what it starts from"
    before = Want(start.run, start.epoch, None, label, weights=True)
    return want if before.satisfied_in(table) else _first(before, table)
