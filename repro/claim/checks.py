"""What the keys of a claim must be to each other, once each by itself is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from repro.claim import model as claims
from repro.claim.arms import compared
from repro.claim.judging import judging_problems
from repro.claim.kinds import Kinds
from repro.claim.model import FIXED_SECTIONS, RUN_SECTIONS, path_of
from repro.claim.nets import net_mistakes
from repro.claim.overlays import Layers, alternatives, exceptions, mapping, names, reach
from repro.claim.problems import MOST, Problem, described_value, nearest, repeated
from repro.claim.resolve import images, training_images
from repro.claim.runs import class_problems, crop_problems
from repro.claim.scales import BASED, SCALE_NAMES
from repro.claim.yaml import Loc
from repro.data.known import KNOWN

Claim = claims.Claim[Any, Any, Any]
Arms = Mapping[str, tuple[Claim, Layers]]  # by name: the claim with the arm laid on, and its layers
Scale = str | None
Pair = tuple[Claim | None, Claim | None]  # before and after overrides
At = tuple[Scale, str | None]  # a scale and an alternative; None: the claim itself, the base


def combinations(data: dict[str, Any]) -> list[At]:
    """Return what is checked, and may be run: the claim, its scales, and the alternatives of each."""
    declared = [name for name, _ in alternatives(data)]
    out: list[At] = [(None, name) for name in [None, *declared]]
    for scale in mapping(data, "scales"):
        chosen = [name for name in names(data, "scales", scale, "alternatives") if name in declared]
        out += [(scale, name) for name in [None, *chosen]]
    return out


MOST_NETS = 1_000  # assumed: the largest claim has 200; each takes milliseconds to check, and hours to train


def of_size(base: Layers) -> list[Problem]:
    """Return what is wrong where a claim has more nets than can be checked in seconds: arms, in all combinations."""
    data = base.data
    places = [(), *(("scales", scale) for scale in mapping(data, "scales")), *(loc for _, loc in alternatives(data))]
    arms = max(len(mapping(data, *loc, "arms")) for loc in places)
    nets = len(combinations(data)) * max(1, arms)
    if nets <= MOST_NETS:
        return []
    text = f"found {nets:,} nets to check, {arms:,} arms at each scale under each alternative; expected at most"
    return [base.problem((), f"{text} {MOST_NETS:,}; split the claim")]


def beside(claim: Claim, alternative: str | None) -> list[str]:
    """Return the alternatives that are judged with the claim as it is (`rule.over`); none under one of them."""
    over = claim.rule.judged_with()
    return [] if alternative in over else [name for name in over if name in claim.alternatives]


def of_compared(claim: Claim, part: Claim, layers: Layers) -> list[Problem]:
    """Return where claims that are judged together differ in kind or direction of the rule, or in kind of measure."""
    out = []
    for section, key in (("rule", "kind"), ("rule", "direction"), ("rule", "over"), ("measure", "kind")):
        ours, theirs = (getattr(getattr(one, section), key, None) for one in (claim, part))
        if ours != theirs:
            found, expected = described_value(theirs), described_value(ours)
            text = f"{section}.{key}: found {found}; expected {expected}, as what it is judged with"
            out.append(layers.problem((section, key), text))
    return out


def of_name(base: Layers) -> list[Problem]:
    """Return what is wrong where a claim is not named as its file."""
    given, expected = base.data.get("id"), base.document.path.stem
    if not isinstance(given, str) or given == expected:
        return []
    text = f"id: found {given!r}; expected the file's name, {expected!r}"
    return [base.problem(("id",), text)]


def of_file(base: Layers) -> list[Problem]:
    """Return what is wrong in the plain file that no model knows: its own name, overrides, alternatives, scales."""
    data, kinds = base.data, base.kinds
    out = of_name(base)
    for by, loc, overrides, known, in_arm in _overrides(data, kinds):
        for key in overrides:
            if len(out) >= MOST:
                return out
            if (path := kinds.path_of(key)) is None:
                out.append(base.problem((*loc, key), f"{by}: {key}: not a known key{nearest(key, known)}", key=True))
            elif in_arm and path[0] not in RUN_SECTIONS:
                text = f"{by}: {key}: an arm overrides {', '.join(RUN_SECTIONS[:-1])} or {RUN_SECTIONS[-1]} only"
                out.append(base.problem((*loc, key), text, key=True))
            elif path[0] == "tune" and "tune" not in data:
                text = f"{by}: {key}: the claim tunes nothing; write its `tune`"
                out.append(base.problem((*loc, key), text, key=True))
    declared, kind = [name for name, _ in alternatives(data)], reach(data, ("data", "kind"))
    paper = base.paper
    has = paper.scales.get(kind, {}) if paper and isinstance(kind, str) else {}
    if paper is None and isinstance(name := reach(data, ("paper", "name")), str):
        known_papers = [paper.id for paper in kinds.papers]
        text = f"paper.name: found {name!r}; expected {' or '.join(known_papers)}{nearest(name, known_papers)}"
        out.append(base.problem(("paper", "name"), text))
    for i in repeated(declared):
        name, loc = alternatives(data)[i]
        out.append(base.problem(loc, f"alternative {name}: declared twice", key=True))
    for scale in mapping(data, "scales"):
        out += _chosen(base, scale, declared)
        out += _based(base, scale, kind)
        if paper and isinstance(kind, str) and kind in KNOWN and scale in SCALE_NAMES and scale not in has:
            text = f"scales.{scale}: {kind} has no such scale in {paper.id}; it has {', '.join(has) or 'none'}"
            out.append(base.problem(("scales", scale), text, key=True))
    scales = mapping(data, "scales").keys()
    if scales and scales <= set(SCALE_NAMES) and "smoke" not in scales:
        text = "scales: smoke is missing, which proves the machinery on any machine"
        out.append(base.problem(("scales",), text, key=True))
    return out


def all_known(data: dict[str, Any], kinds: Kinds, scale: Scale, alternative: str | None) -> bool:
    """Return whether every key that a scale and an alternative override is one: else nothing else is worth checking."""
    loc = dict(alternatives(data)).get(alternative or "", ())
    laid = [*(exceptions(data, scale) if scale else ()), *(_overridden(data, loc) if loc else ())]
    return all(kinds.path_of(key) is not None for key in laid)


def _overridden(data: dict[str, Any], loc: Loc) -> dict[str, Any]:
    """Return the overrides at the place of an arm or an alternative, without its label."""
    return {key: value for key, value in mapping(data, *loc).items() if key != "label"}


def _overrides(
    data: dict[str, Any], kinds: Kinds
) -> Iterator[tuple[str, Loc, dict[str, Any], Mapping[str, Loc], bool]]:
    """Yield (who, where, overrides, known keys, whether it is an arm) of all that overrides."""
    own: list[Loc] = [()]  # places of overrides that may have arms of their own
    label: dict[str, Loc] = {"label": ("label",)}
    for scale in mapping(data, "scales"):
        yield (
            f"scale {scale}",
            ("scales", scale),
            exceptions(data, scale),
            {**kinds.keys, "alternatives": (), "base": ()},
            False,
        )
        own.append(("scales", scale))
    for name, loc in alternatives(data):
        yield f"alternative {name}", loc, _overridden(data, loc), {**kinds.keys, **label}, False
        own.append(loc)
    for loc in own:
        for arm in mapping(data, *loc, "arms"):
            place = (*loc, "arms", arm)
            yield f"arm {arm}", place, _overridden(data, place), {**kinds.arm_keys, **label}, True


def _chosen(base: Layers, scale: str, declared: list[str]) -> list[Problem]:
    """The alternatives that a scale runs: a list of declared names."""
    loc: Loc = ("scales", scale, "alternatives")
    found = reach(base.data, loc)
    if found is None and "alternatives" not in mapping(base.data, "scales", scale):
        return []
    if not isinstance(found, list):
        text = f"scale {scale}: alternatives: found {described_value(found)}; expected a list of names"
        return [base.problem(loc, text)]
    out = []
    for i, name in enumerate(found):
        if name not in declared:
            text = f"alternative {described_value(name)}: not declared under assumptions{nearest(name, declared)}"
            out.append(base.problem((*loc, i), f"scale {scale}: {text}"))
        elif name in found[:i]:
            out.append(base.problem((*loc, i), f"scale {scale}: alternative {name}: named twice"))
        elif name in names(base.data, "rule", "over") and "rule.over" not in mapping(base.data, "scales", scale):
            text = f"alternative {name}: is judged with the claim already; take it away here, or from rule.over"
            out.append(base.problem((*loc, i), f"scale {scale}: {text}"))
    return out


def _based(layers: Layers, scale: str, kind: Any) -> list[Problem]:
    """The base that a scale names is one of its data's."""
    known = isinstance(kind, str) and kind in KNOWN and scale in SCALE_NAMES  # else that is the mistake
    if "base" not in mapping(layers.data, "scales", scale) or not known:
        return []
    loc: Loc = ("scales", scale, "base")
    if (paper := layers.paper) is None:
        return []
    names, found = paper.bases_for(kind) if scale == BASED else (), reach(layers.data, loc)
    text = (
        f"found {described_value(found)}; expected {' or '.join(names)}" if names else f"{kind} has none at this scale"
    )
    return [layers.problem(loc, f"scale {scale}: base: {text}", key=not names)] if found not in names else []


