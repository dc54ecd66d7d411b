"""The engines' default seccomp profiles, as `linux.seccomp` of a config.json.

docker's is a table of the calls that its default profile refuses, and of the capabilities that let each through
(moby/profiles seccomp/default_linux.go; Docker docs, "Seccomp security profiles for Docker"), as docker 20.10 has it.
podman's is the file that its package installs: /usr/share/containers/seccomp.json.
"""

from __future__ import annotations

import errno
import json
from functools import cache
from pathlib import Path
from typing import Any

from predict.filters import BLOCKED

PODMAN = Path("/usr/share/containers/seccomp.json")
ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
NAMESPACES = 0x7E020000  # CLONE_NEW* that clone(2) takes
# Which calls a capability lets through.
BY_CAPABILITY = {
    "DAC_READ_SEARCH": ("open_by_handle_at",),
    "SYS_ADMIN": (
        *("bpf", "clone", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie"),
        *("mount", "mount_setattr", "move_mount", "open_tree", "perf_event_open", "quotactl", "setdomainname"),
        *("sethostname", "setns", "syslog", "umount2", "unshare"),
    ),
    "SYS_BOOT": ("reboot",),
    "SYS_MODULE": ("delete_module", "init_module", "finit_module"),
    "SYS_NICE": ("mbind", "set_mempolicy", "get_mempolicy"),
    "SYS_PACCT": ("acct",),
    "SYS_PTRACE": ("kcmp", "process_madvise"),
    "SYS_RAWIO": ("ioperm", "iopl"),
    "SYS_TIME": ("clock_settime", "settimeofday"),
    "SYS_TTY_CONFIG": ("vhangup",),
    "SYSLOG": ("syslog",),
}
# What it refuses beside BLOCKED, of the calls that rules ask about.
REFUSED = ("fanotify_init", "fsopen", "get_mempolicy", "setdomainname", "sethostname", "unshare", "clone")
# What it allows of all that rules ask about; io_uring until 25.0.
EVER = ("io_uring_setup", "socket", "vmsplice")


def default_profile(engine: str, capabilities: frozenset[str]) -> dict[str, Any]:
    """
    Return the profile of an engine for a container.

    Args:
        engine: "docker" or "podman".
        capabilities: the container's bounding set.
    """
    return _docker(capabilities) if engine == "docker" else _podman(capabilities)


def _docker(capabilities: frozenset[str]) -> dict[str, Any]:
    allowed = {call for name in capabilities for call in BY_CAPABILITY.get(name, ())} | {*EVER}
    refused = sorted({*BLOCKED, *REFUSED} - allowed)
    rules: list[dict[str, Any]] = [{"names": sorted(allowed), "action": ALLOW}]
    if "clone" not in allowed:
        masked = {"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": NAMESPACES, "valueTwo": 0}
        rules.append({"names": ["clone"], "action": ALLOW, "args": [masked]})
    rules.append({"names": refused, "action": ERRNO})
    # runc answers ENOSYS to calls that are newer than all that a profile names (libcontainer/seccomp/patchbpf)
    return {"defaultAction": ERRNO, "defaultErrnoRet": errno.ENOSYS, "syscalls": rules}


def _podman(capabilities: frozenset[str]) -> dict[str, Any]:
    profile = _installed()
    rules = [
        rule
        for rule in profile["syscalls"]
        if _all_held(rule.get("includes", {}).get("caps", ()), capabilities)
        and not (rule.get("excludes", {}).get("caps") and _all_held(rule["excludes"]["caps"], capabilities))
    ]
    return {**profile, "syscalls": [{**rule, "args": rule.get("args") or []} for rule in rules]}


def _all_held(names: list[str], capabilities: frozenset[str]) -> bool:
    return {name.removeprefix("CAP_") for name in names} <= capabilities


@cache
def _installed() -> dict[str, Any]:
    profile: dict[str, Any] = json.loads(PODMAN.read_text())
    return profile
