"""Looks at this machine: what it runs in, its processors, its memory, its security module.

In: a System.  Out: one `Seen` each.
"""

from __future__ import annotations

import os
import re

from provisioner.doctor.finding import Seen, lacking, limited, ok, unknown
from provisioner.doctor.look import look
from provisioner.doctor.system import System, as_root
from provisioner.facts.namespaces import INITIAL

MIB = 1 << 20
MACHINE_MIB = 1024  # the default memory of a machine in lab.yaml
MICRO_MIB = 2 * 256  # a micro VM and its peer
CONFINING = ("apparmor", "selinux", "smack", "tomoyo")
SECURITYFS = "/sys/kernel/security"


@look("host", "nesting")
def look_at_nesting(system: System) -> Seen:
    """
    Look whether this system runs in a VM or a container; other looks try what that forbids.

    Namespaces decide whether it is a container: the initial ones have fixed inodes (include/linux/proc_ns.h), and the
    initial pid namespace shows the kernel's thread kthreadd as process 2.  Marker files, which an image may bring into
    a VM, only name it.
    """
    machine = _machine(system)
    if machine is None:
        return unknown("neither systemd-detect-virt nor /proc/cpuinfo shows it")
    told = [*([] if machine == "none" else [f"a VM ({machine})"]), *_container(system)]
    return ok(f"runs in {' and '.join(told)}" if told else "runs on bare metal")


def _machine(system: System) -> str | None:
    """Return the name of the hypervisor below, "none" for none, None if nothing shows it."""
    if (found := _detected(system, "--vm")) is not None:
        return found
    flags = re.search(r"^flags\s*:.*$", system.read("/proc/cpuinfo") or "", re.MULTILINE)
    if flags is None:
        return None
    vendor = (system.read("/sys/class/dmi/id/sys_vendor") or "").strip() or "hypervisor"
    return vendor if " hypervisor" in flags[0] else "none"


def _container(system: System) -> list[str]:
    """Return the container that this system is, in words; nothing if it is none."""
    own = [kind for kind, inode in INITIAL.items() if _inode(system, kind) not in (None, inode)]
    name = _detected(system, "--container")
    name = _marked(system) if name in (None, "none") else name
    told = f"a container ({name})" if name else "a container"
    if "pid" in own or (_inode(system, "pid") is None and not _shows_kernel_threads(system)):
        return [told]
    return [f"{told} that shares the host's processes"] if {"user", "ipc", "uts"} & set(own) else []


def _inode(system: System, kind: str) -> int | None:
    found = re.fullmatch(r"[a-z]+:\[([0-9]+)\]", system.link(f"/proc/self/ns/{kind}") or "")
    return int(found[1]) if found else None


def _shows_kernel_threads(system: System) -> bool:
    return (system.read("/proc/2/comm") or "").strip() == "kthreadd"


def _detected(system: System, option: str) -> str | None:
    """Return the answer of systemd-detect-virt(1), which exits with 1 for "none"; None if it is not installed."""
    if system.find("systemd-detect-virt") is None:
        return None
    return system.run(["systemd-detect-virt", option]).stdout.decode().strip() or None


def _marked(system: System) -> str:
    """Return the engine that a marker file names, "" if none does."""
    marks = (("/.dockerenv", "docker"), ("/run/.containerenv", "podman"))
    return next((name for path, name in marks if system.read(path) is not None), "")


@look("host", "processors")
def look_at_processors(system: System) -> Seen:
    """Count the processors that this process may use, within the CPU quota of its root cgroup."""
    count: float = len(os.sched_getaffinity(0))
    told = f"{count:.0f} online for this process"
    quota = _cpu_quota(system)
    if quota is not None and quota < count:
        count, told = quota, f"{told}, with a quota of {quota:g}"
    if count < 2:
        cost = "machines of lab.yaml have two each: everything takes more than twice as long"
        return limited(told, cost, note="give this system two processors")
    return ok(told)


def _cpu_quota(system: System) -> float | None:
    quota, period = [*(system.read("/sys/fs/cgroup/cpu.max") or "").split(), "", ""][:2]
    if not quota:
        quota = (system.read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") or "").strip()
        period = (system.read("/sys/fs/cgroup/cpu/cpu.cfs_period_us") or "").strip()
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


@look("host", "memory")
def look_at_memory(system: System) -> Seen:
    """Compare the available memory, and its cgroup limit, with the needs of VMs."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", system.read("/proc/meminfo") or "", re.MULTILINE)
    if found is None:
        return unknown("/proc/meminfo has no MemAvailable")
    available = int(found[1]) >> 10
    told = f"{available} MiB available"
    limit = _memory_limit(system)
    if limit is not None and limit < available:
        available, told = limit, f"{told}, limited to {limit} MiB"
    note = "give this system more memory"
    if available < MICRO_MIB:
        return lacking(told, f"micro VMs need {MICRO_MIB} MiB: the kernel may kill them", note=note)
    if available < MACHINE_MIB + MICRO_MIB:
        return limited(told, f"a machine of {MACHINE_MIB} MiB does not fit beside micro VMs", note=note)
    return ok(told)


def _memory_limit(system: System) -> int | None:
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = (system.read(path) or "").strip()
        if text.isdigit():
            return int(text) // MIB  # without a limit v1 shows a number near 2^63
    return None


@look("host", "security module")
def look_at_security_module(system: System) -> Seen:
    """Look for an active security module that confines processes by labels (LSM, lsm.rst)."""
    listed = system.read(f"{SECURITYFS}/lsm")
    if listed is not None:
        names = listed.strip().split(",")
    elif (system.read("/sys/module/apparmor/parameters/enabled") or "").strip() == "Y":
        names = ["apparmor"]
    elif system.read("/sys/fs/selinux/enforce") is not None:
        names = ["selinux"]
    else:
        return unknown(
            f"{SECURITYFS}/lsm does not exist: securityfs is not mounted",
            "it is not known whether lsm.confined can hold",
            as_root(system, f"mount -t securityfs securityfs {SECURITYFS}"),
            "the list may still be empty: modules are chosen at boot",
        )
    if not set(names) & set(CONFINING):
        return limited(
            f"active: {', '.join(names) or 'none'}",
            "no label confines any sandbox: lsm.confined does not apply",
            note="modules are chosen at boot: lsm=… on the kernel's command line",
        )
    return ok(f"active: {', '.join(names)}")
