"""Fine-tune a net on any photos: from given weights, with some layers started anew, beside the net from scratch.

Both are runs as a claim's are (`repro.engine.training.train`), on a shelf of their own; what weights they start from,
which layers start afresh and which are trained stand in their configurations (`RunConfig.start`, `train.freeze`,
`train.layer_lr`), as in the claim `pretraining`.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from repro import contents
from repro.claim.config import RunConfig, RunData, RunModel, RunTrain, Start
from repro.contents import KINDS
from repro.data.photos.crops import PhotoBatches
from repro.data.photos.maps import Photos, load_photos
from repro.data.photos.names import names_of_test_photos
from repro.engine import starts, training
from repro.engine.events import Report
from repro.engine.jobs import Job
from repro.engine.provenance import provenance
from repro.engine.setting import Setting
from repro.engine.tensorboard import exported
from repro.errors import DataError, ReproError, RunError
from repro.files import gone, write_whole
from repro.flags import Wish
from repro.nets import libraries, library, tables, weights
from repro.pages.answers import FineTuning, TrainedNet
from repro.pages.finetune import write
from repro.places import cache
from repro.questions.levels import Goal
from repro.store import CHECKPOINT, Store
from repro.train import loop
from repro.train.machine import settle_process
from repro.train.seeds import generator

DECAY = 0.0005  # §5
HELD_OUT = 10  # assumed: every tenth training photo chooses the best epoch, so that none that measures does
DROPS = (0.6, 0.85)  # assumed: of the epochs, after which rates fall by ten; about those of the claims on photos
SIDE = 256 / 224  # §2 and §4.1: of the stored photo to the crop
# What a net is used to.
CROPPING = ("scale", "factor", "stored", "crop", "crops", "mirror", "mean", "colour", "constants")
ANSWERS = "answers.npz"


def finetune(wish: Wish, device: str, report: Report) -> FineTuning:
    """Train what is not trained yet, write the page and the weights into `wish.out`, and return what the page says.

    DataError of photos or weights that are not there; ReproError where weights, layers and net do not fit; RunError
    where the device gives up.
    """
    opened = weights.opened(wish.weights) if wish.weights else weights.Weights({})
    if name := weights.not_numbers(opened.tensors):
        raise RunError(f"{wish.weights}: {name} holds NaN or infinite values, from which nothing can be trained; get "
                       "weights of a training that did not diverge")  # fmt: skip
    known = config_of(wish.weights) if wish.weights else {}
    kind = wish.model.get("kind") or known.get("model", {}).get("kind")
    own = library.preparation(kind) if wish.weights and libraries.is_library_net(kind) else {}
    data = _data(wish, own | known.get("data", {}))
    photos = _photos(wish, data, report)
    assert photos.manifest is not None, "photos of one's own come from a pack"
    data = data | {"content": photos.content, "held_out": len(photos.held_out) or None}
    configs = _configs(wish, known.get("model", {}), RunData(**data), len(photos.classes))
    settle_process(device)
    cropping = {name: data[name] for name in CROPPING if name in data and name not in ("stored", "crop")}
    batches = PhotoBatches(photos, device=device, size=data["crop"], **cropping)
    setting = Setting(Store(wish.out / "runs"), device, (), cache(), provenance(device))
    if wish.tensorboard:
        report = exported(wish.tensorboard, setting.store, report)
    for config in configs.values():
        if config.start:  # before anything is trained
            net = _net(config, batches)
            opened = weights.fitted(net, opened, config.start.afresh)
            weights.put(net, opened.tensors, afresh=config.start.afresh)
    tried = []
    for name, config in configs.items():
        _train(config, f"{wish.data.name}, {name}", wish.epochs, setting, report, batches, opened.tensors)
        tried.append(_tried(name, config, setting, batches))
    tuning = FineTuning(
        where=str(wish.data),
        classes=photos.classes,
        labels=photos.test_y,
        names=names_of_test_photos(wish.data, photos.manifest),
        pixels=photos.test_x,
        photos={"trained on": len(photos.train), "held out": len(photos.held_out), "test": len(photos.test_y)},
        manifest=dict(photos.manifest),
        notes=(*opened.notes, *_pixels(data, kind)),
        weights=wish.weights.name if wish.weights else None,
        tried=tuple(tried),
        provenance=setting.provenance,
        out=wish.out,
    )
    _weights_out(wish.out, tried[0])
    write(tuning, wish.out)
    return tuning


def _data(wish: Wish, known: dict[str, Any]) -> dict[str, Any]:
    """Return the images' part of the configurations: what the weights are used to, changed as asked for."""
    ours = {"scale": "raw", "crops": "paper", "mirror": True, "mean": "per_offset", "colour": "paper", "crop": 224}
    data = ours | {"stored": 256} | {name: known[name] for name in CROPPING if name in known}
    if wish.crop is not None:
        data |= {"crop": wish.crop, "stored": round(wish.crop * SIDE)}
    if wish.pixels is not None:
        data |= {"scale": wish.pixels, "constants": None}
    return data | {"kind": "photos", "images": None}


