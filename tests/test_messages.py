"""What people read: the sentences of verdicts, of pages and of messages. Other tests ask for facts."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.claim.files import ClaimFile
from repro.contents import advice, load
from repro.data.known import what_to_fetch
from repro.pages import power, settings
from repro.pages.belief import belief
from repro.progress import Tally
from repro.questions.judge import Judgement, highest
from repro.questions.statistics import Effect
from repro.questions.trial import Trials
from repro.store import Store

ROOT = Path(__file__).parent.parent
CLAIMS = {path.stem: load(path) for path in sorted((ROOT / "claims").glob("*.yaml"))}
TRAINED = {name: file for name, file in CLAIMS.items() if isinstance(file, ClaimFile)}
SHELF = Trials(Store(ROOT / "runs" / "reference").table())
JUDGED: dict[str, Judgement] = {
    name: found for name, file in TRAINED.items() if (found := highest(file, SHELF)) is not None
}

# (claim, estimate, low, high): its verdict's sentence
FOUND = {
    ("lrn_imagenet", 0.014, 0.01, 0.018): "The test error in ten views is 1.40 points higher with no LRN than with LRN "
    "in layers 1 and 2 (95 % interval +1.00 to +1.80, n = 5).",
    ("lrn_imagenet", -0.014, -0.018, -0.01): "The test error in ten views is 1.40 points lower with no LRN than with "
    "LRN in layers 1 and 2 (95 % interval -1.80 to -1.00, n = 5).",
    ("bias_one", 1.77, 1.5, 2.1): "With biases of 0 the net needs 1.77 times as many updates as with biases of 1 to "
    "reach a training loss of 0.9 times the chance level (mean of 50 updates) (95 % interval 1.50 to 2.10, n = 5).",
    ("relu_speedup", 6.0, 5.5, 6.5): "With tanh units the net needs 6 times as many epochs as with ReLUs to reach 25 % "
    "running training error (95 % interval 5.50 to 6.50, n = 5).",
    ("dropout_iterations", 2.0, 1.8, 2.2): "With dropout the net needs 2 times as many epochs as with no dropout to "
    "come within 0.5 points of its own lowest held-out error (95 % interval 1.80 to 2.20, n = 5).",
    ("augmentation_cost", 0.97, 0.96, 0.98): "With augmentation the net trains 0.97 times as many images/s as with no "
    "augmentation (95 % interval 0.960 to 0.980, n = 5).",
    ("training_cost", 227.0, 220.0, 235.0): "The net trains 227 images/s (95 % interval 220 to 235, n = 5).",
    ("ilsvrc2012", 0.407, 0.4, 0.414): "The test error in ten views of the net is 40.70 % (95 % interval 40.00 to "
    "41.40, n = 5).",
    ("ensemble", 0.026, 0.02, 0.03): "With 5 nets averaged, the test error in ten views is 2.60 points lower than the "
    "mean of their own errors (95 % interval +2.00 to +3.00, n = 5).",
    ("tower_specialisation", 1.0, 0.48, 1.0): "In 5 of 5 runs the towers' kernels differ in colour (p at most 0.05; "
    "95 % interval 48 to 100 % of runs).",
}


@pytest.mark.parametrize(("asked", "sentence"), FOUND.items(), ids=[name for name, *_ in FOUND])
def test_a_verdict_names_the_arms_by_their_labels(asked, sentence):
    name, estimate, low, high = asked
    claim = TRAINED[name].at("paper")
    assert claim.rule.effect_sentence(claim, Effect(claim.rule.unit, estimate, low, high, 0.95, 5, "", {})) == sentence


def test_an_effect_that_could_not_be_computed_is_told():
    for name, text in (
        ("lrn_imagenet", "No difference could be computed."),
        ("bias_one", "No ratio could be computed."),
    ):
        assert TRAINED[name].claim.rule.not_formed() == text


def test_why_nothing_is_decided_is_told():
    assert TRAINED["ilsvrc2012"].claim.rule.only() == ". Only paper scale says anything about this number"
    assert "hardly show that the sentence is true" in power.box(JUDGED["tower_specialisation"])


def test_what_may_be_believed_is_told_to_the_reader():
    assert belief(JUDGED["relu_speedup"], SHELF.table).startswith("You can believe the sentence, including its number,")
    assert belief(JUDGED["bias_one"], SHELF.table).startswith("You can believe it for Imagenette at small scale.")
    assert belief(JUDGED["lrn_cifar10"], SHELF.table).startswith(
        "You should not believe it for CIFAR-10 at small scale."
    )
    assert belief(JUDGED["dropout_average"], SHELF.table).startswith(
        "You can believe that there is no noticeable effect"
    )


def test_settings_are_told_in_words_and_in_the_papers_units():
    claim = TRAINED["pretraining"].claim
    overrides = claim.alternatives
    assert settings.in_words(overrides["same_updates"].overrides, claim) == (
        "the effect compares longer training from scratch with pre-training and fine-tuning; the paper prints no "
        "number for it"
    )
    assert settings.in_words(overrides["top5"].overrides, claim) == (
        "the measure is the top-5 test error in ten views; the number on record is +1.6 points; the band is +0.9 to "
        "+2.3 points"
    )
    claim = TRAINED["lrn_cifar10"].claim
    published = settings.in_words(claim.alternatives["published"].overrides, claim)
    assert published.endswith("the effect compares the published 13 % net with the published 11 % net")


@pytest.mark.parametrize("name", sorted(TRAINED))
def test_a_page_says_the_labels_of_arms_and_never_their_ids(name):
    page = (ROOT / "reports" / "reference" / f"{name}.html").read_text()
    file = TRAINED[name]
    for scale in file.claim.scales:
        for alternative in (None, *file.alternatives_at(scale)):
            claim = file.at(scale, alternative)
            for id, arm in claim.arms.items():
                if id in (arm.label, *claim.alternatives):
                    continue
                for printed in (f"“{id}”", f'"arm": "{id}"', f">{id}</th>", f">{id}</text>", f">{id}: "):
                    assert printed not in page, printed


def test_labels_of_arms_are_short_and_read_well_after_with():
    for name, file in TRAINED.items():
        for arm in file.claim.arms.values():
            assert len(arm.label) <= 40, (name, arm.label)
            assert arm.label[0].islower() or arm.label.split()[0].strip(",") in ("LRN", "ReLUs"), (name, arm.label)
            assert not arm.label.startswith(("with ", "without ")), (name, arm.label)


def test_progress_in_a_line():
    clock = iter([0.0, 30.0]).__next__
    tally = Tally(clock=clock)
    tally.left = 4
    of = {"run": "a", "label": "a"}
    tally.note({"event": "begin", **of, "epoch": 0, "horizon": 10})
    tally.note({"event": "update", **of, "epoch": 1, "done": 50, "total": 100, "rate": 1464.2})
    tally.note({"event": "finish", "run": "b", "label": "b", "epoch": 10, "status": "reached"})
    assert tally.words() == "1 of 4 runs, 1,464 images/s, about 84 s left"


def test_advice_on_too_few_seeds(tmp_path):
    path = tmp_path / "bias_one.yaml"
    text = (ROOT / "claims" / "bias_one.yaml").read_text()
    path.write_text(text.replace("\nseeds: [0, 1, 2, 3, 4]", "\nseeds: [0, 1, 2]"))
    (line,) = advice([load(path)])
    said = "advice: seeds: 3 seeds can give no verdict at small and medium scale; expected 5 or more"
    assert line.endswith(f":8: {said}")


def test_what_is_to_be_fetched_is_named_with_its_size_and_publisher():
    assert what_to_fetch("ilsvrc2010").startswith(
        "ILSVRC-2010 (about 150 GB, from image-net.org (ILSVRC 2010, after registration)): set REPRO_DATA to a folder"
    )
