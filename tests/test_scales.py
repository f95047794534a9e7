"""The scales that the claims share: what each of them means, in numbers, and how many runs the claims of one plan.

The counts are literal, each with its sum: a claim that leaves the shared base by accident asks for runs of its own, and
the count moves.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.analysis.measures import updates_an_epoch
from repro.analysis.plan import wanted
from repro.spec.config import RunConfig
from repro.spec.files import ClaimFile, load, run_config
from repro.spec.resolve import image, training_images

CLAIMS = Path(__file__).parent.parent / "claims"
FILES: dict[str, ClaimFile] = {
    path.stem: file for path in sorted(CLAIMS.glob("*.yaml")) if isinstance(file := load(path), ClaimFile)
}
# pretraining has classes of its own at every scale: tests/test_starts.py
ON_PHOTOS = [name for name, file in FILES.items() if file.claim.model.kind == "alexnet" and name != "pretraining"]
# the arm of each claim that is the paper's net as it is
BASE = {
    "bias_one": "one",
    "crops_and_flips": "with",
    "dropout_iterations": "dropout",
    "dropout_overfitting": "dropout",
    "ilsvrc2012": "net",
    "lrn_imagenet": "both",
    "overlapping_pooling": "overlapping",
    "two_towers": "two",
}


def planned(scale: str) -> dict[str, set[str]]:
    """Of each run that the claims want of an empty shelf at `scale`, the claims that want it."""
    out: dict[str, set[str]] = {}
    for file in FILES.values():
        for want in wanted(file, scale, {}) if scale in file.claim.scales else ():
            out.setdefault(want.config.id, set()).add(file.id)
    return out


def base(name: str, scale: str, seed: int = 0) -> RunConfig:
    """The run of the paper's net in a claim; of a scale that the claim lacks, what it would be there."""
    claim = FILES[name].at(scale)
    return run_config(claim, BASE[name], seed=seed, lr=0.01 if claim.tune else None)


@pytest.mark.parametrize(
    ("scale", "runs"),
    [
        # the base, 2 seeds: 2, shared by four claims; other arms: lrn 3 x 2, pooling 1 x 2, towers 2 x 2,
        # dropout 1 x 2: 14; tuning, 2 arms x 2 rates x 1 seed: bias 4, relu 4; the trace: 3
        # lrn_cifar10, 4 arms x 2 seeds: 8; tuning relu_input_scale, 4 arms x 2 rates: 8
        # pretraining, on five of the digits: from scratch 2, what the fine-tuned runs start from 2, longer 2
        ("smoke", 2 + 14 + 4 + 4 + 3 + 8 + 8 + 6),
        # bias, 2 arms x 5 seeds, under the base and the source's reading: 20; tuning relu, 2 arms x 8 rates on the
        # first seed, under the base and `he`: 32
        # lrn_cifar10, 4 arms x 5 seeds: 20; tuning relu_input_scale, 8 arms x 8 rates under the base and `he`, less the
        # 16 at factor 1 that are relu_speedup's: 96
        # pretraining, on five classes: from scratch 5, what the fine-tuned runs start from 5, longer 5
        ("small", 20 + 32 + 20 + 96 + 15),
        # the base, 5 seeds: 5, shared by four claims; other arms x 5 seeds: bias 1, lrn 3, pooling 1, towers 2: 35;
        # dropout, whose rate never falls, 2 arms x 5 seeds: 10. Alternatives: bias in the source's reading 10, its
        # tuning 2 arms x 5 rates: 10; dropout at half the rate 10; lrn at half and at twice the rate, 4 arms x 5: 40.
        # `further`, `scaling`, `gap`, `communication` and `one_point` look at the same runs: 0
        # pretraining as at small scale 15
        ("medium", 5 + 35 + 10 + 10 + 10 + 10 + 40 + 15),
        # ILSVRC-2012, the base: 5, shared by three claims; bias 1, lrn 3, pooling 1 arms x 5: 25; the same in the
        # source's reading: 30; dropout, whose rate never falls, 2 x 5 in both readings: 20. ILSVRC-2010: towers
        # 3 x 5 in both readings: 30. CIFAR-10: tuning relu, 16 under the base, `80sec` and `he`: 48; the trace: 20
        # lrn_cifar10, 4 arms x 5 seeds: 20, the published 11pct net 5, `longer` 20; relu_input_scale as at small: 96
        # pretraining: from scratch 5, which are ilsvrc2012's `by_epoch`; Fall 2011 5; longer 5
        ("paper", 5 + 25 + 30 + 20 + 30 + 48 + 20 + 45 + 96 + 10),
    ],
)  # fmt: skip
def test_the_claims_of_a_scale_plan_so_many_distinct_runs_together(scale: str, runs: int) -> None:
    assert len(planned(scale)) == runs
    assert runs == {"smoke": 49, "small": 183, "medium": 135, "paper": 329}[scale]


