"""What claims may be made of: the measures and rules that there are, and the claim's model, keys and schema by them.

Loading takes them: a claim by itself names no kind of question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, Tag, create_model

from repro.claim.config import Closed
from repro.claim.model import Claim, keys_of, path_of
from repro.claim.yaml import Loc

if TYPE_CHECKING:
    from repro.claim.schema import Schema

# What a scale or an alternative may override.
OVERRIDDEN = ("data", "model", "train", "precision", "tune", "seeds", "measure", "rule", "arms", "varies")


@dataclass(frozen=True)
class Kinds:
    """The models of measures and of rules, told apart by their `kind`."""

    measures: tuple[type[Closed], ...]
    rules: tuple[type[Closed], ...]
    exact: type[Closed]  # the model of a claim of counted facts

    @cached_property
    def claim(self) -> type[Claim[Any, Any]]:
        """The model of a claim."""
        parts: Any = _tagged(self.measures), _tagged(self.rules)
        generic: Any = Claim
        made: type[Claim[Any, Any]] = create_model("Claim", __base__=generic[parts], __doc__=Claim.__doc__)
        return made

    @cached_property
    def keys(self) -> dict[str, Loc]:
        """What a scale or an alternative may override, by dotted key: its place."""
        return keys_of(self.claim, OVERRIDDEN) | {"start": ("start",)}

    def path_of(self, key: str) -> Loc | None:
        """Return the place of a dotted key; None of what is no key."""
        return path_of(key, self.keys)

    @cached_property
    def schema(self) -> Schema:
        """The JSON Schema of a claim's file."""
        from repro.claim.schema import Schema  # which is above it

        return Schema(self)


def _kind(value: Any) -> str:
    return f"<{value.get('kind') if isinstance(value, dict) else getattr(value, 'kind', None)}>"


def _tagged(models: Sequence[type[Closed]]) -> Any:
    """The union of models with a tag for each, in angle brackets, so that tags can be told from keys in the places
    that pydantic reports."""
    union: Any = None
    for model in models:
        for kind in model.model_fields["kind"].annotation.__args__:  # type: ignore[union-attr]
            tagged: Any = Annotated[model, Tag(f"<{kind}>")]
            union = tagged if union is None else union | tagged
    return Annotated[union, Discriminator(_kind)]
