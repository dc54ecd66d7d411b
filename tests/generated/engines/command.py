"""Drawn choices as arguments of `docker run` and `podman run`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engines.documented import bind_of, profile
from pytest_isolation.differential.edits import Place

Flags = Callable[[Any], list[str]]


def flag(name: str) -> Flags:
    """Return the argument of a choice: `--name=CHOICE`."""
    return lambda choice: [f"--{name}={choice}"]


def each(name: str) -> Flags:
    """Return an argument for each item of a choice."""
    return lambda choice: [f"--{name}={item}" for item in choice]


def _capabilities(choice: tuple[str, ...]) -> list[str]:
    return [f"--cap-{'add' if one.startswith('+') else 'drop'}={one[1:]}" for one in choice]


FLAGS: dict[str, Flags] = {
    "privileged": lambda choice: ["--privileged"],
    "capabilities": _capabilities,
    "no_new_privs": lambda choice: ["--security-opt", "no-new-privileges"],
    "system paths": lambda choice: ["--security-opt", f"systempaths={choice}"],
    "apparmor": lambda choice: ["--security-opt", f"apparmor={choice}"],
    **{name: flag(name) for name in ("pid", "ipc", "uts", "userns", "cgroupns", "tmpfs", "user", "memory", "cpus")},
    "network": lambda choice: [],  # not a flag here: `Spec.network`
    "read-only": lambda choice: ["--read-only"],
    "devices": each("device"),
    "groups": each("group-add"),
    "open files": lambda choice: [f"--ulimit=nofile={choice}:{choice}"],
    "pids": flag("pids-limit"),
    "sysctl": each("sysctl"),
    "shm": flag("shm-size"),
    "environment": lambda choice: [f"--env={name}=generated" for name in choice],
    "init": lambda choice: ["--init"],
    "label": flag("label"),
}


def arguments(chosen: Mapping[str, Any], place: Place, folder: Path) -> tuple[str, ...]:
    """
    Return the arguments of a configuration.

    Args:
        chosen: choices by feature.
        place: what of the host may be bound.
        folder: where a seccomp profile is written.
    """
    found = [part for name, choice in chosen.items() if name in FLAGS for part in FLAGS[name](choice)]
    for one in chosen.get("binds", ()):
        source, target, mode = bind_of(one, place)
        found += ["--volume", f"{source}:{target}:{mode}"]
    if (filter_ := chosen.get("seccomp")) is not None:
        found += ["--security-opt", f"seccomp={_file_of(filter_, folder)}"]
    return tuple(found)


def _file_of(choice: tuple[str, ...], folder: Path) -> str:
    """Return the file of a drawn profile; its name is its content, for several are written at once."""
    if choice == ("unconfined",):
        return "unconfined"
    file = folder / f"{'-'.join(choice).replace(' ', '_')}.json"
    if not file.exists():
        file.write_text(json.dumps(profile(choice)))
    return str(file)
