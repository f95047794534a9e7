"""docs/json.md: what every key of `--json` means, from the models of documents.py."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from repro.claim.config import Closed
from repro.claim.model import models_of
from repro.documents import DOCUMENTS


def explained() -> str:
    """Return docs/json.md: every key of every document, in a table for each object."""
    lines = [
        "# What `--json` prints",
        "",
        "`list`, `plan`, `watch`, `coverage` and `doctor` print one JSON object with `--json`; with `--every` `watch` "
        "prints one a line, again and again. Programs may rely on these keys: "
        "a key that is removed or changes its meaning moves `format`, a new key does not. `results.json`, next to the "
        "pages, has the verdicts, and a schema of its own. `repro report --reference` makes this file.",
    ]
    for document in DOCUMENTS:
        lines += ["", f"## `{document.model_fields['command'].default} --json`"]
        for model in dict.fromkeys(_models(document)):
            about = (model.__doc__ or "").splitlines()[0]
            lines += ["", f"{about}", "", "| key | type | meaning |", "|---|---|---|"]
            lines += [
                f"| `{name}` | {_type(field.annotation)} | {field.description} |"
                for name, field in model.model_fields.items()
            ]
    return "\n".join(lines) + "\n"


def _models(model: type[Closed]) -> Iterator[type[Closed]]:
    """Yield a model and those that its fields hold."""
    yield model
    for field in model.model_fields.values():
        for inner in models_of(field.annotation):
            yield from _models(inner)  # type: ignore[arg-type]


def _type(annotation: Any) -> str:
    """Return what JSON has for an annotation."""
    plain = {str: "string", int: "whole number", float: "number", bool: "true or false", type(None): "null"}
    if annotation in plain:
        return plain[annotation]
    arguments = get_args(annotation)
    if getattr(annotation, "__origin__", None) is list:
        return f"list: {_type(arguments[0])}"
    if getattr(annotation, "__origin__", None) is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in arguments)
    if models_of(annotation) or getattr(annotation, "__origin__", None) is Mapping:
        return "object"
    return " or ".join(_type(part) for part in arguments)
