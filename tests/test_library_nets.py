"""Nets of torchvision and timm as they are: names that `check` knows without torch, named randomness, whole states."""

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from small_training import crops, digits, rows
from torch import nn

from repro import contents
from repro.claim.files import SpecError, run_config, sources
from repro.contents import load
from repro.engine.beforehand import check_library_nets
from repro.engine.execute import execute
from repro.engine.provenance import provenance
from repro.engine.setting import Setting
from repro.errors import ReproError
from repro.nets import libraries, library
from repro.pages import evidence
from repro.store import Store
from repro.train import loop
from repro.train.seeds import generator

ROOT = Path(__file__).parent.parent
DROPS = "torchvision:mobilenet_v3_small"  # batch norms, and dropout before its last layer
TINY = "timm:test_resnet"
SIDE = 32
RULE = {
    "batch": 50,
    "lr": 0.01,
    "bias_lr": 2.0,
    "momentum": 0.9,
    "weight_decay": {"other": 0.0005},
    "file_images": 100,
    "order": "repeated",
}
CLAIM = """\
id: theirs
version: 1
paper: {name: alexnet2012, section: "3.1", says: A net of a library beside the net of the paper.}
question: Which of these nets has the lower error after its training?
data: {kind: ilsvrc2012, crop: 224}
model: {kind: alexnet, width: 0.5}
train: {batch: 64}
arms:
  ours: {label: our net}
  theirs: {label: the net of timm, model.kind: "timm:test_resnet"}
varies: [model.kind]
seeds: [0, 1, 2, 3, 4]
measure: {kind: final, metric: test_error}
rule: {kind: difference, of: [ours, theirs], paper: 0.017, within: [0.009, 0.03], direction: above 0}
scales:
  smoke: {train.epochs: 1, data.images: 64, seeds: [0]}
  paper: {}
"""


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    text = CLAIM
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "theirs.yaml").write_text(text)
    return folder / "theirs.yaml"


def built(kind: str, seed: int = 0) -> nn.Module:
    return loop.initial_net(contents.net(kind, classes=10), seed=seed, classes=10, image=(3, SIDE, SIDE))


@pytest.fixture(scope="module")
def batches(tmp_path_factory):
    return crops(digits(tmp_path_factory.mktemp("cache"), stored=SIDE), size=SIDE)


def trainer(batches, kind: str = DROPS, seed: int = 0) -> loop.Trainer:
    return loop.trainer(model=contents.net(kind, classes=10), train=RULE, seed=seed, precision="fp32", batches=batches)


# Names


def test_the_names_read_off_the_sources_are_the_ones_that_the_libraries_register():
    import timm
    import torchvision

    assert libraries.names("torchvision") == tuple(torchvision.models.list_models(module=torchvision.models))
    # what other modules than timm's own have registered in this process is not asked for
    theirs = [name for name in timm.list_models() if timm.model_entrypoint(name).__module__.startswith("timm.")]
    assert sorted(theirs) == list(libraries.names("timm"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("test_resnet", "resnet81", "10:48: arm theirs: model.kind: timm has no net resnet81; did you mean resnet18"),
        ("timm:test_resnet", "torchvision:alexnt", "torchvision has no net alexnt; did you mean alexnet?"),
        ("timm:test_resnet", "timn:resnet18", "or torchvision:NAME or timm:NAME"),
        (
            "}",
            ", model.width: 2.0}",
            "10:81: arm theirs: model.width: is for nets with a table of layers; timm:test_resnet",
        ),
        (
            "}",
            ", model.init.fc8: 0.1}",
            "10:84: arm theirs: model.init: is for nets with a table of layers; timm:test_resnet",
        ),
        (
            "}",
            ", train.freeze: {conv1: 3}}",
            "10:82: arm theirs: train.freeze: names layers, and those of timm:test_res",
        ),
    ],
)
def test_a_net_that_a_library_lacks_and_keys_of_layers_are_refused_at_their_line(tmp_path, old, new, said):
    line = '  theirs: {label: the net of timm, model.kind: "timm:test_resnet"}'
    with pytest.raises(SpecError) as refused:
        load(written(tmp_path, (line, line.replace(old, new))))
    assert "theirs.yaml:10:" in str(refused.value)
    assert said in str(refused.value)


