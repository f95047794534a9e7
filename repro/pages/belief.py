"""What a reader may believe after a verdict, and what the runs do not show: a sentence for each group of verdicts."""

from __future__ import annotations

from repro.data.known import KNOWN
from repro.questions.cases import GROUPS, Group
from repro.questions.judge import Judgement

# By group of words; {data} and {scale} are the claim's own.
_BELIEF: dict[Group, str] = {
    "holds": "You can believe the sentence, including its number, as far as these seeds on the paper’s own data and "
    "schedule can show.",
    "direction holds": "You can believe the direction. These runs do not show how large the effect is.",
    "another size or number": "You can believe the direction, but not the number: we measured another one.",
    "does not hold": "You should not believe the sentence as printed: these runs would have shown an effect half as "
    "large.",
    "open": "These runs give no reason to believe the sentence, and none to doubt it.",
    "agrees below paper scale": "You can believe it for {data} at {scale} scale. These runs do not show how large the "
    "effect is with the paper’s own data and schedule.",
    "open below paper scale": "At {scale} scale on {data}, these runs give no reason to believe the sentence, and none "
    "to doubt it.",
    "disagrees below paper scale": "You should not believe it for {data} at {scale} scale. These runs do not show "
    "whether it holds with the paper’s own data and schedule.",
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


def belief(judgement: Judgement) -> str:
    """Return what may be believed after this judgement; empty where nothing was judged."""
    group, rule = GROUPS[judgement.verdict.word], judgement.claim.rule
    own = {"effect": {}, "no effect": _NO_EFFECT, "number": _NUMBER}[rule.asks]
    text = own.get(group) or _BELIEF.get(group, "")
    return text.format(data=KNOWN[judgement.claim.data.kind].title.split(",")[0], scale=judgement.scale)
