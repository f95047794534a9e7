"""lrn_cifar10: the published nets and the fair comparison beside them, and alternatives with arms of their own."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import pytest
import yaml

from repro import contents
from repro.claim.config import RunConfig, RunModel
from repro.claim.evaluation import Options
from repro.claim.files import ClaimFile, SpecError, run_config
from repro.cli import main
from repro.contents import load
from repro.nets import tables
from repro.questions.plan import wanted

CLAIM = Path(__file__).parent.parent / "claims" / "lrn_cifar10.yaml"


@pytest.fixture(scope="module")
def file() -> ClaimFile:
    loaded = load(CLAIM)
    assert isinstance(loaded, ClaimFile)
    return loaded


def runs(file: ClaimFile, scale: str, alternative: str | None = None, seed: int = 0) -> dict[str, RunConfig]:
    claim = file.at(scale, alternative)
    return {arm: run_config(claim, arm, seed=seed) for arm in claim.arms}


def rows(model: RunModel) -> tuple[tables.Row, ...]:
    return contents.rows(model.kind, classes=10, **model.model_dump(exclude={"kind", "init"}))


def test_the_four_arms_differ_in_norms_and_maps_alone(file):
    for scale in ("small", "paper"):
        cells = runs(file, scale)
        assert list(cells) == ["none_32", "both_32", "none_64", "both_64"]
        rest = {(c.data.model_dump_json(), c.train.model_dump_json(), str(c.model.init)) for c in cells.values()}
        assert len(rest) == 1
        found = {
            arm: (
                next(row.maps for row in rows(cell.model) if getattr(row, "name", "") == "local3"),
                sum(isinstance(row, tables.CrossMapNorm) for row in rows(cell.model)),
            )
            for arm, cell in cells.items()
        }
        assert found == {"none_32": (32, 0), "both_32": (32, 2), "none_64": (64, 0), "both_64": (64, 2)}


def test_the_published_nets_are_the_tables_of_13_and_11_percent_with_their_own_decays_and_schedules(file):
    found = runs(file, "paper", "published")
    for arm, kind, fold_in, drops in (
        ("net_13pct", "cuda_convnet_conv_local_13pct", 100, [140, 150]),
        ("net_11pct", "cuda_convnet_conv_local_11pct", 350, [500, 510]),
    ):
        published, model, train = contents.rows(kind, classes=10), found[arm].model, found[arm].train
        ours = rows(model)
        # decays are the rule's, not the table's
        assert [row for row in ours if not isinstance(row, tables.Dense)] == [
            row for row in published if not isinstance(row, tables.Dense)
        ]
        weighted = tables.weighted(published)
        assert train.weight_decay == {row.name: row.decay for row in weighted}
        assert model.init == {row.name: row.std for row in weighted}
        assert (train.fold_in, train.drops) == (fold_in, drops)
        assert (train.lr, train.bias_lr, train.momentum, train.batch) == (0.001, 2.0, 0.9, 128)
    wants = wanted(file, "paper", {}, ["published"])
    assert {want.config.model.norms: want.epochs for want in wants} == {"none": 160, "both": 520}
    assert all(want.evaluation.options == Options(kind="ten_views") for want in wants)


def test_the_published_net_of_13_percent_is_an_arm_of_the_fair_comparison(file):
    assert runs(file, "paper", "published", 3)["net_13pct"].id == runs(file, "paper", None, 3)["none_32"].id


def test_maps_as_published_are_no_edit(file):
    cells = runs(file, "paper")
    assert "maps" not in cells["both_64"].model.options
    assert cells["both_32"].model.options["maps"] == {"local3": 32}


def test_images_are_those_of_the_cropped_provider(file):
    data = runs(file, "paper")["both_64"].data
    assert (data.stored, data.crop, data.crops, data.mirror, data.mean) == (32, 24, "all", True, "centre")
    assert (data.scale, data.colour, data.held_out) == ("raw", "none", 10_000)


def test_small_scale_is_the_whole_training_set_for_a_few_epochs_without_folding(file):
    config = runs(file, "small")["both_64"]
    assert (config.data.held_out, config.train.fold_in, config.train.drops) == (0, None, [5])
    assert file.at("small").train.epochs == 6
    assert len({want.config.id for want in wanted(file, "small", {})}) == 20, "alternatives look at the same runs"


def test_the_band_is_the_paper_s_two_points_with_seeds_and_rounding(file):
    half = 1.96 * sqrt(2 * 0.25**2 + 2 / 12)
    assert file.claim.rule.within == pytest.approx([0.01, round((2 + half) / 100, 3)])
    assert (2 - half) / 100 < 0.01 == file.claim.rule.smallest, "half of the printed points bears the sentence out"


# Alternatives with arms of their own, and other mistakes


def mistaken(tmp_path: Path, change) -> str:
    text = yaml.safe_load(CLAIM.read_text())
    change(text)
    path = tmp_path / CLAIM.name
    path.write_text(yaml.safe_dump(text, sort_keys=False))
    with pytest.raises(SpecError) as caught:
        load(path)
    return str(caught.value)


def published(text: dict) -> dict:
    return text["assumptions"][0]["alternatives"]["published"]


def test_a_wrong_key_in_an_alternative_s_own_arm_is_refused(tmp_path):
    said = mistaken(tmp_path, lambda text: published(text)["arms"]["net_11pct"].update({"train.foldin": 3}))
    assert "arm net_11pct: train.foldin: not a known key; did you mean train.fold_in?" in said
    said = mistaken(tmp_path, lambda text: published(text)["arms"]["net_11pct"].update({"seeds": [3]}))
    assert "arm net_11pct: seeds: an arm overrides data, model, train, precision or start only" in said


def test_an_alternative_s_own_arms_differ_in_what_varies_alone(tmp_path):
    said = mistaken(tmp_path, lambda text: published(text)["varies"].remove("train.epochs"))
    assert "alternative published: varies: the arms differ in train.epochs too" in said
    said = mistaken(tmp_path, lambda text: published(text).pop("rule.of"))
    assert "alternative published: arms: " not in said
    assert "rule.of: no arm none_32" in said


def test_show_knows_the_arms_of_an_alternative(capsys):
    asked = ["show", str(CLAIM), "--scale", "paper", "--alternative", "published", "--arm"]
    with pytest.raises(SystemExit, match="0"):
        main([*asked, "net_11pct"])
    shown = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines())
    assert (shown["train.epochs"], shown["train.fold_in"]) == ("520", "350")
    with pytest.raises(SystemExit, match="2"):
        main([*asked, "none_32"])
    assert "--arm none_32" in capsys.readouterr().err


def test_maps_of_no_hidden_layer_are_refused(tmp_path):
    said = mistaken(tmp_path, lambda text: text["arms"]["both_32"].update({"model.maps.local5": 3}))
    assert "model.maps.local5: no such hidden layer; did you mean local4?" in said
    said = mistaken(tmp_path, lambda text: text["arms"]["both_32"].update({"model.norms": "scale only"}))
    assert "model.norms: found 'scale only'; expected both or none or first" in said


def test_folding_in_needs_held_out_images_and_no_plateau(tmp_path):
    said = mistaken(tmp_path, lambda text: text["data"].pop("held_out"))
    assert "train.fold_in: there are no held-out images to fold in" in said
    said = mistaken(tmp_path, lambda text: text["train"].update(plateau=5, drops=[]))
    assert "train.fold_in: stands beside train.plateau" in said