def config_of(path: Path) -> dict[str, Any]:
    """Return the configuration of the run that a file of weights is of; empty where it says nothing of one. DataError
    of one that is no configuration."""
    found: Any = starts.about_of(path).get("config")
    if found is None:
        return {}
    try:
        RunConfig.model_validate(found)
    except (ValidationError, RecursionError) as error:
        raise DataError(f"{path}: found metadata that are not a run's configuration; expected those that `finetune` "
                        "writes. Save the tensors without metadata.") from error  # fmt: skip
    return dict(found)


def _pixels(data: dict[str, Any], kind: str | None) -> list[str]:
    """Return what the net reads, where that is not the usual, as a sentence."""
    if not data.get("constants"):
        return []
    means, deviations = (", ".join(f"{value:g}" for value in data["constants"][i : i + 3]) for i in (0, 3))
    return [f"pixels: (x / 255 - mean) / deviation as {kind} was published, mean {means}, deviation {deviations}, "
            f"crops of {data['crop']} from {data['stored']}"]  # fmt: skip


def _photos(wish: Wish, data: dict[str, Any], report: Report) -> Photos:
    """Return the photos, packed where they are not yet, with some held out."""

    def progress(stage: str, done: int, total: int) -> None:
        label = f"{wish.data.name}: {stage}"
        report({"event": "pack", "run": "photos", "label": label, "done": done, "total": total})

    asked: dict[str, Any] = {"where": wish.data, "size": data["stored"], "cache": cache(), "progress": progress}
    photos = load_photos("photos", **asked, least=2)
    held_out = len(photos.train) // HELD_OUT
    return load_photos("photos", **asked, held_out=held_out) if held_out else photos


def _configs(wish: Wish, known: dict[str, Any], data: RunData, classes: int) -> dict[str, RunConfig]:
    """Return the runs by name: fine-tuned from the weights, and the same net from scratch."""
    model, decays = _model(known | wish.model, data, classes, wish.model.keys() - {"kind"})
    layers = list(decays)
    afresh = list(layers[-1:] if wish.afresh is None else wish.afresh)
    trained = layers if wish.train is None else list(wish.train)
    for flag, named in (("--afresh", afresh), ("--train", trained)):
        for name in named:
            if name not in layers:
                raise ReproError(f"{flag} {name}: no such layer; expected some of {', '.join(layers)}")
    if still := [name for name in afresh if name not in trained]:
        raise ReproError(f"--train: leaves out {', '.join(still)}, which would keep noise: train what starts afresh")

    def config(lr: float, start: Start | None, **rule: Any) -> RunConfig:
        train = RunTrain(
            batch=wish.batch,
            lr=lr,
            bias_lr=2.0,  # source.md 1, 13
            momentum=0.9,  # §5
            weight_decay=decays,
            file_images=10_000,
            order="fresh",  # assumed: of few photos the same minibatches would come again and again
            drops=sorted({int(share * wish.epochs) for share in DROPS} - {0}),
            **rule,
        )
        return RunConfig(data=data, model=model, train=train, precision="fp32", seed=wish.seed, start=start)

    out = {}
    if wish.weights is not None:
        start = Start(weights=starts.sha256_of(wish.weights), afresh=afresh)
        factors = dict.fromkeys(afresh, wish.fresh_lr) if wish.fresh_lr != 1 else {}
        frozen = {name: 0 for name in layers if name not in trained}
        out["fine-tuned"] = config(wish.lr, start, freeze=frozen, layer_lr=factors)
    if wish.scratch or not out:
        out["from scratch"] = config(wish.lr * wish.fresh_lr, None)
    return out


