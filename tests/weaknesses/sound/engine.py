"""The sound engine: its settings are those that its role calls sound."""

from __future__ import annotations

from typing import Any

SOUND = "name=seccomp,profile=(default|builtin)"


def complete(document: dict[str, Any], name: str) -> None:
    """Add the engine's settings; a VM has none."""
    setting = {"name": "seccomp", "value": "name=seccomp,profile=builtin", "sound": SOUND, "why": "no filter"}
    document["target"]["settings"] = None if name == "vm" else [setting]
    document["residue"] = document["survivors"] = []