def test_a_base_that_is_a_librarys_net_is_refused_what_speaks_of_layers(tmp_path):
    def refusal(model: str) -> str:
        path = written(
            tmp_path,
            ("{kind: alexnet, width: 0.5}", model),
            ("{batch: 64}", "{weight_decay: {conv1: 0.1}}"),
            ('model.kind: "timm:test_resnet"', "train.lr: 0.02"),
            ("varies: [model.kind]", "varies: [train.lr]"),
        )
        with pytest.raises(SpecError) as refused:
            load(path)
        return str(refused.value)

    text = "theirs.yaml:6:45: model.norms: is for nets with a table of layers; torchvision:alexnet is taken as it"
    assert text in refusal('{kind: "torchvision:alexnet", norms: none}')
    assert "theirs.yaml:7:23: train.weight_decay: expected one number" in refusal('{kind: "torchvision:alexnet"}')


def test_names_are_checked_where_torch_cannot_be_imported(tmp_path):
    path = written(tmp_path, ("timm:test_resnet", "timm:resnet81"))
    program = f"""
import sys
sys.modules.update(torch=None)
from pathlib import Path
from repro.contents import load
from repro.claim.files import SpecError
try:
    load(Path({str(path)!r}))
except SpecError as error:
    print(error)
assert "timm" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "theirs.yaml:10:48: arm theirs: model.kind: timm has no net resnet81; did you mean resnet18" in done.stdout


def test_what_a_scale_means_and_a_base_of_another_net_says_are_passed_over(tmp_path):
    """The recipe of smoke sets width and initial values, the base a width: of the paper's net alone."""
    claim = load(written(tmp_path)).at("smoke")
    ours, theirs = (run_config(claim, arm, seed=0) for arm in ("ours", "theirs"))
    assert theirs.model.model_dump() == {"kind": TINY}
    assert theirs.train.weight_decay == {"other": 0.0005}
    assert (ours.model.width, ours.model.init) == (0.0625, "he")
    assert theirs.id == theirs.model_validate(theirs.model_dump()).id != ours.id


def test_images_that_a_net_does_not_take_are_said_before_data_are_read(tmp_path):
    path = written(
        tmp_path,
        ("{kind: alexnet, width: 0.5}", '{kind: "timm:test_resnet"}'),
        ('"timm:test_resnet"}\nvaries', '"torchvision:alexnet"}\nvaries'),  # which needs 63 pixels
        ("seeds: [0]}", "seeds: [0], data.stored: 32, data.crop: 32}"),
    )
    said = (
        r"theirs.yaml:10:48: arm theirs: model.kind: torchvision:alexnet: does not take images of 3 x 32 x 32 \(.*; set"
    )
    with pytest.raises(ReproError, match=said):
        check_library_nets(load(path), "smoke")


