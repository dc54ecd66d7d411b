"""Where the content of a sandbox's mounts comes from: paths of the host, and whether each was meant.

In: two mount tables.  Out: origins and reasons.  Pure.

A mount shows the host's tree if the host mounts the same file system (major:minor, proc_pid_mountinfo(5)), or if it is
an overlay over folders of the host (overlayfs.rst; the super options name them).
A file system on a block device that the host does not mount is a disk of the host that was given whole.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from provisioner.errors import UnobservedFact
from provisioner.facts.mounts import Mount
from pytest_isolation.walls.filesystem.host_tree import is_at_or_below, store_of

LAYERS = ("lowerdir", "lowerdir+", "datadir+", "upperdir", "workdir")
# How engines shorten the names of layers, relative to their storage: moby and containers/storage (l/ID), containerd
_SHORT_LAYER = re.compile(r"(l/[A-Z0-9]{26}|\d+/fs|[0-9a-f]{64}/(diff|fs))\Z")
# A folder of one sandbox: its id is hexadecimal or a UUID (moby, containers/storage, containerd, kubelet)
_ID = re.compile(r"[0-9a-f]{12,64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VOLUME = re.compile(r"/volumes/[^/]+/_data(/|\Z)")  # moby and containers/storage: the local driver's
# What an engine makes in a sandbox's folder, and binds; a sandbox in another's network binds the other's
ENGINE_FILES = ("resolv.conf", "hostname", "hosts", "etc-hosts", ".containerenv", "shm")
_MADE = tuple(f"/{name}" for name in ENGINE_FILES)
NAMES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv", "/dev/shm")  # where they are mounted
NSPAWN = "/run/systemd/nspawn/propagate/"  # systemd-nspawn: a folder for one machine (nspawn.c, mount_tunnel)


@dataclass(frozen=True)
class Origin:
    """
    One path of the host that a mount shows.

    Attributes:
        mount: the mount.
        path: the path on the host; "" if the host does not mount the file system.
        layer: the overlay's option that names the path; "" for a bind.
    """

    mount: Mount
    path: str
    layer: str = ""

    @property
    def writable(self) -> bool:
        """Whether something written to the mount changes the path."""
        return "ro" not in self.mount.options and self.layer in ("", "upperdir")


def host_paths(mount: Mount, host_mounts: Iterable[Mount]) -> list[str]:
    """Return every path under which the host reaches the content of `mount`; none if the host does not mount it."""
    found = []
    for other in host_mounts:
        if (other.major, other.minor) == (mount.major, mount.minor) and is_at_or_below(mount.root, other.root):
            # "net:[4026531840]" is no path: relpath would look at the working folder
            rest = "." if mount.root == other.root else posixpath.relpath(mount.root, other.root)
            found.append(posixpath.normpath(posixpath.join(other.target, rest)))
    return sorted(set(found), key=lambda path: (len(path), path))


def aliases(path: str, host_mounts: Sequence[Mount]) -> list[str]:
    """Return every path under which the host reaches what it has at `path`: a bind gives a folder a second name."""
    over = [mount for mount in host_mounts if is_at_or_below(path, mount.target)]
    if not over:
        return [path]
    holder = max(reversed(over), key=lambda mount: len(mount.target))
    rest = posixpath.relpath(path, holder.target)
    root = posixpath.normpath(posixpath.join(holder.root, rest))
    return [path, *(one for one in host_paths(holder.model_copy(update={"root": root}), host_mounts) if one != path)]


def topmost(mounts: Iterable[Mount], target: str) -> Mount | None:
    """Return the mount that is visible at `target`: the last one there; None if there is none."""
    return next((mount for mount in reversed(list(mounts)) if mount.target == target), None)


def layers(mount: Mount) -> list[tuple[str, str]]:
    """Return the folders of an overlay, each with the option that names it (overlayfs.rst)."""
    found = []
    for option in mount.super_options if mount.fstype == "overlay" else ():
        name, _, value = option.partition("=")
        if name in LAYERS:
            parts = re.split(r"(?<!\\):+", value) if name == "lowerdir" else [value]
            found += [(name, re.sub(r"\\(.)", r"\1", part)) for part in parts if part]
    return found


def origins(mounts: Sequence[Mount], host_mounts: Sequence[Mount]) -> list[Origin]:
    """
    Return all paths of the host that mounts show; one mount may have several, and several names for one.

    A relative layer has no origin: `check_layers` names those.
    """
    found = []
    for mount in mounts:
        found += [Origin(mount, path) for path in host_paths(mount, host_mounts)]
        known = {(folder.option, folder.name): folder.path for folder in mount.folders}
        for layer, name in layers(mount):
            if name.startswith("/"):
                path = known.get((layer, name)) or posixpath.normpath(name)
                found += [Origin(mount, one, layer) for one in aliases(path, host_mounts)]
    return found


def check_layers(mounts: Iterable[Mount]) -> None:
    """
    Do nothing if the table tells every folder of every overlay.

    Raises:
        UnobservedFact: a name is relative to a folder that nobody knows, and is not an engine's short name of a layer.
    """
    for mount in mounts:
        for layer, path in layers(mount):
            if not path.startswith("/") and not _SHORT_LAYER.match(path):
                raise UnobservedFact(
                    "process.mounts",
                    "",
                    f"the overlay at {mount.target} names its {layer} relative to an unknown folder",
                )


def disks(mounts: Iterable[Mount], host_mounts: Iterable[Mount]) -> list[Mount]:
    """Return the mounts of block devices (a major number that is not 0) that the host itself does not mount."""
    hosts = {(mount.major, mount.minor) for mount in host_mounts}
    given = [one for one in mounts if one.major and (one.major, one.minor) not in hosts]
    image = {one.major for one in given if one.target == "/"}  # partitions of the image that its root is on
    return [one for one in given if one.major not in image]


def hidden(mounts: Sequence[Mount]) -> set[int]:
    """Return the ids of mounts that no path reaches: another is stacked on them, or on a folder above them."""
    at = {(one.parent, one.target) for one in mounts}
    by_id = {one.id: one for one in mounts}
    return {one.id for one in mounts if (one.id, one.target) in at or _is_covered(one, at, by_id)}


def _is_covered(mount: Mount, at: set[tuple[int, str]], by_id: Mapping[int, Mount]) -> bool:
    """Whether no path leads to its mount point: a mount is on a folder above it, or above that of its parent."""
    one: Mount | None = mount
    for _ in by_id:  # not longer: a table that a sandbox made up may have a circle
        if one is None or any((one.parent, folder) in at for folder in _folders_above(one.target)):
            return one is not None
        one = by_id.get(one.parent)
    return False


def _folders_above(path: str) -> list[str]:
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def ids_of(found: Iterable[Origin]) -> set[str]:
    """Return the ids in the paths of the files that engines make for a sandbox: the sandbox's own."""
    return {
        part
        for origin in found
        if origin.mount.target in NAMES and origin.path.endswith(_MADE)
        for part in origin.path.split("/")
        if _ID.fullmatch(part)
    }


