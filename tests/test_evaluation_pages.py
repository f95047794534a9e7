"""Pages of claims on evaluations of trained nets, made without weights: words, tables, the picture."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from simulator import own

from repro.claim.files import ClaimFile, run_config
from repro.contents import load
from repro.draw.curves import Curve, means
from repro.pages import write
from repro.pages.index import TITLES
from repro.papers.alexnet2012 import figure3
from repro.questions.judge import judge
from repro.store import Store, Table

CLAIMS = Path(__file__).parent.parent / "claims"
Values = Callable[[int], dict[str, float]]


def file_of(name: str) -> ClaimFile:
    file = load(CLAIMS / f"{name}.yaml")
    assert isinstance(file, ClaimFile)
    return file


SESSION = {
    "commit": "0123456789abcdef0123456789abcdef01234567", "clean": True, "numerics": 1, "repro": "0.1.0",
    "python": "3.12.1", "torch": "2.11.0", "numpy": "2.0.0", "system": "Linux x86_64", "processor": "A processor",
    "device": "cpu", "cuda": None, "threads": 1, "tf32": False,
}  # fmt: skip


def shelf(
    root: Path,
    name: str,
    scale: str,
    values: Values,
    curves: dict | None = None,
    file: ClaimFile | None = None,
    **arrays: np.ndarray,
) -> Table:
    """The runs of a claim, each with an evaluation of these values (of the seed)."""
    store, file = Store(root), file or file_of(name)
    for alternative in (None, *file.alternatives_at(scale)):
        claim = file.at(scale, alternative)
        for seed in claim.seeds:
            config = run_config(claim, "net", seed=seed)
            evaluation = claim.measure.evaluation_of(claim, config, claim.train.epochs)
            assert evaluation is not None
            row = {"diverged": None, "test_error": 0.5, "train_error": 0.4, "seconds": 1.0, "updates": []}
            row["train_loss"] = own(config)
            rows = [row | {"epoch": epoch, "update": epoch} for epoch in range(1, claim.train.epochs + 1)]
            with store.begin(config, SESSION) as run:
                run.write("metrics.jsonl", "".join(json.dumps(r) + "\n" for r in rows).encode())
                run.finish({"status": "reached", "epoch": claim.train.epochs, "update": claim.train.epochs})
            with store.begin(evaluation, SESSION) as run:
                for array, content in arrays.items():
                    np.save(run.path / f"{array}.npy", content)
                results = {"values": values(seed), "curves": curves or {}, "seconds": 60 * own(evaluation)}
                run.finish({"status": "looked at", "epoch": claim.train.epochs, **results})
    return store.table()


def ten_views(gain: float) -> Values:
    return lambda seed: {
        "error": 0.3, "views_error": 0.3 - gain - 0.001 * seed, "gain": gain + 0.001 * seed, "won": 60 + seed,
        "lost": 20, "top5": 0.03, "views_top5": 0.025, "gain_top5": 0.005 + 0.001 * seed, "won_top5": 6,
        "lost_top5": 1, "photos": 3925,
    }  # fmt: skip


def thinned(excess: float) -> Values:
    return lambda seed: {
        "halved_error": 0.3, "geometric_error": 0.3 - excess, "arithmetic_error": 0.301, "thinned_error": 0.35,
        "excess": excess + 0.001 * (seed - 2), "excess_arithmetic": -0.001, "geometric_divergence": 0.01,
        "arithmetic_divergence": 0.02, "geometric_agrees": 0.98, "arithmetic_agrees": 0.97, "photos": 1000,
        "masks": 1000,
    }  # fmt: skip


MASKS = {
    "masks": [1.0, 10.0, 100.0, 1000.0],
    **{f"{mean}_error": [0.35, 0.32, 0.305, 0.3] for mean in ("geometric", "arithmetic")},
    **{f"{mean}_{what}": [0.2, 0.1, 0.05, 0.01] for mean in ("geometric", "arithmetic")
       for what in ("divergence", "agrees")},
}  # fmt: skip


def by_tower(p: float) -> Values:
    return lambda seed: {
        "kernels": 96, "learned": 90, "learned_1": 44, "learned_2": 46, "chroma_1": 0.12, "chroma_2": 0.71,
        "difference": 0.59, "p": p,
    }  # fmt: skip


def neighbours(gain: float) -> Values:
    return lambda seed: {
        "precision": 0.15 + gain, "pixel_precision": 0.15, "gain": gain + 0.001 * seed, "chance": 0.1,
        "pixel_rank": 0.3, "pixel_rank_median": 0.25, "shared": 0.02, "queries": 500, "gallery": 8522,
    }  # fmt: skip


PLACES = {"nearest": [1.0, 2.0], "precision": [0.6, 0.5], "pixel_precision": [0.2, 0.15], "pixel_rank": [0.3, 0.3]}


@pytest.mark.parametrize(
    ("name", "scale", "values", "word"),
    [
        ("ten_views", "small", ten_views(0.01), "agrees at small scale"),
        ("ten_views", "small", ten_views(-0.01), "disagrees at small scale"),
        ("ten_views", "paper", ten_views(0.013), "reproduced"),
        ("ten_views", "paper", ten_views(0.05), "differs"),
        ("ten_views", "paper", ten_views(-0.01), "refuted"),
        ("dropout_average", "small", thinned(0.002), "agrees at small scale"),
        ("dropout_average", "small", thinned(0.03), "disagrees at small scale"),
        ("dropout_average", "paper", thinned(0.002), "reproduced"),
        ("dropout_average", "paper", thinned(0.01), "inconclusive"),
        ("tower_specialisation", "small", by_tower(0.001), "open at small scale"),
        ("tower_specialisation", "small", by_tower(0.5), "disagrees at small scale"),
        ("tower_specialisation", "paper", by_tower(0.001), "reproduced"),
        ("tower_specialisation", "paper", by_tower(0.5), "refuted"),
        ("feature_similarity", "small", neighbours(0.3), "agrees at small scale"),
        ("feature_similarity", "paper", neighbours(0.3), "reproduced"),
    ],
)
def test_every_word_of_what_one_net_shows_is_said_where_it_is_due(tmp_path, name, scale, values, word):
    assert judge(file_of(name), scale, shelf(tmp_path, name, scale, values)).verdict.word == word


def test_sixteen_runs_of_sixteen_are_too_few_for_every_run_and_seventeen_are_enough(tmp_path):
    for n, word in ((16, "inconclusive"), (17, "reproduced")):
        file = file_of("tower_specialisation").with_seeds(n)
        table = shelf(tmp_path / str(n), "tower_specialisation", "paper", by_tower(0.001), file=file)
        assert judge(file, "paper", table).verdict.word == word


def pictured(seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    some = draw.standard_normal((96, 3, 11, 11)).astype(np.float16)
    return {"kernels": some, "new": np.linspace(0, 1, 96).astype(np.float32), "chroma": np.ones(96, np.float32)}


def pages(root: Path, name: str, scale: str, values: Values, curves: dict | None = None, **arrays: np.ndarray) -> str:
    table = shelf(root / "runs", name, scale, values, curves, **arrays)
    write([file_of(name)], {"reference": table}, root / "out")
    return (root / "out" / f"{name}.html").read_text()


def test_a_net_evaluated_in_two_ways_has_mcnemars_p_on_its_page(tmp_path):
    from scipy.stats import binomtest

    page = pages(tmp_path, "ten_views", "small", ten_views(0.01))
    assert "One view and ten views</h2>" in page
    assert "McNemar’s p" in page
    assert binomtest(20, 80).pvalue < 0.0001  # of the first seed's errors
    assert page.count(">&lt; 0.0001<") == 5  # and of the other seeds', which gain more
    assert f">{binomtest(1, 7).pvalue:.2g}<" in page  # of its top-5 errors
    assert "5 evaluations" in page
    on = json.loads((tmp_path / "out" / "ten_views.json").read_text())
    assert len(on["evaluations"]) == 5
    assert {e["options"]["kind"] for e in on["evaluations"].values()} == {"ten_views"}
    judged = on["judgement"]["arms"]["net"]["judged"]
    assert {observation["evaluation"] for observation in judged} == set(on["evaluations"])
    assert [observation["value"] for observation in judged] == pytest.approx([0.01, 0.011, 0.012, 0.013, 0.014])


def test_thinned_nets_are_drawn_and_listed_by_their_number(tmp_path):
    page = pages(tmp_path, "dropout_average", "small", thinned(0.002), MASKS)
    assert "averages of the first k thinned nets" in page
    assert "reference-net-evaluation-masks-wide-title" in page
    assert re.search(r"1,000 thinned nets, 1,000 test photos", page)


def test_neighbours_are_listed_by_place(tmp_path):
    page = pages(tmp_path, "feature_similarity", "small", neighbours(0.3), PLACES)
    assert "500 test photos" in page
    assert "8,522 training photos" in page
    assert "by rank of the neighbour" in page


def test_kernels_are_drawn_on_a_page_of_at_most_300_kB_and_alike_every_time(tmp_path):
    page = pages(tmp_path, "tower_specialisation", "small", by_tower(0.001), **pictured())
    again = pages(tmp_path / "again", "tower_specialisation", "small", by_tower(0.001), **pictured())
    assert page == again
    assert len(page) < 300_000
    images = re.findall(r'<img src="data:image/png;base64,([^"]+)" width="(\d+)" height="(\d+)" alt="([^"]+)"', page)
    assert len(images) == 3, "the first three seeds"
    image = Image.open(io.BytesIO(base64.b64decode(images[0][0])))
    assert (3 * image.width, 3 * image.height) == (int(images[0][1]), int(images[0][2]))
    assert "tower 1 above, with a mean chroma share of 0.12, and tower 2 below, 0.71" in images[0][3]
    arrays = pictured()
    assert np.array_equal(
        np.asarray(image), figure3.arrange(arrays["kernels"].astype(np.float64), arrays["new"] >= 0.1)
    )


def test_each_kernel_stands_in_its_towers_rows_on_its_own_contrast_and_what_is_noise_is_faint():
    plain = np.zeros((8, 3, 2, 2))
    plain[:, 0] = np.arange(1, 9)[:, None, None]  # red, eight sizes
    out = figure3.arrange(plain, np.array([True] * 7 + [False]))
    rows, columns = out.shape[:2]
    assert (rows, columns) == (2 + figure3.GAP + 2 + figure3.TOWER_GAP, 4 * 2 + 3 * figure3.GAP)
    assert (out[0, 0] == [255, 128, 128]).all(), "the largest value of each is full contrast"
    assert (out[-1, 0] == [255, 128, 128]).all(), "tower 2 below"
    assert (out[-1, -1] == [160, 128, 128]).all(), "128 + 127 / 4"
    assert (out[2 : 2 + figure3.TOWER_GAP] == figure3.GREY).all()


def test_the_mean_of_an_arms_curves_is_drawn_at_the_times_that_all_its_seeds_have():
    short, long = ((1.0, 0.8), (2.0, 0.5)), ((1.0, 0.6), (2.0, 0.4), (3.0, 0.3))
    curves = [Curve("relu", 0, short, None), Curve("relu", 1, long, None), Curve("tanh", 0, long, None)]
    assert means(curves) == [
        {"arm": "relu", "epoch": 1.0, "value": 0.7},
        {"arm": "relu", "epoch": 2.0, "value": 0.45},
    ]


def test_evaluated_nets_of_several_arms_stand_under_one_heading_each_table_with_its_arm():
    page = (CLAIMS.parent / "reports" / "reference" / "lrn_cifar10.html").read_text()
    assert page.count("One view and ten views</h2>") == 1
    for arm in file_of("lrn_cifar10").at("small").arms.values():
        assert page.count(f">With {arm.label}: errors of each net in the centre view and in ten views averaged") == 1


def test_the_index_has_what_agrees_with_no_effect_and_what_disagrees_in_groups_of_their_own(tmp_path):
    def groups(folder):
        return re.findall(r'<tbody data-group="([^"]+)">', (folder / "out" / "index.html").read_text())

    pages(tmp_path, "dropout_average", "small", thinned(0.002), MASKS)
    assert groups(tmp_path) == [TITLES["agrees below paper scale"]]
    pages(tmp_path / "other", "tower_specialisation", "small", by_tower(0.5), **pictured())
    assert groups(tmp_path / "other") == [TITLES["disagrees below paper scale"]]
