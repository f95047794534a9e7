"""Crops, reflections and colour noise against plain slices and numpy, in both readings."""

import numpy as np
import pytest
import torch

from repro.data.augment import (
    SHARED,
    Draws,
    both_ways,
    components,
    crop_by_gather,
    crop_by_slices,
    draw,
    ten_views,
)
from repro.data.photos.maps import sums_of


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(images: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (images, size, size, 3), dtype=np.uint8)


def every(border: int, readings: int) -> list[tuple[int, int, bool]]:
    return [(y, x, m) for y in range(readings) for x in range(readings) for m in (False, True)]


# Crops


def gathered(pixels, rows, draws, size, mean, per_offset):
    return crop_by_gather(pixels, rows, draws, both_ways(size), mean, per_offset)


WAYS = {"by slices": crop_by_slices, "by a gather": gathered}


def mean_of(size: int) -> torch.Tensor:
    return torch.rand(size, size, 3, generator=generator(12)) * 255


def plain(photo: np.ndarray, mean: np.ndarray, view: tuple[int, int, bool], size: int, per_offset: bool) -> np.ndarray:
    """One crop less the mean image as numpy makes it."""
    y, x, mirrored = view
    part, middle = (slice(y, y + size), slice(x, x + size)), slice((len(mean) - size) // 2, (len(mean) + size) // 2)
    image, means = photo[part].astype(np.float32), mean[part] if per_offset else mean[middle, middle]
    if mirrored:
        image, means = image[:, ::-1], means[:, ::-1] if per_offset else means
    return image - means


@pytest.mark.parametrize("per_offset", [True, False])
@pytest.mark.parametrize(("stored", "size"), [(12, 8), (10, 6), (8, 8), (7, 1)])
@pytest.mark.parametrize("way", WAYS)
def test_every_offset_and_reflection_is_the_plain_slice(way, stored, size, per_offset):
    photos, mean = pixels(3, stored), mean_of(stored)
    views = every(stored - size, stored - size + 1)
    y, x, mirrored = (torch.tensor(values) for values in zip(*views, strict=True))
    for row, photo in enumerate(photos):
        rows = torch.full((len(views),), row)
        found = WAYS[way](torch.from_numpy(photos), rows, Draws(y, x, mirrored), size, mean, per_offset)
        assert found.is_contiguous()
        assert found.dtype == torch.float32
        for one, view in zip(found.numpy(), views, strict=True):
            assert np.array_equal(one, plain(photo, mean.numpy(), view, size, per_offset))


@pytest.mark.parametrize("way", WAYS)
def test_offsets_of_the_real_size_are_the_plain_slice(way):
    photos, mean = pixels(1, 256), mean_of(256)
    views = every(32, 33)
    assert len(views) == 2178
    views = views[::9] + views[-1:]  # all of them would take half a minute
    for lo in range(0, len(views), 99):
        y, x, mirrored = (torch.tensor(values) for values in zip(*views[lo : lo + 99], strict=True))
        rows = torch.zeros(len(y), dtype=torch.long)
        found = WAYS[way](torch.from_numpy(photos), rows, Draws(y, x, mirrored), 224, mean, True)
        for one, view in zip(found.numpy(), views[lo:], strict=False):
            assert np.array_equal(one, plain(photos[0], mean.numpy(), view, 224, True))


# Draws


@pytest.mark.parametrize(("reading", "factor", "highest"), [("paper", 2048, 31), ("source", 2178, 32)])
def test_the_paper_s_2048_and_the_source_s_2178_outcomes_all_happen_and_no_other(reading, factor, highest):
    shared = SHARED if reading == "source" else 1
    drawn = draw(shared * 40_000, generator(1), border=32, crops=reading)
    y, x, m = drawn.y[::shared], drawn.x[::shared], drawn.mirrored[::shared]
    found = set(zip(y.tolist(), x.tolist(), m.tolist(), strict=True))
    assert found == {(a, b, f) for a in range(highest + 1) for b in range(highest + 1) for f in (False, True)}
    assert len(found) == factor
    counts = torch.bincount((y * 64 + x) * 2 + m).double()
    expected = 40_000 / factor
    squares = ((counts[counts > 0] - expected) ** 2).sum() / expected
    assert abs(float(squares) - (factor - 1)) < 5 * (2 * factor) ** 0.5  # chi squared of as many outcomes, 5 deviations


def test_in_the_source_s_reading_32_consecutive_images_share_a_draw_and_in_the_paper_s_none():
    drawn = draw(1000, generator(2), border=32, crops="source")
    assert len(drawn.y) == 1000
    triples = torch.stack([drawn.y, drawn.x, drawn.mirrored.long()], 1)
    for lo in range(0, 1000, 32):
        assert len(triples[lo : lo + 32].unique(dim=0)) == 1
    firsts = triples[::32]
    assert len(firsts.unique(dim=0)) >= 30  # of 32 groups
    alone = draw(1000, generator(2), border=32, crops="paper")
    assert len(torch.stack([alone.y, alone.x], 1)[:32].unique(dim=0)) > 25


def test_small_images_are_cropped_at_every_offset_each_for_itself():
    drawn = draw(16_200, generator(7), border=8, crops="all")
    triples = torch.stack([drawn.y, drawn.x, drawn.mirrored.long()], 1)
    # source.md 3.1: randint(0, 9) for each side and a flip
    assert len(triples.unique(dim=0)) == 9 * 9 * 2
    assert len(triples[:32].unique(dim=0)) > 20


@pytest.mark.parametrize(("border", "paper", "source"), [(18, 648, 722), (4, 32, 50), (0, 2, 2), (1, 2, 8)])
def test_other_sizes_have_their_own_factor(border, paper, source):
    expected = {("paper", True): paper, ("source", True): source, ("paper", False): paper // 2, ("none", True): 2}
    for (reading, mirror), factor in expected.items():
        drawn = draw(32 * 8000, generator(3), border=border, crops=reading, mirror=mirror)
        seen = torch.stack([drawn.y, drawn.x, drawn.mirrored.long()], 1).unique(dim=0)
        assert len(seen) == factor


def test_without_crops_the_centre_is_taken_and_without_reflections_none_is():
    drawn = draw(50, generator(4), border=5, crops="none", mirror=False)
    assert set(drawn.y.tolist()) == set(drawn.x.tolist()) == {2}
    assert not drawn.mirrored.any()
    assert draw(50, generator(4), border=5, crops="none").mirrored.float().mean() not in (0.0, 1.0)


def test_the_same_generator_draws_the_same_and_noise_moves_no_crop():
    of = components(*sums_of(pixels(9, 8), np.arange(9)), 9)
    one, same = (draw(100, generator(5), border=32) for _ in range(2))
    noisy = draw(100, generator(5), border=32, colour="source", of=of)
    for other in (same, noisy):
        assert torch.equal(one.y, other.y)
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.mirrored, other.mirrored)
    assert not torch.equal(one.y, draw(100, generator(6), border=32).y)


@pytest.mark.parametrize("colour", ["source", "paper", "none"])
def test_draws_come_back_from_whole_numbers(colour):
    of = components(*sums_of(pixels(9, 8), np.arange(9)), 9)
    drawn = draw(10, generator(7), border=32, colour=colour, of=of)
    some = torch.tensor([7, 0, 3])
    back = drawn.from_words(drawn.words()[some])
    for name in ("y", "x", "mirrored"):
        assert getattr(back, name).tolist() == getattr(drawn, name)[some].tolist()
    assert back.divisor == drawn.divisor
    assert (back.shift is None) == (colour == "none")
    assert colour == "none" or torch.equal(back.shift, drawn.shift[some])


# Colour


def tinted(images: int = 40, size: int = 8) -> np.ndarray:
    """Pixels whose channels vary together, as in photos."""
    draw = np.random.default_rng(8)
    mixed = draw.normal(size=(images, size, size, 3)) @ np.array([[60, 55, 50], [20, 0, -20], [4, -8, 4]])
    return (mixed + 120).clip(0, 255).astype(np.uint8)


def test_components_are_numpy_s_of_the_pixels():
    x = tinted()
    of = components(*sums_of(x, np.arange(len(x))), len(x))
    variances, vectors = np.linalg.eigh(np.cov(x.reshape(-1, 3).T.astype(float), bias=True))
    assert np.allclose(of.variances, variances, rtol=1e-10)
    assert np.allclose(np.abs((of.vectors * vectors).sum(0)), 1, atol=1e-10)  # the same up to the sign
    assert (of.vectors[np.abs(of.vectors).argmax(0), range(3)] > 0).all()
    assert of.variances[0] < of.variances[1] < of.variances[2]


@pytest.mark.parametrize("reading", ["paper", "source"])
def test_the_noise_has_the_deviation_of_its_formula_along_each_component(reading):
    x = tinted()
    of = components(*sums_of(x, np.arange(len(x))), len(x))
    drawn = draw(200_000, generator(9), border=32, colour=reading, of=of)
    along = drawn.shift.double().numpy() @ of.vectors
    if reading == "paper":  # alpha ~ N(0, 0.1) times the eigenvalue on [0, 1], back on 0..255
        unit = np.linalg.eigvalsh(np.cov(x.reshape(-1, 3).T / 255, bias=True))
        expected = 0.1 * unit * 255
    else:
        expected = 0.1 * np.sqrt(of.variances)
    assert np.allclose(along.std(0), expected, rtol=0.01)
    assert np.abs(np.corrcoef(along.T) - np.eye(3)).max() < 0.01
    assert np.abs(along.mean(0) / expected).max() < 0.01
    assert drawn.divisor == (1.0 if reading == "paper" else 1.1)


def test_the_source_s_eigenvalues_give_the_noise_that_its_notes_give():
    """source.md 1, 19: deviations 19.7208, 37.0939, 121.7801 make 12.2 grey levels, the printed formula 5.8."""
    from repro.data.augment import Components

    of = Components(np.array([19.7208, 37.0939, 121.7801]) ** 2, np.eye(3))
    source = draw(100_000, generator(10), border=0, colour="source", of=of).shift[:, 2].std()
    paper = draw(100_000, generator(10), border=0, colour="paper", of=of).shift[:, 2].std()
    assert float(source) == pytest.approx(12.2, rel=0.01)
    assert float(paper) == pytest.approx(5.8, rel=0.01)


def test_an_even_set_has_no_noise():
    x = np.full((4, 8, 8, 3), 77, dtype=np.uint8)
    of = components(*sums_of(x, np.arange(4)), 4)
    assert (draw(10, generator(11), border=0, colour="source", of=of).shift == 0).all()


# Views


def test_the_ten_views_stand_in_the_source_s_order():
    five = [(0, 0), (0, 32), (16, 16), (32, 0), (32, 32)]
    assert ten_views(32) == [(*at, False) for at in five] + [(*at, True) for at in five]
