"""Checks of privileges that default engines leave open; the tries and sets are in facts_factory."""

from __future__ import annotations

from typing import Any

ENGINE = frozenset({"cap.restricted", "nnp.setuid"})
OPEN = {"docker": ENGINE | {"cap.mknod"}, "podman": ENGINE}


def complete(document: dict[str, Any], name: str) -> None:
    """Add nothing: every view holds the tries and the capabilities already."""