def _model(given: dict[str, Any], data: RunData, classes: int, own: set[str]) -> tuple[RunModel, dict[str, float]]:
    """Return the net, and the decay of each of its layers, in their order. `own`: options given besides its kind."""
    kind = given.setdefault("kind", "alexnet")
    if libraries.is_library_net(kind):
        assert data.crop is not None
        net = library.build(kind, classes=classes, side=data.crop, draw=lambda name: generator(0, "layers", name))
        if idle := sorted(own):
            raise ReproError(f"--{idle[0]}: is for nets that are built here, not for {kind}; leave it away")
        decays: dict[str, float] = {}
        for name, parameter in net.named_parameters():  # norms have none, as in `repro.train.sgd`
            layer, _, role = name.rpartition(".")
            decays[layer] = DECAY if role == "weight" and parameter.dim() > 1 else decays.get(layer, 0.0)
        return RunModel(kind=kind), decays
    if kind not in KINDS.nets:
        raise ReproError(f"--model {kind}: expected one of {', '.join(KINDS.nets)}, torchvision:NAME or timm:NAME")
    given = {"activation": "relu", "width": 1.0} | given
    if kind == "alexnet":
        given.setdefault("reading", "paper")
    options = {key: value for key, value in given.items() if key not in ("kind", "init") and value is not None}
    rows = tables.weighted(contents.rows(kind, classes=classes, **options))
    published = {row.name: row.std for row in rows}
    init = published if given.get("init") in (None, "published") else given["init"]
    return RunModel.model_validate(given | {"init": init}), {row.name: row.decay for row in rows}


def _train(
    config: RunConfig,
    label: str,
    epochs: int,
    setting: Setting,
    report: Report,
    batches: PhotoBatches,
    given: dict[str, torch.Tensor],
) -> None:
    """Train a run from where it is; a run that is done stays as it is."""
    run = setting.store.read(config.id)
    if run and run.result and run.result["status"] != "failed" and len(run.epochs) >= epochs:
        return
    job = Job(config, (Goal(epochs),), label, best=True)
    try:
        training.train(job, setting, report, batches, given)
    except RuntimeError as error:  # torch's own: out of memory, a kernel that failed
        raise RunError(f"{label}: {error}; what is trained is kept: run the same command again, with a smaller --batch "
                       "(a run of its own) if memory is short") from error  # fmt: skip


def _tried(name: str, config: RunConfig, setting: Setting, batches: PhotoBatches) -> TrainedNet:
    """Return a finished run with what its best weights answer to every test photo."""
    run = setting.store.read(config.id)
    if run is None:  # its disk may be gone
        raise gone(setting.store.root / config.id)
    path, best = run.path / ANSWERS, starts.best_epoch(run.epochs)
    answers = _read(path) if best else {}
    if best and (not answers or int(answers["epoch"]) != best):
        found = _answers(config, run.path / starts.BEST, batches)
        write_whole(path, lambda file: np.savez(file, epoch=best, **found))
        answers = _read(path)
    return TrainedNet(name, config, tuple(run.epochs), best, answers, run.path)


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        return {}
    with np.load(path) as found:
        return dict(found)


@torch.no_grad()
def _answers(config: RunConfig, path: Path, batches: PhotoBatches) -> dict[str, np.ndarray]:
    """Return of each test photo the likeliest class (int64), its probability and that of its own class (float32)."""
    net = _net(config, batches)
    weights.put(net, weights.read(path))
    net.eval()
    found: dict[str, list[torch.Tensor]] = {"said": [], "sure": [], "own": []}
    for x, y in batches.test(100):
        shares = net(x).float().softmax(1)
        sure, said = shares.max(1)
        found["said"].append(said)
        found["sure"].append(sure)
        found["own"].append(shares.gather(1, y[:, None]).squeeze(1))
    return {name: torch.cat(parts).cpu().numpy() for name, parts in found.items()}


def _net(config: RunConfig, batches: PhotoBatches) -> torch.nn.Module:
    model = contents.net(**config.model.model_dump(), classes=batches.classes)
    net = loop.initial_net(model, seed=config.seed, classes=batches.classes, image=batches.image)
    return net.to(batches.device)


def _weights_out(out: Path, first: TrainedNet) -> None:
    """Write `best.safetensors` and `last.safetensors` of the first run into its page's folder; of a run that diverged
    the best alone, if there is one."""
    for name in ("best", "last"):
        (out / f"{name}.safetensors").unlink(missing_ok=True)
    if first.best:
        with (first.path / starts.BEST).open("rb") as best:
            write_whole(out / "best.safetensors", partial(shutil.copyfileobj, best))
    if first.rows and first.rows[-1]["diverged"] is None and (first.path / CHECKPOINT).is_file():
        state = weights.read(first.path / CHECKPOINT)
        write_whole(out / "last.safetensors", starts.saved(state, first.config, len(first.rows)))
