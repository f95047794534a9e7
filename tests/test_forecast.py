"""What a catalogue takes on several GPUs: counted, or measured, or not known."""

from __future__ import annotations

import pytest

from repro.contents import load, load_all
from repro.engine import forecast
from repro.engine.forecast import Training
from repro.places import claims
from repro.store import Store


def trainings(claim: str) -> list[Training]:
    return forecast.trainings(load(claims() / f"{claim}.yaml"), "paper")[0]


def test_the_runs_are_every_rate_on_every_tuning_seed_and_every_arm_on_every_judging_seed():
    claim = load(claims() / "relu_speedup.yaml").at("paper")
    runs = len(claim.arms) * (len(claim.tune.rates) * len(claim.tune.on_seeds) + len(claim.seeds))
    others = ["80sec", "he"]  # the other alternatives read the same runs in another way
    assert len(trainings("relu_speedup")) == runs * (1 + len(others))
    assert len(trainings("lrn_imagenet")) == len({each.config.id for each in trainings("lrn_imagenet")})


def test_a_run_leaves_its_weights_and_velocities_in_fp32():
    (run, *_) = trainings("ten_views")
    assert forecast.forecast([run], 0, lambda config: None).bytes == pytest.approx(2 * 4 * 60_965_224, rel=0.02)


def test_hours_are_known_only_where_every_run_was_measured_on_this_device():
    runs = trainings("ten_views")
    known = forecast.forecast(runs, 0, lambda config: 36.0)
    epochs = sum(each.epochs + each.evaluations for each in runs)
    assert known.hours == pytest.approx(epochs / 100)
    assert known.unmeasured == 0
    assert forecast.forecast(runs, 0, lambda config: None).unmeasured == len(runs)
    files = [load(claims() / "ten_views.yaml")]
    assert "not known" in " ".join(forecast.lines(forecast.whole(files, "paper", lambda config: None), 2, "a GPU"))
    days = " ".join(forecast.lines(forecast.whole(files, "paper", lambda config: 36.0), 2, "a GPU"))
    assert f"{epochs / 100 / 2 / 24:.1f} days, if 2 GPUs of this kind (a GPU)" in days


def test_seconds_of_an_epoch_are_those_on_record_of_the_same_kind_of_run_and_device(tmp_path):
    table = Store(claims().parent / "runs" / "reference").table()
    run = next(run for run in table.values() if run.id in {each.config.id for each in trainings("relu_speedup")})
    config = next(each.config for each in trainings("relu_speedup") if each.config.id == run.id)
    here = forecast.recorded(table, run.sessions[-1]["device"])
    seconds = [row["seconds"] for row in run.epochs]
    assert min(seconds) / 3 < here(config) < 3 * max(seconds)
    assert here(config) == here(config.varied(12345, 0.5)), "seeds and rates cost nothing"
    assert forecast.recorded(table, "another GPU")(config) is None
    other = config.model_copy(update={"precision": "bf16"})
    assert here(other) is None


def test_every_claim_that_is_trained_has_a_forecast_at_paper_scale():
    files = [file for file in load_all([claims()]) if hasattr(file.claim, "scales") and "paper" in file.claim.scales]
    assert all(sum(map(bool, forecast.trainings(file, "paper"))) for file in files)
