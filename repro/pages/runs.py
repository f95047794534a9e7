"""The page of each run that a claim's page cites: its curves, configuration, environment, time and files.

One page for each run, not one for each claim: most runs serve several claims, a run keeps one address, and a page that
holds all runs of a claim would have up to a megabyte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from repro.claim.config import RunConfig
from repro.claim.paper import Setting
from repro.data.known import KNOWN
from repro.draw import plots
from repro.draw.parts import Grid, Row
from repro.pages import prose, run_curves, settings
from repro.pages.evidence import ABOUT, setup
from repro.pages.uses import Use
from repro.questions.units import listed
from repro.store import Run, Table
from repro.store.damage import RESULT, ROWS, RUN

if TYPE_CHECKING:
    import jinja2

FOLDER, UP = "runs", "../"  # of the pages, beside those of the claims; the way back to these
HOLDS = {
    RUN: "the configuration, and what ran it",
    ROWS: "a row for each epoch, with its updates",
    RESULT: "how it ended, or what was measured",
    "correct.npy": "which test images were right at the end",
}
ROLES = {
    "judging": "judges",
    "tuning": "is one of those that the learning rate was chosen from",
    "evaluation": "is an evaluation that judges",
    "start": "has the weights that judged runs start from",
}


def files(
    shelf: str,
    table: Table,
    used: Mapping[str, Sequence[Use]],
    ids: Sequence[str],
    templates: jinja2.Environment,
    project: str | None,
) -> dict[str, str]:
    """Return the pages of these runs by name.

    `used`: what the claims do with every run that has a page. `project`: the way from the claims' pages to the
    project's folder, for links to the records of reference runs; None: no such links.
    """
    evaluations: dict[str, list[str]] = {}
    for other in (table[id] for id in used):
        if other.is_evaluation:
            evaluations.setdefault(_evaluated(other), []).append(other.id)
    template = templates.get_template("run.html")
    records = f"../{project}/runs/reference" if project and shelf == "reference" else ""
    return {
        f"{FOLDER}/{id}.html": template.render(_page(shelf, table[id], used[id], evaluations.get(id, []), records))
        for id in ids
    }


def _page(shelf: str, run: Run, uses: Sequence[Use], evaluations: Sequence[str], records: str) -> dict[str, Any]:
    """Return everything that templates/run.html prints."""
    training = "train" in run.config
    return {
        "id": run.id,
        "shelf": shelf,
        "kind": "Training" if training else "Evaluation" if run.is_evaluation else "Timing",
        "title": _title(run),
        "summary": _trained(run) if training else _measured(run),
        "of": _evaluated(run) if run.is_evaluation else "",
        "evaluations": evaluations,
        "uses": _by_claim(uses),
        "plots": [(plot, plots.svg(plot)) for plot in run_curves.learning(run)] if training else [],
        "epochs": run_curves.epochs(run) if training else None,
        "values": None if training else _rounds(run) if run.timed is not None else _values(run),
        "configuration": _configuration(run, uses),
        "sessions": _sessions(run),
        "files": _files(run, records),
        "records": bool(records),
        "on_trial": prose.on_trial(sorted({use.paper.id: use.paper for use in uses}.values(), key=lambda p: p.id)),
    }


def _evaluated(run: Run) -> str:
    """Return the id of the run that an evaluation is of."""
    return RunConfig.model_validate(run.config["run"]).id if "look" in run.config else ""


def _title(run: Run) -> str:
    config: Any = run.config
    if "look" in config:
        config, kind = config["run"], str(config["look"]["kind"]).replace("_", " ")
        return f"Evaluation ({kind}) of {config['model']['kind']} on {_set(config)}, seed {run.seed}"
    if "timed" in config:
        first = next(iter(config["timed"].values()))
        return f"Timing of {first['model']['kind']} on {_set(first)}, replicate {run.seed}"
    return f"{config['model']['kind']} on {_set(config)}, seed {run.seed}"


def _set(config: Any) -> str:
    kind = str(config["data"]["kind"])
    return KNOWN[kind].title if kind in KNOWN else kind


def _trained(run: Run) -> str:
    """Return how a training went, in sentences."""
    if run.failed is not None:
        return f"It failed twice: {run.failed}."
    if not run.epochs:
        return "No epoch came to its end."
    seconds = [row["seconds"] for row in run.epochs]
    n = len(seconds)
    text = f"{n} epoch{'s' * (n != 1)} in {prose.duration(sum(seconds))}, {prose.duration(median(seconds))} for each."
    if run.diverged is not None:
        text += f" It diverged: the loss of update {run.diverged:,} was not finite."
    for name, metric in (("running training error", "train_error"), ("test error", "test_error")):
        if series := run.series(metric):
            epoch, value = series[-1]
            text += f" The {name} after epoch {epoch} is {100 * value:.2f} %."
    return text


def _measured(run: Run) -> str:
    if run.failed is not None:
        return f"It failed twice: {run.failed}."
    seconds = run.seconds_timed if run.timed is not None else run.seconds_looked
    result: Any = run.result or {}
    where = f", of the net after epoch {result['epoch']}" if run.is_evaluation and "epoch" in result else ""
    return f"It took {prose.duration(seconds)}{where}." if seconds else "It has not ended."


def _by_claim(uses: Sequence[Use]) -> list[dict[str, Any]]:
    """Return what each claim does with the run; comparisons of a claim with one finding stand in one line."""
    out: dict[tuple[str, ...], dict[str, Any]] = {}
    for use in uses:
        what = ROLES[use.role] + (f" the arm “{use.arm}”" if use.arm and use.role != "tuning" else "")
        what += f", arm “{use.arm}”" if use.arm and use.role == "tuning" else ""
        line = out.setdefault(
            (use.claim, what, use.found),
            {"claim": use.claim, "scale": use.scale, "what": what, "found": use.found, "under": []},
        )
        line["under"].append(use.under or "our choices")
    return [
        line | {"under": "" if line["under"] == ["our choices"] else listed(list(dict.fromkeys(line["under"])))}
        for line in out.values()
    ]


def _values(run: Run) -> Grid | None:
    """Return what an evaluation measured, as recorded."""
    if not run.values:
        return None
    rows: list[Row] = [(name.replace("_", " "), f"{value:.6g}") for name, value in run.values.items()]
    note = ""
    if run.curves:
        steps = len(next(iter(run.curves.values())))
        note = f"In {steps} steps, in result.json: {listed([name.replace('_', ' ') for name in run.curves])}."
    return Grid("Values as recorded", ("value", "as recorded"), tuple(rows), numbers=frozenset({1}), note=note)


def _rounds(run: Run) -> Grid:
    """Return images/s of each round of a timing, by arm, and their medians."""
    timed = run.timed
    assert timed is not None
    columns = [
        column
        for arm, rates in timed.items()
        for column in ((f"{arm}: whole", rates["pipeline"]), (f"{arm}: step alone", rates["step"]))
    ]
    count = max(len(rates) for _, rates in columns)
    rows: list[Row] = [
        (str(i + 1), *(f"{rates[i]:.4g}" if i < len(rates) else "–" for _, rates in columns)) for i in range(count)
    ]
    rows.append(("median", *(f"{median(rates):.4g}" for _, rates in columns)))
    head = ("round", *(name for name, _ in columns))
    numbers = frozenset(range(1, len(head)))
    return Grid("Images/s of each round", head, tuple(rows), numbers, strong=frozenset({count}))


@dataclass(frozen=True)
class Shown:
    """A setting of the configuration: its value, the paper's recipe with its source, and the claims that set it."""

    key: str
    value: str
    recipe: str = ""
    source: str = ""
    set_by: str = ""
    differs: bool = False


