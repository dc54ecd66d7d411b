"""One plant: what is missing of a sandbox, and what must be said of it; and the words that plants are written with.

In: nothing.  Out: `Plant`, and functions that make Specs and overlays.  Used by plants/, one module for each runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ground import Ground

from provisioner.limits.limit import limit_named
from provisioner.limits.limits import Limits
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.sandbox import Sandbox

# where no mount of the host's is shared there is no group to be in
SHARED = ("mnt.propagation",) if " shared:" in Path("/proc/self/mountinfo").read_text() else ()
# what not every kernel has: where it is not there, nothing opens its check
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
# what systempaths=unconfined and unmask=ALL take away besides
UNMASKED = {
    "path.keys": "/proc/keys",
    "path.firmware": "/sys/firmware",
    "path.bus_irq_fs": "/proc/irq/default_smp_affinity opens for writing",
}
# what CAP_SYSLOG over the host gives
SYSLOG = {
    "path.kmsg": "syslog(2)",
    "path.kallsyms": "shows the kernel's addresses",
    "cap.bpf_perfmon": "SYSLOG",
}
MAY_MOUNT = {"path.binfmt": "it may mount binfmt_misc"}
# What CAP_SYS_ADMIN opens of the kernel; swap besides where no filter refuses swapon whatever the capability.
RULES_KERNEL = {
    "kern.bpf": "bpf's check",
    "kern.perf": "profile",
    "kern.mount_api": "fsopen.no_such_fs",
    "kern.fanotify": "watch whole mounts",
}
NOT_ENFORCED = (("memory", "it took 80 MiB of 64"), ("cpu", "no limit"), ("pids", "64 children came up"))
MEMORY, CPUS, PIDS = (limit_named(name).amount for name in ("memory", "cpu", "pids"))
LARGER_QUOTA = f"a quota of {round((CPUS + 0.1) * 100000)}"
TOO_LARGE = (
    ("memory", "the cgroup shows 67112960 bytes", Limits(memory=MEMORY + 4096)),
    ("cpu", LARGER_QUOTA, Limits(cpus=CPUS + 0.1)),
    ("pids", "a limit of 33 tasks", Limits(pids=PIDS + 1)),
)

Make = Mapping[str, Any] | Callable[[Ground], Mapping[str, Any]]


@dataclass(frozen=True)
class Plant:
    """
    One thing that is missing, and what must be seen.

    Attributes:
        runtimes: the runtimes that it is for, as `named` names them.
        opens: check id to a fragment of the reason; each held before and has `verdict` afterwards, but for those
            whose KERNEL_FILES this machine lacks.
        also: what must move with them because it rests on the same wall, check id to its new verdict.
        apart: checks that this host's own state moves or not, each left out.
        spec: keyword arguments of Spec, or a function that makes them.
        base: the name in BASES of what it is compared with; "" is the session's own sandbox.
        overlay: keys of runtime.yaml to replace.
        exec: an argument list in place of the runtime's own exec.
        beside: what else is started in the sandbox before it is looked at; returns what ends it.
        limit: the limit whose load is measured, in the planted sandbox; reach: whether the peer is tried.
        volume: whether a file is made in a folder that is shared.
        leave: what is left behind while the sandbox is ended; what remains of it is then looked for.
        ends: whether it is ended with processes left in it, and what remains of it is looked for.
        listens: whether a port of the host's loopback listens beside it.
        planted_peer: whether the peer is planted too; peer: another Spec for the peer.
        kind: the kind under which the sandbox is judged.
        needs: a path of the host without which there is nothing to plant; when: whether this machine is for it.
        where: whether it is planted on this machine, in machines of lab.yaml, or on both; what needs files of the
            test's own, or this machine's kernel, is for "here".
        mended_by: what makes newer runtimes refuse it.
        user: who starts podman: "root", or "other" without it, to whom some of root's plants are the same
            (plants/rootless.py).
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
    limit: str = ""
    reach: bool = False
    volume: bool = False
    leave: Callable[[Ground, Sandbox], object] | None = None
    ends: bool = False
    listens: bool = False
    planted_peer: bool = False
    peer: Make | None = None
    kind: str = ""
    needs: str = ""
    when: bool = True
    where: Literal["here", "machine", "both"] = "here"
    mended_by: str = ""
    user: Literal["root", "other"] = "root"

    def opens_on(self, here: bool) -> Mapping[str, str]:
        """Return what it opens on this machine, or on one of lab.yaml, whose kernel has all."""
        lacking = {check for check, path in KERNEL_FILES.items() if here and not Path(path).exists()}
        return {check: fragment for check, fragment in self.opens.items() if check not in lacking}

    @property
    def on_hosts_network(self) -> bool:
        """Whether its sandbox, or what it is compared with, shares the host's network, or something listens there."""
        return self.listens or self.base == "host's network" or "ns.net" in {*self.opens, *self.also}

    @property
    def look_alike(self) -> bool:
        """Whether it is no weakness: nothing may move."""
        return not self.opens


def named(runtime: Runtime) -> str:
    """Return the name that plants know a runtime by: its role's, and its variant's after a dash."""
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
    """Return the overlay that leaves one limit, asked for in another way."""
    return lambda ground: {"limits": {name: how}}


def limits_left_out(*runtimes: str) -> tuple[Plant, ...]:
    """Return the plants of sandboxes that were never told their limit."""
    return tuple(
        Plant(
            f"{name} limit left out",
            runtimes,
            {f"lim.{name}": fragment},
            limit=name,
            verdict="ignored",
            overlay=limited(name),
            where="both",
        )
        for name, fragment in NOT_ENFORCED
    )


def limits_too_large(*runtimes: str) -> tuple[Plant, ...]:
    """Return the plants of sandboxes that were told a limit a little larger than the one that is looked for."""
    return tuple(
        Plant(
            f"{name} limit a little too large",
            runtimes,
            {f"lim.{name}": fragment},
            limit=name,
            verdict="ignored",
            spec={"limits": limits},
            overlay=alone(name),
        )
        for name, fragment, limits in TOO_LARGE
    )


def alone(name: str) -> Callable[[Ground], Mapping[str, Any]]:
    """Return the overlay that leaves one limit, as the role asks for it."""
    return lambda ground: {"limits": {name: ground.runtime.limits[name].model_dump()}}
