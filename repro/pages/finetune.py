"""The page of a fine-tuning: both nets' errors and curves, the confusion matrix, and the worst mistakes with photos.

It stands alone, on the user's own photos; a single run each, so no interval over seeds and no verdict.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repro.draw import curves
from repro.draw.curves import Curve, Learning
from repro.draw.parts import Figure, Grid, Row
from repro.files import write_whole
from repro.pages import prose
from repro.pages.answers import FineTuning, TrainedNet, as_csv, matrix, pairs, per_class, percent, worst
from repro.pages.typeset import environment, static
from repro.questions.units import listed

MATRIX = 24  # classes up to which the matrix is drawn whole: a cell stays wide enough to read


def write(told: FineTuning, out: Path) -> None:
    """`index.html` and what it needs into the folder `out`, and `answers.csv`: a line for each test photo."""
    page = out / "index.html"
    still = [page.read_text()] if page.is_file() else []
    files = static(out) | {"answers.csv": as_csv(told)}
    files["index.html"] = environment(still).get_template("finetune.html").render(_page(told))
    for name, content in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(out / name, content)


def _page(told: FineTuning) -> dict[str, Any]:
    """Everything that templates/finetune.html prints."""
    first = told.tried[0]
    return {
        "title": Path(told.where).name,
        "boxes": [_box(told, tried) for tried in told.tried],
        "sentence": _sentence(told),
        "caution": "One run each: another seed would give another error. What is compared is one training with another "
        "on these photos, not one method with another." if len(told.tried) > 1 else "",
        "curves": _curves(told),
        "matrix": matrix(told, first) if first.answers and len(told.classes) <= MATRIX else None,
        "pairs": pairs(told, first) if first.answers else None,
        "per_class": per_class(told) if first.answers else None,
        "worst": worst(told, first) if first.answers else [],
        "of": first.name,
        "settings": _settings(told),
        "photos": _photos(told),
        "left_out": told.left_out,
    }  # fmt: skip


def _box(told: FineTuning, tried: TrainedNet) -> dict[str, Any]:
    wrong, n = told.wrong(tried), len(told.labels)
    last = tried.rows[-1]
    facts = [f"{len(tried.rows)} epochs, {prose.duration(sum(row['seconds'] for row in tried.rows))}"]
    why = f"Weights of epoch {tried.best}"
    if told.photos["held out"]:
        why += f", the least error on {told.photos['held out']:,} photos held out"
    if wrong is None:
        return {"title": tried.name, "headline": "Diverged", "found": "", "why": "It has no weights.", "facts": facts}
    from scipy import stats  # it takes longer to import than the page does

    low, high = stats.binomtest(wrong, n).proportion_ci(method="wilson")
    if last["diverged"]:
        facts.append(f"diverged at update {last['diverged']}")
    elif last["epoch"] != tried.best and (error := last["test_error"]) is not None:
        facts.append(f"after the last epoch {percent(error)}")
    return {
        "title": tried.name,
        "headline": f"{percent(wrong / n)} wrong",
        "found": f"{wrong:,} of {n:,} test photos; these photos being a sample, {100 * low:.1f} to {100 * high:.1f} % "
        "(95 %).",
        "why": f"{why}.",
        "facts": facts,
    }


def _sentence(told: FineTuning) -> str:
    """What was found, first of all."""
    found = [(tried.name, told.wrong(tried)) for tried in told.tried]
    if len(found) == 1:
        return f"{found[0][0].capitalize()}, the net has {told.error(told.tried[0])}."
    (_, ours), (_, other) = found
    if ours is None or other is None:
        return "; ".join(f"{t.name}: {told.error(t)}" for t in told.tried).capitalize() + "."
    fewer, n = other - ours, len(told.labels)
    if not fewer:
        return "Starting from the weights or from scratch, the net takes as many test photos for another class."
    which = "fewer" if fewer > 0 else "more"
    return (
        f"Starting from the weights, the net takes {abs(fewer):,} test photos {which} for another class than from "
        f"scratch: {percent(ours / n)} against {percent(other / n)}."
    )


def _curves(told: FineTuning) -> list[Figure]:
    out = []
    chance = 1 - 1 / len(told.classes)
    held_out = bool(told.photos["held out"])
    metrics = [("test_error", "test error", "error on the test photos after each epoch", chance)]
    metrics += [("train_loss", "training loss", "mean loss of an epoch, counted while it trains", float("nan"))]
    for metric, named, what, start in metrics:
        drawn = []
        for tried in told.tried:
            points = [(0.0, start)] if metric == "test_error" else []
            for row in (row for row in tried.rows if row["diverged"] is None):
                value = row["test_error"] if metric == "test_error" else row["train_loss"]
                if value is not None:
                    points.append((float(row["epoch"]), value))
            at = next((point for point in points if tried.best and point[0] == tried.best), None)
            drawn.append(Curve(tried.name, tried.config.seed, tuple(points), at if held_out else None))
        if not any(curve.points and curve.points[-1][0] for curve in drawn):
            continue
        ends = [f"{c.arm} {_value(metric, c.points[-1][1])}" for c in drawn if c.points]
        drawing = curves.learning(
            f"curve-{metric.replace('_', '-')}",
            named.capitalize(),
            f"{named.capitalize()}, at the end: {'; '.join(ends)}.",
            Learning(drawn, metric, named, "epochs"),
            scale="linear",
        )
        strokes = [f"{t.name} {style}" for t, style in zip(told.tried, ("solid", "dashed"), strict=False)]
        note = f"{what[0].upper()}{what[1:]}." + " Dots: the epoch whose weights are kept as best." * held_out
        if metric == "test_error":
            note += f" At epoch 0 what chance gives, {percent(chance)}."
        choice = ("Epochs", (("", "linear"), ("log", "log")))
        out.append(Figure(drawing, f"{named.capitalize()}: {', '.join(strokes)}.", note, choice))
    return out


def _value(metric: str, value: float) -> str:
    return percent(value) if metric.endswith("error") else f"{value:.3f}"


def _settings(told: FineTuning) -> Grid:
    """How each net was trained."""

    def about(tried: TrainedNet) -> dict[str, str]:
        config, rule = tried.config, tried.config.train
        layers = list(rule.weight_decay)
        trained = [layer for layer in layers if rule.freeze.get(layer) != 0]
        start = config.start
        own = [f"{name} {value}" for name, value in config.model.options.items()]
        own += [f"width {config.model.width:g}"] if config.model.width else []
        fresh = ", ".join(start.afresh) or "none" if start else "all"
        rates = f"{rule.lr:g}" + "".join(f"; {n} {rule.lr * f:g}" for n, f in rule.layer_lr.items())
        return {
            "starts from": f"{told.weights} ({(start.weights or '')[:12]})" if start else "initial values",
            "layers afresh": fresh,
            "layers trained": "all" if trained == layers else ", ".join(trained),
            "rates": rates,
            "divided by ten after epochs": listed([str(drop) for drop in rule.drops]) or "never",
            "epochs, images an update": f"{len(tried.rows)}, {rule.batch}",
            "net": ", ".join([config.model.kind, *own, f"crops of {config.data.crop} px from {config.data.stored}"]),
            "pixels": "as the net was published" if config.data.constants else prose.SCALED[config.data.scale],
            "seed, run": f"{config.seed}, {config.id}",
        }

    found = [about(tried) for tried in told.tried]
    rows: list[Row] = [(key, *(one[key] for one in found)) for key in found[0]]
    made = told.provenance
    machine = f"{made['device'] if made['device'] != 'cpu' else made['processor']}, torch {made['torch']}"
    rows.append(("machine", *[machine] * len(found)))
    return Grid("How the nets were trained", ("", *(tried.name for tried in told.tried)), tuple(rows))


def _photos(told: FineTuning) -> list[str]:
    manifest, parts = told.manifest, told.photos
    many = f"{len(told.classes)} classes: {parts['trained on']:,} photos trained on"
    if parts["held out"]:
        many += f", {parts['held out']:,} held out to choose the best epoch"
    out = [f"{many}, {parts['test']:,} that measure."]
    if manifest["split_off"]:
        out.append("The set has no split of its own: every fifth photo of each class measures, in the order of "
                   "content, so that the same photos are always divided alike.")  # fmt: skip
    out += [f"{text[0].upper()}{text[1:]}." for text in (*manifest["deviations"], *told.about_photos, *told.notes)]
    return out
