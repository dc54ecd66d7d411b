"""Plants for a micro VM: missing walls of its hypervisor, its image or its size."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from argument_lists import as_root, replaced
from ground import Ground
from plant import KERNEL_FILES, Plant, flags, opened

QEMU = ("qemu",)
NOBODY = 65534
HELPER = 'sleep 60 </dev/null >/dev/null 2>&1 & exec "$@"'


def _machine_id(ground: Ground) -> Mapping[str, Any]:
    """Return the overlay of a VM whose image has a machine-id baked in: a second archive after the first."""
    # initramfs is made by the host for this run: its path is in the values
    first = str(ground.host.values(ground.runtime)["initramfs"])
    path = ground.folder / "initramfs.cpio"
    path.write_bytes(Path(first).read_bytes() + cpio_file("etc/machine-id", b"0123456789abcdef0123456789abcdef\n"))
    return {"create": replaced(ground.runtime.create, "{{ initramfs }}", str(path))}


def cpio_file(name: str, data: bytes, mode: int = 0o444) -> bytes:
    """Return one file as a `newc` archive (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    return _cpio(name, 0o100000 | mode, data)


def cpio_folder(name: str) -> bytes:
    """Return one folder as such an archive; one that is there already stays."""
    return _cpio(name, 0o040755, b"")


def _cpio(name: str, mode: int, data: bytes) -> bytes:
    def entry(name: str, mode: int, data: bytes) -> bytes:
        fields = (1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % number for number in fields) + name.encode() + b"\0"
        return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)

    whole = entry(name, mode, data) + entry("TRAILER!!!", 0, b"")
    return whole + bytes(-len(whole) % 512)


def _run_as(ground: Ground) -> Mapping[str, Any]:
    return {"create": as_root(ground.runtime.create)}


def for_hypervisor(path: Path, mode: int = 0o600) -> Path:
    """Give a file or folder to the hypervisor's user, nobody; return it."""
    os.chown(path, NOBODY, NOBODY)
    path.chmod(mode)
    return path


def own_disk(ground: Ground) -> tuple[str, ...]:
    """Return the arguments of a disk that is a file of the test's own, which no device shows to the guest."""
    path = ground.file("disk.img", "\0" * 4096)
    path.chmod(0o644)
    return ("-drive", f"file={path},format=raw,if=none,id=disk,readonly=on")


MISLABELLED = opened(
    *("ns.pid", "ns.net", "ns.mnt", "ns.ipc", "ns.uts", "ns.user", "ns.time", "user.root_mapped", "seccomp.mode"),
    "user.nested_userns",
    *("cap.sys_module", "path.proc_sys", "path.core_pattern", "path.sys_ro"),
    *("dev.nodes", "dev.block", "mnt.host_paths"),
    *("vm.hypervisor", "vm.devices", "vm.disk_reuse", "vm.shared_folder", "vm.guest_agent", "vm.vsock", "vm.nested"),
    "vm.keys",
    *("env.clean", "ipc.sysv_mq", "ipc.abstract", "kern.bpf", "kern.perf", "kern.userfaultfd", "kern.io_uring"),
    *("kern.kexec_reboot", "kern.swap_acct_quota", "kern.fanotify", "kern.rt_sched", "time.set"),
    *("path.binfmt", "path.interrupts", "path.firmware", "path.kmsg", "path.host_facts"),
) | dict.fromkeys(("vm.process", "vm.host_sockets", "vm.host_files", "vm.host_channels"), "unknown")
MISLABELLED |= {
    check: "open" if Path(path).exists() else "not_applicable"
    for check, path in (
        ("path.sysrq", KERNEL_FILES["path.sysrq"]),
        ("path.modprobe", KERNEL_FILES["path.modprobe"]),
        ("path.powercap", "/sys/devices/virtual/powercap"),
    )
}

