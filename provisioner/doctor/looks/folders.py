"""Looks at the folders of this project: free space, permissions, and remains of dead runs.

In: a System.  Out: one `Seen` each.  Deletes nothing: `provisioner prune` does.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from provisioner.doctor.finding import Seen, lacking, limited, ok
from provisioner.doctor.look import look
from provisioner.doctor.system import System
from provisioner.errors import IsolationError
from provisioner.journal.prune import dead_runs
from provisioner.machines.box.build import DESCRIPTION, ROOM
from provisioner.paths import HOME, cache_dir, run_dir, state_dir

GIB = 1 << 30
MIB = 1 << 20
ELSEWHERE = f"export {HOME}=/a/folder/with/room"


@look("host", "cache folder")
def look_at_cache(system: System) -> Seen:
    """Look whether programs can run from the cache folder, and whether a box can be built there."""
    seen = _room(cache_dir, 256 * MIB, "neither the probe nor a kernel fits")
    if seen.state != "ok":
        return seen
    folder = cache_dir()
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return lacking(f"{folder}: mounted noexec", "no probe runs from there: no sandbox at all", ELSEWHERE)
    built = any(folder.glob(f"boxes/*/{DESCRIPTION}"))
    if not built and shutil.disk_usage(folder).free < ROOM:
        return limited(seen.seen, f"no box can be built: the build takes {ROOM // GIB} GiB", ELSEWHERE)
    return seen


@look("host", "state folder")
def look_at_state(system: System) -> Seen:
    """Look whether disks and snapshots of machines fit."""
    return _room(state_dir, 2 * GIB, "machines' disks, snapshots and podman's storage may not fit")


@look("host", "run folder")
def look_at_run(system: System) -> Seen:
    """Look whether the data of `provisioner daemon` fits."""
    return _room(run_dir, 256 * MIB, "the data of `provisioner daemon docker` may not fit")


def _room(folder: Callable[[], Path], wanted: int, cost: str) -> Seen:
    try:
        path = folder()
    except IsolationError as error:
        return lacking(error.what, "nothing can be run", ELSEWHERE)
    if not os.access(path, os.W_OK):
        return lacking(f"{path}: not writable", "nothing can be run", ELSEWHERE)
    free = shutil.disk_usage(path).free
    told = f"{path}: {free / GIB:.1f} GiB free"
    return ok(told) if free >= wanted else limited(told, cost, ELSEWHERE)


@look("host", "leftovers")
def look_at_leftovers(system: System) -> Seen:
    """Count the entries in the journals of this user's dead runs."""
    dead = dead_runs()
    runs, things = len(dead), sum(len(run.entries) for run in dead)
    if not runs:
        return ok("no dead run left anything")
    told = f"{_count(things, 'thing')} of {_count(runs, 'dead run')}"
    return limited(told, "their sandboxes, cgroups, mounts and files may still exist", "provisioner prune")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
