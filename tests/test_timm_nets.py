"""The net of the paper in the hands of timm's users: what timm's own tests ask of its models, and plain loops."""

import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import timm
import torch
from timm.optim import create_optimizer_v2
from torch.nn import functional as F

import repro.papers.alexnet2012.timm_nets  # noqa: F401  registers them
from repro import contents
from repro.errors import ReproError
from repro.nets import tables, weights
from repro.papers.alexnet2012 import alexnet
from repro.train import loop

ROOT = Path(__file__).parent.parent
NAMES = ("alexnet_2012", "alexnet_2012_source")
SMALL = {"width": 0.0625, "img_size": 128}


def made(name: str = NAMES[0], **keywords):
    torch.manual_seed(0)
    return timm.create_model(name, **SMALL | keywords)


def images(n: int = 2, side: int = 128) -> torch.Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NAMES)
def test_timm_makes_the_net_by_name_with_the_parameters_of_the_paper(name):
    with torch.device("meta"):
        rows = alexnet.table("paper", classes=10)
    model = timm.create_model(name, num_classes=10, drop_rate=0.25)
    assert sum(p.numel() for p in model.parameters()) == sum(tables.parameters(rows, (3, 224, 224)).values())
    assert model.drop6.keep == model.drop7.keep == 0.75
    assert name in timm.list_models("alexnet_2012*")


@pytest.mark.parametrize("name", NAMES)
def test_features_head_and_classifier_are_where_timms_users_look(name):
    model = made(name, num_classes=10).eval()
    cfg = model.default_cfg
    x = images()
    features = model.forward_features(x)
    pre_logits = model.forward_head(features, pre_logits=True)
    assert features.shape[:2] == (2, model.num_features)
    assert pre_logits.shape == (2, model.head_hidden_size)
    assert torch.equal(model(x), model.forward_head(features))
    assert torch.equal(model(x), model.get_classifier()(pre_logits))
    assert {f"{cfg['first_conv']}.weight", f"{cfg['classifier']}.weight"} <= model.state_dict().keys()
    assert model.pretrained_cfg is cfg
    model.reset_classifier(0)
    assert model.num_classes == 0
    assert torch.equal(model(x), pre_logits)
    model.reset_classifier(0, "")
    assert torch.equal(model(x), features)
    model.reset_classifier(7)
    assert model(x).shape == (2, 7)
    assert float(model.fc8.weight.detach().std()) == pytest.approx(0.01, rel=0.05)
    assert made(name, num_classes=0, global_pool="").eval()(x).ndim == 4
    with pytest.raises(ReproError, match=r"global_pool: found 'avg'"):
        model.reset_classifier(7, "avg")


def test_the_default_configuration_is_of_the_net_at_full_size():
    model = timm.create_model("alexnet_2012", width=0.0625, num_classes=10).eval()
    cfg = model.default_cfg
    assert model.forward_features(images(1, cfg["input_size"][1])).shape[2:] == cfg["pool_size"]
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    assert "Resize(size=256" in repr(transform)
    assert "CenterCrop(size=(224, 224))" in repr(transform)


def test_features_alone_come_at_three_reductions():
    model = made(features_only=True).eval()
    maps = model(images())
    assert [m.shape[1] for m in maps] == model.feature_info.channels() == [6, 24, 16]
    assert model.feature_info.reduction() == [8, 16, 32]


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_loop_trains_the_net_with_dropout_from_torchs_own_randomness(name):
    model = made(name, num_classes=3, norms="none").train()
    x, y = images(6) * 60, torch.arange(6) % 3
    torch.manual_seed(3)
    first = model(x)
    assert not torch.equal(model(x), first)
    torch.manual_seed(3)
    assert torch.equal(deepcopy(model)(x), first)
    optimiser = create_optimizer_v2(model, "sgd", lr=0.001, weight_decay=0.0005, layer_decay=0.9)
    before = model.fc8.weight.detach().clone()
    F.cross_entropy(model(x), y).backward()
    optimiser.step()
    assert all(p.grad is not None for p in model.parameters())
    assert not torch.equal(model.fc8.weight, before)


def test_weights_of_our_own_net_give_the_same_scores_there():
    ours = loop.initial_net(contents.net("alexnet", width=0.0625, classes=5), seed=0, classes=5, image=(3, 128, 128))
    model = made(num_classes=5)
    weights.put(model, dict(ours.named_parameters()))
    assert torch.equal(model.eval()(images()), ours.eval()(images()))


def test_there_are_no_published_weights_and_no_checkpointing():
    with pytest.raises(RuntimeError, match="No pretrained weights exist for alexnet_2012"):
        timm.create_model("alexnet_2012", pretrained=True, **SMALL)
    with pytest.raises(ReproError, match="checkpointing is not supported"):
        made().set_grad_checkpointing()


def test_anothers_net_of_the_name_is_not_overwritten():
    program = """
import timm
from timm.models import register_model
@register_model
def alexnet_2012(pretrained=False, **keywords): return "theirs"
try:
    import repro.papers.alexnet2012.timm_nets
except Exception as error:
    print(type(error).__name__, error)
print(timm.models.model_entrypoint("alexnet_2012")())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert "ReproError timm: alexnet_2012 is there already, by __main__" in done.stdout, done.stderr
    assert done.stdout.endswith("theirs\n")
