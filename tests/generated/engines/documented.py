"""The config.json that the engines' documentation promises for flags: docker-run(1), podman-run(1).

In: choices of draw.py, the engine.  Out: a config.json, as far as predict/ asks about it.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engines.filters import default_profile
from pytest_isolation.differential.edits import Config, Place
from pytest_isolation.differential.filters import allow_list

# moby daemon/pkg/oci/caps/defaults.go; containers/common pkg/config/default.go
CAPABILITIES = {
    "docker": frozenset(
        {
            *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP"),
            *("SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
        }
    ),
    "podman": frozenset(
        {
            *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID"),
            *("SETPCAP", "SETUID", "SYS_CHROOT"),
        }
    ),
}
# capabilities(7), by number
NAMES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
# moby daemon/pkg/oci/defaults.go; containers/common pkg/config/default.go
MASKED = (
    *("/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list"),
    *("/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"),
)
KERNEL = ("/sys", "/sys/fs/cgroup")
MEMORY = {"64m": 64 << 20}
# podman-run(1) --read-only-tmpfs: what a read-only container may write
PODMANS_TMPFS = ("/run", "/tmp", "/var/tmp")
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def _status(field: str) -> frozenset[str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    mask = int(next(line.split()[1] for line in lines if line.startswith(f"{field}:")), 16)
    return frozenset(name for bit, name in enumerate(NAMES) if mask >> bit & 1)


HOSTS = _status("CapBnd")  # what the engines can give
EVERY = frozenset(NAMES[: int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1])
HAS_V1 = " - cgroup " in Path("/proc/self/mountinfo").read_text()


def documented(chosen: Mapping[str, Any], engine: str, place: Place) -> Config:
    """
    Return the config.json of a configuration.

    Args:
        chosen: choices by feature.
        engine: "docker" or "podman".
        place: what of the host may be bound.
    """
    privileged = bool(chosen.get("privileged"))
    uid, groups = _user(chosen)
    held = _capabilities(chosen, engine)
    opened = privileged or "system paths" in chosen
    linux: Config = {
        "namespaces": [{"type": kind} for kind in _namespaces(chosen)],
        "maskedPaths": [] if opened else list(MASKED),
        "readonlyPaths": [] if opened else list(READ_ONLY),
        "devices": [{"path": _node(one)} for one in chosen.get("devices", ())],
        "seccomp": _seccomp(chosen, engine, held),
    }
    if "memory" in chosen:
        linux["resources"] = {"memory": {"limit": MEMORY[chosen["memory"]]}}
    if chosen.get("privileged"):
        linux["devices"] = [{"path": "every device of the host"}]
    return {
        "process": {
            "user": {"uid": uid[0], "gid": uid[1], "additionalGids": groups},
            "capabilities": _sets(chosen, engine, held, uid[0]),
            "noNewPrivileges": bool(chosen.get("no_new_privs")),
            "env": [f"{name}=generated" for name in chosen.get("environment", ())],
        },
        "root": {"readonly": bool(chosen.get("read-only"))},
        "mounts": _mounts(chosen, engine, place, privileged),
        "linux": linux,
    }


def _user(chosen: Mapping[str, Any]) -> tuple[tuple[int, int], list[int]]:
    """docker-run(1), podman-run(1) --user: UID[:GID]; a uid that /etc/passwd lacks has the group 0."""
    uid, _, gid = chosen.get("user", "0:0").partition(":")
    return (int(uid), int(gid or 0)), [int(one) for one in chosen.get("groups", ())]


def _namespaces(chosen: Mapping[str, Any]) -> list[str]:
    """docker-run(1), podman-run(1): the host's where the flag says so; the cgroup namespace is the host's on v1."""
    kinds = {"pid": "pid", "network": "network", "ipc": "ipc", "uts": "uts"}
    found = ["mount", *(kind for feature, kind in kinds.items() if chosen.get(feature) != "host")]
    own = chosen.get("cgroupns", "host" if HAS_V1 else "private") == "private"
    return [*found, *(["cgroup"] if own else [])]


def _capabilities(chosen: Mapping[str, Any], engine: str) -> frozenset[str]:
    """docker-run(1), podman-run(1) --cap-add, --cap-drop, --privileged."""
    if chosen.get("privileged"):
        return HOSTS
    added = {one[1:] for one in chosen.get("capabilities", ()) if one[0] == "+"}
    dropped = {one[1:] for one in chosen.get("capabilities", ()) if one[0] == "-"}
    if "ALL" in added:
        return frozenset(HOSTS - dropped)
    kept = frozenset() if "ALL" in dropped else CAPABILITIES[engine] - dropped
    return frozenset(kept | added)


def _sets(chosen: Mapping[str, Any], engine: str, held: frozenset[str], uid: int) -> dict[str, list[str]]:
    """
    Return the sets of the first process.

    Of another user than root podman also makes those of --cap-add inheritable and ambient
    (pkg/specgen/generate/security.go), docker none.
    """
    names = sorted(f"CAP_{name}" for name in held)
    sets = dict.fromkeys(("bounding", "permitted", "effective"), names)
    if engine == "podman" and uid != 0 and not chosen.get("privileged"):
        added = {one[1:] for one in chosen.get("capabilities", ()) if one[0] == "+"}
        asked = held if "ALL" in added else held & added
        kept = sorted(f"CAP_{name}" for name in asked)
        sets |= dict.fromkeys(("permitted", "effective", "inheritable", "ambient"), kept)
    return sets


def _node(device: str) -> str:
    parts = device.split(":")
    return parts[1] if len(parts) > 1 else parts[0]


def _seccomp(chosen: Mapping[str, Any], engine: str, held: frozenset[str]) -> Config | None:
    choice = chosen.get("seccomp")
    if chosen.get("privileged") or choice == ("unconfined",):
        return None
    if choice is None:
        return default_profile(engine, held)
    made = profile(choice)
    # docker 20.10 does not know the key (moby profiles/seccomp): what its profiles do not name answers EPERM
    return {**made, "defaultErrnoRet": errno.EPERM} if engine == "docker" else made


def profile(choice: tuple[str, ...]) -> Config:
    """Return a drawn profile: docker's allow list with some calls more."""
    config: Config = {"linux": {}}
    allow_list(choice, Place(Path("/"), Path("/")))(config)
    made: Config = config["linux"]["seccomp"]
    return made


def bind_of(choice: str, place: Place) -> tuple[str, str, str]:
    """Return source, target and mode of a drawn bind."""
    source, _, rest = choice.partition(" at ")
    target, _, mode = rest.rpartition(", ")
    own = {"own folder": str(place.innocent), "own file": str(place.innocent / "file")}
    return own.get(source, source), target, mode


def _mounts(chosen: Mapping[str, Any], engine: str, place: Place, privileged: bool) -> list[Config]:
    mode = [] if privileged else ["ro"]
    found: list[Config] = [{"destination": path, "type": "", "source": path, "options": mode} for path in KERNEL]
    tmpfs = [chosen["tmpfs"]] if "tmpfs" in chosen else []
    tmpfs += PODMANS_TMPFS if engine == "podman" and chosen.get("read-only") else ()
    for one in tmpfs:
        target, _, how = one.partition(":")
        found.append({"destination": target, "type": "tmpfs", "source": "tmpfs", "options": how.split(",")})
    for one in chosen.get("binds", ()):
        source, target, how = bind_of(one, place)
        found.append({"destination": target, "type": "bind", "source": source, "options": ["rbind", how]})
    return found
