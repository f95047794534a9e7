"""Training: batches of an epoch, what is recorded, divergence, resuming, and losses that may not move.

`python tests/test_training.py` writes tests/golden/cpu.json: all of it where `NUMERICS` in repro/train/loop.py was
raised, which whoever moves these losses does in the same commit, showing them before and after; else what is new.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import small_training
import torch
from small_training import rows
from torch.nn import functional as F

from repro import contents
from repro.data.batches import Batches
from repro.data.sets import Images, load
from repro.engine.provenance import provenance
from repro.nets import modules
from repro.train import loop, testing
from repro.train.minibatches import NUMERICS, batch_sizes
from repro.train.order import permutation
from repro.train.seeds import generator

GOLDEN = Path(__file__).parent / "golden" / "cpu.json"
KINDS = ("cuda_convnet_18pct", "cuda_convnet_19pct", "cuda_convnet_80sec")
PRECISIONS = ("fp32", "bf16")
NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """100 digits to train on, 355 to test on."""
    return load("digits", cache=tmp_path_factory.mktemp("cache"), images=100)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def trainer(
    images: Images,
    *,
    kind: str = KINDS[1],
    width: float = 0.25,
    device: str = "cpu",
    **options,
) -> loop.Trainer:
    """A small run on whole images."""
    batches = Batches(images, device=device, scale="standardised")
    return small_training.trainer(batches, model=small_training.NET | {"kind": kind, "width": width}, **options)


# An epoch's minibatches


def test_fifty_thousand_images_are_395_updates_in_five_files_of_79():
    sizes = batch_sizes(50_000, batch=128, file_images=10_000)
    assert sizes == ([128] * 78 + [16]) * 5
    assert len(sizes) == 395
    assert sum(sizes) == 50_000


@pytest.mark.parametrize(
    ("images", "batch", "file_images", "expected"),
    [
        (100, 15, 30, [15, 15] * 3 + [10]),
        (256, 32, 10_000, [32] * 8),
        (5, 128, 10_000, [5]),
        (12, 4, 5, [4, 1, 4, 1, 2]),
    ],
)
def test_minibatches_never_reach_over_the_end_of_a_file(images, batch, file_images, expected):
    assert batch_sizes(images, batch=batch, file_images=file_images) == expected


@pytest.mark.parametrize("order", ["repeated", "fresh"])
def test_an_epoch_takes_every_image_once_in_an_order_of_its_seed(order):
    first, second = (permutation(50, seed=1, epoch=epoch, order=order) for epoch in (1, 2))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(50))
    assert torch.equal(first, second) == (order == "repeated")
    assert torch.equal(second, permutation(50, seed=1, epoch=2, order=order))
    assert not torch.equal(first, permutation(50, seed=2, epoch=1, order=order))


def test_generators_are_told_apart_by_seed_and_name():
    names = [(0, "order"), (0, "order", 1), (0, "order", 11), (1, "order"), (0, "init", "conv1.weight"), (10, "order")]
    assert len({int(torch.randint(2**62, (1,), generator=generator(*name))) for name in names}) == len(names)


# What an epoch records


def by_hand(images: Images, epochs: int) -> list[dict]:
    """The same epochs from the words of the documentation: net, order, rule and counts written a second time."""
    run = trainer(images)  # for its initial values and inputs alone
    net, batches = run.net, run.batches
    velocity = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    order = torch.randperm(100, generator=generator(0, "order"))
    out, update = [], 0
    for epoch in range(1, epochs + 1):
        updates, wrong, total = [], 0, 0.0
        for file in order.split(30):
            for index in file.split(15):
                x, y = batches.train(index)
                logits = net(x)
                loss = F.cross_entropy(logits, y)
                gradients = torch.autograd.grad(loss, list(net.parameters()))
                with torch.no_grad():
                    for (name, p), g in zip(net.named_parameters(), gradients, strict=True):
                        rate, decay = (0.02, 0.0) if name.endswith("bias") else (0.01, 0.0005)
                        velocity[name] = 0.9 * velocity[name] - rate * g - decay * rate * p
                        p += velocity[name]
                update += 1
                errors = int((logits.argmax(1) != y).sum())
                updates.append((update, loss.item(), errors))
                wrong += errors
                total += loss.item() * len(y)
        with torch.no_grad():
            tested = [(net(x), y) for x, y in batches.test(100)]
            dead, layer, (x, _) = {}, "", next(batches.test(355))
            for name, part in net.named_children():
                layer, x = (name if "c" in name else layer), part(x)
                if "relu" in name:
                    zero = x == 0
                    dead[layer] = {"outputs": zero.double().mean().item(), "units": zero.all(0).double().mean().item()}
        out.append(
            {
                "epoch": epoch,
                "update": update,
                "train_error": wrong / 100,
                "train_loss": total / 100,
                "test_error": sum(int((logits.argmax(1) != y).sum()) for logits, y in tested) / 355,
                "test_loss": sum(float(F.cross_entropy(logits, y, reduction="sum")) for logits, y in tested) / 355,
                "updates": updates,
                "diverged": None,
                "saturated": dead,
            }
        )
    return out


def test_an_epoch_records_errors_over_images_and_every_update(digits):
    for found, expected in zip(rows(trainer(digits), 2), by_hand(digits, 2), strict=True):
        ours, theirs = found.pop("updates"), expected.pop("updates")
        assert [(n, errors) for n, _, errors in ours] == [(n, errors) for n, _, errors in theirs]
        assert [loss for _, loss, _ in ours] == pytest.approx([loss for _, loss, _ in theirs], rel=1e-5)
        for key in ("train_loss", "test_loss"):
            assert found.pop(key) == pytest.approx(expected.pop(key), rel=1e-5)
        ours, theirs = found.pop("saturated"), expected.pop("saturated")
        assert ours.keys() == theirs.keys() == {"conv1", "conv2", "conv3"}
        for layer in ours:
            assert ours[layer] == pytest.approx(theirs[layer], abs=1e-3), layer
        assert found == expected


def test_test_images_are_looked_at_after_epochs_1_2_4_8_and_every_fifth(digits):
    found = rows(trainer(digits), 21)
    for key in ("test_error", "test_loss", "saturated"):
        assert [row["epoch"] for row in found if key in row] == [1, 2, 4, 5, 8, 10, 15, 20]


def test_test_images_are_looked_at_after_every_epoch_where_that_is_asked_for(digits):
    found = rows(trainer(digits, every_epoch=True), 4)
    assert all("test_error" in row for row in found)


def test_a_unit_counts_as_saturated_where_its_slope_is_below_a_fiftieth_of_the_steepest(digits):
    run = trainer(digits)
    for activation, steepest, gone in (("tanh", 0.989, 0.991), ("logistic", 0.994, 0.996)):
        run.net = modules.build(
            **contents.net("cuda_convnet_19pct", activation=activation, width=0.25, init="he", classes=10),
            classes=10, image=(3, 32, 32),
            draw=lambda name: generator(0, "init", name),
        )  # fmt: skip
        inverse = torch.atanh if activation == "tanh" else torch.logit
        with torch.no_grad():  # conv1's units have the same output for every image: their bias's
            run.net.conv1.weight.zero_()
            run.net.conv1.bias.fill_(inverse(torch.tensor(steepest)).item())
            run.net.conv1.bias[0] = inverse(torch.tensor(gone)).item()
        assert testing.saturated(run)["conv1"] == {"outputs": 1 / 8, "units": 1 / 8}


def test_inputs_are_multiplied_by_the_factor(digits):
    plain, times = (
        Batches(digits, device="cpu", scale="standardised", factor=factor).train(torch.arange(5))[0]
        for factor in (1, 8)
    )
    assert torch.equal(times, 8 * plain)


def test_the_test_error_is_that_of_the_images_recorded_as_wrong(digits):
    run = trainer(digits)
    (row,) = rows(run, 1)
    assert run.correct.shape == (355,)
    assert row["test_error"] == 1 - int(run.correct.sum()) / 355


def test_the_first_2000_updates_are_recorded_and_then_every_50th(digits):
    run = trainer(digits, batch=1, lr=0.0001)
    run.load(run.state() | {"epoch": torch.tensor(19)})  # as if 19 epochs of 100 updates lay behind
    twentieth, next_one = rows(run, 21)
    assert [u[0] for u in twentieth["updates"]] == list(range(1901, 2001))
    assert [u[0] for u in next_one["updates"]] == [2050, 2100]
    assert next_one["update"] == 2100


# Divergence


def test_a_diverged_run_ends_and_names_the_update(digits):
    run = trainer(digits)
    (healthy,) = rows(run, 1)
    assert healthy["diverged"] is None
    for group in run.optimiser.param_groups:
        group["base"] = 1e12
    found = rows(run, 9)
    assert len(found) == 1, "no epoch follows a divergence"
    (row,) = found
    assert 7 < row["diverged"] <= 14
    assert row["update"] == row["diverged"] - 1
    assert [u[0] for u in row["updates"]] == list(range(8, row["diverged"]))
    assert not {"test_error", "test_loss"} & row.keys()
    assert "NaN" not in json.dumps(row, allow_nan=False)


def test_a_net_that_breaks_in_the_last_update_of_an_epoch_diverges_at_the_next(digits):
    run = trainer(digits, batch=100, file_images=100, lr=1e30)
    broken, diverged = rows(run, 9)
    assert broken["diverged"] is None
    assert "test_loss" not in broken
    assert 0 <= broken["test_error"] <= 1
    assert (diverged["diverged"], diverged["update"], diverged["updates"]) == (2, 1, [])
    json.dumps([broken, diverged], allow_nan=False)


# Resuming


@pytest.mark.parametrize("order", ["repeated", "fresh"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_run_resumed_after_any_epoch_is_the_uninterrupted_one_bit_for_bit(digits, order, precision):
    whole = trainer(digits, order=order, precision=precision)
    expected, states = [], [safetensors.torch.save(whole.state())]
    for last in (1, 2, 3):
        expected += rows(whole, last)
        states.append(safetensors.torch.save(whole.state()))
    for epoch in (0, 1, 2):
        resumed = trainer(digits, order=order, precision=precision)
        rows(resumed, 1)  # whatever it did before
        resumed.load(safetensors.torch.load(states[epoch]))
        assert rows(resumed, 3) == expected[epoch:]
        assert safetensors.torch.save(resumed.state()) == states[3]


def test_a_state_does_not_change_while_training_goes_on(digits):
    run = trainer(digits)
    rows(run, 1)
    state = run.state()
    before = safetensors.torch.save(state)
    rows(run, 2)
    assert safetensors.torch.save(state) == before


def test_training_draws_no_global_randomness(digits):
    before = torch.random.get_rng_state()
    rows(trainer(digits, order="fresh"), 1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_precision_changes_the_arithmetic_and_not_the_start(digits):
    fp32, bf16 = (trainer(digits, precision=precision) for precision in PRECISIONS)
    assert torch.equal(fp32.net.conv1.weight, bf16.net.conv1.weight)
    (one,), (other,) = rows(fp32, 1), rows(bf16, 1)
    assert one["updates"] != other["updates"]
    assert [u[1] for u in one["updates"]] == pytest.approx([u[1] for u in other["updates"]], rel=0.05)
    assert {p.dtype for p in bf16.net.parameters()} == {torch.float32}


# Losses that may not move

FURTHER = {"fp32": 1e-4, "bf16": 2e-2}  # relative, after seven updates on another kind of machine (assumed)


def golden_losses(cache: Path) -> dict[str, list[float]]:
    """By net and precision: the losses of seven updates and of the test pass after them, at full precision."""
    whole = load("digits", cache=cache, images=100)
    runs = {
        f"{kind} {precision}": trainer(whole, kind=kind, width=1.0, precision=precision)
        for kind in KINDS
        for precision in PRECISIONS
    }
    photos = small_training.digits(cache, stored=96)
    local = small_training.NET | {"kind": "cuda_convnet_conv_local_11pct"}
    for model, size in ((local, 24), (small_training.ALEXNET, 80)):
        crops = small_training.crops(photos, size=size)
        runs[f"{model['kind']} fp32"] = small_training.trainer(crops, model=model)
    found = {name: rows(run, 1)[0] for name, run in runs.items()}
    return {name: [*(loss for _, loss, _ in row["updates"]), row["test_loss"]] for name, row in found.items()}


def machine() -> dict[str, str]:
    return {key: value for key, value in provenance("cpu").items() if key in ("processor", "system", "torch")}


def test_golden_losses_have_not_moved(tmp_path):
    golden = json.loads(GOLDEN.read_text())
    assert golden["numerics"] == NUMERICS, "golden losses and NUMERICS move together, and only together"
    found = golden_losses(tmp_path)
    assert found.keys() == golden["runs"].keys()
    for name, losses in found.items():
        expected = golden["runs"][name]
        if expected["machine"] == machine():
            assert losses == expected["losses"], name
        assert losses == pytest.approx(expected["losses"], rel=FURTHER[name.split()[1]]), name


# On a GPU


@pytest.mark.gpu
@NEEDS_GPU
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_trains_as_the_cpu_does_up_to_rounding(digits, kind):
    here, there = (rows(trainer(digits, kind=kind, device=device), 1)[0] for device in ("cpu", "cuda"))
    assert [u[1] for u in there["updates"]] == pytest.approx([u[1] for u in here["updates"]], rel=1e-3)
    assert there["test_loss"] == pytest.approx(here["test_loss"], rel=1e-3)


@pytest.mark.gpu
@NEEDS_GPU
def test_a_gpu_starts_from_the_same_bits_and_tells_a_divergence_alike(digits):
    here, there = (trainer(digits, device=device, lr=1e12) for device in ("cpu", "cuda"))
    for ours, theirs in zip(here.net.parameters(), there.net.parameters(), strict=True):
        assert torch.equal(ours, theirs.cpu())
    (one,), (other,) = rows(here, 9), rows(there, 9)
    assert one["diverged"] == other["diverged"]
    assert one["update"] == other["update"]


@pytest.mark.gpu
@NEEDS_GPU
def test_a_state_moves_between_devices(digits):
    there = trainer(digits, device="cuda")
    rows(there, 1)
    here = trainer(digits)
    here.load(safetensors.torch.load(safetensors.torch.save(there.state())))
    assert here.epoch == 1
    assert torch.equal(here.net.fc10.weight, there.net.fc10.weight.cpu())


def renew() -> None:
    """Write the golden losses of this machine and these numerics; of the same numerics, those that are not there."""
    import tempfile

    torch.set_num_threads(1)
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else {}
    kept = golden["runs"] if golden.get("numerics") == NUMERICS else {}
    with tempfile.TemporaryDirectory() as cache:
        found = golden_losses(Path(cache))
    runs = {name: kept.get(name, {"machine": machine(), "losses": losses}) for name, losses in found.items()}
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps({"numerics": NUMERICS, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    renew()
