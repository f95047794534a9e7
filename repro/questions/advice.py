"""Advice on a claim's file: what is no mistake, but would disappoint whoever runs it. It is read off the plain data,
so that it comes together with the mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from repro.claim.problems import Problem
from repro.claim.template import TO_DO
from repro.claim.yaml import Document, Loc
from repro.questions.rule import Rule


def advice(document: Document, rules: Sequence[type[Any]]) -> list[str]:
    """Return advice, a line each, in the order of the file: `claims/x.yaml:12:3: advice: ...`. `rules`: all kinds."""
    found = sorted(Problem(*document.place(loc), text) for loc, text in (*_seeds(document, rules), *_to_do(document)))
    return [f"{document.path}:{each.line}:{each.column}: advice: {each.text}" for each in found]


def _seeds(document: Document, rules: Sequence[type[Any]]) -> Iterator[tuple[Loc, str]]:
    """Yield where there are fewer judging seeds than the rule needs for a verdict."""
    data = document.data
    kind = data["rule"].get("kind") if isinstance(data.get("rule"), dict) else None
    rule = next((rule for rule in rules if kind in get_args(rule.model_fields["kind"].annotation)), None)
    scales = data.get("scales")
    if rule is None or not issubclass(rule, Rule) or not isinstance(scales, dict):
        return
    few: dict[tuple[Loc, int, int], list[str]] = {}
    for scale in scales:
        own = scales[scale]
        loc: Loc = ("scales", scale, "seeds") if isinstance(own, dict) and "seeds" in own else ("seeds",)
        seeds = own["seeds"] if len(loc) > 1 else data.get("seeds")
        needed = max(rule.fewest[0], rule.seeds_below_paper if scale != "paper" else 0)
        if scale != "smoke" and isinstance(seeds, list) and 0 < len(seeds) < needed:
            few.setdefault((loc, len(seeds), needed), []).append(scale)
    for (loc, count, needed), names in few.items():
        s = "s" * (count != 1)
        text = f"{count} seed{s} can give no verdict at {' and '.join(names)} scale; expected {needed} or more"
        yield loc, f"{'.'.join(map(str, loc))}: {text}"


def _to_do(document: Document) -> Iterator[tuple[Loc, str]]:
    """Yield what a template leaves to be written."""
    left: list[tuple[Loc, Any]] = [((), document.data)]
    while left:
        loc, value = left.pop()
        if isinstance(value, dict):
            left += [((*loc, key), part) for key, part in value.items()]
        elif isinstance(value, list):
            left += [((*loc, i), part) for i, part in enumerate(value)]
        elif isinstance(value, str) and value.startswith(TO_DO):
            yield loc, f"{'.'.join(map(str, loc))}: is still to be written"
