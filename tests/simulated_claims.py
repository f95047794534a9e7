"""Claims for the simulated world: one of each question that runs of formulas can answer."""

from __future__ import annotations

from pathlib import Path

from repro.claim.files import ClaimFile
from repro.contents import load

LEVEL, START = 0.25, 0.9  # the level of CLAIM, and the error of chance

CLAIM = """
id: speed
version: 1
paper: {name: alexnet2012, section: "3.1", says: The ReLU net learns six times faster than the tanh net.}
question: How many times fewer epochs does the ReLU net need?
data: {kind: cifar10}
model: {kind: cuda_convnet_19pct}
train: {epochs: 48, weight_decay: 0.0}
arms:
  relu: {label: ReLUs, model.activation: relu}
  tanh: {label: tanh units, model.activation: tanh}
varies: [model.activation]
tune: {train.lr: [0.001, 0.002, 0.004, 0.008], per: arm, choose: fastest, on_seeds: [100, 101, 102], extend: 2}
seeds: [0, 1, 2, 3, 4]
measure: {kind: epochs_to, metric: train_error, level: 0.25, at: end}
rule: {kind: ratio, of: [tanh, relu], paper: 6.0, within: [4.0, 9.0], direction: above 1}
scales:
  smoke: {measure.metric: train_loss, measure.level: 1.5}
  small: {measure.level: 0.40}
  paper: {}
"""
RULE = "{kind: ratio, of: [tanh, relu], paper: 6.0, within: [4.0, 9.0], direction: above 1}"
MIRROR = f"{{kind: ratio, of: [relu, tanh], paper: {1 / 6}, within: [{1 / 9}, 0.25], direction: below 1}}"


PHOTOS = """
data: {kind: ilsvrc2012, crop: 224, held_out: 10000}
model: {kind: alexnet}
train: {epochs: 20, file_images: 1024, plateau: 5}
seeds: [0, 1, 2, 3, 4]
"""
EARLY = (
    """
id: early
version: 1
paper:
  name: alexnet2012
  section: "5"
  says: Initial biases of 1 in some layers accelerate the early stages of learning.
  notes: {value: initB=1 there, says: The released nets have these biases., source: "source.md 1, 12"}
question: How many times more updates does the net need to get going without them?
arms:
  one: {label: biases of 1, model.bias: 1.0}
  zero: {label: biases of 0, model.bias: 0.0}
varies: [model.bias]
tune: {train.lr: [0.01], per: arm, choose: fastest, on_seeds: [100], extend: 0}
measure: {kind: updates_to, metric: train_loss, of_chance: 0.9, window: 50, at: end}
rule: {kind: ratio, of: [zero, one], paper: null, within: [1.1, null], direction: above 1}
scales:
  smoke: {measure.window: 5}
  small: {train.epochs: 8}
  medium: {train.epochs: 40}
  paper: {train.epochs: 1}
"""
    + PHOTOS
)
LATE = (
    """
id: late
version: 1
paper: {name: alexnet2012, section: "4.2", says: Dropout roughly doubles the number of iterations required to converge.}
question: How many times more epochs does the net with dropout need?
arms:
  dropout: {label: dropout, model.dropout: 0.5}
  without: {label: no dropout, model.dropout: 0.0}
varies: [model.dropout]
measure: {kind: converged, metric: held_out_error, near: 0.005}
rule: {kind: ratio, of: [dropout, without], paper: 2.0, within: [1.5, 2.67], direction: above 1}
scales:
  smoke: {}
  medium: {train.epochs: 20, train.drops: []}
  paper: {}
"""
    + PHOTOS
)
ERRORS = (
    """
id: errors
version: 1
paper:
  name: alexnet2012
  section: "3.3"
  says: Local response normalisation reduces the top-1 error rate by 1.4 points.
  notes: {value: 1.370 points, says: One net against one net., source: source.md 2.1}
  later: [{who: S & Z 2014, numbers: [-0.001], says: No gain., setting: an 11-layer net, source: Table 3 of theirs}]
question: How much higher is the test error of the net without normalisation?
arms:
  both: {label: LRN, model.norms: both}
  none: {label: no LRN, model.norms: none}
varies: [model.norms]
measure: {kind: final, metric: views_error}
rule: {kind: difference, of: [none, both], paper: 0.014, within: [0.007, 0.022], direction: above 0}
assumptions:
  - {what: rate, ours: 0.01 in both arms, alternatives: {half_rate: {label: half of the rate, train.lr: 0.005}}}
scales:
  smoke: {}
  medium: {train.epochs: 4, train.drops: [], alternatives: [half_rate]}
  paper: {train.epochs: 3}
"""
    + PHOTOS
)
APART = "{kind: difference, of: [none, both], paper: 0.014, within: [0.007, 0.022], direction: above 0}"
TURNED = "{kind: difference, of: [both, none], paper: -0.014, within: [-0.022, -0.007], direction: below 0}"


def claim_file(folder: Path, *changes: tuple[str, str], text: str = CLAIM) -> ClaimFile:
    """A checked claim: `text` with each of `changes` (old, new) made in it."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{text.split()[1]}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return load(path)
