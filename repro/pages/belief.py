"""What a reader may now believe, and what the runs could not have told: a sentence for each verdict."""

from __future__ import annotations

from repro.data.known import KNOWN
from repro.questions.cases import GROUPS, Group
from repro.questions.judge import Judgement

# By group of words; {data} and {scale} are the claim's own.
_BELIEF: dict[Group, str] = {
    "holds": "The sentence may be believed, its number included, as far as these seeds on the paper’s own data and "
    "schedule can tell.",
    "direction holds": "The direction may be believed; how large it is these runs leave open.",
    "another size or number": "The direction may be believed, but not the number: ours is another.",
    "does not hold": "The sentence should not be believed as printed: an effect half as large would have been seen.",
    "open": "These runs are no reason to believe the sentence, and none to doubt it.",
    "agrees below paper scale": "It may be believed of {data}, at {scale} scale; how large it is with the paper’s own "
    "data and schedule these runs could not have told.",
    "open below paper scale": "At {scale} scale, on {data}, these runs are no reason to believe the sentence, and none "
    "to doubt it.",
    "disagrees below paper scale": "It should not be believed of {data}, at {scale} scale; whether it holds with the "
    "paper’s own data and schedule these runs could not have told.",
}
# Where the sentence says that there is no effect, or is about a number by itself.
_NO_EFFECT: dict[Group, str] = {
    "holds": "That there is no effect worth the name may be believed, as far as these seeds can tell.",
    "does not hold": "That there is no effect should not be believed.",
    "agrees below paper scale": "That there is no effect worth the name may be believed of {data}, at {scale} scale; "
    "how it is with the paper’s own data and schedule these runs could not have told.",
    "disagrees below paper scale": "That there is no effect should not be believed of {data}, at {scale} scale; how it "
    "is with the paper’s own data and schedule these runs could not have told.",
}
_NUMBER: dict[Group, str] = {
    "holds": "The number may be believed: ours cannot be told from it.",
    "another size or number": "Ours is another number; that alone does not make the printed one wrong.",
}


def belief(judgement: Judgement) -> str:
    """Return what may be believed after this judgement; empty where nothing was judged."""
    group, rule = GROUPS[judgement.verdict.word], judgement.claim.rule
    own = {"effect": {}, "no effect": _NO_EFFECT, "number": _NUMBER}[rule.asks]
    text = own.get(group) or _BELIEF.get(group, "")
    return text.format(data=KNOWN[judgement.claim.data.kind].title.split(",")[0], scale=judgement.scale)
