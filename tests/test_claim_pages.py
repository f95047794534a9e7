"""What the pages of trained claims say of scales, bases, timings and units: facts that once were printed wrongly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_report import ROOT

import repro
from repro.claim.files import ClaimFile, load_all
from repro.contents import KINDS
from repro.pages import assumptions, bases, settings, write
from repro.pages.claim import _needs, _of_other_size
from repro.pages.view import show
from repro.questions.exhibit import Exhibit
from repro.questions.learning import learning
from repro.questions.trial import Trials
from repro.questions.units import DIFFERENCE, RATE, RATIO
from repro.store import Store

FILES = {f.id: f for f in load_all([ROOT / "claims"], KINDS) if isinstance(f, ClaimFile)}
DOTTED = re.compile(r"\b(?:data|model|train|measure|rule)\.[a-z_]+ \w")
WRITTEN = ("augmentation_cost", "two_gpus_time", "two_towers", "overlapping_pooling")


@pytest.fixture(scope="module")
def trials() -> Trials:
    return Trials(Store(ROOT / "runs" / "reference").table())


@pytest.fixture(scope="module")
def exhibits(trials: Trials) -> dict[str, Exhibit]:
    return {id: show(file, "reference", trials) for id, file in FILES.items()}


@pytest.fixture(scope="module")
def pages(trials: Trials, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out: Path = tmp_path_factory.mktemp("pages")
    write([FILES[id] for id in WRITTEN], {"reference": trials}, out)
    return {id: (out / f"{id}.html").read_text() for id in WRITTEN}


def test_three_nets_are_judged_by_a_band_whose_number_is_of_five(exhibits):
    (text,) = _of_other_size(exhibits["ensemble"])
    assert {"+2.6", "5", "3"} <= set(re.findall(r"[+\d.]+\d|\d", text))
    assert not _of_other_size(exhibits["seven_cnns"])
    assert "3 nets" in FILES["ensemble"].at("small").rule.least_from()


def test_an_effect_of_another_measure_is_named_with_that_measure_and_its_unit(exhibits):
    text = assumptions.deciding(exhibits["crops_and_flips"], None)
    (other,) = (j for j in exhibits["crops_and_flips"].alternatives if j.alternative == "error")
    assert other.claim.measure.name() in text
    assert DIFFERENCE.short(other.effect.estimate) in text
    assert "0.0" not in text


def test_a_timing_has_no_base_and_what_starts_late_is_what_bias_one_measures(exhibits):
    assert not bases.sections(exhibits["augmentation_cost"])
    assert not bases.sections(exhibits["training_cost"])
    (errors,), (starts,) = (bases.sections(exhibits[id]) for id in ("crops_and_flips", "bias_one"))
    assert errors.text != starts.text


def test_what_timings_count_are_replicates(exhibits):
    for id in ("augmentation_cost", "training_cost", "two_gpus_time"):
        claim = exhibits[id].judgement.claim
        text = " ".join(claim.rule.method(claim, "small"))
        assert "replicates 0 to 4" in text
        assert "seed" not in text


@pytest.mark.parametrize("id", WRITTEN)
def test_the_call_for_a_notebook_gives_rows_wherever_there_are_runs(id, pages):
    name = re.findall(r"import repro; repro\.(\w+)\(", pages[id])[0]
    assert len(getattr(repro, name)(id)) or "not run" in pages[id]
    assert (name == "epochs") == (f"{id}.epochs.csv" in pages[id])


@pytest.mark.parametrize("id", WRITTEN)
def test_dotted_keys_of_a_scale_are_folded(id, pages):
    page = re.sub(r"(?s)<details>.*?</details>|<script.*?</script>|<dd><span class=.label.>or.*?</dd>", "", pages[id])
    scale = re.findall(r'(?s)class="small-scale">(.*?)</p>', page)[0]
    assert not DOTTED.search(re.sub("<[^>]+>", "", scale))
    assert not DOTTED.search(page[page.index('id="deviations"') : page.index('id="origins"')])


def test_a_scale_in_words_names_set_side_net_epochs_and_seeds():
    words = settings.at_scale(FILES["overlapping_pooling"], "small")
    for part in ("CIFAR-10", "24 × 24", "11 % net", "6 in place of 90 epochs", "5 to 14"):
        assert part in words
    assert "epochs" not in settings.at_scale(FILES["training_cost"], "small")
    assert settings.at_scale(FILES["ensemble"], "paper") == ""


def test_while_the_base_is_not_chosen_no_run_is_the_claims(exhibits, trials, pages):
    undecided = [id for id, exhibit in exhibits.items() if exhibit.file.undecided(exhibit.scale)]
    assert "two_towers" in undecided or not FILES["two_towers"].undecided("small")
    for id in undecided:
        judgement = exhibits[id].judgement
        assert not judgement.run_ids
        assert not {o.run for arm in judgement.arms.values() for o in arm.observations} & exhibits[id].table.keys()
    if "two_towers" in undecided:
        assert "epochs.csv" not in pages["two_towers"]
        assert 'class="run"' not in pages["two_towers"]


def test_curves_that_end_before_the_end_say_when_they_were_last_measured(exhibits):
    caption = learning(exhibits["overlapping_pooling"]).caption
    rows = next(iter(exhibits["overlapping_pooling"].judgement.arms.values())).observations[0]
    run = exhibits["overlapping_pooling"].table[rows.run]
    last = max(epoch for epoch, _ in run.series("test_error"))
    assert re.findall(r"epoch (\d+)", caption) == [f"{len(run.epochs)}", f"{last}"]
    assert "epoch" not in learning(exhibits["crops_and_flips"]).caption


def test_of_p_values_the_runs_are_counted_and_no_mean_is_formed(exhibits):
    exhibit = exhibits["tower_specialisation"]
    (arm,) = exhibit.judgement.arms.values()
    assert exhibit.judgement.claim.measure.mean(arm) is None
    assert exhibit.judgement.estimate_words in learning(exhibit).drawing.alt


def test_a_timing_of_two_towers_says_what_it_takes(exhibits):
    assert any("`--towers 2`" in need for need in _needs(exhibits["two_gpus_time"], {}))
    assert not any("towers" in need for need in _needs(exhibits["two_towers"], {}))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (RATIO.interval(6.0, 7.24), "6.00 to 7.24"),
        (RATIO.interval(3.91, 4.7), "3.91 to 4.70"),
        (RATE.interval(38.2, 43.0), "38.2 to 43.0"),
        (RATE.interval(392.1, 1404.4), "392 to 1,404"),
        (DIFFERENCE.printed(0.01), "+1 point"),
        (DIFFERENCE.size(-0.01), "-1 point"),
        (DIFFERENCE.size(0.005), "+0.5 points"),
    ],
)
def test_both_ends_have_three_digits_and_one_point_is_one(written, expected):
    assert written == expected