def of_overrides(base: Layers, claims: Mapping[At, Claim], recipes_only: Mapping[Scale, Claim]) -> list[Problem]:
    """Return overrides that change nothing: each key of a scale against what the scale means anyway, each key of an
    alternative against the claim, each alternative at a scale against the scale."""
    data, out = base.data, []

    def compare(pairs: Sequence[Pair], overrides: dict[str, Any], by: str, loc: Loc, where: str = "") -> None:
        dumped = [(_overridable(a), _overridable(b)) for a, b in pairs if a and b]
        for key in overrides if dumped else ():
            path = base.kinds.path_of(key)
            if not path or reach(data, path[:1]) is None:
                continue
            if all((value := reach(old, path)) == reach(new, path) for old, new in dumped):
                text = f"{by}: {key}: changes nothing{where}; it is {described_value(value)} already"
                out.append(base.problem((*loc, key), text, key=True))

    for scale in mapping(data, "scales"):
        own = exceptions(data, scale)
        compare([(recipes_only.get(scale), claims.get((scale, None)))], own, f"scale {scale}", ("scales", scale))
    for name, loc in alternatives(data):
        # what changes nothing of the claim itself may undo what a scale above smoke means
        bare = {at: claim for (at, chosen), claim in claims.items() if chosen is None and at != "smoke"}
        pairs = [(claim, claims.get((None, name))) for claim in bare.values()] if None in bare else []
        compare(pairs, _overridden(data, loc), f"alternative {name}", loc, " of the claim or its scales")
    for (at, chosen), claim in claims.items():
        if at and chosen and claim == claims.get((at, None)):
            text = f"scale {at}: alternative {chosen}: changes nothing at this scale"
            out.append(base.problem(("scales", at, "alternatives"), text))
    return out


