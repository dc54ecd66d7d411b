"""How sandboxes are started that a user declares in a file: services of a compose file, containers of a pod.

Models of a runtime.yaml, and of what is made of one file.  The text of a file is no template, for it holds braces of
its own: `fill` replaces marks in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

# Marks in the text of a file, by the value of a sandbox that stands in their place
MARKS = {name: f"@isolation-{name}@" for name in ("run", "name", "nonce", "probe", "image")}


class Compose(BaseModel):
    """
    How an engine's compose program starts a service.

    Attributes:
        programs: the programs that can, the first that is installed is used.
        make: arguments that create a service, its networks and its volumes, and start nothing.
        run: arguments that start a service once, with the probe in the place of its program.
        delete: commands that delete what a project made: its networks and volumes by `item`.
        apart: as in `command_line.untouched`, further paths that differ.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    programs: list[list[str]]
    make: list[str]
    run: list[str]
    delete: dict[str, list[str]]
    apart: list[str]


class Pod(BaseModel):
    """
    How an engine starts a container of a Kubernetes pod.

    Attributes:
        verbs: the words after the engine's program and its options by which a user starts a pod.
        play: the command that creates the pod of the file `file`, and starts nothing.
        open: a command that fails unless the container `container` has an open standard input.
        start: the command that starts the container `container`, and stays attached to it.
        delete: the command that deletes the pod `name`.
        apart: as in `command_line.untouched`, further paths that differ.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verbs: list[list[str]]
    play: list[str]
    open: list[str]
    start: list[str]
    delete: list[str]
    apart: list[str]


class Project(BaseModel):
    """
    The project that a compose program makes of a file, once in a run.

    Attributes:
        name: its name; a template.
        text: the compose file, as the program itself renders it; with marks.
        image: the image of the service that is made.
        make: the command that makes it.  It starts nothing.
        delete: commands that delete what it makes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    text: str
    image: str
    make: list[str]
    delete: list[list[str]]


def fill(text: str, values: Mapping[str, object]) -> str:
    """
    Return a file's JSON text with the marks replaced.

    Args:
        text: the text.
        values: the values of a sandbox or of a run.
    """
    for name, mark in MARKS.items():
        if name in values:
            text = text.replace(mark, json.dumps(str(values[name]))[1:-1])
    return text
