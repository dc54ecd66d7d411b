"""What lstat, statfs and an open for writing of a path mean.

In: a `Path`.  Out: whether it can be written, whether it is a mask.  Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.errors import UnobservedFact
from provisioner.facts.kernel import Read
from provisioner.facts.mounts import Mount
from provisioner.facts.process import Process
from provisioner.facts.system import Path
from provisioner.observed import FactMap, Unobserved
from pytest_isolation.walls.capabilities import mask_of
from pytest_isolation.walls.filesystem.copies import names_of
from pytest_isolation.walls.users import mapped_at

# statfs(2)
PROC_MAGIC = 0x9FA0
TMPFS_MAGIC = 0x01021994
NULL_DEVICE = [1, 3]
# include/uapi/linux/magic.h: file systems of the kernel's own files
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
# Folders of /proc that control devices, and a file in each that has a write handler; "" if none is known.
CONTROL_FILES = {
    "/proc/bus": "/proc/bus/pci/00/00.0",
    "/proc/irq": "/proc/irq/default_smp_affinity",
    "/proc/fs": "",
    "/proc/scsi": "/proc/scsi/scsi",
    "/proc/asound": "",
}
# Files with a write handler that profiles for containers deny.
LABEL_FILES = (
    *("/proc/mtrr", "/proc/irq/default_smp_affinity", "/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/panic"),
    *("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"),
)
REFUSALS = frozenset({"EROFS", "EACCES", "EPERM", "ENOENT"})


def is_null_device(path: Path) -> bool:
    """Whether the path is the null device, by its number."""
    return path.type == "char" and path.rdev == NULL_DEVICE


def is_writable(path: Path) -> bool:
    """
    Whether an open for writing reached the file itself; opening a mask does not count.

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
    Whether the kernel's own file or folder is there, and not empty.

    These hide it: an absent path, the null device, a fifo, a file of another file system, an empty folder, and a folder
    that refuses to be listed.
    """
    if path.type not in ("file", "dir") or path.fstype not in KERNEL_MAGIC.values():
        return False
    if path.type == "file":
        return True
    entries = path.raw("entries")
    if isinstance(entries, Unobserved) and entries.unobserved in ("EACCES", "EPERM"):
        return False
    return bool(path.entries)


def is_file_of_proc(path: Path) -> bool:
    """Whether it is a file of procfs; one of another file system, a device node or a fifo hides procfs's own."""
    return path.type == "file" and path.fstype in (PROC_MAGIC, None)


def reaches_kernel(read: Read) -> bool:
    """Whether a read returned data of the kernel's own file systems."""
    return read.result == "ok" and bool(read.bytes) and read.fstype in KERNEL_MAGIC.values()


def is_root_of_host(process: Process, capabilities_over_host: int) -> bool:
    """
    Whether file modes let the process write to files of the host's root.

    In a user namespace of its own CAP_DAC_OVERRIDE counts for files with a mapped owner and group
    (user_namespaces(7), "Capabilities"; capable_wrt_inode_uidgid() of Linux's kernel/capability.c).
    """
    override = mask_of(("DAC_OVERRIDE",))
    if process.uid[1] == 0 or capabilities_over_host & override:
        return True
    if not process.capabilities.effective & override:
        return False
    return mapped_at(process.uid_map, 0) is not None and mapped_at(process.gid_map, 0) is not None


def label_answers(paths: FactMap[Path], mounts: Sequence[Mount]) -> dict[str, str]:
    """Return the answers of the files of LABEL_FILES in every procfs, by path, if no read-only mount protects them."""
    found = {}
    for name in [name for file in LABEL_FILES for name in names_of(mounts, file)]:
        path = paths[name]
        if path.type == "file" and path.fstype in KERNEL_MAGIC.values() and not path.read_only and path.write:
            found[name] = path.write
    return found


def why_controllable(paths: FactMap[Path], mounts: Sequence[Mount], as_root: bool) -> str | None:
    """
    Say which folders of CONTROL_FILES can be written, in any mount of procfs; None if none can.

    A file that was opened for writing decides for its folder.
    A folder without such a file is as open as its mount.
    Ids may protect it (`as_root` false), and a label may: EACCES comes from file modes or the label.

    Args:
        paths: the observed paths.
        mounts: the mount table of the sandbox.
        as_root: whether the process may write to files of the host's root.
    """
    opened, refused, untried = [], set(), []
    for folder, file in CONTROL_FILES.items():
        tried = False
        for name in [name for name in names_of(mounts, file) if paths[name].type == "file"] if file else ():
            write = paths[name].write
            if write is not None:
                opened += [name] if is_writable(paths[name]) else []
                refused.add(write)
                tried = True
        names = () if tried else names_of(mounts, folder)
        untried += [name for name in names if shows_kernel(paths[name]) and not paths[name].read_only]
    if opened:
        return f"{', '.join(opened)} opens for writing"
    if untried and as_root and "EACCES" not in refused:
        return f"{', '.join(untried)} is mounted writable"
    return None


def why_no_mask(path: Path) -> str | None:
    """Say what is there instead of a mask; None if it hides: null device, fifo, empty read-only tmpfs folder."""
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
    """Say what is there instead of a mask, from the mount table alone; None if it hides."""
    if mount.fstype in ("tmpfs", "devtmpfs") and mount.root.rpartition("/")[2] == "null":
        return None
    if mount.fstype == "tmpfs":
        return None if "ro" in mount.options or "ro" in mount.super_options else "a writable tmpfs"
    return f"a mount of {mount.fstype}"
