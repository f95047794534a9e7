"""The claim's JSON Schema, for completion in editors and for the expected values in messages.

Draft 7, which yaml-language-server reads: no `prefixItems`, `definitions` instead of `$defs`. It is committed as
`claims/claim.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from repro.claim.kinds import Kinds
from repro.claim.model import BY_LAYER
from repro.claim.scales import UNDECIDED
from repro.claim.yaml import Loc
from repro.nets import libraries

Node = dict[str, Any]
Tags = tuple[object, ...]


class Schema:
    """The schema of a claim's file for given papers, measures and rules."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds

    @cached_property
    def whole(self) -> Node:
        """The whole schema. Overrides are closed too, so that editors underline a misspelled dotted key."""
        claim, keys = self._kinds.claim, self._kinds.keys
        definitions: Node = {}
        for model in (claim, self._kinds.exact):
            definitions[model.__name__] = out = _plain(
                model.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
            )
            inner = out.pop("$defs")
            assert all(definitions.get(name, node) == node for name, node in inner.items()), "two models of one name"
            definitions |= inner
        properties = definitions["Claim"]["properties"]
        definitions["ArmOverrides"] = _overrides(self._kinds.arm_keys, properties, definitions)
        over = _overrides(keys, properties, definitions)
        for labelled, overrides in (("Arm", definitions["ArmOverrides"]), ("Alternative", over)):
            node = definitions[labelled]
            node.update(overrides | {"properties": node["properties"] | overrides["properties"]})
        (name,) = definitions["Assumption"]["properties"]["alternatives"]["patternProperties"]
        self._name_papers(definitions)
        run = definitions["StartSpec"]["properties"]["run"]
        definitions["StartSpec"]["properties"]["run"] = _ref("ArmOverrides") | {"description": run["description"]}
        properties["scales"]["additionalProperties"] = _ref("Scale")
        listed = {
            "description": "names of the alternatives that are run at this scale",
            "type": "array",
            "items": {"type": "string", "pattern": name},
        }
        base = {
            "description": "the base of small scale that its runs stand on",
            "enum": [*(name for paper in self._kinds.papers for name in paper.bases), UNDECIDED],
        }
        definitions["Scale"] = over | {"properties": over["properties"] | {"alternatives": listed, "base": base}}
        head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "A claim of repro"}
        exact = {"properties": {"kind": {"const": "inspect"}}, "required": ["kind"]}
        return head | {
            "type": "object",
            "if": exact,
            "then": _ref("Inspect"),
            "else": _ref("Claim"),
            "definitions": dict(sorted(definitions.items())),
        }

    def _name_papers(self, definitions: Node) -> None:
        """Enter the names of the papers, and make keys optional that a paper's recipe has."""
        papers = self._kinds.papers
        for section, model in (("data", "DataSpec"), ("train", "TrainSpec")):
            given = {key.partition(".")[2] for paper in papers for key in paper.recipe if key.startswith(f"{section}.")}
            node = definitions[model]
            node["required"] = [key for key in node["required"] if key not in given]
            if not node["required"]:
                del node["required"]
                definitions["Claim"]["required"].remove(section)
        for model in ("Sentence", "ComparedSentence"):
            definitions[model]["properties"]["name"] |= {"enum": [paper.id for paper in papers]}

    def text(self) -> str:
        """Return the text of `claims/claim.schema.json`."""
        return json.dumps(self.whole, indent=1, ensure_ascii=False) + "\n"

    def expected(self, loc: Loc, tags: Tags = ()) -> str:
        """Describe the values that are allowed at `loc` of a claim. `tags`: see `Layers.tags`."""
        words = (_words(node, self.whole["definitions"]) for node in self._branches_at(loc, tags))
        return " or ".join(dict.fromkeys(words)) or "a value"

    def described(self, loc: Loc, tags: Tags = ()) -> str:
        """Return the description of the key at `loc`; an empty text if it has none."""
        return next((node["description"] for node in self._nodes_at(loc, tags) if "description" in node), "")

    def keys(self, loc: Loc, tags: Tags = ()) -> list[str]:
        """Return the keys that the mapping at `loc` may have; an empty list if any key is allowed."""
        return [
            key
            for node in self._branches_at(loc, tags)
            for key in (*node.get("properties", ()), *node.get("propertyNames", {}).get("enum", ()))
        ]

    def choices(self, loc: Loc, tags: Tags = ()) -> list[str]:
        """Return the words that are allowed at `loc`; an empty list if it is not a choice of words."""
        return [word for node in self._branches_at(loc, tags) for word in _choices(node)]

    def _nodes_at(self, loc: Loc, tags: Tags) -> list[Node]:
        return _below([_ref("Inspect" if "inspect" in tags else "Claim")], loc, tags, self.whole["definitions"])

    def _branches_at(self, loc: Loc, tags: Tags) -> list[Node]:
        return _branches(self._nodes_at(loc, tags), tags, self.whole["definitions"])


