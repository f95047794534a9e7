"""What `docs/data.md` says: every table of data with its columns, and every key of the JSON files.

Made from `repro.columns` and from the schemas, so that nothing in it is typed twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from repro.columns import TABLES
from repro.frames import markdown
from repro.pages import claim_data, results

PLACE = "docs/data.md"
_FILES = {
    "runs": "`repro.runs(shelf)`",
    "epochs": "`repro.epochs(claim, shelf, scale)`; those of the judging runs that decide: `CLAIM.epochs.csv`, "
    "`CLAIM.epochs.parquet`",
    "updates": "`repro.updates(run, shelf)`",
    "measures": "`repro.measures(claim, shelf, scale)`; `CLAIM.csv`, `CLAIM.parquet`",
    "points": "`repro.points(claim, shelf, scale)`; of a claim on a printed curve `CLAIM.csv`, `CLAIM.parquet`",
    "facts": "`repro.facts(claim)`; of a claim that is counted `CLAIM.csv`, `CLAIM.parquet`",
    "results": "`repro.results(shelf)`; `results.csv`, `results.parquet`",
    "answers": "`answers.csv`, `answers.parquet`, beside the page of `repro finetune`",
}
_HEAD = f"""# Data

`repro report --reference` writes this file from `repro/columns.py` and the schemas.

`import repro` returns tidy data frames, one call each. The CSV and parquet files beside the pages are the same frames.
In CSV numbers have six digits, missing values are empty cells, and text that a spreadsheet would compute begins with an
apostrophe. Parquet has all digits; `attrs` of the frame that `pandas.read_parquet` returns has the unit and the meaning
of every column. Beside the reference pages parquet is not committed, because its bytes depend on the versions of pandas
and pyarrow; `repro report --reference` writes it. [figure1.ipynb](figure1.ipynb) is an example.

`results.json` has the verdicts of a shelf, `CLAIM.json` everything of one claim. The key `format` of each is the
version of its format, which changes when a key is removed or changes its meaning; new keys do not change it. Their
schemas lie next to them: `{results.SCHEMA}` (format {results.FORMAT}) and `{claim_data.SCHEMA}` (format
{claim_data.FORMAT}).
"""


def text() -> str:
    """Return the content of `docs/data.md`."""
    lines = [_HEAD]
    for name, table in TABLES.items():
        lines += [f"## Table `{name}`\n", f"{_FILES[name]}.\n", f"Each row: {table.row}.\n", markdown(table)]
    models: dict[str, str] = {}
    for file, schema in (("results.json", results.schema()), ("CLAIM.json", claim_data.schema())):
        new = {name: text for name, text in _models(json.loads(schema)) if name not in models}
        lines += [f"## `{file}`\n", *new.values()]
        models |= new
    return "\n".join(lines)


def _models(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (name, table of keys) of each object of a schema, the outermost first."""
    whole = {schema["title"]: schema} if "properties" in schema else {}
    outer = [part["$ref"].rpartition("/")[2] for part in schema.get("anyOf", [])]
    models = whole | dict(sorted(schema["$defs"].items(), key=lambda item: item[0] not in outer))
    for name, model in models.items():
        rows = [f"| `{key}` | {_type(node)} | {node['description']} |" for key, node in model["properties"].items()]
        table = "\n".join(["| key | type | meaning |", "|---|---|---|", *rows])
        yield name, f"### {name}\n\n{model['description']}\n\n{table}\n"


def _type(node: Mapping[str, Any]) -> str:
    """Return what a value may be, in a few words."""
    if "anyOf" in node:
        return " or ".join(dict.fromkeys(_type(part) for part in node["anyOf"]))
    if "$ref" in node:
        return str(node["$ref"]).rpartition("/")[2]
    if "enum" in node or "const" in node:
        return "one of the words" if "enum" in node else f"{node['const']}"
    match node.get("type"):
        case "array":
            parts = node.get("prefixItems", [node["items"]] if "items" in node else [])
            return "list of " + " or ".join(dict.fromkeys(_type(part) for part in parts))
        case "object":
            inner = node.get("additionalProperties")
            return f"mapping to {_type(inner)}" if isinstance(inner, dict) else "mapping"
        case None:
            return "any"
        case kind:
            return {"string": "text", "boolean": "true or false"}.get(kind, str(kind))
