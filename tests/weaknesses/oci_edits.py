"""Edits of the config.json of an OCI runtime, and of other nested maps.

In: keys and values.  Out: `Edit`s, each a function that changes a configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Edit = Callable[[dict[str, Any]], None]


def put(dotted: str, value: Any) -> Edit:
    """Return the edit that sets a key of nested maps."""

    def edit(config: dict[str, Any]) -> None:
        *folders, last = dotted.split(".")
        for folder in folders:
            config = config.setdefault(folder, {})
        config[last] = value

    return edit


def append(dotted: str, *items: Any) -> Edit:
    """Return the edit that appends to a list of nested maps."""

    def edit(config: dict[str, Any]) -> None:
        *folders, last = dotted.split(".")
        for folder in folders:
            config = config.setdefault(folder, {})
        config.setdefault(last, []).extend(items)

    return edit


def remove(dotted: str, *items: str) -> Edit:
    """Return the edit that removes strings from a list of nested maps."""

    def edit(config: dict[str, Any]) -> None:
        *folders, last = dotted.split(".")
        for folder in folders:
            config = config[folder]
        for item in items:
            config[last].remove(item)

    return edit


def drop_namespace(kind: str) -> Edit:
    """Return the edit that leaves the sandbox in the host's namespace of that kind."""

    def edit(config: dict[str, Any]) -> None:
        config["linux"]["namespaces"] = [ns for ns in config["linux"]["namespaces"] if ns["type"] != kind]

    return edit


def join_namespace(kind: str, path: str) -> Edit:
    """Return the edit that puts the sandbox into an existing namespace."""

    def edit(config: dict[str, Any]) -> None:
        drop_namespace(kind)(config)
        config["linux"]["namespaces"].append({"type": kind, "path": path})

    return edit


def mount_option(target: str, remove: str = "", add: str = "") -> Edit:
    """Return the edit that changes the options of the mount at `target`."""

    def edit(config: dict[str, Any]) -> None:
        mount = next(mount for mount in config["mounts"] if mount["destination"] == target)
        mount["options"] = [one for one in mount["options"] if one != remove] + ([add] if add else [])

    return edit


def bind(source: Path | str, target: str, *options: str) -> Edit:
    """Return the edit that adds a bind mount."""
    mount = {"destination": target, "type": "bind", "source": str(source), "options": ["bind", *options]}
    return append("mounts", mount)


def grant(*sets: str, names: Sequence[str]) -> Edit:
    """Return the edit that adds capabilities to these sets."""

    def edit(config: dict[str, Any]) -> None:
        for set_ in sets:
            config["process"]["capabilities"].setdefault(set_, []).extend(f"CAP_{name}" for name in names)

    return edit


def revoke(*names: str) -> Edit:
    """Return the edit that removes capabilities from all sets."""

    def edit(config: dict[str, Any]) -> None:
        for held in config["process"]["capabilities"].values():
            held[:] = [one for one in held if one.removeprefix("CAP_") not in names]

    return edit
