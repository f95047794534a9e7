"""Which runs the claims' pages cite, and what each claim reads off them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repro.claim.paper import Paper
from repro.questions.exhibit import Exhibit
from repro.questions.frames import measured, readings_of
from repro.questions.mixture import behind


@dataclass(frozen=True)
class Use:
    """What one claim does with one run.

    `role`: tuning, judging, evaluation, or start, of a run whose weights others start from. `under`: the alternative
    or the comparison that it belongs to, or nothing. `found`: the measure and its value. `sets`: what this arm and this
    alternative set in place of the claim's own values, by dotted key. `tuned`: whether the claim chooses the rate.
    """

    claim: str
    paper: Paper
    scale: str
    arm: str
    role: str
    under: str = ""
    found: str = ""
    sets: Mapping[str, Any] | None = None
    tuned: bool = False


def cited(exhibit: Exhibit) -> set[str]:
    """Return the ids of all runs that a claim's page cites: those behind its judgements, and those that they need."""
    judgements = (exhibit.judgement, *exhibit.alternatives)
    readings = (reading for whole in judgements for part in whole.parts for reading in readings_of(exhibit, part))
    evaluated = {reading.observation.evaluation for reading in readings if reading.observation}
    ids = {run for judgement in judgements for run in judgement.run_ids}
    return behind(exhibit.table, {run for run in (*ids, *filter(None, evaluated)) if run in exhibit.table})


def uses(exhibits: Sequence[Exhibit]) -> dict[str, list[Use]]:
    """Return by run what the claims do with it, in the order of the claims; every run that a page cites has an entry.

    A run that several comparisons of a claim share has one use for each arm and role.
    """
    out: dict[str, dict[tuple[str, ...], Use]] = defaultdict(dict)
    for exhibit in exhibits:
        for run, use in _uses(exhibit):
            out[run].setdefault((use.claim, use.arm, use.role, use.under), use)
        for run in sorted(cited(exhibit)):
            if not any(use.claim == exhibit.file.id for use in out[run].values()):
                use = Use(exhibit.file.id, exhibit.file.paper, exhibit.scale, "", _role(exhibit, run))
                out[run][use.claim, "", use.role, ""] = use
    return {run: list(by_role.values()) for run, by_role in sorted(out.items())}


def _uses(exhibit: Exhibit) -> Iterator[tuple[str, Use]]:
    """Yield every observation of a claim as (run, use), and that of its evaluation."""
    file = exhibit.file
    for whole in (exhibit.judgement, *exhibit.alternatives):
        for part in whole.parts:
            claim = part.claim
            named = [name for name in (part.alternative, part.comparison) if name]
            other = {key: value for name in named for key, value in file.claim.alternatives[name].overrides.items()}
            goal = claim.measure.goal(claim)
            if claim.measure.is_time:
                goal = f"{claim.measure.per_epoch(claim)[0]} to {goal}"
            for reading in readings_of(exhibit, part):
                if reading.observation is None:
                    continue
                run = measured(reading)
                judges = run.use == "judging" or (claim.tune is not None and claim.tune.choose == "fastest")
                use = Use(
                    file.id, file.paper, part.scale, run.label, run.use, ", ".join(named),
                    f"{goal}: {claim.measure.cell(claim, run)}" if judges else "",
                    {**_keys(other), **_keys(claim.arms[run.arm].overrides)}, bool(claim.tune and claim.tune.chooses),
                )  # fmt: skip
                if run.run in exhibit.table:
                    yield run.run, use
                if run.evaluation and run.evaluation in exhibit.table:
                    yield run.evaluation, _evaluation(use)


def _evaluation(use: Use) -> Use:
    return Use(use.claim, use.paper, use.scale, use.arm, "evaluation", use.under, use.found)


def _keys(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the overrides of a run's own settings."""
    return {key: value for key, value in overrides.items() if key.partition(".")[0] in ("data", "model", "train")}


def _role(exhibit: Exhibit, run: str) -> str:
    """Return what a run is for of which no observation is: a curve of a trace, or weights to start from."""
    judged = {i for judgement in (exhibit.judgement, *exhibit.alternatives) for i in judgement.run_ids}
    return "judging" if run in judged else "start"
