"""`repro evaluate`: counts against torchvision's own folders and loader; what is documented of published weights."""

import csv
import hashlib
import shutil
import webbrowser
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import small_photos
import torch
import torchvision
from test_report import Page, opened

from repro import asked, cli, published
from repro.data.known import KNOWN
from repro.errors import DataError, ReproError
from repro.pages.answers import Answers, confusions, drawn

KIND = "torchvision:mobilenet_v3_small"


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """Weights of a net that was never trained, for three classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = torchvision.models.mobilenet_v3_small(num_classes=3)
    path = tmp_path_factory.mktemp("weights") / "mobilenet.pth"
    torch.save(net.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    photos = small_photos.make(train=1, test=5)
    return small_photos.as_folders(photos, tmp_path_factory.mktemp("photos"))


def last(file: Path, photos: Path | str, model: str = KIND, **keywords) -> published.Counts:
    keywords = {"roots": (), "device": "cpu", "workers": 0} | keywords
    return list(published.evaluate(model, file, str(photos), **keywords))[-1]


def by_torchvision(file: Path, folder: Path) -> int:
    """Right answers by torchvision alone: its net, its folders and loader, its transform."""
    net = torchvision.models.mobilenet_v3_small(num_classes=3)
    net.load_state_dict(torch.load(file, weights_only=True))
    transform = torchvision.models.MobileNet_V3_Small_Weights.DEFAULT.transforms()
    photos = torchvision.datasets.ImageFolder(str(folder), transform)
    with torch.no_grad():
        return sum(int(net.eval()(x[None]).argmax()) == y for x, y in photos)


def test_counts_are_those_of_torchvisions_own_folders_and_transform(file, folder):
    expected = by_torchvision(file, folder / "val")
    counts = last(file, folder)
    assert (counts.total, counts.images, counts.classes, counts.right5) == (15, 15, 3, 15)
    assert counts.right1 == expected
    assert last(file, folder / "val").right1 == expected  # class folders alone: all of them


def test_photos_that_do_not_decode_are_left_out_and_named(file, tmp_path):
    photos = small_photos.replaced(small_photos.make(train=1, test=5), "val", 3, lambda data: data[:40])
    counts = last(file, small_photos.as_folders(photos, tmp_path))
    assert (counts.total, counts.images) == (15, 14)
    assert "1 photos are left out: n01/0_" in published.lines(counts)[-1]


def test_parquet_and_folders_give_the_same_counts(file, folder, tmp_path):
    parquet = small_photos.as_parquet(small_photos.make(train=1, test=5), tmp_path)
    assert last(file, parquet).right1 == last(file, folder).right1


def test_the_split_that_measures_is_enough_in_folders_and_in_parquet(tmp_path, monkeypatch):
    """Of ILSVRC most people keep the validation photos alone."""
    monkeypatch.setitem(KNOWN, "ilsvrc2012", replace(KNOWN["ilsvrc2012"], classes=("0", "1", "2")))
    rows = small_photos.make(train=0, test=4)["val"]
    small_photos.as_folders({"val": rows}, tmp_path / "a" / "ilsvrc2012")
    small_photos.write_parquet(tmp_path / "b" / "ilsvrc2012" / "data" / "validation-00000-of-00001.parquet", rows)
    for root in ("a", "b"):
        chunks, classes = published.measuring("ilsvrc2012", (tmp_path / root,))
        assert (sum(map(len, chunks)), len(classes)) == (12, 3)


def test_a_net_of_timm_sees_photos_as_timm_prepares_them(folder, tmp_path):
    import timm
    from timm.data import create_transform, resolve_model_data_config

    net = timm.create_model("test_resnet", num_classes=3).eval()
    torch.save(net.state_dict(), tmp_path / "x.pt")
    transform = create_transform(**resolve_model_data_config(net), is_training=False)
    photos = torchvision.datasets.ImageFolder(str(folder / "val"), transform)
    with torch.no_grad():
        expected = sum(int(net(x[None]).argmax()) == y for x, y in photos)
    assert last(tmp_path / "x.pt", folder, "timm:test_resnet").right1 == expected


def test_caffes_net_sees_the_centre_of_photos_less_the_mean_colour():
    from PIL import Image

    x = published._caffes(Image.new("RGB", (300, 200), (200, 100, 50)))
    assert x.shape == (3, 227, 227)
    assert x[:, 0, 0].tolist() == pytest.approx([200 - 122.67891434, 100 - 116.66876762, 50 - 104.00698793], abs=1e-4)


def test_published_weights_are_known_by_their_hash_and_shown_beside_what_is_documented(file, folder, monkeypatch):
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    entry = SimpleNamespace(
        url=f"somewhere/mobilenet_v3_small-{digest[:8]}.pth",
        meta={"_metrics": {"ImageNet-1K": {"acc@1": 67.668, "acc@5": 87.402}}},
        transforms=torchvision.models.MobileNet_V3_Small_Weights.DEFAULT.transforms,
    )
    assert last(file, folder).documented is None
    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: [entry])
    counts = last(file, folder)
    assert counts.documented == (67.668, 87.402)
    assert "documented 67.668 %" in published.lines(counts)[1]
    assert published.lines(counts)[-1].startswith("documented on the 50,000 validation photos")


def test_heads_that_only_training_sees_are_passed_over_in_published_weights(folder, tmp_path, monkeypatch):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = torchvision.models.googlenet(num_classes=3, init_weights=False, transform_input=True).eval()
    torch.save(net.state_dict(), tmp_path / "googlenet.pth")
    digest = hashlib.sha256((tmp_path / "googlenet.pth").read_bytes()).hexdigest()
    transform = torchvision.models.GoogLeNet_Weights.DEFAULT.transforms
    entry = SimpleNamespace(url=f"x-{digest[:8]}.pth", meta={}, transforms=transform)
    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: [entry])
    photos = torchvision.datasets.ImageFolder(str(folder / "val"), transform())
    with torch.no_grad():
        expected = sum(int(net(x[None]).argmax()) == y for x, y in photos)
    assert last(tmp_path / "googlenet.pth", folder, "torchvision:googlenet").right1 == expected


def test_what_torchvision_documents_of_its_alexnet_is_what_the_issue_names():
    metrics = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.meta["_metrics"]["ImageNet-1K"]
    assert (metrics["acc@1"], metrics["acc@5"]) == (56.522, 79.066)
    counts = published.Counts("x", 1000, 50_000, 50_000, 28_261, 39_530, (), (metrics["acc@1"], metrics["acc@5"]))
    _, top1, top5 = published.lines(counts)
    # Wilson's interval by hand: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
    assert "top-1 error 43.478 % (95 % interval 43.044 % to 43.913 %)" in top1
    assert "documented 56.522 %, inside the interval, +0 photos" in top1
    assert "documented 79.066 %, inside the interval, -3 photos" in top5


def test_weights_of_another_number_of_classes_are_refused_with_the_layer(file, folder, tmp_path):
    photos = small_photos.make(train=1, test=1)
    for split in photos:
        photos[split] = [row for row in photos[split] if row[1] < 2]
    with pytest.raises(ReproError, match=r"classifier.3.weight: found \[3 x 1024\]; expected \[2 x 1024\]"):
        last(file, small_photos.as_folders(photos, tmp_path))


def command(capsys, *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        cli.main(["evaluate", *map(str, words)])
    return int(done.value.code or 0), *capsys.readouterr()


def test_the_command_prints_the_counts_and_says_how_to_get_published_weights(
    file, folder, tmp_path, monkeypatch, capsys
):
    code, out, _ = command(
        capsys, folder, "--model", KIND, "--weights", file, "--device", "cpu", "--out", tmp_path / "out"
    )
    assert code == 0
    assert f"15 of 15 photos\n{KIND} with {file}: 15 photos of 3 classes\ntop-1 error " in out
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    code, _, err = command(capsys, "ilsvrc2012", "--model", "torchvision:alexnet", "--data", tmp_path)
    assert code == 3
    assert "get_model('alexnet', weights='DEFAULT')" in err
    assert str(tmp_path) in err


HOSTILE = '<img src=x onerror=alert(1)>{{ 7 * 7 }} & "'


def test_the_page_draws_what_is_taken_for_what_and_names_every_photo_as_text(file, folder, tmp_path, capsys):
    photos = tmp_path / "photos"
    for i, place in enumerate(sorted((folder / "val").iterdir())):
        shutil.copytree(place, photos / (HOSTILE.replace("/", "") + str(i)))
    code, out, _ = command(
        capsys, photos, "--model", KIND, "--weights", file, "--device", "cpu", "--out", tmp_path / "out"
    )
    assert code == 0
    assert out.endswith("out/index.html\n")
    counts = last(file, photos)
    wrong = counts.images - counts.right1
    page = Page(tmp_path / "out" / "index.html")
    assert f"{100 * wrong / 15:.1f} % of 15 photos are taken for another class." in page.text
    assert HOSTILE in page.text
    drawn = [attrs["src"] or "" for tag, attrs in page.tags if tag == "img"]
    assert len(drawn) > wrong  # every mistake, and some again under their confusion
    assert all(source.startswith("data:image/jpeg;base64,") for source in drawn)
    rows = list(csv.DictReader((tmp_path / "out" / "answers.csv").read_text().splitlines()))
    assert len(rows) == 15
    assert sum(row["class"] != row["answer"] for row in rows) == wrong
    assert {target for target in page.refers if not target.startswith(("#", "data:"))} == {
        "static/page.css", "answers.csv",
    }  # fmt: skip


def test_what_is_drawn_of_a_confusion_are_its_photos_the_surest_first():
    labels, said = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 0, 1, 2, 2])
    given = Answers(
        ("a", "b", "c"), labels, said, np.array([0.5, 0.9, 1, 1, 0.8, 1]), np.array([0.1, 0.0, 1, 1, 0.2, 1])
    )
    first, second = confusions(given)
    assert (first.own, first.answer, first.photos, first.share) == ("a", "b", (1, 0), "66.7 %")
    assert (second.own, second.answer, second.photos, second.share) == ("b", "c", (4,), "50.0 %")
    assert drawn(given) == [1, 0, 4]


def test_open_shows_the_page_in_a_browser_or_says_where_it_lies(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(shown.append(address)) or len(shown) == 1)
    asked.open_page(tmp_path / "index.html")
    assert shown == [(tmp_path / "index.html").as_uri()]
    with pytest.raises(ReproError, match=r"--open: no browser was found here; open .*index\.html in one"):
        asked.open_page(tmp_path / "index.html")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_the_page_opens_from_disk_without_complaint_or_network(chromium, file, folder, tmp_path, width, scheme):
    counts = last(file, folder)
    published.page(counts, str(folder), (), "cpu", tmp_path)
    view = {"width": width, "height": 900}
    page, complaints, requests = opened(chromium, tmp_path / "index.html", viewport=view, color_scheme=scheme)
    assert not complaints
    assert all(url.startswith(("file:", "data:")) for url in requests)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    photo = page.locator(".mistakes img").first.bounding_box()
    assert photo["width"] == pytest.approx(photo["height"], abs=1)
    page.context.close()


def test_what_is_missing_is_said_with_the_next_step(file, tmp_path):
    for photos, roots in (("ilsvrc2012", (tmp_path,)), (str(tmp_path / "none"), ())):
        with pytest.raises(DataError, match=r"REPRO_DATA|expected a folder of photos"):
            last(file, photos, roots=roots)
    with pytest.raises(DataError, match=r"no.pth: no such file; expected weights"):
        last(tmp_path / "no.pth", tmp_path)
    with pytest.raises(ReproError, match=r"--model alexnet: found a net that is trained here"):
        last(file, tmp_path, "alexnet")
    with pytest.raises(ReproError, match="torchvision has no such net"):
        last(file, small_photos.as_folders(small_photos.make(1, 1), tmp_path), "torchvision:alexnt")