def _plain(node: Any) -> Any:
    """Return a node without pydantic's generated titles, closed if its keys have a pattern."""
    if isinstance(node, list):
        return [_plain(part) for part in node]
    if not isinstance(node, dict):
        return node
    out = {key: _plain(part) for key, part in node.items() if key != "title" or not isinstance(part, str)}
    return out | {"additionalProperties": False} if "patternProperties" in out else out


def _ref(name: str) -> Node:
    return {"$ref": f"#/definitions/{name}"}


def _overrides(keys: Mapping[str, Loc], properties: Node, definitions: Node) -> Node:
    found = {}
    for key, (section, *below) in keys.items():
        nodes = _below([properties[str(section)]], tuple(below), (), definitions)
        different = [node for i, node in enumerate(nodes) if node not in nodes[:i]]
        found[key] = different[0] if len(different) == 1 else {"anyOf": different}
    by_layer = "|".join(key.replace(".", r"\.") for key in BY_LAYER)
    return {
        "type": "object",
        "properties": found,
        "patternProperties": {rf"^({by_layer})\.": {"type": "number", "minimum": 0}},
        "additionalProperties": False,
    }


def _below(nodes: list[Node], loc: Loc, tags: Tags, definitions: Node) -> list[Node]:
    """Return the nodes at `loc` below any of `nodes`."""
    for part in loc:
        found: list[Node] = []
        for node in _branches(nodes, tags, definitions):
            named = node.get("properties", {}).get(part)
            free = [node.get("items"), node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
            found += [named] if named else [other for other in free if isinstance(other, dict)]
        nodes = found
    return nodes


def _branches(nodes: list[Node], tags: Tags, definitions: Node) -> list[Node]:
    """Return the nodes with references and unions resolved, without null; if any node has one of `tags`, only those."""
    out: list[Node] = []
    for node in nodes:
        if "$ref" in node:
            out += _branches([definitions[node["$ref"].rpartition("/")[2]]], tags, definitions)
        elif options := node.get("anyOf") or node.get("oneOf"):
            out += _branches(options, tags, definitions)
        elif node.get("type") != "null":
            out.append(node)
    known = [(node, _choices(node.get("properties", {}).get("kind", {}))) for node in out]
    return [node for node, words in known if any(word in tags for word in words)] or out


def _choices(node: Node) -> list[str]:
    return [node["const"]] if "const" in node else node.get("enum", [])


_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}


def _words(node: Node, definitions: Node) -> str:
    """Describe one node: `a number at least 0 and below 1`."""
    if words := _choices(node):
        return " or ".join(words)
    match node["type"]:
        case "string" if node.get("pattern") == libraries.KIND:
            return " or ".join(f"{library}:NAME" for library in libraries.LIBRARIES)
        case "string" if "pattern" in node:
            return "a name of small letters, digits and _"
        case "string" if node.get("minLength", 0) > 1:
            return f"a text of {node['minLength']} letters or more"
        case "string" if "maxLength" in node:
            return f"a text of at most {node['maxLength']} letters"
        case "string":
            return "a text"
        case "integer" | "number" as kind:
            bounds = " and ".join(f"{word} {node[bound]:,}" for bound, word in _BOUNDS.items() if bound in node)
            return f"a{' whole' * (kind == 'integer')} number {bounds}".rstrip()
        case "boolean":
            return "true or false"
        case "array":
            low, high = node.get("minItems", 0), node.get("maxItems")
            size = f" of {low}" if low and low == high else f" of {low} or more" if low > 1 else ""
            items = " or ".join(_words(item, definitions) for item in _branches([node["items"]], (), definitions))
            return f"a list{size}, each {items}"
        case _:
            return "a mapping" + " that is not empty" * ("minProperties" in node)
