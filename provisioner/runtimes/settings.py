"""What an engine is set to for every sandbox that it makes.

In: a runtime's `settings` and a host.  Out: `SettingSeen`s.  Called by pytest_isolation's describe.py.  Judges nothing.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.observed import Observed, Text

POINTER = r"^json:(/|$)"


class Setting(BaseModel):
    """
    One setting, how to find it, and what is sound.

    Attributes:
        value: a JSON pointer into the command's answer: "json:/SecurityOptions" (RFC 6901); lists are joined by spaces.
        sound: a pattern that a sound value matches.
        why: what is so in every sandbox when it does not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    value: str = Field(pattern=POINTER)
    sound: str
    why: str


class Settings(BaseModel):
    """A command that answers JSON, and the settings to look at in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    argv: list[str]
    look: dict[str, Setting]


class SettingSeen(Observed):
    """One setting as it is: its value ("" where there is none), the pattern of a sound one, and what follows else."""

    name: Text
    value: Text
    sound: Text
    why: Text


def json_at(document: Any, pointer: str) -> Any:
    """
    Return what stands at a pointer, "json:/0/State/Pid"; None where nothing does.

    Example:
        >>> json_at([{"State": {"Pid": 7}}], "json:/0/State/Pid")
        7
    """
    value = document
    for part in pointer.removeprefix("json:").split("/")[1:]:
        if isinstance(value, list):
            value = value[int(part)] if part.isdigit() and int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def read_settings(settings: Settings, answer: bytes, name: str) -> list[SettingSeen]:
    """
    Read the settings out of an engine's answer.

    Raises:
        IsolationError: it is not JSON.
    """
    try:
        document = json.loads(answer)
    except ValueError as error:
        raise IsolationError(f"cannot read the settings of '{name}': {str(error)[:200]}") from None
    return [
        SettingSeen(name=key, value=_text(json_at(document, one.value)), sound=one.sound, why=one.why)
        for key, one in settings.look.items()
    ]


def ask_settings(settings: Settings, argv: list[str], connection: Any, name: str) -> list[SettingSeen]:
    """
    Ask an engine for its settings.

    Args:
        settings: what to look at.
        argv: the command, rendered.
        connection: where it runs.
        name: the runtime's, for errors.

    Raises:
        IsolationError: it does not answer.
    """
    done = connection.run(argv, deadline("command"))
    if done.status != 0:
        raise IsolationError(f"cannot ask '{name}' for its settings: {done.last_words}")
    return read_settings(settings, done.stdout, name)


def _text(value: Any) -> str:
    """Return a value as one line: what is true or false as JSON has it, a list's items after one another."""
    if isinstance(value, list):
        return " ".join(_text(item) for item in value)[:4096]
    if value is None:
        return ""
    return (value if isinstance(value, str) else json.dumps(value))[:4096]
