"""Where and on what a command trains: this machine, or a cluster. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from repro import asked, places
from repro.asked import Say
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.claim.files import ClaimFile
    from repro.engine.cluster import Cluster
    from repro.engine.setting import Setting
    from repro.store.rows import Provenance


@contextmanager
def machine(args: argparse.Namespace, say: Say) -> Iterator[tuple[Setting, int, Cluster | None]]:
    """Give where and on what runs are trained, how many workers do it, and the cluster where they are on one."""
    if not args.on:
        yield *here(args), None
        return
    if args.towers > 1:
        raise ReproError("--towers 2: not with --on: a run on a cluster is one process; leave one of the two away")
    from repro.engine.cluster import Share, connected

    share = Share(args.gpus_per_run, args.cpus_per_run, args.memory_per_run * 2**30)
    with connected(args.on, args.device, share, args.data, args.workers) as cluster:
        setting = _setting(args, cluster.device, cluster.examined.provenance)
        room = cluster.slots()
        say(f"--on {args.on}: room for {min(room, args.workers or room)} run(s) at once on {cluster.device}")
        yield setting, 1, cluster


def here(args: argparse.Namespace) -> tuple[Setting, int]:
    """Return where and on what runs are trained on this machine, and how many workers."""
    from repro.engine.provenance import check_towers, device_of, provenance
    from repro.workers import cores

    device = device_of(args.device)
    if args.towers > 1:
        check_towers(device)
    made = provenance(device, args.towers)
    return _setting(args, device, made), args.workers or (1 if device == "cuda" else max(1, cores() // args.towers))


def _setting(args: argparse.Namespace, device: str, made: Provenance) -> Setting:
    """Return where and on what runs are trained. ReproError of the reference shelf where `made` is not as committed."""
    from repro.engine.setting import Setting

    if args.reference and made["commit"] is None:
        raise ReproError("--reference: this repro was not imported from a clone; there `pip install -e .` makes it so")
    if args.reference and not made["clean"]:
        raise ReproError("--reference: the sources or claims differ from their commit; commit, or use a clean worktree")
    return Setting(asked.store(args), device, places.roots(args.data), places.cache(), made, keep_old=args.reference)


def say_towers(file: ClaimFile, scale: str, say: Say) -> None:
    """Say which nets of a claim have no two towers and are trained in one process. ReproError where it times none that
    has, since what it timed would stand under two devices."""
    from repro.claim.files import run_config
    from repro.engine.setting import has_towers
    from repro.questions.units import listed

    claim = file.at(scale)
    whole = [claim.label(arm) for arm in claim.arms if not has_towers(run_config(claim, arm, seed=0))]
    if claim.measure.timed and len(whole) == len(claim.arms):
        raise ReproError(f"--towers 2: {file.id} times nets without two towers; leave --towers away for it")
    if whole:
        say(f"{file.id}: {listed(whole)}: no two towers, so trained in one process")
