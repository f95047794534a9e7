"""Load and check claims, resolve them at a scale, and tell where each value comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from repro.claim import checks, starts
from repro.claim.config import Closed
from repro.claim.exact import ExactFile, load_exact
from repro.claim.kinds import Kinds
from repro.claim.model import Claim
from repro.claim.overlays import Layers, base_of, is_exact, layered, mapping, names, starting, with_recipe
from repro.claim.paper import Paper
from repro.claim.problems import MOST, SpecError, nearest, translated_errors
from repro.claim.resolve import CROPPING, run_config
from repro.claim.scales import UNDECIDED
from repro.claim.yaml import Document, Loc, read
from repro.errors import ReproError

__all__ = [
    "AnyFile", "ClaimFile", "ExactFile", "Layers", "SpecError", "load", "load_all", "nearest", "run_config", "sources",
    "split",
]  # fmt: skip


Variant = tuple[str | None, str | None, str | None]  # scale, alternative, alternative of `rule.over`


@dataclass(frozen=True)
class ClaimFile:
    """A checked claim and its file."""

    path: Path
    document: Document
    kinds: Kinds
    claim: Claim
    seeds: tuple[int, ...] = ()  # judging seeds in place of the file's, at every scale
    # each variant is validated once
    resolved: dict[Variant, Claim] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def id(self) -> str:
        """The claim's id."""
        return self.claim.id

    @property
    def paper(self) -> Paper:
        """The paper that contains the sentence."""
        paper = self.kinds.paper(self.claim.paper.name)
        assert paper is not None, "checked when it was loaded"
        return paper

    @cached_property
    def base(self) -> Layers:
        """The claim's plain data over its paper's recipe."""
        return with_recipe(self.document, self.kinds)

    def alternatives_at(self, scale: str) -> list[str]:
        """Return the names of the alternatives that are run at `scale`."""
        return names(self.document.data, "scales", scale, "alternatives")

    def base_at(self, scale: str) -> str | None:
        """Return the base that the claim names for `scale` (`Paper.bases`); None if it names none."""
        return base_of(self.document.data, scale)

    def undecided(self, scale: str) -> bool:
        """Return whether the base of `scale` has not been chosen yet, so that the scale cannot be run."""
        return self.base_at(scale) == UNDECIDED

    def layers(
        self, scale: str | None, alternative: str | None = None, arm: str | None = None, judged_with: str | None = None
    ) -> Layers:
        """Return the claim's plain data with the overrides of a scale, of alternatives and of an arm.

        `judged_with`: an alternative of `rule.over`.
        """
        layers = layered(self.base, scale, alternative, arm, judged_with=judged_with)
        if self.seeds:
            layers.override({"seeds": list(self.seeds)}, f"--seeds {len(self.seeds)}", (), written=False)
        return layers

    def at(self, scale: str | None, alternative: str | None = None, judged_with: str | None = None) -> Claim:
        """Return the claim as it is run at `scale`, under one alternative, and one alternative of `rule.over`."""
        variant = scale, alternative, judged_with
        if variant not in self.resolved:
            layers = self.layers(scale, alternative, judged_with=judged_with)
            self.resolved[variant] = self.kinds.claim.model_validate(layers.fitting)
        return self.resolved[variant]

    def compared(self, scale: str | None, alternative: str | None = None) -> dict[str | None, Claim]:
        """Return the claims that are judged as one: the claim itself (None) and each alternative of its `rule.over`."""
        claim = self.at(scale, alternative)
        judged_with = checks.beside(claim, alternative)
        return {None: claim, **{name: self.at(scale, alternative, name) for name in judged_with}}

    def with_seeds(self, count: int) -> ClaimFile:
        """Return the claim judged on seeds 0 to `count` - 1. Raises ReproError if a rate is tuned on one of them."""
        for scale in self.claim.scales:
            tune = self.at(scale).tune
            if tune and (shared := min(tune.on_seeds)) < count:
                raise ReproError(
                    f"--seeds {count}: {self.path} tunes rates on seed {shared}, which must not judge; "
                    f"give {shared} at most"
                )
        seeds = tuple(range(count))
        return replace(self, claim=self.claim.model_copy(update={"seeds": list(seeds)}), seeds=seeds)


AnyFile = ClaimFile | ExactFile


def load_all(paths: list[Path], kinds: Kinds) -> list[AnyFile]:
    """Load the claims of files and folders. Raises ReproError with the mistakes of all of them."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        if not inside:
            raise ReproError(f"{path}: no claims there; expected files named *.yaml")
        found += inside
    files, mistakes = [], []
    for path in found:
        try:
            files.append(load(path, kinds))
        except ReproError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ReproError("\n".join(mistakes))
    return files


def load_valid(folder: Path, kinds: Kinds) -> tuple[list[AnyFile], list[str]]:
    """Return a folder's valid claims and the names of its invalid ones; `repro check` lists the mistakes."""
    files, invalid = [], []
    for path in sorted(folder.glob("*.yaml")):
        try:
            files.append(load(path, kinds))
        except ReproError:
            invalid.append(path.stem)
    return files, invalid


