"""The scales that the claims share: what each of them means, in numbers, and how many runs the claims of one plan.

The counts are literal, each as a sum: a claim that leaves the shared base by accident asks for runs of its own, and
what is shared moves.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile, run_config
from repro.claim.resolve import image, training_images
from repro.contents import load
from repro.questions.levels import updates_an_epoch
from repro.questions.plan import wanted

CLAIMS = Path(__file__).parent.parent / "claims"
FILES: dict[str, ClaimFile] = {
    path.stem: file
    for path in sorted(CLAIMS.glob("*.yaml"))
    if isinstance(file := load(path), ClaimFile) and file.claim.measure.kind != "throughput"  # those train nothing
}
# claims of the paper's net itself, without a sixth convolution; pretraining has classes of its own: test_starts.py
ON_PHOTOS = [
    n for n, f in FILES.items() if f.claim.model.kind == "alexnet" and not f.claim.model.conv6 and n != "pretraining"
]
# those of small scale as it was first, that name no other base and no other data
ON_FIRST = [n for n in ON_PHOTOS if not FILES[n].base_at("small") and FILES[n].at("small").data.kind == "imagenette"]
# the arm of each claim that is the paper's net as it is
BASE = {
    "bias_one": "one",
    "colour_pca": "printed",
    "crops_and_flips": "with",
    "depth": "full",
    "dropout_average": "net",
    "dropout_iterations": "dropout",
    "dropout_overfitting": "dropout",
    "ensemble": "net",
    "feature_similarity": "net",
    "ilsvrc2010": "net",
    "ilsvrc2012": "net",
    "lrn_imagenet": "both",
    "overlapping_pooling": "overlapping",
    "recipe_trains": "raw_printed_1",
    "seven_cnns": "net",
    "ten_views": "net",
    "tower_specialisation": "net",
    "two_towers": "two",
    "weight_decay": "decay",
}
ON_2010 = {"feature_similarity", "ilsvrc2010", "ten_views", "two_towers"}


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


# How many runs a claim wants of an empty shelf, the base's among them: of what is tuned, the first seed of every rate.
# Alternatives that are not named look at the same runs.
RUNS: dict[str, dict[str, int]] = {
    # 2 arms x 2 rates at smoke scale; 2 arms x 5 seeds, in the source's reading too; at medium scale 5 rates more
    "bias_one": {"smoke": 2 * 2, "small": 2 * 5 * 2, "medium": 2 * 5 * 2 + 2 * 5, "paper": 2 * 5 * 2},
    "cifar_trace": {"smoke": 3, "paper": 20},
    # 3 arms; at half the rate, in the source's reading
    "colour_pca": {"smoke": 3 * 2, "small": 3 * 15, "medium": 3 * 5 * 2, "paper": 3 * 5 * 2},
    # 2 arms; at paper scale in the source's reading too
    "crops_and_flips": {"smoke": 2 * 2, "small": 2 * 5, "medium": 2 * 5, "paper": 2 * 5 * 2},
    # 6 arms, which every comparison looks at; at half and at twice the rate; in the source's reading
    "depth": {"smoke": 6 * 2, "small": 6 * 9, "medium": 6 * 5 * 3, "paper": 6 * 5 * 2},
    # one arm, looked at
    "dropout_average": {"smoke": 2, "small": 5, "medium": 5, "paper": 5},
    # 3 arms, of which the first tuning seed at the largest rate; at the paper's rate; tuned in the source's reading
    "dropout_iterations": {"smoke": 3 * 2, "small": 3, "medium": 3 + 3 * 5, "paper": 3 + 3 * 5 + 3},
    "dropout_overfitting": {"smoke": 3 * 2, "small": 3, "medium": 3 + 3 * 5, "paper": 3 + 3 * 5 + 3},
    # one arm, looked at, in ten seeds; at paper scale in the source's reading too
    "ensemble": {"smoke": 3, "small": 5, "medium": 10, "paper": 10 * 2},
    "feature_similarity": {"smoke": 2, "small": 5, "medium": 5, "paper": 5},
    # one arm; at paper scale with rates divided at fixed epochs, in the source's reading, and in that with both
    "ilsvrc2010": {"smoke": 2, "medium": 5, "paper": 5 * 4},
    "ilsvrc2012": {"smoke": 2, "medium": 5, "paper": 5 * 4},
    "imagenet2009": {"smoke": 2, "paper": 5 * 3},
    # 4 arms; at paper scale the published 11pct net too, and the 4 arms for longer
    "lrn_cifar10": {"smoke": 4 * 2, "small": 4 * 5, "paper": 4 * 5 + 5 + 4 * 5},
    # 4 arms; at small scale in ten seeds, and 2 on a CIFAR net; at half and at twice the rate; in the source's reading
    "lrn_imagenet": {"smoke": 4 * 2, "small": 4 * 10 + 2 * 10, "medium": 4 * 5 * 3, "paper": 4 * 5 * 2},
    "overlapping_pooling": {"smoke": 2 * 2, "small": 2 * 10, "medium": 2 * 5, "paper": 2 * 5 * 2},
    # from scratch, what the fine-tuned runs start from, and longer
    "pretraining": {"smoke": 3 * 2, "small": 3 * 12, "medium": 3 * 5, "paper": 3 * 5},
    # 12 arms of 2 seeds; of these 5 at smoke scale
    "recipe_trains": {"smoke": 5 * 2, "small": 12 * 2, "medium": 12 * 2, "paper": 12 * 2},
    # 3 arms x 2 rates at smoke scale; else 3 arms x 8 rates on 3 nets, at paper scale on a fourth and 6 rates on the
    # fifth; the same again under `he`, and the fifth with biases 0
    "relu_consistently": {
        "smoke": 3 * 2,
        "small": 3 * 8 * 3,
        "paper": (3 * 8 * 4 + 3 * 6) * 2 + 3 * 6,
    },
    # 4 arms x 2 rates at smoke scale; else 8 arms x 8 rates, under `he` too
    "relu_input_scale": {"smoke": 4 * 2, "small": 8 * 8 * 2, "paper": 8 * 8 * 2},
    # 2 arms x 8 rates; under `he`, and on another net
    "relu_speedup": {"smoke": 2 * 2, "small": 2 * 8 * 2, "paper": 2 * 8 * 3},
    "seven_cnns": {"smoke": 3, "paper": 10 * 2},
    # one arm, looked at; at paper scale in the source's reading too
    "ten_views": {"smoke": 2, "small": 5, "medium": 5, "paper": 5 * 2},
    # one arm in 17 seeds, looked at, and the control, whose towers meet; at paper scale in the source's reading too
    "tower_specialisation": {"smoke": 2, "small": 5, "medium": 17 * 2, "paper": 17 * 3},
    # 3 arms; in the source's reading
    "two_towers": {"smoke": 3 * 2, "small": 3 * 10, "medium": 3 * 5, "paper": 3 * 5 * 2},
    # 3 arms; at half and at twice the rate
    "vgg_lrn": {"smoke": 3 * 2, "medium": 3 * 5 * 3, "paper": 3 * 5},
    # 2 arms; at half and at twice the rate; in the source's reading
    "weight_decay": {"smoke": 2 * 2, "medium": 2 * 5 * 3, "paper": 2 * 5 * 2},
}


def runs(name: str, scale: str) -> int:
    """How many runs a claim plans; none where its base is still to be chosen."""
    return 0 if FILES[name].undecided(scale) else RUNS[name].get(scale, 0)


@pytest.mark.parametrize("name", FILES)
def test_a_claim_plans_so_many_runs_at_each_scale(name: str) -> None:
    found = {scale: {want.config.id for want in wanted(FILES[name], scale, {})} for scale in FILES[name].claim.scales}
    assert {scale: len(ids) for scale, ids in found.items()} == {scale: runs(name, scale) for scale in RUNS[name]}


@pytest.mark.parametrize("scale", ["smoke", "medium", "paper"])
def test_the_papers_net_is_trained_once_for_all_claims_that_have_it_as_an_arm(scale: str) -> None:
    alone = {
        "smoke": {"bias_one"},  # a net without norms and dropout, which starts at once
        "medium": {"dropout_iterations", "seven_cnns"},  # rates that never fall; no such scale
        "paper": {"dropout_iterations", *ON_2010},  # and the other set
    }[scale]
    for seed in FILES["lrn_imagenet"].at(scale).seeds:
        few = {"recipe_trains"} if seed > 1 or scale == "smoke" else set()  # two seeds of each start
        assert planned(scale)[base("lrn_imagenet", scale, seed).id] == BASE.keys() - alone - few


def test_on_the_set_of_2010_it_is_trained_once_for_both_claims() -> None:
    for seed in range(5):
        assert planned("paper")[base("two_towers", "paper", seed).id] == ON_2010


@pytest.mark.parametrize(
    ("scale", "shared"),
    [
        # the base in 2 seeds 17 times, a third seed for both claims of averaged nets; the net without dropout, and
        # with halved outputs, in 2 seeds and four tuning runs of relu twice
        ("smoke", 2 * (17 - 1) + 1 + 2 * 2 + 4),
        # the base in 5 seeds 7 times, and in 2 once more, as the net without biases is; relu's tuning 16 three times,
        # under `he` twice; source_60 in 9 seeds 4 times and in one more 3 times; the 13pct net without norms: 10 twice
        ("small", 5 * (7 - 1) + 2 + 2 + 16 * 2 + 16 + 9 * (4 - 1) + (3 - 1) + 10),
        # the base in 5 seeds 16 times, 5 more for averaged nets and towers; at half the rate 4 times, at twice the
        # rate 3 times; a tuning run of the base twice
        ("medium", 5 * (16 - 1) + 2 + 2 + 5 + 5 * (4 - 1) + 5 * (3 - 1) + 1),  # 2 seeds of each once more for starts
        # the base in 5 seeds 13 times, in the source's reading 10 times, 5 more seeds of each 3 times; that of
        # 2010 4 and 3 times; relu's tuning 32 three times, on another net 16 twice; the base with rates divided at
        # fixed epochs 5 twice
        ("paper", 5 * (13 - 1) + 2 + 2 + 5 * (10 - 1) + 10 * (3 - 1) + 5 * (4 - 1) + 5 * (3 - 1) + 32 * 2 + 16 + 5),
    ],
)  # fmt: skip
def test_claims_of_a_scale_share_so_many_runs(scale: str, shared: int) -> None:
    assert sum(runs(name, scale) for name in RUNS) - len(planned(scale)) == shared


def test_every_claim_on_photos_names_the_arm_that_is_the_papers_net() -> None:
    assert sorted(BASE) == ON_PHOTOS


@pytest.mark.parametrize("seed", [0, 4])
def test_what_bias_one_judges_is_the_beginning_of_the_bases_runs(seed: int) -> None:
    for scale in ("small", "medium"):
        judged = base("bias_one", scale, seed)
        others = {"small": {*ON_FIRST}, "medium": BASE.keys() - {"dropout_iterations"}}[scale]  # its rates never fall
        assert {base(name, scale, seed).id for name in others} == {judged.id}
    # 30 epochs of 67 updates are the 2,000 that are recorded one by one
    assert FILES["bias_one"].at("small").train.epochs == FILES["ten_views"].at("small").train.epochs == 30


@pytest.mark.parametrize("name", ON_FIRST)
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
    own = {"bias_one": 20, "recipe_trains": 30, "dropout_iterations": 100}  # beginnings; a time of its own, below
    assert claim.train.epochs == own.get(name, 200)
    # dropout_iterations: a division of the rate would end both arms' progress at the same time
    assert claim.train.drops == ([] if name == "dropout_iterations" else [120, 170])


@pytest.mark.parametrize("name", ON_PHOTOS)
def test_paper_scale_is_the_papers_own_data_and_schedule(name: str) -> None:
    claim = FILES[name].at("paper")
    assert claim.data.kind == ("ilsvrc2010" if name in ON_2010 else "ilsvrc2012")
    assert (claim.data.stored, claim.data.crop, claim.data.held_out) == (256, 224, 10_000)
    assert (claim.model.width, claim.train.batch, claim.train.lr, claim.train.drops) == (1.0, 128, 0.01, [])
    assert claim.train.plateau == (None if name == "dropout_iterations" else 5)
    assert claim.train.epochs == (1 if name in ("bias_one", "recipe_trains") else 90)


@pytest.mark.parametrize("name", ON_PHOTOS)
def test_smoke_scale_is_a_narrow_net_on_enlarged_digits_for_two_seeds(name: str) -> None:
    claim = FILES[name].at("smoke")
    assert (claim.data.kind, claim.data.stored, claim.data.crop, claim.data.held_out) == ("digits", 96, 80, 96)
    assert (training_images(claim.data), claim.model.width, claim.train.batch) == (256, 0.0625, 32)
    averaged = name in ("ensemble", "seven_cnns")  # one more than are averaged
    assert (claim.seeds, claim.train.plateau) == ([0, 1, 2] if averaged else [0, 1], None)
    assert not FILES[name].alternatives_at("smoke")


@pytest.mark.parametrize("name", FILES)
def test_below_paper_scale_five_seeds_judge(name: str) -> None:
    for scale in FILES[name].claim.scales:
        if scale != "smoke":
            few = 2 if name == "recipe_trains" else 5  # arms are what it counts
            assert len(FILES[name].at(scale).seeds) >= few
