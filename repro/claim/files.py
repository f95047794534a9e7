"""From a file to a checked claim, every mistake found at once; what it is at a scale; where each value comes from."""

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
from repro.claim.problems import MOST, SpecError, nearest, told
from repro.claim.resolve import CROPPING, run_config
from repro.claim.scales import UNDECIDED
from repro.claim.yaml import Document, Loc, read
from repro.errors import ReproError

__all__ = [
    "AnyFile", "ClaimFile", "ExactFile", "Layers", "SpecError", "load", "load_all", "nearest", "run_config", "sources",
    "split",
]  # fmt: skip


Laid = tuple[str | None, str | None, str | None]


@dataclass(frozen=True)
class ClaimFile:
    """A checked claim and the file that it stands in."""

    path: Path
    document: Document
    kinds: Kinds
    claim: Claim
    seeds: tuple[int, ...] = ()  # judging seeds in place of the file's, at every scale
    # each validated once: by scale, alternative, and what is judged beside it
    resolved: dict[Laid, Claim] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def id(self) -> str:
        """The claim's id."""
        return self.claim.id

    @property
    def paper(self) -> Paper:
        """The paper that its sentence stands in."""
        paper = self.kinds.paper(self.claim.paper.name)
        assert paper is not None, "checked when it was loaded"
        return paper

    @cached_property
    def base(self) -> Layers:
        """The claim's data on its paper's recipe."""
        return with_recipe(self.document, self.kinds)

    def alternatives_at(self, scale: str) -> list[str]:
        """Names of the alternatives that are run at `scale`."""
        return names(self.document.data, "scales", scale, "alternatives")

    def base_at(self, scale: str) -> str | None:
        """The base that `scale` stands on, where the claim names one (`Paper.bases`)."""
        return base_of(self.document.data, scale)

    def undecided(self, scale: str) -> bool:
        """Whether the base of `scale` is still to be chosen, so that nothing of it can be run."""
        return self.base_at(scale) == UNDECIDED

    def layers(
        self, scale: str | None, alternative: str | None = None, arm: str | None = None, beside: str | None = None
    ) -> Layers:
        """The claim's data with the scale's recipe, the claim's own exceptions, alternatives and an arm laid on."""
        layers = layered(self.base, scale, alternative, arm, beside=beside)
        if self.seeds:
            layers.lay({"seeds": list(self.seeds)}, f"--seeds {len(self.seeds)}", (), written=False)
        return layers

    def at(self, scale: str | None, alternative: str | None = None, beside: str | None = None) -> Claim:
        """The claim as it is run at `scale`, under one alternative to the base, with one of its `rule.over` laid on."""
        laid = scale, alternative, beside
        if laid not in self.resolved:
            layers = self.layers(scale, alternative, beside=beside)
            self.resolved[laid] = self.kinds.claim.model_validate(layers.fitting)
        return self.resolved[laid]

    def compared(self, scale: str | None, alternative: str | None = None) -> dict[str | None, Claim]:
        """What is judged together: the claim itself (None), and with each alternative of its `rule.over` laid on."""
        claim = self.at(scale, alternative)
        beside = checks.beside(claim, alternative)
        return {None: claim, **{name: self.at(scale, alternative, name) for name in beside}}

    def with_seeds(self, count: int) -> ClaimFile:
        """The claim judged on seeds 0 to `count` - 1. ReproError where a rate is tuned on one of them."""
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
    """Claims named by files and folders. ReproError with the mistakes of all of them at once."""
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
    """The claims of a folder that have no mistakes, and the names of those that have; `repro check` tells which."""
    files, invalid = [], []
    for path in sorted(folder.glob("*.yaml")):
        try:
            files.append(load(path, kinds))
        except ReproError:
            invalid.append(path.stem)
    return files, invalid


def split(files: Sequence[AnyFile]) -> tuple[list[ClaimFile], list[ExactFile]]:
    """Claims that are trained, and those that arithmetic decides."""
    return [f for f in files if isinstance(f, ClaimFile)], [f for f in files if isinstance(f, ExactFile)]


def load(path: Path, kinds: Kinds) -> AnyFile:
    """Read and check one claim: the file itself, at every scale, under every alternative, with every arm; or an exact
    one, which has none of these.

    Errors: SpecError with every mistake, in order, or ReproError where the file is no YAML. What concerns several keys
    is checked where each of them by itself is right.
    """
    document = read(path)
    if is_exact(document.data):
        return load_exact(document, kinds)
    base = with_recipe(document, kinds)
    if too_large := checks.of_size(base):
        raise SpecError(path, too_large)
    problems = checks.of_file(base)
    claims: dict[checks.At, Claim] = {}
    resolved: dict[Laid, Claim] = {}

    def validated(layers: Layers, before: dict[str, Any], known: Claim | None) -> Claim | None:
        """`before`: data of which `known` was made; a section that is the same object need not be looked at again."""
        data = layers.fitting
        same = {key: getattr(known, key) for key, value in data.items() if known and before.get(key) is value}
        try:
            return kinds.claim.model_validate(data | same)
        except ValidationError as error:
            problems.extend(told(layers, error.errors(include_url=False, include_context=False)))
            return None

    def checked(scale: str | None, alternative: str | None, beside: str | None = None) -> Claim | None:
        layers = layered(base, scale, alternative, beside=beside)
        claim, arms = validated(layers, base.data, claims.get((None, None))), {}
        for arm in mapping(layers.data, "arms"):
            with_arm = layers.with_arm(arm)
            if armed := validated(with_arm, layers.data, claim):
                wrong = starts.of_start(armed, with_arm)
                earlier = validated(before := starting(with_arm), with_arm.data, armed) if armed.start else armed
                if armed.start and earlier:
                    wrong += starts.of_earlier(armed, earlier, with_arm, before)
                problems.extend(wrong)
                if earlier and not wrong:
                    arms[arm] = armed, with_arm
        if claim and all(checks.all_known(document.data, kinds, scale, name) for name in (alternative, beside)):
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
                problems += checks.of_compared(claim, part, layered(base, scale, alternative, beside=name))
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
    """Every dotted key of the resolved claim with its value and where it comes from, in the file's order of sections.

    `claims/x.yaml:12`, `scale smoke of cifar10 in alexnet2012`, `arm tanh, claims/x.yaml:17`, or `default: `
    and what the key is. A tuned rate has no value before its runs.
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
                continue  # of crops, which this claim does not take
            if claim.tune and (section, name) == ("train", "lr"):
                how = "the fastest" if claim.tune.choose == "fastest" else "the largest at which all arms learn"
                grid = layers.source(("tune", "train.lr"))
                out.append(("train.lr", "tuned", f"{how} of tune.train.lr, {grid}"))
            else:
                add((section, about.alias or name), getattr(value, name), about.description)
    return out
