"""Estimate how long a configuration takes on this machine, from its own steps on random pixels, once a process."""

from __future__ import annotations

import json
from functools import lru_cache
from math import ceil

from repro import contents
from repro.claim.config import RunConfig, RunData, TimingConfig
from repro.claim.resolve import images as images_of
from repro.claim.resolve import training_images
from repro.data import loading
from repro.data.photos.crops import FIXED
from repro.train.machine import Step, step_seconds
from repro.train.minibatches import TESTED, batch_sizes

PROBED = 200  # images of a probe's test pass (assumed)


def probe(config: RunConfig, device: str) -> float:
    """Return the seconds of an epoch of a configuration on this idle machine, without the loading of data; where
    held-out images are folded in, of an epoch with them."""
    data, rule, step = config.data, config.train, step_of(config, device)
    images = training_images(data)
    most = images + (data.held_out or 0 if rule.fold_in else 0)
    updates = batch_sizes(most, batch=rule.batch, file_images=rule.file_images)
    tested = images_of(data)[1] / TESTED  # images an epoch
    if data.crop is not None:  # the fixed photos too, and each half epoch the held-out ones
        tested += min(FIXED, images) / TESTED + 2 * (data.held_out or 0)
    return step.update * len(updates) + step.image * tested


def seconds_of(config: RunConfig | TimingConfig, epochs: int, device: str) -> float:
    """Return the seconds that so many epochs of a configuration take on this machine; of a timing, one replicate."""
    if isinstance(config, TimingConfig):
        return timing_seconds(config, device)
    return epochs * probe(config, device)


def timing_seconds(config: TimingConfig, device: str) -> float:
    """Return the seconds of one replicate of a timing on this machine: of each arm the pipeline, and the step alone."""
    updates = config.updates * (config.warm + config.rounds)
    return 2 * updates * sum(step_of(arm, device).update for arm in config.timed.values())


def step_of(config: RunConfig, device: str) -> Step:
    """Return the seconds of an update of a configuration on this machine, and of testing an image."""
    return _step(
        config.data.model_copy(update={"images": None}).model_dump_json(),
        config.model.model_dump_json(),
        config.train.model_copy(update={"lr": 0.0, "drops": [], "plateau": None, "fold_in": None}).model_dump_json(),
        config.precision,
        device,
    )


@lru_cache
def _step(data_text: str, model_text: str, train_text: str, precision: str, device: str) -> Step:
    """Measure the steps of one net and kind of batch, on random pixels."""
    data, train = RunData.model_validate_json(data_text), json.loads(train_text)
    given = data.model_dump(exclude={"content", "images", "held_out"})
    given |= {"classes": tuple(data.classes)} if data.classes else {}
    minibatches = ceil(PROBED / train["batch"])
    noise = loading.noise(**given, device=device, train=minibatches * train["batch"], test=PROBED)
    return step_seconds(
        noise, model=contents.net(**json.loads(model_text), classes=noise.classes), train=train, precision=precision
    )
