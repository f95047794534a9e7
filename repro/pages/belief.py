"""What a reader may believe after a verdict, and what the runs do not show: a sentence for each group of verdicts."""

from __future__ import annotations

from math import ceil
from statistics import fmean

from repro.data.known import KNOWN
from repro.questions.bases import UNDERFIT
from repro.questions.cases import AGAINST, GROUPS, OPEN, Group
from repro.questions.judge import Judgement
from repro.questions.observations import fixed_error, has_fixed_error
from repro.questions.units import DIFFERENCE
from repro.store import Table

ERRORS = ("test_error", "views_error", "gap")

# By group of words; {data}, {scale} and {least} are the claim's own.
_BELIEF: dict[Group, str] = {
    "holds": "You can believe the sentence, including its number, as far as these seeds on the paper’s own data and "
    "schedule can show.",
    "direction holds": "You can believe the direction. These runs do not show how large the effect is.",
    "another size or number": "You can believe the direction, but not the number: we measured another one.",
    "does not hold": "You should not believe the sentence as printed: the whole interval falls short of {least}.",
    "open": "These runs give no reason to believe the sentence, and none to doubt it.",
    "agrees below paper scale": "You can believe it for {data} at {scale} scale. These runs do not show how large the "
    "effect is with the paper’s own data and schedule.",
    "open below paper scale": "At {scale} scale on {data}, these runs give no reason to believe the sentence, and none "
    "to doubt it.",
    "disagrees below paper scale": "You should not believe it for {data} at {scale} scale. These runs do not show "
    "whether it holds with the paper’s own data and schedule.",
}
# Where no effect lies outside the interval, on its other side.
_DIRECTION: dict[Group, str] = {
    "open": "These runs show an effect in the sentence’s direction, but not whether it is as large as the sentence "
    "needs.",
    "open below paper scale": "At {scale} scale on {data}, these runs show an effect in the sentence’s direction, but "
    "not whether it is as large as the sentence needs.",
}
# Where the sentence says that there is no effect, or is about a number by itself.
_NO_EFFECT: dict[Group, str] = {
    "holds": "You can believe that there is no noticeable effect, as far as these seeds can show.",
    "does not hold": "You should not believe that there is no effect.",
    "agrees below paper scale": "You can believe that there is no noticeable effect for {data} at {scale} scale. These "
    "runs do not show whether there is one with the paper’s own data and schedule.",
    "disagrees below paper scale": "You should not believe that there is no effect for {data} at {scale} scale. These "
    "runs do not show how it is with the paper’s own data and schedule.",
}
_NUMBER: dict[Group, str] = {
    "holds": "You can believe the number: ours does not differ from it.",
    "another size or number": "We measured another number; that alone does not make the printed one wrong.",
}


def belief(judgement: Judgement, table: Table) -> str:
    """Return what may be believed after this judgement of runs of the table; empty where nothing was judged."""
    group, rule = GROUPS[judgement.verdict.word], judgement.claim.rule
    shown = _DIRECTION if _shows_direction(judgement) else {}
    own = {"effect": shown, "no effect": _NO_EFFECT, "number": _NUMBER}[rule.asks]
    text = own.get(group) or _BELIEF.get(group, "")
    data = KNOWN[judgement.claim.data.kind].title.split(",")[0]
    said = text.format(data=data, scale=judgement.scale, least=judgement.evidence.named["least"])
    return " ".join(filter(None, [said, _underfit(judgement, table)]))


def _underfit(judgement: Judgement, table: Table) -> str:
    """Return that all arms ended underfit, where a difference of errors was not found that only nets which overfit may
    have; empty elsewhere."""
    claim, missed = judgement.claim, GROUPS[judgement.verdict.word] in (*OPEN, *AGAINST)
    if not missed or claim.measure.metric not in ERRORS or claim.rule.unit is not DIFFERENCE:
        return ""
    shares = []
    for arm in judgement.evidence.arms:
        ends = [table[o.run].epochs[: ceil(o.limit)][-1] for o in arm.observations if o.value is not None]
        if not ends or not all(map(has_fixed_error, ends)):
            return ""
        test = fmean(error for row in ends if (error := row["test_error"]) is not None)
        shares.append(fmean(map(fixed_error, ends)) / test if test else 0.0)
    if not shares or min(shares) < UNDERFIT:
        return ""
    return (
        f"These nets end underfit: their training error in test mode is {100 * min(shares):.0f} to "
        f"{100 * max(shares):.0f} % of their test error, so what helps only against overfitting could hardly show."
    )


def _shows_direction(judgement: Judgement) -> bool:
    """Return whether no effect, and the side that the sentence excludes, lie outside the interval."""
    evidence, effect = judgement.evidence, judgement.effect
    if effect is None or evidence.interval is None or not evidence.side:
        return False
    (low, high), none = evidence.interval, judgement.claim.rule.no_effect
    return low > none if evidence.side > 0 else high < none
