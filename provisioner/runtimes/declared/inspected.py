"""Reads what a container was to be in the answer of an engine's inspect.

In: one container of `docker inspect` (Docker Engine API, ContainerInspect).
Out: `Declared`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provisioner.runtimes.declared.declared import FLAGS, Declared, DeclaredMount, DeclaredUser, limit_name, limit_of

# the mode of a kind of namespaces in HostConfig
MODES = {
    "NetworkMode": "net",
    "PidMode": "pid",
    "IpcMode": "ipc",
    "UTSMode": "uts",
    "CgroupnsMode": "cgroup",
    "UsernsMode": "user",
}
# these share a namespace, all else is one of its own: a network's name, "private", "shareable", "auto"
SHARED = ("host", "container", "ns", "pod")
PRIVATE_BY_DEFAULT = ("PidMode", "UTSMode")  # docker's daemon has a setting for each other kind that is ""
UNCONFINED = ("unconfined", "")
CPU_PERIOD = 100_000


def read_inspected(container: Mapping[str, Any], default: Sequence[str] | None) -> Declared:
    """
    Return what the container was to be.

    Args:
        container: one item of the answer.
        default: the engine's default set of capabilities, names without CAP_; None: not known.
    """
    host, config = (_part(container, key) for key in ("HostConfig", "Config"))
    options = [str(one).replace(":", "=", 1) for one in host.get("SecurityOpt") or []]
    privileged = bool(host.get("Privileged"))
    masked, readonly = (() if privileged else host.get(key) or () for key in ("MaskedPaths", "ReadonlyPaths"))
    return Declared(
        capabilities=None if privileged else _capabilities(host, default),
        no_new_privs=any(one in ("no-new-privileges", "no-new-privileges=true") for one in options),
        seccomp=any(one.startswith("seccomp=") and one != "seccomp=unconfined" for one in options),
        lsm="" if (profile := str(container.get("AppArmorProfile") or "")) in UNCONFINED else profile,
        masked=list(masked),
        readonly=list(readonly),
        readonly_root=bool(host.get("ReadonlyRootfs")),
        mounts=list(_mounts(container, host)),
        rlimits={limit_name(one["Name"]): limit_of(one["Soft"], one["Hard"]) for one in host.get("Ulimits") or []},
        sysctls={str(name): str(value) for name, value in _part(host, "Sysctls").items()},
        namespaces=list(_namespaces(host)),
        user=_user(str(config.get("User") or "")),
        limits=_limits(host),
    )


def _part(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    held = document.get(key)
    return held if isinstance(held, Mapping) else {}


def _capabilities(host: Mapping[str, Any], default: Sequence[str] | None) -> list[str] | None:
    """Return the default set with the changes that the answer names."""
    added, dropped = ({_name(one) for one in host.get(key) or []} for key in ("CapAdd", "CapDrop"))
    if default is None or "ALL" in added:
        return None
    kept = set() if "ALL" in dropped else set(default) - dropped
    return sorted(kept | added)


def _name(capability: object) -> str:
    return str(capability).upper().removeprefix("CAP_")


def _mounts(container: Mapping[str, Any], host: Mapping[str, Any]) -> Iterator[DeclaredMount]:
    for one in container.get("Mounts") or []:
        if one.get("RW") is False:
            yield DeclaredMount(target=one["Destination"], flags=["ro"])
    for target, options in _part(host, "Tmpfs").items():
        if flags := [word for word in str(options).split(",") if word in FLAGS]:
            yield DeclaredMount(target=target, flags=flags)


def _namespaces(host: Mapping[str, Any]) -> Iterator[str]:
    for key, kind in MODES.items():
        mode = str(host.get(key) or "").partition(":")[0]
        if mode not in SHARED and (mode or (key in host and key in PRIVATE_BY_DEFAULT)):
            yield kind


def _user(text: str) -> DeclaredUser:
    uid, _, gid = text.partition(":")
    return DeclaredUser(uid=int(uid) if uid.isdigit() else None, gid=int(gid) if gid.isdigit() else None)


def _limits(host: Mapping[str, Any]) -> dict[str, float]:
    quota, period = host.get("CpuQuota") or 0, host.get("CpuPeriod") or CPU_PERIOD
    amounts = {
        "memory": host.get("Memory") or 0,
        "pids": host.get("PidsLimit") or 0,
        "cpu": (host.get("NanoCpus") or 0) / 1e9 or quota / period,
    }
    return {name: float(amount) for name, amount in amounts.items() if amount > 0}