def _configuration(run: Run, uses: Sequence[Use]) -> list[Shown]:
    """Return the run's configuration; what differs from the paper's recipe, and what a claim sets in it, is marked."""
    config: Any = run.config
    first: list[Shown] = []
    if "look" in config:
        first = [Shown(f"evaluation.{key}", settings.in_short(value)) for key, value in config["look"].items()]
        first.append(Shown("evaluation.epoch", str(config["epoch"])))
        config = config["run"]
    elif "timed" in config:
        first = [
            Shown(f"timing.{key}", settings.in_short(config[key])) for key in ("updates", "rounds", "warm", "device")
        ]
        config = next(iter(config["timed"].values()))
    recipe = uses[0].paper.recipe if uses else {}
    by_claims = _set_by(uses)
    return [*first, *(_setting(key, value, recipe.get(key), by_claims.get(key, [])) for key, value in _flat(config))]


def _setting(key: str, value: Any, recipe: Setting | None, claims: list[str]) -> Shown:
    if recipe is None:
        return Shown(key, settings.in_short(value), set_by=listed(claims), differs=bool(claims))
    same = value == recipe.value or _all(value, recipe.value)
    theirs = "the same" if same else settings.in_short(recipe.value)
    return Shown(key, settings.in_short(value), theirs, recipe.source, listed(claims), bool(claims) or not same)


