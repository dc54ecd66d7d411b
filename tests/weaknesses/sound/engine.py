"""The sound engine: its settings are those that its role calls sound, and it declares nothing of its sandboxes."""

from __future__ import annotations

from typing import Any

SOUND = "name=seccomp,profile=(default|builtin)"


def complete(document: dict[str, Any], name: str) -> None:
    """Add the engine's settings, which a VM does not have, and what it declares."""
    setting = {"name": "seccomp", "value": "name=seccomp,profile=builtin", "sound": SOUND, "why": "no filter"}
    document["target"]["settings"] = None if name == "vm" else [setting]
    document["declared"] = None if name == "vm" else {"shown": {}, "exists": {}}
    document["residue"] = document["survivors"] = []
