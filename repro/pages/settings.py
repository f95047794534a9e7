"""What an arm, an alternative or a scale sets, in words; keys that no word is better than stand as they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repro.claim.files import ClaimFile
from repro.claim.model import RUN_SECTIONS, Arm
from repro.claim.resolve import image, training_images
from repro.claim.scales import UNDECIDED
from repro.data.known import KNOWN
from repro.draw.parts import Grid
from repro.questions.base import Claim
from repro.questions.units import listed, seed_list


def in_words(overrides: Mapping[str, Any], claim: Claim) -> str:
    """Return overrides of dotted keys in words; what they set goes before what the claim sets."""
    rule = {key.removeprefix("rule."): value for key, value in overrides.items() if key.startswith("rule.")}
    own = {name: Arm.model_validate(arm) for name, arm in overrides.get("arms", {}).items()}
    changed = {"rule": claim.rule.model_copy(update=rule), "arms": {**claim.arms, **own}}
    claim = claim.model_copy(update=changed)
    parts = [_setting(key, value, claim) for key, value in overrides.items() if key != "varies"]
    return "; ".join(parts)


def _setting(key: str, value: Any, claim: Claim) -> str:
    if key == "base":
        return "its base is not chosen yet" if value == UNDECIDED else f"its base is {value}"
    if key == "rule.of":
        return f"the effect compares {' with '.join(claim.label(arm) for arm in value)}"
    if key == "rule.over":
        return f"judged together with {listed(value)}" if value else "judged alone"
    if key == "rule.within":
        return f"the band is {claim.rule.band_words()}"
    if key == "rule.paper":
        return (
            "the paper prints no number for it" if value is None else f"the number on record is {claim.rule.stated()}"
        )
    if key == "measure.metric":
        return f"the measure is the {claim.measure.model_copy(update={'metric': value}).name()}"
    if key == "arms":
        overrides = {arm["label"]: {k: v for k, v in arm.items() if k != "label"} for arm in value.values()}
        return "; ".join(f"{label}: {in_words(over, claim) or 'nothing'}" for label, over in overrides.items())
    return f"{key} {in_short(value)}"


def in_short(value: Any) -> str:
    """Return a setting's value in words."""
    if isinstance(value, dict):
        words = {key: (in_short(v), isinstance(v, dict)) for key, v in value.items()}
        inside = [f"{key} ({text})" if nested else f"{key} {text}" for key, (text, nested) in words.items()]
        return ", ".join(inside) or "none"
    if isinstance(value, list):
        return listed([str(v) for v in value]) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else "none" if value is None else str(value)


def arms(claim: Claim) -> Grid | None:
    """Return what each arm sets; None where there is one, and nothing that it sets."""
    rows = tuple(
        (arm.label, in_words(arm.overrides, claim) or "nothing: the settings of the claim")
        for arm in claim.arms.values()
    )
    if len(rows) == 1 and not any(arm.overrides for arm in claim.arms.values()):
        return None
    return Grid("The arms and their settings; all other settings are equal", ("arm", "settings"), rows)


def at_scale(file: ClaimFile, scale: str) -> str:
    """Return what a scale means for a claim, in words: each of its main settings that is not paper scale's.

    Empty where there is none, or no paper scale.
    """
    if scale == "paper" or "paper" not in file.claim.scales:
        return ""
    here, paper = (_main(file.at(which)) for which in (scale, "paper"))
    return "; ".join(
        about.format(f"{value} in place of {there}")
        for (about, value), (_, there) in zip(here, paper, strict=True)
        if value != there
    )


def _main(claim: Claim) -> list[tuple[str, str]]:
    """Return a claim's main settings: (words with a place for the value, value)."""
    data, measure = claim.data, claim.measure
    _, height, width = image(data)
    out = [
        ("{}", KNOWN[data.kind].title.partition(",")[0]),
        ("{} training images", f"{training_images(data):,}"),
        ("{} pixels", f"{height} × {width}"),
        ("{}", claim.model.title),
        ("width of the hidden layers {}", f"{getattr(claim.model, 'width', 1):g}"),
    ]
    if not measure.timed:
        out.append(("{}", measure.goal(claim)))
        if measure.per_epoch(claim)[0] != "updates":
            out.append(("{} epochs", f"{claim.train.epochs}"))
    return [*out, (measure.of_each + "s {}", seed_list(claim.seeds).partition(" ")[2])]


def keys_at_scale(file: ClaimFile, scale: str) -> str:
    """Return every setting that a scale has in place of paper scale's, by its dotted key; empty as `at_scale` is."""
    if scale == "paper" or "paper" not in file.claim.scales:
        return ""
    here, paper = (_leaves(file.at(which)) for which in (scale, "paper"))
    return "; ".join(
        f"{key} {in_short(value)} in place of {in_short(paper.get(key))}"
        for key, value in here.items()
        if value != paper.get(key)
    )


def _leaves(claim: Claim) -> dict[str, Any]:
    """Return the settings of runs, seeds, measure and rule by dotted key, without the band and the number."""
    leaves: dict[str, Any] = {}
    for section in (*RUN_SECTIONS, "seeds", "measure", "rule"):
        dumped = claim.model_dump(include={section})[section]
        leaves |= {f"{section}.{k}": v for k, v in dumped.items()} if isinstance(dumped, dict) else {section: dumped}
    return {key: value for key, value in leaves.items() if key not in ("rule.of", "rule.paper", "rule.within")}
