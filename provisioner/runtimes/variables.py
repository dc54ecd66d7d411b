"""The variables that the templates of a runtime.yaml may name, and at which keys.

In: nothing.  Out: `GROUPS`, `PLACES` and `variables_at`, for the check of a file and for its reference page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.limits.limit import find_limits, limit_named

# A place in the file: keys, "*" for any key, "#" for any item of a list
Place = tuple[str, ...]

# Variables by group, with their values in words
GROUPS: dict[str, dict[str, str]] = {
    "run": {
        "run": "the id of this run: it belongs into each name that the runtime keeps",
        "probe": "the path of the probe on the host",
        "state": "a folder for what the runtime keeps; it outlives the run",
        "run_dir": "a folder for sockets and locks; it does not outlive a boot",
        "image": "a name for the image in an engine, with this run's id as its tag",
        "host": "the host: its attributes are below",
    },
    "image": {
        "archive": "with `image: archive`: the path of a docker-archive tar",
        "rootfs": "with `image: rootfs`: the path of a root folder, which sandboxes share and must not change",
        "initramfs": "with `image: initramfs`: the path of an initramfs for a micro VM",
        "kernel": "with `image: initramfs`: the path of the kernel that it boots",
        "accelerator": "with `image: initramfs`: kvm or tcg",
        "kvm_gid": "with `image: initramfs`: the group that may use /dev/kvm",
    },
    "sandbox": {
        "name": "the sandbox's name: isolation-RUN-N",
        "nonce": "a random number, by which the host finds the probe's process: the last argument of `/probe serve`",
        "bundle": "the sandbox's own folder, which is deleted with it",
        "console": "with `image: initramfs`: the file that the guest's console is written to",
        "limit": "the limits that are asked for, by argument; none where one is not asked for: `limit.memory`",
        "cgroups": "arguments of the probe's `launch` that enter the cgroups made by hand, one list",
    },
    "asked": {
        "limits": "the arguments of `limits` for the limits that are asked for, one list",
        "flags": "further arguments: those of a test, and those of `volume`; one list",
        "network": "the arguments of `network` for the mode that is asked for, one list",
    },
    "volume": {"volume": "the shared folder: `volume.source` on the host, `volume.target` inside"},
    "config": {"config": "the config as it is before this key is set"},
    "exec": {"argv": "the command that is to run inside, one list"},
    "attach": {"at": 'the runtime\'s state folder as the user named it, "" for its default'},
    "pod": {
        "file": "the file of the pod with the probe, or of the pod as it is declared",
        "container": "the name that the engine gives the pod's container",
    },
    "published": {
        "address": "the address of the host at which a port is published",
        "port": "the port there",
        "to": "the port inside",
    },
    "daemon": {"dir": "the daemon's own folder, for its data, sockets and files"},
}

ATTRIBUTES: dict[str, dict[str, str]] = {
    "host": {
        "root": "whether the commands run as root",
        "cgroup": "v1, v2 or hybrid",
        "sys_resource": "whether the commands have CAP_SYS_RESOURCE",
        "sys_admin": "whether the commands have CAP_SYS_ADMIN",
        "unprivileged_uid": "for root: a uid that owns nothing; none for other users",
        "machine": "the processor's architecture, as uname(2) names it: x86_64",
    },
    "limit": {limit.argument: f"the amount of {limit.name}" for limit in find_limits()},
    "volume": {"source": "the folder on the host", "target": "the folder inside"},
}


# What the templates at a place may name: groups, single variables, and `define` for the names of the key `define`
PLACES: dict[Place, str] = {
    ("define", "*", "#"): "run define",
    ("import", "#"): "run image define",
    ("forget", "#"): "run image define",
    ("create", "#"): "run image sandbox asked define",
    ("environment", "*"): "run image sandbox asked define",
    ("prepare", "argv", "#"): "run image sandbox asked define",
    ("prepare", "set", "*"): "run image sandbox asked define",
    ("exec", "#"): "run image sandbox asked exec define",
    ("state", "argv", "#"): "run image sandbox asked define",
    ("delete", "#"): "run image sandbox asked define",
    ("list", "argv", "#"): "run image name define",
    ("limits", "*", "flags", "#"): "run image sandbox define",
    ("limits", "*", "config", "*"): "run image sandbox asked config define",
    ("network", "*", "flags", "#"): "run image sandbox limits flags define",
    ("network", "*", "make", "#"): "run image define",
    ("network", "*", "delete", "#"): "run define",
    ("publish", "#"): "run image define published",
    ("volume", "flags", "#"): "run image sandbox limits volume define",
    ("volume", "config", "*"): "run image sandbox asked volume config define",
    ("command_line", "add", "#"): "run image sandbox asked define",
    ("command_line", "untouched", "add", "#"): "run image sandbox asked define",
    ("untouched", "#"): "run image sandbox asked define",
    ("compose", "make", "#"): "run image sandbox define",
    ("compose", "run", "#"): "run image sandbox define",
    ("pod", "play", "#"): "run image sandbox define file",
    ("pod", "open", "#"): "run image sandbox define container",
    ("pod", "start", "#"): "run image sandbox define container",
    ("pod", "delete", "#"): "run image sandbox define",
    ("command_line", "stored", "#"): "name",
    ("version", "argv", "#"): "run image define",
    ("settings", "argv", "#"): "run image define",
    ("helper", "#"): "run image name exec define",
    ("locate", "argv", "#"): "run image define",
    ("attach", "state", "#"): "name attach",
    ("attach", "running", "#"): "attach",
    ("attach", "exec", "#"): "name attach exec",
    ("daemon", "argv", "#"): "daemon",
    ("daemon", "ready", "#"): "daemon",
    ("daemon", "env", "*"): "daemon",
}


def limit_variables(name: str) -> frozenset[str]:
    """Return the variables of one limit's templates."""
    limit = limit_named(name)
    return frozenset(limit.template_values(limit.measured_amount(0)))


def variables_at(place: Place, names: tuple[str, ...], defined: frozenset[str], has_daemon: bool) -> frozenset[str]:
    """
    Return the variables that a template may name.

    Args:
        place: a key of PLACES.
        names: the keys that stand at its "*": ("memory",) below `limits`.
        defined: the names of `define`.
        has_daemon: whether the runtime has the key `daemon`; then its version is asked before anything is known.
    """
    if place[0] == "version" and has_daemon:
        return frozenset()
    known: set[str] = set(limit_variables(names[0])) if place[0] == "limits" else set()
    for word in PLACES[place].split():
        known |= defined if word == "define" else set(GROUPS.get(word, [word]))
    return frozenset(known)


def find_templates(document: Mapping[str, Any]) -> list[tuple[Place, tuple[str | int, ...], str]]:
    """
    Return the templates of a runtime.yaml: the place, the path in the document, the text.

    Args:
        document: the file as plain maps and lists; of keys that end with "+" the "+" counts as not there.
    """
    found: list[tuple[Place, tuple[str | int, ...], str]] = []

    def step(node: Any, place: Place, at: int, path: tuple[str | int, ...]) -> None:
        if at == len(place):
            if isinstance(node, str):
                found.append((place, path, node))
        elif place[at] == "#" and isinstance(node, list):
            for index, item in enumerate(node):
                step(item, place, at + 1, (*path, index))
        elif isinstance(node, Mapping):
            for key, value in node.items():
                if place[at] in ("*", key.removesuffix("+")):
                    step(value, place, at + 1, (*path, key))

    for place in PLACES:
        step(document, place, 0, ())
    return found
