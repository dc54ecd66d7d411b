"""Synthetic weaknesses and look-alikes: machines."""

from __future__ import annotations

from fact_parts import HOST_BOOT, PEER_BOOT, Dict, mount
from weakness import put, weak

# A container that is judged as a VM: it lacks all that a VM has of its own.
MISLABELLED = (
    "vm.declared",
    *("vm.boot_id", "ns.pid", "ns.net", "ns.mnt", "ns.ipc", "ns.uts", "ns.user", "ns.time", "user.root_mapped"),
    *("user.nested_userns", "seccomp.mode"),
    *("cap.sys_module", "lsm.confined", "path.proc_sys", "path.core_pattern", "path.sysrq", "path.sys_ro"),
    *("vm.hypervisor", "vm.devices", "vm.disk_reuse", "vm.shared_folder", "vm.guest_agent", "vm.vsock", "vm.nested"),
    "vm.keys",
    *("dev.nodes", "dev.block", "mnt.host_paths", "lsm.enforcing"),
    *("kern.bpf", "kern.perf", "kern.userfaultfd", "kern.io_uring", "kern.kexec_reboot", "kern.swap_acct_quota"),
    *("kern.fanotify", "kern.rt_sched", "time.set"),
    *("path.modprobe", "path.interrupts", "path.firmware", "path.kmsg", "path.debugfs", "path.host_facts"),
)


def nspawn_as_vm(document: Dict) -> None:
    """Show a boot id that is mounted over the kernel's, and the host's kernel below it."""
    inside = document["inside"]
    inside["process"]["mounts"].append(mount("/proc/sys/kernel/random/boot_id", "tmpfs", 77, root="/boot_id"))
    inside["system"]["kernel"] = dict(document["host"]["system"]["kernel"])


WEAKNESSES = (
    weak(
        "vm.kernel",
        "a mislabelled target",
        put("inside", "boot_id", to=HOST_BOOT),
        "host's kernel",
        *MISLABELLED,
        record="vm",
    ),
    weak(
        "vm.declared",
        "systemd-nspawn declared a VM",
        nspawn_as_vm,
        "a boot id is mounted over its kernel's, /proc/version is the host's, and it has no kernel thread",
        record="vm",
    ),
    weak(
        "vm.boot_id", "a restored clone", put("inside", "boot_id", to=PEER_BOOT), "its peer's", "ns.peer", record="vm"
    ),
    weak(
        "vm.boot_id",
        "a machine id baked in",
        put("inside", "system", "machine_id", to="c" * 32),
        "machine id is its peer's",
        record="vm",
    ),
    weak(
        "vm.boot_id", "the host's machine id", put("inside", "system", "machine_id", to="a" * 32), "host's", record="vm"
    ),
    weak("net.peer_same", "the token came", put("reaches", "none", "token_seen", to=True), "read its peer's token"),
    weak("net.peer_same", "the listener logged it", put("reaches", "none", "accepted", to=2), "accepted a connection"),
)
