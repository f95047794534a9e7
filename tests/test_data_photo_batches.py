"""Batches of photos: exact pixels against numpy, the same bits resident and streamed, ten views in order."""

import numpy as np
import pytest
import torch
from small_photos import as_folders, load, make
from small_training import minibatches

from repro.data.augment import Draws, draw
from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.data.photos.maps import Photos, from_images
from repro.data.photos.stream import stream
from repro.data.sets import load as load_images

STORED, CROP = 20, 16  # a border of 4


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Photos:
    root = tmp_path_factory.mktemp("photos")
    return load(as_folders(make(train=9, test=3), root / "photos"), root / "cache", size=STORED, held_out=5)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plain(stored: np.ndarray, mean: np.ndarray, y: int, x: int, mirrored: bool, per_offset: bool) -> np.ndarray:
    """One crop as numpy makes it, [3, CROP, CROP] float32."""
    cut = slice(y, y + CROP), slice(x, x + CROP)
    middle = slice((STORED - CROP) // 2, (STORED + CROP) // 2)
    photo, its_mean = stored[cut].astype(np.float32), mean[cut]
    if mirrored:
        photo, its_mean = photo[:, ::-1], its_mean[:, ::-1]
    return (photo - (its_mean if per_offset else mean[middle, middle])).transpose(2, 0, 1)


def mean_of(photos: Photos) -> np.ndarray:
    return photos.train_x[photos.train].astype(np.float64).mean(0).astype(np.float32)


@pytest.mark.parametrize("mean", ["per_offset", "centre"])
@pytest.mark.parametrize("reading", ["paper", "source"])
def test_training_batches_are_the_crops_that_were_drawn_less_the_mean(photos, reading, mean):
    batches = PhotoBatches(photos, device="cpu", size=CROP, crops=reading, mean=mean)
    drawn = batches.draw(generator())
    assert len(drawn.y) == len(batches) == 22
    index = torch.tensor([3, 0, 21, 7])
    x, y = batches.train(index, Draws(drawn.y[:4], drawn.x[:4], drawn.mirrored[:4]))
    assert x.dtype == torch.float32
    assert x.shape == (4, 3, CROP, CROP)
    assert x.is_contiguous(memory_format=torch.channels_last)
    for i, of in enumerate(index.tolist()):
        row = photos.train[of]
        assert int(y[i]) == photos.train_y[row]
        at = int(drawn.y[i]), int(drawn.x[i]), bool(drawn.mirrored[i])
        assert np.array_equal(x[i].numpy(), plain(photos.train_x[row], mean_of(photos), *at, mean == "per_offset"))


def test_colour_noise_is_added_after_the_mean_and_the_source_divides_by_1_1(photos):
    index = torch.arange(22)
    for reading, divisor in (("paper", 1.0), ("source", 1.1)):
        noisy = PhotoBatches(photos, device="cpu", size=CROP, crops=reading, colour=reading)
        drawn = noisy.draw(generator())
        quiet = noisy.draw(generator(), colour=False)
        assert quiet.shift is None
        assert torch.equal(drawn.y, quiet.y)
        x, without = noisy.train(index, drawn)[0], noisy.train(index, quiet)[0]
        assert torch.equal(x, (without + drawn.shift[:, :, None, None]) / divisor)


@pytest.mark.parametrize("resident", [True, False])
def test_an_epoch_is_the_batches_one_after_the_other_resident_or_streamed(photos, resident):
    batches = PhotoBatches(photos, device="cpu", size=CROP, crops="source", colour="source", resident=resident)
    here = PhotoBatches(photos, device="cpu", size=CROP, crops="source", colour="source", resident=True)
    order, sizes = torch.randperm(22, generator=generator(1)), [8, 8, 6]
    drawn = batches.draw(generator())
    epoch = list(minibatches(batches, order, sizes, drawn))
    assert [len(y) for _, y in epoch] == sizes
    parts = map(drawn.from_words, drawn.words().split(sizes))
    for (x, y), index, part in zip(epoch, order.split(sizes), parts, strict=True):
        for other in (batches, here):
            again, labels = other.train(index, part)
            assert torch.equal(x, again)
            assert torch.equal(y, labels)


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("mean", ["per_offset", "centre"])
def test_test_batches_are_centres_and_ten_views_stand_in_the_source_s_order(photos, mean, resident):
    batches = PhotoBatches(photos, device="cpu", size=CROP, mean=mean, crops="source", colour="source",
                           resident=resident)  # fmt: skip
    image_mean, per_offset = mean_of(photos), mean == "per_offset"
    tested = list(batches.test(4))
    assert [len(y) for _, y in tested] == [4, 4, 1]
    x, y = (torch.cat(part) for part in zip(*tested, strict=True))
    assert y.tolist() == photos.test_y.tolist()
    for one, stored in zip(x, photos.test_x, strict=True):
        assert np.array_equal(one.numpy(), plain(stored, image_mean, 2, 2, False, per_offset))
    viewed = list(batches.views(4))
    x, y = torch.cat([part for part, _ in viewed], 1), torch.cat([part for _, part in viewed])
    assert x.shape == (10, 9, 3, CROP, CROP)
    assert y.tolist() == photos.test_y.tolist()
    order = [(0, 0), (0, 4), (2, 2), (4, 0), (4, 4)]
    for i, (at, mirrored) in enumerate([(at, m) for m in (False, True) for at in order]):
        for one, stored in zip(x[i], photos.test_x, strict=True):
            assert np.array_equal(one.numpy(), plain(stored, image_mean, *at, mirrored, per_offset)), i


def test_held_out_and_fixed_photos_are_centres_of_their_rows(photos):
    batches = PhotoBatches(photos, device="cpu", size=CROP)
    x, y = (torch.cat(part) for part in zip(*batches.held_out(2), strict=True))
    assert y.tolist() == photos.train_y[photos.held_out].tolist()
    for one, row in zip(x, photos.held_out, strict=True):
        assert np.array_equal(one.numpy(), plain(photos.train_x[row], mean_of(photos), 2, 2, False, True))
    (one, labels), (again, _) = next(batches.fixed(100, 12)), next(batches.fixed(100, 12))
    assert torch.equal(one, again)
    assert labels.bincount().tolist() == [4, 4, 4]
    assert len(next(batches.fixed(100))[1]) == 22


def test_the_mean_is_that_of_the_photos_trained_on(photos):
    assert len(photos.held_out) == 5
    batches = PhotoBatches(photos, device="cpu", size=STORED, crops="none", mirror=False)
    x, _ = batches.train(torch.arange(22), batches.draw(generator()))
    assert float(x.mean(0).abs().max()) < 1e-4


def test_whole_images_are_the_batches_of_small_images(tmp_path):
    """A crop as large as what is stored, no reflection: the same bits as `Batches` gives, raw and standardised."""
    images = load_images("digits", cache=tmp_path, images=100)
    for scale in ("raw", "standardised"):
        ours = PhotoBatches(from_images(images), device="cpu", size=32, crops="none", mirror=False, scale=scale)
        theirs = Batches(images, device="cpu", scale=scale)
        assert (ours.classes, ours.image, len(ours)) == (theirs.classes, theirs.image, len(theirs))
        order, sizes = torch.randperm(100, generator=generator()), [64, 36]
        pairs = zip(minibatches(ours, order, sizes, ours.draw(generator())),
                    minibatches(theirs, order, sizes, theirs.draw(generator())), strict=True)  # fmt: skip
        for (x, y), (their_x, their_y) in pairs:
            assert torch.equal(x, their_x)
            assert torch.equal(y, their_y)
        for (x, y), (their_x, their_y) in zip(ours.test(100), theirs.test(100), strict=True):
            assert torch.equal(x, their_x)
            assert torch.equal(y, their_y)


@pytest.mark.parametrize("mean", ["per_offset", "centre"])
def test_small_images_can_be_cropped_too(tmp_path, mean):
    images = load_images("digits", cache=tmp_path, images=100)
    photos = from_images(images, held_out=20)
    batches = PhotoBatches(photos, device="cpu", size=24, mean=mean, scale="standardised")
    assert (len(batches), batches.image, batches.border) == (80, (3, 24, 24), 8)
    x, y = batches.train(torch.arange(80), batches.draw(generator()))
    assert x.shape == (80, 3, 24, 24)
    assert len(y) == 80


def test_a_crop_that_is_larger_than_what_is_stored_is_refused(photos):
    with pytest.raises(AssertionError, match="crops of 21 from photos of 20x20"):
        PhotoBatches(photos, device="cpu", size=21)


def test_on_the_cpu_the_map_itself_is_the_tensor_that_crops_are_taken_from(photos):
    batches = PhotoBatches(photos, device="cpu", size=CROP)
    assert batches.resident
    assert isinstance(photos.train_x, np.memmap)
    assert not photos.train_x.flags.writeable
    assert batches._train_x.data_ptr() == photos.train_x.ctypes.data
    assert batches._test_x.data_ptr() == photos.test_x.ctypes.data


@pytest.mark.parametrize("mean", ["per_offset", "centre"])
@pytest.mark.parametrize("scale", ["raw", "standardised"])
def test_on_another_device_training_reads_no_value_on_the_host(photos, scale, mean):
    """Meta tensors have none: reading one raises."""
    batches = PhotoBatches(photos, device="meta", size=CROP, scale=scale, mean=mean, crops="source", colour="source")
    x, y = batches.train(torch.empty(6, dtype=torch.int64, device="meta"), batches.draw(generator(), images=6))
    assert (x.shape, x.dtype, x.device.type) == ((6, 3, CROP, CROP), torch.float32, "meta")
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert (y.shape, y.dtype, y.device.type) == ((6,), torch.int64, "meta")


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("resident", [True, False])
def test_a_gpu_gets_the_same_bits(photos, resident):
    ours = PhotoBatches(photos, device="cuda", size=CROP, crops="source", colour="source", resident=resident)
    theirs = PhotoBatches(photos, device="cpu", size=CROP, crops="source", colour="source")
    order, sizes = torch.randperm(22, generator=generator()), [8, 8, 6]
    found, wanted = (minibatches(b, order, sizes, b.draw(generator())) for b in (ours, theirs))
    for (x, y), (their_x, their_y) in zip(found, wanted, strict=True):
        assert torch.allclose(x.cpu(), their_x, rtol=1e-6, atol=1e-5)  # a division may differ in its last bit
        assert torch.equal(y.cpu(), their_y)
    for (x, _), (their_x, _) in zip(ours.views(4), theirs.views(4), strict=True):
        assert torch.equal(x.cpu(), their_x)


@pytest.mark.gpu
@needs_gpu
def test_a_gpu_streams_many_batches_unmixed():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 64, 64, 3), dtype=np.uint8)
    rows = [np.random.default_rng(i).integers(0, 300, 128 if i % 7 else 5) for i in range(200)]
    device = torch.device("cuda")
    for photos, part in zip(stream(pixels, rows, device), rows, strict=True):
        torch.rand(2000, 2000, device=device) @ torch.rand(2000, 2000, device=device)  # work that copying runs beside
        assert np.array_equal(photos.cpu().numpy(), pixels[part])


def test_draws_of_an_epoch_depend_on_the_generator_alone(photos):
    batches = PhotoBatches(photos, device="cpu", size=CROP, crops="paper")
    drawn = draw(22, generator(3), border=4)
    assert torch.equal(batches.draw(generator(3)).y, drawn.y)
