"""provisioner.sandboxes.earlier: a neighbour's namespaces and cgroups are not the sandbox's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from provisioner.facts.namespaces import NAMESPACES, Namespaces
from provisioner.facts.process import Cgroup, Process
from provisioner.linux.mounts import MountPoint
from provisioner.linux.processes import clock_now
from provisioner.sandboxes import earlier as module
from provisioner.sandboxes.earlier import Earlier, own_cgroups, own_namespaces

NOBODYS = 1  # no namespace has this number: the kernel begins at 0xF0000000
NOTHING = Earlier(0, frozenset(), frozenset())


def process(namespaces: Mapping[str, int], *cgroups: Cgroup) -> Process:
    numbers: dict[str, int | None] = dict.fromkeys(NAMESPACES, NOBODYS)
    return Process.model_construct(namespaces=Namespaces(**{**numbers, **namespaces}), cgroups=list(cgroups))


def line(path: str, *controllers: str) -> Cgroup:
    return Cgroup(hierarchy=1 if controllers else 0, controllers=list(controllers), path=path)


def inode(kind: str) -> int:
    return os.stat(f"/proc/self/ns/{kind}").st_ino


HOST = process({})


@pytest.mark.parametrize("kind", ["cgroup", "ipc", "mnt", "net", "pid", "uts"])
def test_a_namespace_with_an_older_process_is_a_neighbours(kind: str) -> None:
    joined = process({kind: inode(kind)})

    assert kind not in own_namespaces(joined, HOST, Earlier(clock_now() + 1, frozenset(), frozenset()))


def test_a_namespace_in_which_all_are_younger_is_its_own() -> None:
    made = process({kind: inode(kind) for kind in ("ipc", "net", "pid")})

    assert own_namespaces(made, HOST, NOTHING) == {kind: inode(kind) for kind in ("ipc", "net", "pid")}


def test_the_hosts_and_those_that_are_never_its_own_are_left_out() -> None:
    made = process({"net": 2, "time": 3, "user": 4})

    assert own_namespaces(made, HOST, NOTHING) == {"net": 2}


def bound(number: int, target: str) -> MountPoint:
    return MountPoint(f"net:[{number}]", Path(target), "nsfs", ())


def test_a_namespace_that_a_mount_kept_before_is_a_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read_mounts", lambda: [bound(7, "/run/netns/old"), bound(8, "/run/netns/new")])
    before = Earlier(0, frozenset({("net:[7]", Path("/run/netns/old"))}), frozenset())

    assert "net" not in own_namespaces(process({"net": 7}), HOST, before)
    assert own_namespaces(process({"net": 8}), HOST, before) == {"net": 8}


def test_a_number_that_was_free_in_between_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel gives the number of a namespace that is gone to the next one (proc_alloc_inum)."""
    monkeypatch.setattr(module, "read_mounts", list)
    before = Earlier(0, frozenset({("net:[7]", Path("/run/netns/gone"))}), frozenset())

    assert own_namespaces(process({"net": 7}), HOST, before) == {"net": 7}


MOUNTS = [
    MountPoint("/", Path("/cg/pids"), "cgroup", ("rw", "pids")),
    MountPoint("/", Path("/cg/cpu"), "cgroup", ("rw", "cpu", "cpuacct")),
    MountPoint("/", Path("/cg/unified"), "cgroup2", ("rw",)),
]


def test_a_cgroup_that_was_there_before_is_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read_mounts", lambda: MOUNTS)
    sandbox = process({}, line("/run/box", "pids"), line("/run", "cpu", "cpuacct"), line("/engine.service"))
    before = Earlier(0, frozenset(), frozenset(Path("/cg", name) for name in ("pids/run", "cpu/run", "unified")))

    assert own_cgroups(sandbox, process({}), before) == [Path("/cg/pids/run/box"), Path("/cg/unified/engine.service")]
    further = Earlier(0, frozenset(), before.cgroups | {Path("/cg/unified/engine.service")})
    assert own_cgroups(sandbox, process({}), further) == [Path("/cg/pids/run/box")]


def test_the_hosts_cgroup_and_the_top_are_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read_mounts", lambda: MOUNTS)
    host = process({}, line("/session", "pids"))
    sandbox = process({}, line("/session", "pids"), line("/", "cpu", "cpuacct"), line("/box"))

    assert own_cgroups(sandbox, host, NOTHING) == [Path("/cg/unified/box")]