def _overridable(claim: Claim) -> dict[str, Any]:
    return claim.model_dump(by_alias=True, exclude=set(FIXED_SECTIONS))


def of_claim(claim: Claim, layers: Layers, arms: Arms, smoke: bool) -> list[Problem]:
    """Return what is wrong in a claim with its overrides laid on."""
    out = []
    if wrong := class_problems(claim, layers):
        return wrong
    there = images(claim.data)[0] - claim.data.held_out
    many = training_images(claim.data)
    for loc, found, most in ((("data", "images"), many, there), (("train", "batch"), claim.train.batch, many)):
        if found > most:
            text = f"{'.'.join(loc)}: found {found}; expected at most {most}, the images there are"
            out.append(layers.problem(loc, text))
    for arm in claim.paper.arms or ():
        if arm not in claim.arms:
            text = f"paper.arms: no arm {arm}{nearest(arm, claim.arms)}"
            out.append(layers.problem(("paper", "arms", arm), text, key=True))
    out += _labels(claim, layers)
    return [*out, *judging_problems(claim, layers, smoke), *crop_problems(claim, layers), *_arms(claim, layers, arms)]


def _labels(claim: Claim, layers: Layers) -> list[Problem]:
    """Return a problem for every arm whose label an earlier arm has."""
    out: list[Problem] = []
    first: dict[str, str] = {}
    for name, arm in claim.arms.items():
        if (owner := first.setdefault(arm.label, name)) != name:
            text = f"arms.{name}: found label {arm.label!r}, which is that of {owner}; expected another"
            out.append(layers.problem(("arms", name, "label"), text))
    return out


