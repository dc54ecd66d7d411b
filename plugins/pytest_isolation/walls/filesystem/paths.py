"""What lstat, statfs and a write-open of a path tell.

In: a `Path`.  Out: whether it can be written, whether it is a mask.  Pure.
"""

from __future__ import annotations

from provisioner.facts.kernel import Read
from provisioner.facts.mounts import Mount
from provisioner.facts.process import Process
from provisioner.facts.system import Path
from provisioner.observed import FactMap, Unobserved, UnobservedFact
from pytest_isolation.walls.capabilities import mask_of

# statfs(2)
PROC_MAGIC = 0x9FA0
TMPFS_MAGIC = 0x01021994
NULL_DEVICE = [1, 3]
# include/uapi/linux/magic.h: file systems whose files are the kernel's own
KERNEL_MAGIC = {
    "proc": PROC_MAGIC,
    "sysfs": 0x62656572,
    "debugfs": 0x64626720,
    "tracefs": 0x74726163,
    "securityfs": 0x73636673,
    "bpf": 0xCAFE4A11,
    "efivarfs": 0xDE5E81E4,
    "pstore": 0x6165676C,
}
# Folders of /proc by which devices are steered, and a file in each that is known to have a write handler.
STEERING = {
    "/proc/bus": "/proc/bus/pci/00/00.0",
    "/proc/irq": "/proc/irq/default_smp_affinity",
    "/proc/fs": "",
    "/proc/scsi": "/proc/scsi/scsi",
    "/proc/asound": "",
}
# Files with a write handler that profiles for containers deny.
LABELLED = (
    *("/proc/mtrr", "/proc/irq/default_smp_affinity", "/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/panic"),
    *("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"),
)
REFUSALS = frozenset({"EROFS", "EACCES", "EPERM", "ENOENT"})


def is_null_device(path: Path) -> bool:
    """Whether the path is the null device, by its number and not by its name."""
    return path.type == "char" and path.rdev == NULL_DEVICE


def is_writable(path: Path) -> bool:
    """
    Whether a write-open reached what the path is named for; opening a mask is no success.

    Raises:
        UnobservedFact: it was not tried, or failed for a reason that is no wall.
    """
    if path.type == "absent" or is_null_device(path):
        return False
    if path.write == "ok":
        return True
    if path.write in REFUSALS:
        return False
    raise UnobservedFact("paths.write", path.write or "", "the open for writing tells nothing")


def shows_kernel(path: Path) -> bool:
    """
    Whether the kernel's own file or folder stands there, with something in it.

    Absent, the null device, a fifo, a file of another file system and an empty folder hide it; so does a folder that
    refuses to be listed, for that is seen: what nobody tried is an `Unobserved` of another kind.
    """
    if path.type not in ("file", "dir") or path.fstype not in KERNEL_MAGIC.values():
        return False
    if path.type == "file":
        return True
    entries = path.raw("entries")
    if isinstance(entries, Unobserved) and entries.unobserved in ("EACCES", "EPERM"):
        return False
    return bool(path.entries)


def reaches_kernel(read: Read) -> bool:
    """Whether a read gave something of the kernel's own file systems."""
    return read.result == "ok" and bool(read.bytes) and read.fstype in KERNEL_MAGIC.values()


def is_root_of_host(process: Process, capabilities_over_host: int) -> bool:
    """Whether file modes let it write to the files of the host's root."""
    return process.uid[1] == 0 or bool(capabilities_over_host & mask_of(("DAC_OVERRIDE",)))


def label_answers(paths: FactMap[Path]) -> dict[str, str]:
    """Return how the files of LABELLED that no mount keeps answered an open for writing, by name."""
    found = {}
    for name in LABELLED:
        path = paths[name]
        if path.type == "file" and path.fstype in KERNEL_MAGIC.values() and not path.read_only and path.write:
            found[name] = path.write
    return found


def why_steered(paths: FactMap[Path], as_root: bool) -> str | None:
    """
    Say which of the folders of STEERING can be written; None when none can.

    A file that was opened for writing decides for its folder.  A folder without one is as open as its mount, unless
    ids (`as_root`: the host's root) or what refused the other files beside it keep it: EACCES is the file modes' and
    the label's.
    """
    opened, refused, untried = [], set(), []
    for folder, file in STEERING.items():
        write = paths[file].write if file and paths[file].type == "file" else None
        if write is not None:
            opened += [file] if is_writable(paths[file]) else []
            refused.add(write)
        elif shows_kernel(paths[folder]) and not paths[folder].read_only:
            untried.append(folder)
    if opened:
        return f"{', '.join(opened)} opens for writing"
    if untried and as_root and "EACCES" not in refused:
        return f"{', '.join(untried)} is mounted writable"
    return None


def why_no_mask(path: Path) -> str | None:
    """Say what stands where a mask should be; None when it hides: null device, fifo, empty read-only tmpfs folder."""
    if path.type in ("absent", "fifo") or is_null_device(path):
        return None
    if path.type == "dir":
        if path.fstype != TMPFS_MAGIC:
            return "a folder that is no tmpfs"
        if not path.read_only:
            return "a writable tmpfs"
        return None if path.entries == 0 else f"a tmpfs with {path.entries} entries"
    return f"a {path.type}, not the null device"


def why_no_mask_mount(mount: Mount) -> str | None:
    """Say the same from the mount table alone, for a path that was not looked at."""
    if mount.fstype in ("tmpfs", "devtmpfs") and mount.root.rpartition("/")[2] == "null":
        return None
    if mount.fstype == "tmpfs":
        return None if "ro" in mount.options or "ro" in mount.super_options else "a writable tmpfs"
    return f"a mount of {mount.fstype}"
