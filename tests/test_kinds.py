"""Every kind of measure and of rule is handled everywhere: what is missing is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from html import unescape
from typing import Any

import pytest
from error_rates import ROOT, judged
from simulator import observed

from repro.claim.files import ClaimFile
from repro.contents import KINDS, load_all
from repro.questions.effect_rule import EffectRule
from repro.questions.evidence import Evidence
from repro.questions.observations import Arm
from repro.questions.outlook import table
from repro.questions.power import Power

FILES = [file for file in load_all([ROOT / "claims"]) if isinstance(file, ClaimFile)]
REPORTS = ROOT / "reports" / "reference"
MODELS = {
    (part, kind): model
    for part, models in (("measure", KINDS.measures), ("rule", KINDS.rules))
    for model in models
    for kind in model.model_fields["kind"].annotation.__args__  # type: ignore[union-attr]
}
EVERY = pytest.mark.parametrize(("part", "kind"), MODELS, ids=[f"{part}-{kind}" for part, kind in MODELS])


@cache
def using(part: str, kind: str) -> tuple[tuple[ClaimFile, Any], ...]:
    """The committed claims of a kind, each as it stands at one of the scales that has it."""
    found = []
    for file in FILES:
        at = [claim for scale in file.claim.scales if getattr(claim := file.at(scale), part).kind == kind]
        found += [(file, claim) for claim in at[-1:]]
    return tuple(found)


@cache
def page(name: str) -> str:
    """The words of a claim's committed page."""
    return words(re.sub("<[^>]*>", "", unescape((REPORTS / f"{name}.html").read_text())))


def words(text: str) -> str:
    """The text with plain spaces, quotes and signs, as prose and pages differ in these."""
    return re.sub(r"\s+", " ", text.translate(str.maketrans("’−\u00a0\u202f", "'-  ")))


def has_no_abstract_method(part: str, kind: str) -> bool:
    return not getattr(MODELS[part, kind], "__abstractmethods__", ())


def has_a_branch_in_the_schema(part: str, kind: str) -> bool:
    definitions = json.loads((ROOT / "claims" / "claim.schema.json").read_text())["definitions"]
    branches = {each["$ref"].rpartition("/")[2] for each in definitions["Claim"]["properties"][part]["oneOf"]}
    return any(definitions[name]["properties"]["kind"].get("const") == kind for name in branches)


def is_used_by_a_committed_claim(part: str, kind: str) -> bool:
    return bool(using(part, kind))


def is_documented_for_authors_of_claims(part: str, kind: str) -> bool:
    rows = [row.split("|") for row in (ROOT / "claims" / "README.md").read_text().splitlines() if row.startswith("|")]
    column = {"measure": 2, "rule": 3}[part]
    return any(len(row) > 4 and f"`{kind}`" in row[column] for row in rows)


def has_its_method_on_a_page(part: str, kind: str) -> bool:
    for file, claim in using(part, kind):
        told = [claim.measure.measured(claim)] if part == "measure" else claim.rule.method(claim, "paper")
        if all(words(sentence)[:60] in page(file.id) for sentence in told):
            return True
    return False


def has_its_finding_in_the_export(part: str, kind: str) -> bool:
    """Of what is judged on the reference shelf; of what is not, the export names the claim and its runs to do."""
    for file, _ in using(part, kind):
        exported = json.loads((REPORTS / f"{file.id}.json").read_text())
        (REPORTS / f"{file.id}.csv").read_text()
        judgement = exported["judgement"]
        unjudged = judgement["verdict"]["word"] in ("not run", "error", "not tested")
        if not unjudged and judgement["effect"] is None:
            return False
        if unjudged and "runs_to_do" not in judgement["verdict"]:
            return False
    return True


def has_a_section_with_its_runs(part: str, kind: str) -> bool:
    """On each page of a claim that has been judged."""
    judgements = [j for j in judged() if getattr(j.claim, part).kind == kind]
    pages = [(REPORTS / f"{j.claim.id}.html").read_text() for j in judgements]
    return all(re.search(r'id="reference-(runs|order)"', text) for text in pages)


