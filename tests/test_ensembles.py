"""Nets averaged: their error by hand, and a jackknife held to closed formulas and to a simulation."""

from __future__ import annotations

import json
from itertools import combinations
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pytest
import torch
from error_rates import observed
from scipy.stats import t as student
from simulator import PROVENANCE, own

from repro.claim.files import ClaimFile, SpecError, run_config
from repro.contents import load
from repro.questions import ensembles
from repro.questions.judge import judge
from repro.questions.statistics import ensemble, exact_interval, mcnemar
from repro.store import DamagedRun, Run, Store, ranks, without_damage
from repro.train.testing import rank

CLAIMS = Path(__file__).parent.parent / "claims"


def test_for_a_mean_the_jackknife_over_all_ensembles_is_students_interval():
    values = [0.41, 0.38, 0.44, 0.40, 0.39, 0.43, 0.37]
    effect = ensemble(observed(values), 5, lambda members: fmean(values[i] for i in members), 0.95, "difference")
    assert effect is not None
    half = student.ppf(0.975, 6) * stdev(values) / sqrt(7)
    assert effect.estimate == pytest.approx(fmean(values))
    assert (effect.low, effect.high) == pytest.approx((fmean(values) - half, fmean(values) + half))
    assert effect.n == 7


def test_for_the_variance_of_pairs_it_is_the_known_jackknife_of_a_variance():
    """(x - y)^2 / 2 over all pairs is s^2; leaving one out gives s^2 of the rest."""
    values = [1.0, 3.0, 2.0, 7.0, 4.0, 6.0]
    effect = ensemble(observed(values), 2, lambda m: (values[m[0]] - values[m[1]]) ** 2 / 2, 0.9, "difference")
    assert effect is not None
    assert effect.estimate == pytest.approx(stdev(values) ** 2)
    without = [stdev(values[:i] + values[i + 1 :]) ** 2 for i in range(6)]
    error = sqrt(5 / 6 * sum((v - fmean(without)) ** 2 for v in without))
    assert effect.high - effect.low == pytest.approx(2 * student.ppf(0.95, 5) * error)


def test_the_interval_holds_the_expected_gain_about_as_often_as_it_says():
    """Nets whose gain is curved in them: (mean of five)^2 against the mean of squares, of normal draws; the expected
    gain is 1 - 1/5. A nominal 95 % covers 88 to 99 % at ten seeds."""
    draw, covered = np.random.default_rng(0), 0
    for _ in range(150):
        x = draw.standard_normal(10) + 2
        squares, sums = x**2, x

        def gain(m: tuple[int, ...], squares: np.ndarray = squares, sums: np.ndarray = sums) -> float:
            return float(squares[list(m)].mean() - sums[list(m)].mean() ** 2)

        effect = ensemble(observed(list(x)), 5, gain, 0.95, "difference")
        assert effect is not None
        covered += effect.low <= 0.8 <= effect.high
    assert 0.85 <= covered / 150 <= 0.995


def test_with_no_seed_to_leave_out_there_is_no_interval():
    assert ensemble(observed([0.1] * 5), 5, lambda m: 0.1, 0.95, "difference") is None


def test_answers_are_averaged_and_of_equal_shares_the_lower_class_leads():
    a = np.array([[0.6, 0.4, 0.0], [0.1, 0.2, 0.7], [0.5, 0.5, 0.0]], np.float32)
    labels = np.array([1, 2, 1], np.uint16)
    assert ensembles.error(a, labels, 1) == pytest.approx(2 / 3)
    assert ensembles.error(a, labels, 2) == 0
    assert ensembles.error(a + np.array([[0, 1, 0]] * 3, np.float32), labels, 1) == pytest.approx(1 / 3)


def test_answers_that_are_no_numbers_are_wrong_as_in_training():
    shares, labels = np.array([[0.2, np.nan, 0.3], [np.nan] * 3, [0.2, 0.3, np.nan]], np.float32), np.array([1, 0, 1])
    assert ranks(shares, labels).tolist() == rank(torch.tensor(shares), torch.tensor(labels)).tolist() == [3, 3, 0]
    assert ensembles.error(shares, labels, 1) == pytest.approx(2 / 3)


def test_exact_intervals_and_mcnemars_p_are_the_binomials():
    from scipy.stats import binomtest

    for count, n in ((0, 5), (5, 5), (6, 6), (3, 10)):
        expected = binomtest(count, n).proportion_ci(0.95, "exact")
        assert exact_interval(count, n, 0.95) == pytest.approx((expected.low, expected.high))
    assert exact_interval(5, 5, 0.95)[0] == pytest.approx(0.025 ** (1 / 5))
    for won, lost in ((20, 10), (0, 6), (7, 7), (3, 0)):
        assert mcnemar(won, lost) == pytest.approx(binomtest(won, won + lost).pvalue)
    assert mcnemar(0, 0) == 1


