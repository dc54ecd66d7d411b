"""What all runtimes have in common that a user's own words start: a command line, a compose file, a pod.

In: a role's Runtime, and the user's words.
Out: templates of these words, and the changes that make the role's Runtime one of the user's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.limits.limit import limit_names
from provisioner.runtimes.runtime import Runtime

BY_COMMAND = "its command line decides"
PROBE_PATH = "/probe"  # where an engine's container shows the probe


@dataclass(frozen=True)
class UserCommand:
    """
    What a user starts a sandbox with, as a runtime.

    Attributes:
        name: a short name: of the image or service for an engine, else of the program.
        runtime: what starts its sandboxes.
        changed: what was changed of it, one phrase for each change.
    """

    name: str
    runtime: Runtime
    changed: tuple[str, ...] = ()


def literal(word: str) -> str:
    """Return the template that renders to a word of the user's as it is, braces included."""
    if not re.search(r"[{}\r\n]", word):
        return word
    quoted = word.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"{{{{ '{quoted}' }}}}"


def short(text: str) -> str:
    """Return a text that fits a line."""
    return text if len(text) <= 80 else f"{text[:79]}…"


def cannot_of_command() -> dict[str, str]:
    """Return what cannot be asked of a command line."""
    return {
        "volume": f"{BY_COMMAND} which folders it shares",
        **{f"network.{mode}": f"{BY_COMMAND} its network" for mode in ("none", "private", "host")},
    }


def users_changes(described: Runtime, text: str, ask: Callable[[Sequence[str] | None], list[str]]) -> dict[str, Any]:
    """
    Return the changes of an engine's Runtime that let a user's words decide what the sandbox is.

    Args:
        described: the engine's runtime.
        text: the user's words, for the title.
        ask: returns another command of the engine, as the user reaches it.
    """
    limits = {f"limits.{name}" for name in limit_names()}
    cannot = {name: why for name, why in described.cannot.items() if name not in limits}
    return {
        "title": short(text),
        "image": "none",
        "import_": None,
        "forget": None,
        "prepare": None,
        "folder": os.getcwd(),
        "exec": ask(described.exec),
        "state": described.state and described.state.model_copy(update={"argv": ask(described.state.argv)}),
        "delete": ask(described.delete),
        "list_": None,
        "limits": {},
        "network": {"none": described.network["none"].model_copy(update={"flags": []})},
        "volume": None,
        "settings": described.settings and described.settings.model_copy(update={"argv": ask(described.settings.argv)}),
        "symptoms": [one for one in described.symptoms if not one.instead],
        "cannot": {**cannot, **cannot_of_command()},
    }