DISK_MIB = 8
LEFT_AT = {"in its first MiB": 1080, "in between": DISK_MIB // 2 << 20, "in its last bytes": (DISK_MIB << 20) - 7}
NVME = {"vm.devices": "open"}  # the one kind of disk that the stock kernel has a driver for built in; not declared


def new_disk(*left: int) -> Callable[[Ground], Mapping[str, Any]]:
    """Return a Spec with a disk that is a file of the test's own, a word left in it at these places."""

    def make(ground: Ground) -> Mapping[str, Any]:
        data = bytearray(DISK_MIB << 20)
        for at in left:
            data[at : at + 6] = b"secret"
        path = ground.folder / "new.img"
        path.write_bytes(data)
        for_hypervisor(path)
        drive = f"file={path},format=raw,if=none,id=new,file.locking=off"
        return flags("-drive", drive, "-device", "nvme,drive=new,serial=1")

    return make


PLANTS = (
    *(
        Plant(
            f"a disk that still holds something {where}",
            QEMU,
            {"vm.disk_reuse": f"holds data: nvme0n1 at byte {at}"},
            NVME,
            spec=new_disk(at),
        )
        for where, at in LEFT_AT.items()
    ),
    Plant("a disk that is all zero", QEMU, also={"vm.disk_reuse": "holds", **NVME}, spec=new_disk()),
    Plant(
        "QEMU run by root",
        QEMU,
        {"user.root_mapped": "hypervisor's process runs as root", "vm.process": "runs as root on the host"},
        overlay=_run_as,
    ),
    Plant(
        "QEMU with -sandbox off",
        QEMU,
        {"seccomp.mode": "hypervisor's process has no seccomp filter", "vm.process": "has no seccomp filter"},
        spec=flags("-sandbox", "off"),
    ),
    Plant(
        "a block device of the host",
        QEMU,
        {"dev.block": "hypervisor has the host's /dev/loop"},
        spec=lambda ground: flags(
            *("-sandbox", "on,obsolete=deny,spawn=deny,resourcecontrol=deny", "-runas", "nobody"),
            *("-drive", f"file={ground.loop_device()},format=raw,if=none,id=disk,readonly=on,file.locking=off"),
        ),
        overlay=_run_as,
        needs="/dev/loop-control",
    ),
    Plant(
        "a machine id baked into the image",
        QEMU,
        {"vm.boot_id": "its machine id is its peer's"},
        overlay=_machine_id,
        planted_peer=True,
    ),
    Plant(
        "a plain process called a VM",
        QEMU,
        {
            "vm.kernel": "it runs on the host's kernel",
            "vm.boot_id": "its boot id is the host's",
            "vm.declared": "it is declared a VM, and runs on the host's kernel",
        },
        MISLABELLED,
        # a whole host's files are walked in time, or not; it may have interfaces, and sockets of services and engines
        apart=("img.setuid", "ipc.host_sockets", "mgmt.runtime_sock", "net.own_interfaces"),
        overlay=lambda ground: {"create": ["{{ probe }}", "serve", "{{ nonce }}"], "boundary": "process"},
    ),
    Plant(
        "a helper that the hypervisor started, and that outlives it",
        QEMU,
        {"ns.pid.reap": "there still run process"},
        overlay=lambda ground: {"create": ["sh", "-c", HELPER, "sh", *ground.runtime.create]},
        ends=True,
    ),
    Plant(
        "twice the memory",
        QEMU,
        {"lim.memory": "MiB of 192"},
        limit="memory",
        verdict="ignored",
        overlay=lambda ground: {
            "limits": {"memory": {"step": 201326592}},
            "create": replaced(ground.runtime.create, "{{ (limit.memory or 268435456) // 1048576 }}", "384"),
        },
    ),
    Plant(
        "a second CPU",
        QEMU,
        {"lim.cpu": "2 CPUs are seen inside"},
        limit="cpu",
        verdict="ignored",
        overlay=lambda ground: {
            "limits": {"cpu": {"step": 1}},
            "create": replaced(ground.runtime.create, "{{ (limit.cpus or 1) | round(0, 'ceil') | int }}", "2"),
        },
    ),
    Plant("a disk of its own", QEMU, spec=lambda ground: flags(*own_disk(ground))),
    Plant("a larger guest", QEMU, spec=flags("-name", "larger")),
)
