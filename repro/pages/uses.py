"""Which runs the claims' pages cite, and what each claim reads off them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repro.claim.paper import Paper
from repro.questions.base import Claim
from repro.questions.exhibit import Exhibit
from repro.questions.judge import Judgement
from repro.questions.measure import MeasuredRun
from repro.questions.mixture import behind
from repro.questions.observations import Observation


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
    evaluated = {o.evaluation for judgement in judgements for part in judgement.parts for _, _, o in _observed(part)}
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
            other = {key: value for name in named for key, value in file.claim.alternatives[name].items()}
            for arm, role, o in _observed(part):
                goal = claim.measure.goal(claim)
                if claim.measure.is_time:
                    goal = f"{claim.measure.per_epoch(claim)[0]} to {goal}"
                judging = role == "judging"
                found = _reading(claim, arm, role, o) if judging or claim.measure.is_time else ""
                use = Use(
                    file.id, file.paper, part.scale, claim.label(arm), role, ", ".join(named),
                    f"{goal}: {found}" if found else "",
                    {**_keys(other), **_keys(claim.arms[arm].overrides)}, bool(claim.tune and claim.tune.chooses),
                )  # fmt: skip
                for run, as_role in ((o.run, role), (o.evaluation, "evaluation")):
                    if run and run in exhibit.table:
                        yield run, (use if as_role == role else _evaluation(use))


def _reading(claim: Claim, arm: str, role: str, o: Observation) -> str:
    """Return what a claim reads of a run, for people."""
    unit, each = claim.measure.column(claim)
    value = None if o.value is None else each * o.value
    about = arm, claim.label(arm), role, None, o.seed, o.run, o.evaluation
    return claim.measure.cell(claim, MeasuredRun(*about, value, unit, o.status, each * o.horizon))


def _evaluation(use: Use) -> Use:
    return Use(use.claim, use.paper, use.scale, use.arm, "evaluation", use.under, use.found)


def _keys(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the overrides of a run's own settings."""
    return {key: value for key, value in overrides.items() if key.partition(".")[0] in ("data", "model", "train")}


def _observed(judgement: Judgement) -> Iterator[tuple[str, str, Observation]]:
    """Yield (arm, role, observation) of every tuning and judging run."""
    for name, arm in judgement.arms.items():
        for rate in arm.tuning.rates if arm.tuning else ():
            yield from ((name, "tuning", o) for o in rate.observations)
        yield from ((name, "judging", o) for o in arm.observations)


def _role(exhibit: Exhibit, run: str) -> str:
    """Return what a run is for of which no observation is: a curve of a trace, or weights to start from."""
    judged = {i for judgement in (exhibit.judgement, *exhibit.alternatives) for i in judgement.run_ids}
    return "judging" if run in judged else "start"
