"""The page of a fine-tuning: both nets' errors and curves, the confusion matrix, and the worst mistakes with photos.

It stands alone, on the user's own photos; a single run each, so no interval over seeds and no verdict.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repro.draw import curves
from repro.draw.curves import Curve, Learning
from repro.draw.parts import Figure, Grid, Row
from repro.files import write_files
from repro.frames import exports
from repro.pages import frames, prose
from repro.pages.answers import (
    FineTuning,
    TrainedNet,
    boxed,
    confusions,
    examples,
    matrix,
    mistakes,
    pairs,
    per_class,
    percent,
)
from repro.pages.typeset import environment, static
from repro.questions.mixture import device_of
from repro.questions.units import capital, listed

MATRIX = 24  # classes up to which the matrix is drawn whole: a cell stays wide enough to read


def write(tuning: FineTuning, out: Path) -> None:
    """Write `index.html` and what it needs into the folder `out`, and every answer as `answers.csv` and `.parquet`."""
    page, given = out / "index.html", {net.name: tuning.of(net) for net in tuning.tried if net.answers}
    still = [page.read_text()] if page.is_file() else []
    files: dict[str, str | bytes] = {**static(out), **exports({"answers": frames.answers(given, tuning.names)})}
    files["index.html"] = environment(still).get_template("finetune.html").render(_page(tuning))
    write_files(out, files)


def _page(tuning: FineTuning) -> dict[str, Any]:
    """Return everything that templates/finetune.html prints."""
    first = tuning.tried[0]
    given = tuning.of(first)
    confused = confusions(given)
    return {
        "title": Path(tuning.where).name,
        "boxes": [_box(tuning, tried) for tried in tuning.tried],
        "sentence": _sentence(tuning),
        "caution": "One run each: another seed would give another error. What is compared is one training with another "
        "on these photos, not one method with another." if len(tuning.tried) > 1 else "",
        "curves": _curves(tuning),
        "matrix": matrix(tuning, first) if first.answers and len(tuning.classes) <= MATRIX else None,
        "pairs": pairs(confused),
        "confusions": examples(given, confused, tuning.names, tuning.pixels),
        "per_class": per_class(tuning) if first.answers else None,
        "worst": mistakes(given, tuning.names, tuning.pixels),
        "of": first.name,
        "settings": _settings(tuning),
        "photos": _photos(tuning),
        "left_out": tuning.left_out,
    }  # fmt: skip


def _box(tuning: FineTuning, tried: TrainedNet) -> dict[str, Any]:
    wrong, n = tuning.wrong(tried), len(tuning.labels)
    last = tried.rows[-1]
    facts = [f"{len(tried.rows)} epochs, {prose.duration(sum(row['seconds'] for row in tried.rows))}"]
    why = f"Weights of epoch {tried.best}"
    if tuning.photos["held out"]:
        why += f", the least error on {tuning.photos['held out']:,} photos held out"
    if wrong is None:
        return {"title": tried.name, "headline": "Diverged", "finding": "", "why": "It has no weights.", "facts": facts}
    if last["diverged"]:
        facts.append(f"diverged at update {last['diverged']}")
    elif last["epoch"] != tried.best and (error := last["test_error"]) is not None:
        facts.append(f"after the last epoch {percent(error)}")
    return {"title": tried.name, **boxed(wrong, n, "test photos"), "why": f"{why}.", "facts": facts}


def _sentence(tuning: FineTuning) -> str:
    """Return the result in a sentence: how many test photos each net takes for another class."""
    wrong = [(tried.name, tuning.wrong(tried)) for tried in tuning.tried]
    if len(wrong) == 1:
        return f"{wrong[0][0].capitalize()}, the net has {tuning.error(tuning.tried[0])}."
    (_, ours), (_, other) = wrong
    if ours is None or other is None:
        return "; ".join(f"{t.name}: {tuning.error(t)}" for t in tuning.tried).capitalize() + "."
    fewer, n = other - ours, len(tuning.labels)
    if not fewer:
        return "Starting from the weights or from scratch, the net takes as many test photos for another class."
    which = "fewer" if fewer > 0 else "more"
    return (
        f"Starting from the weights, the net takes {abs(fewer):,} test photos {which} for another class than from "
        f"scratch: {percent(ours / n)} against {percent(other / n)}."
    )


def _curves(tuning: FineTuning) -> list[Figure]:
    out = []
    chance = 1 - 1 / len(tuning.classes)
    held_out = bool(tuning.photos["held out"])
    metrics = [("test_error", "test error", "error on the test photos after each epoch", chance)]
    metrics += [("train_loss", "training loss", "mean loss of an epoch, counted while it trains", float("nan"))]
    for metric, named, what, start in metrics:
        drawn = []
        for tried in tuning.tried:
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
        strokes = [f"{t.name} {style}" for t, style in zip(tuning.tried, ("solid", "dashed"), strict=False)]
        note = f"{capital(what)}." + " Dots: the epoch whose weights are kept as best." * held_out
        if metric == "test_error":
            note += f" At epoch 0 what chance gives, {percent(chance)}."
        choice = ("Epochs", (("", "linear"), ("log", "log")))
        out.append(Figure(drawing, f"{named.capitalize()}: {', '.join(strokes)}.", note, choice))
    return out


def _value(metric: str, value: float) -> str:
    return percent(value) if metric.endswith("error") else f"{value:.3f}"


def _settings(tuning: FineTuning) -> Grid:
    """Return how each net was trained, as a table."""

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
            "starts from": f"{tuning.weights} ({(start.weights or '')[:12]})" if start else "initial values",
            "layers afresh": fresh,
            "layers trained": "all" if trained == layers else ", ".join(trained),
            "rates": rates,
            "divided by ten after epochs": listed([str(drop) for drop in rule.drops]) or "never",
            "epochs, images an update": f"{len(tried.rows)}, {rule.batch}",
            "net": ", ".join([config.model.kind, *own, f"crops of {config.data.crop} px from {config.data.stored}"]),
            "pixels": "as the net was published" if config.data.constants else prose.SCALED[config.data.scale],
            "seed, run": f"{config.seed}, {config.id}",
        }

    columns = [about(tried) for tried in tuning.tried]
    rows: list[Row] = [(key, *(one[key] for one in columns)) for key in columns[0]]
    machine = f"{device_of(tuning.provenance)}, torch {tuning.provenance['torch']}"
    rows.append(("machine", *[machine] * len(columns)))
    return Grid("How the nets were trained", ("", *(tried.name for tried in tuning.tried)), tuple(rows))


def _photos(tuning: FineTuning) -> list[str]:
    manifest, parts = tuning.manifest, tuning.photos
    many = f"{len(tuning.classes)} classes: {parts['trained on']:,} photos trained on"
    if parts["held out"]:
        many += f", {parts['held out']:,} held out to choose the best epoch"
    out = [f"{many}, {parts['test']:,} that measure."]
    if manifest["split_off"]:
        out.append("The set has no split of its own: every fifth photo of each class measures, in the order of "
                   "content, so that the same photos are always divided alike.")  # fmt: skip
    out += [f"{capital(text)}." for text in (*manifest["deviations"], *tuning.about_photos, *tuning.notes)]
    return out
