"""One plant: a wall that a sandbox lacks, and the checks that must find it; and functions that build plants.

In: nothing.  Out: `Plant`, and functions that make Specs and overlays.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ground import Ground

from provisioner.limits.limit import limit_named
from provisioner.limits.limits import Limits
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.sandbox import Sandbox

# without a shared mount on the host there is no peer group
SHARED = ("mnt.propagation",) if " shared:" in Path("/proc/self/mountinfo").read_text() else ()
# files that not every kernel has: without the file no plant opens the check
KERNEL_FILES = {
    "path.sysrq": "/proc/sysrq-trigger",
    "path.modprobe": "/proc/sys/kernel/modprobe",
    "dev.kvm_vhost": "/dev/kvm",
    "dev.fuse_tun": "/dev/fuse",
}
SYSRQ = {"path.sysrq": "sysrq-trigger opens for writing"}
PROC_SYS = {
    "path.proc_sys": "opens for writing",
    "path.core_pattern": "core_pattern opens for writing",
    "path.modprobe": "modprobe opens for writing",
}
# other walls that systempaths=unconfined and unmask=ALL remove
UNMASKED = {
    "path.keys": "/proc/keys",
    "path.firmware": "/sys/firmware",
    "path.bus_irq_fs": "/proc/irq/default_smp_affinity opens for writing",
}
# interfaces and their settings are those of the host, or of the engine's own network namespace
OTHERS_LINKS = ("net.own_interfaces", "net.ipv6_ra")
# what CAP_SYSLOG over the host gives
SYSLOG = {
    "path.kmsg": "syslog(2)",
    "path.kallsyms": "shows the kernel's addresses",
    "cap.bpf_perfmon": "SYSLOG",
}
ON_V1 = " - cgroup " in Path("/proc/self/mountinfo").read_text()
# what CAP_SYS_ADMIN over the host may mount; a hierarchy of version 1 only where the host has one
RELEASE = {"path.release_agent": "it may mount a cgroup v1 hierarchy"}
MAY_MOUNT = {
    "path.binfmt": "it may mount binfmt_misc",
    **(RELEASE if ON_V1 else {}),
}
# Checks of the kernel that CAP_SYS_ADMIN opens; also swap, if no filter refuses swapon.
RULES_KERNEL = {
    "kern.bpf": "bpf's check",
    "kern.perf": "profile",
    "kern.mount_api": "fsopen.no_such_fs",
    "kern.fanotify": "watch whole mounts",
}
NOT_ENFORCED = (
    ("memory", "it took 80 MiB of 64"),
    ("cpu", "no limit"),
    ("pids", "64 children came up"),
    ("files", "open files, "),
    ("cpuset", "its cpuset has no limit, 1 processors"),
    ("shm", "its /dev/shm has "),
    ("core", "its hard limit is "),
    ("nproc", "for tasks of its user"),
)
# unshare, bubblewrap and nspawn set no size of /dev/shm
OF_CGROUPS = ("memory", "swap", "cpu", "pids", "files", "cpuset", "core")
MEMORY, CPUS, PIDS, FILES, SHM, CORE = (
    limit_named(name).amount for name in ("memory", "cpu", "pids", "files", "shm", "core")
)
HOST_CPUS = os.cpu_count() or 1
# CAP_SYS_RESOURCE, which lowers an oom_score_adj (proc_pid_oom_score_adj(5))
MAY_SPARE = bool(int(re.search(r"^CapEff:\s+(\w+)", Path("/proc/self/status").read_text(), re.M)[1], 16) >> 24 & 1)  # type: ignore[index]
LARGER_QUOTA = f"a quota of {round((CPUS + 0.1) * 100000)}"
TOO_LARGE = (
    ("memory", "the cgroup shows 67112960 bytes", Limits(memory=MEMORY + 4096)),
    (
        "swap",
        "memory and swap get 67112960 together",
        Limits(memory=MEMORY, memory_swap=MEMORY + 4096),
    ),
    ("cpu", LARGER_QUOTA, Limits(cpus=CPUS + 0.1)),
    ("pids", "a limit of 33 tasks", Limits(pids=PIDS + 1)),
    ("files", "its hard limit is 257 open files", Limits(files=FILES + 1)),
    ("cpuset", "its cpuset has ", Limits(cpuset=2)),
    ("shm", "its /dev/shm has 8454144", Limits(shm=SHM + 65536)),
    ("core", "its hard limit is 1048577 for a core file", Limits(core=CORE + 1)),
    ("nproc", "its hard limit is 257 for tasks of its user", Limits(nproc=257)),
)
ALL = tuple(name for name, _, _ in TOO_LARGE if name != "nproc")  # it does not bind the host's root

Make = Mapping[str, Any] | Callable[[Ground], Mapping[str, Any]]


@dataclass(frozen=True)
class Plant:
    """
    One missing wall, and the checks that must find it.

    Attributes:
        name: names the plant in files and reports; unique for a runtime.
        runtimes: the runtimes that it is for, as `named` names them.
        opens: check id to a fragment of the reason; each check held before and has `verdict` afterwards, except those
            whose KERNEL_FILES this host lacks.
        also: other checks that must move because they depend on the same wall, with their new verdict.
        apart: checks that the state of this host moves or not; each is left out.
        spec: keyword arguments of Spec, or a function that makes them.
        base: the name in BASES of the sandbox to compare with; "" is the session's own sandbox.
        overlay: keys of runtime.yaml to replace.
        exec: an argument list instead of the runtime's own exec.
        beside: starts something in the sandbox before it is observed; returns what ends it.
        verdict: of the checks in `opens`.
        confined: of checks in `opens`, the fragment of the reason where AppArmor confines the planted sandbox.
        limit: the limit with a load to measure in the planted sandbox; reach: whether the peer is tried.
        volume: whether a file is made in a shared folder.
        leave: leaves something behind while the sandbox is deleted; then residue is measured.
        ends: whether it is deleted with processes in it, and residue is measured.
        listens: whether a port of the host's loopback listens beside it.
        planted_peer: whether the peer is planted too; peer: another Spec for the peer.
        network: changes of the runtime's key `networked`; then its networks are tried, and no sandbox is looked at.
        kind: the kind as which the sandbox is judged.
        needs: a path of the host that the plant needs; when: whether this host can express it.
        version: the versions of the runtime that it is for, as a range: ">=25"; "" for all.
        where: whether it is planted on this host, in machines of lab.yaml, or on both; plants that need files of the
            test or this host's kernel are for "here".
        mended_by: why newer runtimes refuse it.
        user: the user who starts podman: "root", or "other" for a user without root (plants/rootless.py).
    """

    name: str
    runtimes: tuple[str, ...]
    opens: Mapping[str, str] = field(default_factory=dict)
    also: Mapping[str, str] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    spec: Make = field(default_factory=dict)
    base: str = ""
    overlay: Callable[[Ground], Mapping[str, Any]] | None = None
    exec: Callable[[Ground, Sandbox], list[str]] | None = None
    beside: Callable[[Ground, Sandbox], Callable[[], object]] | None = None
    verdict: str = "open"
    confined: Mapping[str, str] = field(default_factory=dict)
    limit: str = ""
    reach: bool = False
    volume: bool = False
    leave: Callable[[Ground, Sandbox], object] | None = None
    ends: bool = False
    listens: bool = False
    planted_peer: bool = False
    peer: Make | None = None
    network: Mapping[str, Any] | None = None
    kind: str = ""
    needs: str = ""
    when: bool = True
    version: str = ""
    where: Literal["here", "machine", "both"] = "here"
    mended_by: str = ""
    user: Literal["root", "other"] = "root"

    def opens_on(self, here: bool) -> Mapping[str, str]:
        """Return the checks that it opens on this host, or on a machine of lab.yaml, whose kernel has all files."""
        lacking = {check for check, path in KERNEL_FILES.items() if here and not Path(path).exists()}
        return {check: fragment for check, fragment in self.opens.items() if check not in lacking}

    @property
    def on_hosts_network(self) -> bool:
        """
        Whether its sandbox, or the one that it is compared with, shares the host's network, or something listens there.
        """
        return self.listens or self.base == "host's network" or "ns.net" in {*self.opens, *self.also}

    @property
    def look_alike(self) -> bool:
        """Whether it is no weakness: no check may move."""
        return not self.opens


def from_version(bound: str, plant: Plant, **newer: Any) -> tuple[Plant, Plant]:
    """
    Return a plant for runtimes before a version, and the same with changes from this version on.

    Args:
        bound: the version, such as "25".
        plant: the plant before it.
        newer: attributes that differ from this version on; the name by default, which says the version.
    """
    changed: dict[str, Any] = {"name": f"{plant.name}, from {bound} on", **newer}
    return replace(plant, version=f"<{bound}"), replace(plant, version=f">={bound}", **changed)


def named(runtime: Runtime) -> str:
    """Return the name by which plants know a runtime: its role, and its variant after a dash."""
    variant = runtime.conditions.get("variant", "default")
    return runtime.name if variant == "default" else f"{runtime.name}-{variant}"


def flags(*words: str) -> Mapping[str, Any]:
    """Return a Spec with further arguments."""
    return {"flags": words}


def edits(*made: Callable[[dict[str, Any]], None]) -> Mapping[str, Any]:
    """Return a Spec with edits of the config."""
    return {"edits": made}


def opened(*checks: str) -> dict[str, str]:
    """Return the `also` of checks that turn open."""
    return dict.fromkeys(checks, "open")


def limited(name: str, **how: Any) -> Callable[[Ground], Mapping[str, Any]]:
    """Return the overlay that keeps one limit, set in another way."""
    return lambda ground: {"limits": {name: how}}


def limited_beside(
    name: str, needed: Mapping[str, Any], how: Mapping[str, Any]
) -> Callable[[Ground], Mapping[str, Any]]:
    """Return the overlay that keeps one limit and that which it needs, each set in another way."""
    return lambda ground: {"limits": {limit_named(name).needs: needed, name: how}}


def limits_left_out(*runtimes: str, names: Collection[str] = ALL) -> tuple[Plant, ...]:
    """Return plants of sandboxes without their limit, for some limits."""
    return tuple(
        Plant(
            f"{name} limit left out",
            runtimes,
            {f"lim.{name}": fragment},
            opened("lim.memory_escape") if name == "memory" else {},
            limit=name,
            verdict="ignored",
            overlay=limited(name),
            where="both",
            when=name != "cpuset" or HOST_CPUS > 1,
        )
        for name, fragment in NOT_ENFORCED
        if name in names
    ) + (
        Plant(
            "memory limit left out, taken in further ways",
            runtimes,
            {"lim.memory_escape": "memfd: held 83886080"},
            {"lim.memory": "ignored"},
            limit="memory",
            overlay=limited("memory"),
        ),
    ) * ("memory" in names)


def limits_too_large(*runtimes: str, names: Collection[str] = ALL) -> tuple[Plant, ...]:
    """Return plants of sandboxes with a limit that is a little larger than the expected one, for some limits."""
    return tuple(
        Plant(
            f"{name} limit a little too large",
            runtimes,
            {f"lim.{name}": fragment},
            limit=name,
            verdict="ignored",
            spec={"limits": limits},
            overlay=alone(name),
            when=name != "cpuset" or HOST_CPUS > 1,
            # lxc-attach does not know the rlimits of a container without a saved configuration
            # a memory limit bounds a tmpfs without a size
            apart={"memory": ("lim.tmpfs",)}.get(
                name, ("proc.exec_limits",) if name in ("files", "core", "nproc") else ()
            ),
        )
        for name, fragment, limits in TOO_LARGE
        if name in names
    )


def alone(name: str) -> Callable[[Ground], Mapping[str, Any]]:
    """Return the overlay that keeps one limit, as the role sets it."""
    kept = [one for one in (limit_named(name).needs, name) if one]
    return lambda ground: {"limits": {one: ground.runtime.limits[one].model_dump() for one in kept}}