def test_a_net_that_timm_makes_for_one_size_is_made_for_the_images_there_are():
    assert library.refusal("timm:test_vit", classes=10, image=(3, 48, 48)) is None
    assert built("timm:test_vit").pos_embed.shape[1] == 1 + (SIDE // 16) ** 2  # patches of 16, and the class


def test_nets_whose_training_gives_more_than_scores_are_built_without_those_heads():
    assert library.refusal("torchvision:googlenet", classes=7, image=(3, 64, 64)) is None


def test_a_run_with_a_librarys_net_names_its_version(tmp_path):
    setting = Setting(Store(tmp_path / "runs"), "cpu", (), tmp_path / "cache", provenance("cpu"))
    assert execute([(load(written(tmp_path)), "smoke")], setting, workers=1, report=lambda event: None) == 2
    import timm

    by_kind = {run.config["model"]["kind"]: run for run in setting.store.table().values()}
    assert by_kind[TINY].sessions[-1]["timm"] == timm.__version__
    assert "timm" not in by_kind["alexnet"].sessions[-1]
    assert f"timm {timm.__version__}" in evidence.setup(by_kind[TINY].sessions[-1], 1)[4]  # as its page says


def test_what_is_resolved_for_a_librarys_net_names_no_key_that_it_does_not_have(tmp_path):
    file = load(written(tmp_path))
    keys = {
        arm: {key for key, _, _ in sources(file, "smoke", arm=arm) if key.startswith("model.")}
        for arm in ("ours", "theirs")
    }
    assert keys["theirs"] == {"model.kind"} < keys["ours"]


def test_one_decay_of_a_librarys_net_is_compared_with_that_of_every_layer(tmp_path):
    line = 'model.kind: "timm:test_resnet"}'
    path = written(tmp_path, (line, line.replace("}", ", train.weight_decay: 0.001}")))
    with pytest.raises(SpecError, match=r"the arms differ in train.weight_decay.fc6 too"):
        load(path)
    load(written(tmp_path, (line, line.replace("}", ", train.weight_decay: 0.0005}"))))


# Randomness


def test_initial_values_are_a_function_of_the_seed_and_take_nothing_from_torchs_own_randomness():
    before = torch.random.default_generator.get_state()
    first, again, other = built(TINY), built(TINY), built(TINY, seed=1)
    assert torch.equal(torch.random.default_generator.get_state(), before)
    for (name, a), b, c in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.dim() == 1 or not torch.equal(a, c), name


def test_dropout_of_a_librarys_net_depends_on_the_update_alone():
    net, x = built(DROPS).train(), torch.randn(8, 3, SIDE, SIDE, generator=generator(0, "x"))

    def logits(update: int) -> torch.Tensor:
        library.name_draws(net, generator(0, "dropout", update))
        return net(x)

    first = logits(1)
    torch.rand(3)
    before = torch.random.default_generator.get_state()
    assert torch.equal(logits(1), first)
    assert not torch.equal(logits(2), first)
    assert torch.equal(torch.random.default_generator.get_state(), before)


def test_torchs_own_randomness_comes_back_after_an_error_in_a_net():
    net = built(DROPS).train()
    library.name_draws(net, generator(0))
    before = torch.random.default_generator.get_state()
    with pytest.raises(RuntimeError):
        net(torch.zeros(2, 1, SIDE, SIDE))
    assert torch.equal(torch.random.default_generator.get_state(), before)
    assert "_saved" not in vars(net)


# Training


def test_a_run_stopped_and_resumed_is_the_uninterrupted_one_bit_for_bit(batches):
    whole = trainer(batches)
    expected = rows(whole, 3)
    stopped = trainer(batches)
    seen = rows(stopped, 1)
    kept = safetensors.torch.load(safetensors.torch.save(stopped.state()))
    torch.rand(5)  # another process draws otherwise
    resumed = trainer(batches, seed=0)
    resumed.load(kept)
    assert seen + rows(resumed, 3) == expected
    assert whole.state().keys() == resumed.state().keys()
    assert all(torch.equal(value, resumed.state()[name]) for name, value in whole.state().items())


def test_what_batch_norms_have_seen_is_in_checkpoints_and_our_nets_have_no_such_thing(batches):
    state = trainer(batches).state()
    kept = {name.removeprefix("buffer.") for name in state if name.startswith("buffer.")}
    assert kept == {name for name, _ in built(DROPS).named_buffers()} != set()
    ours = loop.initial_net(
        contents.net("cuda_convnet_19pct", init="he", classes=10), seed=0, classes=10, image=(3, SIDE, SIDE)
    ).state_dict()
    assert all(name.endswith((".weight", ".bias")) for name in ours)


def test_norms_and_biases_have_no_decay_and_biases_the_doubled_rate(batches):
    groups = {group["params"][0]: group for group in trainer(batches, TINY).optimiser.param_groups}
    run = trainer(batches, TINY)
    names = [name for name, _ in run.net.named_parameters()]
    for name, group in zip(names, groups.values(), strict=True):
        dims = group["params"][0].dim()
        assert group["weight_decay"] == (0.0005 if dims > 1 else 0.0), name
        assert group["lr"] == (0.02 if name.endswith(".bias") else 0.01), name
