"""Register the net of the paper in timm, for `timm.create_model("alexnet_2012", num_classes=10)`.

`alexnet_2012` follows the paper, `alexnet_2012_source` the released source; keyword arguments are those of
`repro.papers.alexnet2012.alexnet.table` (`width`, `norms`, ...) in addition to timm's own. Parameters have the names of
this project, `conv1.weight` to `fc8.bias`, so that weights of runs and of Caffe fit (`repro.nets.weights`).

Images are those of timm with this net's `default_cfg`: 0 to 255 minus the mean colour, for which the published initial
deviations are meant (§2, §5). Initial values and dropout use torch's own randomness, as in timm's nets, so that any
training loop works.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from timm.data import IMAGENET_DEFAULT_MEAN
from timm.models import (
    build_model_with_cfg,
    generate_default_cfgs,
    is_model,
    model_entrypoint,
    register_model,
)
from torch import nn

from repro.errors import ReproError
from repro.nets import layers, modules
from repro.papers.alexnet2012 import alexnet

SIDE: Final = 224  # §3.5

default_cfgs = generate_default_cfgs({
    name: {
        "url": "",  # no weights are published for these nets
        "num_classes": 1000,
        "input_size": (3, SIDE, SIDE),
        "fixed_input_size": True,  # fc6 counts on it; another side is given as `img_size`
        "pool_size": (6, 6),  # of pool5's maps
        "crop_pct": 224 / 256,  # §2 and §4.1
        "interpolation": "bilinear",  # assumed: the paper does not say
        "mean": IMAGENET_DEFAULT_MEAN,  # §2 subtracts the mean image; here its mean colour
        "std": (1 / 255,) * 3,  # pixels stay 0 to 255: nothing is divided (§2)
        "first_conv": "conv1",
        "classifier": "fc8",
    }
    for name in ("alexnet_2012", "alexnet_2012_source")
})  # fmt: skip


class AlexNet2012(nn.Module):
    """The net of `repro.papers.alexnet2012.alexnet.table` with the methods that timm's users expect.

    Images [n, in_chans, img_size, img_size] in, [n, num_classes] out; with `num_classes` 0 the 4096 outputs of fc7, and
    with `global_pool` "" beside that pool5's maps [n, 256, 6, 6]. There is no global pooling to choose.
    """

    fc8: nn.Module

    def __init__(
        self,
        reading: alexnet.Reading,
        num_classes: int = 1000,
        in_chans: int = 3,
        img_size: int | tuple[int, int] = SIDE,
        drop_rate: float = 0.5,
        global_pool: str | None = None,
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        super().__init__()
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.num_classes, self.in_chans, self.drop_rate = num_classes, in_chans, drop_rate
        net = modules.build(
            alexnet.table(reading, classes=max(1, num_classes), dropout=drop_rate, **options),
            classes=max(1, num_classes),
            image=(in_chans, height, width),
            draw=lambda name: torch.random.default_generator,
        )
        for name, layer in net.to(device, dtype).named_children():
            self.add_module(name, layer)
            if isinstance(layer, layers.Dropout):
                layer.named = False
        names = [name for name, _ in net.named_children()]
        flat = names.index("flatten")
        self.feature_layers, self.hidden_layers = names[:flat], names[flat:-1]
        self.head_hidden_size = self.fc8.in_features
        self.feature_info = _taps(net, self.feature_layers)
        self.num_features = self.feature_info[-1]["num_chs"]
        self.global_pool = global_pool
        self.reset_classifier(num_classes, global_pool, keep=True)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return pool5's maps [n, 256, 6, 6] of images."""
        for name in self.feature_layers:
            x = self.get_submodule(name)(x)
        return x

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Return the scores of pool5's maps; with `pre_logits` the input of fc8, [n, 4096], as in §6.1."""
        if self.global_pool == "" and not pre_logits and self.num_classes == 0:
            return x
        for name in self.hidden_layers:
            x = self.get_submodule(name)(x)
        return x if pre_logits else self.fc8(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores [n, num_classes] of images."""
        return self.forward_head(self.forward_features(x))

    def get_classifier(self) -> nn.Module:
        """Return fc8; nn.Identity if it has been removed."""
        return self.fc8

    def reset_classifier(self, num_classes: int, global_pool: str | None = None, *, keep: bool = False) -> None:
        """Replace fc8 by a layer with the initial values of §5 (deviation 0.01, biases 0); remove it for 0 classes.

        `keep`: do not replace it unless it is removed.
        """
        if global_pool not in (None, ""):
            raise ReproError(f"global_pool: found {global_pool!r}; expected '' or None: fc6 reads every place of pool5")
        self.num_classes = num_classes
        if global_pool is not None:
            self.global_pool = global_pool
        if num_classes == 0:
            self.fc8 = nn.Identity()
        elif not keep:
            like = self.fc7.weight if hasattr(self, "fc7") else next(self.parameters())
            self.fc8 = nn.Linear(self.head_hidden_size, num_classes, device=like.device, dtype=like.dtype)
            nn.init.normal_(self.fc8.weight, 0, 0.01)
            nn.init.zeros_(self.fc8.bias)

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Return the groups of layers that share a rate when timm scales rates by depth."""
        return {"stem": r"^conv1", "blocks": r"^(?:conv|fc)(\d+)"}

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Raise ReproError if `enable`: gradient checkpointing is not supported."""
        if enable:
            raise ReproError("alexnet_2012: gradient checkpointing is not supported; leave it away")


def _taps(net: nn.Module, names: list[str]) -> list[dict[str, Any]]:
    """Return the layers for `features_only`: for each reduction the last one before a convolution or fc6."""
    taps: dict[int, dict[str, Any]] = {}
    maps, reduction = 0, 1
    for name, after in zip(names, [*names[1:], "conv"], strict=True):
        layer = net.get_submodule(name)
        if isinstance(layer, nn.Conv2d):
            maps, reduction = layer.out_channels, reduction * layer.stride[0]
        elif isinstance(layer, nn.MaxPool2d):
            reduction *= layer.stride
        if maps and after.startswith("conv"):
            taps[reduction] = {"num_chs": maps, "reduction": reduction, "module": name}
    return list(taps.values())


def _create(name: str, reading: alexnet.Reading, pretrained: bool, **keywords: Any) -> nn.Module:
    return build_model_with_cfg(
        AlexNet2012, name, pretrained, reading=reading, feature_cfg={"out_indices": (0, 1, 2)}, **keywords
    )


def alexnet_2012(pretrained: bool = False, **keywords: Any) -> nn.Module:
    """Build the net as the paper prints it."""
    return _create("alexnet_2012", "paper", pretrained, **keywords)


def alexnet_2012_source(pretrained: bool = False, **keywords: Any) -> nn.Module:
    """Build the net as the authors' released source has it."""
    return _create("alexnet_2012_source", "source", pretrained, **keywords)


for _entry in (alexnet_2012, alexnet_2012_source):
    # otherwise timm would overwrite a net of the same name
    if is_model(_entry.__name__) and model_entrypoint(_entry.__name__).__module__ != __name__:
        raise ReproError(
            f"timm: {_entry.__name__} is there already, by {model_entrypoint(_entry.__name__).__module__}; "
            "expected a free name; import one of the two"
        )
    register_model(_entry)