def _arms(claim: Claim, layers: Layers, arms: Arms) -> list[Problem]:
    """Each arm's net and rule, and that arms differ in what varies and in nothing else."""
    out: list[Problem] = []
    keys = layers.kinds.arm_keys
    known = {name for name, arm in claim.arms.items() if all(path_of(key, keys) for key in arm.overrides)}
    for arm, (armed, laid) in arms.items():
        if wrong := class_problems(armed, laid):
            return wrong
        out += [laid.problem(loc, text) for loc, text in net_mistakes(armed, laid)] if arm in known else []
        out += _of_arms_rule(claim, laid)
    for i, key in enumerate(claim.varies):
        if key not in keys:
            out.append(layers.problem(("varies", i), f"varies: {key}: not a known key{nearest(key, keys)}"))
    if out or known != arms.keys():
        return out
    rate = claim.tune.rates[0] if claim.tune else None
    return _varying(claim, layers, *compared(claim, rate, [laid.data for _, laid in arms.values()]))


def _of_arms_rule(claim: Claim, laid: Layers) -> Iterator[Problem]:
    """What an arm may not say of the training rule: a rate that is tuned, and epochs where not its end is measured."""
    if claim.tune and ("train", "lr") in laid.origin and laid.origin["train", "lr"].by.startswith("arm "):
        yield laid.problem(("train", "lr"), "train.lr: is tuned; take it away")
    own = ("train", "epochs") in laid.origin and laid.origin["train", "epochs"].by.startswith("arm ")
    if own and (claim.tune or not claim.measure.is_end):
        text = "an arm has epochs of its own only where its end is measured and no rate is tuned; take it away"
        yield laid.problem(("train", "epochs"), f"train.epochs: {text}")


def _varying(claim: Claim, layers: Layers, differing: set[str], twins: dict[int, int]) -> list[Problem]:
    """What is named in `varies` is what the arms differ in (`differing`), and no two arms are the same (`twins`)."""
    out = []

    def covers(named: str, key: str) -> bool:
        return key == named or key.startswith(f"{named}.")

    for key in sorted(differing):
        if not any(covers(named, key) for named in claim.varies):
            out.append(layers.problem(("varies",), f"varies: the arms differ in {key} too; name it or make them agree"))
    order = list(claim.arms)
    for arm, same in twins.items() if differing else ():
        text = f"arms: {order[arm]} is the same net and rule as {order[same]}"
        out.append(layers.problem(("arms", order[arm]), text, key=True))
    for i, named in enumerate(claim.varies):
        if not any(covers(named, key) for key in differing):
            near = f"; they differ in {', '.join(sorted(differing))}" if differing else ""
            out.append(layers.problem(("varies", i), f"varies: no arm differs in {named}{near}"))
    return out
