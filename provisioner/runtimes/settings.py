"""An engine's own settings, which apply to every sandbox that it makes.

In: a runtime's `settings` and the answer of its command.  Out: `SettingSeen`s.  The verdict is a check's.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.observed import Fact, Observed, Text, unobserved

POINTER = r"^json:(/|$)"


def _is_pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"should be a regular expression: {error}") from None
    return text


Pattern = Annotated[Text, AfterValidator(_is_pattern)]


class Setting(BaseModel):
    """
    One setting: how to find it, and which values are sound.

    Attributes:
        value: a JSON pointer into the command's answer: "json:/SecurityOptions" (RFC 6901); lists are joined by spaces.
        sound: a pattern that a sound value matches.
        why: what is true in every sandbox if the value does not match.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    value: str = Field(pattern=POINTER)
    sound: Pattern
    why: str


class Settings(BaseModel):
    """
    How to learn the engine's own settings.

    Attributes:
        argv: a command that prints JSON.
        look: the settings in it by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    argv: list[str]
    look: dict[str, Setting]


class SettingSeen(Observed):
    """One setting as observed: its value, the pattern of a sound value, and what follows otherwise."""

    name: Text
    value: Fact[Text]  # unobserved if the engine does not answer it
    sound: Pattern
    why: Text


def json_at(document: Any, pointer: str) -> Any:
    """
    Return the value at a JSON pointer, "json:/0/State/Pid"; None if there is none.

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
    Read the settings in an engine's answer.

    Args:
        settings: the settings to look at.
        answer: what the command printed.
        name: the runtime's name, for errors.

    Raises:
        IsolationError: the answer is not JSON.
    """
    try:
        document = json.loads(answer)
    except ValueError as error:
        raise IsolationError(f"cannot read the settings of '{name}': {str(error)[:200]}") from None
    return [
        SettingSeen(name=key, value=_value(json_at(document, one.value), name, key), sound=one.sound, why=one.why)
        for key, one in settings.look.items()
    ]


def ask_settings(settings: Settings, argv: list[str], connection: Any, name: str) -> list[SettingSeen]:
    """
    Ask an engine for its settings.

    Args:
        settings: the settings to look at.
        argv: the rendered command.
        connection: where the command runs.
        name: the runtime's name, for errors.

    Raises:
        IsolationError: the command fails, or its answer is not JSON.
    """
    done = connection.run(argv, deadline("command"))
    if done.status != 0:
        raise IsolationError(f"cannot ask '{name}' for its settings: {done.last_words}")
    return read_settings(settings, done.stdout, name)


def _value(value: Any, name: str, key: str) -> str:
    """Return a value as one line; unobserved for none: older engines, and others behind their client, lack a key."""
    nobody: str = unobserved(f"'{name}' does not answer {key}")
    return nobody if value is None else _text(value)


def _text(value: Any) -> str:
    """Return a value as one line: numbers and booleans as in JSON, a list's items joined by spaces."""
    if isinstance(value, list):
        return " ".join(_text(item) for item in value)[:4096]
    if value is None:
        return ""
    return (value if isinstance(value, str) else json.dumps(value))[:4096]