def shelf(root: Path, file: ClaimFile, scale: str, photos: int = 200) -> dict[str, Run]:
    """Nets that know the class of every photo but for noise of their own, evaluated in ten views."""
    store, claim, labels = Store(root), file.at(scale), np.arange(photos) % 10
    for seed in claim.seeds:
        config = run_config(claim, "net", seed=seed)
        evaluation = claim.measure.evaluation_of(claim, config, claim.train.epochs)
        assert evaluation is not None
        shares = 0.25 * np.eye(10)[labels] + np.random.default_rng(seed).dirichlet(np.ones(10), photos)
        shares = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
        row = {
            "diverged": None,
            "train_loss": own(config),
            "train_error": 0.5,
            "test_error": 0.5,
            "seconds": 1.0,
            "updates": [],
        }
        rows = [row | {"epoch": epoch, "update": epoch} for epoch in range(1, claim.train.epochs + 1)]
        with store.begin(config, PROVENANCE) as run:
            run.write("metrics.jsonl", "".join(json.dumps(r) + "\n" for r in rows).encode())
            run.finish({"status": "reached", "epoch": claim.train.epochs, "update": claim.train.epochs})
        with store.begin(evaluation, PROVENANCE) as run:
            for name, array in (("shares", shares), ("labels", labels.astype(np.uint16))):
                np.save(run.path / f"{name}.npy", array)
            values = {"views_error": ensembles.error(shares, labels, 1), "views_top5": 0.0}
            rest = {"curves": {}, "seconds": own(evaluation)}
            run.finish({"status": "looked at", "epoch": claim.train.epochs, "values": values} | rest)
    return store.table()


@pytest.fixture(scope="module")
def of_five() -> ClaimFile:
    file = load(CLAIMS / "ensemble.yaml")
    assert isinstance(file, ClaimFile)
    return file


def test_nets_that_err_apart_gain_by_being_averaged_at_every_scale(of_five, tmp_path):
    words = {"small": "agrees at small scale", "medium": "agrees at medium scale", "paper": "differs"}
    for scale, word in words.items():
        judgement = judge(of_five, scale, shelf(tmp_path / scale, of_five, scale))
        assert judgement.verdict.word == word
        assert judgement.effect is not None
        claim = of_five.at(scale)
        assert judgement.effect.n == len(claim.seeds)
        assert list(judgement.effect.per_seed) == claim.seeds
        assert judgement.effect.estimate == pytest.approx(fmean(judgement.effect.per_seed.values()))
        assert f"{claim.rule.size} nets averaged" in judgement.verdict.sentence


def test_answers_for_other_photos_are_not_averaged(of_five, tmp_path):
    table = shelf(tmp_path, of_five, "small")
    one = next(run for run in table.values() if run.is_evaluation)
    np.save(one.path / "labels.npy", np.zeros(200, np.uint16))
    with pytest.raises(DamagedRun) as damage:
        judge(of_five, "small", table)
    assert (damage.value.violation.file, damage.value.violation.value) == ("labels.npy", "other photos")
    without = without_damage(table, lambda table: judge(of_five, "small", table))
    assert without.verdict.word == "not run"


def test_an_ensemble_needs_a_seed_to_leave_out_and_ten_views(tmp_path):
    text = (CLAIMS / "ensemble.yaml").read_text()
    for old, new, says in (
        ("smoke: {seeds: [0, 1, 2], rule.size: 2}", "smoke: {rule.size: 2}", "needs 3"),
        ("metric: views_error", "metric: test_error", "an ensemble averages answers in ten views"),
    ):
        assert old in text
        (tmp_path / "ensemble.yaml").write_text(text.replace(old, new))
        with pytest.raises(SpecError) as refused:
            load(tmp_path / "ensemble.yaml")
        assert says in str(refused.value)


def test_the_page_states_the_error_of_the_nets_averaged(of_five):
    root, claim = CLAIMS.parent, of_five.at("small")
    evaluations = [
        claim.measure.evaluation_of(claim, run_config(claim, "net", seed=seed), claim.train.epochs)
        for seed in claim.seeds
    ]
    paths = [root / "runs" / "reference" / evaluation.id for evaluation in evaluations if evaluation]
    shares, labels = [np.load(path / "shares.npy") for path in paths], np.load(paths[0] / "labels.npy")
    errors = [
        np.mean(np.sum([shares[i].astype(np.float64) for i in members], 0).argmax(1) != labels)
        for members in combinations(range(len(paths)), claim.rule.size)
    ]
    page = (root / "reports" / "reference" / "ensemble.html").read_text()
    assert f'>average of 3 nets</th><td class="number">{100 * fmean(errors):.2f}' in page
