"""Check what a device computes against what it should, for each net and precision (`repro doctor --device`).

On CUDA the nets are whole. On the CPU nothing is captured, the CPU is compared with itself, and AlexNet is small, which
tries every line here but the capture itself.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import safetensors.torch
import torch

from repro.doctor import plain
from repro.engine.turns import LAYOUT_NAMES, Contender, in_rounds, noise, other_layout, ours, trainer
from repro.nets import modules
from repro.pages.doctor import Check, largest
from repro.pages.speed import ratios, spread, verdict
from repro.train import loop, throughput
from repro.train.machine import settle_process

UPDATES = 10  # in two epochs of five, so that the second epoch fills buffers that are recorded already
# Relative, between losses of the same update (assumed): other kernels of one processor differ by 1e-5 after ten.
TOLERANCE = {"fp32": 1e-3, "bf16": 2e-2}
LR = 1e-4  # assumed: losses move by more than the tolerance, and rounding grows to 1e-5 in ten updates
GROWTH = 1.02  # of memory after as many updates again (assumed: caches settle in the first)
SLOWER = 0.8  # of the fastest rival's images/s: below it something is wrong, not slow (assumed)
ROUNDS, TIMED = 3, {"cpu": 1, "cuda": 20}  # few, so that all ends within two minutes; updates of a round


@dataclass(frozen=True)
class Case:
    """A net as it is checked: options, pixels, images of a minibatch that both devices train, and that is timed."""

    name: str
    kind: str
    pixels: int
    compared: int
    timed: int
    rival: bool  # whether a plain PyTorch net of this size is at hand
    options: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "cuda": (
        Case("19pct", "cuda_convnet_19pct", 32, 128, 128, True),
        Case("AlexNet", "alexnet", 224, 8, 128, True, {"reading": "paper"}),  # 8: one CPU core does ten updates in 15 s
    ),
    "cpu": (
        Case("19pct", "cuda_convnet_19pct", 32, 32, 32, True),
        Case("AlexNet, an eighth as wide", "alexnet", 80, 8, 8, False, {"reading": "paper", "width": 0.125}),
    ),
}


def checks(device: str, cases: tuple[Case, ...] | None = None) -> Iterator[Check]:
    """Yield the checks of each net and precision: what is captured, the CPU, resume, memory and speed."""
    settle_process(device)
    for case in cases or CASES[device]:
        for precision in ("fp32", "bf16"):
            yield from _of(case, precision, device)
            if device == "cuda":
                torch.cuda.empty_cache()


def _of(case: Case, precision: str, device: str) -> Iterator[Check]:
    limit = TOLERANCE[precision]
    captured = _trainer(case, precision, device)
    eager = _trainer(case, precision, device, capture=False)
    first = _losses(captured, 1)
    state = safetensors.torch.load(safetensors.torch.save(captured.state()))
    replayed, by_hand = first + _losses(captured, 2), _losses(eager, 1) + _losses(eager, 2)
    yield _alike(case, precision, "recorded against eager", replayed, by_hand, limit,
                 "the recording does not do what the update does: do not train here, and report it")  # fmt: skip
    del eager
    cpu = _trainer(case, precision, "cpu")
    yield _alike(case, precision, f"{device} against cpu", by_hand, _losses(cpu, 1) + _losses(cpu, 2), limit,
                 "this device computes something else: do not judge runs of it; report it with the JSON")  # fmt: skip
    del cpu
    resumed = _trainer(case, precision, device)
    resumed.load(state)
    yield _alike(case, precision, "resumed after an epoch against uninterrupted", _losses(resumed, 2), replayed[5:],
                 limit, "do not resume runs here; report it")  # fmt: skip
    del resumed
    yield _memory(case, precision, device, captured)
    del captured
    yield from _speed(case, precision, device)


def _trainer(case: Case, precision: str, device: str, *, capture: bool = True) -> loop.Trainer:
    """Return a run on noise, with values at which its losses move."""
    images = case.compared * UPDATES // 2
    batches = noise(images, case.pixels, 10, device, "standardised")
    return trainer(case.kind, batches, batch=case.compared, precision=precision, capture=capture, lr=LR,
                        init="he", **case.options)  # fmt: skip


def _losses(run: loop.Trainer, epoch: int) -> list[float]:
    sizes, _ = run.begin(epoch)
    for _ in sizes:
        run.step()
    return run.step.losses_and_errors()[0]


def _alike(
    case: Case, precision: str, name: str, found: list[float], wanted: list[float], limit: float, advice: str
) -> Check:
    difference, update = largest(found, wanted)
    measured = "equal bit for bit" if difference == 0 else f"{difference:.1e} at update {update}"
    expected = f"losses within {limit:g}, relative"
    figures = {"found": found, "wanted": wanted}
    return Check(case.name, precision, name, expected, measured, difference <= limit, advice, figures)


def _memory(case: Case, precision: str, device: str, run: loop.Trainer) -> Check:
    before = _held(device)
    for epoch in (3, 4):
        _losses(run, epoch)
    after = _held(device)
    what = "allocated on the device" if device == "cuda" else "held by the process at most"
    expected = f"no more than {GROWTH:g} times as much after ten more updates"
    measured = f"{before / 1e6:,.0f} MB {what}, then {after / 1e6:,.0f} MB, minibatches of {case.compared}"
    figures = {"before": before, "after": after}
    return Check(
        case.name, precision, "memory", expected, measured, after <= GROWTH * before, "it leaks: report it", figures
    )


def _held(device: str) -> int:
    """Return the bytes that tensors hold on a GPU now, or the most that this process has held."""
    throughput.synchronise(device)
    if device == "cuda":
        return torch.cuda.memory_allocated()
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _speed(case: Case, precision: str, device: str) -> Iterator[Check]:
    """Yield checks of the images/s of our training and of plain PyTorch, in both memory layouts."""
    layout, other = modules.layout(device), other_layout(device)
    classes = plain.CLASSES[case.kind]
    batches = noise(case.timed, case.pixels, classes, device)
    contenders = [
        ours("ours", case.kind, batches, precision, **case.options),
        ours(f"ours, {LAYOUT_NAMES[other]}", case.kind, batches, precision, layout=other, **case.options),
    ]
    if case.rival:
        minibatch = batches.train(torch.arange(case.timed, device=device))
        contenders += [plain.plain(case.kind, minibatch, form, precision) for form in (layout, other)]
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = _rounds(contenders, device)
    peak = f"; {torch.cuda.max_memory_allocated() / 1e6:,.0f} MB at most, of all of these" if device == "cuda" else ""
    yield layout_check(case.name, precision, seconds, LAYOUT_NAMES[layout], contenders[1].name)
    if case.rival:
        yield rate_check(case.name, precision, seconds, case.timed, peak)


def _rounds(contenders: list[Contender], device: str) -> dict[str, list[float]]:
    steps = {c.name: c.step for c in contenders if c.step is not None}
    times = dict.fromkeys(steps, TIMED[device])
    warming, *rounds = in_rounds(steps, times, rounds=ROUNDS, device=device, warm=5)  # which also records
    return {name: [seconds[name] for seconds in rounds] for name in warming}


def layout_check(net: str, precision: str, seconds: dict[str, list[float]], layout: str, other: str) -> Check:
    """Return whether the memory layout that is the device's is not the slower one in every round."""
    by_round = ratios(seconds["ours"], seconds[other])
    expected = f"{layout}, the device's layout, is not slower than the other in every round by a tenth"
    advice = "time both with `python -m benchmarks`, and change `nets.LAYOUT`"
    return Check(net, precision, "memory layout", expected, f"{layout} is the first; {verdict(by_round)}",
                 max(by_round) >= 0.9, advice, {"seconds": seconds})  # fmt: skip


def rate_check(net: str, precision: str, seconds: dict[str, list[float]], batch: int, peak: str = "") -> Check:
    """Return whether our images/s reach a share of the fastest rival's."""
    rates = {name: batch / spread(taken).middle for name, taken in seconds.items()}
    fastest = max((name for name in rates if not name.startswith("ours")), key=lambda name: rates[name])
    by_round = ratios(seconds["ours"], seconds[fastest])
    each = "; ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
    measured = f"{each}; {spread(by_round).middle:.2f} times the fastest of {len(by_round)} rounds each{peak}"
    expected = f"at least {SLOWER:g} times the fastest rival's, minibatches of {batch}"
    advice = "time it with `python -m benchmarks` on an idle machine"
    return Check(net, precision, "images/s", expected, measured, spread(by_round).middle >= SLOWER, advice,
                 {"seconds": seconds})  # fmt: skip
