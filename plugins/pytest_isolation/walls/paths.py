"""What lstat, statfs and a write-open of a path tell.

In: a `Path`.  Out: whether it can be written, whether it is a mask.  Pure.
"""

from __future__ import annotations

from provisioner.sandboxes.facts import Mount, Path
from provisioner.sandboxes.observed import UnobservedFact

# statfs(2)
PROC_MAGIC = 0x9FA0
TMPFS_MAGIC = 0x01021994
NULL_DEVICE = [1, 3]
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