@pytest.mark.parametrize(
    ("scale", "shared", "by"),
    [
        ("smoke", 2, {"dropout_iterations", "lrn_imagenet", "overlapping_pooling", "two_towers"}),
        ("medium", 5, {"bias_one", "lrn_imagenet", "overlapping_pooling", "two_towers"}),
        # and five of the source's reading
        ("paper", 10, {"bias_one", "lrn_imagenet", "overlapping_pooling"}),
    ],
)
def test_the_papers_net_is_trained_once_for_all_claims_that_have_it_as_an_arm(
    scale: str, shared: int, by: set[str]
) -> None:
    many = [claims for claims in planned(scale).values() if len(claims) > 1]
    assert many == [by] * shared


def test_every_claim_on_photos_names_the_arm_that_is_the_papers_net() -> None:
    assert sorted(BASE) == ON_PHOTOS


@pytest.mark.parametrize("seed", [0, 4])
def test_what_bias_one_judges_is_the_beginning_of_the_bases_runs(seed: int) -> None:
    for scale in ("small", "medium"):
        judged = base("bias_one", scale, seed)
        assert {base(name, scale, seed).id for name in ("lrn_imagenet", "overlapping_pooling", "two_towers")} == {
            judged.id
        }
    small, whole = FILES["bias_one"].at("small"), FILES["lrn_imagenet"].at("small")
    assert (small.train.epochs, whole.train.epochs) == (8, 30)
    assert small.train.epochs < min(whole.train.drops), "no rate has fallen by then"


@pytest.mark.parametrize("name", ON_PHOTOS)
def test_small_scale_is_the_net_at_half_width_on_crops_of_128_pixels(name: str) -> None:
    claim, config = FILES[name].at("small"), base(name, "small")
    assert (claim.data.kind, claim.data.held_out, training_images(claim.data)) == ("imagenette", 947, 8_522)
    assert (claim.data.stored, image(config.data)) == (146, (3, 128, 128))
    assert claim.model.width == 0.5
    # 8,522 photos are 8 files of 1,024 and one of 330: 8 x 8 + 3 minibatches of 128
    assert updates_an_epoch(claim) == 67
    assert (claim.train.drops, claim.train.plateau) == ([18, 26], None)
    assert (claim.train.batch, claim.train.momentum, claim.train.weight_decay) == (128, 0.9, 0.0005)
    assert config.train.lr == 0.01
    assert config.model.dropout == 0.5


@pytest.mark.parametrize("name", ON_PHOTOS)
def test_medium_scale_is_the_whole_net_at_224_pixels_for_200_epochs(name: str) -> None:
    claim, config = FILES[name].at("medium"), base(name, "medium")
    assert (claim.data.kind, claim.data.held_out, training_images(claim.data)) == ("imagenette", 947, 8_522)
    assert (claim.data.stored, image(config.data)) == (256, (3, 224, 224))
    assert (claim.model.width, updates_an_epoch(claim), claim.train.plateau) == (1.0, 67, None)
    own = {"bias_one": 20, "dropout_iterations": 100}  # a beginning; and a time of its own, below
    assert claim.train.epochs == own.get(name, 200)
    # dropout_iterations: a division of the rate would end both arms' progress at the same time
    assert claim.train.drops == ([] if name == "dropout_iterations" else [120, 170])


@pytest.mark.parametrize("name", ON_PHOTOS)
def test_paper_scale_is_the_papers_own_data_and_schedule(name: str) -> None:
    claim = FILES[name].at("paper")
    assert claim.data.kind == ("ilsvrc2010" if name == "two_towers" else "ilsvrc2012")
    assert (claim.data.stored, claim.data.crop, claim.data.held_out) == (256, 224, 10_000)
    assert (claim.model.width, claim.train.batch, claim.train.lr, claim.train.drops) == (1.0, 128, 0.01, [])
    assert claim.train.plateau == (None if name == "dropout_iterations" else 5)
    assert claim.train.epochs == (1 if name == "bias_one" else 90)


@pytest.mark.parametrize("name", ON_PHOTOS)
def test_smoke_scale_is_a_narrow_net_on_enlarged_digits_for_two_seeds(name: str) -> None:
    claim = FILES[name].at("smoke")
    assert (claim.data.kind, claim.data.stored, claim.data.crop, claim.data.held_out) == ("digits", 96, 80, 96)
    assert (training_images(claim.data), claim.model.width, claim.train.batch) == (256, 0.0625, 32)
    assert (claim.seeds, claim.train.plateau) == ([0, 1], None)
    assert not FILES[name].alternatives_at("smoke")


@pytest.mark.parametrize("name", FILES)
def test_below_paper_scale_five_seeds_judge(name: str) -> None:
    for scale in FILES[name].claim.scales:
        if scale != "smoke":
            assert len(FILES[name].at(scale).seeds) >= 5
