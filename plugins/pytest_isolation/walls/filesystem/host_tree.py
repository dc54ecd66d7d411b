"""What a path of the host is: a place that a sandbox must not have, public data, or a folder for users' data.

In: a host path, as the host's mount table names it.  Out: reasons.  Pure.

The places of the Filesystem Hierarchy Standard 3.0 that the host itself uses are all refused, at any depth; a folder
for data (/srv, /mnt, /media, /opt, /var/lib/NAME, below /home/NAME and /tmp, a top folder of no standard) is not.
"""

from __future__ import annotations

import re

# Folders that are refused because of what they hold: Pod Security Standards "HostPath Volumes"; CIS Docker 5.6
TOPS = (
    *("/", "/boot", "/dev", "/etc", "/home", "/lib/modules", "/opt", "/proc", "/root", "/run", "/sys", "/usr"),
    *("/var/lib/docker", "/var/lib/containers", "/var/lib/kubelet", "/var/log", "/var/spool"),
)
# What stands below these: FHS 3.0, chapters 3 to 5
BELOW = {
    **dict.fromkeys(("/etc", "/usr/local/etc"), "configuration of the host"),
    **dict.fromkeys(("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr"), "programs of the host"),
    **dict.fromkeys(("/boot", "/efi", "/lib/modules"), "what the host boots"),
    **dict.fromkeys(("/proc", "/sys"), "settings and state of the host's kernel"),
    "/root": "files of the host's root",
    "/run": "sockets and state of the host's services",
    "/var/log": "logs of the host",
    "/var/spool": "jobs that the host runs: crontabs, mail, print",
    **dict.fromkeys(("/var/mail", "/var/backups", "/var/crash", "/var/account", "/var/db"), "records of the host"),
    **dict.fromkeys(("/tmp/.X11-unix", "/tmp/.ICE-unix"), "sockets of the host's display"),
    **dict.fromkeys(
        [
            *(f"/var/lib/{name}" for name in ("dpkg", "rpm", "apt", "pacman", "systemd", "cloud", "NetworkManager")),
            *(f"/var/lib/{name}" for name in ("sudo", "polkit-1", "pam", "sss", "AccountsService", "private", "dbus")),
            *(f"/var/lib/{name}" for name in ("samba", "bluetooth", "tpm", "fprint", "boltd", "fwupd", "ucf", "snapd")),
        ],
        "state of the host's services",
    ),
}
# Storage of engines: images, files and volumes of all sandboxes
STORES = (
    *("/var/lib/docker", "/var/lib/containers", "/var/lib/containerd", "/var/lib/nerdctl", "/var/lib/kubelet"),
    *("/var/lib/lxc", "/var/lib/lxd", "/var/lib/incus", "/var/lib/machines", "/var/lib/libvirt", "/var/lib/crio"),
    *("/var/lib/rancher", "/var/lib/k0s", "/var/lib/buildkit", "/var/lib/etcd", "/var/lib/rkt", "/var/lib/flatpak"),
    *("/var/snap/docker", "/var/snap/lxd", "/run/containers", "/run/docker", "/run/containerd", "/run/runc"),
)
# The same by its shape, wherever it is: moby, containers/storage, containerd
_SHAPE = re.compile(
    r"(/.*?)/(?:(?:overlay2?|vfs/dir|btrfs/subvolumes|rootfs/overlayfs|containers|overlay-containers)/[0-9a-f]{64}"
    r"|overlay2?/l/[A-Z0-9]{26}|(?:containerd/daemon/)?io\.containerd\.[a-z]+\.v\d[^/]*|volumes/[^/]+/_data)(?:/|\Z)"
)
_HOME_STORE = re.compile(r"(/root|/home/[^/]+)/\.local/share/(containers|docker|nerdctl|lxc|buildkit)(/|\Z)")
_HOME = re.compile(r"/home/[^/]+\Z")
_HIDDEN = re.compile(r"/home/[^/]+/(\.(?!cache(?:/|\Z))[^/]+)")
# Data that every image may hold too: read-only it tells nothing
PUBLIC = (
    *("/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo", "/etc/ssl/certs", "/usr/share/ca-certificates"),
    *("/etc/pki/ca-trust/extracted", "/etc/os-release", "/usr/lib/os-release", "/etc/hosts", "/etc/hostname"),
)
_RESOLV = re.compile(r"(/etc|/run/systemd/resolve|/run/NetworkManager|/run/resolvconf)/[^/]*resolv\.conf\Z")
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run/shm", "/run/lock")  # every user of the host may write there


def is_at_or_below(path: str, top: str) -> bool:
    """Whether `path` is `top` or lies below it, by whole components."""
    return path == top or path.startswith(top.rstrip("/") + "/")


def store_of(path: str) -> str:
    """Return the engine's storage that holds a host path; "" if none does."""
    if match := _SHAPE.match(path):
        return match[1]
    if match := _HOME_STORE.match(path):
        return match[0].rstrip("/")
    return next((store for store in STORES if is_at_or_below(path, store)), "")


def is_public(path: str) -> bool:
    """Whether a host path holds data that is no secret: time zones, certificates, names and resolvers."""
    return any(is_at_or_below(path, top) for top in PUBLIC) or _RESOLV.match(path) is not None


def why_sensitive(path: str) -> str | None:
    """Say why a host path is sensitive, or None: it is such a place, holds one, or lies below one."""
    for top in () if path in TOPS else (*TOPS, *STORES):
        if path != top and is_at_or_below(top, path):
            return f"the host's {path}, which holds {top}"
    what = what_is(path)
    if what is None and path not in TOPS:
        return None
    return f"the host's {path}" + (f": {what}" if what else "")


def what_is(path: str) -> str | None:
    """Say what a host path holds that a sandbox must not have; None if nothing is known to."""
    if store := store_of(path):
        return f"storage of an engine ({store})"
    for top in sorted(BELOW, key=len, reverse=True):
        if is_at_or_below(path, top):
            return BELOW[top]
    if path in SHARED:
        return "a folder that all users of the host share"
    if _HOME.match(path):
        return "a user's home, with keys and settings"
    if match := _HIDDEN.match(path):
        return f"a user's keys or settings ({match[1]})"
    return None