def says_how_its_power_is_known(part: str, kind: str) -> bool:
    if part == "measure":
        return True
    claims = [(file, claim) for file, claim in using(part, kind)]
    match getattr(MODELS[part, kind], "power", None):
        case "exact":
            for _, claim in claims:
                spreads = () if claim.rule.kind == "count" else (0.01,)
                rates = Power(claim, "paper", 5, spreads).words(claim.rule.number or claim.rule.smallest or 1.0)
                if abs(sum(rates.values()) - 1) > 1e-9:
                    return False
            return True
        case "simulated":
            return bool({file.id for file, _ in claims} & {entry["claim"] for entry in table()["claims"]})
        case "none":
            return not any(j.claim.rule.kind == kind and j.claim.rule.sampling(j.evidence) for j in judged())
    return False


ASPECTS: tuple[Callable[[str, str], bool], ...] = (
    has_no_abstract_method,
    has_a_branch_in_the_schema,
    is_used_by_a_committed_claim,
    is_documented_for_authors_of_claims,
    has_its_method_on_a_page,
    has_its_finding_in_the_export,
    has_a_section_with_its_runs,
    says_how_its_power_is_known,
)


@EVERY
def test_every_kind_is_handled_in_every_room(part, kind):
    missing = [aspect.__name__.replace("_", " ") for aspect in ASPECTS if not aspect(part, kind)]
    assert not missing, f"{part} {kind}: it is not so that it {'; that it '.join(missing)}"


def test_a_kind_that_nobody_handles_is_missed_in_every_room():
    for aspect in (
        has_a_branch_in_the_schema,
        is_used_by_a_committed_claim,
        is_documented_for_authors_of_claims,
        has_its_method_on_a_page,
    ):
        assert not aspect("measure", "unheard_of"), aspect.__name__
        assert not aspect("rule", "epochs_to"), f"{aspect.__name__}: a measure is no rule"


def intervals(kind: str) -> Iterator[tuple[Any, Evidence]]:
    """Evidence of a kind of rule with an interval: of the reference shelf, and of runs made up here."""
    for judgement in judged():
        for part in judgement.parts:
            if part.claim.rule.kind == kind and part.evidence.interval is not None:
                yield part.claim.rule, part.evidence
    for _, claim in using("rule", kind):
        if not isinstance(claim.rule, EffectRule) or kind == "ensemble":  # whose answers lie in files
            continue
        base = [0.01, 0.02, 0.9, 0.03, 0.013] if kind == "count" else [2.0, 2.3, 2.2, 1.9, 2.4]
        arms = []
        for i, name in enumerate(claim.rule.of):
            arms.append(
                Arm(
                    name,
                    None,
                    0.01,
                    observed(*(value + 0.3 * (i % 3) + 0.02 * i * seed for seed, value in enumerate(base))),
                    {},
                )
            )
        effect = claim.rule.effect(claim, tuple(arms), {})
        yield claim.rule, Evidence(claim, "paper", effect, tuple(arms), 0)


@pytest.mark.parametrize("kind", [kind for part, kind in MODELS if part == "rule"])
def test_a_boundary_at_an_end_of_the_interval_has_a_p_of_half_of_what_the_interval_misses(kind):
    """So the p that many claims are adjusted by is of the same distribution as the interval that decides."""
    found = list(intervals(kind))
    assert found, f"rule {kind}: no evidence with an interval"
    for rule, evidence in found:
        low, high = evidence.interval
        missed = (1 - rule.confidence) / 2
        lowest = 0.0 if kind == "count" else rule.unit.lowest  # a share of runs that is an end of what there is
        ends = [(end, side) for end, side in ((low, 1), (high, -1)) if lowest < end < rule.unit.most]
        assert ends
        for end, side in ends:
            assert rule.one_sided_p(evidence, end, side) == pytest.approx(missed, abs=1e-6), (evidence.claim.id, end)
