"""The base that a small scale on photos stands on: how it was chosen, and when the nets of each arm left chance."""

from __future__ import annotations

from repro.claim.resolve import run_config
from repro.claim.scales import BASED
from repro.draw.parts import Grid, Section
from repro.questions import bases
from repro.questions.exhibit import Exhibit
from repro.questions.frames import measured_runs
from repro.questions.units import listed

_FIRST = "These runs use the first definition of small scale: the net as printed, trained for 30 epochs."
_ENDS = (
    f"{_FIRST} Such a net starts to learn late and ends underfit, and its error depends on the update at which it "
    "starts to learn. A difference of errors may therefore only be a difference in starting, so these runs say nothing "
    "about small differences."
)
_STARTS = (
    f"{_FIRST} Such a net starts to learn late and ends underfit. When it starts is what is measured here; what comes "
    "later is not."
)


def sections(exhibit: Exhibit) -> list[Section]:
    """Return a section on the base of small scale on photos; none at other scales, on other data and of timings."""
    claim = exhibit.judgement.claim
    if (
        exhibit.scale != BASED
        or not exhibit.file.paper.bases_for(exhibit.file.claim.data.kind)
        or claim.data.kind != "imagenette"
        or claim.measure.timed
    ):
        return []
    name = exhibit.file.base_at(exhibit.scale)
    grid = _started(exhibit)
    parts = (grid,) if grid else ()
    if name is None:
        text = _STARTS if claim.measure.is_time else _ENDS
        return [Section(f"{exhibit.shelf}-base", "The base", (text,), parts)]
    candidates = bases.candidates(exhibit.file.paper, exhibit.file.kinds, exhibit.table)
    if not any(c.seeds or c.lost for c in candidates):
        text = f"These runs use the base {name}, which was chosen on the reference shelf ({bases.COMMAND})."
        return [Section(f"{exhibit.shelf}-base", "The base", (text,), parts)]
    return [
        Section(f"{exhibit.shelf}-base", "The base", (bases.sentence(candidates),), (_candidates(candidates), *parts))
    ]


def _candidates(candidates: list[bases.Candidate]) -> Grid:
    """Return a table of the candidates with their seeds."""
    rows = []
    for c in candidates:
        deviation = c.deviation()
        at = listed([f"{s.seed}: {_update(s.left)}" for s in c.seeds]) or "–"
        lost = f"; lost: {listed([str(seed) for seed in c.lost])}" if c.lost else ""
        rows.append((
            c.name,
            f"{c.epochs}",
            f"{len(c.seeds)}{lost}",
            listed([f"{100 * s.ten_views:.1f}" for s in c.seeds]) or "–",
            "–" if deviation is None else f"{100 * deviation:.2f}",
            listed([f"{100 * s.centre:.1f}" for s in c.seeds]) or "–",
            listed([f"{100 * s.training:.1f}" for s in c.seeds]) or "–",
            at,
        ))  # fmt: skip
    head = (
        *(
            "base",
            "epochs",
            "tuning seeds",
            "error in ten views, %",
            "its standard deviation, points",
            "error in one view, %",
        ),
        *("training error, %", "seed: update at which the loss falls below 0.9 ln C"),
    )
    taken = bases.chosen(candidates)
    note = (
        "Errors are those in test mode after the last epoch, by seed; the training error is that of 1,000 fixed photos."
    )
    strong = frozenset(i for i, c in enumerate(candidates) if c.name == taken)
    return Grid("Candidates for the base", head, tuple(rows), strong=strong, note=note)


def _started(exhibit: Exhibit) -> Grid | None:
    """Return when the nets of each arm left chance and what was measured of them; None where there is no run."""
    judgement, table, rows = exhibit.judgement, exhibit.table, []
    measured = [row for row in measured_runs(exhibit) if row.use == "judging" and row.run in table]
    for part in judgement.arms.values():
        runs = [row for row in measured if row.arm == part.name]
        measure = judgement.claim.measure
        if not runs or measure.per_epoch(judgement.claim)[0] == "updates":
            continue
        config = run_config(judgement.claim, part.name, seed=runs[0].seed, lr=part.rate)
        at = [f"{row.seed}: {_update(bases.left(config, table[row.run].epochs))}" for row in runs]
        values = [f"{row.seed}: {measure.cell(judgement.claim, row)}" for row in runs]
        rows.append((judgement.claim.label(part.name), listed(at), listed(values)))
    head = ("arm", "seed: update at which the loss falls below 0.9 ln C", "seed: measured")
    return Grid("When each net started to learn, and what was measured", head, tuple(rows)) if rows else None


def _update(left: float | None) -> str:
    return "later" if left is None else f"{left:,.0f}"
