"""Edits of a config.json (OCI runtime-spec, config.md).

In: a choice of one of draw.py's features, and what of the host may be named.  Out: an edit of the document.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Config = dict[str, Any]
Edit = Callable[[Config], None]
MAPS = {
    "sub-ids": ({"containerID": 0, "hostID": 100000, "size": 65536},),
    "identity": ({"containerID": 0, "hostID": 0, "size": 65536},),
    "the host's root at 1000": (
        {"containerID": 0, "hostID": 100000, "size": 1000},
        {"containerID": 1000, "hostID": 0, "size": 1},
        {"containerID": 1001, "hostID": 101001, "size": 64535},
    ),
    "the host's root last": (
        {"containerID": 0, "hostID": 100000, "size": 65535},
        {"containerID": 65535, "hostID": 0, "size": 1},
    ),
    "a group of the host": (
        {"containerID": 0, "hostID": 100000, "size": 2000},
        {"containerID": 2000, "hostID": 42, "size": 1},
        {"containerID": 2001, "hostID": 102001, "size": 63535},
    ),
    "no root": ({"containerID": 1, "hostID": 100001, "size": 65535}, {"containerID": 0, "hostID": 165536, "size": 1}),
}
SETS = {
    "bounding": ("bounding",),
    "bounding, permitted": ("bounding", "permitted"),
    "bounding, permitted, effective": ("bounding", "permitted", "effective"),
    "all five": ("bounding", "permitted", "effective", "inheritable", "ambient"),
}
# Every filter refuses these: many kernels have none of them, and allowing them there is no weakness.
MODULES = ("init_module", "finit_module", "delete_module", "kexec_load")
ERRNOS = {"EPERM": 1, "ENOSYS": 38, "EACCES": 13}
DEVICES = {
    "fuse": {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o600, "uid": 0, "gid": 0},
    "another null": {"path": "/dev/nothing", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666},
}


@dataclass(frozen=True)
class Place:
    """
    What of the host a configuration may name.

    Attributes:
        innocent: a folder of this run, with a file in it.
        other: another folder of this run.
        shared: a shared mount of this run; None if mounts made for a sandbox would reach the host.
    """

    innocent: Path
    other: Path
    shared: Path | None = None


def drop_namespaces(kinds: tuple[str, ...], place: Place) -> Edit:
    """Leave out these namespaces."""

    def edit(config: Config) -> None:
        config["linux"]["namespaces"] = [one for one in config["linux"]["namespaces"] if one["type"] not in kinds]
        if "uts" in kinds:
            config.pop("hostname", None)  # it would set the host's own

    return edit


def cgroup_namespace(choice: str, place: Place) -> Edit:
    """Use an own cgroup namespace, or the host's."""

    def edit(config: Config) -> None:
        others = [one for one in config["linux"]["namespaces"] if one["type"] != "cgroup"]
        config["linux"]["namespaces"] = [*others, *([{"type": "cgroup"}] if choice == "own" else [])]

    return edit


def user_namespace(choice: str, place: Place) -> Edit:
    """Use a user namespace with one of MAPS."""

    def edit(config: Config) -> None:
        config["linux"]["namespaces"].append({"type": "user"})
        for key in ("uidMappings", "gidMappings"):
            config["linux"][key] = [dict(line) for line in MAPS[choice]]

    return edit


def user(uid: int, place: Place) -> Edit:
    """Run as this user and group."""

    def edit(config: Config) -> None:
        config["process"]["user"] |= {"uid": uid, "gid": uid}

    return edit


def groups(groups: tuple[int, ...], place: Place) -> Edit:
    """Add these supplementary groups."""

    def edit(config: Config) -> None:
        config["process"]["user"]["additionalGids"] = list(groups)

    return edit


def grant(granted: tuple[str, ...], place: Place) -> Edit:
    """Add capabilities, each "NAME in SETS"."""

    def edit(config: Config) -> None:
        held = config["process"]["capabilities"]
        for one in granted:
            name, _, where = one.partition(" in ")
            for key in SETS[where]:
                held[key] = [*held.get(key, []), f"CAP_{name}"]

    return edit


def withhold(names: tuple[str, ...], place: Place) -> Edit:
    """Remove these capabilities from all sets."""

    def edit(config: Config) -> None:
        held = config["process"]["capabilities"]
        for key in held:
            held[key] = [one for one in held[key] if one.removeprefix("CAP_") not in names]

    return edit


def no_new_privileges(choice: bool, place: Place) -> Edit:
    """Set noNewPrivileges."""

    def edit(config: Config) -> None:
        config["process"]["noNewPrivileges"] = choice

    return edit


def filter(choice: tuple[str, ...], place: Place) -> Edit:
    """Install a filter; the last item is the errno, the others are the calls that it refuses."""
    *calls, errno = choice

    def edit(config: Config) -> None:
        rule = {"names": [*calls, *MODULES], "action": "SCMP_ACT_ERRNO", "errnoRet": ERRNOS[errno]}
        config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}

    return edit


def paths(key: str) -> Callable[[tuple[str, ...], Place], Edit]:
    """Return an edit of a list of paths: removes paths, "all" removes every one, "+PATH" adds one."""

    def of(paths: tuple[str, ...], place: Place) -> Edit:
        def edit(config: Config) -> None:
            kept = [] if "all" in paths else [path for path in config["linux"].get(key, []) if path not in paths]
            config["linux"][key] = [*kept, *(path[1:] for path in paths if path.startswith("+"))]

        return edit

    return of


def writable(target: str, place: Place) -> Edit:
    """Mount the target writable."""

    def edit(config: Config) -> None:
        for mount in config["mounts"]:
            if mount["destination"] == target:
                mount["options"] = [one for one in mount["options"] if one != "ro"]

    return edit


def root(read_only: bool, place: Place) -> Edit:
    """Set the root read-only or writable."""

    def edit(config: Config) -> None:
        config["root"]["readonly"] = read_only

    return edit


def bind(choice: str, place: Place) -> Edit:
    """Bind a folder read-only at /bound."""
    source = {"own folder": str(place.innocent)}.get(choice, choice)
    return mount(source, "/bound", "ro")


def shared_bind(choice: str, place: Place) -> Edit:
    """Bind the shared mount at /spread with this propagation."""
    bound = mount(str(place.shared), "/spread", choice)

    def edit(config: Config) -> None:
        bound(config)
        if choice == "rshared":  # otherwise the runtime makes the source tree a slave of the host's
            config["linux"]["rootfsPropagation"] = "rshared"

    return edit


def mount(source: str, target: str, *options: str) -> Edit:
    """Add a bind mount."""

    def edit(config: Config) -> None:
        line = {"destination": target, "type": "bind", "source": source, "options": ["rbind", *options]}
        config["mounts"].append(line)

    return edit


def device(choice: str, place: Place) -> Edit:
    """Grant one of DEVICES."""

    def edit(config: Config) -> None:
        config["linux"].setdefault("devices", []).append(dict(DEVICES[choice]))

    return edit


def environment(names: tuple[str, ...], place: Place) -> Edit:
    """Add variables with these names."""

    def edit(config: Config) -> None:
        config["process"]["env"] += [f"{name}=generated" for name in names]

    return edit


def open_files(most: int, place: Place) -> Edit:
    """Set RLIMIT_NOFILE."""

    def edit(config: Config) -> None:
        config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "hard": most, "soft": most}]

    return edit