def _flat(config: Any) -> list[tuple[str, Any]]:
    """Return the settings of a training by dotted key; a value for each layer stays together."""
    out = [(f"{part}.{key}", value) for part in ("data", "model", "train") for key, value in config[part].items()]
    out = [(key, value[:12] if key == "data.content" else value) for key, value in out]
    out += [("precision", config["precision"]), ("seed", config["seed"])]
    if start := config.get("start"):
        if "run" in start:
            out.append(("start.run", RunConfig.model_validate(start["run"]).id))
        out += [(f"start.{key}", value) for key, value in start.items() if key != "run"]
    return out


def _all(value: Any, printed: Any) -> bool:
    """Return whether a value that stands by layer is the printed one in all of them."""
    return isinstance(value, dict) and bool(value) and all(one == printed for one in value.values())


def _set_by(uses: Sequence[Use]) -> dict[str, list[str]]:
    """Return by setting the claims that set it: an arm or an alternative, or the choice of a rate."""
    out: dict[str, dict[str, None]] = {}
    for use in uses:
        for key in use.sets or {}:
            out.setdefault(".".join(key.split(".")[:2]), {})[use.claim] = None
        if use.tuned:
            out.setdefault("train.lr", {})[f"{use.claim} (tuned)"] = None
    return {key: list(claims) for key, claims in out.items()}


def _sessions(run: Run) -> Grid:
    """Return what ran it: commit, device and software of each session."""
    columns = [setup(dict(session), 1)[1:] for session in run.sessions]
    tf32 = ["on" if session["tf32"] else "off" for session in run.sessions]
    rows: list[Row] = [(name, *cells) for name, *cells in zip(ABOUT[1:], *columns, strict=True)]
    rows.append(("TF32", *tf32))
    for key, name in (("micro_batch", "images of a part of a minibatch"), ("towers", "processes, one for each tower")):
        if any(key in session for session in run.sessions):
            rows.append((name, *(str(session.get(key, "–")) for session in run.sessions)))
    head = ("", *(f"session {i}" for i in range(1, len(columns) + 1)))
    return Grid("What ran it", head, tuple(rows))


def _files(run: Run, records: str) -> list[tuple[str, str, str, str]]:
    """Return (name, address or nothing, size, what it holds) of the files that are kept of a run; weights are not."""
    kept = sorted(path for path in run.path.iterdir() if path.suffix in (".json", ".jsonl", ".npy"))
    return [
        (
            path.name,
            f"{records}/{run.id}/{path.name}" if records else "",
            f"{path.stat().st_size:,} bytes",
            HOLDS.get(path.name, "an array of the evaluation"),
        )
        for path in kept
    ]
