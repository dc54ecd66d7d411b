"""Facts of a sound sandbox about kernel files, labels, Landlock and the processor."""

from __future__ import annotations

from typing import Any

from pytest_isolation.walls.filesystem.paths import KERNEL_MAGIC

Dict = dict[str, Any]

PROC, SYSFS, TMPFS = KERNEL_MAGIC["proc"], KERNEL_MAGIC["sysfs"], 0x01021994
ABSENT = {"type": "absent", "rdev": None, "fstype": None, "read_only": None, "entries": None, "write": None}
NULL = {"type": "char", "rdev": [1, 3], "fstype": TMPFS, "read_only": False, "entries": None, "write": None}
MASKED = {"type": "dir", "rdev": None, "fstype": TMPFS, "read_only": True, "entries": 0, "write": None}
OPEN = {
    "docker": ("path.host_facts", "lsm.distinct"),
    "podman": ("path.host_facts", "lsm.distinct"),
}
MOUNTED = ("cgroup", "resctrl", "binfmt_misc")  # on the host, so that they could be in a sandbox
READS = {
    **dict.fromkeys(("/proc/cmdline", "/proc/config.gz", "/proc/modules"), PROC),
    **{f"/sys/class/dmi/id/{name}_serial": SYSFS for name in ("board", "chassis", "product")},
    **dict.fromkeys(("/sys/class/dmi/id/product_uuid", "/sys/class/thermal/thermal_zone0/temp"), SYSFS),
    "/sys/kernel/vmcoreinfo": SYSFS,
}


def file(fstype: int = PROC, write: str | None = None, read_only: bool = False) -> Dict:
    """Return what a look at a file of the kernel's saw."""
    return {**ABSENT, "type": "file", "fstype": fstype, "read_only": read_only, "write": write}


def folder(fstype: int, entries: int, read_only: bool = False) -> Dict:
    """Return what a look at a folder saw."""
    return {**ABSENT, "type": "dir", "fstype": fstype, "read_only": read_only, "entries": entries}


def _host_paths() -> Dict:
    steering = ("/proc/bus", "/proc/irq", "/proc/fs")
    written = ("/proc/bus/pci/00/00.0", "/proc/irq/default_smp_affinity", "/proc/mtrr", "/proc/sys/kernel/modprobe")
    none = ("/proc/sys/kernel/hotplug", "/sys/kernel/uevent_helper", "/proc/scsi", "/proc/scsi/scsi", "/proc/asound")
    old = ("/proc/timer_stats", "/proc/sched_debug", "/proc/latency_stats")
    return {
        **{path: folder(PROC, 3) for path in steering},
        **{path: file(write="ok") for path in written},
        **{path: dict(ABSENT) for path in (*none, *old)},
        **{path: file() for path in ("/proc/timer_list", "/proc/key-users", "/proc/interrupts")},
        "/proc/acpi": folder(PROC, 1),
        "/sys/firmware/efi/efivars": folder(KERNEL_MAGIC["efivarfs"], 9),
        "/sys/fs/pstore": folder(KERNEL_MAGIC["pstore"], 1),
        "/sys/devices/virtual/powercap": folder(SYSFS, 2),
        "/sys/devices/system/cpu/cpu0/thermal_throttle": folder(SYSFS, 4),
        "/sys/kernel/debug": folder(KERNEL_MAGIC["debugfs"], 40),
        "/sys/kernel/tracing": folder(KERNEL_MAGIC["tracefs"], 40),
        "/sys/kernel/security": folder(KERNEL_MAGIC["securityfs"], 4),
        "/sys/fs/bpf": folder(KERNEL_MAGIC["bpf"], 1),
    }


def _sandbox_paths() -> Dict:
    steering = ("/proc/bus", "/proc/irq", "/proc/fs")
    kept = ("/proc/bus/pci/00/00.0", "/proc/irq/default_smp_affinity", "/proc/sys/kernel/modprobe")
    empty = ("/sys/fs/pstore", "/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security", "/sys/fs/bpf")
    return _host_paths() | {
        **{path: folder(PROC, 3, read_only=True) for path in steering},
        **{path: file(write="EROFS", read_only=True) for path in kept},
        **{path: dict(NULL) for path in ("/proc/timer_list", "/proc/interrupts")},
        **{path: folder(SYSFS, 0, read_only=True) for path in empty},
        "/proc/mtrr": file(write="EACCES"),
        "/proc/acpi": dict(MASKED),
        "/sys/firmware/efi/efivars": dict(ABSENT),
        "/sys/devices/virtual/powercap": dict(MASKED),
        "/sys/devices/system/cpu/cpu0/thermal_throttle": dict(MASKED),
    }


def _state(hidden: bool) -> Dict:
    shown = {name: {"result": "ok", "fstype": fstype, "bytes": 40} for name, fstype in READS.items()}
    masked = {"result": "ok", "fstype": TMPFS, "bytes": 0}
    refused = {"result": "EACCES", "fstype": None, "bytes": None}
    kept = {name: dict(masked if name.startswith("/proc") else refused) for name in READS}
    return {
        "reads": kept if hidden else shown,
        "addresses": not hidden,
        "addresses_at": [],
        "ptrace_scope": 1,
        "selinux_enforce": None,
        "smt_active": 0,
        "ksm_run": 0,
        "cores": ["0-1", "2-3"],
        "flaws": {"mds": "Not affected", "spectre_v2": "Mitigation: Retpolines", "l1tf": "Mitigation: PTE Inversion"},
    }


def complete(document: Dict, name: str) -> Dict:
    """Add the facts of this area to every view; the peer of the container without weakness has its own label."""
    for view in ("host", "inside", "outside", "vmm", "exec", "peer_inside", "peer_outside"):
        facts = document[view]
        if not facts or "process" not in facts:
            continue
        facts["process"] |= {"cpus_allowed": "0-3", "ksm_pages": 0}
        if facts["system"]:
            _complete(facts["system"], view, name)
    for number, fstype in enumerate(MOUNTED):
        _mount(document["host"]["process"]["mounts"], fstype, 60 + number)
    if name == "container":
        for view in ("peer_inside", "peer_outside"):
            document[view]["process"]["lsm"] = "crun-peer (enforce)"
    return document


def _complete(system: Dict, view: str, name: str) -> None:
    is_host = view == "host" or name == "vm"
    system["paths"] |= _host_paths() if is_host else _sandbox_paths()
    if view != "host" and name == "vm":
        system["paths"]["/sys/devices/virtual/powercap"] = dict(ABSENT)
    if not is_host and name == "container":
        system["paths"]["/proc/mtrr"] = dict(ABSENT)  # another architecture's
    # no engine masks the command line by default
    system["kernel_state"] = _state(hidden=not is_host and name == "container")
    system["kernel_state"]["addresses"] = is_host
    system["tries"]["landlock.version"] = {"result": "ok", "value": 7}
    system["tries"]["prctl.get_memory_merge"] = {"result": "ok", "value": 0}
    if not is_host:
        system["tries"]["kmsg.open"] = {"result": "ENOENT", "value": -1}


def _mount(mounts: list[Dict], fstype: str, minor: int) -> None:
    mounts.append(
        {
            "id": 100 + minor,
            "parent": 1,
            "major": 0,
            "minor": minor,
            "root": "/",
            "target": f"/mnt/{fstype}",
            "options": ["rw"],
            "tags": [],
            "fstype": fstype,
            "source": fstype,
            "super_options": ["rw"],
        }
    )
