"""Applies the words of a remedy to what a plant gave its sandbox.

In: a remedy's line; flags of docker, podman, nspawn or bwrap, or an edit of a config.json.
Out: the flags without those to drop and with those to add; edits of the config.
`CURED` names the plants with a remedy that can be applied word by word; a test applies each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from oci_edits import put, revoke
from profiles import docker_profile

Edit = Callable[[dict[str, Any]], None]

# plant: the check whose remedy is applied
CURED: dict[str, dict[str, str]] = {
    "runc": {
        "no pid namespace": "ns.pid",
        "no net namespace": "ns.net",
        "no ipc namespace": "ns.ipc",
        "no uts namespace": "ns.uts",
        "no cgroup namespace": "ns.cgroup",
        "CAP_SYS_ADMIN granted": "cap.sys_admin",
        "CAP_SYS_MODULE granted": "cap.sys_module",
        "CAP_NET_RAW granted": "cap.net_raw",
        "noNewPrivileges: false": "nnp.set",
        "the default user": "user.nonroot",
        "a profile that allows keyctl": "seccomp.dangerous",
    },
    "docker": {
        "--cap-add=SYS_ADMIN": "cap.sys_admin",
        "--cap-add=SYS_MODULE": "cap.sys_module",
        "--cap-add=DAC_READ_SEARCH": "cap.dac_read_search",
        "NET_RAW kept": "cap.net_raw",
        "systempaths=unconfined": "path.proc_sys",
        "seccomp=unconfined": "seccomp.mode",
        "no-new-privileges left out": "nnp.set",
        "--group-add disk": "user.groups",
        "the default user": "user.nonroot",
        "--device a strange node": "dev.nodes",
        "-v /etc:/x:ro": "mnt.host_paths",
        "--pid=host": "ns.pid",
        "--ipc=host": "ns.ipc",
        "--uts=host": "ns.uts",
        "--cgroupns=host": "ns.cgroup",
    },
    "podman": {
        "--cap-add=SYS_ADMIN": "cap.sys_admin",
        "seccomp=unconfined": "seccomp.mode",
        "no-new-privileges left out": "nnp.set",
        "--group-add disk": "user.groups",
        "--device a strange node": "dev.nodes",
        "-v /usr:/x:ro": "mnt.host_paths",
        "--pid=host": "ns.pid",
        "--ipc=host": "ns.ipc",
        "--uts=host": "ns.uts",
    },
    "crun": {
        "no pid namespace": "ns.pid",
        "no net namespace": "ns.net",
        "CAP_SYS_ADMIN granted": "cap.sys_admin",
        "noNewPrivileges: false": "nnp.set",
    },
    "bwrap": {"--share-net": "ns.net"},
    "nspawn": {"CAP_SYS_RAWIO granted": "cap.bounding", "the host's /etc bound": "mnt.host_paths"},
}
_SPLIT = re.compile(r"; |, or |; or ")
_TAKEN_AWAY = re.compile(r"^(?:or )?(?:drop|remove|unset)\b")
_FLAG = re.compile(r"--?[a-z][a-z-]*(?:[= ](?!and\b|is\b|of\b)[\w./:=-]+)?=?")


def flags_after(flags: Iterable[str], remedy: str) -> tuple[str, ...]:
    """
    Return a plant's flags after its remedy.

    Args:
        flags: each option, and its value after it or after "=".
        remedy: the line: "drop --privileged and --cap-add=SYS_ADMIN", "--cap-drop=NET_RAW; …".
    """
    given = _joined(flags)
    added: list[str] = []
    for part in _SPLIT.split(remedy):
        if _TAKEN_AWAY.search(part):
            dropped = [flag.replace(" ", "=") for flag in _FLAG.findall(part)] + re.findall(r"\w+=\w+", part)
            given = [flag for flag in given if not any(_is(flag, name) for name in dropped)]
        elif (flag := re.match(r"--[a-z][\w-]*[= ]?[\w:=-]*(?=,|$| and)", part)) and "…" not in part and not added:
            added.append(flag[0].replace(" ", "="))
    return (*given, *added)


def edits_after(remedy: str) -> tuple[Edit, ...]:
    """Return the edits of a config.json that a remedy asks for, to be made after those of the plant."""
    text = remedy.partition(", or ")[0]
    if names := re.findall(r"CAP_(\w+)", text if "from process.capabilities" in text else ""):
        return (revoke(*names),)
    if kind := re.match(r'\{"type": "(\w+)"\} in linux.namespaces', text):
        return (_own_namespace(kind[1]),)
    if text.startswith("remove the calls named"):
        return (_without_calls,)
    if value := re.match(r"([a-z]\w*(?:\.\w+)+): (\{[^}]*\}|\"\w+\"|\w+)", text):
        return (put(value[1], json.loads(value[2])),)
    raise ValueError(f"cannot apply '{remedy}' word by word")


def _joined(flags: Iterable[str]) -> list[str]:
    """Return each option with its value: "--cap-add=SYS_ADMIN"."""
    found: list[str] = []
    for word in flags:
        if word.startswith("-"):
            found.append(word)
        else:
            found[-1] = f"{found[-1]}={word}"
    return found


def _is(flag: str, name: str) -> bool:
    """Whether a given flag is the one to drop, which may name no value, or only a part of it."""
    return flag.startswith(name) or flag.endswith(f"={name}") or f"{flag}=" == name


def _own_namespace(kind: str) -> Edit:
    def edit(config: dict[str, Any]) -> None:
        others = [one for one in config["linux"]["namespaces"] if one["type"] != kind]
        config["linux"]["namespaces"] = [*others, {"type": kind}]

    return edit


def _without_calls(config: dict[str, Any]) -> None:
    """Take the calls that a plant allows out of its profile, which is docker's then."""
    config["linux"]["seccomp"] = docker_profile()
