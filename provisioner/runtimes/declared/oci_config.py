"""Reads what a container was to be in the config.json of its bundle.

In: the document of the OCI runtime-spec (config.md, config-linux.md).
Out: `Declared`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provisioner.runtimes.declared.declared import FLAGS, Declared, DeclaredMount, DeclaredUser, limit_name, limit_of

KINDS = {"network": "net", "mount": "mnt"}  # the others have the kernel's names
CPU_PERIOD = 100_000  # microseconds: the kernel's default


def read_oci(config: Mapping[str, Any], default: Sequence[str] | None) -> Declared:
    """
    Return what the container was to be.

    Args:
        config: the document.
        default: ignored: the document names its capabilities.
    """
    process, linux = config["process"], config.get("linux") or {}
    user = process.get("user") or {}
    sets = process.get("capabilities") or {}
    return Declared(
        capabilities=sorted({name.removeprefix("CAP_") for names in sets.values() for name in names}),
        no_new_privs=bool(process.get("noNewPrivileges")),
        seccomp=linux.get("seccomp") is not None,
        lsm="" if (profile := process.get("apparmorProfile") or "") == "unconfined" else profile,
        masked=linux.get("maskedPaths") or [],
        readonly=linux.get("readonlyPaths") or [],
        readonly_root=bool(config["root"].get("readonly")),
        mounts=list(_mounts(config.get("mounts") or [])),
        rlimits={limit_name(one["type"]): limit_of(one["soft"], one["hard"]) for one in process.get("rlimits") or []},
        sysctls=linux.get("sysctl") or {},
        # one with a path is joined, and may be the host's
        namespaces=[
            KINDS.get(one["type"], one["type"]) for one in linux.get("namespaces") or [] if not one.get("path")
        ],
        user=DeclaredUser(uid=user.get("uid", 0), gid=user.get("gid", 0), groups=user.get("additionalGids") or []),
        limits=_limits(linux.get("resources") or {}),
    )


def _mounts(mounts: Sequence[Mapping[str, Any]]) -> Iterator[DeclaredMount]:
    for one in mounts:
        options = one.get("options") or []
        flags = [flag for flag in FLAGS if flag in options]
        if flags:
            yield DeclaredMount(target=posixpath.normpath(one["destination"]), flags=flags)


def _limits(resources: Mapping[str, Any]) -> dict[str, float]:
    memory, cpu, pids = (resources.get(key) or {} for key in ("memory", "cpu", "pids"))
    quota, period = cpu.get("quota") or 0, cpu.get("period") or CPU_PERIOD
    amounts = {"memory": memory.get("limit") or 0, "cpu": quota / period, "pids": pids.get("limit") or 0}
    return {name: float(amount) for name, amount in amounts.items() if amount > 0}