def split(files: Sequence[AnyFile]) -> tuple[list[ClaimFile], list[ExactFile]]:
    """Return (the claims that are decided by training, the claims that are decided by arithmetic)."""
    return [f for f in files if isinstance(f, ClaimFile)], [f for f in files if isinstance(f, ExactFile)]


def load(path: Path, kinds: Kinds) -> AnyFile:
    """Read and check one claim.

    A trained claim is checked as written, at every scale, under every alternative and with every arm. An exact claim
    has none of these. Rules on several keys are checked once each key is valid by itself. Raises SpecError with all
    mistakes, in order, and ReproError if the file is not YAML.
    """
    document = read(path)
    if is_exact(document.data):
        return load_exact(document, kinds)
    base = with_recipe(document, kinds)
    if too_large := checks.of_size(base):
        raise SpecError(path, too_large)
    problems = checks.of_file(base)
    claims: dict[checks.At, Claim] = {}
    resolved: dict[Variant, Claim] = {}

    def validated(layers: Layers, before: dict[str, Any], known: Claim | None) -> Claim | None:
        """Validate plain data. `before`: the data of `known`; sections that are the same objects are reused."""
        data = layers.fitting
        same = {key: getattr(known, key) for key, value in data.items() if known and before.get(key) is value}
        try:
            return kinds.claim.model_validate(data | same)
        except ValidationError as error:
            problems.extend(translated_errors(layers, error.errors(include_url=False, include_context=False)))
            return None

    def checked(scale: str | None, alternative: str | None, judged_with: str | None = None) -> Claim | None:
        layers = layered(base, scale, alternative, judged_with=judged_with)
        claim, arms = validated(layers, base.data, claims.get((None, None))), {}
        for arm in mapping(layers.data, "arms"):
            with_arm = layers.with_arm(arm)
            if armed := validated(with_arm, layers.data, claim):
                wrong = starts.start_problems(armed, with_arm)
                earlier = validated(before := starting(with_arm), with_arm.data, armed) if armed.start else armed
                if armed.start and earlier:
                    wrong += starts.earlier_run_problems(armed, earlier, with_arm, before)
                problems.extend(wrong)
                if earlier and not wrong:
                    arms[arm] = armed, with_arm
        if claim and all(checks.all_known(document.data, kinds, scale, name) for name in (alternative, judged_with)):
            problems.extend(checks.of_claim(claim, layers, arms, smoke=scale == "smoke"))
        return claim

    for scale, alternative in checks.combinations(document.data):
        if len(problems) >= MOST:
            raise SpecError(path, problems)
        if not (claim := checked(scale, alternative)):
            continue
        claims[scale, alternative] = resolved[scale, alternative, None] = claim
        for name in checks.beside(claim, alternative):
            if part := checked(scale, alternative, name):
                resolved[scale, alternative, name] = part
                problems += checks.of_compared(claim, part, layered(base, scale, alternative, judged_with=name))
    recipes_only: dict[str | None, Claim] = {
        scale: claim
        for scale in mapping(document.data, "scales")
        if (claim := validated(layered(base, scale, own=False), base.data, claims.get((None, None))))
    }
    problems += checks.of_overrides(base, claims, recipes_only)
    if problems:
        raise SpecError(path, problems)
    file = ClaimFile(path, document, kinds, claims[None, None])
    file.resolved.update(resolved)
    return file


def sources(
    file: ClaimFile, scale: str | None = None, alternative: str | None = None, arm: str | None = None
) -> list[tuple[str, Any, str]]:
    """Return (dotted key, value, origin) for every key of the resolved claim, in the file's order of sections.

    The origin is a place (`claims/x.yaml:12`), a recipe (`scale smoke of cifar10 in alexnet2012`), an arm with its
    place (`arm tanh, claims/x.yaml:17`), or `default: ` and the key's description. The value of a tuned rate is
    `tuned`.
    """
    layers = file.layers(scale, alternative, arm)
    claim = file.kinds.claim.model_validate(layers.fitting)
    out: list[tuple[str, Any, str]] = []

    def add(path: Loc, value: Any, description: str | None) -> None:
        if isinstance(value, dict):
            for name, part in value.items():
                add((*path, name), part, description)
        else:
            source = layers.source(path) or f"default: {description}"
            out.append((".".join(map(str, path)), value, source))

    for name in [arm] if arm else claim.arms:
        add(("arms", name, "label"), claim.label(name), None)
    for section in dict.fromkeys(
        str(path[0]) for path in file.kinds.keys.values() if path not in (("arms",), ("varies",))
    ):
        value = getattr(claim, section)
        if not isinstance(value, Closed):
            add((section,), value, Claim.model_fields[section].description)
            continue
        for name, about in type(value).model_fields.items():
            if getattr(value, name) is None and section == "data" and claim.data.crop is None and name in CROPPING:
                continue  # options of crops, which this claim does not use
            if claim.tune and (section, name) == ("train", "lr"):
                how = "the fastest" if claim.tune.choose == "fastest" else "the largest at which all arms learn"
                grid = layers.source(("tune", "train.lr"))
                out.append(("train.lr", "tuned", f"{how} of tune.train.lr, {grid}"))
            else:
                add((section, about.alias or name), getattr(value, name), about.description)
    return out