def is_meant(origin: Origin, own_stores: set[str] | None, own_ids: set[str]) -> bool:
    """
    Whether an engine made the path for this sandbox: a file in its folder, a layer, or a volume in its own storage.

    Args:
        origin: what a mount shows.
        own_stores: the storages of the sandbox's own engine (`stores_of`), None if nobody knows.
        own_ids: the sandbox's own ids (`ids_of`).
    """
    path = origin.path
    if path.startswith(NSPAWN) and "/" not in path.removeprefix(NSPAWN):
        return True
    parts = path.split("/")
    if parts[-1] in ENGINE_FILES and any(_ID.fullmatch(part) for part in parts[:-1]):
        return True
    store = store_of(path)
    if store and own_ids & set(parts):
        return True
    if not store or not (_VOLUME.search(path) or (origin.layer and path.removeprefix(store).count("/") >= 2)):
        return False
    return own_stores is None or store in own_stores


def stores_of(mounts: Sequence[Mount], found: Iterable[Origin]) -> set[str] | None:
    """
    Return the storages of the sandbox's engine: those that hold its root, and the files that the engine made for it.

    Returns:
        None if the table does not tell where the root comes from.
    """
    root = topmost(mounts, "/")
    if root is None or root.fstype.startswith("fuse"):
        return None
    own = [
        store_of(one.path)
        for one in found
        if one.mount is root or (one.mount.target in NAMES and one.path.endswith(_MADE))
    ]
    return {store for store in own if store}
